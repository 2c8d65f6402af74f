package app_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

// purse is the model of a citizen's wallet: what was put in, in its order, and
// one number for what was spent of it.
type purse struct {
	h       []*house // servers
	ctx     context.Context
	citizen uuid.UUID
	account uuid.UUID
	wallet  uuid.UUID

	bank, month money.Amount
	lots        []money.Amount
	spent       money.Amount
	paid        []*pressed
}

// pressed is a payment that was accepted, with all that a retry repeats.
type pressed struct {
	in   payments.PayInput
	id   uuid.UUID
	left money.Amount // of it that is not cancelled

	undone []undone
}

type undone struct {
	in payments.CancelInput
	id uuid.UUID
}

func (p *purse) balance() (sum money.Amount) {
	for _, face := range p.lots {
		sum += face
	}
	return sum - p.spent
}

// remaining is what is left of each lot when the oldest is spent first.
func (p *purse) remaining() []money.Amount {
	left, spent := make([]money.Amount, len(p.lots)), p.spent
	for i, face := range p.lots {
		used := min(face, spent)
		left[i], spent = face-used, spent-used
	}
	return left
}

// till is what both municipalities' books must show in the end.
type till struct{ bought, subsidised, taken, returned money.Amount }

func (h *house) purse(t interface{ Fatalf(string, ...any) }, servers []*house, serial int) *purse {
	p := &purse{h: servers, citizen: uuid.New(), bank: 1_000_000} // what the simulated bank opens with
	p.ctx = auth.With(inHome(), auth.Principal{Kind: auth.Citizen, ID: p.citizen})
	linked, err := h.app.Banking.Link(p.ctx, banking.LinkInput{
		CitizenID: p.citizen, BankCode: "088", AccountNumber: fmt.Sprintf("110%09d", serial), Name: "김하늘", BirthDate: calendar.Date(1990, 1, 31),
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	p.account = linked.ID
	return p
}

// server is any of them: what one did, the others know.
func (p *purse) server(r *rapid.T) *house {
	return p.h[rapid.IntRange(0, len(p.h)-1).Draw(r, "server")]
}

func wants(r *rapid.T, what string, err, want error) {
	if !errors.Is(err, want) {
		r.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func (p *purse) buy(r *rapid.T, books *till) {
	h := p.server(r)
	amount := money.Amount(rapid.IntRange(1, 30).Draw(r, "bought")) * 10_000
	in := vouchers.PurchaseInput{Key: uuid.NewString(), CitizenID: p.citizen, ProgrammeID: h.towns[home].programme, Amount: amount, BankAccountID: p.account}
	var want error
	switch {
	case amount > 500_000-p.month, amount > 1_000_000-p.balance():
		want = vouchers.ErrLimitExceeded
	case amount-amount/10 > p.bank:
		want = banking.ErrBankRefused
	}
	got, _, err := h.app.Vouchers.Purchase(p.ctx, in)
	wants(r, fmt.Sprint("buying ", amount), err, want)
	if want != nil {
		return
	}
	if got.State != vouchers.Completed {
		r.Fatalf("the purchase is %s", got.State)
	}
	p.wallet = got.WalletID
	p.lots = append(p.lots, amount)
	p.bank -= amount - amount/10
	p.month += amount
	books.bought += amount - amount/10
	books.subsidised += amount / 10
	again, replayed, err := p.server(r).app.Vouchers.Purchase(p.ctx, in)
	wants(r, "buying again", err, nil)
	if again.ID != got.ID || !replayed {
		r.Fatalf("bought twice: %s and %s", got.ID, again.ID)
	}
}

func (p *purse) pay(r *rapid.T, books *till) {
	h := p.server(r)
	in := payments.PayInput{Key: uuid.NewString(), CitizenID: p.citizen, Amount: money.Amount(rapid.Int64Range(1, 320_000).Draw(r, "amount"))}
	if rapid.Bool().Draw(r, "small") {
		in.Amount = in.Amount%20_000 + 1
	}
	if rapid.Bool().Draw(r, "by its code") {
		in.QR = h.towns[home].qr
	} else {
		in.MerchantID = h.towns[home].shop.ID
	}
	if rapid.Bool().Draw(r, "from this wallet") {
		in.WalletID = p.wallet
	}
	var want error
	switch {
	case p.wallet == uuid.Nil:
		want = vouchers.ErrWalletUnknown
	case in.Amount > 300_000:
		want = ledger.ErrDayLimit
	case in.Amount > p.balance():
		want = ledger.ErrInsufficientBalance
	}
	got, replayed, err := h.app.Payments.Pay(p.ctx, in)
	wants(r, fmt.Sprint("paying ", in.Amount), err, want)
	if want != nil {
		return
	}
	p.spent += in.Amount
	books.taken += in.Amount
	if replayed || got.Amount != in.Amount || got.BalanceAfter != p.balance() {
		r.Fatalf("paid %+v, want %d and %d left", got, in.Amount, p.balance())
	}
	p.paid = append(p.paid, &pressed{in: in, id: got.ID, left: in.Amount})
}

// payAgain repeats a payment, or its key with another amount.
func (p *purse) payAgain(r *rapid.T) {
	one := p.paid[rapid.IntRange(0, len(p.paid)-1).Draw(r, "payment")]
	in := one.in
	if rapid.IntRange(0, 2).Draw(r, "changed") == 0 {
		in.Amount++
		_, _, err := p.server(r).app.Payments.Pay(p.ctx, in)
		if in.Amount <= 300_000 || !errors.Is(err, ledger.ErrDayLimit) {
			wants(r, "paying with another's key", err, idem.ErrKeyReused)
		}
		return
	}
	got, replayed, err := p.server(r).app.Payments.Pay(p.ctx, in)
	wants(r, "paying again", err, nil)
	if got.ID != one.id || !replayed {
		r.Fatalf("paid twice: %s and %s", one.id, got.ID)
	}
}

func (p *purse) cancel(r *rapid.T, books *till) {
	one := p.paid[rapid.IntRange(0, len(p.paid)-1).Draw(r, "payment")]
	in := payments.CancelInput{Key: uuid.NewString(), PaymentID: one.id, Amount: money.Amount(rapid.Int64Range(0, int64(one.in.Amount)*5/4).Draw(r, "undone"))}
	amount := in.Amount
	if amount == 0 {
		amount = one.left
	}
	var want error
	switch {
	case one.left == 0:
		want = payments.ErrNothingToCancel
	case amount > one.left:
		want = payments.ErrCancelTooLarge
	}
	if rapid.IntRange(0, 5).Draw(r, "by a stranger") == 0 {
		_, _, err := p.server(r).app.Payments.Cancel(auth.With(inHome(), auth.Principal{Kind: auth.Citizen, ID: uuid.New()}), in)
		wants(r, "a stranger cancels", err, payments.ErrUnknown)
	}
	got, _, err := p.server(r).app.Payments.Cancel(p.ctx, in)
	wants(r, fmt.Sprint("cancelling ", in.Amount, " of ", one.left), err, want)
	if want != nil {
		return
	}
	one.left -= amount
	one.undone = append(one.undone, undone{in, got.Cancellation.ID})
	p.spent -= amount
	books.returned += amount
	if got.Cancellation.Amount != amount || got.Payment.Left() != one.left {
		r.Fatalf("cancelled %+v, want %d and %d left", got, amount, one.left)
	}
}

func (p *purse) cancelAgain(r *rapid.T) {
	one := p.paid[rapid.IntRange(0, len(p.paid)-1).Draw(r, "payment")]
	if len(one.undone) == 0 {
		return
	}
	before := one.undone[rapid.IntRange(0, len(one.undone)-1).Draw(r, "cancellation")]
	in := before.in
	if rapid.IntRange(0, 2).Draw(r, "changed") == 0 {
		in.Amount++
		_, _, err := p.server(r).app.Payments.Cancel(p.ctx, in)
		wants(r, "cancelling with another's key", err, idem.ErrKeyReused)
		return
	}
	got, replayed, err := p.server(r).app.Payments.Cancel(p.ctx, in)
	wants(r, "cancelling again", err, nil)
	if got.Cancellation.ID != before.id || !replayed {
		r.Fatalf("cancelled twice: %s and %s", before.id, got.Cancellation.ID)
	}
}

// agrees holds the wallet against the model.
func (p *purse) agrees(r *rapid.T) {
	if p.wallet == uuid.Nil {
		return
	}
	h := p.server(r)
	balance, err := h.app.Ledger.Balance(p.ctx, p.wallet)
	wants(r, "the balance", err, nil)
	lots, err := h.app.Vouchers.Lots(p.ctx, p.citizen, p.wallet, 0, 100)
	wants(r, "the lots", err, nil)
	left := make([]money.Amount, len(lots))
	for i, lot := range lots {
		left[i] = lot.Remaining
	}
	if balance != p.balance() || !slices.Equal(left, p.remaining()) {
		r.Fatalf("the wallet holds %d in %v, want %d in %v", balance, left, p.balance(), p.remaining())
	}
}

// fewer asks rapid for less than its usual 100 histories, unless somebody said
// how many: each step here is a step of the whole program.
func fewer(t *testing.T) {
	t.Helper()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("40"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestModelOfAWallet: whatever somebody buys, pays, cancels and sends again, in
// whatever order and through whichever server, their wallet and its lots are
// what one number and the order of the lots say, and the municipality's fund,
// subsidy and shop are the sum of it.
func TestModelOfAWallet(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	servers := []*house{h, h.another(t)}
	if err := h.app.Vouchers.Fund(inHome(), uuid.Must(uuid.NewV7()), 1_000_000_000); err != nil {
		t.Fatal(err)
	}
	house, err := h.app.Ledger.House(inHome())
	if err != nil {
		t.Fatal(err)
	}
	shop, err := h.app.Merchants.Accepting(inHome(), h.towns[home].shop.ID)
	if err != nil {
		t.Fatal(err)
	}
	holds := func(account uuid.UUID) money.Amount {
		balance, err := h.app.Ledger.Balance(tenant.With(t.Context(), home), account)
		if err != nil {
			t.Fatal(err)
		}
		return balance
	}
	fund, budget := holds(house.Fund), holds(house.Subsidy)
	books, serial, steps := &till{}, 0, 0
	fewer(t)
	rapid.Check(t, func(r *rapid.T) {
		serial++
		p := h.purse(r, servers, serial)
		p.buy(r, books)
		r.Repeat(map[string]func(*rapid.T){
			"buy":      func(r *rapid.T) { p.buy(r, books) },
			"pay":      func(r *rapid.T) { p.pay(r, books) },
			"pay more": func(r *rapid.T) { p.pay(r, books) },
			"pay again": func(r *rapid.T) {
				if len(p.paid) > 0 {
					p.payAgain(r)
				}
			},
			"cancel": func(r *rapid.T) {
				if len(p.paid) > 0 {
					p.cancel(r, books)
				}
			},
			"cancel again": func(r *rapid.T) {
				if len(p.paid) > 0 {
					p.cancelAgain(r)
				}
			},
			"": func(r *rapid.T) { steps++; p.agrees(r) },
		})
		for name, sum := range map[string][2]money.Amount{
			"fund": {holds(house.Fund), fund - books.bought}, "subsidy": {holds(house.Subsidy), budget - books.subsidised},
			"reserved": {holds(house.Reserved), 0}, "shop": {holds(shop.PayableID), books.taken - books.returned},
		} {
			if sum[0] != sum[1] {
				r.Fatalf("%s holds %d, want %d", name, sum[0], sum[1])
			}
		}
		if serial%10 == 0 {
			report, err := h.app.Ledger.Verify(inHome())
			wants(r, "verify", err, nil)
			if len(report.Differences) > 0 {
				r.Fatalf("verify: %+v", report.Differences)
			}
		}
	})
	t.Logf("%d wallets, %d steps", serial, steps)
	h.clean(t)
}
