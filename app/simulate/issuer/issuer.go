// Package issuer plays card issuers: it speaks ISO 8583 with the card host as
// docs/card-host.md says, decides by itself when it must, makes clearing files,
// and has a back office. It shares no code with the host but the library.
//
// It is what tests, the demonstration and `jangteo simulate issuer` use, and can
// be told to misbehave.
package issuer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say which issuers are played, and how patient they are.
type Options struct {
	DSN   string   // a PostgreSQL database that keeps what happened; empty: memory alone
	Host  string   // host:port of the card host; may be set later by Connect
	Codes []string // of the issuers
	TLS   func(code string) *tls.Config
	Now   func() time.Time

	Lines   int           // connections of each issuer; 1
	TimeOut time.Duration // for an answer; 3 s
	Repeat  time.Duration // before the first repeat, doubled each time up to 5 minutes; 3 s
	Echo    time.Duration // between echoes; 30 s
}

// StandIn is what an issuer does while the host does not answer.
type StandIn string

// What an issuer may do without the host.
const (
	Decline     StandIn = "decline"
	TakeVoucher StandIn = "voucher" // on trust
	TakeAccount StandIn = "account" // what went wrong elsewhere
)

// Issuers are the issuers that are played.
type Issuers struct {
	o       Options
	records *records
	codes   []string
	byCode  map[string]*Issuer
	work    sync.WaitGroup
	ctx     context.Context
	halt    context.CancelFunc
	offices sync.Mutex // one reversal at a time
	mu      sync.Mutex
	host    string
}

// Issuer is one of them.
type Issuer struct {
	Code string

	all      *Issuers
	trace    atomic.Uint32
	mu       sync.Mutex
	addr     string
	lines    []*line
	next     int
	standIn  StandIn
	office   Office    // of the next reversal
	mistakes []Mistake // of the next clearing file
	asleep   bool      // it asks nobody and takes bank accounts
	pending  map[matches]*repeated
	wake     chan struct{}
}

// New starts the issuers; they connect once they know the host's address.
func New(ctx context.Context, o Options) (*Issuers, error) {
	if o.Lines == 0 {
		o.Lines = 1
	}
	for d, preset := range map[*time.Duration]time.Duration{&o.TimeOut: 3 * time.Second, &o.Repeat: 3 * time.Second, &o.Echo: 30 * time.Second} {
		if *d == 0 {
			*d = preset
		}
	}
	s := &Issuers{o: o, host: o.Host, codes: o.Codes, byCode: map[string]*Issuer{}}
	var err error
	if s.records, err = openRecords(ctx, o.DSN); err != nil {
		return nil, err
	}
	s.ctx, s.halt = context.WithCancel(context.Background())
	first, err := rand.Int(rand.Reader, big.NewInt(tracesMost))
	if err != nil {
		return nil, err
	}
	for _, code := range o.Codes {
		i := &Issuer{Code: code, all: s, addr: o.Host, standIn: Decline, pending: map[matches]*repeated{}, wake: make(chan struct{}, 1), lines: make([]*line, o.Lines)}
		i.trace.Store(uint32(first.Uint64()))
		s.byCode[code] = i
		for _, text := range s.records.unanswered(code) {
			i.pending[text.matches()] = &repeated{text: text}
		}
		for n := range o.Lines {
			s.work.Go(func() { i.keepLine(n) })
		}
		s.work.Go(i.repeat)
	}
	return s, nil
}

// Close ends all lines. What is not answered stays to be repeated.
func (s *Issuers) Close() {
	s.halt()
	s.work.Wait()
	s.records.close()
}

// Issuer finds one by its code.
func (s *Issuers) Issuer(code string) (*Issuer, bool) {
	i, ok := s.byCode[code]
	return i, ok
}

// Connect tells all issuers where the host is.
func (s *Issuers) Connect(addr string) {
	s.mu.Lock()
	s.host = addr
	s.mu.Unlock()
	for _, code := range s.codes {
		s.byCode[code].Connect(addr)
	}
}

// Behave tells all issuers whether they ask anybody, whether their lines are
// cut, and what they do then.
func (s *Issuers) Behave(asleep, cut bool, by StandIn) {
	s.mu.Lock()
	addr := s.host
	s.mu.Unlock()
	if cut {
		addr = ""
	}
	for _, code := range s.codes {
		i := s.byCode[code]
		i.Sleep(asleep)
		i.Decide(by)
		i.mu.Lock()
		same := i.addr == addr
		i.mu.Unlock()
		if !same {
			i.Connect(addr)
		}
	}
}

// Connect tells the issuer where the host is; empty cuts its lines.
func (i *Issuer) Connect(addr string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.addr = addr
	for _, l := range i.lines {
		if l != nil {
			l.close()
		}
	}
	i.nudge()
}

func (i *Issuer) nudge() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// Decide says what the issuer does while the host does not answer.
func (i *Issuer) Decide(by StandIn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.standIn = by
}

// Sleep lets the issuer ask nobody and take bank accounts, as if the shop were
// not known to take vouchers; or ends that.
func (i *Issuer) Sleep(asleep bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asleep = asleep
}

// keepLine has one connection signed on, echoes on it, and makes it anew when it
// breaks.
func (i *Issuer) keepLine(n int) {
	const firstWait, waitMost = 50 * time.Millisecond, 5 * time.Second
	wait := firstWait
	for i.all.ctx.Err() == nil {
		l, err := i.connect()
		if err != nil {
			if !pause(i.all.ctx, wait) {
				return
			}
			wait = min(2*wait, waitMost)
			continue
		}
		wait = firstWait
		i.mu.Lock()
		i.lines[n] = l
		i.mu.Unlock()
		i.nudge()
		i.holdLine(l)
		i.mu.Lock()
		i.lines[n] = nil
		i.mu.Unlock()
	}
}

func (i *Issuer) connect() (*line, error) {
	i.mu.Lock()
	addr := i.addr
	i.mu.Unlock()
	if addr == "" {
		return nil, errNoLine
	}
	ctx, cancel := context.WithTimeout(i.all.ctx, i.all.o.TimeOut)
	defer cancel()
	var secure *tls.Config
	if i.all.o.TLS != nil {
		secure = i.all.o.TLS(i.Code)
	}
	l, err := dial(ctx, addr, secure)
	if err != nil {
		return nil, err
	}
	if err := l.manage(ctx, i.Code, "001", i.stamp()); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (i *Issuer) holdLine(l *line) {
	echo := time.NewTicker(i.all.o.Echo)
	defer echo.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-i.all.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(i.all.ctx), time.Second)
			_ = l.manage(ctx, i.Code, "002", i.stamp())
			cancel()
			l.close()
			<-l.done
			return
		case <-echo.C:
			ctx, cancel := context.WithTimeout(i.all.ctx, i.all.o.TimeOut)
			err := l.manage(ctx, i.Code, "301", i.stamp())
			cancel()
			if err != nil {
				l.close()
			}
		}
	}
}

// line chooses a connection, each in turn.
func (i *Issuer) line() *line {
	i.mu.Lock()
	defer i.mu.Unlock()
	for range i.lines {
		i.next++
		if l := i.lines[i.next%len(i.lines)]; l != nil {
			return l
		}
	}
	return nil
}

// Connected tells whether the issuer has a line that is signed on.
func (i *Issuer) Connected() bool { return i.line() != nil }

// Ask sends any message on a line of the issuer's and waits for its answer. The
// error tells that there was none.
func (i *Issuer) Ask(ctx context.Context, question Text) (Text, error) {
	l := i.line()
	if l == nil {
		return Text{}, errNoLine
	}
	ctx, cancel := context.WithTimeout(ctx, i.all.o.TimeOut)
	defer cancel()
	return l.ask(ctx, question)
}

// stamp is what makes a message one of its kind.
type stamp struct {
	at     time.Time
	number uint32
}

const tracesMost = 1_000_000

func (s stamp) transmitted() string { return s.at.UTC().Format("0102150405") }
func (s stamp) trace() string       { return fmt.Sprintf("%06d", s.number%tracesMost) }

func (i *Issuer) stamp() stamp { return stamp{i.all.o.Now(), i.trace.Add(1)} }

// retrieval makes a reference number of twelve that never comes again: the
// moment in eight digits of base 36, and the trace number in four.
func (s stamp) retrieval() string {
	const base, moment, serials = 36, 8, 36 * 36 * 36 * 36
	text := fmt.Sprintf("%08s%04s", strconv.FormatInt(s.at.UnixMilli(), base), strconv.FormatInt(int64(s.number%serials), base))
	return strings.ToUpper(strings.ReplaceAll(text, " ", "0"))[:moment+4]
}

var seoul = time.FixedZone("KST", 9*60*60)

// Swipe is a card at a terminal.
type Swipe struct {
	Token    string `json:"token"`
	Merchant string `json:"merchant"` // the shop's number with the issuer
	Terminal string `json:"terminal"`
	Amount   int64  `json:"amount"`  // won
	Partial  bool   `json:"partial"` // the terminal can take a part
}

// Text is the message that asks for the swipe; each call makes a new one.
func (i *Issuer) Text(mti string, w Swipe) Text { return i.text(mti, w, i.stamp()) }

func (i *Issuer) text(mti string, w Swipe, s stamp) Text {
	local := s.at.In(seoul)
	t := Text{
		MTI: mti, Processing: "000000", Amount: amount(w.Amount), Transmitted: s.transmitted(), Trace: s.trace(),
		SwipedTime: local.Format("150405"), SwipedDay: local.Format("0102"), Retrieval: s.retrieval(),
		Terminal: fmt.Sprintf("%-8s", w.Terminal), Merchant: fmt.Sprintf("%-15s", w.Merchant), Currency: "410",
		Private: &Private{Token: w.Token},
	}
	if w.Partial {
		t.Private.Partial = "1"
	}
	return t
}

// Answering makes t name the message that it reverses or tells of.
func (t Text) Answering(original Text) Text {
	t.Original = original.MTI[:3] + "0" + original.Trace + original.Transmitted + strings.Repeat("0", 22)
	t.Retrieval, t.Terminal, t.Merchant, t.Amount, t.SwipedDay, t.SwipedTime = original.Retrieval, original.Terminal, original.Merchant, original.Amount,
		original.SwipedDay, original.SwipedTime
	return t
}

// Repeated is the same message with the MTI of a repeat.
func (t Text) Repeated() Text {
	t.MTI = t.MTI[:3] + "1"
	return t
}

// ErrIssuer tells that there is no such issuer.
var ErrIssuer = errors.New("no such issuer")

// Swipe decides a swipe as this issuer does: by asking the host, and by itself
// where it must. What came of it is in the purchase.
func (i *Issuer) Swipe(ctx context.Context, w Swipe) (Purchase, error) {
	s := i.stamp()
	question := i.text("0100", w, s)
	p := Purchase{
		Issuer: i.Code, Retrieval: question.Retrieval, Trace: question.Trace, Transmitted: s.at.UTC(), Swiped: s.at.UTC(),
		Token: w.Token, Merchant: w.Merchant, Terminal: w.Terminal, Amount: w.Amount, Kind: Online, State: Declined,
	}
	i.mu.Lock()
	asleep, standIn := i.asleep, i.standIn
	i.mu.Unlock()
	if asleep {
		p.Kind, p.State, p.Account = BankAlone, Approved, w.Amount
		return p, i.all.records.keepPurchase(ctx, p)
	}
	began := i.all.o.Now()
	answer, err := i.Ask(ctx, question)
	p.TookMs = i.all.o.Now().Sub(began).Milliseconds()
	if err == nil {
		i.heed(&p, question, answer)
	} else {
		p.Code, p.Reason = "68", "no answer"
	}
	if p.unknown() {
		i.decideAlone(&p, question, standIn, !errors.Is(err, errNoLine))
	}
	return p, i.all.records.keepPurchase(ctx, p)
}

// heed does what the host answered. Tag 03 rules over the bank account.
func (i *Issuer) heed(p *Purchase, _ Text, a Text) {
	p.Code, p.Number = a.Response, a.Number
	mine := a.Private
	if mine == nil {
		mine = &Private{}
	}
	p.Reason, p.Left = mine.Reason, number(mine.Left)
	if a.Response != "00" && a.Response != "10" {
		return
	}
	p.State, p.Voucher = Approved, number(mine.Voucher)
	if mine.Account == "Y" {
		p.Account = number(mine.FromBank)
	}
}

// decideAlone is stand-in: the shop hears of it now, the host later. sent says
// that the question may have reached the host.
func (i *Issuer) decideAlone(p *Purchase, question Text, by StandIn, sent bool) {
	swipe := Swipe{p.Token, p.Merchant, p.Terminal, p.Amount, false}
	switch by {
	case TakeVoucher:
		p.Voucher = p.Amount
	case TakeAccount:
		p.Account = p.Amount
	case Decline:
		if sent {
			i.tell(i.text("0420", swipe, i.stamp()).Answering(question))
		}
		return
	}
	again := i.stamp()
	p.Kind, p.State = StoodIn, Approved
	advice := i.text("0120", swipe, again).Answering(question)
	if !sent {
		advice.Original = ""
	}
	p.Trace, p.Transmitted = advice.Trace, again.at.UTC()
	advice.Private.FromBank, advice.Private.Voucher = strconv.FormatInt(p.Account, 10), strconv.FormatInt(p.Voucher, 10)
	i.tell(advice)
}

// TakeBack reverses a purchase at the shop's wish: all of it, or down to what
// stays, of the voucher's part.
func (i *Issuer) TakeBack(ctx context.Context, retrieval string, stays int64) (Purchase, error) {
	p, ok := i.all.records.purchase(i.Code, retrieval)
	has := p.Voucher - p.VoucherBack
	if !ok || p.State != Approved || stays < 0 || stays > 0 && stays >= has {
		return p, errors.New("there is nothing to take back")
	}
	if has > 0 {
		reversal := i.text("0400", Swipe{Token: p.Token, Amount: has}, i.stamp()).Answering(i.original(p, has))
		if stays > 0 {
			reversal.Replacement = amount(stays) + strings.Repeat("0", 30)
		}
		answer, err := i.Ask(ctx, reversal)
		switch {
		case err != nil || unsure(answer):
			i.tell(reversal)
		case answer.Response != "00":
			return p, fmt.Errorf("the host answered %s", answer.Response)
		}
	}
	p.VoucherBack, p.BackAt = p.Voucher-stays, i.all.o.Now()
	if stays == 0 {
		p.AccountBack, p.State = p.Account, Reversed
	}
	return p, i.all.records.keepPurchase(ctx, p)
}

// original is the message that made a purchase.
func (i *Issuer) original(p Purchase, won int64) Text {
	s := stamp{at: p.Transmitted}
	trace, _ := strconv.ParseUint(p.Trace, 10, 32)
	s.number = uint32(trace)
	mti := "0100"
	if p.Kind == StoodIn {
		mti = "0120"
	}
	t := i.text(mti, Swipe{p.Token, p.Merchant, p.Terminal, won, false}, s)
	t.Retrieval = p.Retrieval
	return t
}

// unsure tells that a question must be asked again, or reversed.
func unsure(answer Text) bool { return answer.Response == "91" || answer.Response == "96" }

// repeated is a message that is sent until it is answered.
type repeated struct {
	text  Text
	tries int
	due   time.Time
}

// Tell sends a message until the host has answered it.
func (i *Issuer) Tell(t Text) { i.tell(t) }

func (i *Issuer) tell(t Text) {
	i.all.records.keepUnanswered(i.Code, t)
	i.mu.Lock()
	i.pending[t.matches()] = &repeated{text: t}
	i.mu.Unlock()
	i.nudge()
}

// Pending is how many messages are not answered yet.
func (i *Issuer) Pending() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.pending)
}

// repeat sends what is due, and sleeps until something is.
func (i *Issuer) repeat() {
	const waitMost, idle = 5 * time.Minute, time.Second
	for pauseOr(i.all.ctx, min(idle, i.all.o.Repeat), i.wake) {
		now := i.all.o.Now()
		i.mu.Lock()
		var due []*repeated
		for _, r := range i.pending {
			if !r.due.After(now) {
				due = append(due, r)
			}
		}
		i.mu.Unlock()
		if i.line() == nil {
			continue
		}
		var together sync.WaitGroup
		room := make(chan struct{}, 32)
		for _, r := range due {
			room <- struct{}{}
			together.Go(func() {
				defer func() { <-room }()
				t := r.text
				if r.tries > 0 {
					t = t.Repeated()
				}
				answer, err := i.Ask(i.all.ctx, t)
				i.mu.Lock()
				defer i.mu.Unlock()
				r.tries++
				r.due = now.Add(min(i.all.o.Repeat<<min(r.tries-1, 10), waitMost))
				if err == nil && !unsure(answer) {
					delete(i.pending, r.text.matches())
					i.all.records.answered(i.Code, r.text, answer)
				}
			})
		}
		together.Wait()
	}
}

func pause(ctx context.Context, d time.Duration) bool { return pauseOr(ctx, d, nil) }

// pauseOr waits, or less when woken; false when ctx has ended.
func pauseOr(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}
