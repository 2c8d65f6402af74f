package gather

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestThoseWhoComeWhileARoundIsUnderWayGoTogether(t *testing.T) {
	t.Parallel()
	var rounds [][]int
	first, goOn := make(chan struct{}), make(chan struct{})
	desk := NewDesk(1, time.Minute, func(_ context.Context, keys []int) (map[int]int, error) {
		rounds = append(rounds, keys) // one round at a time
		if len(rounds) == 1 {
			close(first)
			<-goOn
		}
		found := map[int]int{}
		for _, key := range keys {
			if key != 13 {
				found[key] = key * key
			}
		}
		return found, nil
	})
	var all sync.WaitGroup
	ask := func(key int) {
		all.Go(func() {
			value, err := desk.Ask(t.Context(), key)
			if key == 13 {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("13: %v", err)
				}
				return
			}
			if value != key*key || err != nil {
				t.Errorf("%d: %d %v", key, value, err)
			}
		})
	}
	ask(1)
	<-first
	for _, key := range []int{2, 3, 13, 3} {
		ask(key)
	}
	for waiting := 0; waiting < 4; {
		desk.mu.Lock()
		waiting = len(desk.queue)
		desk.mu.Unlock()
	}
	close(goOn)
	all.Wait()
	if len(rounds) != 2 || len(rounds[1]) != 3 {
		t.Errorf("the rounds were %v", rounds)
	}
}

func TestAFailedRoundIsToldToItsAskersAlone(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fail := true
	desk := NewDesk(1, time.Minute, func(_ context.Context, keys []string) (map[string]string, error) {
		if fail {
			return nil, broken
		}
		return map[string]string{keys[0]: "found"}, nil
	})
	if _, err := desk.Ask(t.Context(), "a"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	fail = false
	if value, err := desk.Ask(t.Context(), "a"); value != "found" || err != nil {
		t.Errorf("got %q %v", value, err)
	}
}

func TestNobodyWaitsLongerThanTheDeskHasPatience(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	defer close(stuck)
	desk := NewDesk(1, 10*time.Millisecond, func(context.Context, []int) (map[int]int, error) {
		<-stuck // whatever it is told
		return map[int]int{}, nil
	})
	for range 2 { // the first hangs in its round, the second before one
		if _, err := desk.Ask(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
}
