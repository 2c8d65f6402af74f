package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// order is one press of a button: its key is kept before it is sent, and sent
// again until the answer is certain.
type order struct {
	who     *person
	key     string
	amount  money.Amount
	of      *order // the payment that this cancels; nil: this is a payment
	shop    uuid.UUID
	tries   int       // how often it was sent
	entry   uuid.UUID // accepted: what came of it
	balance money.Amount
	refused string // refused: with which code
}

func (o *order) path() string {
	path := "/api/v1/tenants/" + o.who.tenant.String() + "/payments"
	if o.of != nil {
		path += "/" + o.of.entry.String() + "/cancellations"
	}
	return path
}

func (o *order) body() string {
	if o.of != nil {
		return fmt.Sprintf(`{"amount":%d}`, o.amount)
	}
	return fmt.Sprintf(`{"merchant_id":%q,"amount":%d,"wallet_id":%q}`, o.shop, o.amount, o.who.wallet)
}

// refusals are the answers that say for certain that nothing was moved.
var refusals = map[string]bool{"insufficient-balance": true, "payment-already-cancelled": true, "cancellation-exceeds-payment": true}

// load is many callers at once, and what each of them was told.
type load struct {
	world  *world
	client *http.Client
	stop   chan struct{}
	done   sync.WaitGroup

	answered atomic.Int64 // certain answers
	accepted atomic.Int64
	resolved atomic.Int64 // certain answers after an unknown one
	unknown  atomic.Int64 // answers that said nothing certain, or none

	mu       sync.Mutex
	orders   []*order
	payments []*order // accepted
	wrong    []string
}

const (
	callers    = 10
	attemptFor = 12 * time.Second // longer than a server lets one wait
	shortTry   = 300 * time.Millisecond
)

func (w *world) load() *load {
	l := &load{world: w, stop: make(chan struct{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}}
	for range callers {
		l.done.Go(l.call)
	}
	return l
}

func (l *load) call() {
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		o := l.draw()
		l.mu.Lock()
		l.orders = append(l.orders, o)
		l.mu.Unlock()
		l.settle(o)
	}
}

// draw makes up what somebody wants: mostly a payment, often a cancellation of
// an earlier one, sometimes more than a wallet can hold.
func (l *load) draw() *order {
	o := &order{who: l.world.people[rand.IntN(len(l.world.people))], key: uuid.NewString(), amount: money.Amount(1 + rand.IntN(30_000))}
	l.mu.Lock()
	if n := len(l.payments); n > 0 && rand.IntN(3) == 0 {
		o.of = l.payments[max(0, n-1-rand.IntN(200))]
	}
	l.mu.Unlock()
	shops := l.world.shops[o.who.tenant]
	o.shop = shops[rand.IntN(len(shops))]
	switch {
	case o.of != nil:
		o.who, o.amount = o.of.who, 1+money.Amount(rand.Int64N(int64(o.of.amount)))
	case rand.IntN(20) == 0:
		o.amount = 2*filled - 1 - 100_000 // within the policy, above every balance
	}
	return o
}

// settle sends an order until its outcome is certain.
func (l *load) settle(o *order) {
	for end := time.Now().Add(patience); ; {
		o.tries++
		certain, err := l.send(o)
		if certain {
			l.answered.Add(1)
			if o.tries > 1 {
				l.resolved.Add(1)
			}
			return
		}
		l.unknown.Add(1)
		if time.Now().After(end) {
			l.complain("%s %s is unknown after %d tries: %v", o.path(), o.key, o.tries, err)
			return
		}
		<-time.After(time.Duration(5+rand.IntN(50)) * time.Millisecond)
	}
}

// send asks one of the servers once. Some callers lose their patience early:
// theirs was perhaps heard, and they too ask again.
func (l *load) send(o *order) (certain bool, err error) {
	within := attemptFor
	if rand.IntN(10) == 0 {
		within = time.Duration(rand.Int64N(int64(shortTry)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	server := l.world.servers[rand.IntN(len(l.world.servers))]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+*server.addr.Load()+o.path(), strings.NewReader(o.body()))
	if err != nil {
		return false, err
	}
	token, err := o.who.bearer(l.world.tokens)
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", o.key)
	answer, err := l.client.Do(request)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return false, err
	}
	certain, err = l.hear(o, answer, raw)
	if answer.StatusCode == http.StatusInternalServerError {
		l.complain("the server says: %s", server.said.text())
	}
	return certain, err
}

func (l *load) hear(o *order, answer *http.Response, raw []byte) (certain bool, err error) {
	var said struct {
		ID      uuid.UUID    `json:"id"`
		Amount  money.Amount `json:"amount"`
		Balance money.Amount `json:"balance_after"`
		Code    string       `json:"code"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return false, fmt.Errorf("%d: %.200s", answer.StatusCode, raw)
	}
	switch {
	case answer.StatusCode == http.StatusCreated:
		if said.Amount != o.amount || said.ID == uuid.Nil || said.Balance < 0 {
			l.complain("%s %s of %d: answered %s", o.path(), o.key, o.amount, raw)
		}
		o.entry, o.balance = said.ID, said.Balance
		l.accepted.Add(1)
		if o.of == nil {
			l.mu.Lock()
			l.payments = append(l.payments, o)
			l.mu.Unlock()
		}
		return true, nil
	case refusals[said.Code] && answer.StatusCode == http.StatusConflict:
		o.refused = said.Code
		return true, nil
	case answer.StatusCode == http.StatusServiceUnavailable:
		if answer.Header.Get("Retry-After") == "" {
			l.complain("503 without Retry-After: %s", raw)
		}
		return false, fmt.Errorf("503: %s", said.Code)
	default: // nothing else may come of a sound request, whatever breaks
		l.complain("%s %s: answered %d %.300s", o.path(), o.key, answer.StatusCode, raw)
		return false, fmt.Errorf("%d: %.200s", answer.StatusCode, raw)
	}
}

func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// more waits until a number of further orders were accepted: the world works.
func (l *load) more(n int64) {
	l.world.t.Helper()
	l.await("accepted orders", &l.accepted, n)
}

// await waits until a count has grown by n.
func (l *load) await(what string, count *atomic.Int64, n int64) {
	l.world.t.Helper()
	target := count.Load() + n
	l.world.until(fmt.Sprintf("%d %s", n, what), func() bool { return count.Load() >= target || l.broken() })
}

// broken tells whether something was answered that never may be: there is no
// point in going on.
func (l *load) broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.wrong) > 0
}

// end lets every caller finish what it began.
func (l *load) end() {
	close(l.stop)
	l.done.Wait()
	l.client.CloseIdleConnections()
}
