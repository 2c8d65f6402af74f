package merchants

import (
	"errors"
	"strings"
	"testing"

	"jangteo/app/fault"
)

// A place reads as it is written, with or without space around its numbers.
func FuzzParsePlace(f *testing.F) {
	for _, text := range []string{"37.5264,126.8962", "-37.5,-126.9", "37.5, -126.9", " -37.5 , 126.9 ", "", ",", "37.5", "91,0", "1e2,3", "--1,2", "- 1,2", "+1,2", "0.0000001,0", "-0.5,0", "37.５,1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err != nil || p == nil {
			if (err == nil) != (text == "") || err != nil && !errors.Is(err, fault.ErrInvalid) {
				t.Fatalf("%q: %v, %v", text, p, err)
			}
			return
		}
		north, east, _ := strings.Cut(text, ",")
		for written, got := range map[string]int64{north: p.LatitudeE6, east: p.LongitudeE6} {
			if negative := strings.HasPrefix(strings.TrimSpace(written), "-"); negative && got > 0 || !negative && got < 0 {
				t.Fatalf("%q was read as %+v", text, *p)
			}
		}
		if back, err := parsePlace(degrees(p.LatitudeE6) + "," + degrees(p.LongitudeE6)); err != nil || *back != *p {
			t.Fatalf("%q was read as %+v, then as %+v, %v", text, *p, back, err)
		}
	})
}

// A cursor of shops is what was given out, or it is refused.
func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"", (&Cursor{Name: "가게", Skip: 30}).String(), (&Cursor{Skip: 10_001}).String(), "e30", "bnVsbA", "W10", "=", "eyJTa2lwIjotMX0"} {
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
		if back, err := parseCursor(c.String()); err != nil || back != c {
			t.Fatalf("%q: %+v then %+v, %v", text, c, back, err)
		}
	})
}
