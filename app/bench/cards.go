package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"jangteo/app/tenant"
)

const (
	cardIssuer  = "31"
	cardLines   = 4
	tracesMost  = 1_000_000
	cardsBehind = 20_000 // unanswered at a fixed rate: the host cannot keep up
)

func cardToken(n int) string                       { return fmt.Sprintf("bench-%010d", n) }
func merchantNumber(id tenant.ID, shop int) string { return fmt.Sprintf("%05d%03d", int(id), shop) }
func terminalOf(shop int) string                   { return fmt.Sprintf("T%07d", shop) }

// DriveCards asks for authorisations over four connections of one issuer, as
// docs/card-host.md says: as many at a time as there are callers, or so many a
// second. A wait counts from when the question was due.
func (w *World) DriveCards(ctx context.Context, addr string, usage func() CPU, scenario Scenario, load Load) (Result, error) {
	length := load.Length
	warm := warming(length)
	begin := time.Now().Add(warm)
	end := begin.Add(length)
	var before CPU
	warmed := time.AfterFunc(warm, func() { before = usage() })
	defer warmed.Stop()
	var together sync.WaitGroup
	lines := make([]*cardLine, cardLines)
	for n := range lines {
		l, err := w.cardLine(ctx, addr, n)
		if err != nil {
			return Result{}, err
		}
		l.begin, l.end = begin, end
		lines[n] = l
		together.Go(l.listen)
		if load.Rate > 0 {
			together.Go(func() { l.askAtRate(ctx, max(load.Rate/cardLines, 1)) })
			continue
		}
		together.Go(func() { l.askInTurn(ctx, max(load.Callers/cardLines, 1)) })
	}
	together.Wait()
	cpu := usage().minus(before)
	r := Result{Scenario: scenario, Callers: load.Callers, Seconds: length.Seconds()}
	var took []time.Duration
	for _, l := range lines {
		took = append(took, l.took...)
		r.Errors += l.failed
		if l.first != nil && r.FirstError == "" {
			r.FirstError = l.first.Error()
		}
	}
	if len(took) == 0 {
		return r, errors.New("nothing was answered: " + r.FirstError)
	}
	r.Requests, r.Rate = len(took), float64(len(took))/length.Seconds()
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(len(took)) }
	r.ServerCPU, r.PostgresCPU, r.GeneratorCPU = each(cpu.Server), each(cpu.Postgres), each(cpu.Generator)
	slices.Sort(took)
	r.P50Ms, r.P99Ms = ms(took[len(took)/2]), ms(took[len(took)*99/100])
	return r, ctx.Err()
}

// cardLine is one connection, signed on. Frames are written by hand: the
// generator's work is taken from what it measures.
type cardLine struct {
	world      *World
	number     int
	conn       net.Conn
	out        *bufio.Writer
	in         *bufio.Reader
	begin, end time.Time

	mu       sync.Mutex
	due      map[int]time.Time // by trace number
	answered chan struct{}
	asked    int
	open     atomic.Int64
	ended    atomic.Bool

	took   []time.Duration
	failed int
	first  error
}

func (w *World) cardLine(ctx context.Context, addr string, number int) (*cardLine, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &cardLine{
		world: w, number: number, conn: conn, out: bufio.NewWriterSize(conn, 32<<10), in: bufio.NewReaderSize(conn, 32<<10),
		due: map[int]time.Time{}, answered: make(chan struct{}, callersMost),
	}
	signOn := "0800\x82\x20\x00\x00\x80\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00" + w.now().UTC().Format("0102150405") + fmt.Sprintf("%06d", number) + "02" + cardIssuer + "001"
	if err := l.write(signOn); err != nil {
		return nil, err
	}
	if err := l.out.Flush(); err != nil {
		return nil, err
	}
	const codeFrom = 4 + 16 + 10 + 6
	body, err := l.read()
	if err == nil && (len(body) < codeFrom+2 || string(body[codeFrom:codeFrom+2]) != "00") {
		err = fmt.Errorf("the card host does not let us sign on: %q", body)
	}
	return l, err
}

func (l *cardLine) write(body string) error {
	if err := binary.Write(l.out, binary.BigEndian, uint16(len(body))); err != nil {
		return err
	}
	_, err := l.out.WriteString(body)
	return err
}

func (l *cardLine) read() ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(l.in, body)
	return body, err
}

// ask sends one authorisation: any caller's card, a tenth of them at the busy shop.
func (l *cardLine) ask(due time.Time) error {
	who := l.world.callers[mathrand.IntN(len(l.world.callers))]
	shop := 0
	if mathrand.IntN(10) > 0 {
		shop = mathrand.IntN(len(l.world.shops[who.tenant]))
	}
	trace := (l.asked*cardLines + l.number) % tracesMost
	l.asked++
	l.mu.Lock()
	l.due[trace] = due
	l.mu.Unlock()
	l.open.Add(1)
	now := l.world.now().UTC()
	return l.write(fmt.Sprintf("0100\x32\x20\x00\x00\x08\xc1\x80\x00000000%012d%s%06d%012d%-8s%-15s%03d01%02d%s410",
		100+mathrand.IntN(9900), now.Format("0102150405"), trace, now.UnixMilli()%1e12, terminalOf(shop), merchantNumber(who.tenant, shop), 4+len(who.card), len(who.card), who.card))
}

// askInTurn keeps so many questions open.
func (l *cardLine) askInTurn(ctx context.Context, most int) {
	defer l.finish()
	for free := most; ctx.Err() == nil && time.Now().Before(l.end); free-- {
		for ; free == 0 || len(l.answered) > 0; free++ {
			<-l.answered
		}
		if l.ask(time.Now()) != nil || free == 1 && l.out.Flush() != nil {
			return
		}
	}
}

// askAtRate asks so many times a second, whatever is answered.
func (l *cardLine) askAtRate(ctx context.Context, aSecond int) {
	defer l.finish()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for due := time.Now(); ctx.Err() == nil && due.Before(l.end); {
		now := <-tick.C
		for ; !due.After(now); due = due.Add(time.Second / time.Duration(aSecond)) {
			if l.open.Load() > cardsBehind || l.ask(due) != nil {
				return
			}
		}
		if l.out.Flush() != nil {
			return
		}
	}
}

// finish lets the answers that are still due come, and ends the connection.
func (l *cardLine) finish() {
	_ = l.out.Flush()
	l.ended.Store(true)
	_ = l.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if l.open.Load() == 0 {
		_ = l.conn.Close()
	}
}

// listen takes the answers until the line ends with none due.
func (l *cardLine) listen() {
	defer func() { _ = l.conn.Close() }()
	const (
		numberBit  = 0x04 // DE 38 is there
		bitsAt     = 8
		traceFrom  = 40
		codeFrom   = 58
		numberLong = 6
	)
	for !l.ended.Load() || l.open.Load() > 0 {
		body, err := l.read()
		if err != nil {
			if l.open.Load() > 0 {
				l.failed, l.first = l.failed+int(l.open.Load()), err
			}
			return
		}
		at := codeFrom
		if body[bitsAt]&numberBit != 0 {
			at += numberLong
		}
		trace, _ := strconv.Atoi(string(body[traceFrom : traceFrom+6]))
		l.mu.Lock()
		due := l.due[trace]
		delete(l.due, trace)
		l.mu.Unlock()
		l.open.Add(-1)
		select {
		case l.answered <- struct{}{}:
		default:
		}
		code := string(body[at : at+2])
		switch {
		case due.Before(l.begin):
		case code != "00":
			l.failed++
			if l.first == nil {
				l.first = fmt.Errorf("answered %s: %.120q", code, body[at:])
			}
		default:
			l.took = append(l.took, time.Since(due))
		}
	}
}
