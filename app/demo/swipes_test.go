package demo

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"jangteo/app/simulate/issuer"
	"jangteo/app/tenant"
	"jangteo/modules/cards"
	"jangteo/modules/merchants"
)

// swipes plays a person at a shop's terminal, over the wire.
func (w world) swipes(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := cards.NewHost(w.app.Cards, cards.HostOptions{Now: w.app.Now, Log: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- host.Serve(listener) }()
	defer func() {
		w.sims.Issuers.Connect("")
		if err := host.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	w.sims.Issuers.Connect(listener.Addr().String())
	bc, _ := w.sims.Issuers.Issuer("31")
	waitFor(t, bc.Connected)

	person := namedPeople()[0]
	card := bc.Cards(person.Name, person.BirthDate)[0].Token
	found, err := w.app.Citizens.Find(t.Context(), person.Phone, 1)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d people: %v", len(found), err)
	}
	ctx := tenant.With(t.Context(), flagship)
	links, err := w.app.Cards.Links(ctx, found[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(links, func(l cards.Link) bool { return l.Token == card && l.State == cards.Active }) {
		if _, err := w.app.Cards.Connect(ctx, cards.LinkInput{CitizenID: found[0].ID, Issuer: "31", Token: card}); err != nil {
			t.Fatal(err)
		}
	}
	shops, _, err := w.app.Merchants.Search(ctx, merchants.Filter{Query: namedShops[0].name, Limit: 1})
	if err != nil || len(shops) != 1 {
		t.Fatalf("%d shops: %v", len(shops), err)
	}
	terminals, err := w.app.Cards.TerminalsOf(ctx, shops[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(terminals, func(one cards.Terminal) bool { return one.Issuer == "31" }) {
		if err := w.app.Cards.Map(asSystem(ctx), "31", "7700112233", "T0000001", shops[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	at := `","merchant":"` + flagship.String() + "/" + shops[0].ID.String() + `"`
	swipe := func(card, more string, status int) (p issuer.Purchase) {
		t.Helper()
		w.ask(t, http.MethodPost, "/demo/swipe.json", `{"card":"`+card+at+more+`}`, "", status, &p)
		return p
	}
	if p := swipe("31/"+card, `,"amount":3000`, http.StatusCreated); p.State != issuer.Approved || p.Voucher != 3000 || p.Account != 0 || p.Code != "00" {
		t.Errorf("a linked card: %+v", p)
	}
	if p := swipe("31/tk31-nobodyknows", `,"amount":3000`, http.StatusCreated); p.State != issuer.Declined || p.Reason != "card-not-linked" {
		t.Errorf("an unknown card: %+v", p)
	}
	if p := swipe("31/"+card, `,"amount":3000,"stray":true`, http.StatusCreated); p.State != issuer.Declined || p.Reason != "terminal-unknown" {
		t.Errorf("an unknown terminal: %+v", p)
	}
	swipe("31/"+card, `,"amount":0`, http.StatusUnprocessableEntity)
	swipe("zz/"+card, `,"amount":3000`, http.StatusUnprocessableEntity)
	w.ask(t, http.MethodPost, "/demo/swipe", "card=31&merchant=x&amount=abc", "", http.StatusUnprocessableEntity, nil)
	w.ask(t, http.MethodPost, "/demo/issuers", "mood=merry", "", http.StatusUnprocessableEntity, nil)
	w.ask(t, http.MethodPost, "/demo/clearing", "mistake=x", "", http.StatusUnprocessableEntity, nil)

	w.ask(t, http.MethodPost, "/demo/issuers", "mood=asleep", "", http.StatusSeeOther, nil)
	if p := swipe("31/"+card, `,"amount":4000`, http.StatusCreated); p.Kind != issuer.BankAlone || p.Account != 4000 {
		t.Errorf("an issuer that asks nobody: %+v", p)
	}
	w.ask(t, http.MethodPost, "/demo/issuers", "mood=cut-voucher", "", http.StatusSeeOther, nil)
	waitFor(t, func() bool { return !bc.Connected() })
	if p := swipe("31/"+card, `,"amount":5000`, http.StatusCreated); p.Kind != issuer.StoodIn || p.Voucher != 5000 {
		t.Errorf("an issuer that stands in: %+v", p)
	}
	w.ask(t, http.MethodPost, "/demo/issuers", "mood=well", "", http.StatusSeeOther, nil)
	waitFor(t, func() bool { return bc.Connected() && bc.Pending() == 0 })
	page := w.ask(t, http.MethodGet, "/demo/swipe", "", "", http.StatusOK, nil)
	for _, word := range []string{"3,000", "5,000", namedShops[0].name} {
		if !strings.Contains(page, word) {
			t.Errorf("the page does not show %s", word)
		}
	}
}
