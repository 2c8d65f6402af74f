package banking

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/simulate/bank"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
)

// world is the module against a bank simulator of the test's own.
type world struct {
	*Service
	t        *testing.T
	ctx      context.Context
	kit      *testkit.Kit
	dsn      string
	sim      atomic.Pointer[bank.Bank]
	server   *httptest.Server
	adapter  *OpenBanking
	citizen  uuid.UUID
	account  Account
	purposes []Transfer // what the hook has heard
	hookErr  error
	mu       sync.Mutex
}

const (
	fund      = "1005000000001"
	shop      = "1005000000002"
	citizenNo = "110123456789"
)

var born = calendar.Date(1990, time.January, 31)

func open(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	kit, ctx := testkit.Open(t)
	w := &world{t: t, ctx: ctx, kit: kit, dsn: testkit.FreshDatabase(t), citizen: uuid.New()}
	w.start()
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if sim := w.sim.Load(); sim != nil {
			sim.Handler().ServeHTTP(rw, r)
			return
		}
		panic(http.ErrAbortHandler) // the bank is down: the connection breaks
	}))
	t.Cleanup(func() {
		if sim := w.sim.Load(); sim != nil {
			sim.Close()
		}
		w.server.CloseClientConnections()
		w.server.Close()
	})
	w.adapter = NewOpenBanking(OpenBankingConfig{
		URL: w.server.URL, ClientID: "id", ClientSecret: "secret", ClientName: "영등포구",
		Timeout: 800 * time.Millisecond, BreakerFailures: 100,
	}, kit.Clock.Now)
	t.Cleanup(w.adapter.Close)
	var err error
	w.Service, err = New(kit.DB, kit.Lane, w.adapter, kit.Box, Config{InstitutionCode: "M202600001"}, kit.Clock.Now, kit.Log)
	w.must(err)
	w.OnSettled("purchase", w.heard)
	w.OnSettled("payout", w.heard)
	w.must(w.sim.Load().Seed(ctx, []bank.Account{
		{BankCode: "020", Number: fund, Holder: "영등포구", Birth: "1078300000", Balance: 1_000_000, Contracted: true},
		{BankCode: "088", Number: shop, Holder: "김상점", Birth: "800101", Balance: 0},
		{BankCode: "088", Number: citizenNo, Holder: "홍길동", Birth: "900131", Balance: 200_000},
	}))
	w.account, err = w.Link(ctx, LinkInput{CitizenID: w.citizen, BankCode: "088", AccountNumber: "110-123-456789", Name: "홍길동", BirthDate: born})
	w.must(err)
	return w
}

func (w *world) start() {
	sim, err := bank.New(w.ctx, w.dsn, bank.Options{Now: w.kit.Clock.Now})
	w.must(err)
	w.sim.Store(sim)
}

func (w *world) stop() { w.sim.Swap(nil).Close() }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) heard(_ context.Context, t Transfer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hookErr != nil {
		return w.hookErr
	}
	w.purposes = append(w.purposes, t)
	return nil
}

func (w *world) buying(amount money.Amount) Instruction {
	return Instruction{
		Direction: Withdraw, Amount: amount, Purpose: "purchase", SubjectID: uuid.New(), FundAccount: fund,
		CitizenID: w.citizen, AccountID: w.account.ID, PrintContent: "상품권 구매",
	}
}

func (w *world) paying(amount money.Amount) Instruction {
	return Instruction{
		Direction: Deposit, Amount: amount, Purpose: "payout", SubjectID: uuid.New(), FundAccount: fund,
		To: Destination{BankCode: "088", Number: shop, Holder: "김상점"}, PrintContent: "가맹점 정산",
	}
}

// order orders a fault over the wire.
func (w *world) order(f bank.Fault) {
	w.t.Helper()
	body, err := json.Marshal(f)
	w.must(err)
	response, err := http.Post(w.server.URL+"/control/faults", "application/json", strings.NewReader(string(body)))
	w.must(err)
	w.must(response.Body.Close())
	if response.StatusCode != http.StatusCreated {
		w.t.Fatalf("fault not taken: %s", response.Status)
	}
}

// balances reads the bank's own books, checking that they are whole.
func (w *world) balances() map[string]int64 {
	w.t.Helper()
	sim := w.sim.Load()
	ledger, err := sim.Ledger(w.ctx, 1)
	w.must(err)
	if ledger.Wrong != 0 || ledger.Opening != ledger.Total {
		w.t.Fatalf("the bank's own books are wrong: %+v", ledger)
	}
	accounts, err := sim.Accounts(w.ctx, "", 100)
	w.must(err)
	found := map[string]int64{}
	for _, a := range accounts {
		found[a.Number] = a.Balance
	}
	return found
}

// Tests share a database and each has a bank of its own, so that they resolve
// their own tenant only; TestResolveFindsEveryTenant tries the whole.

// settle moves the clock on and resolves until the transfer is final.
func (w *world) settle(id uuid.UUID) Transfer {
	w.t.Helper()
	for range 100 {
		transfer, err := w.Transfer(w.ctx, id)
		w.must(err)
		if transfer.State.Final() {
			return transfer
		}
		w.kit.Clock.Advance(time.Minute)
		_, err = w.ResolveOf(w.ctx, 1000)
		w.must(err)
	}
	w.t.Fatalf("transfer %s did not settle", id)
	return Transfer{}
}

func (w *world) expect(t Transfer, state State, reason Reason) {
	w.t.Helper()
	if t.State != state || t.Reason() != reason {
		w.t.Fatalf("got %s (%s): %s %s %s; want %s (%s)", t.State, t.Reason(), t.RspCode, t.BankRspCode, t.Message, state, reason)
	}
}

// effects checks what moved at the bank and what the hook heard; transfers that
// are due together are asked about together, so their order says nothing.
func (w *world) effects(number string, want int64, heard ...State) {
	w.t.Helper()
	if got := w.balances()[number]; got != want {
		w.t.Fatalf("account %s holds %d, want %d", number, got, want)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.purposes) != len(heard) {
		w.t.Fatalf("the hook heard %d times: %+v; want %v", len(w.purposes), w.purposes, heard)
	}
	var told []State
	for _, transfer := range w.purposes {
		told = append(told, transfer.State)
	}
	slices.Sort(told)
	slices.Sort(heard)
	if !slices.Equal(told, heard) {
		w.t.Fatalf("the hook heard %v, want %v", told, heard)
	}
}

func TestAWithdrawalMovesMoneyOnce(t *testing.T) {
	w := open(t)
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.expect(transfer, Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
	again, err := w.Send(w.ctx, transfer.ID)
	w.must(err)
	w.expect(again, Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestADepositMovesMoneyOnce(t *testing.T) {
	w := open(t)
	transfer, err := w.Deposit(w.ctx, w.paying(10_000))
	w.must(err)
	w.expect(transfer, Succeeded, NoReason)
	w.effects(shop, 10_000, Succeeded)
}

func TestTheBanksNoIsFinalAndNamed(t *testing.T) {
	w := open(t)
	transfer, err := w.Withdraw(w.ctx, w.buying(200_001))
	w.must(err)
	w.expect(transfer, Refused, BalanceTooLow)
	stranger := w.paying(10)
	stranger.To.Holder = "다른사람"
	transfer, err = w.Deposit(w.ctx, stranger)
	w.must(err)
	w.expect(transfer, Refused, HolderDiffers)
	w.effects(citizenNo, 200_000, Refused, Refused)
}

// Each misbehaviour in both directions, with and without effect at the bank:
// never two effects, never a wrong outcome, whatever was answered.
func TestEveryMisbehaviourComesOutRight(t *testing.T) {
	cases := []struct {
		name  string
		fault bank.Fault
		first State // what Send could know
		last  State
	}{
		{"late and executed", bank.Fault{Kind: "late", DelayMs: 1600, Executed: true}, Unknown, Succeeded},
		{"late and not executed", bank.Fault{Kind: "late", DelayMs: 1600}, Unknown, Refused},
		{"a little late", bank.Fault{Kind: "late", DelayMs: 50, Executed: true}, Succeeded, Succeeded},
		{"handled twice, the refused duplicate answered", bank.Fault{Kind: "twice"}, Unknown, Succeeded},
		{"answered twice on the wire", bank.Fault{Kind: "echo"}, Succeeded, Succeeded},
		{"unknown and executed", bank.Fault{Kind: "unknown", Executed: true}, Unknown, Succeeded},
		{"unknown and not executed", bank.Fault{Kind: "unknown"}, Unknown, Refused},
		{"silent and executed", bank.Fault{Kind: "silent", Executed: true}, Unknown, Succeeded},
		{"silent and not executed", bank.Fault{Kind: "silent"}, Unknown, Refused},
		{"error and executed", bank.Fault{Kind: "error", Executed: true}, Unknown, Succeeded},
		{"error and not executed", bank.Fault{Kind: "error"}, Unknown, Refused},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Run("withdrawing", func(t *testing.T) {
				w := open(t)
				w.order(c.fault)
				transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
				w.must(err)
				if transfer.State != c.first {
					t.Fatalf("first %s (%s), want %s", transfer.State, transfer.Message, c.first)
				}
				w.waitFor(func() bool { return len(w.processing()) == 0 })
				if got := w.settle(transfer.ID).State; got != c.last {
					t.Fatalf("came out %s, want %s", got, c.last)
				}
				left := map[State]int64{Succeeded: 110_000, Refused: 200_000}[c.last]
				w.effects(citizenNo, left, c.last)
			})
			t.Run("depositing", func(t *testing.T) {
				w := open(t)
				w.order(c.fault)
				transfer, err := w.Deposit(w.ctx, w.paying(10_000))
				w.must(err)
				if transfer.State != c.first {
					t.Fatalf("first %s (%s), want %s", transfer.State, transfer.Message, c.first)
				}
				w.waitFor(func() bool { return len(w.processing()) == 0 })
				if got := w.settle(transfer.ID).State; got != c.last {
					t.Fatalf("came out %s, want %s", got, c.last)
				}
				paid := map[State]int64{Succeeded: 10_000, Refused: 0}[c.last]
				w.effects(shop, paid, c.last)
			})
		})
	}
}

// processing lists what the bank is still at.
func (w *world) processing() []bank.Transaction {
	ledger, err := w.sim.Load().Ledger(w.ctx, 100)
	w.must(err)
	var waiting []bank.Transaction
	for _, t := range ledger.Transactions {
		if t.State == "processing" {
			waiting = append(waiting, t)
		}
	}
	return waiting
}

func (w *world) waitFor(done func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if done() {
			return
		}
		<-tick.C
	}
	w.t.Fatal("waited in vain")
}

func TestWhileTheBankIsAtItNothingIsDecided(t *testing.T) {
	w := open(t)
	w.order(bank.Fault{Kind: "late", DelayMs: 60_000, Executed: true})
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.expect(transfer, Unknown, NoReason)
	for range 30 { // half an hour of inquiries
		w.kit.Clock.Advance(time.Minute)
		_, err := w.ResolveOf(w.ctx, 1000)
		w.must(err)
	}
	transfer, err = w.Transfer(w.ctx, transfer.ID)
	w.must(err)
	w.expect(transfer, Unknown, NoReason)
	if transfer.Inquiries < 3 || transfer.BankRspCode != "400" {
		t.Fatalf("inquired %d times, last word %q", transfer.Inquiries, transfer.BankRspCode)
	}
	w.effects(citizenNo, 200_000)
}

func TestABankRestartedInTheMiddleFinishesWhatItAccepted(t *testing.T) {
	w := open(t)
	w.order(bank.Fault{Kind: "late", DelayMs: 60_000, Executed: true})
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.expect(transfer, Unknown, NoReason)
	w.stop()
	w.kit.Clock.Advance(time.Minute)
	_, err = w.ResolveOf(w.ctx, 1000)
	w.must(err)
	down, err := w.Transfer(w.ctx, transfer.ID)
	w.must(err)
	w.expect(down, Unknown, NoReason)
	w.start()
	w.expect(w.settle(transfer.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestABankThatIsDownDecidesNothingByItself(t *testing.T) {
	w := open(t)
	w.stop()
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.expect(transfer, Unknown, NoReason) // the connection broke: it may have arrived
	w.start()
	w.expect(w.settle(transfer.ID), Refused, NeverArrived)
	w.effects(citizenNo, 200_000, Refused)
}

func TestABankThatCannotBeReachedIsRefusedAtOnce(t *testing.T) {
	w := open(t)
	w.server.CloseClientConnections()
	w.server.Listener.Close()
	w.adapter.Close()
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.expect(transfer, Refused, NotCalled)
	w.effects(citizenNo, 200_000, Refused)
}

func TestTheBreakerSparesABankThatIsSilent(t *testing.T) {
	w := open(t)
	w.Service.bank = NewOpenBanking(OpenBankingConfig{
		URL: w.server.URL, ClientID: "id", ClientSecret: "secret",
		Timeout: 100 * time.Millisecond, BreakerFailures: 2, BreakerRest: time.Hour,
	}, w.kit.Clock.Now)
	w.order(bank.Fault{Kind: "silent", Count: 10})
	for range 2 {
		transfer, err := w.Withdraw(w.ctx, w.buying(1000))
		w.must(err)
		w.expect(transfer, Unknown, NoReason)
	}
	transfer, err := w.Withdraw(w.ctx, w.buying(1000))
	w.must(err)
	w.expect(transfer, Refused, NotCalled) // certain, and without waiting
	w.effects(citizenNo, 200_000, Refused)
}

func TestManySendersOfOneInstructionMakeOneEffect(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := w.Send(w.ctx, prepared.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	w.expect(w.settle(prepared.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestManyResolversOfOneUnknownRecordOnce(t *testing.T) {
	w := open(t)
	w.order(bank.Fault{Kind: "silent", Executed: true})
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.kit.Clock.Advance(time.Minute)
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			if _, err := w.ResolveOf(w.ctx, 1000); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	w.expect(w.settle(transfer.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestResolveFindsEveryTenant(t *testing.T) {
	w := open(t)
	address := testkit.FreshDatabase(t)
	service, err := db.Open(w.ctx, db.Options{URL: address, Role: db.Service})
	w.must(err)
	t.Cleanup(func() { _ = service.Close() })
	lane, err := db.Open(w.ctx, db.Options{URL: address, Role: db.Lane})
	w.must(err)
	t.Cleanup(func() { _ = lane.Close() })
	s, err := New(service, lane, w.adapter, w.kit.Box, Config{InstitutionCode: "M202600002"}, w.kit.Clock.Now, w.kit.Log)
	w.must(err)
	s.OnSettled("payout", w.heard)
	w.order(bank.Fault{Kind: "silent", Executed: true, Count: 3})
	for n := range 3 {
		_, err := s.Deposit(tenant.With(w.ctx, tenant.ID(11110+n)), w.paying(1000))
		w.must(err)
	}
	w.kit.Clock.Advance(time.Minute)
	first, err := s.Resolve(context.Background(), 2)
	w.must(err)
	second, err := s.Resolve(context.Background(), 2)
	w.must(err)
	none, err := s.Resolve(context.Background(), 2)
	w.must(err)
	if first != 2 || second != 1 || none != 0 {
		t.Errorf("took up %d, %d, %d; want 2, 1, 0", first, second, none)
	}
	w.effects(shop, 3000, Succeeded, Succeeded, Succeeded)
}

func TestTheStateGraphIsTheDatabases(t *testing.T) {
	w := open(t)
	var check string
	w.must(w.kit.DB.Platform(w.ctx, func(ctx context.Context) error {
		return w.kit.DB.In(ctx).Raw(`SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'state_known'
			AND conrelid = 'banking.transfers'::regclass`).Scan(&check).Error
	}))
	for state, next := range transitions {
		if !strings.Contains(check, "'"+string(state)+"'") {
			t.Errorf("the database does not know %s: %s", state, check)
		}
		for _, n := range next {
			if _, known := transitions[n]; !known {
				t.Errorf("%s leads to %s, which is no state", state, n)
			}
		}
	}
	if strings.Count(check, "'::text") != len(transitions) {
		t.Errorf("the database knows other states: %s", check)
	}
}

func TestASubjectIsInstructedOnceUnlessItWasRefused(t *testing.T) {
	w := open(t)
	first := w.buying(90_000)
	_, err := w.Withdraw(w.ctx, first)
	w.must(err)
	if _, err := w.Withdraw(w.ctx, first); !errors.Is(err, ErrAlreadyInstructed) {
		t.Fatalf("a second instruction for one purchase: %v", err)
	}
	refused := w.buying(500_000)
	_, err = w.Withdraw(w.ctx, refused)
	w.must(err)
	refused.Amount = 10_000
	transfer, err := w.Withdraw(w.ctx, refused)
	w.must(err)
	w.expect(transfer, Succeeded, NoReason)
	w.effects(citizenNo, 100_000, Succeeded, Refused, Succeeded)
}

func TestAnInstructionOfARolledBackTransactionIsNeverSent(t *testing.T) {
	w := open(t)
	change := errors.New("the caller changed its mind")
	var prepared Transfer
	err := w.kit.DB.Tx(w.ctx, func(ctx context.Context) (err error) {
		if prepared, err = w.Prepare(ctx, w.buying(90_000)); err != nil {
			return err
		}
		return change
	})
	if !errors.Is(err, change) {
		t.Fatal(err)
	}
	if _, err := w.Send(w.ctx, prepared.ID); !errors.Is(err, ErrTransferUnknown) {
		t.Fatalf("sent: %v", err)
	}
	w.effects(citizenNo, 200_000)
}

func TestWhatWasInterruptedBeforeSendingIsTakenUp(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	taken, err := w.ResolveOf(w.ctx, 1000)
	w.must(err)
	if taken != 0 {
		t.Fatal("taken up before its caller could send it")
	}
	w.expect(w.settle(prepared.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestNobodyIsDebitedLongAfterTheyAsked(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	payout, err := w.Prepare(w.ctx, w.paying(10_000))
	w.must(err)
	w.kit.Clock.Advance(time.Hour)
	w.expect(w.settle(prepared.ID), Refused, NotCalled)
	w.expect(w.settle(payout.ID), Succeeded, NoReason) // a shop's money is still owed
	w.effects(citizenNo, 200_000, Refused, Succeeded)
}

func TestWhatWasInterruptedWhileSendingIsInquiredNotSentAgain(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	row, mine, err := w.claim(w.ctx, prepared.ID)
	w.must(err)
	if !mine {
		t.Fatal("not claimed")
	}
	route, err := w.openRoute(row)
	w.must(err)
	w.must(w.adapter.Withdraw(w.ctx, Call{row.BankTranID, *row.SentAt}, row.Amount, route)) // and the program dies here
	w.expect(w.settle(prepared.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestARequestThatIsOvertakenByItsInquiryCounts(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	row, _, err := w.claim(w.ctx, prepared.ID)
	w.must(err)
	route, err := w.openRoute(row)
	w.must(err)
	w.kit.Clock.Advance(time.Minute)
	_, err = w.ResolveOf(w.ctx, 1000) // the bank has not seen it
	w.must(err)
	inquired, err := w.Transfer(w.ctx, prepared.ID)
	w.must(err)
	w.expect(inquired, Unknown, NoReason)
	w.must(w.adapter.Withdraw(w.ctx, Call{row.BankTranID, *row.SentAt}, row.Amount, route)) // and now it arrives
	w.expect(w.settle(prepared.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestAnOutcomeIsRecordedOnceHoweverManyBringIt(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	row, _, err := w.claim(w.ctx, prepared.ID)
	w.must(err)
	route, err := w.openRoute(row)
	w.must(err)
	w.must(w.adapter.Withdraw(w.ctx, Call{row.BankTranID, *row.SentAt}, row.Amount, route))
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			if transfer, err := w.record(w.ctx, row, nil); err != nil || transfer.State != Succeeded {
				t.Errorf("%v %s", err, transfer.State)
			}
		})
	}
	wait.Wait()
	late, err := w.record(w.ctx, row, &UnknownError{Cause: errors.New("a time-out, told late")})
	w.must(err)
	w.expect(late, Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

// watched is a bank that lets a test look before it is called.
type watched struct {
	Bank
	before func()
}

func (b watched) Withdraw(ctx context.Context, call Call, amount money.Amount, route Route) error {
	b.before()
	return b.Bank.Withdraw(ctx, call, amount, route)
}

func TestTheNumberIsKeptBeforeTheBankIsCalled(t *testing.T) {
	w := open(t)
	in := w.buying(90_000)
	in.ID = uuid.New()
	looked := false
	w.bank = watched{w.adapter, func() {
		looked = true
		kept, err := w.Transfer(context.WithoutCancel(w.ctx), in.ID)
		w.must(err)
		if kept.State != Sent || kept.SentAt == nil || kept.BankTranDate != calendar.DayOf(w.kit.Clock.Now()) || kept.BankTranID == "" {
			t.Errorf("not kept before the call: %+v", kept)
		}
	}}
	transfer, err := w.Withdraw(w.ctx, in)
	w.must(err)
	w.expect(transfer, Succeeded, NoReason)
	if !looked {
		t.Error("the bank was not called")
	}
}

func TestAHookThatFailsIsCalledAgainAndNothingIsRecordedBefore(t *testing.T) {
	w := open(t)
	in := w.buying(90_000)
	in.ID = uuid.New()
	w.hookErr = errors.New("the ledger is busy")
	if _, err := w.Withdraw(w.ctx, in); !errors.Is(err, w.hookErr) {
		t.Fatalf("got %v", err)
	}
	kept, err := w.Transfer(w.ctx, in.ID)
	w.must(err)
	w.expect(kept, Sent, NoReason)
	w.mu.Lock()
	w.hookErr = nil
	w.mu.Unlock()
	w.expect(w.settle(in.ID), Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func TestATokenThatExpiredIsReplacedAndTheRequestSentOnce(t *testing.T) {
	w := open(t)
	_, err := w.adapter.Holder(w.ctx, w.call(), "088", shop, "800101")
	w.must(err)
	w.adapter.mu.Lock()
	w.adapter.token, w.adapter.expires = "not a token", w.kit.Clock.Now().Add(time.Hour)
	w.adapter.mu.Unlock()
	transfer, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	w.expect(transfer, Succeeded, NoReason)
	w.effects(citizenNo, 110_000, Succeeded)
}

func (w *world) call() Call {
	call, err := w.newCall(w.ctx)
	w.must(err)
	return call
}

func TestLinkingChecksWhoHoldsTheAccount(t *testing.T) {
	w := open(t)
	link := func(number, name string) error {
		_, err := w.Link(w.ctx, LinkInput{CitizenID: w.citizen, BankCode: "088", AccountNumber: number, Name: name, BirthDate: born})
		return err
	}
	if err := link(shop, "홍길동"); !errors.Is(err, ErrHolderDiffers) {
		t.Errorf("somebody else's account: %v", err)
	}
	if err := link("99900000000", "홍길동"); !errors.Is(err, ErrAccountNotFound) {
		t.Errorf("an account that is none: %v", err)
	}
	for _, number := range []string{"", "1234567", "12345678901234567", "11012345678x", "１１０１２３４５６７８９", "110\x00123456789"} {
		if err := link(number, "홍길동"); err == nil || !strings.Contains(err.Error(), "account_number") {
			t.Errorf("number %q: %v", number, err)
		}
	}
	again, err := w.Link(w.ctx, LinkInput{CitizenID: w.citizen, BankCode: "088", AccountNumber: citizenNo, Name: "홍길동", BirthDate: born})
	w.must(err)
	if again.ID != w.account.ID {
		t.Error("linked twice")
	}
	accounts, err := w.Accounts(w.ctx, w.citizen)
	w.must(err)
	if len(accounts) != 1 || accounts[0].NumberMasked != "********6789" {
		t.Errorf("accounts: %+v", accounts)
	}
}

func TestAnAccountIsItsCitizensOnly(t *testing.T) {
	w := open(t)
	other := w.buying(1000)
	other.CitizenID = uuid.New()
	if _, err := w.Withdraw(w.ctx, other); !errors.Is(err, ErrAccountUnknown) {
		t.Errorf("another citizen's account: %v", err)
	}
	if err := w.Unlink(w.ctx, uuid.New(), w.account.ID); !errors.Is(err, ErrAccountUnknown) {
		t.Errorf("unlinked by a stranger: %v", err)
	}
	w.must(w.Unlink(w.ctx, w.citizen, w.account.ID))
	if _, err := w.Withdraw(w.ctx, w.buying(1000)); !errors.Is(err, ErrAccountUnknown) {
		t.Errorf("an unlinked account: %v", err)
	}
	w.effects(citizenNo, 200_000)
}

func TestATransferIsItsTenantsOnly(t *testing.T) {
	w := open(t)
	prepared, err := w.Prepare(w.ctx, w.buying(90_000))
	w.must(err)
	neighbour := tenant.With(w.ctx, w.kit.Tenant+5000)
	if _, err := w.Transfer(neighbour, prepared.ID); !errors.Is(err, ErrTransferUnknown) {
		t.Errorf("a neighbour reads it: %v", err)
	}
	if _, err := w.Send(neighbour, prepared.ID); !errors.Is(err, ErrTransferUnknown) {
		t.Errorf("a neighbour sends it: %v", err)
	}
	var visible int64 // to a statement that forgets to say whose
	w.must(w.kit.DB.Tx(neighbour, func(ctx context.Context) error {
		return w.kit.DB.In(ctx).Raw(`SELECT count(*) FROM banking.transfers`).Scan(&visible).Error
	}))
	if visible != 0 {
		t.Errorf("a neighbour sees %d rows", visible)
	}
	w.effects(citizenNo, 200_000)
}

func TestNoAccountNumberStandsInTheClear(t *testing.T) {
	w := open(t)
	_, err := w.Withdraw(w.ctx, w.buying(90_000))
	w.must(err)
	_, err = w.Deposit(w.ctx, w.paying(10_000))
	w.must(err)
	var dump string
	w.must(w.kit.DB.Tx(w.ctx, func(ctx context.Context) error {
		return w.kit.DB.In(ctx).Raw(`SELECT (SELECT string_agg(t::text, '') FROM banking.transfers t WHERE tenant_id = ?)
			|| (SELECT string_agg(a::text, '') FROM banking.accounts a)`, w.kit.Tenant).Scan(&dump).Error
	}))
	for _, secret := range []string{citizenNo, shop, "홍길동", "김상점", bank.FintechUseNum("088", citizenNo)} {
		if dump == "" || strings.Contains(dump, secret) {
			t.Errorf("%q stands in the clear", secret)
		}
	}
}

func TestImportsStandAsIfTheyHadHappenedHere(t *testing.T) {
	w := open(t)
	known := KnownAccount{
		ID: uuid.New(), CitizenID: uuid.New(), BankCode: "088", Number: citizenNo, Holder: "홍길동",
		Handle: bank.FintechUseNum("088", citizenNo), LinkedAt: w.kit.Clock.Now(),
	}
	w.must(w.ImportAccounts(w.ctx, []KnownAccount{known}))
	const many = 2500
	past := make([]PastTransfer, many)
	for n := range past {
		past[n] = PastTransfer{w.paying(money.Amount(n + 1)), w.kit.Clock.Now().Add(-48 * time.Hour)}
	}
	transfers, err := w.ImportTransfers(w.ctx, past)
	w.must(err)
	numbers := map[string]bool{}
	for n, transfer := range transfers {
		numbers[transfer.BankTranID] = true
		if transfer.SubjectID != past[n].SubjectID || transfer.Amount != past[n].Amount || transfer.State != Succeeded {
			t.Fatalf("%d: %+v", n, transfer)
		}
	}
	listed, err := w.OfDay(w.ctx, calendar.Date(2026, time.November, 16), "", many+1)
	w.must(err)
	if len(numbers) != many || len(listed) != many {
		t.Errorf("%d numbers, %d listed", len(numbers), len(listed))
	}
	in := w.buying(1000)
	in.CitizenID, in.AccountID = known.CitizenID, known.ID
	transfer, err := w.Withdraw(w.ctx, in)
	w.must(err)
	w.expect(transfer, Succeeded, NoReason)
	if _, err := w.Deposit(w.ctx, past[0].Instruction); !errors.Is(err, ErrAlreadyInstructed) {
		t.Errorf("what was paid before is paid again: %v", err)
	}
}

func TestTheBanksListAgreesWithOurs(t *testing.T) {
	w := open(t)
	for range 3 {
		_, err := w.Withdraw(w.ctx, w.buying(10_000))
		w.must(err)
	}
	_, err := w.Deposit(w.ctx, w.paying(5_000))
	w.must(err)
	_, err = w.Withdraw(w.ctx, w.buying(900_000)) // refused: in our list, not in the bank's
	w.must(err)
	day := calendar.DayOf(w.kit.Clock.Now())
	theirs, err := w.Movements(w.ctx, fund, day)
	w.must(err)
	ours, err := w.OfDay(w.ctx, day, "", 100)
	w.must(err)
	moved := map[string]money.Amount{}
	for _, transfer := range ours {
		if transfer.State == Succeeded {
			moved[transfer.BankTranID] = transfer.Amount
		}
	}
	for _, m := range theirs {
		if moved[m.BankTranID] != m.Amount {
			t.Errorf("the bank moved %d for %s, we know of %d", m.Amount, m.BankTranID, moved[m.BankTranID])
		}
	}
	if len(theirs) != 4 || len(moved) != 4 || len(ours) != 5 {
		t.Errorf("theirs %d, moved %d, ours %d", len(theirs), len(moved), len(ours))
	}
}
