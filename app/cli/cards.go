package cli

import (
	"context"
	"crypto/tls"
	"net"

	"jangteo/app/telemetry"
	"jangteo/modules/cards"
)

// cardHost is the card host with its listener; without an address it does
// nothing until it is shut down.
type cardHost struct {
	host     *cards.Host
	listener net.Listener
	stopped  chan struct{}
}

func (s *server) cardHost(ctx context.Context) (*cardHost, error) {
	c := &cardHost{stopped: make(chan struct{})}
	set := s.cfg.Cards
	if set.Addr == "" {
		return c, nil
	}
	var secure *tls.Config
	if set.TLSCertificate != "" {
		var err error
		if secure, err = cards.HostTLS(set.TLSCertificate, set.TLSKey, set.TLSAuthority); err != nil {
			return c, err
		}
	}
	networks, err := s.cfg.CardNetworks()
	if err != nil {
		return c, err
	}
	if c.listener, err = listen(ctx, set.Addr); err != nil {
		return c, err
	}
	c.host = cards.NewHost(s.app.Cards, cards.HostOptions{
		TLS: secure, Issuers: s.cfg.CardIssuers(), Networks: networks, Connections: set.Connections, InFlight: set.InFlight, MessageBytes: set.MessageBytes,
		AnswerWithin: set.AnswerWithin, FrameWithin: set.FrameWithin, IdleWithin: set.IdleWithin, Now: s.app.Now, Log: s.log,
	})
	if s.metrics != nil {
		c.show(s.metrics)
	}
	s.log.Info("card host answering", "addr", c.listener.Addr().String(), "tls", secure != nil)
	if s.issuers != nil {
		s.issuers(c.listener.Addr().String())
	}
	return c, nil
}

// show lets telemetry read what the host counts: answers by message type and
// response code, connections and why they ended, what was late and taken back.
func (c *cardHost) show(m *telemetry.Metrics) {
	for _, name := range []string{"answers", "connections", "ended", "late"} {
		m.Counts("jangteo_cards_"+name, "what", func() (found []telemetry.Count) {
			for _, n := range c.host.Counts() {
				if n.Name == name {
					found = append(found, telemetry.Count{Label: n.Label, Value: n.Value})
				}
			}
			return found
		})
	}
}

// Serve answers until Shutdown.
func (c *cardHost) Serve() error {
	if c.host == nil {
		<-c.stopped
		return nil
	}
	return c.host.Serve(c.listener)
}

// Shutdown answers what was asked, until ctx ends.
func (c *cardHost) Shutdown(ctx context.Context) error {
	close(c.stopped)
	if c.host == nil {
		return nil
	}
	return c.host.Shutdown(ctx)
}

// Close gives back a listener that was never served.
func (c *cardHost) Close() error {
	if c.listener == nil {
		return nil
	}
	return c.listener.Close()
}
