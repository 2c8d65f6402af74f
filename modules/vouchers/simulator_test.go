package vouchers_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/simulate/bank"
	"jangteo/app/testkit"
	"jangteo/modules/banking"
	"jangteo/modules/vouchers"
)

// Over the wire, to a bank that goes silent. Sequential: it resolves.
func TestTheBankGoesSilent(t *testing.T) {
	for name, executed := range map[string]bool{"and has executed it": true, "and has not": false} {
		t.Run(name, func(t *testing.T) {
			clock, ctx := testkit.NewClock(), t.Context()
			sim, err := bank.New(ctx, testkit.FreshDatabase(t), bank.Options{Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(sim.Handler())
			t.Cleanup(func() {
				sim.Close()
				server.CloseClientConnections()
				server.Close()
			})
			adapter := banking.NewOpenBanking(banking.OpenBankingConfig{
				URL: server.URL, ClientID: "id", ClientSecret: "secret", ClientName: "시험구", Timeout: 300 * time.Millisecond, BreakerFailures: 100,
			}, clock.Now)
			t.Cleanup(adapter.Close)
			w := around(t, adapter, clock)
			w.sell()
			w.must(sim.Seed(ctx, []bank.Account{
				{BankCode: "020", Number: fund, Holder: "시험구", Birth: "1078300000", Contracted: true},
				{BankCode: "088", Number: "110123456789", Holder: "홍길동", Birth: "900131", Balance: 200_000},
			}))
			b := &buyer{world: w, id: uuid.New(), number: "110123456789"}
			account, err := w.banking.Link(w.ctx, banking.LinkInput{
				CitizenID: b.id, BankCode: "088", AccountNumber: b.number, Name: "홍길동", BirthDate: calendar.Date(1990, time.January, 31),
			})
			w.must(err)
			b.account = account.ID

			order, err := json.Marshal(bank.Fault{Kind: "silent", Operation: "withdraw", Executed: executed})
			w.must(err)
			response, err := http.Post(server.URL+"/control/faults", "application/json", strings.NewReader(string(order)))
			w.must(err)
			w.must(response.Body.Close())
			p, err := b.try("k", 100_000)
			if err != nil || p.State != vouchers.Pending {
				t.Fatalf("it is %s, %v", p.State, err)
			}
			w.balance("reserved", w.house.Reserved, 10_000)
			w.resolve()
			p, err = b.try("k", 100_000)
			accounts, err2 := sim.Accounts(ctx, "", 10)
			w.must(err2)
			left := map[string]int64{}
			for _, a := range accounts {
				left[a.Number] = a.Balance
			}
			if executed {
				if err != nil || p.State != vouchers.Completed || left[b.number] != 110_000 || left[fund] != 90_000 {
					t.Errorf("it is %s, %v; the bank holds %v", p.State, err, left)
				}
				w.holds(p.WalletID, 100_000, budget-10_000)
				return
			}
			if !errors.Is(err, banking.ErrBankRefused) || p.State != vouchers.Failed || left[b.number] != 200_000 {
				t.Errorf("it is %s, %v; the bank holds %v", p.State, err, left)
			}
			w.balance("subsidy", w.house.Subsidy, budget)
			w.sound()
		})
	}
}
