package emvco

import "errors"

// ErrInvalid is what every *Error of this package is, for errors.Is.
var ErrInvalid = errors.New("emvco: not a valid code")

// Reason says what is wrong with a payload or with a Code to be written.
type Reason string

// All reasons there are.
const (
	ReasonLength    Reason = "length"    // too long, empty, or cut short
	ReasonEncoding  Reason = "encoding"  // not UTF-8
	ReasonStructure Reason = "structure" // not tags, lengths and values
	ReasonChecksum  Reason = "checksum"  // changed or misread
	ReasonDuplicate Reason = "duplicate" // a tag twice
	ReasonMissing   Reason = "missing"   // a tag that must be there
	ReasonForeign   Reason = "foreign"   // another version, currency, country or kind of account
	ReasonValue     Reason = "value"     // a value outside its bounds
)

// Error is a refusal. It never repeats the value that it refuses.
type Error struct {
	Reason Reason
	// Tag is the field, "54" or "26.01"; "" is the payload as a whole.
	Tag string
}

func (e *Error) Error() string {
	if e.Tag == "" {
		return ErrInvalid.Error() + ": " + string(e.Reason)
	}
	return ErrInvalid.Error() + ": " + string(e.Reason) + " of field " + e.Tag
}

// Is makes every Error an ErrInvalid.
func (e *Error) Is(target error) bool { return target == ErrInvalid }
