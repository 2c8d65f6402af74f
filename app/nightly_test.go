package app

import (
	"testing"
	"time"

	"jangteo/app/calendar"
)

func TestNightly(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-11-18T00:00:00+09:00": "2026-11-18T03:30:00+09:00",
		"2026-11-18T03:29:59+09:00": "2026-11-18T03:30:00+09:00",
		"2026-11-18T03:30:00+09:00": "2026-11-19T03:30:00+09:00",
		"2026-11-18T14:00:00Z":      "2026-11-19T03:30:00+09:00",
		"2026-12-31T23:00:00+09:00": "2027-01-01T03:30:00+09:00",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := (nightly{}).Next(moment).In(calendar.Seoul).Format(time.RFC3339); got != want {
			t.Errorf("after %s it is next at %s, want %s", at, got, want)
		}
	}
}
