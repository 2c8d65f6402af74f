package ledger

import (
	"slices"
	"testing"

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
	sizes := func(batches []batch) (list []int) {
		for _, b := range batches {
			list = append(list, len(b.orders))
		}
		return list
	}
	lane := func(waiting ...int) *Lane {
		l := &Lane{options: LaneOptions{BatchMax: 100}, queues: make([]queue, len(waiting))}
		for i, n := range waiting {
			l.queues[i].orders = orders(n)
		}
		return l
	}
	for name, c := range map[string]struct{ waiting, sizes []int }{
		"few go together":                   {[]int{3, 4}, []int{7}},
		"many go beside each other":         {[]int{200, 60}, []int{100, 60}},
		"few beside many":                   {[]int{200, 2}, []int{100, 2}},
		"few beside many of several queues": {[]int{200, 50, 2, 3}, []int{100, 50, 5}},
	} {
		if got := sizes(lane(c.waiting...).take()); !slices.Equal(got, c.sizes) {
			t.Errorf("%s: batches of %d, want %d", name, got, c.sizes)
		}
	}
	l := lane(3, 0)
	first := l.take()
	if got := sizes(first); !slices.Equal(got, []int{3}) {
		t.Errorf("batches of %d, want one of 3", got)
	}
	l.queues[1].orders = orders(4)
	if got := sizes(l.take()); len(got) > 0 {
		t.Errorf("%d went beside a batch that will be done before they are", got)
	}
	if got := sizes(l.giveBack(first[0].from)); !slices.Equal(got, []int{4}) {
		t.Errorf("after it go batches of %d, want one of 4", got)
	}
}
