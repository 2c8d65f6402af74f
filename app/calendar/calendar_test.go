package calendar

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"
)

func day(t *testing.T, s string) Day {
	t.Helper()
	d, err := ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDayIsCountedInSeoul(t *testing.T) {
	t.Parallel()
	for moment, want := range map[string]string{
		"2026-11-22T14:59:59Z":      "2026-11-22",
		"2026-11-22T15:00:00Z":      "2026-11-23",
		"2026-12-31T15:00:00Z":      "2027-01-01",
		"2026-11-22T00:00:00+09:00": "2026-11-22",
		"2026-11-21T23:59:59-05:00": "2026-11-22",
	} {
		at, err := time.Parse(time.RFC3339, moment)
		if err != nil {
			t.Fatal(err)
		}
		if got := DayOf(at); got.String() != want {
			t.Errorf("at %s it is %s in Seoul, want %s", moment, got, want)
		}
	}
	start := day(t, "2026-11-22").Start()
	if want := time.Date(2026, 11, 21, 15, 0, 0, 0, time.UTC); !start.Equal(want) {
		t.Errorf("the day starts at %s, want %s", start, want)
	}
}

func TestBusinessDays(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"2026-11-20": true,  // Friday
		"2026-11-21": false, // Saturday
		"2026-11-22": false, // Sunday
		"2026-11-23": true,
		"2026-02-17": false, // 설날
		"2026-05-01": false, // public holiday since 2026
		"2026-12-25": false,
		"2027-12-27": false, // substitute
		"2027-12-28": true,
	} {
		if got := IsBusiness(day(t, s)); got != want {
			t.Errorf("%s counts as a business day: %v, want %v", s, got, want)
		}
	}
	if IsBusiness(Day{}) {
		t.Error("no day counts as a business day")
	}
}

func TestNextBusiness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-11-20", 0, "2026-11-20"},
		{"2026-11-21", 0, "2026-11-23"},
		{"2026-11-20", 1, "2026-11-23"},
		{"2026-11-20", 2, "2026-11-24"},
		{"2026-11-22", 2, "2026-11-24"},
		{"2026-02-13", 1, "2026-02-19"}, // over a weekend and 설날
		{"2027-12-24", 2, "2027-12-29"}, // Christmas on a Saturday, substitute on Monday
		{"2026-12-31", 1, "2027-01-04"}, // over New Year
	} {
		if got := NextBusiness(day(t, c.from), c.n); got.String() != c.want {
			t.Errorf("business day %d after %s is %s, want %s", c.n, c.from, got, c.want)
		}
	}
}

func TestNextBusinessPanicsOnABug(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from Day
		n    int
	}{{Day{}, 1}, {Date(2026, 11, 22), -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("business day %d after %q was answered", c.n, c.from)
				}
			}()
			NextBusiness(c.from, c.n)
		}()
	}
}

func TestNextBusinessCountsBusinessDays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := Date(2018, 1, 1).AddDays(rapid.IntRange(0, 3600).Draw(t, "from"))
		n := rapid.IntRange(1, 20).Draw(t, "n")
		got := NextBusiness(from, n)
		between := 0
		for d := from.Next(); !d.After(got); d = d.Next() {
			if IsBusiness(d) {
				between++
			}
		}
		if between != n || !IsBusiness(got) {
			t.Fatalf("%d after %s is %s, with %d business days between", n, from, got, between)
		}
	})
}

func TestHolidaysHaveNames(t *testing.T) {
	t.Parallel()
	if name, ok := Holiday(Date(2026, 2, 17)); !ok || name != "설날" {
		t.Errorf("2026-02-17 is %q, %v", name, ok)
	}
	if _, ok := Holiday(Date(2026, 11, 22)); ok {
		t.Error("an ordinary Sunday is a holiday")
	}
	// 2025-05-05 was two holidays at once.
	if name, _ := Holiday(Date(2025, 5, 5)); name == "" || len(name) < len("어린이날, ") {
		t.Errorf("2025-05-05 is %q", name)
	}
	if got := CoveredUntil().String(); got != "2027-12-31" {
		t.Errorf("holidays are known until %s", got)
	}
	// 192 rows, one day twice.
	if got := len(holidays().names); got != 191 {
		t.Errorf("%d holidays are known", got)
	}
}

func TestBrokenHolidaysAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "date,name\n", "date,name\n2026-13-01,x\n", "date,name\n2026-01-01\n", "date,name\n2026-01-01,a,b\n"} {
		if _, err := readHolidays(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestDayIsWrittenForPeople(t *testing.T) {
	t.Parallel()
	sunday := Date(2026, 11, 22)
	for want, got := range map[string]string{
		"2026. 11. 22.(일)":       sunday.Long("ko"),
		"Sun 22 Nov 2026":        sunday.Long("en"),
		"2027. 1. 4.(월)":         Date(2027, 1, 4).Long("ko"),
		"2026. 11. 22.(일) 15:04": LongTime(time.Date(2026, 11, 22, 6, 4, 59, 0, time.UTC), "ko"),
		"Mon 23 Nov 2026 00:00":  LongTime(time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC), "en"),
		"":                       Day{}.Long("ko") + Day{}.Long("en") + LongTime(time.Time{}, "ko"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDayArithmetic(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]Day{
		"2028-02-29": Date(2028, 2, 28).Next(),
		"2027-03-01": Date(2027, 2, 28).Next(),
		"2026-12-31": Date(2027, 1, 1).AddDays(-1),
		"2031-11-22": Date(2026, 11, 22).AddYears(5),
		"2033-03-01": Date(2028, 2, 29).AddYears(5),
		"2026-11-01": Date(2026, 11, 22).FirstOfMonth(),
	} {
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Date(1950, 1, 1).AddDays(rapid.IntRange(0, 60_000).Draw(t, "day"))
		n := rapid.IntRange(-5_000, 5_000).Draw(t, "n")
		later := d.AddDays(n)
		if d.DaysUntil(later) != n || later.AddDays(-n) != d {
			t.Fatalf("%s and %d days is %s, which is %d days away", d, n, later, d.DaysUntil(later))
		}
		if d.Before(later) != (n > 0) || d.After(later) != (n < 0) {
			t.Fatalf("%s and %s are in the wrong order", d, later)
		}
		if DayOf(d.Start()) != d || DayOf(d.Next().Start().Add(-time.Nanosecond)) != d {
			t.Fatalf("%s does not hold its first and last moment", d)
		}
	})
}

func TestDayInJSON(t *testing.T) {
	t.Parallel()
	type body struct {
		Day Day `json:"day"`
	}
	var in body
	if err := json.Unmarshal([]byte(`{"day":"2026-11-22"}`), &in); err != nil || in.Day != Date(2026, 11, 22) {
		t.Errorf("got %v, %v", in, err)
	}
	if out, err := json.Marshal(in); err != nil || string(out) != `{"day":"2026-11-22"}` {
		t.Errorf("got %s, %v", out, err)
	}
	for _, text := range []string{"2026-02-30", "2026-1-1", "20261122", "2026-11-22T00:00:00Z", "0000-01-01", "12026-01-01", "오늘", "2026-11-22\x00"} {
		if _, err := ParseDay(text); !errors.Is(err, ErrFormat) {
			t.Errorf("%q was answered with %v", text, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"day":20261122}`), &in); err == nil {
		t.Error("a number was taken for a day")
	}
}

// The driver's own codec decides how a Day reaches a date column, in both of
// its formats, so it is asked here without a server.
func TestDayGoesThroughTheDatabaseDriver(t *testing.T) {
	t.Parallel()
	types := pgtype.NewMap()
	want := Date(2026, 11, 22)
	for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
		wire, err := types.Encode(pgtype.DateOID, format, want, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got Day
		if err := types.Scan(pgtype.DateOID, format, wire, &got); err != nil || got != want {
			t.Errorf("format %d: got %s, %v", format, got, err)
		}
	}
	if wire, err := types.Encode(pgtype.DateOID, pgtype.BinaryFormatCode, Day{}, nil); err != nil || wire != nil {
		t.Errorf("no day went as %v, %v; want NULL", wire, err)
	}
	got := want
	if err := types.Scan(pgtype.DateOID, pgtype.BinaryFormatCode, nil, &got); err != nil || !got.IsZero() {
		t.Errorf("NULL came as %s, %v", got, err)
	}
	for _, value := range []any{"2026-11-22", []byte("2026-11-22"), time.Date(2026, 11, 22, 0, 0, 0, 0, Seoul), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)} {
		if err := got.Scan(value); err != nil || got != want {
			t.Errorf("%v was read as %s, %v", value, got, err)
		}
	}
	if err := got.Scan(20261122); err == nil {
		t.Error("a number was read as a day")
	}
}

func FuzzParseDay(f *testing.F) {
	f.Add("2026-11-22")
	f.Add("2026-02-29")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDay(s); err == nil && d.String() != s {
			t.Errorf("%q was read as %s", s, d)
		}
	})
}
