// Package incidents says what is wrong on our side, from when to when and for
// whom, in words that stay, and lets operators end sessions because of it.
//
// It owns schema incidents.
//
// It holds these to be true, always:
//   - what the public was told stays as it was told: other words are another
//     version, and both can be read;
//   - an incident is over exactly when it has an end;
//   - sessions are reset only under an incident that is not over.
package incidents

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/tenant"
	"jangteo/modules/sessions"
)

// State is how far the work on an incident is.
type State string

// The states; from each any other but from Resolved none.
const (
	Investigating State = "investigating"
	Identified    State = "identified"
	Monitoring    State = "monitoring"
	Resolved      State = "resolved"
)

// States lists them in order.
var States = []State{Investigating, Identified, Monitoring, Resolved}

// Parts are what can be affected.
var Parts = []string{"sign-in", "payments", "purchases", "history", "shops", "office"}

// Incident is something that went wrong on our side.
type Incident struct {
	ID         uuid.UUID
	Number     string // as people call it
	State      State
	Parts      []string
	Tenants    []tenant.ID // empty: everywhere
	StartedAt  time.Time
	EndedAt    *time.Time
	Published  bool
	OpenedAt   time.Time
	OpenedName string
	Version    int
	Words      Words // of the newest version
	SaidAt     time.Time
}

// Words are what is said of an incident.
type Words struct {
	TitleKo, TitleEn string // 2 to 100 characters
	TextKo, TextEn   string // 2 to 2000 characters
}

// In returns the words for a reader of lang.
func (w Words) In(lang string) (title, text string) {
	if lang == i18n.Korean {
		return w.TitleKo, w.TextKo
	}
	return w.TitleEn, w.TextEn
}

// Version is what was said at one time.
type Version struct {
	Version    int
	State      State
	Words      Words `gorm:"embedded"`
	Published  bool
	At         time.Time
	AuthorName string
}

// Input is what somebody says of an incident.
type Input struct {
	State     State
	Parts     []string
	Tenants   []tenant.ID // empty: everywhere
	StartedAt time.Time   // zero: now
	Published bool
	Words     Words
}

const (
	titleMax   = 100
	textMax    = 2000
	textMin    = 2
	tenantsMax = 229
)

func (in *Input) validate(now time.Time) error {
	var wrong *fault.Fault
	for _, text := range []struct {
		field   string
		value   *string
		longest int
	}{
		{"title_ko", &in.Words.TitleKo, titleMax}, {"text_ko", &in.Words.TextKo, textMax},
		{"title_en", &in.Words.TitleEn, titleMax}, {"text_en", &in.Words.TextEn, textMax},
	} {
		*text.value = strings.TrimSpace(strings.ReplaceAll(*text.value, "\r\n", "\n"))
		switch n := utf8.RuneCountInString(*text.value); {
		case n == 0:
			wrong = wrong.And(text.field, fault.Required)
		case n < textMin:
			wrong = wrong.And(text.field, fault.TooShort).Limit(textMin)
		case n > text.longest:
			wrong = wrong.And(text.field, fault.TooLong).Limit(text.longest)
		}
	}
	if !oneOf(in.State, States) {
		wrong = wrong.And("state", fault.NotAllowed)
	}
	if len(in.Parts) == 0 {
		wrong = wrong.And("parts", fault.Required)
	}
	for _, part := range in.Parts {
		if !oneOf(part, Parts) {
			wrong = wrong.And("parts", fault.NotAllowed)
			break
		}
	}
	if len(in.Tenants) > tenantsMax {
		wrong = wrong.And("tenants", fault.TooLong).Limit(tenantsMax)
	}
	switch {
	case in.StartedAt.IsZero():
		in.StartedAt = now
	case in.StartedAt.After(now):
		wrong = wrong.And("started_at", fault.TooLarge)
	}
	return wrong.OrNil()
}

func oneOf[T comparable](value T, among []T) bool {
	for _, each := range among {
		if value == each {
			return true
		}
	}
	return false
}

// Over tells that nothing more happens under the incident.
func (i Incident) Over() bool { return i.State == Resolved }

// newIncident makes the record of what somebody says first.
func newIncident(in Input, now time.Time, author string) Incident {
	id := uuid.Must(uuid.NewV7())
	i := Incident{
		ID: id, Number: sessions.IncidentNumber(id), State: in.State, Parts: in.Parts, Tenants: in.Tenants,
		StartedAt: in.StartedAt, Published: in.Published, OpenedAt: now, OpenedName: author, Version: 1, Words: in.Words, SaidAt: now,
	}
	if i.Over() {
		i.EndedAt = &now
	}
	return i
}
