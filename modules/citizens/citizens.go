// Package citizens knows who people are, and tells as little of it as it can.
//
// It owns schema citizens: people, identity checks, agreements. Citizens are
// platform-wide: one account for all municipalities.
//
// It holds these to be true, always:
//   - a person, told by the identity provider's connecting information (CI), has one account;
//   - personal data is sealed field by field; others see it masked, or in the
//     clear for a reason that leaves an access record;
//   - an identity token counts once and for ten minutes, and only its hash is kept;
//   - whoever asks without proof never learns whether somebody has an account.
package citizens

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/fault"
)

// Limits of an identity check.
const (
	CheckLives  = 3 * time.Minute // the providers' codes live as long
	TokenLives  = 10 * time.Minute
	attemptsMax = 5
	nameMax     = 50

	// AgeMin is the age from which people decide on their own personal data;
	// younger ones need a guardian's consent (개인정보 보호법 제22조의2), which
	// the platform cannot take yet.
	AgeMin = 14
)

// Required agreements and the version that is in force.
var (
	Required        = []string{"terms", "privacy", "e-finance"}
	agreementsInUse = "2026-01"
)

// Citizen is a person as screens may show them.
type Citizen struct {
	ID          uuid.UUID
	NameMasked  string
	PhoneMasked string
	BirthMasked string
	JoinedAt    time.Time
	LockedAt    *time.Time
	LockReason  *LockReason
	LockCase    *string
}

// Locked says whether the account's use is restricted now.
func (c Citizen) Locked() bool { return c.LockedAt != nil }

// Personal is a person's data in the clear.
type Personal struct {
	Name      string
	Phone     string // digits
	BirthDate calendar.Day
}

// Agreement is what somebody agreed to.
type Agreement struct {
	Name     string
	Version  string
	AgreedAt time.Time
}

// LockReason is why an account's use is restricted.
type LockReason string

// Why an account is restricted. A new identity check lifts what the system
// found; what the citizen or staff ordered is lifted by staff alone, because
// a thief may hold the phone that the check goes to.
const (
	LockedByCitizen LockReason = "citizen"
	LockedForReuse  LockReason = "reuse-detected"
	LockedByStaff   LockReason = "staff"
)

// Person is who somebody says they are.
type Person struct {
	Name      string
	BirthDate string // yyyy-mm-dd or yyyymmdd
	Phone     string // with or without hyphens, or +82 and without its first zero
}

var (
	phones  = regexp.MustCompile(`^01[016789][0-9]{7,8}$`)
	compact = regexp.MustCompile(`^[0-9]{8}$`)
)

// normalise brings what was written to one form, or names every field that
// cannot be taken.
func (p *Person) normalise(today calendar.Day) (born calendar.Day, err error) {
	var wrong *fault.Fault
	p.Name = strings.Join(strings.Fields(p.Name), " ")
	switch {
	case p.Name == "":
		wrong = wrong.And("name", fault.Required)
	case utf8.RuneCountInString(p.Name) > nameMax:
		wrong = wrong.And("name", fault.TooLong).Limit(nameMax)
	case !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, notOfName):
		wrong = wrong.And("name", fault.WrongFormat)
	}
	if compact.MatchString(p.BirthDate) {
		p.BirthDate = p.BirthDate[:4] + "-" + p.BirthDate[4:6] + "-" + p.BirthDate[6:]
	}
	born, failed := calendar.ParseDay(p.BirthDate)
	if failed != nil || len(p.BirthDate) != len(time.DateOnly) || born.Year() < 1900 || born.After(today) {
		wrong = wrong.And("birth_date", fault.WrongFormat)
	}
	p.Phone = strings.NewReplacer("-", "", " ", "").Replace(p.Phone)
	if abroad, ok := strings.CutPrefix(p.Phone, "+82"); ok {
		p.Phone = "0" + strings.TrimPrefix(abroad, "0")
	}
	if !phones.MatchString(p.Phone) {
		wrong = wrong.And("phone", fault.WrongFormat)
	}
	if err := wrong.OrNil(); err != nil {
		return born, err
	}
	if tooYoung(born, today) {
		return born, ErrTooYoung.With("age_min", AgeMin)
	}
	return born, nil
}

func notOfName(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune(" .-'’·", r) }

func tooYoung(born, today calendar.Day) bool { return born.AddYears(AgeMin).After(today) }

// missing lists the required agreements that are not among the given names.
func missing(agreed []string) (names []string) {
	for _, name := range Required {
		if !slices.Contains(agreed, name) {
			names = append(names, name)
		}
	}
	return names
}
