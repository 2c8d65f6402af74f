package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
	"jangteo/modules/settlement"
)

// The first voucher, bought, spent and paid out, by a client that knows the
// public contract alone.
func TestStory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	if me := c.do("GET", "/me", nil).want(200); strings.Contains(string(me.raw), kim.name) || me.text("name") == "" {
		t.Errorf("me is not masked: %s", me.raw)
	}
	account := c.link()
	town := h.towns[home]

	programmes := c.do("GET", "/tenants/11560/programmes", nil).want(200)
	if programmes.text("items.0.id") != town.programme.String() || programmes.won("items.0.policy.discount_bp") != 1000 {
		t.Errorf("programmes: %s", programmes.raw)
	}
	bought := c.buy(home, account, 100_000)
	if bought.won("paid") != 90_000 || bought.won("subsidy") != 10_000 || bought.text("lot.expires_at") == "" {
		t.Errorf("bought: %s", bought.raw)
	}
	wallets := c.do("GET", "/me/wallets", nil).want(200)
	wallet := wallets.id("items.0.id")
	if wallets.items() != 1 || wallets.won("items.0.balance") != 100_000 {
		t.Errorf("wallets: %s", wallets.raw)
	}
	if lots := c.do("GET", "/me/wallets/"+wallet+"/lots", nil).want(200); lots.items() != 1 || lots.won("items.0.face") != 100_000 || lots.won("items.0.paid") != 90_000 {
		t.Errorf("lots: %s", lots.raw)
	}
	if quote := c.do("GET", "/me/wallets/"+wallet+"/refund-quote", nil).want(200); quote.won("amount") != 90_000 {
		t.Errorf("an unused lot of seven days is refundable in full: %s", quote.raw)
	}

	paid := c.do("POST", "/tenants/11560/payments", map[string]any{"qr": town.qr, "amount": 12_500}, "Idempotency-Key", newID()).want(201)
	payment := paid.id("id")
	if paid.won("amount") != 12_500 || paid.text("state") != "captured" || paid.won("balance_after") != 87_500 {
		t.Errorf("paid: %s", paid.raw)
	}
	undone := c.do("POST", "/tenants/11560/payments/"+payment+"/cancellations", map[string]any{"amount": 2_500}, "Idempotency-Key", newID()).want(201)
	if undone.won("amount") != 2_500 {
		t.Errorf("cancelled: %s", undone.raw)
	}
	if got := c.do("GET", "/tenants/11560/payments/"+payment, nil).want(200); got.won("cancelled_amount") != 2_500 || got.text("state") != "partially-cancelled" {
		t.Errorf("the payment after it: %s", got.raw)
	}
	if c.balance() != 90_000 {
		t.Errorf("the wallet holds %d, want 90000", c.balance())
	}
	if history := c.do("GET", "/me/history", nil).want(200); history.items() != 3 {
		t.Errorf("history: %s", history.raw)
	}

	owner := h.clerk(t, "owner11560")
	if sales := owner.do("GET", "/merchant/sales", nil).want(200); sales.items() != 1 || sales.text("items.0.id") != payment {
		t.Errorf("sales: %s", sales.raw)
	}
	ctx := tenant.With(context.Background(), home)
	today := calendar.DayOf(h.clock.Now())
	h.clock.Set(today.Next().Start().Add(10 * time.Minute))
	if _, err := h.app.Settlement.CloseDay(ctx, today); err != nil {
		t.Fatal(err)
	}
	h.clock.Set(today.Next().Start().Add(10 * time.Hour))
	if done, err := h.app.Settlement.PayOut(ctx, settlement.Due); err != nil {
		t.Fatalf("%+v %v", done, err)
	}
	owner = h.clerk(t, "owner11560")
	await(t, "the payout", func() bool {
		settlements := owner.do("GET", "/merchant/settlements", nil).want(200)
		return settlements.items() == 1 && settlements.text("items.0.state") == "paid" && settlements.won("items.0.net") == 10_000
	})
	h.clean(t)
}

// What a client that has only read the contract may plausibly send.
func TestTolerance(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.client(t)
	for _, birth := range []string{"1990-01-31", "19900131"} {
		for _, phone := range []string{"010-2345-6789", "01023456789", "+821023456789", "+82-10-2345-6789", "010 2345 6789"} {
			h.advance(t, 11*time.Minute)
			c.do("POST", "/identity-checks", map[string]string{"name": kim.name, "birth_date": birth, "phone": phone}).want(201)
		}
	}
	var token string
	for name, agreements := range map[string]any{
		"list": []string{"terms", "privacy", "e-finance"}, "object": map[string]bool{"terms": true, "privacy": true, "e-finance": true, "marketing": false},
		"snake case": map[string]bool{"terms": true, "privacy": true, "e_finance": true},
	} {
		token = c.prove(person{kim.name + name, kim.birth, "010-2345-0000"})
		if a := c.do("POST", "/citizens", map[string]any{"identity_token": token, "agreements": agreements}); a.status != 201 {
			t.Errorf("agreements as %s: %d %s", name, a.status, a.raw)
		}
	}
	for name, more := range map[string]map[string]any{
		"plain": {}, "alg": {"alg": "ES256"}, "use": {"use": "sig", "alg": "ES256"}, "webcrypto": {"ext": true, "key_ops": []string{"verify"}},
		"kid": {"kid": "mine", "use": "sig"},
	} {
		h.advance(t, 11*time.Minute)
		token = c.prove(person{kim.name + "list", kim.birth, "010-2345-0000"})
		c.newKey()
		key := c.jwk()
		for k, v := range more {
			key[k] = v
		}
		a := c.do("POST", "/sessions", map[string]any{"identity_token": token, "device": map[string]any{"public_key": key, "name": "Pixel", "platform": "android"}})
		if a.status != 201 {
			t.Errorf("JWK with %s: %d %s", name, a.status, a.raw)
		}
	}
}

// A session says why it ended, and no other reason.
func TestSessionsTellTheTruth(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	old := h.login(t, kim)
	h.advance(t, time.Minute)
	next := h.login(t, kim)
	await(t, "the ending reaches this server", func() bool { return old.do("GET", "/me", nil).status == 401 })
	old.do("GET", "/me", nil).refused(401, "session-superseded")
	old.do("POST", "/sessions/refresh", map[string]string{"refresh_token": old.refresh}).refused(401, "session-superseded")

	// another of one's own sessions, revoked
	list := next.do("GET", "/me/sessions", nil).want(200)
	if list.items() != 2 || list.text("items.1.ended.code") != "session-superseded" {
		t.Errorf("sessions: %s", list.raw)
	}
	if a := next.do("GET", "/me/security-events", nil).want(200); a.items() < 2 {
		t.Errorf("events: %s", a.raw)
	}
	next.do("DELETE", "/me/sessions/"+next.session, nil).want(204)
	await(t, "the revocation", func() bool { return next.do("GET", "/me", nil).status == 401 })
	next.do("GET", "/me", nil).refused(401, "session-revoked")

	// the device key goes on after an access token has run out
	c := h.login(t, lee)
	h.advance(t, 10*time.Minute)
	if a := c.do("GET", "/me", nil); a.status != 401 || strings.HasPrefix(a.text("code"), "session-superseded") {
		t.Errorf("a token that ran out: %s", a.raw)
	}
	challenge := c.do("POST", "/sessions/challenges", map[string]string{"device_id": c.device}).want(201).text("challenge")
	c.keep(c.do("POST", "/sessions/resume", map[string]string{"device_id": c.device, "challenge": challenge, "signature": c.sign(challenge)}).want(200))
	c.do("GET", "/me", nil).want(200)
	c.do("POST", "/sessions/resume", map[string]string{"device_id": c.device, "challenge": challenge, "signature": c.sign(challenge)}).refused(401, "device-proof-invalid")

	// refresh rotates; the old token without the device's proof is reuse
	first := c.refresh
	h.advance(t, time.Minute)
	c.keep(c.do("POST", "/sessions/refresh", map[string]string{"refresh_token": c.refresh}).want(200))
	h.advance(t, time.Minute)
	c.keep(c.do("POST", "/sessions/refresh", map[string]string{"refresh_token": c.refresh}).want(200))
	h.advance(t, time.Minute)
	c.do("POST", "/sessions/refresh", map[string]string{"refresh_token": first}).refused(401, "session-reuse-detected")
	await(t, "the ending", func() bool { return c.do("GET", "/me", nil).status != 200 })
	c.do("GET", "/me", nil).refused(401, "session-reuse-detected")

	// locking
	h.advance(t, time.Minute)
	k := h.login(t, kim)
	k.do("POST", "/me/lock", nil).want(200)
	await(t, "the lock", func() bool { return k.do("GET", "/me", nil).status != 200 })
	k.do("GET", "/me", nil).refused(403, "account-locked")
}

// A refusal says which rule refused, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c, other := h.login(t, kim), h.login(t, lee)
	account := c.link()
	c.buy(home, account, 50_000)
	town := h.towns[home]
	pay := func(c *client, where string, body map[string]any) answer {
		t.Helper()
		return c.do("POST", "/tenants/"+where+"/payments", body, "Idempotency-Key", newID())
	}
	shop := town.shop.ID
	pay(c, "11560", map[string]any{"merchant_id": shop, "amount": 50_001}).refused(409, "insufficient-balance")
	pay(c, "11560", map[string]any{"merchant_id": shop, "amount": 300_001}).refused(409, "limit-exceeded")
	pay(c, "11560", map[string]any{"merchant_id": town.closed.ID, "amount": 1000}).refused(409, "merchant-not-accepting")
	pay(c, "11560", map[string]any{"merchant_id": town.bar.ID, "amount": 1000}).refused(409, "trade-excluded")
	if a := pay(c, "11560", map[string]any{"merchant_id": h.towns[neighbour].shop.ID, "amount": 1000}); a.status != 404 {
		t.Errorf("a neighbour's shop: %d %s", a.status, a.raw)
	}
	if a := pay(c, "11560", map[string]any{"qr": h.towns[neighbour].qr, "amount": 1000}); a.status < 400 || a.status > 422 {
		t.Errorf("a neighbour's code: %d %s", a.status, a.raw)
	}
	pay(c, "11560", map[string]any{"qr": town.qr[:len(town.qr)-1] + "0", "amount": 1000}).refused(422, "qr-invalid")
	if a := pay(other, "11560", map[string]any{"merchant_id": shop, "amount": 1000}); a.status < 400 || a.status >= 500 {
		t.Errorf("without a wallet: %d %s", a.status, a.raw)
	}
	wallet := c.do("GET", "/me/wallets", nil).want(200).id("items.0.id")
	if a := pay(other, "11560", map[string]any{"merchant_id": shop, "amount": 1000, "wallet_id": wallet}); a.status != 404 && a.status != 403 {
		t.Errorf("another's wallet: %d %s", a.status, a.raw)
	}
	if a := other.do("GET", "/me/wallets/"+wallet+"/lots", nil); a.status != 404 {
		t.Errorf("another's lots: %d %s", a.status, a.raw)
	}
	if a := other.do("POST", "/tenants/11560/purchases", map[string]any{"programme_id": town.programme, "amount": 10_000, "bank_account_id": account}, "Idempotency-Key", newID()); a.status != 404 {
		t.Errorf("another's bank account: %d %s", a.status, a.raw)
	}
	c.do("POST", "/tenants/11560/purchases", map[string]any{"programme_id": town.programme, "amount": 15_000, "bank_account_id": account}, "Idempotency-Key", newID()).want(422)
	c.do("POST", "/tenants/11560/purchases", map[string]any{"programme_id": town.programme, "amount": 460_000, "bank_account_id": account}, "Idempotency-Key", newID()).refused(409, "limit-exceeded")

	// one sale's code: once, and for three minutes
	owner := h.clerk(t, "owner11560")
	code := owner.do("POST", "/merchant/qr", map[string]any{"amount": 3_000}).want(201).text("payload")
	pay(c, "11560", map[string]any{"qr": code}).want(201)
	if a := pay(c, "11560", map[string]any{"qr": code}); a.status < 400 || a.status >= 500 {
		t.Errorf("a code used twice: %d %s", a.status, a.raw)
	}
	late := owner.do("POST", "/merchant/qr", map[string]any{"amount": 3_000}).want(201).text("payload")
	h.advance(t, 3*time.Minute+time.Second)
	pay(c, "11560", map[string]any{"qr": late}).refused(409, "qr-expired")
	if c.balance() != 47_000 {
		t.Errorf("the wallet holds %d, want 47000", c.balance())
	}
	h.clean(t)
}
