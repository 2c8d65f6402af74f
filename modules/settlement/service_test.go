package settlement_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/auth"
	"jangteo/app/bizno"
	"jangteo/app/calendar"
	"jangteo/app/live"
	"jangteo/app/money"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/settlement"
)

// fakeBank is the outside world: it pays each number once and says what it is
// told to say.
type fakeBank struct {
	banking.Bank
	mu     sync.Mutex
	says   error // the answer to a deposit
	result error // the answer to an inquiry
	paid   map[string]money.Amount
	calls  int
}

func (b *fakeBank) Deposit(_ context.Context, call banking.Call, amount money.Amount, _ banking.Route) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	var refused *banking.RefusedError
	if !errors.As(b.says, &refused) {
		b.paid[call.TranID] += amount
	}
	return b.says
}

func (b *fakeBank) Result(context.Context, banking.Call, banking.Direction, money.Amount, calendar.Day) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.result
}

func (b *fakeBank) total() (sum money.Amount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, amount := range b.paid {
		sum += amount
	}
	return sum
}

type bench struct {
	*testkit.Kit
	bank       *fakeBank
	banking    *banking.Service
	ledger     *ledger.Service
	merchants  *merchants.Service
	settlement *settlement.Service
	house      ledger.House
	wallet     uuid.UUID
}

const filled = 100_000_000

func setup(t *testing.T) (*bench, context.Context) {
	t.Helper()
	k, ctx := testkit.Open(t)
	b := &bench{Kit: k, bank: &fakeBank{paid: map[string]money.Amount{}}}
	var err error
	b.banking, err = banking.New(k.DB, k.Lane, b.bank, k.Box, banking.Config{InstitutionCode: "M202600001"}, k.Clock.Now, k.Log)
	must(t, err)
	b.ledger = ledger.New(k.DB, nil, k.Clock.Now)
	hub := live.New(k.DB, k.Log)
	b.merchants = merchants.New(k.DB, k.Lane, b.ledger, k.Box, k.Audit, hub, desk.Open(t, k), time.Hour, k.Clock.Now, k.Log)
	terms := func(context.Context) (settlement.Terms, error) {
		return settlement.Terms{Days: 1, FundAccount: "1005000000001"}, nil
	}
	b.settlement = settlement.New(k.DB, b.ledger, b.merchants, b.banking, k.Outbox, k.Audit, k.Approvals, hub, terms, k.Clock.Now, k.Log)
	b.house, err = b.ledger.House(ctx)
	must(t, err)
	account, err := b.ledger.Open(ctx, ledger.Wallet, uuid.New())
	must(t, err)
	b.wallet = account.ID
	b.post(t, ctx, ledger.PurchaseCompleted, b.house.Fund, b.wallet, filled, uuid.Nil)
	return b, ctx
}

type fatal interface {
	Helper()
	Fatal(args ...any)
}

func must(t fatal, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) post(t fatal, ctx context.Context, kind ledger.EntryKind, from, to uuid.UUID, amount money.Amount, answers uuid.UUID) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := b.ledger.PostTx(ctx, ledger.Entry{ID: id, Kind: kind, Transfers: []ledger.Transfer{{Debit: from, Credit: to, Amount: amount}}, Answers: answers})
	must(t, err)
	return id
}

func (b *bench) shops(t fatal, ctx context.Context, n int) []merchants.Merchant {
	in := make([]merchants.RegisterInput, n)
	for i := range in {
		in[i] = merchants.RegisterInput{
			Name: "가게", BizNo: bizno.Make(int64(100000000 + i)).String(), Trade: "56194", Owner: "홍길동", Phone: "01012345678", Address: "영등포구",
			Payout: merchants.Destination{BankCode: "020", Number: "1002123456789", Holder: "홍길동"},
		}
	}
	seeded, err := b.merchants.SeedMany(ctx, in)
	must(t, err)
	return seeded
}

func (b *bench) sell(t fatal, ctx context.Context, m merchants.Merchant, amount money.Amount) uuid.UUID {
	return b.post(t, ctx, ledger.Payment, b.wallet, m.PayableID, amount, uuid.Nil)
}

func (b *bench) cancel(t fatal, ctx context.Context, m merchants.Merchant, payment uuid.UUID, amount money.Amount) {
	b.post(t, ctx, ledger.Cancellation, m.PayableID, b.wallet, amount, payment)
}

func (b *bench) today() calendar.Day { return calendar.DayOf(b.Clock.Now()) }

func (b *bench) nextDay() { b.Clock.Advance(24 * time.Hour) }

// one returns the only settlement of a shop on a day.
func (b *bench) one(t fatal, ctx context.Context, m merchants.Merchant, day calendar.Day) settlement.Settlement {
	t.Helper()
	list, _, err := b.settlement.List(ctx, settlement.Filter{Merchant: m.ID, Day: day, Limit: 10})
	must(t, err)
	if len(list) != 1 {
		t.Fatal("settlements of the day: ", len(list))
	}
	return list[0]
}

// sound ends every test: nothing differs, and the fund account's book balance
// is what the bank still holds.
func (b *bench) sound(t fatal, ctx context.Context) {
	t.Helper()
	found, err := b.settlement.Verify(ctx)
	must(t, err)
	for _, d := range found {
		t.Fatal(d)
	}
}

func (b *bench) balance(t fatal, ctx context.Context, account uuid.UUID) money.Amount {
	t.Helper()
	balance, err := b.ledger.Balance(ctx, account)
	must(t, err)
	return balance
}

func TestADayIsClosedSettledAndPaid(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shops(t, ctx, 1)[0]
	payment := b.sell(t, ctx, shop, 12_500)
	b.cancel(t, ctx, shop, payment, 2_500)
	day := b.today()
	closed, err := b.settlement.CloseDay(ctx, day)
	must(t, err)
	if closed.Settlements != 1 || closed.Sales != 12_500 || closed.Cancellations != 2_500 {
		t.Fatalf("%+v", closed)
	}
	again, err := b.settlement.CloseDay(ctx, day)
	if err != nil || again.Sales != closed.Sales || again.Settlements != 1 {
		t.Fatalf("closing again: %+v %v", again, err)
	}
	s := b.one(t, ctx, shop, day)
	if s.Net != 10_000 || s.State != settlement.Closed || s.PayoutDay != calendar.NextBusiness(day, 1) {
		t.Fatalf("%+v", s)
	}
	if done, err := b.settlement.PayOut(ctx, settlement.Due); err != nil || done.Instructed != 0 {
		t.Fatalf("paid before its day: %+v %v", done, err)
	}
	b.nextDay()
	done, err := b.settlement.PayOut(ctx, settlement.Due)
	if err != nil || done.Instructed != 1 || done.Paid != 1 {
		t.Fatalf("%+v %v", done, err)
	}
	if done, err = b.settlement.PayOut(ctx, settlement.All); err != nil || done.Instructed != 0 {
		t.Fatalf("paid twice: %+v %v", done, err)
	}
	if s = b.one(t, ctx, shop, day); s.State != settlement.Paid || s.PaidAt == nil || s.NumberMasked == "" {
		t.Fatalf("%+v", s)
	}
	if b.bank.total() != 10_000 || b.balance(t, ctx, shop.PayableID) != 0 || b.balance(t, ctx, b.house.Fund) != -(filled-10_000) {
		t.Fatal("the money is not where it should be")
	}
	b.sound(t, ctx)
}

func TestADayThatHasNotBegunIsNotClosed(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	if _, err := b.settlement.CloseDay(ctx, b.today().Next()); !errors.Is(err, settlement.ErrDayAhead) {
		t.Fatal(err)
	}
}

func TestDaysThatNobodyClosedAreCaughtUpWith(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shops(t, ctx, 1)[0]
	first := b.today()
	b.sell(t, ctx, shop, 1_000)
	b.nextDay()
	b.sell(t, ctx, shop, 2_000)
	b.nextDay()
	_, err := b.settlement.CloseDay(ctx, b.today())
	must(t, err)
	if b.one(t, ctx, shop, first).Net != 1_000 || b.one(t, ctx, shop, first.Next()).Net != 2_000 {
		t.Fatal("a day was left out")
	}
	b.sound(t, ctx)
}

func TestBelowZeroIsCarried(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shops(t, ctx, 1)[0]
	first := b.today()
	payment := b.sell(t, ctx, shop, 5_000)
	_, err := b.settlement.CloseDay(ctx, first)
	must(t, err)
	_, err = b.settlement.PayOut(ctx, settlement.All)
	must(t, err)
	b.nextDay()
	b.cancel(t, ctx, shop, payment, 5_000) // after it was paid out
	second := b.today()
	_, err = b.settlement.CloseDay(ctx, second)
	must(t, err)
	if s := b.one(t, ctx, shop, second); s.Net != -5_000 || s.State != settlement.Carried {
		t.Fatalf("%+v", s)
	}
	b.nextDay()
	b.nextDay()
	b.sell(t, ctx, shop, 8_000)
	third := b.today()
	_, err = b.settlement.CloseDay(ctx, third)
	must(t, err)
	if s := b.one(t, ctx, shop, third); s.Carried != -5_000 || s.Net != 3_000 {
		t.Fatalf("%+v", s)
	}
	_, err = b.settlement.PayOut(ctx, settlement.All)
	must(t, err)
	if b.bank.total() != 8_000 || b.balance(t, ctx, shop.PayableID) != 0 {
		t.Fatalf("paid %d, still owed %d", b.bank.total(), b.balance(t, ctx, shop.PayableID))
	}
	b.sound(t, ctx)
}

func TestARefusedPayoutComesBackAndIsRetried(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shops(t, ctx, 1)[0]
	day := b.today()
	b.sell(t, ctx, shop, 7_000)
	_, err := b.settlement.CloseDay(ctx, day)
	must(t, err)
	b.bank.says = &banking.RefusedError{RspCode: "A0002", BankRspCode: "310", Message: "계좌 없음"}
	done, err := b.settlement.PayOut(ctx, settlement.All)
	if err != nil || done.Returned != 1 {
		t.Fatalf("%+v %v", done, err)
	}
	s := b.one(t, ctx, shop, day)
	if s.State != settlement.Returned || s.Reason != string(banking.AccountUnknown) || b.balance(t, ctx, shop.PayableID) != 7_000 {
		t.Fatalf("%+v", s)
	}
	b.sound(t, ctx)
	if done, err = b.settlement.PayOut(ctx, settlement.All); err != nil || done.Instructed != 0 {
		t.Fatalf("tried again by itself: %+v %v", done, err)
	}
	b.bank.says = nil
	staff := auth.With(ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "김주무관"})
	if s, err = b.settlement.Retry(staff, s.ID); err != nil || s.State != settlement.Paid || s.Attempts != 2 {
		t.Fatalf("%+v %v", s, err)
	}
	if _, err = b.settlement.Retry(staff, s.ID); !errors.Is(err, settlement.ErrNotPayable) {
		t.Fatalf("retried what was paid: %v", err)
	}
	if b.bank.total() != 7_000 {
		t.Fatal(b.bank.total())
	}
	b.sound(t, ctx)
}

func TestAnUnknownOutcomeIsNeverPaidTwice(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shops(t, ctx, 1)[0]
	day := b.today()
	b.sell(t, ctx, shop, 7_000)
	_, err := b.settlement.CloseDay(ctx, day)
	must(t, err)
	b.bank.says = &banking.UnknownError{Cause: errors.New("no answer")}
	b.bank.result = b.bank.says
	for range 3 {
		_, err = b.settlement.PayOut(ctx, settlement.All)
		must(t, err)
		b.Clock.Advance(time.Minute)
		_, err = b.banking.ResolveOf(ctx, 100)
		must(t, err)
	}
	if s := b.one(t, ctx, shop, day); s.State != settlement.Sent || b.bank.calls != 1 {
		t.Fatalf("%+v after %d calls", s, b.bank.calls)
	}
	b.sound(t, ctx)
	b.bank.result = nil // it had moved the money
	b.Clock.Advance(10 * time.Minute)
	_, err = b.banking.ResolveOf(ctx, 100)
	must(t, err)
	if s := b.one(t, ctx, shop, day); s.State != settlement.Paid || b.bank.total() != 7_000 {
		t.Fatalf("%+v", s)
	}
	b.sound(t, ctx)
}

// A crash between any two steps: what each step left behind is taken up by
// running again, and the shop is paid once.
func TestEveryStepCanBeInterrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(t *testing.T, ctx context.Context, b *bench, day calendar.Day){
		"after the ledger closed the day": func(t *testing.T, ctx context.Context, b *bench, day calendar.Day) {
			must(t, b.ledger.CloseDay(ctx, day))
		},
		"before the settlements committed": func(t *testing.T, ctx context.Context, b *bench, day calendar.Day) {
			crash := errors.New("crash")
			err := b.DB.Tx(ctx, func(ctx context.Context) error {
				must(t, b.DB.In(ctx).Exec(`INSERT INTO settlement.days (tenant_id, day, closed_at) VALUES (?, ?, ?)`, b.Tenant, day, b.Clock.Now()).Error)
				return crash
			})
			if !errors.Is(err, crash) {
				t.Fatal(err)
			}
		},
		"after the instruction, before the bank was called": func(t *testing.T, ctx context.Context, b *bench, day calendar.Day) {
			_, err := b.settlement.CloseDay(ctx, day)
			must(t, err)
			settlement.InterruptBeforeSend(t, b.settlement, ctx)
		},
		"after the bank paid, before its word was kept": func(t *testing.T, ctx context.Context, b *bench, day calendar.Day) {
			_, err := b.settlement.CloseDay(ctx, day)
			must(t, err)
			b.bank.says = &banking.UnknownError{Cause: errors.New("connection lost")}
			_, err = b.settlement.PayOut(ctx, settlement.All)
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, ctx := setup(t)
			shop := b.shops(t, ctx, 1)[0]
			day := b.today()
			b.sell(t, ctx, shop, 9_000)
			interrupt(t, ctx, b, day)
			b.bank.says = nil
			for range 2 {
				_, err := b.settlement.CloseDay(ctx, day)
				must(t, err)
				_, err = b.settlement.PayOut(ctx, settlement.All)
				must(t, err)
				b.Clock.Advance(time.Hour)
				_, err = b.banking.ResolveOf(ctx, 100)
				must(t, err)
			}
			if s := b.one(t, ctx, shop, day); s.State != settlement.Paid {
				t.Fatalf("%+v", s)
			}
			if b.bank.total() != 9_000 || b.balance(t, ctx, shop.PayableID) != 0 {
				t.Fatalf("paid %d", b.bank.total())
			}
			b.sound(t, ctx)
		})
	}
}

func TestTwoServersCloseAndPayOnce(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shops := b.shops(t, ctx, 5)
	for _, shop := range shops {
		b.sell(t, ctx, shop, 1_000)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := b.settlement.CloseDay(ctx, b.today()); err != nil {
				t.Error(err)
			}
			if _, err := b.settlement.PayOut(ctx, settlement.All); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if b.bank.total() != 5_000 || b.bank.calls != 5 {
		t.Fatalf("paid %d in %d calls", b.bank.total(), b.bank.calls)
	}
	b.sound(t, ctx)
}

func TestVerifyFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shops(t, ctx, 1)[0]
	day := b.today()
	b.sell(t, ctx, shop, 9_000)
	_, err := b.settlement.CloseDay(ctx, day)
	must(t, err)
	b.sound(t, ctx)
	must(t, b.DB.Tx(ctx, func(ctx context.Context) error {
		return b.DB.In(ctx).Exec(`UPDATE settlement.settlements SET sales = 8000, net = 8000 WHERE tenant_id = ?`, b.Tenant).Error
	}))
	found, err := b.settlement.Verify(ctx)
	if err != nil || len(found) != 1 || found[0].Check != "settlement-sums" {
		t.Fatalf("%+v %v", found, err)
	}
}

func TestVerifyFindsAPayoutThatTheLedgerDoesNotKnow(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	day := b.today()
	for _, shop := range b.shops(t, ctx, 4) {
		b.sell(t, ctx, shop, 9_000)
	}
	_, err := b.settlement.CloseDay(ctx, day)
	must(t, err)
	_, err = b.settlement.PayOut(ctx, settlement.All)
	must(t, err)
	b.sound(t, ctx)
	for name, change := range map[string]string{
		"another entry": `UPDATE settlement.settlements SET transfer_id = gen_random_uuid() WHERE tenant_id = $1 AND id = $2`,
		"another sum":   `UPDATE settlement.settlements SET sales = 9500, net = 9500 WHERE tenant_id = $1 AND id = $2`,
	} {
		list, _, err := b.settlement.List(ctx, settlement.Filter{Limit: 4})
		must(t, err)
		for _, planted := range list {
			undo := errors.New("undo")
			err := b.DB.Tx(ctx, func(ctx context.Context) error {
				if _, err := b.DB.SQL(ctx).ExecContext(ctx, change, b.Tenant, planted.ID); err != nil {
					return err
				}
				found, err := b.settlement.Verify(ctx)
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(found, func(d ledger.Difference) bool {
					return d.Check == "settlement-entry" && d.Object == "settlement "+planted.ID.String()
				}) {
					t.Errorf("%s of %s: %+v", name, planted.ID, found)
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
		}
	}
	b.sound(t, ctx)
}

// Whatever is sold, cancelled, closed and paid in whatever order: each shop's
// payouts and what it is still owed are its sales less its cancellations.
func TestSettlementsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		b, ctx := setup(t)
		shops := b.shops(r, ctx, 3)
		type sale struct {
			id   uuid.UUID
			shop int
			left money.Amount
		}
		var sales []sale
		model := make([]money.Amount, len(shops))
		for range rapid.IntRange(1, 15).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"sell", "sell", "cancel", "close", "pay", "bank"}).Draw(r, "step") {
			case "sell":
				i, amount := rapid.IntRange(0, 2).Draw(r, "shop"), money.Amount(rapid.Int64Range(1, 50_000).Draw(r, "amount"))
				sales = append(sales, sale{b.sell(r, ctx, shops[i], amount), i, amount})
				model[i] += amount
			case "cancel":
				if len(sales) == 0 {
					continue
				}
				s := &sales[rapid.IntRange(0, len(sales)-1).Draw(r, "sale")]
				if s.left == 0 {
					continue
				}
				amount := money.Amount(rapid.Int64Range(1, int64(s.left)).Draw(r, "cancelled"))
				b.cancel(r, ctx, shops[s.shop], s.id, amount)
				s.left -= amount
				model[s.shop] -= amount
			case "close":
				_, err := b.settlement.CloseDay(ctx, b.today())
				must(r, err)
				b.nextDay()
			case "pay":
				_, err := b.settlement.PayOut(ctx, settlement.All)
				must(r, err)
			case "bank":
				b.bank.says = rapid.SampledFrom([]error{nil, &banking.RefusedError{BankRspCode: "310"}}).Draw(r, "bank says")
			}
		}
		b.bank.says = nil
		_, err := b.settlement.CloseDay(ctx, b.today())
		must(r, err)
		_, err = b.settlement.PayOut(ctx, settlement.All)
		must(r, err)
		var owed, want money.Amount
		for i, shop := range shops {
			list, _, err := b.settlement.List(ctx, settlement.Filter{Merchant: shop.ID, Limit: 200})
			must(r, err)
			var sum money.Amount
			for _, s := range list {
				sum += s.Sales - s.Cancellations
			}
			if sum != model[i] {
				r.Fatal("shop ", i, " settled ", sum, ", sold ", model[i])
			}
			owed += b.balance(r, ctx, shop.PayableID)
			want += model[i]
		}
		if b.bank.total()+owed != want {
			r.Fatal("paid ", b.bank.total(), " and owed ", owed, ", sold ", want)
		}
		b.sound(r, ctx)
	})
}
