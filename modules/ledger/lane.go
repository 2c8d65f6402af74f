package ledger

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/gather"
	"jangteo/app/idem"
	"jangteo/app/tenant"
)

// LaneOptions shape the fast lane.
type LaneOptions struct {
	Writers  int // batches in flight at most; 0 means 2
	BatchMax int // orders in a batch; 0 means 100
	QueueMax int // orders waiting for a batch before callers are told to come back; 0 means 4096
	// OneTenant keeps a batch to one municipality, as a database distributed by
	// tenant demands.
	OneTenant     bool
	Payments      LaneRecord
	Cancellations LaneRecord
	Told          func(tenants ...tenant.ID) // called with whom a booked batch told of; may be nil
}

// LaneRecord is what is kept of a booked order.
type LaneRecord struct {
	// Keep are statements that the order's module keeps its record by; they
	// select from the CTE "taken".
	Keep []string
}

// Lane is the fast lane: it gathers the orders that arrive while the last batch
// commits and books them in one set-based statement. Nothing waits for a timer or
// a worker: who finds the lane idle carries their own order through. One bad
// order never fails its neighbours.
type Lane struct {
	store   laneStore
	now     clock.Now
	options LaneOptions
	seed    maphash.Seed
	carried sync.WaitGroup // batches under way

	mu     sync.Mutex
	queues []queue // of the municipalities, by their hash

	statements *gather.Desk[statement, []Line]
}

// queue holds the orders of some municipalities. No two batches hold any of one
// queue at a time, so that those of one server never wait for each other's
// wallets, nor meet each other's keys.
type queue struct {
	orders []*waiting
	taken  bool // a batch of it is under way
	passed bool // a batch has set out without it since it waits
}

// waiting is an order whose caller has not been answered.
type waiting struct {
	Order
	at   time.Time
	day  calendar.Day
	gone <-chan struct{} // closed when the caller no longer waits
	done chan answer
}

type answer struct {
	outcome Outcome
	err     error
}

// ErrBusy tells that more orders wait than can be booked soon.
var ErrBusy = fault.DeclareWait(fault.Unavailable, "lane-busy", time.Second)

// NewLane opens a lane over connections of the lane's role. Close it to finish
// what was accepted.
func NewLane(d *db.DB, now clock.Now, o LaneOptions) *Lane {
	o.Writers, o.BatchMax, o.QueueMax = defaultTo(o.Writers, 2), defaultTo(o.BatchMax, 100), defaultTo(o.QueueMax, 4096)
	l := &Lane{store: newLaneStore(d, o), now: now, options: o, seed: maphash.MakeSeed(), queues: make([]queue, o.Writers)}
	if o.Told == nil {
		l.options.Told = func(...tenant.ID) {}
	}
	l.statements = gather.NewDesk(1, d.Patience(), l.store.statements)
	return l
}

func defaultTo(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Close waits until everything is booked that was sent. No order may be sent
// afterwards.
func (l *Lane) Close() { l.carried.Wait() }

// Post books an order through the fast lane and returns after it is durable.
// It refuses with ErrInsufficientBalance, ErrDayLimit, ErrAccountUnknown,
// ErrAccountNotOpen or idem.ErrKeyReused. When the answer cannot be known
// (fault.ErrUnavailable), the same key tells later.
func (s *Service) Post(ctx context.Context, o Order) (Outcome, error) { return s.lane.post(ctx, o) }

func (l *Lane) post(ctx context.Context, o Order) (Outcome, error) {
	mustBeSound(o.entry())
	w := &waiting{Order: o, gone: ctx.Done(), done: make(chan answer, 1)}
	batches, room := l.add(w)
	if !room {
		return Outcome{}, ErrBusy
	}
	if len(batches) == 1 && len(batches[0].orders) == 1 && batches[0].orders[0] == w {
		l.carry(batches[0].inTimeFor(ctx))
	} else {
		l.setOut(batches)
	}
	select {
	case a := <-w.done:
		return a.outcome, a.err
	case <-ctx.Done():
		return Outcome{}, fault.ErrUnavailable.Because(ctx.Err()) // it may still be booked; the key tells
	}
}

// batch is what sets out together, and the queues that it is of.
type batch struct {
	orders []*waiting
	from   []*queue
	within time.Duration // a statement must answer
}

// bookWithin bounds one statement; its callers wait no longer than their own
// request does.
const bookWithin = 5 * time.Second

// inTimeFor is the batch of one who carries it, and must answer in time even if
// it has to be asked again. Who merely goes away does not end it: that would cost
// a connection.
func (b batch) inTimeFor(ctx context.Context) batch {
	if end, ok := ctx.Deadline(); ok {
		b.within = max(0, min(b.within, time.Until(end)/2)) //nolint:forbidigo // a duration
	}
	return b
}

// add lets an order wait, and returns what can set out now.
func (l *Lane) add(w *waiting) (batches []batch, room bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := &l.queues[maphash.Comparable(l.seed, w.Tenant)%uint64(len(l.queues))]
	if len(q.orders) >= l.options.QueueMax {
		return nil, false
	}
	q.orders = append(q.orders, w)
	return l.take(), true
}

// setOut has batches carried by nobody's request.
func (l *Lane) setOut(batches []batch) {
	for _, b := range batches {
		go l.carry(b)
	}
}

// carry books a batch; what can set out after it does.
func (l *Lane) carry(b batch) {
	defer l.carried.Done()
	defer func() { l.setOut(l.giveBack(b.from)) }() // even if booking panics
	l.book(b)
}

// worth is how many orders are worth a statement beside another one: a statement
// for one takes as long as one for ten.
func (l *Lane) worth() int { return max(1, l.options.BatchMax/4) }

func (l *Lane) underWay() bool {
	return slices.ContainsFunc(l.queues, func(q queue) bool { return q.taken })
}

// take returns what can set out now; the lane is locked. While no batch is under
// way, whatever waits goes, together; beside another, only what is worth it or
// was left behind once, so that a busy municipality holds up no quiet one.
func (l *Lane) take() (batches []batch) {
	for {
		b := l.next()
		if b.from == nil {
			return batches
		}
		l.carried.Add(1)
		batches = append(batches, b)
		for i := range l.queues {
			q := &l.queues[i]
			q.passed = !q.taken && len(q.orders) > 0
		}
	}
}

func (l *Lane) next() batch {
	b := batch{within: bookWithin}
	beside := l.underWay()
	for i := range l.queues {
		q := &l.queues[i]
		full := len(b.orders) >= l.worth() || len(b.orders) > 0 && l.options.OneTenant
		if full || q.taken || beside && !q.passed && len(q.orders) < l.worth() {
			continue
		}
		var some []*waiting
		some, q.orders = split(slices.DeleteFunc(q.orders, left), l.options.BatchMax-len(b.orders), l.options.OneTenant)
		if len(some) > 0 {
			b.orders, b.from, q.taken = append(b.orders, some...), append(b.from, q), true
		}
	}
	return b
}

// giveBack ends a batch, and returns what can set out now.
func (l *Lane) giveBack(from []*queue) []batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range from {
		q.taken = false
	}
	return l.take()
}

// left tells that a caller went away before anything was asked of the database:
// what they are told later, perhaps by another server, must not be overtaken.
func left(w *waiting) bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

// split takes what can go together, and no more than most: one order a wallet
// and one a key, and one municipality where the database is distributed.
func split(all []*waiting, most int, oneTenant bool) (batch, rest []*waiting) {
	seen := make(map[tenant.Key]bool, 2*min(most, len(all)))
	for i, w := range all {
		if len(batch) == most {
			return batch, append(rest, all[i:]...)
		}
		wallet, key := tenant.Key{Tenant: w.Tenant, ID: w.Wallet}, tenant.Key{Tenant: w.Tenant, ID: w.Key.ID}
		if seen[wallet] || seen[key] || oneTenant && w.Tenant != all[0].Tenant {
			rest = append(rest, w)
			continue
		}
		seen[wallet], seen[key] = true, true
		batch = append(batch, w)
	}
	return batch, rest
}

// book sends a batch and answers every caller after its commit. A batch that
// fails is taken apart, and each order asked again alone: whether it was booked
// before the failure is then seen by its id, and never guessed.
func (l *Lane) book(b batch) {
	now := l.now()
	for _, w := range b.orders {
		w.at, w.day = now, calendar.DayOf(now)
	}
	for _, kind := range byKind(b.orders) {
		l.bookOne(kind, b.within)
	}
}

// byKind parts payments from cancellations; each kind has a statement of its own.
func byKind(batch []*waiting) (parts [][]*waiting) {
	var pay, undo []*waiting
	for _, w := range batch {
		if w.Answers == uuid.Nil {
			pay = append(pay, w)
		} else {
			undo = append(undo, w)
		}
	}
	for _, part := range [][]*waiting{pay, undo} {
		if len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

func (l *Lane) bookOne(batch []*waiting, within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	outcomes, err := l.ask(ctx, batch)
	if err == nil {
		told := make([]tenant.ID, 0, len(batch))
		for _, w := range batch {
			b := outcomes[w.ID]
			w.done <- b.answer(w)
			if b.taken {
				told = append(told, w.Tenant)
			}
		}
		l.options.Told(told...)
		return
	}
	for _, w := range batch {
		w.done <- l.alone(w, within, err)
	}
}

// ask books a batch, and asks once more for what was refused: while the
// statement waited for a wallet, another server may have booked the same key,
// which the statement's view of the keys is too old to show.
func (l *Lane) ask(ctx context.Context, batch []*waiting) (map[uuid.UUID]booked, error) {
	outcomes, err := l.store.book(ctx, batch)
	if err != nil {
		return nil, err
	}
	var refused []*waiting
	for _, w := range batch {
		if b := outcomes[w.ID]; !b.taken && !b.known && b.state != "" {
			refused = append(refused, w)
		}
	}
	if len(refused) == 0 {
		return outcomes, nil
	}
	again, err := l.store.book(ctx, refused)
	maps.Copy(outcomes, again)
	return outcomes, err
}

// alone books one order of a failed batch. The row locks of a statement whose
// connection was lost hold this one back until it is known what became of it.
func (l *Lane) alone(w *waiting, within time.Duration, cause error) answer {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for attempt := range 4 {
		outcomes, err := l.ask(ctx, []*waiting{w})
		if err == nil {
			l.options.Told(w.Tenant)
			return outcomes[w.ID].answer(w)
		}
		cause = err
		if !db.Gone(err) && !db.Retryable(err) && !db.IsDuplicate(err) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(25<<attempt) * time.Millisecond):
		}
	}
	if db.Gone(cause) || db.IsDuplicate(cause) || errors.Is(cause, context.DeadlineExceeded) {
		return answer{err: fault.ErrUnavailable.Because(cause)}
	}
	return answer{err: cause}
}

// answer turns a row of the statement into what its caller is told.
func (b booked) answer(w *waiting) answer {
	posted := Posted{ID: b.entry, Day: b.day, At: b.at}
	switch {
	case b.taken:
		return answer{outcome: Outcome{Posted: posted, Fresh: true, Balance: b.balance, Answered: b.answered}}
	case b.entry == w.ID: // an earlier attempt of ours had committed after all
		return answer{outcome: Outcome{Posted: posted}}
	case b.entry != uuid.Nil && b.same:
		return answer{outcome: Outcome{Posted: posted, Replayed: true}}
	case b.known:
		return answer{err: idem.ErrKeyReused}
	case b.state == "":
		return answer{err: ErrAccountUnknown}
	case w.Answers != uuid.Nil && b.state != "closed":
		return answer{err: ErrAnsweredInFull.With("entry", w.Answers)}
	case b.state != "open":
		return answer{err: ErrAccountNotOpen}
	case b.balance < w.Amount:
		return answer{err: ErrInsufficientBalance.With("balance", b.balance).With("amount", w.Amount)}
	case w.DayMax > 0 && b.daySpent+w.Amount > w.DayMax:
		return answer{err: ErrDayLimit.With("rule", "per-day").With("limit", w.DayMax).With("remaining", max(0, w.DayMax-b.daySpent))}
	}
	return answer{err: ErrAccountNotOpen}
}
