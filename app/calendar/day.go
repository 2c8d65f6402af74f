package calendar

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// Day is a date without a time of day, as people in Seoul count it. Days
// compare with == and serve as map keys. The zero Day is no day: it is
// written as "" and stored as NULL.
type Day struct {
	year  int
	month time.Month
	day   int
}

// ErrFormat answers a text that is not a date like 2026-11-22.
var ErrFormat = errors.New("calendar: not a date as yyyy-mm-dd")

// Date returns the day; what is out of range is carried on as in time.Date.
func Date(year int, month time.Month, day int) Day {
	return dateOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// DayOf returns the day in Seoul at t.
func DayOf(t time.Time) Day { return dateOf(t.In(Seoul)) }

func dateOf(t time.Time) Day {
	year, month, day := t.Date()
	return Day{year, month, day}
}

// ParseDay reads "2026-11-22", or answers ErrFormat.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return Day{}, fmt.Errorf("%w: %.20q", ErrFormat, s)
	}
	return dateOf(t), nil
}

// IsZero says whether d is no day.
func (d Day) IsZero() bool { return d == Day{} }

// String writes the day as 2026-11-22, and the zero Day as "".
func (d Day) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.year, int(d.month), d.day)
}

// Year is the year of the date.
func (d Day) Year() int { return d.year }

// Month is the month of the date.
func (d Day) Month() time.Month { return d.month }

// DayOfMonth counts from 1.
func (d Day) DayOfMonth() int { return d.day }

// Weekday is the day of the week.
func (d Day) Weekday() time.Weekday { return d.utc().Weekday() }

// Start is the moment at which d begins in Seoul. A day is the half-open
// interval from d.Start() to d.Next().Start().
func (d Day) Start() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, Seoul) }

// Next is the day after d.
func (d Day) Next() Day { return d.AddDays(1) }

// AddDays goes n days on, or back if n is negative.
func (d Day) AddDays(n int) Day { return Date(d.year, d.month, d.day+n) }

// AddYears goes n years on. 29 February becomes 1 March in a year without it.
func (d Day) AddYears(n int) Day { return Date(d.year+n, d.month, d.day) }

// FirstOfMonth is the first day of d's month.
func (d Day) FirstOfMonth() Day { return Date(d.year, d.month, 1) }

// DaysUntil counts the days from d to other; negative if other lies before.
func (d Day) DaysUntil(other Day) int {
	const secondsPerDay = 24 * 60 * 60
	return int((other.utc().Unix() - d.utc().Unix()) / secondsPerDay)
}

// Compare returns -1, 0 or 1, for sorting.
func (d Day) Compare(other Day) int { return d.utc().Compare(other.utc()) }

// Before says whether d lies before other.
func (d Day) Before(other Day) bool { return d.Compare(other) < 0 }

// After says whether d lies after other.
func (d Day) After(other Day) bool { return d.Compare(other) > 0 }

func (d Day) utc() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC) }

// MarshalText writes the day for JSON, forms and file names.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes. "" is the zero Day, as an
// empty field of a form is; who needs a day asks IsZero.
func (d *Day) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Day{}
		return nil
	}
	parsed, err := ParseDay(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Value stores the day in a date column.
func (d Day) Value() (driver.Value, error) {
	if d.IsZero() {
		return nil, nil
	}
	return d.utc(), nil
}

// Scan reads a date column; NULL becomes the zero Day.
func (d *Day) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*d = Day{}
		return nil
	case time.Time:
		// Drivers give a date as midnight in some zone: its own parts count.
		*d = dateOf(v)
		return nil
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	default:
		return fmt.Errorf("%w: %T", ErrFormat, value)
	}
}

// Long writes the day for people: "2026. 11. 22.(일)", and in English ("en")
// "Sun 22 Nov 2026". The zero Day is "".
func (d Day) Long(lang string) string {
	if d.IsZero() {
		return ""
	}
	if lang == "en" {
		return d.utc().Format("Mon 2 Jan 2006")
	}
	return fmt.Sprintf("%d. %d. %d.(%s)", d.year, int(d.month), d.day, weekdays[d.Weekday()])
}

var weekdays = [7]string{"일", "월", "화", "수", "목", "금", "토"}

// LongTime writes a moment as people in Seoul read it: "2026. 11. 22.(일)
// 15:04", and in English ("en") "Sun 22 Nov 2026 15:04". The zero time is "".
func LongTime(t time.Time, lang string) string {
	if t.IsZero() {
		return ""
	}
	return DayOf(t).Long(lang) + t.In(Seoul).Format(" 15:04")
}
