// Package throttle takes the edge off a flood before it reaches the database:
// it bounds in this server's memory how often one caller does something. What
// must hold over all servers is counted where it is kept.
package throttle

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"jangteo/app/clock"
	"jangteo/app/fault"
)

// callersMost are remembered in each of two generations; an entry is about 200
// bytes. Who is forgotten begins anew.
const callersMost = 20_000

// Throttle bounds one thing for each of many callers.
type Throttle struct {
	perMinute int
	now       clock.Now

	mu          sync.Mutex
	young, aged map[string]*rate.Limiter
}

// New lets each caller do something perMinute times at once, and as often in
// every minute after that.
func New(perMinute int, now clock.Now) *Throttle {
	return &Throttle{perMinute: perMinute, now: now, young: map[string]*rate.Limiter{}}
}

// Take counts one time of a caller, or refuses it with fault.ErrTooMany, which
// says when to come back.
func (t *Throttle) Take(caller string) error {
	now := t.now()
	limiter := t.of(caller)
	wanted := limiter.ReserveN(now, 1)
	wait := wanted.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	wanted.CancelAt(now) // what is refused does not count
	return fault.ErrTooMany.After(max(wait, time.Second))
}

func (t *Throttle) of(caller string) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.young[caller]; found != nil {
		return found
	}
	if len(t.young) >= callersMost {
		t.aged, t.young = t.young, map[string]*rate.Limiter{}
	}
	found := t.aged[caller]
	if found == nil {
		found = rate.NewLimiter(rate.Limit(float64(t.perMinute)/time.Minute.Seconds()), t.perMinute)
	}
	t.young[caller] = found
	return found
}

// Line is whose line an address belongs to: an IPv6 address is one of very many
// that the same line may use.
func Line(address string) string {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if at = at.Unmap().WithZone(""); at.Is4() {
		return at.String()
	}
	const ofLine = 64
	prefix, err := at.Prefix(ofLine)
	if err != nil {
		return address
	}
	return prefix.String()
}
