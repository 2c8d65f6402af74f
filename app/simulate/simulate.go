// Package simulate plays the outside world: the bank, the identity provider,
// the gateway that sends messages and the card issuers. Each is an HTTP server of
// its own on its own port, with its own schema, that shares no code with what
// calls it; the issuers call the card host besides.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"jangteo/app/simulate/bank"
	"jangteo/app/simulate/identity"
	"jangteo/app/simulate/issuer"
	"jangteo/app/simulate/messages"
)

// Options say where the simulators keep their data and where they listen.
type Options struct {
	DSN  string // a PostgreSQL database, best one of their own
	Addr string // host:port for each; port 0, or empty for 127.0.0.1:0, picks free ones
	Now  func() time.Time

	Issuers []string // codes of card issuers; empty: those of DemoIssuers

	OpenWith int64 // what an account that nobody knew holds when it is linked, in won; see bank.Options
}

// DemoIssuers are BC, Shinhan, KB and Nonghyup.
var DemoIssuers = []string{"31", "41", "11", "91"}

// Servers are the simulators, running. The parts are there for demo data; the
// product itself must use the addresses.
type Servers struct {
	BankURL     string
	IdentityURL string
	MessagesURL string
	IssuersURL  string // their back offices, each behind its code

	Bank     *bank.Bank
	Identity *identity.Provider
	Messages *messages.Gateway
	Issuers  *issuer.Issuers // they connect when they are told where the card host is

	stops []func(context.Context) error // in the order of starting
}

// Start runs all of them.
func Start(ctx context.Context, opts Options) (*Servers, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	s := &Servers{}
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Servers) start(ctx context.Context, opts Options) (err error) {
	if s.Messages, err = messages.New(ctx, opts.DSN, messages.Options{Now: opts.Now}); err != nil {
		return err
	}
	s.closing(s.Messages.Close)
	if s.MessagesURL, err = s.serve(opts.Addr, s.Messages.Handler()); err != nil {
		return err
	}
	if s.Identity, err = identity.New(ctx, opts.DSN, identity.Options{Now: opts.Now, MessagesURL: s.MessagesURL}); err != nil {
		return err
	}
	s.closing(s.Identity.Close)
	if s.IdentityURL, err = s.serve(opts.Addr, s.Identity.Handler()); err != nil {
		return err
	}
	if s.Bank, err = bank.New(ctx, opts.DSN, bank.Options{Now: opts.Now, OpenWith: opts.OpenWith}); err != nil {
		return err
	}
	s.closing(s.Bank.Close)
	if s.BankURL, err = s.serve(opts.Addr, s.Bank.Handler()); err != nil {
		return err
	}
	codes := opts.Issuers
	if len(codes) == 0 {
		codes = DemoIssuers
	}
	if s.Issuers, err = issuer.New(ctx, issuer.Options{DSN: opts.DSN, Codes: codes, Now: opts.Now}); err != nil {
		return err
	}
	s.closing(s.Issuers.Close)
	s.IssuersURL, err = s.serve(opts.Addr, s.Issuers.Handler())
	return err
}

func (s *Servers) closing(end func()) {
	s.stops = append(s.stops, func(context.Context) error { end(); return nil })
}

func (s *Servers) serve(addr string, handler http.Handler) (url string, err error) {
	url, stop, err := listen(addr, handler)
	if err == nil {
		s.stops = append(s.stops, stop)
	}
	return url, err
}

// Stop ends all, the last started first. Answers that wait are cut off.
func (s *Servers) Stop(ctx context.Context) error {
	var failures []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		failures = append(failures, s.stops[i](ctx))
	}
	s.stops = nil
	return errors.Join(failures...)
}

// Names of the simulators, for Run.
const (
	BankName     = "bank"
	IdentityName = "identity"
	MessagesName = "messages"
)

// Run runs one simulator at opts.Addr until ctx ends; started hears its
// address. The identity provider sends its codes through the gateway at
// messagesURL.
func Run(ctx context.Context, name string, opts Options, messagesURL string, started func(url string)) error {
	var handler http.Handler
	switch name {
	case BankName:
		b, err := bank.New(ctx, opts.DSN, bank.Options{Now: opts.Now, OpenWith: opts.OpenWith})
		if err != nil {
			return err
		}
		defer b.Close()
		handler = b.Handler()
	case IdentityName:
		p, err := identity.New(ctx, opts.DSN, identity.Options{Now: opts.Now, MessagesURL: messagesURL})
		if err != nil {
			return err
		}
		defer p.Close()
		handler = p.Handler()
	case MessagesName:
		g, err := messages.New(ctx, opts.DSN, messages.Options{Now: opts.Now})
		if err != nil {
			return err
		}
		defer g.Close()
		handler = g.Handler()
	default:
		return fmt.Errorf("there is no simulator %q; there are %s, %s and %s", name, BankName, IdentityName, MessagesName)
	}
	url, stop, err := listen(opts.Addr, handler)
	if err != nil {
		return err
	}
	started(url)
	<-ctx.Done()
	return stop(context.WithoutCancel(ctx))
}

// listen serves in the background. The returned stop gives running answers a
// second; a simulator may be holding some for ever.
func listen(addr string, handler http.Handler) (url string, stop func(context.Context) error, err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("simulator: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	stop = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	return "http://" + listener.Addr().String(), stop, nil
}
