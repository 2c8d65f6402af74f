package cards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jangteo/app/clock"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/simulate/issuer"
	"jangteo/modules/ledger"
)

// ledgerDesk is the service as the host sees it, with one wallet and the rules
// of messages, so that slowness and failure can be chosen.
type ledgerDesk struct {
	mu       sync.Mutex
	left     money.Amount
	claim    money.Amount
	paid     map[string]money.Amount // by key
	buried   map[string]bool
	calls    map[string]int
	hold     chan struct{} // authorisations wait until it is closed, whatever their context says
	fails    error
	reversed chan string
}

func newLedgerDesk(left money.Amount) *ledgerDesk {
	return &ledgerDesk{left: left, paid: map[string]money.Amount{}, buried: map[string]bool{}, calls: map[string]int{}, reversed: make(chan string, 1000)}
}

func (d *ledgerDesk) Issuer(code string) (Issuer, bool) {
	return Issuer{Code: code}, code == "31" || code == "41" || code == "3A"
}

func (d *ledgerDesk) Authorise(_ context.Context, r Request) (Decision, error) {
	d.mu.Lock()
	hold, fails := d.hold, d.fails
	d.calls[r.Key]++
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	amount, known := d.paid[r.Issuer+r.Key]
	switch {
	case d.buried[r.Issuer+r.Key]:
		return Decision{}, ErrReversed
	case known:
		return Decision{Approved: amount, Number: "ABC123", Left: d.left, Replayed: true}, fails
	case r.Terminal == "STRAY":
		return Decision{}, ErrTerminalUnknown
	case d.left < r.Amount && !r.Partial || d.left == 0:
		return Decision{}, ledger.ErrInsufficientBalance
	}
	amount = min(r.Amount, d.left)
	d.left -= amount
	d.paid[r.Issuer+r.Key] = amount
	return Decision{Approved: amount, Number: "ABC123", Left: d.left}, fails
}

func (d *ledgerDesk) Reverse(_ context.Context, r Reversal) (Decision, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := r.Issuer + r.Original
	amount, known := d.paid[key]
	if r.Amount > 0 {
		amount = r.Amount
	}
	defer func() { d.reversed <- r.Original }()
	if d.buried[key] {
		return Decision{Replayed: true}, nil
	}
	if d.buried[key] = r.Amount == 0; !known {
		return Decision{}, nil
	}
	d.left += amount
	return Decision{Approved: amount}, nil
}

func (d *ledgerDesk) Advise(_ context.Context, a Advice) (Decision, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.paid[a.Issuer+a.Key]; known {
		return Decision{Replayed: true}, nil
	}
	takes := min(a.Voucher, d.left)
	d.left -= takes
	d.claim += a.Voucher - takes
	d.paid[a.Issuer+a.Key] = takes
	return Decision{Approved: takes, Left: d.left}, nil
}

func (d *ledgerDesk) balance() money.Amount {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left
}

func startHost(t *testing.T, d desk, o HostOptions) (h *Host, addr string) {
	t.Helper()
	o.Now, o.Log = clock.System, slog.New(slog.DiscardHandler)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h = newHost(d, o)
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return h, listener.Addr().String()
}

func startIssuers(t *testing.T, o issuer.Options) *issuer.Issuers {
	t.Helper()
	o.Now = clock.System
	if o.Codes == nil {
		o.Codes = []string{"31"}
	}
	if o.TimeOut == 0 {
		o.TimeOut = time.Minute
	}
	if o.Repeat == 0 {
		o.Repeat = 20 * time.Millisecond
	}
	s, err := issuer.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if o.Host == "" {
		return s
	}
	for _, code := range o.Codes {
		i, _ := s.Issuer(code)
		until(t, code+" is signed on", i.Connected)
	}
	return s
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.NewTimer(time.Minute); ; {
		if holds() {
			return
		}
		select {
		case <-deadline.C:
			t.Fatal("never: " + what)
		case <-ticker.C:
		}
	}
}

func ask(t *testing.T, i *issuer.Issuer, question issuer.Text) issuer.Text {
	t.Helper()
	answer, err := i.Ask(t.Context(), question)
	if err != nil {
		t.Fatalf("%s was not answered: %v", question.MTI, err)
	}
	return answer
}

// says shows an answer's MTI, code, amount and private data.
func says(a issuer.Text) string {
	p := a.Private
	if p == nil {
		p = &issuer.Private{}
	}
	return strings.Join(strings.Fields(fmt.Sprintln(a.MTI, a.Response, strings.TrimLeft(a.Amount, "0"), p.Account, p.FromBank, p.Voucher, p.Reason, p.Field)), " ") + replay(p)
}

func replay(p *issuer.Private) string {
	if p.Replayed == "1" {
		return " again"
	}
	return ""
}

func expect(t *testing.T, a issuer.Text, want string) {
	t.Helper()
	if got := says(a); got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
}

func swipe(amount int64) issuer.Swipe {
	return issuer.Swipe{Token: "tk31-5f0c2a9e7d41", Merchant: "7700112233", Terminal: "T0000001", Amount: amount}
}

func TestEveryKindOfMessage(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	_, addr := startHost(t, d, HostOptions{})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")

	paid := bc.Text("0100", swipe(3000))
	expect(t, ask(t, bc, paid), "0110 00 3000 N 3000")
	expect(t, ask(t, bc, paid.Repeated()), "0110 00 3000 N 3000 again")
	expect(t, ask(t, bc, bc.Text("0200", swipe(1000))), "0210 00 1000 N 1000")
	expect(t, ask(t, bc, bc.Text("0100", swipe(7000))), "0110 51 7000 N insufficient-balance")
	some := swipe(7000)
	some.Partial = true
	part := bc.Text("0100", some)
	expect(t, ask(t, bc, part), "0110 10 6000 N 6000")
	stray := swipe(100)
	stray.Terminal = "STRAY"
	expect(t, ask(t, bc, bc.Text("0100", stray)), "0110 03 100 N terminal-unknown")

	back := bc.Text("0400", swipe(3000)).Answering(paid)
	expect(t, ask(t, bc, back), "0410 00 3000")
	expect(t, ask(t, bc, back.Repeated()), "0410 00 3000 again")
	part.Amount = fmt.Sprintf("%012d", 6000)
	less := bc.Text("0420", swipe(6000)).Answering(part)
	less.Replacement = fmt.Sprintf("%012d", 5000) + strings.Repeat("0", 30)
	expect(t, ask(t, bc, less), "0430 00 6000")
	if got := d.balance(); got != 4000 {
		t.Errorf("the wallet has %d, want 4000", got)
	}

	late := bc.Text("0100", swipe(500))
	expect(t, ask(t, bc, bc.Text("0420", swipe(500)).Answering(late)), "0430 00 500")
	expect(t, ask(t, bc, late), "0110 79 500 N card-message-reversed")

	advice := bc.Text("0120", swipe(9000))
	advice.Private.FromBank, advice.Private.Voucher = "1000", "8000"
	expect(t, ask(t, bc, advice), "0130 00 9000 4000")
	expect(t, ask(t, bc, advice.Repeated()), "0130 00 9000 0 again")
	if d.claim != 4000 || d.balance() != 0 {
		t.Errorf("claim %d and wallet %d, want 4000 and 0", d.claim, d.balance())
	}
}

func TestOtherIssuersKeysAreTheirOwn(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	_, addr := startHost(t, d, HostOptions{})
	all := startIssuers(t, issuer.Options{Host: addr, Codes: []string{"31", "41", "3A"}, Lines: 2})
	bc, _ := all.Issuer("31")
	shinhan, _ := all.Issuer("41")
	text := bc.Text("0100", swipe(1000))
	expect(t, ask(t, bc, text), "0110 00 1000 N 1000")
	expect(t, ask(t, shinhan, text), "0110 00 1000 N 1000")
	text.Issuer = "31"
	expect(t, ask(t, shinhan, text), "0110 58 1000 N not-permitted")
	if got := d.balance(); got != 8000 {
		t.Errorf("the wallet has %d, want 8000", got)
	}
}

// What is in the wrong format is said to be, field by field, and asks nobody.
func TestWrongFormats(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	_, addr := startHost(t, d, HostOptions{})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
	for name, c := range map[string]struct {
		spoil func(q *issuer.Text)
		want  string
	}{
		"no amount":               {func(q *issuer.Text) { q.Amount = "" }, "0110 30 N malformed-request 4"},
		"nothing to pay":          {func(q *issuer.Text) { q.Amount = "000000000000" }, "0110 30 N malformed-request 4"},
		"letters in the amount":   {func(q *issuer.Text) { q.Amount = "0000000000ab" }, "0110 30 ab N malformed-request 4"},
		"no token":                {func(q *issuer.Text) { q.Private = &issuer.Private{Partial: "1"} }, "0110 30 1000 N malformed-request 48.01"},
		"a card's number":         {func(q *issuer.Text) { q.Private.Token = "4111111111111111" }, "0110 30 1000 N malformed-request 48.01"},
		"no private data":         {func(q *issuer.Text) { q.Private = nil }, "0110 30 1000 N malformed-request 48"},
		"a day that is not":       {func(q *issuer.Text) { q.SwipedDay = "1340" }, "0110 30 1000 N malformed-request 12"},
		"no terminal":             {func(q *issuer.Text) { q.Terminal = "        " }, "0110 30 1000 N malformed-request 41"},
		"a field of other types":  {func(q *issuer.Text) { q.Network = "001" }, "0110 30 1000 N malformed-request 70"},
		"a type that is not":      {func(q *issuer.Text) { q.MTI = "0500" }, "0510 30 1000 N malformed-request 0"},
		"a reversal of nothing":   {func(q *issuer.Text) { q.MTI = "0400" }, "0410 30 1000 malformed-request 90"},
		"an advice without parts": {func(q *issuer.Text) { q.MTI = "0120" }, "0130 30 1000 malformed-request 48.04"},
		"dollars":                 {func(q *issuer.Text) { q.Currency = "840" }, "0110 30 1000 N malformed-request 49"},
		"a refund":                {func(q *issuer.Text) { q.Processing = "200000" }, "0110 30 1000 N malformed-request 3"},
	} {
		t.Run(name, func(t *testing.T) {
			q := bc.Text("0100", swipe(1000))
			c.spoil(&q)
			expect(t, ask(t, bc, q), c.want)
		})
	}
	if len(d.calls) != 0 {
		t.Errorf("the desk was asked %d times", len(d.calls))
	}
}

// A slow decision holds nobody up; in time it is said that nobody knows, and
// what is booked later is taken back.
func TestSlowDecisions(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	d.hold = make(chan struct{})
	h, addr := startHost(t, d, HostOptions{AnswerWithin: 30 * time.Millisecond})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
	expect(t, ask(t, bc, bc.Text("0100", swipe(3000))), "0110 91 3000 N temporarily-unavailable")
	expect(t, ask(t, bc, bc.Text("0420", swipe(1)).Answering(bc.Text("0100", swipe(1)))), "0430 00 1")
	first := <-d.reversed
	second := <-d.reversed
	if first == second {
		t.Error("the late authorisation was not taken back")
	}
	close(d.hold)
	until(t, "all is over", func() bool { return h.counters.late.Load() == 1 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left != 10_000 || len(d.paid) != 0 {
		t.Errorf("the wallet has %d and %d payments", d.left, len(d.paid))
	}
}

// A desk that books and then fails is not believed: the issuer hears no, and the
// booking is taken back.
func TestFailedDecisions(t *testing.T) {
	t.Parallel()
	for fails, want := range map[error]string{
		errors.New("a bug"):  "0110 96 3000 N internal",
		fault.ErrUnavailable: "0110 91 3000 N temporarily-unavailable",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			d := newLedgerDesk(10_000)
			d.fails = fails
			h, addr := startHost(t, d, HostOptions{})
			bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
			expect(t, ask(t, bc, bc.Text("0100", swipe(3000))), want)
			until(t, "it is taken back", func() bool { return h.counters.late.Load() == 1 })
			if got := d.balance(); got != 10_000 {
				t.Errorf("the wallet has %d", got)
			}
		})
	}
}

// More questions than may wait are answered at once.
func TestTooManyQuestions(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	d.hold = make(chan struct{})
	_, addr := startHost(t, d, HostOptions{InFlight: 2, AnswerWithin: time.Minute})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
	answers := make(chan issuer.Text, 5)
	for range 5 {
		go func() {
			a, err := bc.Ask(t.Context(), bc.Text("0100", swipe(1000)))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	for range 3 {
		expect(t, <-answers, "0110 91 1000 N temporarily-unavailable")
	}
	close(d.hold)
	for range 2 {
		expect(t, <-answers, "0110 00 1000 N 1000")
	}
	if got := d.balance(); got != 8000 {
		t.Errorf("the wallet has %d, want 8000", got)
	}
}

// A host that stops answers what it has read; the next one goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	d.hold = make(chan struct{})
	h, addr := startHost(t, d, HostOptions{AnswerWithin: time.Minute})
	all := startIssuers(t, issuer.Options{Host: addr})
	bc, _ := all.Issuer("31")
	paid := bc.Text("0100", swipe(3000))
	answered := make(chan issuer.Text, 1)
	go func() {
		a, err := bc.Ask(context.Background(), paid)
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	until(t, "the question is with the desk", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.calls) == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- h.Shutdown(context.Background()) }()
	until(t, "it takes nobody in", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.stopping })
	close(d.hold)
	expect(t, <-answered, "0110 00 3000 N 3000")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	until(t, "the line is down", func() bool { return !bc.Connected() })

	bc.Decide(issuer.TakeVoucher)
	p, err := bc.Swipe(t.Context(), swipe(8000))
	if err != nil || p.Kind != issuer.StoodIn || p.Voucher != 8000 || bc.Pending() != 1 {
		t.Errorf("in stand-in: %+v, %d to tell, %v", p, bc.Pending(), err)
	}
	d.mu.Lock()
	d.hold = nil
	d.mu.Unlock()
	_, again := startHost(t, d, HostOptions{})
	bc.Connect(again)
	until(t, "the advice is taken", func() bool { return bc.Pending() == 0 })
	if d.balance() != 0 || d.claim != 1000 {
		t.Errorf("wallet %d and claim %d, want 0 and 1000", d.balance(), d.claim)
	}
	until(t, "it is signed on", bc.Connected)
	expect(t, ask(t, bc, paid.Repeated()), "0110 00 3000 N 3000 again")
	if _, err := bc.TakeBack(t.Context(), p.Retrieval, 0); err != nil {
		t.Error(err)
	}
}

// An issuer that hears nothing declines, and takes back until somebody answers.
func TestAnIssuerThatHearsNothing(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	d.hold = make(chan struct{})
	_, addr := startHost(t, d, HostOptions{AnswerWithin: time.Minute})
	bc, _ := startIssuers(t, issuer.Options{Host: addr, TimeOut: 200 * time.Millisecond}).Issuer("31")
	p, err := bc.Swipe(t.Context(), swipe(3000))
	if err != nil || p.State != issuer.Declined || p.Code != "68" {
		t.Errorf("%+v, %v", p, err)
	}
	until(t, "the reversal is taken", func() bool { return bc.Pending() == 0 })
	close(d.hold)
	until(t, "the authorisation is refused", func() bool { return d.balance() == 10_000 && len(d.reversed) > 0 })
}

// dialRaw is a peer that does not play by the rules.
func dialRaw(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, bytes ...byte) {
	t.Helper()
	if _, err := conn.Write(bytes); err != nil {
		t.Fatal(err)
	}
}

func frame(t *testing.T, q issuer.Text) []byte {
	t.Helper()
	f, err := q.Frame()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func signOn(t *testing.T, conn net.Conn, code string) {
	t.Helper()
	send(t, conn, frame(t, issuer.Text{MTI: "0800", Transmitted: "1122030405", Trace: "000001", Issuer: code, Network: "001"})...)
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, conn, int64(head[0])<<8+int64(head[1])); err != nil {
		t.Fatal(err)
	}
}

// Whoever is slow, hostile or broken is cut off, and nobody else notices.
func TestHostilePeers(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(1_000_000)
	h, addr := startHost(t, d, HostOptions{FrameWithin: 50 * time.Millisecond, IdleWithin: 20 * time.Second, MessageBytes: 512})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
	good := frame(t, bc.Text("0100", swipe(1000)))
	cuts := func(why string) int64 {
		h.counters.mu.Lock()
		defer h.counters.mu.Unlock()
		return h.counters.cuts[why]
	}
	for _, c := range []struct {
		why string
		do  func(conn net.Conn)
	}{
		{"length", func(conn net.Conn) { send(t, conn, 0xff, 0xff, 'x') }},
		{"length", func(conn net.Conn) { send(t, conn, 0, 0) }},
		{"length", func(conn net.Conn) { signOn(t, conn, "41"); send(t, conn, 0x02, 0x01) }},
		{"garbage", func(conn net.Conn) { send(t, conn, append([]byte{0, 26}, "GET / HTTP/1.1\r\nHost: you\r\n"...)...) }},
		{"slow", func(conn net.Conn) { send(t, conn, good[:1]...) }},
		{"slow", func(conn net.Conn) { send(t, conn, good[:30]...) }},
		{"half-frame", func(conn net.Conn) { send(t, conn, good[:30]...); _ = conn.Close() }},
		{"closed", func(conn net.Conn) { signOn(t, conn, "41"); _ = conn.Close() }},
		{"refused", func(conn net.Conn) { signOn(t, conn, "99") }},
		{"bad", func(conn net.Conn) {
			for range badMost {
				send(t, conn, good...) // without signing on
			}
		}},
	} {
		before := cuts(c.why)
		c.do(dialRaw(t, addr))
		until(t, "cut off as "+c.why, func() bool { return cuts(c.why) == before+1 })
		expect(t, ask(t, bc, bc.Text("0100", swipe(1000))), "0110 00 1000 N 1000")
	}
	if d.balance() != 1_000_000-10*1000 {
		t.Errorf("hostile peers moved money: %d is left", d.balance())
	}
}

// Frames come in any pieces.
func TestFramesInPieces(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	_, addr := startHost(t, d, HostOptions{})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
	conn := dialRaw(t, addr)
	signOn(t, conn, "41")
	var stream []byte
	for range 5 {
		stream = append(stream, frame(t, bc.Text("0100", swipe(1000)))...)
	}
	for _, b := range stream {
		send(t, conn, b)
	}
	until(t, "all are paid", func() bool { return d.balance() == 5000 })
}

// Somebody who asks and never reads is cut off.
func TestWhoNeverReads(t *testing.T) {
	t.Parallel()
	d := newLedgerDesk(10_000)
	h, addr := startHost(t, d, HostOptions{})
	bc, _ := startIssuers(t, issuer.Options{Host: addr}).Issuer("31")
	conn := dialRaw(t, addr)
	_ = conn.(*net.TCPConn).SetReadBuffer(1 << 10)
	signOn(t, conn, "41")
	echo := frame(t, issuer.Text{MTI: "0800", Transmitted: "1122030405", Trace: "000002", Issuer: "41", Network: "301"})
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			if _, err := conn.Write(echo); err != nil {
				return
			}
		}
	}()
	until(t, "it is cut off", func() bool {
		select {
		case <-cut:
			return true
		default:
			expect(t, ask(t, bc, bc.Text("0100", swipe(1))), "0110 00 1 N 1")
			return d.balance() < 10
		}
	})
	<-cut
	if n := h.counters.connections.Load(); n > 2 {
		t.Errorf("%d connections", n)
	}
}

func TestConnectionsOfAnIssuerAreBounded(t *testing.T) {
	t.Parallel()
	h, addr := startHost(t, newLedgerDesk(0), HostOptions{Connections: 2})
	startIssuers(t, issuer.Options{Host: addr, Lines: 2})
	third := dialRaw(t, addr)
	signOn(t, third, "31")
	until(t, "the third is refused", func() bool {
		h.counters.mu.Lock()
		defer h.counters.mu.Unlock()
		return h.counters.cuts["refused"] >= 1
	})
	signOn(t, dialRaw(t, addr), "41")
}

func TestKeysOfMessages(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 5, 0, time.UTC)
	for text, want := range map[string]string{"1231235958": "2026", "0101000001": "2027", "0630000000": "2027", "0710000000": "2026", "0229000000": ""} {
		at, ok := nearest(text, now, time.UTC)
		if got := strconv.Itoa(at.Year()); ok != (want != "") || ok && got != want {
			t.Errorf("%s is read as %s, want %s", text, at, want)
		}
	}
}
