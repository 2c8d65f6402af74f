package app_test

import (
	"strings"
	"sync"
	"testing"

	"jangteo/modules/merchants"
)

// A request that moves money may be sent again, by anyone, at any time, and
// moves it once.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c, other := h.login(t, kim), h.login(t, lee)
	account := c.link()
	c.buy(home, account, 50_000)
	c.buy(neighbour, account, 50_000)
	other.buy(home, other.link(), 50_000)

	// the same twice
	key := newID()
	first := c.pay(home, 1_000, key).want(201)
	again := c.pay(home, 1_000, key).want(201)
	if again.id("id") != first.id("id") || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("again: %s %v", again.raw, again.header)
	}
	if again.won("balance_after") != first.won("balance_after") || again.text("at") != first.text("at") {
		t.Errorf("not the same answer: %s, %s", first.raw, again.raw)
	}
	// another body
	c.pay(home, 1_001, key).refused(409, "idempotency-key-reused")
	// another municipality, and another person: keys of their own
	if a := c.pay(neighbour, 1_000, key).want(201); a.id("id") == first.id("id") || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("a neighbour's key: %s", a.raw)
	}
	if a := other.pay(home, 1_000, key).want(201); a.id("id") == first.id("id") {
		t.Errorf("another person's key: %s", a.raw)
	}
	// none, and bad ones
	body := map[string]any{"merchant_id": h.towns[home].shop.ID, "amount": 1_000}
	c.do("POST", "/tenants/11560/payments", body).refused(400, "idempotency-key-missing")
	c.do("POST", "/tenants/11560/purchases", map[string]any{"programme_id": h.towns[home].programme, "amount": 10_000, "bank_account_id": account}).refused(400, "idempotency-key-missing")
	c.do("POST", "/tenants/11560/payments/"+first.id("id")+"/cancellations", nil).refused(400, "idempotency-key-missing")
	for _, bad := range []string{strings.Repeat("k", 129), strings.Repeat("k", 300), "a b", "é"} {
		if a := c.do("POST", "/tenants/11560/payments", body, "Idempotency-Key", bad); a.status < 400 || a.status >= 500 {
			t.Errorf("key %.10q: %d %s", bad, a.status, a.raw)
		}
	}

	// twenty at once pay once, buy once, cancel once
	for name, send := range map[string]func(key string) answer{
		"pay": func(key string) answer { return c.pay(home, 2_000, key) },
		"buy": func(key string) answer {
			return c.do("POST", "/tenants/11560/purchases", map[string]any{"programme_id": h.towns[home].programme, "amount": 10_000, "bank_account_id": account}, "Idempotency-Key", key)
		},
		"cancel": func(key string) answer {
			return c.do("POST", "/tenants/11560/payments/"+first.id("id")+"/cancellations", map[string]any{"amount": 100}, "Idempotency-Key", key)
		},
	} {
		key, before := newID(), c.balance()
		answers := make([]answer, 20)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = send(key) })
		}
		all.Wait()
		ids, replayed := map[string]bool{}, 0
		for _, a := range answers {
			if a.status != 201 && a.status != 202 {
				t.Errorf("%s: %d %s", name, a.status, a.raw)
				continue
			}
			ids[a.text("id")] = true
			if a.header.Get("Idempotent-Replayed") == "true" {
				replayed++
			}
		}
		moved := map[string]int64{"pay": -2_000, "buy": 10_000, "cancel": 100}[name]
		await(t, name+" moved its amount once", func() bool { return c.balance() == before+moved })
		if len(ids) != 1 || replayed != 19 {
			t.Errorf("%s: %d ids, %d replayed", name, len(ids), replayed)
		}
	}

	// after the shop has closed, and after a restart of the program
	if _, err := h.app.Merchants.Decide(inHome(), h.towns[home].shop.ID, merchants.Closed, "폐업"); err != nil {
		t.Fatal(err)
	}
	c.pay(home, 1_000, newID()).refused(409, "merchant-not-accepting")
	if a := c.pay(home, 1_000, key).want(201); a.id("id") != first.id("id") || a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("after the shop closed: %s", a.raw)
	}
	h.stop()
	h.start(t)
	h.settled(t)
	if a := c.pay(home, 1_000, key).want(201); a.id("id") != first.id("id") || a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("after a restart: %s", a.raw)
	}
	c.pay(home, 1_001, key).refused(409, "idempotency-key-reused")
	h.clean(t)
}
