package app_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
	"jangteo/modules/cards"
)

// linked is a card of a citizen with everything that can come of one.
type linked struct{ card, swap, terminal, row string }

// linkCard links a card through its issuer, and makes a bank debit that the
// voucher could have paid, a terminal that nobody knows and a row of a clearing
// file.
func (h *house) linkCard(t testing.TB, citizen *client, shop uuid.UUID) (l linked) {
	t.Helper()
	ctx := tenant.With(context.Background(), home)
	const issuer = "31"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	offered := citizen.do("GET", "/me/cards/available?"+url.Values{"issuer": {issuer}}.Encode(), nil).want(200)
	token := offered.text("items.0.token")
	l.card = citizen.do("POST", "/me/cards", map[string]string{"issuer": issuer, "token": token}).want(201).id("id")
	must(h.app.Cards.Map(ctx, issuer, "ROUTES1", "T0000001", shop))
	m := cards.Message{
		Issuer: issuer, Key: "routes-1", Retrieval: "632600000001", Token: token, MerchantNumber: "ROUTES1", Terminal: "T0000001", At: h.clock.Now(),
	}
	_, err := h.app.Cards.Advise(ctx, cards.Advice{Message: m, Amount: 1_000, Account: 1_000})
	must(err)
	l.swap = citizen.do("GET", "/me/card-swaps", nil).want(200).id("items.0.id")
	m.Key, m.Terminal = "routes-2", "T0000009"
	if _, err := h.app.Cards.Authorise(ctx, cards.Request{Message: m, Amount: 1_000}); err == nil {
		t.Fatal("a terminal that nobody knows was taken")
	}
	strays, _, err := h.app.Cards.Strays(ctx, "open", 0)
	must(err)
	l.terminal = strays[0].ID.String()
	day := strings.ReplaceAll(calendar.DayOf(h.clock.Now()).String(), "-", "")
	file := fmt.Sprintf("H,31,%s,1\nD,1,P,632600000002,,000001,%s030000,%s120000,ROUTES1,T0000001,%s,500,500,0\nT,1,500\n", day, day, day, token)
	_, err = h.app.Cards.Clear(ctx, []byte(file))
	must(err)
	rows, _, err := h.app.Cards.Rows(ctx, cards.RowFilter{})
	must(err)
	l.row = rows[0].ID.String()
	return l
}
