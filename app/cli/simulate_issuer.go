package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jangteo/app/clock"
	"jangteo/app/simulate"
	"jangteo/app/simulate/issuer"
)

type issuerOptions struct {
	host, addr, database, tlsFolder string
	codes                           []string
	lines                           int
	timeOut                         time.Duration
}

func simulateIssuerCommand() *cobra.Command {
	var o issuerOptions
	cmd := &cobra.Command{
		Use: "issuer", Short: "Play card issuers against a card host", Args: noArguments,
		Long: `Runs card issuers that speak ISO 8583 with the card host at --host as
docs/card-host.md says, and serves over HTTP what stands beside: POST /swipes is a card
at a terminal, /<issuer>/reversals and /<issuer>/clearing/<day> are the back office,
POST /control makes an issuer misbehave:

  curl -d '{"issuer":"31","token":"tk31-5f0c2a9e7d41","merchant":"7700112233","terminal":"T0000001","amount":12000}' ADDR/swipes
  curl -d '{"issuer":"31","stand_in":"account","cut":true}' ADDR/control

With --tls-folder, each issuer's certificate and key are <code>.pem and <code>.key in that
folder, and the host's authority is authority.pem.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.host == "" {
				return misuse{errors.New("--host is not set: where does the card host answer?")}
			}
			if o.lines < 1 || o.lines > 64 || o.timeOut < 100*time.Millisecond || o.timeOut > time.Minute {
				return misuse{errors.New("--lines must be 1 to 64 and --time-out 100ms to 1m")}
			}
			return runIssuers(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "", "host:port of the card host")
	f.StringVar(&o.addr, "addr", "127.0.0.1:0", "host:port for HTTP; port 0 picks a free one")
	f.StringVar(&o.database, "records-url", "", "a PostgreSQL database that keeps what happened; memory alone without it")
	f.StringVar(&o.tlsFolder, "tls-folder", "", "certificates; plain TCP without it")
	f.StringSliceVar(&o.codes, "issuers", simulate.DemoIssuers, "codes of the issuers that are played")
	f.IntVar(&o.lines, "lines", 1, "connections of each")
	f.DurationVar(&o.timeOut, "time-out", 3*time.Second, "how long an issuer waits for an answer")
	return cmd
}

func runIssuers(cmd *cobra.Command, o issuerOptions) error {
	options := issuer.Options{DSN: o.database, Host: o.host, Codes: o.codes, Now: clock.System, Lines: o.lines, TimeOut: o.timeOut}
	if o.tlsFolder != "" {
		certificates, err := issuerCertificates(o)
		if err != nil {
			return misuse{err}
		}
		options.TLS = func(code string) *tls.Config { return certificates[code] }
	}
	issuers, err := issuer.New(cmd.Context(), options)
	if err != nil {
		return err
	}
	defer issuers.Close()
	listener, err := listen(cmd.Context(), o.addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: issuers.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "issuers %s\n", "http://"+listener.Addr().String())
	go func() {
		<-cmd.Context().Done()
		_ = server.Close()
	}()
	return served(server.Serve(listener))
}

// issuerCertificates reads what the issuers show, and what they believe.
func issuerCertificates(o issuerOptions) (map[string]*tls.Config, error) {
	pem, err := os.ReadFile(filepath.Join(o.tlsFolder, "authority.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("authority.pem holds no certificate")
	}
	host, _, err := net.SplitHostPort(o.host)
	if err != nil {
		return nil, err
	}
	found := map[string]*tls.Config{}
	for _, code := range o.codes {
		name := filepath.Join(o.tlsFolder, strings.ToLower(code))
		pair, err := tls.LoadX509KeyPair(name+".pem", name+".key")
		if err != nil {
			return nil, err
		}
		found[code] = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS13}
	}
	return found, nil
}
