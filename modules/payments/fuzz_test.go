package payments

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/fault"
)

// A history's cursor is what History gave out, or it is refused.
func FuzzParsePosition(f *testing.F) {
	one := position{uuid.MustParse("01890000-0000-7000-8000-000000000001"): uuid.MustParse("01890000-0000-7000-8000-000000000002")}
	for _, text := range []string{"", one.String(), one.String()[:10], "AAAA", "====", "\x00", one.String() + one.String()} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition(text)
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) || p != nil {
				t.Fatalf("%q: %v, %v", text, p, err)
			}
			return
		}
		back, err := parsePosition(p.String())
		if err != nil || len(back) != len(p) || len(p) > positionsMost {
			t.Fatalf("%q: %v then %v, %v", text, p, back, err)
		}
		for wallet, entry := range p {
			if back[wallet] != entry {
				t.Fatalf("%q: %v then %v", text, p, back)
			}
		}
	})
}
