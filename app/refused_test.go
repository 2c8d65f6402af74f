package app_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// quiet waits until everything that was announced has been handled, and counts
// the rows of every table.
func (h *house) quiet(t testing.TB) map[string]int64 {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, h.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	await(t, "the outbox is empty", func() bool {
		var waiting int
		err := conn.QueryRow(ctx, `SELECT count(*) FROM app.outbox`).Scan(&waiting)
		return err == nil && waiting == 0
	})
	return h.counts(t)
}

// unchanged fails the test if any table has gained or lost a row.
func (h *house) unchanged(t testing.TB, before map[string]int64) {
	t.Helper()
	for table, n := range h.quiet(t) {
		if before[table] != n {
			t.Errorf("%s had %d rows and has %d", table, before[table], n)
		}
	}
}

// What may not be paid or cancelled is refused with a code of its own, and
// leaves neither entry nor key behind.
func TestRefusalsLeaveNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c, other := h.login(t, kim), h.login(t, lee)
	account := c.link()
	c.buy(home, account, 50_000)
	c.buy(neighbour, account, 50_000)
	other.buy(home, other.link(), 50_000)
	town, next := h.towns[home], h.towns[neighbour]
	wallets := map[string]string{}
	list := c.do("GET", "/me/wallets", nil).want(200)
	for i := range list.items() {
		wallets[list.text(fmt.Sprintf("items.%d.tenant", i))] = list.id(fmt.Sprintf("items.%d.id", i))
	}
	mine, elsewhere := wallets[home.String()], wallets[neighbour.String()]
	theirs := other.do("GET", "/me/wallets", nil).want(200).id("items.0.id")
	if mine == "" || elsewhere == "" || theirs == "" {
		t.Fatalf("wallets: %s", list.raw)
	}
	paid := c.pay(home, 10_000, newID()).want(201).id("id")
	closedQR, _, err := h.app.Merchants.StaticQR(inHome(), town.closed.ID)
	if err != nil {
		t.Fatal(err)
	}
	nextOwner := h.clerk(t, "owner26350")
	before := h.quiet(t)

	at := func(more string) string { return fmt.Sprintf(`{"merchant_id":%q,%s}`, town.shop.ID, more) }
	for name, try := range map[string]struct {
		body   string
		status int
		code   string
		field  string
	}{
		"above the most that one may pay":  {at(`"amount":2000001`), 422, "invalid-input", "amount"},
		"the largest int64":                {at(`"amount":9223372036854775807`), 422, "invalid-input", "amount"},
		"more than an int64":               {at(`"amount":9223372036854775808`), 422, "invalid-input", "amount"},
		"what would wrap around to one":    {at(`"amount":18446744073709551617`), 422, "invalid-input", "amount"},
		"what a float cannot tell":         {at(`"amount":1000.0000000000000001`), 422, "invalid-input", "amount"},
		"one and a half":                   {at(`"amount":1.5`), 422, "invalid-input", "amount"},
		"more than a float":                {at(`"amount":1e400`), 400, "malformed-request", "body"},
		"below zero":                       {at(`"amount":-1`), 422, "invalid-input", "amount"},
		"zero":                             {at(`"amount":0`), 422, "invalid-input", "amount"},
		"no amount":                        {fmt.Sprintf(`{"merchant_id":%q}`, town.shop.ID), 422, "invalid-input", "amount"},
		"a text":                           {at(`"amount":"1000"`), 422, "invalid-input", "amount"},
		"two amounts":                      {at(`"amount":1000,"amount":2000`), 400, "malformed-request", "amount"},
		"two amounts, one by its escape":   {at(`"amount":1000,"\u0061mount":2000`), 400, "malformed-request", "amount"},
		"two amounts, one in capitals":     {at(`"amount":1000,"Amount":2000`), 422, "invalid-input", "Amount"},
		"two wallets":                      {at(fmt.Sprintf(`"wallet_id":%q,"amount":1000,"wallet_id":%q`, mine, theirs)), 400, "malformed-request", "wallet_id"},
		"another citizen's wallet":         {at(fmt.Sprintf(`"amount":1000,"wallet_id":%q`, theirs)), 404, "wallet-unknown", ""},
		"a wallet of another municipality": {at(fmt.Sprintf(`"amount":1000,"wallet_id":%q`, elsewhere)), 404, "wallet-unknown", ""},
		"no such wallet":                   {at(fmt.Sprintf(`"amount":1000,"wallet_id":%q`, newID())), 404, "wallet-unknown", ""},
		"a closed shop":                    {fmt.Sprintf(`{"merchant_id":%q,"amount":1000}`, town.closed.ID), 409, "merchant-not-accepting", ""},
		"a closed shop's code":             {fmt.Sprintf(`{"qr":%q,"amount":1000}`, closedQR), 409, "merchant-not-accepting", ""},
		"a shop of another municipality":   {fmt.Sprintf(`{"merchant_id":%q,"amount":1000}`, next.shop.ID), 404, "merchant-unknown", ""},
		"a code of another municipality":   {fmt.Sprintf(`{"qr":%q,"amount":1000}`, next.qr), 422, "qr-of-another-municipality", ""},
		"no such shop":                     {fmt.Sprintf(`{"merchant_id":%q,"amount":1000}`, newID()), 404, "merchant-unknown", ""},
		"shop and code":                    {fmt.Sprintf(`{"merchant_id":%q,"qr":%q,"amount":1000}`, town.shop.ID, town.qr), 422, "invalid-input", "qr"},
		"neither shop nor code":            {`{"amount":1000}`, 422, "invalid-input", "merchant_id"},
		"a code with a slip":               {fmt.Sprintf(`{"qr":%q,"amount":1000}`, town.qr[:len(town.qr)-1]+"0"), 422, "qr-invalid", ""},
		"an excluded trade":                {fmt.Sprintf(`{"merchant_id":%q,"amount":1000}`, town.bar.ID), 409, "trade-excluded", ""},
		"more than there is":               {at(`"amount":40001`), 409, "insufficient-balance", ""},
		"more than the policy lets pay":    {at(`"amount":300001`), 409, "limit-exceeded", ""},
	} {
		for range 2 { // a refusal leaves the key free, for the same refusal
			a := c.do("POST", "/tenants/11560/payments", try.body, "Idempotency-Key", newID())
			a.refused(try.status, try.code)
			if try.field != "" && !a.names(try.field) {
				t.Errorf("%s: does not name %s: %s", name, try.field, clip(a.raw))
			}
			if t.Failed() {
				t.Fatalf("paying %s", name)
			}
		}
	}
	cancel := func(who *client, path, body string) answer {
		return who.do("POST", path, body, "Idempotency-Key", newID())
	}
	path := "/tenants/11560/payments/" + paid + "/cancellations"
	cancel(c, path, `{"amount":10001}`).refused(409, "cancellation-exceeds-payment")
	for _, amount := range []string{"9223372036854775807", "9223372036854775808", "18446744073709551617", "0", "-1", "1.5", `"1"`, "2000001"} {
		if a := cancel(c, path, `{"amount":`+amount+`}`); a.status != 422 || !a.names("amount") {
			t.Errorf("cancelling %s: %d %s", amount, a.status, clip(a.raw))
		}
	}
	if a := cancel(c, path, `{"amount":1,"amount":2}`); a.status != 400 || a.text("errors.0.field") != "amount" || a.text("errors.0.reason") != "repeated" {
		t.Errorf("cancelling two amounts: %d %s", a.status, clip(a.raw))
	}
	cancel(other, path, `{"amount":1}`).refused(404, "payment-unknown")
	cancel(c, "/tenants/26350/payments/"+paid+"/cancellations", `{"amount":1}`).refused(404, "payment-unknown")
	cancel(c, "/tenants/11560/payments/"+newID()+"/cancellations", `{"amount":1}`).refused(404, "payment-unknown")
	cancel(nextOwner, "/merchant/payments/"+paid+"/cancellations", `{"amount":1}`).refused(404, "payment-unknown")
	h.unchanged(t, before)
	if c.balance() != 90_000 || other.balance() != 50_000 {
		t.Errorf("the wallets hold %d and %d", c.balance(), other.balance())
	}

	// the years pass
	h.clock.Set(h.clock.Now().AddDate(5, 0, 1))
	h.settled(t)
	c = h.login(t, kim)
	before = h.quiet(t)
	c.pay(home, 1_000, newID()).refused(409, "wallet-expired")
	c.do("POST", "/tenants/11560/payments", at(fmt.Sprintf(`"amount":1000,"wallet_id":%q`, mine)), "Idempotency-Key", newID()).refused(409, "wallet-expired")
	h.unchanged(t, before)
	h.clean(t)
}
