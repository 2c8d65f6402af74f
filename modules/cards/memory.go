package cards

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
)

const (
	cachedMost   = 100_000 // of each generation; an entry is about 300 bytes
	pollEvery    = 2 * time.Second
	trustedFor   = 10 * time.Second // without a successful poll the memory is not believed
	changesKept  = time.Hour
	changesMost  = 5_000
	changesTopic = "cards"
)

// memory remembers what authorisations asked for lately, in two generations:
// when the young one is full it becomes the old one, and what nobody asked for
// meanwhile is forgotten with the generation before.
type memory[K comparable, V any] struct {
	mu         sync.Mutex
	young, old map[K]V
	polledAt   time.Time
	forgotten  uint64 // counts evictions, so that a load that one overtook is not kept
}

func newMemory[K comparable, V any]() *memory[K, V] {
	return &memory[K, V]{young: map[K]V{}, old: map[K]V{}}
}

// get returns what is remembered, and the count to hand to put.
func (m *memory[K, V]) get(key K, now time.Time) (found V, ok bool, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.polledAt) > trustedFor {
		return found, false, m.forgotten
	}
	if found, ok = m.young[key]; ok {
		return found, true, 0
	}
	if found, ok = m.old[key]; ok {
		m.keep(key, found)
	}
	return found, ok, m.forgotten
}

// put remembers what was loaded, unless something was forgotten meanwhile.
func (m *memory[K, V]) put(key K, loaded V, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if count == m.forgotten {
		m.keep(key, loaded)
	}
}

func (m *memory[K, V]) keep(key K, v V) {
	if len(m.young) >= cachedMost {
		m.old, m.young = m.young, make(map[K]V, cachedMost/4)
	}
	m.young[key] = v
}

func (m *memory[K, V]) forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, key)
	delete(m.old, key)
	m.forgotten++
}

// polled says from when the memory is believed. After a gap, or when more has
// changed than one looks through, nobody knows what was missed.
func (m *memory[K, V]) polled(at time.Time, missed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if missed || at.Sub(m.polledAt) > trustedFor {
		m.young, m.old = map[K]V{}, map[K]V{}
		m.forgotten++
	}
	m.polledAt = at
}

// change is a row of cards.changes.
type change struct {
	ID   uuid.UUID `json:"id"`
	What string    `json:"what"` // link or terminal
	Key  string    `json:"key"`
	At   time.Time `json:"at"`
}

func (s *Service) forget(c change) {
	switch c.What {
	case "link":
		s.linkMemory.forget(c.Key)
	case "terminal":
		s.placeMemory.forget(c.Key)
	}
}

// changed tells every server inside the transaction of a change; this one knows
// as soon as it has committed.
func (s *Service) changed(ctx context.Context, what, key string) error {
	c := change{uuid.Must(uuid.NewV7()), what, key, s.now()}
	if err := s.store.insertChange(ctx, c, s.now().Add(-changesKept)); err != nil {
		return err
	}
	db.AfterCommit(ctx, func() { s.forget(c) })
	return s.live.Publish(ctx, changesTopic, "changed", c)
}

// Run keeps what authorisations know fresh until ctx ends, by news and by a poll
// behind it, and undoes what was booked after its caller had gone.
func (s *Service) Run(ctx context.Context) {
	news, cancel := s.live.Subscribe(changesTopic)
	defer cancel()
	timer := time.NewTicker(pollEvery)
	defer timer.Stop()
	for {
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("changes of cards were not read", "error", err)
		}
		s.settleDoubts(ctx)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case m := <-news:
			var c change
			if json.Unmarshal(m.Data, &c) == nil {
				s.forget(c)
			}
		}
	}
}

// Refresh forgets the links and terminals that changed lately. A change commits
// after its time was taken, so each poll looks back over the longest transaction.
func (s *Service) Refresh(ctx context.Context) error {
	const longestTransaction = 30 * time.Second
	began := s.now()
	var changed []change
	err := s.db.Platform(ctx, func(ctx context.Context) (err error) {
		changed, err = s.store.changes(ctx, began.Add(-trustedFor-longestTransaction))
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range changed {
		if !s.seen[c.ID] {
			s.forget(c)
		}
	}
	clear(s.seen)
	for _, c := range changed {
		s.seen[c.ID] = true
	}
	s.linkMemory.polled(began, len(changed) == changesMost)
	s.placeMemory.polled(began, len(changed) == changesMost)
	return nil
}
