package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"jangteo/app/idem"
)

// asked is one request about a wallet.
type asked struct {
	what    string // pay, cancel, read, look
	key     string
	payment string // that is cancelled or looked at
	amount  int64
}

// told is what was answered to it.
type told struct {
	unknown  bool   // nothing certain: it may happen at any later time, or never
	code     string // of the refusal
	id       string
	replayed bool
	sum      int64 // pay: the balance after; cancel and look: what is cancelled of the payment; read: the balance
}

// done is what a key has done.
type done struct {
	asked asked
	id    string // empty as long as nobody was told
	sum   int64
}

// wallet is the model: one number, what was paid from it, and what each key did.
// It is never changed, only replaced.
type wallet struct {
	balance   int64
	keys      map[string]done
	paid      map[string]int64 // payments by id
	cancelled map[string]int64
}

func newWallet(balance int64) wallet {
	return wallet{balance, map[string]done{}, map[string]int64{}, map[string]int64{}}
}

func (w wallet) equal(o wallet) bool {
	return w.balance == o.balance && maps.Equal(w.keys, o.keys) && maps.Equal(w.paid, o.paid) && maps.Equal(w.cancelled, o.cancelled)
}

// step says whether a wallet may answer so, and what it is afterwards.
func (w wallet) step(a asked, t told) (bool, wallet) {
	switch a.what {
	case "read":
		return t.unknown || t.sum == w.balance, w
	case "look":
		return t.unknown || t.sum == w.cancelled[a.payment], w
	}
	if before, known := w.keys[a.key]; known {
		return w.again(a, t, before)
	}
	code := w.refusal(a)
	if code != "" {
		return t.unknown || t.code == code, w
	}
	if !t.unknown && (t.code != "" || t.replayed) {
		return false, w
	}
	next := wallet{w.balance, maps.Clone(w.keys), w.paid, w.cancelled}
	d := done{asked: a, id: t.id}
	if a.what == "pay" {
		next.balance -= a.amount
		d.sum = next.balance
		next.paid = withPayment(w.paid, t.id, a.amount)
	} else {
		next.balance += a.amount
		next.cancelled = maps.Clone(w.cancelled)
		next.cancelled[a.payment] += a.amount
		d.sum = next.cancelled[a.payment]
	}
	next.keys[a.key] = d
	return t.unknown || t.sum == d.sum, next
}

func (w wallet) refusal(a asked) string {
	if a.what == "pay" {
		if a.amount > w.balance {
			return "insufficient-balance"
		}
		return ""
	}
	switch left := w.paid[a.payment] - w.cancelled[a.payment]; {
	case left == 0:
		return "payment-already-cancelled"
	case a.amount > left:
		return "cancellation-exceeds-payment"
	}
	return ""
}

// again is a key that has done something: the same request hears of that, any
// other is refused.
func (w wallet) again(a asked, t told, before done) (bool, wallet) {
	switch {
	case t.unknown:
		return true, w
	case before.asked != a:
		return t.code == "idempotency-key-reused", w
	case t.code != "" || !t.replayed || t.sum != before.sum || before.id != "" && t.id != before.id:
		return false, w
	case before.id != "":
		return true, w
	}
	next := wallet{w.balance, maps.Clone(w.keys), w.paid, w.cancelled} // now it has a name
	before.id = t.id
	next.keys[a.key] = before
	if a.what == "pay" {
		next.paid = withPayment(w.paid, t.id, a.amount)
	}
	return true, next
}

func withPayment(paid map[string]int64, id string, amount int64) map[string]int64 {
	if id == "" {
		return paid
	}
	paid = maps.Clone(paid)
	paid[id] = amount
	return paid
}

func model(balance int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return newWallet(balance) },
		Step: func(state, input, output any) (bool, any) {
			ok, next := state.(wallet).step(input.(asked), output.(told))
			return ok, next
		},
		Equal:             func(a, b any) bool { return a.(wallet).equal(b.(wallet)) },
		Hash:              func(state any) uint64 { w := state.(wallet); return uint64(w.balance)*31 + uint64(len(w.keys)) },
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
		DescribeState:     func(state any) string { return fmt.Sprint(state.(wallet).balance) },
	}
}

// witness asks about one wallet, through several servers, and writes down when
// it asked and when it was told what.
type witness struct {
	through []*client
	start   time.Time
	quiet   *http.Client

	mu       sync.Mutex
	history  []porcupine.Operation
	payments []string
	amounts  map[string]int64
}

// ask sends a request once; within bounds how long its answer is waited for.
func (w *witness) ask(who int, a asked, within time.Duration) told {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c := w.through[rand.IntN(len(w.through))]
	called := time.Since(w.start).Nanoseconds()
	t := w.send(ctx, c, a)
	returned := time.Since(w.start).Nanoseconds()
	if t.unknown {
		returned = math.MaxInt64
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, porcupine.Operation{ClientId: who, Input: a, Call: called, Output: t, Return: returned})
	if a.what == "pay" && t.id != "" && !t.replayed {
		w.payments = append(w.payments, t.id)
		w.amounts[t.id] = a.amount
	}
	return t
}

func (w *witness) send(ctx context.Context, c *client, a asked) told {
	method, path, body := http.MethodGet, "/me/wallets", any(nil)
	switch a.what {
	case "look":
		path = "/tenants/11560/payments/" + a.payment
	case "pay":
		method, path, body = http.MethodPost, "/tenants/11560/payments", map[string]any{"merchant_id": c.h.towns[home].shop.ID, "amount": a.amount}
	case "cancel":
		method, path, body = http.MethodPost, "/tenants/11560/payments/"+a.payment+"/cancellations", map[string]any{"amount": a.amount}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Error(err)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.h.base+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Error(err)
		return told{unknown: true}
	}
	request.Header.Set("Authorization", "Bearer "+c.access)
	request.Header.Set("Content-Type", "application/json")
	if a.key != "" {
		request.Header.Set(idem.Header, a.key)
	}
	response, err := w.quiet.Do(request)
	if err != nil {
		return told{unknown: true}
	}
	defer func() { _ = response.Body.Close() }()
	answered := answer{t: c.t, asked: a.what, status: response.StatusCode, header: response.Header}
	if answered.raw, err = io.ReadAll(response.Body); err != nil {
		return told{unknown: true}
	}
	_ = json.Unmarshal(answered.raw, &answered.body)
	if answered.status == http.StatusInternalServerError {
		c.t.Errorf("%+v: the log: %s", a, c.h.log.tail(3))
	}
	return hear(a, answered)
}

func hear(a asked, answered answer) told {
	switch {
	case answered.status == http.StatusServiceUnavailable:
		return told{unknown: true}
	case answered.status == http.StatusConflict:
		return told{code: answered.text("code")}
	case answered.status != http.StatusOK && answered.status != http.StatusCreated:
		answered.t.Errorf("%+v: answered %d: %s", a, answered.status, clip(answered.raw))
		return told{unknown: true}
	}
	t := told{replayed: answered.header.Get(idem.HeaderReplayed) == "true"}
	switch a.what {
	case "read":
		t.sum = answered.won("items.0.balance")
	case "look":
		t.sum = answered.won("cancelled_amount")
	case "pay":
		t.id, t.sum = answered.id("id"), answered.won("balance_after")
	case "cancel":
		t.id, t.sum = answered.id("id"), answered.won("payment.cancelled_amount")
	}
	return t
}

const atEase = 20 * time.Second

// live is what one of a wallet's users does: pays, cancels, looks, loses
// patience, asks again, and now and then sends one key twice at once.
func (w *witness) live(who, steps int) {
	for range steps {
		a := w.draw()
		within := atEase
		if a.key != "" && rand.IntN(8) == 0 {
			within = time.Duration(rand.IntN(6_000)) * time.Microsecond
		}
		if a.key != "" && rand.IntN(5) == 0 {
			var both sync.WaitGroup
			both.Go(func() { w.ask(who+1000, a, atEase) })
			w.ask(who, a, within)
			both.Wait()
			continue
		}
		t := w.ask(who, a, within)
		if t.unknown && rand.IntN(3) > 0 || rand.IntN(10) == 0 {
			if rand.IntN(6) == 0 {
				a.amount++ // the same key for something else
			}
			w.ask(who, a, atEase)
		}
	}
}

func (w *witness) draw() asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	var payment string
	if n := len(w.payments); n > 0 {
		payment = w.payments[rand.IntN(n)]
	}
	switch n := rand.IntN(10); {
	case n < 2:
		return asked{what: "read"}
	case n < 3 && payment != "":
		return asked{what: "look", payment: payment}
	case n < 6 && payment != "":
		return asked{what: "cancel", key: newID(), payment: payment, amount: 1 + rand.Int64N(w.amounts[payment]*5/4)}
	}
	return asked{what: "pay", key: newID(), amount: 1 + rand.Int64N(20_000)}
}

// TestLinearizable: however payments, cancellations, retries and reads of a few
// wallets overlap on two servers, and whatever answers are lost, everybody was
// told what one wallet that does one thing at a time would have told.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	const held, users, steps = 50_000, 5, 14
	h := newHouse(t, "")
	o := h.another(t)
	var all sync.WaitGroup
	var witnesses []*witness
	for i := range 4 {
		c := h.login(t, person{"김하늘", "1990-01-31", fmt.Sprintf("010-7345-67%02d", i)})
		c.buy(home, c.link(), held)
		w := &witness{through: []*client{c, c.through(o)}, start: time.Now(), quiet: &http.Client{Transport: h.transport}, amounts: map[string]int64{}}
		witnesses = append(witnesses, w)
	}
	o.settled(t)
	for _, w := range witnesses {
		for who := range users {
			all.Go(func() { w.live(who, steps) })
		}
	}
	all.Wait()
	for i, w := range witnesses {
		w.ask(0, asked{what: "read"}, atEase)
		unknown, replayed, refused := w.tally()
		t.Logf("wallet %d: %d requests, %d without an answer, %d replayed, %d refused", i, len(w.history), unknown, replayed, refused)
		result, info := porcupine.CheckOperationsVerbose(model(held), w.history, time.Minute)
		if result != porcupine.Ok {
			picture := filepath.Join(t.ArtifactDir(), fmt.Sprintf("wallet-%d.html", i))
			t.Errorf("wallet %d: %s; see %s (%v)", i, result, picture, porcupine.VisualizePath(model(held), info, picture))
		}
	}
	h.clean(t)
}

func (w *witness) tally() (unknown, replayed, refused int) {
	for _, one := range w.history {
		switch t := one.Output.(told); {
		case t.unknown:
			unknown++
		case t.replayed:
			replayed++
		case t.code != "":
			refused++
		}
	}
	return unknown, replayed, refused
}
