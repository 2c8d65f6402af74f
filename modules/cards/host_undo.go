package cards

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	undoWorkers   = 4
	undoMost      = 10_000 // that wait; the issuer reverses what it was told 91 for, too
	undoEach      = 5 * time.Second
	undoFirstWait = time.Second
	undoWaitMost  = time.Minute
)

// undoing takes back what may have been booked after an issuer was told that
// nobody knows. It tries until it is done.
type undoing struct {
	desk    desk
	count   *hostCounters
	log     *slog.Logger
	queue   chan Message
	ctx     context.Context
	halt    context.CancelFunc
	closing chan struct{}
	once    sync.Once
	workers sync.WaitGroup
}

func newUndoing(d desk, count *hostCounters, log *slog.Logger) *undoing {
	u := &undoing{desk: d, count: count, log: log, queue: make(chan Message, undoMost), closing: make(chan struct{})}
	u.ctx, u.halt = context.WithCancel(context.Background())
	for range undoWorkers {
		u.workers.Go(u.run)
	}
	return u
}

// add never waits: what finds the queue full is left to the issuer's own reversal
// and to the clearing file.
func (u *undoing) add(m Message) {
	select {
	case u.queue <- m:
	default:
		u.giveUp(m)
	}
}

func (u *undoing) giveUp(m Message) {
	u.count.left.Add(1)
	u.log.Warn("card host: left to the issuer's reversal", "issuer", m.Issuer, "key", m.Key)
}

func (u *undoing) run() {
	for {
		select {
		case m := <-u.queue:
			u.reverse(m)
		case <-u.closing:
			select {
			case m := <-u.queue:
				u.reverse(m)
			default:
				return
			}
		}
	}
}

// reverse tries with growing waits until the answer is a clear one.
func (u *undoing) reverse(m Message) {
	r := Reversal{Message: m, Original: m.Key}
	r.Key = "h" + m.Key // a message of ours, that nobody else can send
	for wait := undoFirstWait; ; wait = min(2*wait, undoWaitMost) {
		ctx, cancel := context.WithTimeout(u.ctx, undoEach)
		_, err := u.desk.Reverse(ctx, r)
		cancel()
		if err == nil || !unsure(err) {
			if err != nil {
				u.log.Warn("card host: a late approval could not be taken back", "issuer", m.Issuer, "key", m.Key, "error", err)
				u.count.left.Add(1)
				return
			}
			u.count.late.Add(1)
			return
		}
		if !pause(u.ctx, wait) {
			u.giveUp(m)
			return
		}
	}
}

// close takes back what waits until ctx ends, and then gives the rest up.
func (u *undoing) close(ctx context.Context) {
	u.once.Do(func() { close(u.closing) })
	stop := context.AfterFunc(ctx, u.halt)
	defer stop()
	u.workers.Wait()
	u.halt()
	for {
		select {
		case m := <-u.queue:
			u.giveUp(m)
		default:
			return
		}
	}
}
