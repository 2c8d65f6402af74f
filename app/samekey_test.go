package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/idem"
)

// another starts a second server on the same database.
func (h *house) another(t testing.TB) *house {
	t.Helper()
	o := *h
	o.start(t)
	o.settled(t)
	return &o
}

// through sends the same citizen's requests to another server.
func (c *client) through(h *house) *client {
	d := *c
	d.h = h
	return &d
}

func (c *client) cancel(payment string, amount int64, key string) answer {
	c.t.Helper()
	var body any
	if amount > 0 {
		body = map[string]any{"amount": amount}
	}
	return c.do("POST", "/tenants/11560/payments/"+payment+"/cancellations", body, "Idempotency-Key", key)
}

// together sends requests at once and tells their answers in order.
func together(sends ...func() answer) []answer {
	answers := make([]answer, len(sends))
	var all sync.WaitGroup
	for i, send := range sends {
		all.Go(func() { answers[i] = send() })
	}
	all.Wait()
	return answers
}

// oneOf fails the test unless the answers are one fresh success and its replays.
func oneOf(t testing.TB, what string, answers []answer) (id string) {
	t.Helper()
	fresh := 0
	for _, a := range answers {
		if a.status != http.StatusCreated {
			t.Fatalf("%s: answered %d: %s", what, a.status, clip(a.raw))
		}
		if a.header.Get(idem.HeaderReplayed) == "" {
			fresh++
		}
		if id == "" {
			id = a.id("id")
		}
		if a.id("id") != id || a.won("amount") != answers[0].won("amount") {
			t.Fatalf("%s: two answers to one key: %s and %s", what, answers[0].raw, a.raw)
		}
	}
	if fresh != 1 {
		t.Fatalf("%s: %d fresh answers of %d, want 1", what, fresh, len(answers))
	}
	return id
}

// One key sent to two servers at once moves money once, and both tell of it,
// even when nothing is left afterwards to pay or to cancel.
func TestIdempotencyOnTwoServers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	o := h.another(t)
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	o.settled(t)
	d := c.through(o)
	for round := range 12 {
		pay, undo := newID(), newID()
		amount := int64(50_000) // all there is
		payment := oneOf(t, fmt.Sprint("paying, round ", round), together(
			func() answer { return c.pay(home, amount, pay) }, func() answer { return d.pay(home, amount, pay) },
			func() answer { return c.pay(home, amount, pay) }, func() answer { return d.pay(home, amount, pay) },
		))
		for _, other := range together(
			func() answer { return c.pay(home, amount-1, pay) }, func() answer { return d.pay(home, amount-1, pay) },
			func() answer { return d.cancel(payment, 1, pay) },
		) {
			other.refused(http.StatusConflict, "idempotency-key-reused")
		}
		whole := int64(0) // all that is left, whatever it is
		if round%2 == 0 {
			whole = amount
		}
		oneOf(t, fmt.Sprint("cancelling, round ", round), together(
			func() answer { return c.cancel(payment, whole, undo) }, func() answer { return d.cancel(payment, whole, undo) },
			func() answer { return d.cancel(payment, whole, undo) }, func() answer { return c.cancel(payment, whole, undo) },
		))
		d.cancel(payment, amount-1, undo).refused(http.StatusConflict, "idempotency-key-reused")
		c.cancel(payment, 0, newID()).refused(http.StatusConflict, "payment-already-cancelled")
		if c.balance() != 50_000 || d.balance() != 50_000 {
			t.Fatalf("round %d: the wallet holds %d and %d", round, c.balance(), d.balance())
		}
	}

	// after a restart of both, by the one that had not heard of it
	key, undo := newID(), newID()
	payment := c.pay(home, 7_000, key).want(201).id("id")
	cancellation := c.cancel(payment, 3_000, undo).want(201)
	h.stop()
	o.stop()
	o.start(t)
	o.settled(t)
	if a := d.pay(home, 7_000, key).want(201); a.id("id") != payment || a.header.Get(idem.HeaderReplayed) != "true" {
		t.Errorf("paying after a restart: %s", a.raw)
	}
	if a := d.cancel(payment, 3_000, undo).want(201); a.id("id") != cancellation.id("id") || a.header.Get(idem.HeaderReplayed) != "true" {
		t.Errorf("cancelling after a restart: %s", a.raw)
	}
	d.pay(home, 7_001, key).refused(http.StatusConflict, "idempotency-key-reused")
	d.cancel(payment, 3_001, undo).refused(http.StatusConflict, "idempotency-key-reused")
	if d.balance() != 46_000 {
		t.Errorf("the wallet holds %d, want 46000", d.balance())
	}
	o.clean(t)
}

// Two keys of one citizen that cancel the same payment at once share what it
// was, and never more.
func TestIdempotencyOfCancellationsThatCompete(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	o := h.another(t)
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	o.settled(t)
	d := c.through(o)
	clerk := h.clerk(t, "owner11560")
	for range 8 {
		payment := c.pay(home, 10_000, newID()).want(201).id("id")
		done := 0
		for _, a := range together(
			func() answer { return c.cancel(payment, 4_000, newID()) }, func() answer { return d.cancel(payment, 4_000, newID()) },
			func() answer { return d.cancel(payment, 4_000, newID()) }, func() answer {
				return clerk.do("POST", "/merchant/payments/"+payment+"/cancellations", map[string]any{"amount": 4_000}, "Idempotency-Key", newID())
			},
		) {
			if a.status == http.StatusCreated {
				done++
				continue
			}
			a.refused(http.StatusConflict, "cancellation-exceeds-payment")
		}
		if done != 2 {
			t.Fatalf("%d cancellations of 4000 of a payment of 10000", done)
		}
		c.cancel(payment, 0, newID()).want(201)
		if c.balance() != 50_000 {
			t.Fatalf("the wallet holds %d", c.balance())
		}
	}
	h.clean(t)
}

// The code of one sale belongs to the press of the button that took it: its
// retries go on after a crash, and nobody else can pay it, not even by sending
// the payment's key with something else.
func TestIdempotencyOfACodeOfOneSale(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c, stranger := h.login(t, kim), h.login(t, lee)
	c.buy(home, c.link(), 50_000)
	stranger.buy(home, stranger.link(), 50_000)
	clerk := h.clerk(t, "owner11560")
	wallet := c.do("GET", "/me/wallets", nil).want(200).id("items.0.id")
	citizen := uuid.MustParse(c.do("GET", "/me", nil).want(200).id("id"))
	code := func(amount int64) string {
		return clerk.do("POST", "/merchant/qr", map[string]any{"amount": amount}).want(201).text("payload")
	}
	scan := func(who *client, qr, key string, more map[string]any) answer {
		body := map[string]any{"qr": qr}
		for name, value := range more {
			body[name] = value
		}
		return who.do("POST", "/tenants/11560/payments", body, "Idempotency-Key", key)
	}

	// the server took the code and died before it paid
	qr, key := code(4_000), newID()
	found, err := h.app.Merchants.Scan(inHome(), qr)
	if err != nil {
		t.Fatal(err)
	}
	taker, err := idem.New(citizen, key, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.app.Merchants.UseCode(inHome(), found.CodeID, taker.ID); err != nil {
		t.Fatal(err)
	}
	scan(stranger, qr, newID(), nil).refused(http.StatusConflict, "qr-expired")
	first := scan(c, qr, key, nil).want(201)
	if again := scan(c, qr, key, nil).want(201); again.id("id") != first.id("id") || again.header.Get(idem.HeaderReplayed) != "true" {
		t.Errorf("again: %s", again.raw)
	}
	scan(c, qr, key, map[string]any{"wallet_id": wallet}).refused(http.StatusConflict, "idempotency-key-reused")
	scan(c, qr, newID(), nil).refused(http.StatusConflict, "qr-expired")
	scan(stranger, qr, newID(), nil).refused(http.StatusConflict, "qr-expired")

	// a refusal gives it back, to anyone
	qr, key = code(60_000), newID()
	scan(c, qr, key, nil).refused(http.StatusConflict, "insufficient-balance")
	scan(stranger, qr, newID(), nil).refused(http.StatusConflict, "insufficient-balance")
	c.buy(home, c.do("GET", "/me/bank-accounts", nil).want(200).id("items.0.id"), 50_000)
	scan(c, qr, key, nil).want(201)
	scan(c, qr, newID(), nil).refused(http.StatusConflict, "qr-expired")

	// at once, by two people and twice each
	qr = code(1_000)
	mine, theirs := newID(), newID()
	paid := map[string]int{}
	for _, a := range together(
		func() answer { return scan(c, qr, mine, nil) }, func() answer { return scan(stranger, qr, theirs, nil) },
		func() answer { return scan(c, qr, mine, nil) }, func() answer { return scan(stranger, qr, theirs, nil) },
	) {
		if a.status == http.StatusCreated {
			paid[a.id("id")]++
			continue
		}
		a.refused(http.StatusConflict, "qr-expired")
	}
	if len(paid) != 1 {
		t.Errorf("a code of one sale was paid %d times: %v", len(paid), paid)
	}
	for id, n := range paid {
		if n != 2 {
			t.Errorf("of the two answers to one key %d tell of payment %s", n, id)
		}
	}
	if sum := c.balance() + stranger.balance(); sum != 150_000-4_000-60_000-1_000 {
		t.Errorf("the wallets hold %d", sum)
	}
	h.clean(t)
}
