package outbox_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"jangteo/app/clock"
	"jangteo/app/outbox"
	"jangteo/app/testkit"
)

// These tests are not parallel: a poll tells of every municipality's events, the
// other test's included.

// listen runs a relay until the test ends and hands on what it hears of the
// kit's tenant.
func listen(t *testing.T, kit *testkit.Kit, o *outbox.Outbox, poll time.Duration) <-chan outbox.Event {
	t.Helper()
	heard := make(chan outbox.Event, 10)
	o.On(func(_ context.Context, events []outbox.Event) error {
		for _, e := range events {
			if e.Tenant == kit.Tenant {
				heard <- e
			}
		}
		return nil
	}, "test.happened")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Run(ctx, poll)
	}()
	t.Cleanup(func() { stop(); <-done })
	return heard
}

func put(t *testing.T, ctx context.Context, kit *testkit.Kit, o *outbox.Outbox, n int) {
	t.Helper()
	err := kit.DB.Tx(ctx, func(ctx context.Context) error { return o.Put(ctx, "test.happened", n) })
	if err != nil {
		t.Fatal(err)
	}
}

func hears(t *testing.T, heard <-chan outbox.Event, want int) {
	t.Helper()
	select {
	case e := <-heard:
		var got int
		if err := e.Into(&got); err != nil || got != want {
			t.Errorf("heard %d, %v; want %d", got, err, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%d was not told", want)
	}
}

func TestWhatHappensHereIsToldWithoutAPoll(t *testing.T) {
	kit, ctx := testkit.Open(t)
	heard := listen(t, kit, kit.Outbox, time.Hour)
	for n := range 3 {
		put(t, ctx, kit, kit.Outbox, n)
		hears(t, heard, n)
	}
}

func TestWhatAnotherServerLeftIsToldAtThePoll(t *testing.T) {
	kit, ctx := testkit.Open(t)
	heard := listen(t, kit, kit.Outbox, 50*time.Millisecond)
	gone := outbox.New(kit.DB, kit.Lane, clock.System, slog.New(slog.DiscardHandler))
	put(t, ctx, kit, kit.Outbox, 1)
	hears(t, heard, 1) // the first look is behind us
	put(t, ctx, kit, gone, 7)
	hears(t, heard, 7)
}
