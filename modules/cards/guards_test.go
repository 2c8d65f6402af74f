package cards_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"jangteo/app/idem"
	"jangteo/modules/cards"
	"jangteo/modules/payments"
)

// together does the same many times at once, and returns what came of each.
func together(times int, do func(n int) error) []error {
	failed := make([]error, times)
	var all sync.WaitGroup
	for n := range times {
		all.Go(func() { failed[n] = do(n) })
	}
	all.Wait()
	return failed
}

// A swap that is tapped many times at once is one swap: paid once, asked of the
// issuer once, each step once.
func TestATapIsOneSwap(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]struct {
		state cards.SwapState
		left  int64
	}{"done": {cards.SwapDone, 6_000}, "refused": {cards.SwapRefused, 10_000}, "pending": {cards.SwapAsking, 6_000}} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			b := w.buyer(10_000)
			f := b.fell("fell", 4_000)
			w.issuers.set(func() { w.issuers.says = says })
			for _, err := range together(12, func(int) error { _, err := w.cards.Swap(w.ctx, b.citizen, f.ID); return err }) {
				w.must(err)
			}
			f, _, err := w.cards.FallThrough(w.ctx, b.citizen, f.ID)
			w.must(err)
			if f.State != want.state || int64(b.balance()) != want.left {
				t.Errorf("%s, %d left", f.State, b.balance())
			}
			steps := b.steps(f)
			slices.Sort(steps)
			if len(slices.Compact(slices.Clone(steps))) != len(steps) {
				t.Errorf("steps come twice: %v", steps)
			}
			w.relay()
			w.sound()
		})
	}
}

// A swap that was cut off when the voucher had paid goes on, and pays no more.
func TestASwapGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	f := b.fell("fell", 4_000)
	key, err := idem.New(b.citizen, "swap-"+f.ID.String(), "swap", f.Amount)
	w.must(err)
	_, _, err = w.payments.PayByCard(w.ctx, payments.CardInput{
		Key: key, CitizenID: b.citizen, MerchantID: f.MerchantID, Amount: f.Amount,
		Card: payments.CardUse{LinkID: f.LinkID, Issuer: f.Issuer, Key: "swap-" + f.ID.String(), Retrieval: f.Retrieval, Source: "swap"},
	})
	w.must(err)
	w.must(w.cards.MoveSwap(w.ctx, f.ID, cards.SwapOpen, cards.SwapPaying))
	_, err = b.pay("spent", 6_000) // the wallet could not pay it twice
	w.must(err)
	waiting, err := w.cards.ResolveSwaps(w.ctx)
	w.must(err)
	f, _, err = w.cards.FallThrough(w.ctx, b.citizen, f.ID)
	w.must(err)
	if waiting != 0 || f.State != cards.SwapDone || b.balance() != 0 || w.issuers.returned() != 4_000 {
		t.Errorf("%d wait, %s, %d left, %d back", waiting, f.State, b.balance(), w.issuers.returned())
	}
	w.relay()
	w.sound()
}

// A purchase that took the bank account is offered once, whoever tells of it and
// however often; what the files say of it after the swap moves nothing.
func TestAFallThroughIsOfferedOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	b.shortens()
	f := b.fell("fell", 4_000)
	key := "fell"
	_, err := w.cards.Clear(w.ctx, w.file("csv", 1, b.row("B", key, 0, 4_000)))
	w.must(err)
	list, err := w.cards.FallThroughs(w.ctx, b.citizen)
	w.must(err)
	if len(list) != 1 || list[0].ID != f.ID {
		t.Fatalf("offered %+v", list)
	}
	_, err = w.cards.Swap(w.ctx, b.citizen, f.ID)
	w.must(err)
	w.relay()
	c, err := w.cards.Clear(w.ctx, w.file("csv", 2, b.row("B", key, 0, 4_000), b.row("R", key, 0, 4_000)))
	w.must(err)
	if c.By[cards.RowDuplicate] != 1 || c.By[cards.RowMatched] != 1 || c.By[cards.RowMissing] != 0 {
		t.Errorf("after the swap the file is %v", c.By)
	}
	if list, err = w.cards.FallThroughs(w.ctx, b.citizen); err != nil || len(list) != 1 || list[0].State != cards.SwapDone || b.balance() != 6_000 {
		t.Errorf("%+v, %d left, %v", list, b.balance(), err)
	}
	w.sound()
}

// What an issuer promised is booked once, whether its advice or its clearing file
// comes first, whether it names its request or not.
func TestAStandInIsBookedOnce(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]string{
		"the advice alone, twice":            {"advice", "advice again"},
		"the file, then the advice":          {"file", "settle", "advice"},
		"the file, the advice, then settled": {"file", "advice", "settle"},
		"asked, then told without a name":    {"ask", "advice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			b := w.buyer(10_000)
			b.shortens()
			advise := func(key string) error {
				m := b.message("purchase", 0)
				m.Key = key
				_, err := w.cards.Advise(w.ctx, cards.Advice{Message: m, Amount: 3_000, Voucher: 3_000})
				return err
			}
			steps := map[string]func() error{
				"ask":          func() error { _, err := b.pay("purchase", 3_000); w.relay(); return err },
				"advice":       func() error { return advise("advice-1") },
				"advice again": func() error { return advise("advice-2") },
				"file": func() error {
					_, err := w.cards.Clear(w.ctx, w.file("csv", 1, b.row("S", "purchase", 3_000, 0)))
					return err
				},
				"settle": func() error { return w.settleWith("booked") },
			}
			for _, step := range order {
				w.must(steps[step]())
				w.relay()
			}
			if b.balance() != 7_000 {
				t.Errorf("%d left", b.balance())
			}
			w.sound()
		})
	}
}

// Many who tell of one purchase in the same moment, each under a name of its own.
func TestAStandInThatManyTellOfAtOnceIsBookedOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	for round := range 5 {
		for _, err := range together(6, func(n int) error {
			m := b.message(fmt.Sprintf("purchase-%d", round), 0)
			m.Key = fmt.Sprintf("advice-%d-%d", round, n)
			_, err := w.cards.Advise(w.ctx, cards.Advice{Message: m, Amount: 300, Voucher: 300})
			return err
		}) {
			w.must(err)
		}
	}
	w.relay()
	if b.balance() != 8_500 {
		t.Errorf("%d left", b.balance())
	}
	w.sound()
}

// settleWith settles the one row that is open.
func (w *town) settleWith(how string) error {
	rows, _, err := w.cards.Rows(w.ctx, cards.RowFilter{States: cards.OpenRows})
	if err != nil || len(rows) != 1 {
		return errors.Join(err, errors.New("there is not one open row"))
	}
	_, err = w.cards.Settle(w.ctx, cards.SettleInput{Row: rows[0].ID, How: how, Reason: "카드사와 확인함"})
	return err
}

// A row that several people settle at once in different ways is settled in one,
// and the money has moved as that way says.
func TestARowIsSettledInOneWay(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	b.shortens()
	var want int64 = 10_000
	for round := range 6 {
		retrieval := string(rune('a'+round)) + b.citizen.String()[28:]
		_, err := w.cards.Clear(w.ctx, w.file("csv", round+1, b.row("S", retrieval, 1_000, 0)))
		w.must(err)
		rows, _, err := w.cards.Rows(w.ctx, cards.RowFilter{States: cards.OpenRows})
		w.must(err)
		ways := []string{"booked", "accepted"}
		failed := together(8, func(n int) error {
			_, err := w.cards.Settle(w.ctx, cards.SettleInput{Row: rows[0].ID, How: ways[(n+round)%2], Reason: "카드사와 확인함"})
			return err
		})
		var settled int
		for _, err := range failed {
			if err == nil {
				settled++
			} else if !errors.Is(err, cards.ErrRowSettled) {
				t.Error(err)
			}
		}
		r, _, _, err := w.cards.Row(w.ctx, rows[0].ID)
		w.must(err)
		if r.Resolution == "booked" {
			want -= 1_000
		}
		if settled != 1 || int64(b.balance()) != want {
			t.Fatalf("settled %d times, %s, and %d won are left of %d", settled, r.Resolution, b.balance(), want)
		}
	}
	w.relay()
	w.sound()
}

// A file that comes twice at once is imported once.
func TestAFileIsImportedOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	b.token = b.token[:36]
	file := w.file("fixed", 1, b.row("P", "one", 1_000, 0), b.row("P", "two", 2_000, 0))
	var again sync.Map
	for _, err := range together(6, func(n int) error {
		c, err := w.cards.Clear(w.ctx, file)
		again.Store(n, c.Again)
		return err
	}) {
		w.must(err)
	}
	var first int
	again.Range(func(_, was any) bool {
		if !was.(bool) {
			first++
		}
		return true
	})
	rows, _, err := w.cards.Rows(w.ctx, cards.RowFilter{})
	w.must(err)
	if first != 1 || len(rows) != 2 {
		t.Errorf("imported %d times, %d rows", first, len(rows))
	}
}
