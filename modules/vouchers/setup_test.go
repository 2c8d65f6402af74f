package vouchers_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/approvals"
	"jangteo/app/calendar"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/refdata"
	"jangteo/app/testkit"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

// world is a municipality that sells a voucher with a tenth of discount.
type world struct {
	*vouchers.Service
	t         testing.TB
	ctx       context.Context
	kit       *testkit.Kit
	ledger    *ledger.Service
	tenants   *tenants.Service
	banking   *banking.Service
	approvals *approvals.Approvals
	bank      *fakeBank
	programme vouchers.Programme
	house     ledger.House
	shop      uuid.UUID
}

const budget money.Amount = 1_000_000

func policy() vouchers.Policy {
	return vouchers.Policy{
		Clause: "시험구 지역사랑상품권 관리 조례 제7조", Author: "김담당", DiscountBP: 1_000, PurchaseMin: 10_000, PurchaseStep: 10_000,
		PurchaseMonthMax: 500_000, HoldMax: 700_000, PerPaymentMax: 300_000, PerDayMax: 500_000, ValidityYears: 5, RefundUsedBP: 6_000,
		ExcludedTrades: []string{"56211"}, ExcludesLargeSellers: true,
	}
}

func setup(t testing.TB) *world {
	t.Helper()
	w := around(t, outsideWorld, testkit.NewClock())
	w.sell()
	return w
}

// sell opens the programme with its budget, and a shop.
func (w *world) sell() {
	w.t.Helper()
	var err error
	w.programme, err = w.Open(w.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "시험사랑상품권", NameEn: "Siheom Love Voucher", Policy: policy(),
	})
	w.must(err)
	w.must(w.Fund(w.ctx, id(), budget))
	w.house, err = w.ledger.House(w.ctx)
	w.must(err)
	shop, err := w.ledger.Open(w.ctx, ledger.Payable, id())
	w.must(err)
	w.shop = shop.ID
}

// around builds the modules of a municipality that is live, with a bank.
func around(t testing.TB, bank banking.Bank, clock *testkit.Clock) *world {
	t.Helper()
	kit, ctx := testkit.Open(t)
	kit.Clock = clock
	kit.Keys, kit.Outbox = idem.NewKeys(kit.DB, clock.Now), outbox.New(kit.DB, kit.Lane, clock.Now, kit.Log)
	w := &world{t: t, ctx: ctx, kit: kit, bank: outsideWorld}
	lane := ledger.NewLane(kit.Lane, kit.Clock.Now, ledger.LaneOptions{})
	t.Cleanup(lane.Close)
	w.ledger = ledger.New(kit.DB, lane, kit.Clock.Now)
	w.tenants = tenants.New(kit.DB, kit.Audit, kit.Clock.Now, kit.Log)
	w.must(w.tenants.Register(ctx, refdata.Municipality{Code: int32(kit.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"}))
	w.must(w.tenants.Configure(ctx, kit.Tenant, tenants.Settings{
		Live: true, Accent: 3, VoucherName: "시험사랑상품권", VoucherNameEn: "Siheom Love Voucher", SettlementDays: 1, FundAccount: fund,
	}))
	w.join(bank)
	return w
}

const fund = "1005000000001"

// join starts a server: a service of its own over the same database.
func (w *world) join(bank banking.Bank) {
	w.t.Helper()
	var err error
	w.banking, err = banking.New(w.kit.DB, w.kit.Lane, bank, w.kit.Box, banking.Config{InstitutionCode: "M202600001"}, w.kit.Clock.Now, w.kit.Log)
	w.must(err)
	w.approvals = approvals.New(w.kit.DB, w.kit.Audit, w.kit.Clock.Now, w.kit.Log)
	w.Service = vouchers.New(vouchers.Kits{
		DB: w.kit.DB, Approvals: w.approvals, Lane: w.kit.Lane, Keys: w.kit.Keys, Outbox: w.kit.Outbox, Audit: w.kit.Audit, Now: w.kit.Clock.Now, Log: w.kit.Log,
	}, w.ledger, w.tenants, w.banking)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func id() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// buyer is a citizen with a linked bank account.
type buyer struct {
	*world
	id      uuid.UUID
	account uuid.UUID
	number  string
}

func (w *world) buyer(balance money.Amount) *buyer {
	w.t.Helper()
	b := &buyer{world: w, id: uuid.New()}
	b.number = fmt.Sprintf("110%09d", b.id.ID()%1_000_000_000)
	w.bank.fill(b.number, balance)
	account, err := w.banking.Link(w.ctx, banking.LinkInput{
		CitizenID: b.id, BankCode: "088", AccountNumber: b.number, Name: "홍길동", BirthDate: calendar.Date(1990, time.January, 31),
	})
	w.must(err)
	b.account = account.ID
	return b
}

func (b *buyer) input(key string, amount money.Amount) vouchers.PurchaseInput {
	return vouchers.PurchaseInput{Key: key, CitizenID: b.id, ProgrammeID: b.programme.ID, Amount: amount, BankAccountID: b.account}
}

func (b *buyer) try(key string, amount money.Amount) (vouchers.Purchase, error) {
	p, _, err := b.Purchase(b.ctx, b.input(key, amount))
	return p, err
}

func (b *buyer) buy(amount money.Amount) vouchers.Purchase {
	b.t.Helper()
	p, err := b.try(uuid.NewString(), amount)
	b.must(err)
	if p.State != vouchers.Completed {
		b.t.Fatalf("the purchase is %s", p.State)
	}
	return p
}

// spend pays at the shop; below zero cancels.
func (w *world) spend(wallet uuid.UUID, amount money.Amount) uuid.UUID {
	w.t.Helper()
	e := ledger.Entry{ID: id(), Kind: ledger.Payment, Transfers: []ledger.Transfer{{Debit: wallet, Credit: w.shop, Amount: amount}}}
	_, err := w.ledger.PostTx(w.ctx, e)
	w.must(err)
	return e.ID
}

func (w *world) cancel(payment, wallet uuid.UUID, amount money.Amount) {
	w.t.Helper()
	_, err := w.ledger.PostTx(w.ctx, ledger.Entry{
		ID: id(), Kind: ledger.Cancellation, Answers: payment, Transfers: []ledger.Transfer{{Debit: w.shop, Credit: wallet, Amount: amount}},
	})
	w.must(err)
}

// holds checks the wallet and the budget, and that all books agree.
func (w *world) holds(wallet uuid.UUID, balance, subsidy money.Amount) {
	w.t.Helper()
	w.balance("wallet", wallet, balance)
	w.balance("subsidy", w.house.Subsidy, subsidy)
	w.sound()
}

func (w *world) balance(name string, account uuid.UUID, want money.Amount) {
	w.t.Helper()
	got, err := w.ledger.Balance(w.ctx, account)
	w.must(err)
	if got != want {
		w.t.Errorf("the %s holds %s, want %s", name, got, want)
	}
}

// sound checks the books of this module and of the ledger.
func (w *world) sound() {
	w.t.Helper()
	report, err := w.ledger.Verify(w.ctx)
	w.must(err)
	differences, err := w.Verify(w.ctx)
	w.must(err)
	for _, d := range append(report.Differences, differences...) {
		w.t.Errorf("does not add up: %+v", d)
	}
}

// events returns what waits in the outbox on a topic. It only looks: a relay
// would take away what other tests of this database wait for.
func (w *world) events(topic string) (payloads []vouchers.PurchaseSettled) {
	w.t.Helper()
	superuser, err := pgx.Connect(w.ctx, testkit.URL(w.t))
	w.must(err)
	defer func() { _ = superuser.Close(w.ctx) }()
	rows, err := superuser.Query(w.ctx, `SELECT payload FROM app.outbox WHERE tenant_id = $1 AND topic = $2 ORDER BY id`, w.kit.Tenant, topic)
	w.must(err)
	payloads, err = pgx.CollectRows(rows, pgx.RowTo[vouchers.PurchaseSettled])
	w.must(err)
	return payloads
}

// outsideWorld is the bank of all tests, so that whoever resolves gets a true
// answer for every municipality.
var outsideWorld = &fakeBank{accounts: map[string]*fakeAccount{}, done: map[string]error{}}

// fakeBank keeps accounts by number and does what it was told to do.
type fakeBank struct {
	banking.Bank
	mu       sync.Mutex
	accounts map[string]*fakeAccount
	done     map[string]error // by number: nil for what it executed
}

type fakeAccount struct {
	balance money.Amount
	next    behaviour
	hold    chan struct{} // waits for it to close
	calls   int
}

// behaviour of the next withdrawals from an account.
type behaviour int

const (
	honest behaviour = iota
	silentExecuted
	silentRefused
	down
)

func (f *fakeBank) fill(number string, balance money.Amount) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[number] = &fakeAccount{balance: balance}
}

func (f *fakeBank) account(number string) *fakeAccount {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accounts[number]
}

// behave orders how the bank answers for a buyer from now on.
func (b *buyer) behave(next behaviour) {
	b.bank.mu.Lock()
	defer b.bank.mu.Unlock()
	b.bank.accounts[b.number].next = next
}

// atBank is what is left in the buyer's own account, and how often it was asked for.
func (b *buyer) atBank() (money.Amount, int) {
	b.bank.mu.Lock()
	defer b.bank.mu.Unlock()
	a := b.bank.accounts[b.number]
	return a.balance, a.calls
}

func (f *fakeBank) Register(_ context.Context, _ banking.Call, _, number, _, _ string) (string, error) {
	return "handle-" + number, nil
}

func (f *fakeBank) Withdraw(_ context.Context, call banking.Call, amount money.Amount, route banking.Route) error {
	a := f.account(route.Handle[len("handle-"):])
	if a.hold != nil {
		<-a.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a.calls++
	lost := &banking.UnknownError{RspCode: "A0002", BankRspCode: "804", Cause: context.DeadlineExceeded}
	if a.next == down {
		return &banking.NotSentError{Cause: context.DeadlineExceeded}
	}
	if a.next == silentRefused {
		f.done[call.TranID] = &banking.RefusedError{RspCode: "A0002", BankRspCode: "801"}
		return lost
	}
	if a.balance < amount {
		return &banking.RefusedError{RspCode: "A0002", BankRspCode: "320", Message: "잔액 부족"}
	}
	a.balance -= amount
	f.done[call.TranID] = nil
	if a.next == silentExecuted {
		return lost
	}
	return nil
}

func (f *fakeBank) Result(_ context.Context, call banking.Call, _ banking.Direction, _ money.Amount, _ calendar.Day) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err, seen := f.done[call.TranID]
	if !seen {
		return banking.ErrNeverArrived
	}
	return err
}

// plant changes rows behind the program's back.
func (w *world) plant(statement string) {
	w.t.Helper()
	superuser, err := pgx.Connect(w.ctx, testkit.URL(w.t))
	w.must(err)
	defer func() { _ = superuser.Close(w.ctx) }()
	_, err = superuser.Exec(w.ctx, statement, w.kit.Tenant)
	w.must(err)
}
