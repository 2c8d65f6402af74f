package cards

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jangteo/app/clock"
)

// peer is one connection. Its reader starts a decision for each question; a
// writer takes the answers in the order in which they are ready. Whatever it
// does, others have connections, readers and writers of their own.
type peer struct {
	host    *Host
	conn    net.Conn
	in      *bufio.Reader
	body    []byte // of the frame being read
	issuer  string // empty until signed on; changed under the host's lock, by the reader
	slots   chan struct{}
	answers chan outgoing
	work    sync.WaitGroup
	ending  atomic.Bool
}

// outgoing is an answer on its way to the line. Until late is done it may still
// be in time.
type outgoing struct {
	question question
	answer   answer
	late     <-chan struct{}
	written  func() // or given up
}

func (o outgoing) tooLate() bool {
	select {
	case <-o.late:
		return true
	default:
		return false // a nil channel, too
	}
}

func newPeer(h *Host, conn net.Conn) *peer {
	const buffer = 16 << 10
	return &peer{
		host: h, conn: conn, in: bufio.NewReaderSize(conn, buffer), body: make([]byte, h.o.MessageBytes),
		slots: make(chan struct{}, h.o.InFlight), answers: make(chan outgoing, h.o.InFlight),
	}
}

// attend serves the connection until it ends, and tells why it did.
func (p *peer) attend() (why string) {
	defer func() { _ = p.conn.Close() }()
	if line, secured := p.conn.(*tls.Conn); secured {
		ctx, cancel := context.WithTimeout(p.host.work, signOnWithin)
		err := line.HandshakeContext(ctx)
		cancel()
		if err != nil {
			return "tls"
		}
	}
	var writer sync.WaitGroup
	writer.Go(p.write)
	why = p.listen()
	p.work.Wait()
	close(p.answers)
	writer.Wait()
	return why
}

// stop ends reading; what was read is still answered.
func (p *peer) stop() {
	p.ending.Store(true)
	_ = p.conn.SetReadDeadline(clock.System())
}

// within sets the time for reading, unless reading is to end.
func (p *peer) within(d time.Duration) {
	_ = p.conn.SetReadDeadline(clock.System().Add(d))
	if p.ending.Load() {
		_ = p.conn.SetReadDeadline(clock.System())
	}
}

var (
	errTooLong = errors.New("a frame's length is out of bounds")
	errSlow    = errors.New("a frame is not whole in time")
	errIdle    = errors.New("no frame came")
)

// frame reads the next one; the bytes are good until the next call.
func (p *peer) frame() ([]byte, error) {
	const header = 2
	idle := p.host.o.IdleWithin
	if p.issuer == "" {
		idle = signOnWithin
	}
	if p.in.Buffered() == 0 {
		p.within(idle)
	}
	if _, err := p.in.Peek(1); err != nil {
		return nil, timeoutAs(err, errIdle)
	}
	if p.in.Buffered() < header {
		p.within(p.host.o.FrameWithin)
	}
	head, err := p.in.Peek(header)
	if err != nil {
		return nil, timeoutAs(err, errSlow)
	}
	length := int(binary.BigEndian.Uint16(head))
	if length < messageLeast || length > p.host.o.MessageBytes {
		return nil, errTooLong
	}
	_, _ = p.in.Discard(header)
	if p.in.Buffered() < length {
		p.within(p.host.o.FrameWithin)
	}
	body := p.body[:length]
	if _, err := io.ReadFull(p.in, body); err != nil {
		return nil, timeoutAs(err, errSlow)
	}
	return body, nil
}

func timeoutAs(err, as error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return as
	}
	return err
}

// listen reads questions until the connection is to end, and tells why.
func (p *peer) listen() (why string) {
	for bad := 0; bad < badMost; {
		frame, err := p.frame()
		switch {
		case err == nil:
		case p.ending.Load():
			return "shutdown"
		case errors.Is(err, errTooLong):
			return "length"
		case errors.Is(err, errSlow):
			return "slow"
		case errors.Is(err, errIdle):
			return "idle"
		case errors.Is(err, io.ErrUnexpectedEOF):
			return "half-frame"
		case errors.Is(err, io.EOF):
			return "closed"
		default:
			return "broken"
		}
		q, err := readQuestion(frame, p.host.o.Now())
		var format *formatError
		switch {
		case errors.Is(err, errGarbage):
			return "garbage"
		case errors.As(err, &format):
			p.send(outgoing{question: q, answer: answer{code: codeFormat, reason: reasonFormat, field: format.field}})
			bad++
		case q.subject == network:
			if !p.manage(q) {
				return "refused"
			}
			bad = 0
		case p.issuer == "":
			p.send(outgoing{question: q, answer: answer{code: codeSignOn, reason: reasonSignOn}})
			bad++
		case q.issuer != "" && q.issuer != p.issuer:
			p.send(outgoing{question: q, answer: answer{code: codeForbidden, reason: reasonIssuer}})
			bad++
		default:
			q.Issuer = p.issuer
			p.start(q)
			bad = 0
		}
	}
	return "bad"
}

// manage answers sign-on, sign-off and echo; false: the connection is to end.
func (p *peer) manage(q question) bool {
	const signOn, signOff, echo = "001", "002", "301"
	a := answer{code: codeApproved}
	switch {
	case q.network == signOn && !p.host.seat(p, q.issuer):
		a.code = codeForbidden
	case q.network == signOn:
	case p.issuer == "" || q.issuer != p.issuer:
		a.code = codeSignOn
	case q.network == signOff:
		p.host.unseat(p)
	case q.network == echo:
	default:
		a.code = codeFormat
	}
	p.send(outgoing{question: q, answer: a})
	return a.code == codeApproved
}

// certified tells whether the connection's certificate has the name; without TLS
// nobody has one.
func (p *peer) certified(name string) bool {
	line, secured := p.conn.(*tls.Conn)
	if !secured {
		return true
	}
	for _, c := range line.ConnectionState().PeerCertificates {
		return name != "" && slices.Contains(c.DNSNames, name)
	}
	return false
}

// start decides a question, unless too many wait already.
func (p *peer) start(q question) {
	select {
	case p.slots <- struct{}{}:
	default:
		p.send(outgoing{question: q, answer: answer{code: codeUnknown, reason: reasonUnknown}})
		return
	}
	p.work.Go(func() {
		p.decide(q)
		<-p.slots
	})
}

// decide asks the desk and answers, at the latest when time is up. What is then
// still open, or was left open, is taken back by ourselves.
func (p *peer) decide(q question) {
	ctx, cancel := context.WithTimeout(p.host.work, p.host.o.AnswerWithin)
	var answered atomic.Bool
	tooLate := make(chan struct{})
	inTime := context.AfterFunc(ctx, func() {
		defer close(tooLate)
		if answered.CompareAndSwap(false, true) {
			p.takeBack(q)
			p.send(outgoing{question: q, answer: answer{code: codeUnknown, reason: reasonUnknown}})
		}
	})
	a, err := p.ask(ctx, q)
	if !inTime() {
		<-tooLate
	}
	if !answered.CompareAndSwap(false, true) {
		cancel()
		return
	}
	if unsure(err) {
		p.takeBack(q)
	}
	if a.code == codeTrouble {
		p.host.o.Log.Error("card host: a decision failed", "issuer", q.Issuer, "key", q.Key, "error", err)
	}
	p.send(outgoing{question: q, answer: a, late: ctx.Done(), written: cancel})
}

// ask takes the question to the desk.
func (p *peer) ask(ctx context.Context, q question) (answer, error) {
	switch q.subject {
	case reversing:
		d, err := p.host.desk.Reverse(ctx, Reversal{Message: q.Message, Original: q.original, Amount: q.reversed()})
		return done(d, err), err
	case advising:
		d, err := p.host.desk.Advise(ctx, Advice{Message: q.Message, Original: q.original, Amount: q.amount, Voucher: q.voucher, Account: q.account})
		return done(d, err), err
	default:
		d, err := p.host.desk.Authorise(ctx, Request{Message: q.Message, Amount: q.amount, Partial: q.partial})
		return decided(q, d, err), err
	}
}

// takeBack reverses an authorisation of which the issuer hears that it is unknown.
// Reversals and advices are repeated by the issuer instead.
func (p *peer) takeBack(q question) {
	if q.asks() {
		p.host.undo.add(q.Message)
	}
}

// send puts an answer in the writer's queue. It waits for a peer that does not
// take its answers until that one is cut off.
func (p *peer) send(o outgoing) { p.answers <- o }

// write puts answers on the line, several at once where several are ready. After
// a failure it goes on taking answers, so that nobody waits.
func (p *peer) write() {
	out := bufio.NewWriterSize(p.conn, 16<<10)
	broken := false
	for o := range p.answers {
		if broken {
			o.close()
			continue
		}
		err := p.put(out, o)
		o.close()
		if err == nil && len(p.answers) == 0 {
			_ = p.conn.SetWriteDeadline(clock.System().Add(writeWithin))
			err = out.Flush()
		}
		if err != nil {
			broken = true
			_ = p.conn.Close() // the reader ends, too
		}
	}
}

func (o outgoing) close() {
	if o.written != nil {
		o.written()
	}
}

// put writes one answer. An approval that time has run out on is no longer one.
func (p *peer) put(out *bufio.Writer, o outgoing) error {
	if o.question.asks() && o.answer.approves() && o.tooLate() {
		p.takeBack(o.question)
		o.answer = answer{code: codeUnknown, reason: reasonUnknown}
	}
	frame, err := frameOf(o.question, o.answer)
	if err != nil {
		p.host.o.Log.Error("card host: an answer cannot be written", "error", err)
		return err
	}
	p.host.counters.answered(o.question.answers, o.answer.code)
	if out.Available() < len(frame) {
		_ = p.conn.SetWriteDeadline(clock.System().Add(writeWithin))
	}
	_, err = out.Write(frame)
	return err
}
