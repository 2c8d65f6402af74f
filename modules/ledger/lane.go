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
	QueueMax int // orders waiting for a writer before callers are told to come back; 0 means 4096
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
// commits and books them in one set-based statement. No timer waits: an idle
// lane books a single order at once. One bad order never fails its neighbours.
type Lane struct {
	store   laneStore
	now     clock.Now
	options LaneOptions
	seed    maphash.Seed
	writers sync.WaitGroup

	mu      sync.Mutex
	queues  []queue // of the municipalities, by their hash
	news    *sync.Cond
	stopped bool

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

// NewLane starts the writers over connections of the lane's role. Close it to finish
// what was accepted.
func NewLane(d *db.DB, now clock.Now, o LaneOptions) *Lane {
	o.Writers, o.BatchMax, o.QueueMax = defaultTo(o.Writers, 2), defaultTo(o.BatchMax, 100), defaultTo(o.QueueMax, 4096)
	l := &Lane{store: newLaneStore(d, o), now: now, options: o, seed: maphash.MakeSeed(), queues: make([]queue, o.Writers)}
	l.news = sync.NewCond(&l.mu)
	if o.Told == nil {
		l.options.Told = func(...tenant.ID) {}
	}
	l.statements = gather.NewDesk(1, d.Patience(), l.store.statements)
	for range o.Writers {
		l.writers.Go(l.write)
	}
	return l
}

func defaultTo(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Close books what waits and then stops. No order may be sent afterwards.
func (l *Lane) Close() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.news.Broadcast()
	l.writers.Wait()
}

// Post books an order through the fast lane and returns after it is durable.
// It refuses with ErrInsufficientBalance, ErrDayLimit, ErrAccountUnknown,
// ErrAccountNotOpen or idem.ErrKeyReused. When the answer cannot be known
// (fault.ErrUnavailable), the same key tells later.
func (s *Service) Post(ctx context.Context, o Order) (Outcome, error) { return s.lane.post(ctx, o) }

func (l *Lane) post(ctx context.Context, o Order) (Outcome, error) {
	mustBeSound(o.entry())
	w := &waiting{Order: o, gone: ctx.Done(), done: make(chan answer, 1)}
	if !l.add(w) {
		return Outcome{}, ErrBusy
	}
	select {
	case a := <-w.done:
		return a.outcome, a.err
	case <-ctx.Done():
		return Outcome{}, fault.ErrUnavailable.Because(ctx.Err()) // it may still be booked; the key tells
	}
}

func (l *Lane) add(w *waiting) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := &l.queues[maphash.Comparable(l.seed, w.Tenant)%uint64(len(l.queues))]
	if len(q.orders) >= l.options.QueueMax {
		return false
	}
	q.orders = append(q.orders, w)
	if !l.underWay() || len(q.orders) == l.worth() {
		l.news.Signal()
	}
	return true
}

// worth is how many orders are worth a statement beside another one: a statement
// for one takes as long as one for ten.
func (l *Lane) worth() int { return max(1, l.options.BatchMax/4) }

func (l *Lane) underWay() bool {
	return slices.ContainsFunc(l.queues, func(q queue) bool { return q.taken })
}

func (l *Lane) write() {
	for {
		batch, from := l.take()
		if from == nil {
			return
		}
		if len(batch) > 0 {
			l.book(batch)
		}
		l.giveBack(from)
	}
}

// take waits for orders and returns a batch with the queues that it is of. While
// no batch is under way, whatever waits goes, together; beside another, only what
// is worth it or was left behind once, so that a busy municipality holds up no
// quiet one. After Close, and when nothing waits any more, it returns no queue.
func (l *Lane) take() (batch []*waiting, from []*queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		beside := l.underWay()
		for i := range l.queues {
			q := &l.queues[i]
			full := len(batch) >= l.worth() || len(batch) > 0 && l.options.OneTenant
			if full || q.taken || len(q.orders) == 0 || beside && !q.passed && len(q.orders) < l.worth() {
				continue
			}
			var some []*waiting
			some, q.orders = split(slices.DeleteFunc(q.orders, left), l.options.BatchMax-len(batch), l.options.OneTenant)
			batch, from, q.taken, q.passed = append(batch, some...), append(from, q), true, false
		}
		if from != nil {
			l.pass()
		}
		if from != nil || l.stopped && !l.underWay() {
			return batch, from
		}
		l.news.Wait()
	}
}

// pass marks what a batch that sets out leaves behind: another writer takes it.
// There is one, because there are as many writers as queues.
func (l *Lane) pass() {
	for i := range l.queues {
		if q := &l.queues[i]; !q.taken && len(q.orders) > 0 {
			q.passed = true
			l.news.Signal()
		}
	}
}

// giveBack ends a batch; whoever waited for that is told.
func (l *Lane) giveBack(from []*queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range from {
		q.taken = false
	}
	if l.stopped {
		l.news.Broadcast()
	}
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

// bookWithin bounds one statement; its callers wait no longer than their own
// request does.
const bookWithin = 5 * time.Second

// book sends a batch and answers every caller after its commit. A batch that
// fails is taken apart, and each order asked again alone: whether it was booked
// before the failure is then seen by its id, and never guessed.
func (l *Lane) book(batch []*waiting) {
	now := l.now()
	for _, w := range batch {
		w.at, w.day = now, calendar.DayOf(now)
	}
	for _, kind := range byKind(batch) {
		l.bookOne(kind)
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

func (l *Lane) bookOne(batch []*waiting) {
	ctx, cancel := context.WithTimeout(context.Background(), bookWithin)
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
		w.done <- l.alone(w, err)
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
func (l *Lane) alone(w *waiting, cause error) answer {
	ctx, cancel := context.WithTimeout(context.Background(), bookWithin)
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
