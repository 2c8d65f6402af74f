// Package outbox tells what has happened to whoever listens, at least once and
// after it is certain: the event commits with the work that it speaks of.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/tenant"
)

const (
	batchMost    = 200
	togetherMost = 32 // municipalities in one transaction
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

// Handler reacts to events of one tenant, in their order, inside the transaction
// that takes them off the outbox; what it does in the database happens exactly
// once. Its context carries the tenant.
type Handler func(ctx context.Context, events []Event) error

// listener is a handler and what it hears of.
type listener struct {
	handle   Handler
	topics   []string
	together bool
}

// Outbox holds who listens.
type Outbox struct {
	db        *db.DB
	store     store
	lane      *db.DB
	now       clock.Now
	log       *slog.Logger
	listeners []listener

	poke chan struct{}
	mu   sync.Mutex
	news map[tenant.ID]struct{} // who was poked about
}

// New keeps events in d; lane is the pool that may look across tenants to find
// which have news.
func New(d, lane *db.DB, now clock.Now, log *slog.Logger) *Outbox {
	return &Outbox{
		db: d, lane: lane, store: store{d, lane}, now: now, log: log,
		poke: make(chan struct{}, 1), news: map[tenant.ID]struct{}{},
	}
}

// Put announces an event inside the caller's transaction, for the tenant in ctx
// or, without one, the platform.
func (o *Outbox) Put(ctx context.Context, topic string, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	id, _ := tenant.Lookup(ctx)
	db.AfterCommit(ctx, func() { o.Poke(id) })
	return o.store.insert(ctx, topic, body, o.now())
}

// On registers a handler of some topics; app/jobs.go is the only caller.
func (o *Outbox) On(handler Handler, topics ...string) {
	o.listeners = append(o.listeners, listener{handle: handler, topics: topics})
}

// OnTogether registers a handler that hears of several municipalities at once,
// in none's context: for one that touches no municipality's rows.
func (o *Outbox) OnTogether(handler Handler, topics ...string) {
	o.listeners = append(o.listeners, listener{handle: handler, topics: topics, together: true})
}

// Poke tells that tenants have news; a poll stands behind it.
func (o *Outbox) Poke(ids ...tenant.ID) {
	o.mu.Lock()
	for _, id := range ids {
		o.news[id] = struct{}{}
	}
	o.mu.Unlock()
	select {
	case o.poke <- struct{}{}:
	default:
	}
}

// gatherFor is how long a relay lets events gather before it looks again: one
// look at many costs little more than one look at one.
const gatherFor = 100 * time.Millisecond

// Run relays until ctx ends: what this server was poked about at once, and at
// every poll what others left, or what waited after a failure. Several servers
// may run it at once. While there is more than one look takes, it does not wait.
func (o *Outbox) Run(ctx context.Context, poll time.Duration) {
	timer := time.NewTicker(poll)
	defer timer.Stop()
	look := o.Relay
	for {
		more, err := look(ctx)
		if err != nil && ctx.Err() == nil {
			o.log.Error("outbox relay", "error", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gatherFor):
		}
		select {
		case <-ctx.Done():
			return
		case <-o.poke:
			look = o.relayNews
		case <-timer.C:
			look = o.Relay
		}
	}
}

// Relay handles what waits now, at most one batch a tenant, and reports whether
// more was left.
func (o *Outbox) Relay(ctx context.Context) (more bool, err error) {
	tenants, err := o.store.tenants(ctx, o.now())
	if err != nil {
		return false, err
	}
	return o.relayAll(ctx, tenants)
}

// relayNews is Relay for those of whom there are news, without a look at all.
func (o *Outbox) relayNews(ctx context.Context) (more bool, err error) {
	o.mu.Lock()
	tenants := slices.Collect(maps.Keys(o.news))
	clear(o.news)
	o.mu.Unlock()
	return o.relayAll(ctx, tenants)
}

// relayAll handles what waits for some municipalities, a few of them in one
// transaction: most have one or two events, and a commit each would cost more
// than all else.
func (o *Outbox) relayAll(ctx context.Context, tenants []tenant.ID) (more bool, failed error) {
	slices.Sort(tenants) // two relays lock in one order
	for few := range slices.Chunk(tenants, togetherMost) {
		left, err := o.relayTogether(ctx, few)
		if len(left) > 0 {
			more = true
			o.Poke(left...)
		}
		failed = errors.Join(failed, err)
	}
	return more, failed
}

// relayTogether tells which of the municipalities had more than a batch holds.
// When something fails, each is told alone.
func (o *Outbox) relayTogether(ctx context.Context, tenants []tenant.ID) (left []tenant.ID, failed error) {
	left, err := o.relay(ctx, tenants)
	if err == nil || db.Gone(err) || ctx.Err() != nil {
		return left, err
	}
	left = nil
	for _, id := range tenants {
		more, err := o.RelayOf(tenant.With(ctx, id))
		if more {
			left = append(left, id)
		}
		failed = errors.Join(failed, err)
	}
	return left, failed
}

// relay tells of the municipalities' next events and returns whose batch was
// full. Where another relay is at it, this one looks again after a while.
func (o *Outbox) relay(ctx context.Context, tenants []tenant.ID) (left []tenant.ID, err error) {
	err = o.db.Together(ctx, tenants, func(ctx context.Context) error {
		events, busy, err := o.store.take(ctx, tenants, batchMost, o.now())
		if err != nil {
			return err
		}
		o.Poke(busy...)
		left = nil
		for of := range byTenant(events) {
			if len(of) >= batchMost {
				left = append(left, of[0].Tenant)
			}
		}
		return o.handle(ctx, events)
	})
	return left, err
}

// byTenant yields the events of one municipality after another; they are in
// that order.
func byTenant(events []Event) iter.Seq[[]Event] {
	return func(yield func([]Event) bool) {
		for len(events) > 0 {
			n := slices.IndexFunc(events, func(e Event) bool { return e.Tenant != events[0].Tenant })
			if n < 0 {
				n = len(events)
			}
			if !yield(events[:n]) {
				return
			}
			events = events[n:]
		}
	}
}

// RelayOf is Relay for the tenant in ctx alone. When a handler fails, the batch
// is taken apart so that one bad event does not hold up its neighbours.
func (o *Outbox) RelayOf(ctx context.Context) (more bool, err error) {
	left, err := o.relay(ctx, []tenant.ID{tenant.From(ctx)})
	if err == nil || db.Gone(err) || ctx.Err() != nil {
		return len(left) > 0, err
	}
	n, err := o.relayEach(ctx)
	return n == batchMost, err
}

func (o *Outbox) relayEach(ctx context.Context) (handled int, err error) {
	if err := o.store.unbundle(ctx); err != nil {
		return 0, err
	}
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
			return o.handle(ctx, []Event{e})
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

func (o *Outbox) handle(ctx context.Context, events []Event) error {
	for _, l := range o.listeners {
		var heard []Event
		for _, e := range events {
			if slices.Contains(l.topics, e.Topic) {
				heard = append(heard, e)
			}
		}
		if len(heard) == 0 {
			continue
		}
		if err := o.tell(ctx, l, heard); err != nil {
			return fmt.Errorf("%s: %w", heard[0].Topic, err)
		}
	}
	return nil
}

func (o *Outbox) tell(ctx context.Context, l listener, heard []Event) error {
	if l.together {
		return l.handle(ctx, heard)
	}
	for of := range byTenant(heard) {
		if err := o.db.As(ctx, of[0].Tenant, func(ctx context.Context) error { return l.handle(ctx, of) }); err != nil {
			return err
		}
	}
	return nil
}
