package sessions

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
)

const (
	resumesAtOnce  = 4 // on this server: they wait for the database, as payments do
	resumeWait     = 2 * time.Second
	turnMost       = 2 * time.Second // that one of a crowd waits for its turn
	comeBackAfter  = 2 * time.Second
	spreadMost     = 10 * time.Minute
	spreadRemember = time.Hour
	longerBefore   = 15 * time.Minute // a planned reset
)

// pace lets devices come back after a reset as fast as this server can bear.
type pace struct {
	places   chan struct{}
	interval time.Duration // from one to the next, when many come

	mu   sync.Mutex
	next time.Time // whose turn is not given yet
}

func newPace(perSecond int) *pace {
	return &pace{places: make(chan struct{}, resumesAtOnce), interval: time.Second / time.Duration(perSecond)}
}

// turn gives a device its turn, one interval after the one before it, so that a
// crowd never works all at once; or tells that too many wait already.
func (p *pace) turn(now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	if wait = p.next.Sub(now); wait > turnMost {
		return 0, false
	}
	p.next = p.next.Add(p.interval)
	return wait, true
}

// enter takes one of the few places at the database.
func (p *pace) enter(ctx context.Context) (leave func(), err error) {
	wait := time.NewTimer(resumeWait)
	defer wait.Stop()
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places }, nil
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil, later(comeBackAfter)
}

// later asks to come back after some time, not all at once.
func later(after time.Duration) error {
	return fault.ErrUnavailable.After(after + rand.N(2*after)) //nolint:gosec // spread, not secret
}

// admit lets a device ask for a challenge when it is its turn, or says when to
// come back: sooner where no reset is behind the crowd.
func (s *Service) admit(ctx context.Context) error {
	wait, ok := s.pace.turn(s.now())
	if !ok {
		return later(max(comeBackAfter, s.watch.longest(s.now(), s.cfg.ResumesPerSecond)/4))
	}
	rest(ctx, wait)
	return ctx.Err()
}

// resetNews is what is remembered of a running or recent reset.
type resetNews struct {
	ID, IncidentID uuid.UUID
	BeginsAt       time.Time
	Planned        bool
	Previewed      int
}

func (n resetNews) left(now time.Time, perSecond int) time.Duration {
	window := min(spreadMost, time.Duration(n.Previewed)*time.Second/time.Duration(perSecond))
	return min(window, max(0, window-now.Sub(n.BeginsAt)))
}

// spread is when one of the devices of an incident's resets should come back
// by itself: some time in the window that all of them need. A person who waits
// in front of it need not.
func (w *watch) spread(incident uuid.UUID, now time.Time, perSecond int) time.Duration {
	var window time.Duration
	for _, n := range *w.resets.Load() {
		if n.IncidentID == incident {
			window = max(window, n.left(now, perSecond))
		}
	}
	return time.Second + rand.N(window+time.Second) //nolint:gosec // spread, not secret
}

// gently reports whether a session was ended by a planned reset, and nothing
// since says that its access token should count no more.
func (w *watch) gently(ended Session) bool {
	if ended.State != Reset || ended.CutAt != nil {
		return false
	}
	return slices.ContainsFunc(*w.resets.Load(), func(n resetNews) bool { return n.Planned && n.ID == *ended.ResetID })
}

// life is how long an access token made now lives: 0 is as long as usual.
// Before a planned reset it lives through its beginning.
func (w *watch) life(now time.Time) time.Duration {
	for _, n := range *w.resets.Load() {
		if before := n.BeginsAt.Sub(now); n.Planned && before > 0 && before < longerBefore {
			return auth.LifeMost
		}
	}
	return 0
}

func (w *watch) longest(now time.Time, perSecond int) (window time.Duration) {
	for _, n := range *w.resets.Load() {
		if !n.BeginsAt.After(now) {
			window = max(window, n.left(now, perSecond))
		}
	}
	return window
}

// outcomes counts how devices of a reset fare on this server.
type outcomes struct {
	mu     sync.Mutex
	counts map[uuid.UUID]*outcome
}

type outcome struct{ resumed, failed int }

func (o *outcomes) count(reset uuid.UUID, resumed, failed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.counts[reset]
	if c == nil {
		c = &outcome{}
		o.counts[reset] = c
	}
	switch {
	case resumed:
		c.resumed++
	case failed:
		c.failed++
	}
}

func (o *outcomes) take() map[uuid.UUID]*outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := o.counts
	o.counts = map[uuid.UUID]*outcome{}
	return counts
}

func (o *outcomes) giveBack(counts map[uuid.UUID]*outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, c := range counts {
		if now := o.counts[id]; now != nil {
			c.resumed, c.failed = c.resumed+now.resumed, c.failed+now.failed
		}
		o.counts[id] = c
	}
}
