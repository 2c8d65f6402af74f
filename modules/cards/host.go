package cards

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jangteo/app/clock"
)

const (
	messageLeast  = 20 // bytes of a message: its MTI, its bitmap, something
	badMost       = 20 // messages in a row that cannot be acted on
	strangersMost = 64 // connections that have not signed on
	signOnWithin  = 5 * time.Second
	writeWithin   = 5 * time.Second
)

// HostOptions say whom the host serves and how long it waits. What is left out
// takes the value in its comment.
type HostOptions struct {
	TLS      *tls.Config       // nil: plain TCP
	Issuers  map[string]string // who may sign on: code, and the name in its certificate; empty: all of the list, without TLS
	Networks []netip.Prefix    // from where; empty: from anywhere

	Connections  int           // of an issuer; 8
	InFlight     int           // questions of a connection that wait for an answer; 512
	MessageBytes int           // 1,024
	AnswerWithin time.Duration // of a frame's last byte; 2.5 s
	FrameWithin  time.Duration // for a frame, of its first byte; 5 s
	IdleWithin   time.Duration // between frames; 90 s

	Now clock.Now
	Log *slog.Logger
}

func (o *HostOptions) fill() {
	o.Connections, o.InFlight, o.MessageBytes = otherwise(o.Connections, 8), otherwise(o.InFlight, 512), otherwise(o.MessageBytes, 1024)
	o.AnswerWithin = otherwise(o.AnswerWithin, 2500*time.Millisecond)
	o.FrameWithin, o.IdleWithin = otherwise(o.FrameWithin, 5*time.Second), otherwise(o.IdleWithin, 90*time.Second)
}

func otherwise[T int | time.Duration](n, preset T) T {
	if n == 0 {
		return preset
	}
	return n
}

// desk decides what the host is asked. The service is the one in use; tests have
// slow and failing ones, as an outage would make it.
type desk interface {
	Authorise(ctx context.Context, r Request) (Decision, error)
	Reverse(ctx context.Context, r Reversal) (Decision, error)
	Advise(ctx context.Context, a Advice) (Decision, error)
	Issuer(code string) (Issuer, bool)
}

// Host answers card issuers in ISO 8583 over TCP, as docs/card-host.md says.
type Host struct {
	desk desk
	o    HostOptions
	undo *undoing

	work     context.Context // what decisions run in; it outlives the call of Serve
	halt     context.CancelFunc
	counters hostCounters

	mu        sync.Mutex
	listener  net.Listener
	peers     map[*peer]struct{}
	bySigned  map[string]int // connections by issuer; "" has not signed on
	stopping  bool
	attending sync.WaitGroup
}

// NewHost makes a host that asks the service; Serve starts it.
func NewHost(service *Service, o HostOptions) *Host { return newHost(service, o) }

func newHost(d desk, o HostOptions) *Host {
	o.fill()
	h := &Host{desk: d, o: o, peers: map[*peer]struct{}{}, bySigned: map[string]int{}}
	h.work, h.halt = context.WithCancel(context.Background())
	h.undo = newUndoing(d, &h.counters, o.Log)
	return h
}

// Serve answers who connects to listener until Shutdown.
func (h *Host) Serve(listener net.Listener) error {
	h.mu.Lock()
	h.listener = listener
	stopping := h.stopping
	h.mu.Unlock()
	if stopping {
		return listener.Close()
	}
	const rest = 20 * time.Millisecond
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			h.greet(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		default: // no file descriptor is free, for example: those who are here go on
			h.o.Log.Warn("card host cannot accept", "error", err)
			pause(h.work, rest)
		}
	}
}

// greet takes a connection in, or closes it.
func (h *Host) greet(conn net.Conn) {
	if !h.near(conn.RemoteAddr()) {
		h.counters.cut("network")
		_ = conn.Close()
		return
	}
	if h.o.TLS != nil {
		conn = tls.Server(conn, h.o.TLS)
	}
	p := newPeer(h, conn)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping || h.bySigned[""] >= strangersMost {
		h.counters.cut("crowd")
		_ = conn.Close()
		return
	}
	h.peers[p] = struct{}{}
	h.bySigned[""]++
	h.counters.connections.Add(1)
	h.attending.Go(func() {
		why := p.attend()
		h.counters.cut(why)
		h.o.Log.Info("card host: connection ended", "issuer", p.issuer, "peer", conn.RemoteAddr().String(), "why", why)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.peers, p)
		h.bySigned[p.issuer]--
		h.counters.connections.Add(-1)
	})
}

func (h *Host) near(addr net.Addr) bool {
	if len(h.o.Networks) == 0 {
		return true
	}
	at, err := netip.ParseAddrPort(addr.String())
	return err == nil && slices.ContainsFunc(h.o.Networks, func(n netip.Prefix) bool { return n.Contains(at.Addr().Unmap()) })
}

// seat lets a connection sign on as an issuer, if that may be.
func (h *Host) seat(p *peer, code string) bool {
	_, known := h.desk.Issuer(code)
	name, listed := h.o.Issuers[code]
	if !known || !listed && len(h.o.Issuers) > 0 || !p.certified(name) {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.issuer == code {
		return true
	}
	if p.issuer != "" || h.bySigned[code] >= h.o.Connections {
		return false
	}
	h.bySigned[p.issuer]--
	h.bySigned[code]++
	p.issuer = code
	return true
}

// unseat takes a sign-on back.
func (h *Host) unseat(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bySigned[p.issuer]--
	h.bySigned[""]++
	p.issuer = ""
}

// Shutdown takes nobody in and reads nothing more; what was read is decided and
// answered. It returns when that is done, or cuts everybody off when ctx ends.
func (h *Host) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.stopping = true
	if h.listener != nil {
		_ = h.listener.Close()
	}
	for p := range h.peers {
		p.stop()
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.attending.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("card host: questions were left unanswered: %w", ctx.Err())
		h.halt()
		h.mu.Lock()
		for p := range h.peers {
			_ = p.conn.Close()
		}
		h.mu.Unlock()
	}
	h.undo.close(ctx)
	h.halt()
	return err
}

// HostTLS reads the host's certificate and key, and the authority that signs the
// issuers' certificates, each a PEM file.
func HostTLS(certificate, key, authority string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("the card host's certificate: %w", err)
	}
	pem, err := os.ReadFile(authority) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("the authority of the issuers' certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}, nil
}

// pause waits, or less when ctx ends; it tells whether it waited.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// hostCounters are read by telemetry; each label is one of a few.
type hostCounters struct {
	connections atomic.Int64
	late, left  atomic.Int64 // taken back by ourselves; given up
	mu          sync.Mutex
	cuts        map[string]int64
	answers     map[[2]string]int64 // by the answer's MTI and code
}

func (c *hostCounters) cut(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cuts == nil {
		c.cuts = map[string]int64{}
	}
	c.cuts[why]++
}

func (c *hostCounters) answered(mti, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil {
		c.answers = map[[2]string]int64{}
	}
	c.answers[[2]string{mti, code}]++
}

// HostCount is one number of what the host did so far, or has.
type HostCount struct {
	Name, Label string
	Value       int64
}

// Counts lists what telemetry shows: connections, answers by type and code,
// connections ended by reason, what came too late and was taken back.
func (h *Host) Counts() []HostCount {
	c := &h.counters
	counts := []HostCount{{"connections", "", c.connections.Load()}, {"late", "reversed", c.late.Load()}, {"late", "given-up", c.left.Load()}}
	c.mu.Lock()
	defer c.mu.Unlock()
	for why, n := range c.cuts {
		counts = append(counts, HostCount{"ended", why, n})
	}
	for key, n := range c.answers {
		counts = append(counts, HostCount{"answers", key[0] + " " + key[1], n})
	}
	return counts
}
