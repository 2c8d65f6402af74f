// Package outbox tells what has happened to whoever listens, at least once and
// after it is certain: the event commits with the work that it speaks of.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/tenant"
)

const (
	batchMost    = 200
	attemptsMost = 12 // about two hours of growing waits, then a person looks
)

// Event is something that has happened, told by its topic in participle form,
// for example "payments.captured".
type Event struct {
	Tenant  tenant.ID
	ID      int64
	Topic   string
	Payload json.RawMessage
	At      time.Time
}

// Into reads the payload.
func (e Event) Into(target any) error {
	if err := json.Unmarshal(e.Payload, target); err != nil {
		return fmt.Errorf("event %s %d: %w", e.Topic, e.ID, err)
	}
	return nil
}

// Handler reacts to an event inside the transaction that takes it off the
// outbox; what it does in the database happens exactly once. Its context
// carries the event's tenant.
type Handler func(ctx context.Context, e Event) error

// Outbox holds who listens.
type Outbox struct {
	db       *db.DB
	store    store
	lane     *db.DB
	now      clock.Now
	log      *slog.Logger
	handlers map[string][]Handler
	poke     chan struct{}
}

// New keeps events in d; lane is the pool that may look across tenants to find
// which have news.
func New(d, lane *db.DB, now clock.Now, log *slog.Logger) *Outbox {
	return &Outbox{db: d, lane: lane, store: store{d, lane}, now: now, log: log, handlers: map[string][]Handler{}, poke: make(chan struct{}, 1)}
}

// Put announces an event inside the caller's transaction, for the tenant in ctx
// or, without one, the platform.
func (o *Outbox) Put(ctx context.Context, topic string, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	db.AfterCommit(ctx, o.Poke)
	return o.store.insert(ctx, topic, body, o.now())
}

// On registers a handler; app/jobs.go is the only caller.
func (o *Outbox) On(topic string, handler Handler) {
	o.handlers[topic] = append(o.handlers[topic], handler)
}

// Poke wakes the relay early; a poll stands behind it.
func (o *Outbox) Poke() {
	select {
	case o.poke <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends. Several servers may run it at once.
func (o *Outbox) Run(ctx context.Context, poll time.Duration) {
	timer := time.NewTicker(poll)
	defer timer.Stop()
	for {
		for {
			n, err := o.Relay(ctx)
			if err != nil && ctx.Err() == nil {
				o.log.Error("outbox relay", "error", err)
			}
			if n == 0 || err != nil || ctx.Err() != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-o.poke:
		case <-timer.C:
		}
	}
}

// Relay handles what waits now, one batch a tenant, and returns how many events
// were handled.
func (o *Outbox) Relay(ctx context.Context) (handled int, err error) {
	tenants, err := o.store.tenants(ctx, o.now())
	if err != nil {
		return 0, err
	}
	var failed error
	for _, id := range tenants {
		n, err := o.relay(tenant.With(ctx, id))
		handled += n
		failed = errors.Join(failed, err)
	}
	return handled, failed
}

// relay takes one tenant's batch. When a handler fails, the batch is taken
// apart so that one bad event does not hold up its neighbours.
func (o *Outbox) relay(ctx context.Context) (int, error) {
	n := 0
	err := o.db.Tx(ctx, func(ctx context.Context) error {
		events, err := o.store.take(ctx, batchMost, o.now())
		if err != nil {
			return err
		}
		n = len(events)
		for _, e := range events {
			if err := o.handle(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || db.Gone(err) || ctx.Err() != nil {
		return n, err
	}
	return o.relayEach(ctx)
}

func (o *Outbox) relayEach(ctx context.Context) (handled int, err error) {
	ids, err := o.store.waiting(ctx, batchMost, o.now())
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		err := o.db.Tx(ctx, func(ctx context.Context) error {
			e, ok, err := o.store.takeOne(ctx, id)
			if err != nil || !ok {
				return err
			}
			return o.handle(ctx, e)
		})
		if err == nil {
			handled++
			continue
		}
		if ctx.Err() != nil || db.Gone(err) {
			return handled, err
		}
		o.log.Error("event not handled", "tenant", tenant.From(ctx), "event", id, "error", err)
		if err := o.store.postpone(ctx, id, err, o.now(), attemptsMost); err != nil {
			return handled, err
		}
	}
	return handled, nil
}

func (o *Outbox) handle(ctx context.Context, e Event) error {
	for _, handler := range o.handlers[e.Topic] {
		if err := handler(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.Topic, err)
		}
	}
	return nil
}
