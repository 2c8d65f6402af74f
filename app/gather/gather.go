// Package gather answers many askers with one question: while one round trip is
// under way, those who come gather, and go together in the next. No timer waits:
// whoever comes alone goes at once.
package gather

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrNotFound tells that a round brought no answer for a key.
var ErrNotFound = errors.New("gather: nothing was found")

// roundMost bounds the keys of one round.
const roundMost = 200

// Desk gathers the askers of one kind of question.
type Desk[K comparable, V any] struct {
	fetch    func(ctx context.Context, keys []K) (map[K]V, error)
	most     int // rounds under way at a time
	patience time.Duration
	mu       sync.Mutex
	queue    []asker[K, V]
	rounds   int
}

type asker[K comparable, V any] struct {
	key  K
	done chan answer[V]
}

type answer[V any] struct {
	value V
	err   error
}

// NewDesk lets fetch answer at most rounds questions at a time, each of up to
// 200 different keys. Nobody waits longer than patience.
func NewDesk[K comparable, V any](rounds int, patience time.Duration, fetch func(ctx context.Context, keys []K) (map[K]V, error)) *Desk[K, V] {
	return &Desk[K, V]{fetch: fetch, most: rounds, patience: patience}
}

// Ask returns the value of a key, ErrNotFound, the error of its round or, when
// that takes too long, context.DeadlineExceeded.
func (d *Desk[K, V]) Ask(ctx context.Context, key K) (value V, err error) {
	found, err := d.AskAll(ctx, []K{key})
	value, ok := found[key]
	if !ok && err == nil {
		err = ErrNotFound
	}
	return value, err
}

// AskAll returns the values of different keys; those not found are left out.
func (d *Desk[K, V]) AskAll(ctx context.Context, keys []K) (map[K]V, error) {
	mine := make([]asker[K, V], len(keys))
	for i, key := range keys {
		mine[i] = asker[K, V]{key, make(chan answer[V], 1)}
	}
	d.mu.Lock()
	d.queue = append(d.queue, mine...)
	if d.rounds < d.most && len(keys) > 0 {
		d.rounds++
		go d.serve(context.WithoutCancel(ctx))
	}
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	found := make(map[K]V, len(keys))
	for _, one := range mine {
		select {
		case a := <-one.done:
			switch {
			case a.err == nil:
				found[one.key] = a.value
			case !errors.Is(a.err, ErrNotFound):
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return found, nil
}

// serve goes round after round until nobody waits.
func (d *Desk[K, V]) serve(ctx context.Context) {
	for {
		d.mu.Lock()
		n := min(len(d.queue), roundMost)
		if n == 0 {
			d.rounds--
			d.mu.Unlock()
			return
		}
		round := d.queue[:n:n]
		d.queue = append([]asker[K, V](nil), d.queue[n:]...)
		d.mu.Unlock()
		d.round(ctx, round)
	}
}

func (d *Desk[K, V]) round(ctx context.Context, round []asker[K, V]) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	keys := make([]K, 0, len(round))
	seen := make(map[K]bool, len(round))
	for _, a := range round {
		if !seen[a.key] {
			seen[a.key] = true
			keys = append(keys, a.key)
		}
	}
	found, err := d.fetch(ctx, keys)
	for _, a := range round {
		value, ok := found[a.key]
		switch {
		case err != nil:
			a.done <- answer[V]{err: err}
		case !ok:
			a.done <- answer[V]{err: ErrNotFound}
		default:
			a.done <- answer[V]{value: value}
		}
	}
}
