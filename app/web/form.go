package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/money"
)

const formBytesMax = 64 << 10

// Form reads a posted form field by field and remembers what was wrong, so that
// the page can show it again with every error beside its field.
type Form struct {
	Values  url.Values
	Errors  []FieldError
	Problem string // what was refused as a whole, in words
	fault   *fault.Fault
}

// FieldError is an error as a page shows it.
type FieldError struct{ Field, Label, Message string }

// EmptyForm is a form that nobody has sent yet.
func EmptyForm() *Form { return &Form{Values: url.Values{}} }

// ReadForm reads the body of a form post, at most 64 KiB.
func ReadForm(c echo.Context) (*Form, error) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, formBytesMax)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, err
		}
		return nil, fault.ErrMalformed.Because(err)
	}
	return &Form{Values: r.PostForm}, nil
}

// ReadQuery reads the query as a form: searches and filters.
func ReadQuery(c echo.Context) *Form { return &Form{Values: c.QueryParams()} }

func (f *Form) wrong(name string, reason fault.Reason) { f.fault = f.fault.And(name, reason) }

// Err is the fault that names every field that was wrong, or nil.
func (f *Form) Err() error { return f.fault.OrNil() }

// Value is what was sent, to be shown again.
func (f *Form) Value(name string) string { return f.Values.Get(name) }

// Error is the message for one field, or empty.
func (f *Form) Error(name string) string {
	for _, e := range f.Errors {
		if e.Field == name {
			return e.Message
		}
	}
	return ""
}

// Text reads a required text of at most longest characters.
func (f *Form) Text(name string, longest int) string {
	text := f.Optional(name, longest)
	if text == "" {
		f.wrong(name, fault.Required)
	}
	return text
}

// Optional reads a text that may be empty.
func (f *Form) Optional(name string, longest int) string {
	text := strings.TrimSpace(f.Values.Get(name))
	if reason, ok := CheckText(text, longest); !ok {
		f.wrong(name, reason)
		if reason == fault.TooLong {
			f.fault = f.fault.Limit(longest)
		}
		return ""
	}
	return text
}

// CheckText refuses text that is too long, not UTF-8 or holds control characters.
func CheckText(text string, longest int) (fault.Reason, bool) {
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }):
		return fault.WrongFormat, false
	case utf8.RuneCountInString(text) > longest:
		return fault.TooLong, false
	}
	return "", true
}

// Amount reads a number of won of at least 1, with or without separators.
func (f *Form) Amount(name string) money.Amount {
	text := strings.TrimSpace(f.Values.Get(name))
	if text == "" {
		f.wrong(name, fault.Required)
		return 0
	}
	amount, err := money.Parse(text)
	switch {
	case err != nil:
		f.wrong(name, fault.WrongFormat)
		return 0
	case amount < 1:
		f.wrong(name, fault.TooSmall)
		f.fault = f.fault.Limit(1)
		return 0
	}
	return amount
}

// UUID reads an id.
func (f *Form) UUID(name string) uuid.UUID {
	text := f.Values.Get(name)
	if text == "" {
		f.wrong(name, fault.Required)
		return uuid.Nil
	}
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		f.wrong(name, fault.WrongFormat)
		return uuid.Nil
	}
	return id
}

// Choice reads one of the given options.
func (f *Form) Choice(name string, options ...string) string {
	text := f.Values.Get(name)
	for _, option := range options {
		if text == option {
			return text
		}
	}
	if text == "" {
		f.wrong(name, fault.Required)
	} else {
		f.wrong(name, fault.NotAllowed)
	}
	return ""
}

// Date reads yyyy-mm-dd.
func (f *Form) Date(name string) time.Time {
	day, err := time.Parse(time.DateOnly, f.Values.Get(name))
	if err != nil {
		f.wrong(name, fault.WrongFormat)
	}
	return day
}

// Checked reads a checkbox that must be ticked.
func (f *Form) Checked(name string) {
	if f.Values.Get(name) == "" {
		f.wrong(name, fault.Required)
	}
}

func (f *Form) refuse(words i18n.Words, lang string, g *fault.Fault) {
	if len(g.Fields) == 0 {
		f.Problem = ProblemOf(words, lang, g, "").Detail
	}
	for _, field := range g.Fields {
		label := words.T(lang, "label."+field.Name)
		if !words.Has(lang, "label."+field.Name) {
			label = field.Name
		}
		f.Errors = append(f.Errors, FieldError{
			Field: field.Name, Label: label,
			Message: words.T(lang, "field."+string(field.Reason), "limit", grouped(field.Limit)),
		})
	}
}

// grouped writes a whole number with a comma between thousands, for people;
// any other limit as it is.
func grouped(limit string) string {
	if n, err := strconv.ParseInt(limit, 10, 64); err == nil {
		return money.Amount(n).String()
	}
	return limit
}
