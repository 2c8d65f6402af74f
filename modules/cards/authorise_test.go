package cards_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/modules/cards"
	"jangteo/modules/ledger"
	"jangteo/modules/payments"
)

func (b *buyer) mode(mode cards.Mode) {
	b.w.t.Helper()
	_, err := b.w.cards.SetOption(b.w.ctx, b.citizen, b.card.ID, cards.Option{TenantID: b.w.kit.Tenant, Mode: mode})
	b.w.must(err)
}

func (b *buyer) ask(key string, amount money.Amount, partial bool, shop int) (cards.Decision, error) {
	return b.w.cards.Authorise(b.w.ctx, cards.Request{Message: b.message(key, shop), Amount: amount, Partial: partial})
}

// Each mode does what its words promise, and only with the citizen's word does
// the bank account pay.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		mode              cards.Mode
		amount            money.Amount
		partial           bool
		shop              int
		approved, account money.Amount
		refused           error
	}{
		{"the voucher covers it", cards.VoucherOnly, 10_000, false, 0, 10_000, 0, nil},
		{"voucher only, too much", cards.VoucherOnly, 10_001, false, 0, 0, 0, ledger.ErrInsufficientBalance},
		{"voucher only, a part", cards.VoucherOnly, 12_000, true, 0, 10_000, 0, nil},
		{"voucher only, a bar", cards.VoucherOnly, 5_000, true, 1, 0, 0, payments.ErrTradeExcluded},
		{"ask, too much", cards.Ask, 12_000, false, 0, 0, 0, ledger.ErrInsufficientBalance},
		{"ask, a part", cards.Ask, 12_000, true, 0, 10_000, 0, nil},
		{"allow, too much", cards.Allow, 12_000, false, 0, 10_000, 2_000, nil},
		{"allow, a bar", cards.Allow, 5_000, false, 1, 0, 5_000, nil},
		{"allow, more than a voucher can be", cards.Allow, 3_000_000, false, 0, 10_000, 2_990_000, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			b := w.buyer(10_000)
			b.mode(c.mode)
			for range 2 { // and the repeat is answered alike
				d, err := b.ask("m1", c.amount, c.partial, c.shop)
				if !errors.Is(err, c.refused) || d.Approved != c.approved || d.Account != c.account {
					t.Fatalf("%+v, %v", d, err)
				}
			}
			if got := b.balance(); got != 10_000-c.approved {
				t.Errorf("%d left", got)
			}
			b.mode(cards.VoucherOnly) // what was decided stands
			d, err := b.ask("m1", c.amount, c.partial, c.shop)
			if !errors.Is(err, c.refused) || d.Approved != c.approved || d.Account != c.account && c.approved == 0 {
				t.Errorf("after the mode changed: %+v, %v", d, err)
			}
			w.relay()
			w.sound()
		})
	}
}

// A citizen who is asked says yes on the phone, and the next swipe at that shop
// takes the rest, once.
func TestAskedOnThePhone(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	b.mode(cards.Ask)
	if d, err := b.ask("m1", 12_000, true, 0); err != nil || d.Approved != 10_000 || d.Account != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	w.relay()
	offers, err := w.cards.Offers(w.ctx, b.citizen)
	w.must(err)
	if len(offers) != 1 || offers[0].Rest != 2_000 || offers[0].Voucher != 10_000 {
		t.Fatalf("offers %+v", offers)
	}
	if _, err := b.ask("m2", 2_000, true, 0); !errors.Is(err, ledger.ErrInsufficientBalance) {
		t.Fatalf("before the citizen's word: %v", err)
	}
	if _, err := w.cards.Answer(w.ctx, w.buyer(1_000).citizen, offers[0].ID, true); !errors.Is(err, cards.ErrOfferOver) {
		t.Fatalf("another citizen's word: %v", err)
	}
	_, err = w.cards.Answer(w.ctx, b.citizen, offers[0].ID, true)
	w.must(err)
	if _, err := b.ask("m3", 2_001, true, 0); !errors.Is(err, ledger.ErrInsufficientBalance) {
		t.Errorf("more than was allowed: %v", err)
	}
	if d, err := b.ask("m4", 2_000, true, 0); err != nil || d.Account != 2_000 || d.Approved != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := b.ask("m5", 2_000, true, 0); !errors.Is(err, ledger.ErrInsufficientBalance) {
		t.Errorf("the word was taken twice: %v", err)
	}
	w.sound()
}

// A question waits ten minutes and a yes holds for five; the same question is
// asked once, and those of cards that ask no more are gone from the phone.
func TestOffersEnd(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	b.mode(cards.Ask)
	refused := func(key string, amount money.Amount) {
		t.Helper()
		if _, err := b.ask(key, amount, false, 0); !errors.Is(err, ledger.ErrInsufficientBalance) {
			t.Fatalf("%s: %v", key, err)
		}
	}
	questions := func() []payments.Question {
		t.Helper()
		list, err := w.cards.Questions(w.ctx, b.citizen)
		w.must(err)
		return list
	}
	refused("m1", 12_000)
	w.kit.Clock.Advance(9 * time.Minute)
	refused("m2", 12_000) // the shop tries again: nine minutes more, and no second question
	refused("m3", 13_000)
	if got := questions(); len(got) != 2 || got[0].Rest != 13_000 || got[1].Rest != 12_000 || got[1].Shop != "길동이네 떡볶이" {
		t.Fatalf("asked %+v", got)
	}
	w.kit.Clock.Advance(9 * time.Minute)
	offers, err := w.cards.Offers(w.ctx, b.citizen)
	w.must(err)
	_, err = w.cards.Answer(w.ctx, b.citizen, offers[1].ID, true)
	w.must(err)
	w.kit.Clock.Advance(5 * time.Minute)
	refused("m4", 12_000) // the yes is over
	if _, err := w.cards.Answer(w.ctx, b.citizen, offers[0].ID, true); !errors.Is(err, cards.ErrOfferOver) {
		t.Errorf("answered too late: %v", err)
	}
	if got := questions(); len(got) != 1 || got[0].State != "offered" {
		t.Errorf("asked anew: %+v", got)
	}
	b.mode(cards.VoucherOnly)
	if got := questions(); len(got) != 0 {
		t.Errorf("a card that does not ask: %+v", got)
	}
	w.sound()
}

// A card that is paused, lost, not the main one or nobody's pays nothing, and
// the refusal says which; a lost card stops with the next payment.
func TestStatesOfCards(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.must(w.cards.Refresh(w.ctx)) // so that what is remembered is used
	b := w.buyer(10_000)
	second, err := w.cards.KeepSecond(w.ctx, b.citizen, issuer, "tk-second-"+b.citizen.String()[24:])
	w.must(err)
	refused := func(want error, token string) {
		t.Helper()
		w.numbers++
		m := b.message(fmt.Sprint("s", w.numbers), 0)
		if token != "" {
			m.Token = token
		}
		if _, err := w.cards.Authorise(w.ctx, cards.Request{Message: m, Amount: 1_000}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	refused(nil, "")
	refused(cards.ErrNotMain, second.Token)
	refused(cards.ErrNotLinked, "tk-of-nobody")
	for _, state := range []struct {
		to   cards.State
		want error
	}{{cards.Paused, cards.ErrPaused}, {cards.Active, nil}, {cards.Lost, cards.ErrLost}} {
		_, err := w.cards.SetState(w.ctx, b.citizen, b.card.ID, state.to)
		w.must(err)
		refused(state.want, "")
	}
	if _, err := w.cards.SetState(w.ctx, b.citizen, b.card.ID, cards.Active); !errors.Is(err, cards.ErrLost) {
		t.Errorf("a lost card came back: %v", err)
	}
	refused(nil, second.Token) // it has taken the lost one's place
	m := b.message("stray", 0)
	m.Token, m.Terminal = second.Token, "T9"
	for range 2 {
		if _, err := w.cards.Authorise(w.ctx, cards.Request{Message: m, Amount: 1_000}); !errors.Is(err, cards.ErrTerminalUnknown) {
			t.Errorf("at a terminal that nobody knows: %v", err)
		}
	}
	strays, _, err := w.cards.Strays(w.ctx, "open", 0)
	w.must(err)
	if len(strays) != 1 || strays[0].Terminal != "T9" || strays[0].Declined != 1 {
		t.Errorf("the staff see %+v", strays)
	}
	if got := b.balance(); got != 7_000 {
		t.Errorf("%d left of 10,000 after three payments", got)
	}
	w.sound()
}

// One message that comes many times at once, with its reversal among them,
// leaves nothing behind.
func TestMessagesAtOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(100_000)
	var wait sync.WaitGroup
	for i := range 5 {
		for range 8 {
			wait.Go(func() { _, _ = b.pay(fmt.Sprint("once", i), 1_000) })
			wait.Go(func() {
				if _, err := b.pay(fmt.Sprint("twice", i), 1_000); err != nil && !errors.Is(err, cards.ErrReversed) {
					t.Error(err)
				}
			})
		}
		wait.Go(func() {
			if _, err := b.reverse(fmt.Sprint("r", i), fmt.Sprint("twice", i), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := b.balance(); got != 95_000 {
		t.Errorf("%d left, want 95,000: five payments once, and five undone", got)
	}
	w.relay()
	w.sound()
}

// Bad fields are named, and change nothing.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	for field, spoil := range map[string]func(*cards.Request){
		"amount":    func(r *cards.Request) { r.Amount = -1 },
		"key":       func(r *cards.Request) { r.Key = "with space" },
		"terminal":  func(r *cards.Request) { r.Terminal = "" },
		"retrieval": func(r *cards.Request) { r.Retrieval = "1234567890123" },
	} {
		r := cards.Request{Message: b.message("bad", 0), Amount: 1_000}
		spoil(&r)
		_, err := w.cards.Authorise(w.ctx, r)
		if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if got := b.balance(); got != 10_000 {
		t.Errorf("%d left", got)
	}
}

// What a stand-in took too much is owed, and repaid by the button or out of the
// next purchase.
func TestClaims(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	_, err := w.cards.Advise(w.ctx, cards.Advice{Message: b.message("adv", 0), Amount: 14_000, Voucher: 14_000})
	w.must(err)
	owed := func() money.Amount {
		list, err := w.cards.ClaimsOf(w.ctx, b.citizen)
		w.must(err)
		if len(list) != 1 {
			t.Fatalf("claims %+v", list)
		}
		return list[0].Owed
	}
	if owed() != 4_000 || b.balance() != 0 {
		t.Fatalf("%d owed, %d left", owed(), b.balance())
	}
	list, err := w.cards.ClaimsOf(w.ctx, b.citizen)
	w.must(err)
	in := cards.RepayInput{Key: "press", CitizenID: b.citizen, ClaimID: list[0].ID, Amount: 1_000}
	if _, _, err := w.cards.Repay(w.ctx, in); !errors.Is(err, ledger.ErrInsufficientBalance) {
		t.Errorf("from an empty wallet: %v", err)
	}
	b.buy(2_000)
	for range 2 {
		_, _, err = w.cards.Repay(w.ctx, in)
		w.must(err)
	}
	if owed() != 3_000 || b.balance() != 1_000 {
		t.Errorf("after a repayment pressed twice: %d owed, %d left", owed(), b.balance())
	}
	w.must(w.cards.RepayFromPurchases(w.ctx, b.citizen, true))
	b.buy(5_000)
	w.must(w.purchased(b, 5_000))
	w.relay()
	if owed() != 0 || b.balance() != 3_000 {
		t.Errorf("after a purchase: %d owed, %d left", owed(), b.balance())
	}
	in.Key = "again"
	if _, _, err := w.cards.Repay(w.ctx, in); !errors.Is(err, cards.ErrClaimSettled) {
		t.Errorf("when nothing is owed: %v", err)
	}
	w.sound()
}

// An advice for a card or a terminal that nobody knows waits, and is booked when
// somebody does.
func TestAdviceWaits(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	m := b.message("later"+b.citizen.String()[24:], 0)
	m.Terminal = "T7"
	m.Token = b.token
	_, err := w.cards.Advise(w.ctx, cards.Advice{Message: m, Amount: 3_000, Voucher: 3_000})
	w.must(err)
	if b.balance() != 10_000 {
		t.Fatal("booked at nobody's terminal")
	}
	w.must(w.cards.Map(w.ctx, issuer, m.MerchantNumber, "T7", w.shops[0].ID))
	for range 2 {
		_, err = w.cards.BookParked(w.ctx)
		w.must(err)
	}
	if b.balance() != 7_000 {
		t.Errorf("%d left", b.balance())
	}
	w.sound()
}

// A reversal that comes before anybody knows the terminal still stops its
// original, which comes after the terminal was mapped.
func TestReversalBeforeTheTerminalIsKnown(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	m := b.message("early", 0)
	m.Terminal = "T8"
	back := m
	back.Key = "back"
	if _, err := w.cards.Reverse(w.ctx, cards.Reversal{Message: back, Original: m.Key}); err != nil {
		t.Fatal(err)
	}
	w.must(w.cards.Map(w.ctx, issuer, m.MerchantNumber, "T8", w.shops[0].ID))
	if _, err := w.cards.Authorise(w.ctx, cards.Request{Message: m, Amount: 1_000}); !errors.Is(err, cards.ErrReversed) {
		t.Error(err)
	}
	if b.balance() != 10_000 {
		t.Errorf("%d left", b.balance())
	}
	w.sound()
}

// What was answered "we cannot know" is undone by itself, and its repeat is not
// approved.
func TestDoubts(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	for _, warm := range []func(context.Context) error{w.cards.Refresh, w.merchants.Refresh, w.vouchers.Refresh} {
		w.must(warm(w.ctx)) // so that it is the booking that the caller does not wait for
	}
	_, err := b.pay("warm", 1_000)
	w.must(err)
	gone, cancel := context.WithCancel(w.ctx)
	cancel()
	var m cards.Message
	for i := 0; err == nil; i++ { // now and then the answer is there before the caller has gone
		m = b.message(fmt.Sprint("gone", i), 0)
		_, err = w.cards.Authorise(gone, cards.Request{Message: m, Amount: 1})
	}
	if !errors.Is(err, fault.ErrUnavailable) {
		t.Fatal(err)
	}
	before := b.balance()
	if _, err := w.cards.Authorise(w.ctx, cards.Request{Message: m, Amount: 1}); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("the repeat of what is in doubt: %v", err)
	}
	w.cards.SettleDoubts(w.ctx)
	if _, err := w.cards.Authorise(w.ctx, cards.Request{Message: m, Amount: 1}); !errors.Is(err, cards.ErrReversed) {
		t.Errorf("afterwards: %v", err)
	}
	if left := b.balance(); left < before {
		t.Errorf("%d left of %d", left, before)
	}
	w.relay()
	w.sound()
}
