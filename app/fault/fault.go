// Package fault is the vocabulary in which modules say no. A module declares
// its faults once, as package variables; app/web alone turns them into HTTP.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind groups faults by what the caller can do about them.
type Kind string

// The closed list of kinds.
const (
	Internal        Kind = "internal"        // what every plain error counts as
	Malformed       Kind = "malformed"       // cannot be read at all
	Invalid         Kind = "invalid"         // read, but a value is not acceptable
	Unauthenticated Kind = "unauthenticated" // who are you?
	Forbidden       Kind = "forbidden"
	NotFound        Kind = "not-found"
	Conflict        Kind = "conflict" // the state of things refuses it
	TooMany         Kind = "too-many" // slow down
	Unavailable     Kind = "unavailable"
)

// Fault is a refusal that a caller can act on. Code is stable and public; it is
// also the address of the page that explains it and the key of its words.
type Fault struct {
	Kind       Kind
	Code       string
	Params     map[string]any // public, shown to the caller
	Fields     []Field        // what is wrong with which input
	RetryAfter time.Duration  // for TooMany and Unavailable
	Cause      error          // for the log only
}

// Field names one input and what is wrong with it.
type Field struct {
	Name   string // as the caller wrote it: amount, device.name
	Reason Reason
	Limit  string // the bound that was crossed, if any
}

// Reason is the closed list of what can be wrong with a field; each has its
// words under "field.<reason>".
type Reason string

// What can be wrong with a field.
const (
	Required    Reason = "required"
	WrongType   Reason = "wrong-type"
	WrongFormat Reason = "wrong-format"
	TooLong     Reason = "too-long"
	TooShort    Reason = "too-short"
	TooSmall    Reason = "too-small"
	TooLarge    Reason = "too-large"
	NotAllowed  Reason = "not-allowed"
	Unknown     Reason = "unknown"
	WrongStep   Reason = "wrong-step"
	Mismatch    Reason = "mismatch"
	Repeated    Reason = "repeated"
)

// Faults of no module.
var (
	ErrInvalid     = Declare(Invalid, "invalid-input")
	ErrMalformed   = Declare(Malformed, "malformed-request")
	ErrUnavailable = DeclareWait(Unavailable, "temporarily-unavailable", 2*time.Second)
	ErrForbidden   = Declare(Forbidden, "not-permitted")
	ErrNotFound    = Declare(NotFound, "not-found")
	ErrTooMany     = Declare(TooMany, "too-many-requests")
)

var declared = map[string]*Fault{}

// Declare adds a fault to the catalogue. Two faults never share a code.
func Declare(kind Kind, code string) *Fault {
	if declared[code] != nil {
		panic("fault: declared twice: " + code)
	}
	declared[code] = &Fault{Kind: kind, Code: code}
	return declared[code]
}

// DeclareWait adds a fault that says when to come back.
func DeclareWait(kind Kind, code string, wait time.Duration) *Fault {
	f := Declare(kind, code)
	f.RetryAfter = wait
	return f
}

// Declared lists the whole catalogue in the order of its codes.
func Declared() []*Fault {
	return slices.SortedFunc(maps.Values(declared), func(a, b *Fault) int { return strings.Compare(a.Code, b.Code) })
}

// Lookup finds a declared fault by its code.
func Lookup(code string) (*Fault, bool) {
	f, ok := declared[code]
	return f, ok
}

// On says that one field is not acceptable, and why.
func On(field string, reason Reason) *Fault {
	f := *ErrInvalid
	f.Fields = []Field{{Name: field, Reason: reason}}
	return &f
}

// And adds another field to what On began.
func (f *Fault) And(field string, reason Reason) *Fault {
	if f == nil {
		return On(field, reason)
	}
	g := *f
	g.Fields = append(slices.Clone(f.Fields), Field{Name: field, Reason: reason})
	return &g
}

// Limit names the bound that the last field crossed.
func (f *Fault) Limit(limit any) *Fault {
	g := *f
	g.Fields = slices.Clone(f.Fields)
	g.Fields[len(g.Fields)-1].Limit = fmt.Sprint(limit)
	return &g
}

// OrNil turns a list that stayed empty into no error at all.
func (f *Fault) OrNil() error {
	if f == nil || len(f.Fields) == 0 {
		return nil
	}
	return f
}

// With returns a copy that carries one more public parameter.
func (f *Fault) With(name string, value any) *Fault {
	g := *f
	g.Params = maps.Clone(f.Params)
	if g.Params == nil {
		g.Params = map[string]any{}
	}
	g.Params[name] = value
	return &g
}

// After returns a copy that tells the caller when to come back.
func (f *Fault) After(wait time.Duration) *Fault {
	g := *f
	g.RetryAfter = wait
	return &g
}

// Because returns a copy that carries the cause, for the log only.
func (f *Fault) Because(cause error) *Fault {
	g := *f
	g.Cause = cause
	return &g
}

func (f *Fault) Error() string {
	var fields strings.Builder
	for _, field := range f.Fields {
		fields.WriteString(" " + field.Name + "=" + string(field.Reason))
	}
	text := string(f.Kind) + ": " + f.Code + fields.String()
	if len(f.Params) > 0 {
		text += fmt.Sprintf(" %v", f.Params)
	}
	if f.Cause != nil {
		text += ": " + f.Cause.Error()
	}
	return text
}

func (f *Fault) Unwrap() error { return f.Cause }

// Is matches by code, so errors.Is(err, payments.ErrX) holds for copies too.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code
}

// Of finds the fault in err, if there is one.
func Of(err error) (*Fault, bool) {
	var f *Fault
	ok := errors.As(err, &f)
	return f, ok
}
