package recall

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/clock"
	"jangteo/app/live"
)

// KeptFor is how long a change stays in its table.
const KeptFor = time.Hour

const (
	pollEvery          = 2 * time.Second
	longestTransaction = 30 * time.Second
	changesMost        = 5_000 // that one looks through; when there are more everything is forgotten
)

// Change is what a transaction notes in a table and, when it commits, tells all
// servers as JSON.
type Change interface {
	// ChangeID tells it from all others.
	ChangeID() uuid.UUID
}

// Kept is a Memory of anything.
type Kept interface {
	polled(at time.Time, missed bool)
}

// Changes has memories forget what changed anywhere.
type Changes[C Change] struct {
	Topic string // of the news
	Hub   *live.Hub
	// Since reads the changes since a moment, at most as many as told, on
	// connections that no crowd takes.
	Since func(ctx context.Context, since time.Time, most int) ([]C, error)
	// Forget has what changed asked for anew.
	Forget   func(C)
	Memories []Kept
	Now      clock.Now
	Log      *slog.Logger

	turn sync.Mutex
	seen map[uuid.UUID]bool // by the last poll
}

// Run keeps the memories fresh until ctx ends.
func (c *Changes[C]) Run(ctx context.Context) {
	news, cancel := c.Hub.Subscribe(c.Topic)
	defer cancel()
	timer := time.NewTicker(pollEvery)
	defer timer.Stop()
	c.poll(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			c.poll(ctx)
		case m := <-news:
			var changed C
			if json.Unmarshal(m.Data, &changed) == nil {
				c.Forget(changed)
			}
		}
	}
}

func (c *Changes[C]) poll(ctx context.Context) {
	if err := c.Refresh(ctx); err != nil && ctx.Err() == nil {
		c.Log.Warn("changes were not read", "of", c.Topic, "error", err)
	}
}

// Refresh forgets what changed lately. A change commits after its time was
// taken, so each poll looks back over the longest transaction.
func (c *Changes[C]) Refresh(ctx context.Context) error {
	c.turn.Lock()
	defer c.turn.Unlock()
	began := c.Now()
	changed, err := c.Since(ctx, began.Add(-trustedFor-longestTransaction), changesMost)
	if err != nil {
		return err
	}
	seen := make(map[uuid.UUID]bool, len(changed))
	for _, one := range changed {
		if !c.seen[one.ChangeID()] {
			c.Forget(one)
		}
		seen[one.ChangeID()] = true
	}
	c.seen = seen
	for _, m := range c.Memories {
		m.polled(began, len(changed) == changesMost)
	}
	return nil
}
