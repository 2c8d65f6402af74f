package settlement

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/fault"
)

// A cursor of statements is what was given out, or it is refused.
func FuzzParseCursor(f *testing.F) {
	one := &Cursor{Day: calendar.Date(2026, 11, 22), ID: uuid.MustParse("01890000-0000-7000-8000-000000000001")}
	for _, text := range []string{"", one.String(), one.String()[:12], "MjAyNi0wMi0zMCB4", "=", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) || c != (Cursor{}) {
				t.Fatalf("%q: %v, %v", text, c, err)
			}
			return
		}
		if back, err := parseCursor(c.String()); text != "" && (err != nil || back != c) {
			t.Fatalf("%q: %v then %v, %v", text, c, back, err)
		}
	})
}
