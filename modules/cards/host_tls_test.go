package cards

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"jangteo/app/clock"
	"jangteo/app/simulate/issuer"
)

// authority signs certificates for a test.
type authority struct {
	t      *testing.T
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, folder: t.TempDir()}
	a.key, a.cert = a.sign("authority", nil)
	return a
}

// sign writes name.pem and name.key for a DNS name, signed by the authority, or
// by itself while there is none.
func (a *authority) sign(name string, dns []string) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	now := clock.System()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: dns,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA: a.cert == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(a.folder, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

func (a *authority) host(name string) *tls.Config {
	a.t.Helper()
	c, err := HostTLS(filepath.Join(a.folder, name+".pem"), filepath.Join(a.folder, name+".key"), filepath.Join(a.folder, "authority.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func (a *authority) client(name string, with *authority) *tls.Config {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(with.folder, name+".pem"), filepath.Join(with.folder, name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}
}

// Only an issuer on the list, with the certificate that names it, is heard.
func TestTLSAndTheList(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t), newAuthority(t)
	ours.sign("host", nil)
	ours.sign("bc", []string{"vouchers.bc.example"})
	ours.sign("shinhan", []string{"vouchers.shinhan.example"})
	others.sign("bc", []string{"vouchers.bc.example"})
	h, addr := startHost(t, newLedgerDesk(10_000), HostOptions{
		TLS: ours.host("host"), Issuers: map[string]string{"31": "vouchers.bc.example", "41": "vouchers.shinhan.example"},
	})
	bc, _ := startIssuers(t, issuer.Options{Host: addr, TLS: func(string) *tls.Config { return ours.client("bc", ours) }}).Issuer("31")
	expect(t, ask(t, bc, bc.Text("0100", swipe(1000))), "0110 00 1000 N 1000")
	for _, c := range []struct {
		what, code, ends string
		with             *tls.Config
	}{
		{"another issuer's certificate", "31", "refused", ours.client("shinhan", ours)},
		{"an issuer that is not listed", "3A", "refused", ours.client("bc", ours)},
		{"a certificate that somebody else signed", "31", "tls", ours.client("bc", others)},
		{"no certificate", "31", "tls", &tls.Config{RootCAs: ours.client("bc", ours).RootCAs, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}},
		{"no TLS at all", "31", "tls", nil},
	} {
		before := ended(h, c.ends)
		all, err := issuer.New(t.Context(), issuer.Options{Host: addr, Codes: []string{c.code}, Now: clock.System, TLS: func(string) *tls.Config { return c.with }})
		if err != nil {
			t.Fatal(err)
		}
		until(t, c.what+" is "+c.ends, func() bool { return ended(h, c.ends) > before })
		i, _ := all.Issuer(c.code)
		if i.Connected() {
			t.Errorf("%s is let in", c.what)
		}
		all.Close()
	}
	expect(t, ask(t, bc, bc.Text("0100", swipe(1000))), "0110 00 1000 N 1000")
}

func TestNetworksOfTheList(t *testing.T) {
	t.Parallel()
	h, addr := startHost(t, newLedgerDesk(0), HostOptions{Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	conn := dialRaw(t, addr)
	_, err := conn.Read(make([]byte, 1))
	if err == nil || ended(h, "network") != 1 {
		t.Errorf("a stranger's network is let in: %v", err)
	}
	_, near := startHost(t, newLedgerDesk(0), HostOptions{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	startIssuers(t, issuer.Options{Host: near})
}

func ended(h *Host, why string) int64 {
	h.counters.mu.Lock()
	defer h.counters.mu.Unlock()
	return h.counters.cuts[why]
}
