package recall

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/gather"
)

// shelf is what a memory reads from; it counts how often.
type shelf struct {
	things map[string]int
	asked  []string
	during func() // while a question is under way
	fails  error
}

func (s *shelf) fetch(_ context.Context, keys []string) (map[string]int, error) {
	s.asked = append(s.asked, keys...)
	found := maps.Clone(s.things)
	maps.DeleteFunc(found, func(key string, _ int) bool { return !slices.Contains(keys, key) })
	if s.during != nil {
		s.during()
	}
	return found, s.fails
}

type changed struct {
	ID  uuid.UUID
	Key string
}

func (c changed) ChangeID() uuid.UUID { return c.ID }

type bench struct {
	*Memory[string, int]
	Changes[changed]
	shelf *shelf
	at    time.Time
	log   []changed // as Since answers
	fails error
}

func newBench(t *testing.T, most int) *bench {
	t.Helper()
	b := &bench{shelf: &shelf{things: map[string]int{"a": 1, "b": 2, "c": 3}}, at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return b.at }
	b.Memory = New(gather.NewDesk(1, time.Minute, b.shelf.fetch), most, now)
	b.Changes = Changes[changed]{
		Topic: "shelf", Now: now, Log: slog.New(slog.DiscardHandler), Memories: []Kept{b.Memory},
		Forget: func(c changed) { b.Memory.Forget(c.Key) },
		Since:  func(context.Context, time.Time, int) ([]changed, error) { return b.log, b.fails },
	}
	b.refresh(t)
	return b
}

func (b *bench) refresh(t *testing.T) {
	t.Helper()
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) is(t *testing.T, key string, want int, asked ...string) {
	t.Helper()
	b.shelf.asked = nil
	got, err := b.Of(t.Context(), key)
	if err != nil || got != want || !slices.Equal(b.shelf.asked, asked) {
		t.Errorf("%s is %d, %v after asking for %v; want %d after %v", key, got, err, b.shelf.asked, want, asked)
	}
}

func TestWhatWasAskedForLatelyIsRemembered(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10)
	b.is(t, "a", 1, "a")
	b.is(t, "a", 1)
	b.shelf.asked = nil
	all, err := b.All(t.Context(), []string{"a", "b", "none"})
	if err != nil || !maps.Equal(all, map[string]int{"a": 1, "b": 2}) || !slices.Equal(b.shelf.asked, []string{"b", "none"}) {
		t.Errorf("All: %v, %v after asking for %v", all, err, b.shelf.asked)
	}
	b.is(t, "b", 2)
	if _, err := b.Of(t.Context(), "none"); !errors.Is(err, gather.ErrNotFound) {
		t.Errorf("what is nowhere: %v", err)
	}
}

func TestAFailureIsNotRemembered(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10)
	b.shelf.fails = errors.New("away")
	if _, err := b.Of(t.Context(), "a"); !errors.Is(err, b.shelf.fails) {
		t.Errorf("got %v", err)
	}
	b.shelf.fails = nil
	b.is(t, "a", 1, "a")
}

func TestAChangeIsForgottenOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10)
	b.is(t, "a", 1, "a")
	b.shelf.things["a"] = 100
	b.log = []changed{{uuid.New(), "a"}}
	b.refresh(t)
	b.is(t, "a", 100, "a")
	b.refresh(t) // which sees the same change again, and leaves what is fresh
	b.is(t, "a", 100)
}

func TestALoadThatAChangeOvertookIsNotKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10)
	b.shelf.during = func() { b.Memory.Forget("a") }
	b.is(t, "a", 1, "a")
	b.shelf.during = nil
	b.is(t, "a", 1, "a")
	b.is(t, "a", 1)
}

func TestAMemoryIsBelievedOnlyWhileItPolls(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10)
	b.is(t, "a", 1, "a")
	b.at = b.at.Add(trustedFor)
	b.is(t, "a", 1)
	b.fails = errors.New("no connection")
	if err := b.Refresh(t.Context()); !errors.Is(err, b.fails) {
		t.Errorf("got %v", err)
	}
	b.at = b.at.Add(time.Second)
	b.is(t, "a", 1, "a")
	b.fails = nil
	b.refresh(t) // nobody knows what was missed
	b.is(t, "a", 1, "a")
	b.is(t, "a", 1)
}

func TestMoreChangesThanOneLooksThroughForgetEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10)
	b.is(t, "a", 1, "a")
	for range changesMost {
		b.log = append(b.log, changed{uuid.New(), "z"})
	}
	b.refresh(t)
	b.is(t, "a", 1, "a")
}

func TestWhatNobodyAsksForIsForgottenFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.is(t, "a", 1, "a")
	b.is(t, "b", 2, "b") // a is of the old generation now
	b.is(t, "a", 1)      // and young again
	b.is(t, "c", 3, "c")
	b.is(t, "b", 2, "b")
}
