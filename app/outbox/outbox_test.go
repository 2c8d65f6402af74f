package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"jangteo/app/clock"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
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

// Municipalities are told of together; one bad event among them holds up nobody,
// and what was done before it failed is not done twice.
func TestOneBadEventHoldsUpNoNeighbour(t *testing.T) {
	kit, ctx := testkit.Open(t)
	other := tenant.With(ctx, kit.Tenant+5000)
	kit.Outbox.On(func(ctx context.Context, events []outbox.Event) error {
		for _, e := range events {
			var n int
			if err := e.Into(&n); err != nil {
				return err
			}
			if n == 13 {
				return errors.New("bad luck")
			}
			if err := kit.Outbox.Put(ctx, "test.echoed", n); err != nil {
				return err
			}
		}
		return nil
	}, "test.happened")
	for _, n := range []int{1, 13, 2} {
		put(t, ctx, kit, kit.Outbox, n)
	}
	put(t, other, kit, kit.Outbox, 3)
	bundled := tenant.With(ctx, kit.Tenant+6000) // as the fast lane leaves what it booked together
	err := kit.DB.Tx(bundled, func(ctx context.Context) error {
		return kit.DB.In(ctx).Exec(`INSERT INTO app.outbox (tenant_id, topic, payload, created_at, bundle)
			VALUES (?, 'test.happened', '[4,5]', now(), true), (?, 'test.happened', '[6,13,7]', now(), true)`, tenant.From(ctx), tenant.From(ctx)).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kit.Outbox.Relay(ctx); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		who   context.Context
		topic string
		left  string
	}{
		{ctx, "test.echoed", "1,2"}, {ctx, "test.happened", "13"}, {other, "test.echoed", "3"}, {other, "test.happened", ""},
		{bundled, "test.echoed", "4,5,6,7"}, {bundled, "test.happened", "13"},
	} {
		var left string
		err := kit.DB.Tx(want.who, func(ctx context.Context) error {
			return kit.DB.In(ctx).Raw(`SELECT coalesce(string_agg(payload::text, ',' ORDER BY id), '') FROM app.outbox WHERE tenant_id = ? AND topic = ?`,
				tenant.From(ctx), want.topic).Scan(&left).Error
		})
		if err != nil || left != want.left {
			t.Errorf("%s of %s: %q, %v; want %q", want.topic, tenant.From(want.who), left, err, want.left)
		}
	}
}

// A relay sees what waits in the municipalities that it names, and may take it,
// but neither change nor add anything; of others it sees nothing.
func TestARelaySeesOnlyWhomItNames(t *testing.T) {
	kit, ctx := testkit.Open(t)
	named, other := kit.Tenant+5000, kit.Tenant+6000
	put(t, ctx, kit, kit.Outbox, 1)
	put(t, tenant.With(ctx, named), kit, kit.Outbox, 2)
	put(t, tenant.With(ctx, other), kit, kit.Outbox, 3)
	err := kit.DB.Together(ctx, []tenant.ID{named}, func(ctx context.Context) error {
		for id, want := range map[tenant.ID]int64{kit.Tenant: 0, named: 1, other: 0} {
			var seen int64
			if err := kit.DB.In(ctx).Raw(`SELECT count(*) FROM app.outbox WHERE tenant_id = ?`, id).Scan(&seen).Error; err != nil {
				return err
			}
			if seen != want {
				t.Errorf("of %s it sees %d events, not %d", id, seen, want)
			}
		}
		changed := kit.DB.In(ctx).Exec(`UPDATE app.outbox SET topic = 'test.changed' WHERE tenant_id = ?`, named)
		if changed.RowsAffected != 0 {
			t.Errorf("it changed %d events", changed.RowsAffected)
		}
		taken := kit.DB.In(ctx).Exec(`DELETE FROM app.outbox WHERE tenant_id IN (?, ?)`, named, other)
		if taken.RowsAffected != 1 {
			t.Errorf("it took %d events", taken.RowsAffected)
		}
		return errors.Join(changed.Error, taken.Error)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = kit.DB.Together(ctx, []tenant.ID{named}, func(ctx context.Context) error {
		return kit.DB.In(ctx).Exec(`INSERT INTO app.outbox (tenant_id, topic, payload, created_at) VALUES (?, 'test.happened', '4', now())`, named).Error
	})
	if err == nil {
		t.Error("it added an event")
	}
}

// A municipality is told of by one relay at a time, so that events keep their
// order; what another leaves meanwhile is not lost.
func TestTwoRelaysTellNothingTwice(t *testing.T) {
	kit, ctx := testkit.Open(t)
	second := outbox.New(kit.DB, kit.Lane, clock.System, slog.New(slog.DiscardHandler))
	const events = 300
	heard := make(chan int, 10*events)
	hear := func(_ context.Context, told []outbox.Event) error {
		for _, e := range told {
			var n int
			if err := e.Into(&n); err != nil {
				return err
			}
			if e.Tenant == kit.Tenant {
				heard <- n
			}
		}
		return nil
	}
	running, stop := context.WithCancel(ctx)
	var both sync.WaitGroup
	for _, o := range []*outbox.Outbox{kit.Outbox, second} {
		o.On(hear, "test.happened")
		both.Go(func() { o.Run(running, 20*time.Millisecond) })
	}
	for n := range events {
		put(t, ctx, kit, []*outbox.Outbox{kit.Outbox, second}[n%2], n)
	}
	told, late := map[int]int{}, time.After(30*time.Second)
	for len(told) < events {
		select {
		case n := <-heard:
			told[n]++
		case <-late:
			t.Fatalf("%d of %d events were told", len(told), events)
		}
	}
	stop()
	both.Wait()
	close(heard)
	for n := range heard {
		told[n]++
	}
	for n, times := range told {
		if times != 1 {
			t.Errorf("event %d was told %d times", n, times)
		}
	}
}
