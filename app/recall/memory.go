// Package recall lets every server remember what requests ask for again and
// again and what hardly changes: a Memory keeps it, and Changes has all servers
// forget what one of them changed, by news within milliseconds and by a poll
// behind it. A server that cannot poll does not believe its memory.
package recall

import (
	"context"
	"sync"
	"time"

	"jangteo/app/clock"
	"jangteo/app/gather"
)

// trustedFor is how long a memory is believed without a successful poll.
const trustedFor = 10 * time.Second

// Memory remembers what keys stand for, in two generations: when the young one
// is full it becomes the old one, and what nobody asked for meanwhile is
// forgotten with the generation before.
type Memory[K comparable, V any] struct {
	desk       *gather.Desk[K, V]
	most       int
	now        clock.Now
	mu         sync.Mutex
	young, old map[K]V
	polledAt   time.Time
	forgotten  uint64 // counts evictions, so that a load that one overtook is not kept
}

// New remembers up to most values of each generation; what it does not know is
// asked for at the desk.
func New[K comparable, V any](desk *gather.Desk[K, V], most int, now clock.Now) *Memory[K, V] {
	return &Memory[K, V]{desk: desk, most: most, now: now, young: map[K]V{}, old: map[K]V{}}
}

// Of returns what a key stands for, or the desk's error. When it was asked for
// lately no database is asked.
func (m *Memory[K, V]) Of(ctx context.Context, key K) (V, error) {
	found, ok, count := m.get(key)
	if ok {
		return found, nil
	}
	found, err := m.desk.Ask(ctx, key)
	if err == nil {
		m.put(key, found, count)
	}
	return found, err
}

// All returns what different keys stand for; those not found are left out.
func (m *Memory[K, V]) All(ctx context.Context, keys []K) (map[K]V, error) {
	all := make(map[K]V, len(keys))
	counts := map[K]uint64{} // of the keys to ask for
	var unknown []K
	for _, key := range keys {
		found, ok, count := m.get(key)
		if ok {
			all[key] = found
			continue
		}
		unknown, counts[key] = append(unknown, key), count
	}
	loaded, err := m.desk.AskAll(ctx, unknown)
	for key, found := range loaded {
		m.put(key, found, counts[key])
		all[key] = found
	}
	return all, err
}

// Forget has keys asked for anew.
func (m *Memory[K, V]) Forget(keys ...K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.young, key)
		delete(m.old, key)
	}
	m.forgotten++
}

// get returns what is remembered, and the count to hand to put.
func (m *Memory[K, V]) get(key K) (found V, ok bool, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now().Sub(m.polledAt) > trustedFor {
		return found, false, m.forgotten
	}
	if found, ok = m.young[key]; ok {
		return found, true, m.forgotten
	}
	if found, ok = m.old[key]; ok {
		m.keep(key, found)
	}
	return found, ok, m.forgotten
}

// put remembers what was loaded, unless something was forgotten meanwhile.
func (m *Memory[K, V]) put(key K, loaded V, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if count == m.forgotten {
		m.keep(key, loaded)
	}
}

func (m *Memory[K, V]) keep(key K, value V) {
	if len(m.young) >= m.most {
		m.old, m.young = m.young, make(map[K]V, m.most/4)
	}
	m.young[key] = value
}

// polled says from when the memory is believed. After a gap, or when more has
// changed than one looks through, nobody knows what was missed.
func (m *Memory[K, V]) polled(at time.Time, missed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if missed || at.Sub(m.polledAt) > trustedFor {
		m.young, m.old = map[K]V{}, map[K]V{}
		m.forgotten++
	}
	m.polledAt = at
}
