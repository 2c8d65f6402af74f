package throttle_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"jangteo/app/fault"
	"jangteo/app/testkit"
	"jangteo/app/throttle"
)

func TestTake(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	doors := throttle.New(6, clock.Now)
	pass := func(caller string, times int) {
		t.Helper()
		for i := range times {
			if err := doors.Take(caller); err != nil {
				t.Fatalf("%s was refused at time %d: %v", caller, i, err)
			}
		}
	}
	pass("one", 6)
	for range 20 { // what is refused does not make it worse
		refused := doors.Take("one")
		f, ok := fault.Of(refused)
		if !ok || !errors.Is(refused, fault.ErrTooMany) || f.RetryAfter < time.Second || f.RetryAfter > 10*time.Second {
			t.Fatalf("the seventh time at once: %v", refused)
		}
	}
	pass("another", 6)
	clock.Advance(10 * time.Second)
	pass("one", 1)
	clock.Advance(time.Hour)
	pass("one", 6)
	if doors.Take("one") == nil {
		t.Error("an idle hour lets more in at once than a minute should")
	}
}

func TestTakeRemembersABoundedCrowd(t *testing.T) {
	t.Parallel()
	doors := throttle.New(1, testkit.NewClock().Now)
	const crowd = 50_000
	for i := range crowd {
		if err := doors.Take(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if doors.Take(fmt.Sprint(crowd-1)) == nil {
		t.Error("the last one was forgotten")
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.9":             "203.0.113.9",
		"::ffff:203.0.113.9":      "203.0.113.9",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":    "2001:db8:1:2::/64",
		"fe80::1%eth0":            "fe80::/64",
		"":                        "",
		"unix socket of somebody": "unix socket of somebody",
	} {
		if got := throttle.Line(address); got != want {
			t.Errorf("Line(%q) = %q, want %q", address, got, want)
		}
	}
}
