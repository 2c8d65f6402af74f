package ledger

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/idem"
	"jangteo/app/tenant"
)

// A busy municipality that always has enough for a batch holds up no quiet one,
// and what is too little for a batch beside another waits for it.
func TestALaneLeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	orders := func(n int) (list []*waiting) {
		for range n {
			list = append(list, &waiting{Order: Order{Tenant: tenant.ID(1), Wallet: uuid.New(), Key: idem.Key{ID: uuid.New()}}})
		}
		return list
	}
	lane := func(waiting ...int) *Lane {
		l := &Lane{options: LaneOptions{BatchMax: 100}, queues: make([]queue, len(waiting))}
		l.news = sync.NewCond(&l.mu)
		for i, n := range waiting {
			l.queues[i].orders = orders(n)
		}
		return l
	}
	take := func(l *Lane) int {
		t.Helper()
		size := make(chan int, 1)
		go func() {
			batch, _ := l.take()
			size <- len(batch)
		}()
		select {
		case n := <-size:
			return n
		case <-time.After(200 * time.Millisecond):
			return 0 // it waits
		}
	}
	for name, c := range map[string]struct {
		waiting []int
		sizes   []int // of one batch beside the other
	}{
		"few go together":                   {[]int{3, 4}, []int{7, 0}},
		"many go beside each other":         {[]int{200, 60}, []int{100, 60}},
		"few beside many":                   {[]int{200, 2}, []int{100, 2}},
		"few beside many of several queues": {[]int{200, 50, 2, 3}, []int{100, 50, 5}},
	} {
		l := lane(c.waiting...)
		for i, want := range c.sizes {
			if got := take(l); got != want {
				t.Errorf("%s: batch %d has %d orders, want %d", name, i, got, want)
			}
		}
	}
	l := lane(3, 0)
	if got := take(l); got != 3 {
		t.Errorf("one batch has %d orders, want 3", got)
	}
	l.queues[1].orders = orders(4)
	if got := take(l); got != 0 {
		t.Errorf("%d orders went beside a batch that will be done before they are", got)
	}
}
