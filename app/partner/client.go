// Package partner makes the HTTP clients by which partners are asked: the bank,
// the identity provider, the card issuers.
package partner

import (
	"net/http"
	"time"
)

// NewClient asks over at most conns connections to a server at a time, and gives
// up after timeout, if it is not 0. What it is given goes where the configuration
// says: through no proxy of the environment, after no redirect.
func NewClient(conns int, timeout time.Duration) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one, by documentation
	transport.Proxy = nil
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = conns, 16
	return &http.Client{
		Timeout: timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
