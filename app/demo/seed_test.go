package demo

import (
	"context"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"jangteo/app"
	"jangteo/app/calendar"
	"jangteo/app/simulate"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/config"
)

// world is a demonstration on a database of its own.
type world struct {
	app  *app.App
	sims *simulate.Servers
}

func seeded(t *testing.T, citizens, months int, now func() time.Time) world {
	t.Helper()
	address := testkit.FreshDatabase(t)
	sims, err := simulate.Start(t.Context(), simulate.Options{DSN: testkit.FreshDatabase(t), Now: now, OpenWith: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sims.Stop(context.Background()) })
	cfg, err := config.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Database.URL, cfg.Database.OwnerURL = address, address
	cfg.Secrets.MasterKey = base64.StdEncoding.EncodeToString([]byte("demonstrations: thirty-two bytes"))
	cfg.Server.PublicURL = "http://demo.example"
	cfg.Bank.URL, cfg.Identity.URL, cfg.Messages.URL = sims.BankURL, sims.IdentityURL, sims.MessagesURL
	cfg.Cards.BackOffice = sims.IssuersURL
	cfg.Bank.Institution, cfg.Bank.ClientID, cfg.Bank.ClientSecret = "M202600001", "jangteo-demo", "jangteo-demo-secret"

	log := slog.New(slog.DiscardHandler)
	a, err := app.New(t.Context(), cfg, app.Options{Now: now, Log: log, Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	err = Seed(t.Context(), a, sims, Options{Citizens: citizens, Months: months, Now: now, Log: log, OwnerURL: address})
	if err != nil {
		t.Fatal(err)
	}
	return world{a, sims}
}

// Monday afternoon, after a weekend that is not paid out yet.
var monday = time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)

func TestDemonstration(t *testing.T) {
	t.Parallel()
	w := seeded(t, 240, 1, func() time.Time { return monday })
	t.Run("the address shows how far the making is", w.showsMaking)
	Mount(w.app, w.sims)
	t.Run("everything in the history adds up", w.addsUp)
	t.Run("every day but today is closed", w.isClosed)
	t.Run("pages and lists are there in both languages", w.shows)
	t.Run("everybody can sign in", w.signsIn)
	t.Run("a newcomer lives the story by JSON", w.tellsTheStory)
	t.Run("cards are linked, and an outage is put right", w.cards)
	t.Run("a card is swiped at a shop", w.swipes)
	t.Run("bad input changes nothing", w.refuses)
	t.Run("everything still adds up", w.addsUp)
}

func (w world) addsUp(t *testing.T) {
	live, err := w.app.Tenants.Live(t.Context())
	if err != nil || len(live) != len(municipalities) {
		t.Fatalf("%d municipalities are live: %v", len(live), err)
	}
	for _, m := range municipalities {
		ctx := tenant.With(t.Context(), m.id)
		v, err := w.app.Reports.Verify(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range v.Differences {
			t.Errorf("%s: %s of %s should be %s and is %s", m.id, d.Check, d.Object, d.Want, d.Got)
		}
		if v.Payments == 0 || v.Purchases == 0 || v.Settlements == 0 {
			t.Errorf("%s has %d payments, %d purchases and %d settlements", m.id, v.Payments, v.Purchases, v.Settlements)
		}
		w.checkBank(t, ctx, m)
	}
	books, err := w.sims.Bank.Ledger(t.Context(), 1)
	if err != nil || books.Wrong != 0 || books.Executed == 0 {
		t.Errorf("the bank's books: %d accounts are wrong after %d transactions: %v", books.Wrong, books.Executed, err)
	}
}

func (w world) isClosed(t *testing.T) {
	for _, m := range municipalities {
		if closed, err := w.app.Ledger.ClosedThrough(tenant.With(t.Context(), m.id)); err != nil || closed != calendar.DayOf(monday).AddDays(-1) {
			t.Errorf("%s is closed through %s: %v", m.id, closed, err)
		}
	}
}

// checkBank holds what the bank has for a municipality against what the books
// say that it has.
func (w world) checkBank(t *testing.T, ctx context.Context, m municipality) {
	t.Helper()
	house, err := w.app.Ledger.House(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.app.Ledger.Balance(ctx, house.Fund)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := w.sims.Bank.Accounts(ctx, m.fund[:len(m.fund)-1], 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		if a.Number == m.fund && a.Balance != -int64(want) {
			t.Errorf("%s: the bank has %d won, the books say %d", m.id, a.Balance, -want)
		}
	}
}

// waitFor waits until something holds.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.NewTimer(time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("it never held")
		}
	}
}
