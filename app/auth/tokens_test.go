package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/testkit"
)

var config = auth.TokensConfig{Issuer: "https://jangteo.example", Audience: "jangteo"}

func openTokens(t *testing.T) (tokens *auth.Tokens, clock *testkit.Clock, again func() *auth.Tokens, d *db.DB) {
	t.Helper()
	clock = testkit.NewClock()
	ctx := t.Context()
	d, err := db.Open(ctx, db.Options{URL: testkit.FreshDatabase(t), MaxConnections: 4, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	box, err := crypt.Open(ctx, d, testkit.MasterKey, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	again = func() *auth.Tokens {
		t.Helper()
		opened, err := auth.OpenTokens(ctx, d, box, config, clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	return again(), clock, again, d
}

func claims() auth.Claims {
	return auth.Claims{Citizen: uuid.Must(uuid.NewV7()), Session: uuid.Must(uuid.NewV7()), Device: uuid.Must(uuid.NewV7()), Epoch: 1}
}

func mint(t *testing.T, tokens *auth.Tokens, c auth.Claims) string {
	t.Helper()
	token, _, err := tokens.Mint(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokens(t *testing.T) {
	t.Parallel()
	tokens, clock, again, d := openTokens(t)

	t.Run("says what it was minted with, here and on another server", func(t *testing.T) {
		want := claims()
		token := mint(t, tokens, want)
		for _, server := range []*auth.Tokens{tokens, again()} {
			for range 2 { // the second time it is remembered
				got, err := server.Verify(token)
				if err != nil || got.Citizen != want.Citizen || got.Session != want.Session || got.Device != want.Device || got.Epoch != 1 {
					t.Fatalf("got %+v, %v", got, err)
				}
			}
		}
	})

	t.Run("ends after five minutes, remembered or not", func(t *testing.T) {
		token := mint(t, tokens, claims())
		if _, err := tokens.Verify(token); err != nil {
			t.Fatal(err)
		}
		clock.Advance(5 * time.Minute)
		for _, server := range []*auth.Tokens{tokens, again()} {
			if _, err := server.Verify(token); !errors.Is(err, auth.ErrToken) {
				t.Fatalf("an ended token was accepted: %v", err)
			}
		}
	})

	t.Run("outlives a rotation of keys, which every server learns", func(t *testing.T) {
		other := again()
		old := mint(t, tokens, claims())
		if err := tokens.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kid(t, mint(t, tokens, claims())) != kid(t, old) {
			t.Fatal("a key signed before every server could know it")
		}
		clock.Advance(90 * time.Second)
		reload(t, tokens, other)
		fresh := mint(t, tokens, claims())
		if kid(t, fresh) == kid(t, old) {
			t.Fatal("the new key does not sign")
		}
		for _, token := range []string{old, fresh} {
			if _, err := other.Verify(token); err != nil {
				t.Fatalf("a rotation logged somebody out: %v", err)
			}
		}
		clock.Advance(time.Hour)
		reload(t, tokens)
		for _, token := range []string{old, fresh} {
			if _, err := tokens.Verify(token); !errors.Is(err, auth.ErrToken) {
				t.Fatal("an old token was accepted")
			}
		}
	})

	t.Run("keeps the private key sealed", func(t *testing.T) {
		var rows []struct{ Sealed, Public []byte }
		err := d.Platform(t.Context(), func(ctx context.Context) error {
			return d.In(ctx).Raw(`SELECT sealed, public FROM app.signing_keys`).Scan(&rows).Error
		})
		if err != nil || len(rows) == 0 || len(rows[0].Sealed) <= ed25519.SeedSize || len(rows[0].Public) != ed25519.PublicKeySize {
			t.Fatalf("%d keys, %v", len(rows), err)
		}
	})
}

func reload(t *testing.T, servers ...*auth.Tokens) {
	t.Helper()
	for _, server := range servers {
		if err := server.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func kid(t *testing.T, token string) string {
	t.Helper()
	kid, ok := part(t, token, 0)["kid"].(string)
	if !ok {
		t.Fatal("no kid")
	}
	return kid
}

func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]any{}
	if err := json.Unmarshal(raw, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

// TestAttacks edits one thing at a time in a token that is otherwise good, and
// where it can signs the result with the true key.
func TestAttacks(t *testing.T) {
	t.Parallel()
	tokens, clock, _, d := openTokens(t)
	good := mint(t, tokens, claims())
	private, public := theKey(t, d, clock)
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	edit := func(name string, value any) func(map[string]any) {
		return func(m map[string]any) {
			if value == nil {
				delete(m, name)
				return
			}
			m[name] = value
		}
	}
	keep := func(map[string]any) {}
	signed := func(key ed25519.PrivateKey) func([]byte) []byte {
		return func(text []byte) []byte { return ed25519.Sign(key, text) }
	}
	unsigned := func([]byte) []byte { return nil }
	hs256 := func(text []byte) []byte {
		mac := hmac.New(sha256.New, public)
		mac.Write(text)
		return mac.Sum(nil)
	}
	now := clock.Now()
	attacks := map[string]struct {
		header, body func(map[string]any)
		sign         func([]byte) []byte
	}{
		"no algorithm":                          {edit("alg", "none"), keep, unsigned},
		"no signature":                          {keep, keep, unsigned},
		"the public key as a secret":            {edit("alg", "HS256"), keep, hs256},
		"another type":                          {edit("typ", "JWT"), keep, signed(private)},
		"no type":                               {edit("typ", nil), keep, signed(private)},
		"a critical extension":                  {edit("crit", []string{"exp"}), keep, signed(private)},
		"an unknown key":                        {edit("kid", "nobody"), keep, signed(private)},
		"no key named":                          {edit("kid", nil), keep, signed(private)},
		"a key that is no text":                 {edit("kid", 7), keep, signed(private)},
		"a stranger's key under our name":       {keep, keep, signed(stranger)},
		"another issuer":                        {keep, edit("iss", "https://elsewhere.example"), signed(private)},
		"no issuer":                             {keep, edit("iss", nil), signed(private)},
		"another audience":                      {keep, edit("aud", []string{"elsewhere"}), signed(private)},
		"no audience":                           {keep, edit("aud", nil), signed(private)},
		"ended":                                 {keep, edit("exp", now.Add(-time.Second).Unix()), signed(private)},
		"endless":                               {keep, edit("exp", nil), signed(private)},
		"not yet":                               {keep, edit("nbf", now.Add(time.Minute).Unix()), signed(private)},
		"no beginning":                          {keep, edit("nbf", nil), signed(private)},
		"a citizen that is no id":               {keep, edit("sub", "admin"), signed(private)},
		"no session":                            {keep, edit("sid", nil), signed(private)},
		"no device":                             {keep, edit("did", nil), signed(private)},
		"edited and signed with what was there": {keep, edit("sub", uuid.NewString()), func([]byte) []byte { return signature(t, good) }},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			header, body := part(t, good, 0), part(t, good, 1)
			attack.header(header)
			attack.body(body)
			if _, err := tokens.Verify(join(t, header, body, attack.sign)); !errors.Is(err, auth.ErrToken) {
				t.Fatalf("accepted: %v", err)
			}
		})
	}
	t.Run("and the untouched one is still good", func(t *testing.T) {
		if _, err := tokens.Verify(join(t, part(t, good, 0), part(t, good, 1), signed(private))); err != nil {
			t.Fatal(err)
		}
	})
	for _, junk := range []string{"", ".", "..", "a.b.c", good + "x", good + ".x", strings.Repeat("a", 1<<16), "Bearer " + good} {
		if _, err := tokens.Verify(junk); !errors.Is(err, auth.ErrToken) {
			t.Errorf("%.20q was accepted", junk)
		}
	}
}

func signature(t *testing.T, token string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[2])
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func join(t *testing.T, header, body map[string]any, sign func([]byte) []byte) string {
	t.Helper()
	h, err1 := json.Marshal(header)
	b, err2 := json.Marshal(body)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(b)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(text)))
}

// theKey opens the signing key as only the program itself can.
func theKey(t *testing.T, d *db.DB, clock *testkit.Clock) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	box, err := crypt.Open(t.Context(), d, testkit.MasterKey, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	var row struct {
		Kid            string
		Sealed, Public []byte
	}
	err = d.Platform(t.Context(), func(ctx context.Context) error {
		return d.In(ctx).Raw(`SELECT kid, sealed, public FROM app.signing_keys`).Scan(&row).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := box.Open(row.Sealed, "app.signing_keys.sealed/"+row.Kid)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed([]byte(seed)), row.Public
}
