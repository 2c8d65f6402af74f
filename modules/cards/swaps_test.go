package cards_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"jangteo/app/money"
	"jangteo/modules/cards"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
)

// fell is a payment of a buyer that took the bank account in an outage.
func (b *buyer) fell(key string, amount money.Amount) cards.FallThrough {
	b.w.t.Helper()
	b.w.kit.Clock.Advance(time.Minute)
	_, err := b.w.cards.Advise(b.w.ctx, cards.Advice{Message: b.message(key, 0), Amount: amount, Account: amount})
	b.w.must(err)
	list, err := b.w.cards.FallThroughs(b.w.ctx, b.citizen)
	b.w.must(err)
	if len(list) != 1 {
		b.w.t.Fatalf("fall-throughs %+v", list)
	}
	return list[0]
}

func (b *buyer) steps(id cards.FallThrough) (names []string) {
	b.w.t.Helper()
	_, steps, err := b.w.cards.FallThrough(b.w.ctx, b.citizen, id.ID)
	b.w.must(err)
	for _, s := range steps {
		names = append(names, s.Step)
	}
	return names
}

// A tap swaps once: the voucher has paid and the bank account has its money
// back, or neither, whatever the issuer says and however late.
func TestSwaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		silent bool
		says   []string // at the tap, and at each look afterwards
		want   cards.SwapState
		left   money.Amount
		steps  []string
	}{
		{"done at once", false, []string{"done"}, cards.SwapDone, 6_000, []string{"found", "asked", "voucher-paid", "issuer-done"}},
		{"refused", false, []string{"refused"}, cards.SwapRefused, 10_000, []string{"found", "asked", "voucher-paid", "issuer-refused", "voucher-returned"}},
		{"pending, then done", false, []string{"pending", "pending", "done"}, cards.SwapDone, 6_000,
			[]string{"found", "asked", "voucher-paid", "issuer-pending", "issuer-done"}},
		{"unknown, then refused", false, []string{"unknown", "refused"}, cards.SwapRefused, 10_000,
			[]string{"found", "asked", "voucher-paid", "issuer-pending", "issuer-refused", "voucher-returned"}},
		{"silent, then done", true, []string{"done", "done"}, cards.SwapDone, 6_000,
			[]string{"found", "asked", "voucher-paid", "issuer-pending", "issuer-done"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			b := w.buyer(10_000)
			f := b.fell("fell", 4_000)
			w.issuers.set(func() { w.issuers.silent, w.issuers.says = c.silent, c.says[0] })
			var err error
			for range 2 {
				f, err = w.cards.Swap(w.ctx, b.citizen, f.ID)
				w.must(err)
			}
			for _, says := range c.says[1:] {
				w.issuers.set(func() { w.issuers.silent, w.issuers.says = false, says })
				_, err := w.cards.ResolveSwaps(w.ctx)
				w.must(err)
			}
			f, _, err = w.cards.FallThrough(w.ctx, b.citizen, f.ID)
			w.must(err)
			if f.State != c.want || b.balance() != c.left {
				t.Errorf("%s, %d left", f.State, b.balance())
			}
			if got := b.steps(f); !slices.Equal(got, c.steps) {
				t.Errorf("steps %v", got)
			}
			if got := w.issuers.returned(); c.want == cards.SwapDone && got != 4_000 {
				t.Errorf("%d was asked back", got)
			}
			w.relay()
			w.sound()
		})
	}
}

// A voucher that was spent meanwhile cannot swap; nothing is asked of the
// issuer, and the swap is open again.
func TestSwapWithoutBalance(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	f := b.fell("fell", 4_000)
	_, err := b.pay("spent", 9_000)
	w.must(err)
	if _, err := w.cards.Swap(w.ctx, b.citizen, f.ID); !errors.Is(err, ledger.ErrInsufficientBalance) {
		t.Fatal(err)
	}
	f, _, err = w.cards.FallThrough(w.ctx, b.citizen, f.ID)
	w.must(err)
	if f.State != cards.SwapOpen || w.issuers.returned() != 0 {
		t.Errorf("%s, %d asked back", f.State, w.issuers.returned())
	}
	other := w.buyer(10_000)
	if _, err := w.cards.Swap(w.ctx, other.citizen, f.ID); !errors.Is(err, cards.ErrFallThroughUnknown) {
		t.Errorf("another citizen swapped: %v", err)
	}
	w.sound()
}

// Only what the wallet could have paid then is listed: not what was bought
// later, not at a shop that is excluded, not too much.
func TestOnlyTrueFallThroughs(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(5_000)
	w.kit.Clock.Advance(time.Minute)
	for key, a := range map[string]cards.Advice{
		"much":   {Amount: 5_001, Account: 5_001},
		"bar":    {Amount: 1_000, Account: 1_000},
		"before": {Amount: 2_000, Account: 2_000},
		"true":   {Amount: 5_000, Account: 5_000},
	} {
		a.Message = b.message(key, 0)
		if key == "bar" {
			a.Message = b.message(key, 1)
		}
		if key == "before" {
			a.At = a.At.Add(-time.Hour)
		}
		_, err := w.cards.Advise(w.ctx, a)
		w.must(err)
	}
	list, err := w.cards.FallThroughs(w.ctx, b.citizen)
	w.must(err)
	if len(list) != 1 || list[0].Amount != 5_000 {
		t.Errorf("listed: %+v", list)
	}
}

// A list of terminals maps what is certain and puts the rest before the staff,
// with proposals; a wrong line refuses the whole.
func TestImportOfTerminals(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	const head = "issuer,merchant_number,terminal,biz_no,name,address\n"
	known := w.kit.Tenant.String() // terminals are the issuers', not a municipality's
	list := head + "41,A" + known + ",X1,124-81-00998,길동이네,\n41,A" + known + ",X2,,길동이네 떡볶이,서울\n41,B" + known + ",X1,120-81-47521,없는 가게,\n"
	n, err := w.cards.Import(w.ctx, []byte(list))
	w.must(err)
	if n != (cards.Imported{Mapped: 1, Open: 2}) {
		t.Fatalf("%+v", n)
	}
	if n, err = w.cards.Import(w.ctx, []byte(list)); err != nil || n != (cards.Imported{Known: 1, Open: 2}) {
		t.Errorf("again: %+v, %v", n, err)
	}
	strays, _, err := w.cards.Strays(w.ctx, "open", 0)
	w.must(err)
	i := slices.IndexFunc(strays, func(s cards.Stray) bool { return s.Terminal == "X2" })
	proposals, err := w.cards.Proposals(w.ctx, strays[i])
	w.must(err)
	if len(proposals) != 1 || proposals[0].Merchant.ID != w.shops[0].ID || proposals[0].Reason != "neighbour" {
		t.Errorf("proposals %+v", proposals)
	}
	for _, bad := range []string{"", "a,b\n", head + "41,A,X1,123-45-67890,,\n", head + "99,A,X1,,,\n", head + "41,A,,,,\n"} {
		if _, err := w.cards.Import(w.ctx, []byte(bad)); !errors.Is(err, cards.ErrListInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	b := w.buyer(5_000)
	m := b.message("x2", 0)
	m.Issuer, m.MerchantNumber, m.Terminal = "41", "A"+known, "X1"
	if at, err := w.cards.TerminalsOf(w.ctx, w.shops[0].ID); err != nil || len(at) != 2 {
		t.Errorf("the shop's terminals: %+v, %v", at, err)
	}
	w.must(w.cards.Ask(w.ctx, w.shops[0], "41", "C"+known, "X9"))
	if mine, err := w.cards.StraysOf(w.ctx, w.shops[0]); err != nil || len(mine) != 1 {
		t.Errorf("what the shop asked for: %+v, %v", mine, err)
	}
	_ = merchants.Approved
}
