// Package browsertest clicks through every face of the running program in a
// real browser, at the width of a phone and of a desk, and holds each page that
// it comes by to the same rules: no accessibility fault that axe can find,
// nothing wider than the screen, nothing in the console.
package browsertest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app"
	"jangteo/app/auth"
	"jangteo/app/bizno"
	"jangteo/app/clock"
	"jangteo/app/demo"
	"jangteo/app/money"
	"jangteo/app/simulate"
	"jangteo/app/simulate/bank"
	"jangteo/app/telemetry"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/config"
	"jangteo/modules/merchants"
	"jangteo/modules/staff"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

const (
	yeongdeungpo tenant.ID = 11560

	fundAccount = "1005112560001" // of the municipality
	fundBank    = "020"
	shopAccount = "1002300000001"
	bankBalance = 1_000_000 // of an account that nobody knew before it was linked
	budget      = 5_000_000 // the municipality's share of discounts

	clerkLogin, clerkPassword = "tteokbokki", "shop-password-1"
	settlementLogin           = "settlement@ydp.example"
	chiefLogin, chiefPassword = "chief@ydp.example", "office-password-1"
	shopName                  = "길동이네 떡볶이"
)

// house is the whole program, with the outside world simulated, over a
// database of its own, reached by a real port.
type house struct {
	*app.App
	sims     *simulate.Servers
	listener net.Listener
	url      string

	programme uuid.UUID
	shop      merchants.Merchant
}

// build starts a house in which one municipality sells a voucher with 10 %
// discount and one shop takes it.
func build(t *testing.T) *house {
	t.Helper()
	h := found(t)
	ctx := auth.With(t.Context(), auth.Principal{Kind: auth.System, Name: "browser test"})
	must(t, h.Tenants.Seed(ctx))
	must(t, h.Tenants.Configure(ctx, yeongdeungpo, tenants.Settings{
		Live: true, Accent: 7, VoucherName: "영등포사랑상품권", VoucherNameEn: "Yeongdeungpo Love Voucher",
		SettlementDays: 1, Contact: "02-2670-3114", FundAccount: fundAccount,
	}))
	here := tenant.With(ctx, yeongdeungpo)
	programme := got(h.Vouchers.Open(here, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "10% 할인 상품권", NameEn: "10% discount voucher",
		Policy: vouchers.Policy{
			Clause: "서울특별시 영등포구 지역사랑상품권 발행 및 운영 조례 제7조", Author: "일자리경제과", DiscountBP: 1000,
			PurchaseMin: 10_000, PurchaseStep: 10_000, PurchaseMonthMax: 500_000, HoldMax: 1_500_000, PerPaymentMax: 500_000,
			ValidityYears: 5, RefundUsedBP: 6000,
		},
	}))(t)
	h.programme = programme.ID
	must(t, h.Vouchers.Fund(here, uuid.Must(uuid.NewV7()), budget))
	h.shop = got(h.Merchants.Register(here, merchants.RegisterInput{
		Name: shopName, BizNo: bizno.Make(220816251).String(), Trade: "56193", Owner: "홍길동", Phone: "010-2345-6789",
		Address: "서울특별시 영등포구 당산로 12", Payout: merchants.Destination{BankCode: fundBank, Number: shopAccount, Holder: "홍길동"},
	}))(t)
	got(h.Merchants.Decide(here, h.shop.ID, merchants.Approved, ""))(t)
	got(h.Merchants.AddClerk(here, merchants.ClerkInput{
		MerchantID: h.shop.ID, Login: clerkLogin, Password: clerkPassword, Name: "홍길동", Role: merchants.Owner,
	}))(t)
	got(h.Staff.Register(here, staff.RegisterInput{
		TenantID: yeongdeungpo, Login: chiefLogin, Password: chiefPassword, Name: "김주무", Department: "일자리경제과", Role: staff.Chief,
	}))(t)
	got(h.Staff.Register(here, staff.RegisterInput{
		TenantID: yeongdeungpo, Login: settlementLogin, Password: chiefPassword, Name: "오정산", Department: "일자리경제과", Role: staff.Settlement,
	}))(t)
	must(t, h.sims.Bank.Seed(ctx, []bank.Account{
		{BankCode: fundBank, Number: fundAccount, Holder: "영등포구", Balance: 1_000_000_000, Contracted: true},
		{BankCode: fundBank, Number: shopAccount, Holder: "홍길동"},
	}))
	h.serve(t)
	return h
}

// found makes an empty house, in which nothing runs yet, so that a history can
// be made behind its back.
func found(t *testing.T) *house {
	t.Helper()
	ctx := t.Context()
	listener := got(new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"))(t)
	h := &house{url: "http://" + listener.Addr().String(), listener: listener}
	h.sims = got(simulate.Start(ctx, simulate.Options{DSN: testkit.FreshDatabase(t), Now: clock.System, OpenWith: bankBalance}))(t)
	t.Cleanup(func() { _ = h.sims.Stop(context.WithoutCancel(ctx)) })

	cfg := got(config.Load("", nil))(t)
	cfg.Database.URL, cfg.Secrets.MasterKey, cfg.Server.PublicURL = testkit.FreshDatabase(t), testkit.MasterKey, h.url
	cfg.Sessions.StaffSecondFactor = false
	cfg.Bank.URL, cfg.Identity.URL, cfg.Messages.URL = h.sims.BankURL, h.sims.IdentityURL, h.sims.MessagesURL
	cfg.Cards.BackOffice = h.sims.IssuersURL
	cfg.Bank.Institution, cfg.Bank.ClientID, cfg.Bank.ClientSecret = "M202600001", "jangteo-test", "jangteo-test-secret"
	traces := got(telemetry.NewTraces("", 0))(t)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h.App = got(app.New(ctx, cfg, app.Options{Now: clock.System, Log: log, Traces: traces, Demo: true}))(t)
	demo.Mount(h.App, h.sims)
	t.Cleanup(h.App.Close)
	return h
}

// serve runs the house until the test ends.
func (h *house) serve(t *testing.T) {
	t.Helper()
	server := &http.Server{Handler: h.Echo, ReadHeaderTimeout: 5 * time.Second}
	run, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 2)
	go func() { ended <- h.Run(run) }()
	go func() { _ = server.Serve(h.listener); ended <- nil }()
	t.Cleanup(func() {
		h.Streams.Close()
		_ = server.Close()
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("the program ended with: %v", err)
			}
		}
	})
}

// clean is how every test that moves money ends: whoever recomputes everything
// comes to the same sums.
func (h *house) clean(t *testing.T) {
	t.Helper()
	live := got(h.Tenants.Live(context.WithoutCancel(t.Context())))(t)
	for _, place := range live {
		v := got(h.Reports.Verify(tenant.With(context.WithoutCancel(t.Context()), place.ID)))(t)
		if !v.Clean() {
			t.Errorf("verify finds differences in %s: %v", place.Name, v.Differences)
		}
	}
}

// code is what the identity provider sent to a phone last.
func (h *house) code(t *testing.T, phone string) string {
	t.Helper()
	sent := got(h.sims.Messages.Find(t.Context(), phone, 1))(t)
	if len(sent) == 0 {
		t.Fatalf("nothing was sent to %s", phone)
	}
	found := sixDigits.FindString(sent[0].Body)
	if found == "" {
		t.Fatalf("no code in %q", sent[0].Body)
	}
	return found
}

// atBank is the balance of an account at the simulated bank.
func (h *house) atBank(t *testing.T, number string) money.Amount {
	t.Helper()
	accounts := got(h.sims.Bank.Accounts(t.Context(), "", 1000))(t)
	for _, a := range accounts {
		if a.Number == number {
			return money.Amount(a.Balance)
		}
	}
	t.Fatalf("the bank knows no account %s", number)
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got returns a value, or fails the test with the error beside it.
func got[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return value
	}
}

// within waits for something that other goroutines bring about.
func within(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	deadline, tick := time.After(limit), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}
