package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"jangteo/app/crypt"
	"jangteo/app/testkit"
)

// forger holds what only the program should: the key that it signs with.
type forger struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	header  object
	claims  object // of a good token
}

func (h *house) forger(t *testing.T, good string) forger {
	t.Helper()
	ctx := context.Background()
	var f forger
	read := func(part string, into *object) {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	parts := strings.Split(good, ".")
	read(parts[0], &f.header)
	read(parts[1], &f.claims)
	box, err := crypt.Open(ctx, h.app.DB, testkit.MasterKey, h.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	err = h.app.DB.Platform(ctx, func(ctx context.Context) error {
		return h.app.DB.In(ctx).Raw(`SELECT sealed FROM app.signing_keys WHERE kid = ?`, f.header["kid"]).Row().Scan(&sealed)
	})
	if err != nil {
		t.Fatal(err)
	}
	kid, _ := f.header["kid"].(string)
	seed, err := box.Open(sealed, "app.signing_keys.sealed/"+kid)
	if err != nil {
		t.Fatal(err)
	}
	f.private = ed25519.NewKeyFromSeed([]byte(seed))
	f.public, _ = f.private.Public().(ed25519.PublicKey)
	return f
}

// with changes a copy; a nil value takes the member away.
func with(o object, changes object) object {
	o = maps.Clone(o)
	for name, value := range changes {
		if o[name] = value; value == nil {
			delete(o, name)
		}
	}
	return o
}

func part(t *testing.T, o object) string {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// sign signs with the program's own key, whatever the header says.
func (f forger) sign(t *testing.T, header, claims object) string {
	t.Helper()
	text := part(t, with(f.header, header)) + "." + part(t, with(f.claims, claims))
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(f.private, []byte(text)))
}

func (f forger) signAs(t *testing.T, method jwt.SigningMethod, key any, header object) string {
	t.Helper()
	text := part(t, with(with(f.header, object{"alg": method.Alg()}), header)) + "." + part(t, f.claims)
	signature, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Tokens that somebody made or changed: each is refused by every route with the
// same word, and moves nothing.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	f := h.forger(t, c.access)
	now := h.clock.Now()
	at := func(by time.Duration) int64 { return now.Add(by).Unix() }
	pemKey := func() []byte {
		raw, err := x509.MarshalPKIXPublicKey(f.public)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw})
	}()
	ownRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ownEC, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ownPublic, own, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ownJWK := object{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(ownPublic)}
	unsigned := func(alg string) string {
		return part(t, with(f.header, object{"alg": alg})) + "." + part(t, f.claims) + "."
	}
	edited := func() string {
		parts := strings.Split(c.access, ".")
		return parts[0] + "." + part(t, with(f.claims, object{"sub": newID()})) + "." + parts[2]
	}
	signature := c.access[strings.LastIndex(c.access, ".")+1:]
	stem := strings.TrimSuffix(c.access, signature)
	if a := c.as(f.sign(t, nil, nil)).do("GET", "/me", nil); a.status != 200 {
		t.Fatalf("the forger's hand is not ours, and this test shows nothing: %s", a.raw)
	}

	for name, token := range map[string]string{
		"none":                             unsigned("none"),
		"None":                             unsigned("None"),
		"no algorithm":                     f.sign(t, object{"alg": nil}, nil),
		"HS256 with the public key":        f.signAs(t, jwt.SigningMethodHS256, []byte(f.public), nil),
		"HS256 with the public key as PEM": f.signAs(t, jwt.SigningMethodHS256, pemKey, nil),
		"HS512 with an empty key":          f.signAs(t, jwt.SigningMethodHS512, []byte{}, nil),
		"RS256 with another's key":         f.signAs(t, jwt.SigningMethodRS256, ownRSA, nil),
		"PS256 with another's key":         f.signAs(t, jwt.SigningMethodPS256, ownRSA, nil),
		"ES256 with another's key":         f.signAs(t, jwt.SigningMethodES256, ownEC, nil),
		"our key under another algorithm":  f.sign(t, object{"alg": "HS256"}, nil),
		"another operator's key":           f.signAs(t, jwt.SigningMethodEdDSA, own, nil),
		"a key that it brings along":       f.signAs(t, jwt.SigningMethodEdDSA, own, object{"jwk": ownJWK}),
		"a key that it points to":          f.signAs(t, jwt.SigningMethodEdDSA, own, object{"jku": "https://example.com/keys", "x5u": "https://example.com/cert"}),
		"an unknown kid":                   f.sign(t, object{"kid": "nobody-knows"}, nil),
		"a kid that is a path":             f.signAs(t, jwt.SigningMethodHS256, []byte{}, object{"kid": "../../../../dev/null"}),
		"a kid that is SQL":                f.signAs(t, jwt.SigningMethodHS256, []byte("a"), object{"kid": "x' UNION SELECT 'a"}),
		"a kid that is a number":           f.sign(t, object{"kid": 7}, nil),
		"no kid":                           f.sign(t, object{"kid": nil}, nil),
		"another type":                     f.sign(t, object{"typ": "JWT"}, nil),
		"no type":                          f.sign(t, object{"typ": nil}, nil),
		"an unknown critical extension":    f.sign(t, object{"crit": []string{"b64"}, "b64": false}, nil),
		"an empty list of critical ones":   f.sign(t, object{"crit": []string{}}, nil),
		"another issuer":                   f.sign(t, nil, object{"iss": "https://example.com"}),
		"no issuer":                        f.sign(t, nil, object{"iss": nil}),
		"another audience":                 f.sign(t, nil, object{"aud": "somebody-else"}),
		"no audience":                      f.sign(t, nil, object{"aud": nil}),
		"over":                             f.sign(t, nil, object{"exp": at(-time.Second)}),
		"without an end":                   f.sign(t, nil, object{"exp": nil}),
		"not yet":                          f.sign(t, nil, object{"nbf": at(5 * time.Minute)}),
		"without a beginning":              f.sign(t, nil, object{"nbf": nil}),
		"nobody's":                         f.sign(t, nil, object{"sub": nil}),
		"without a session":                f.sign(t, nil, object{"sid": nil}),
		"without a device":                 f.sign(t, nil, object{"did": nil}),
		"edited":                           edited(),
		"a signature too short":            c.access[:len(c.access)-4],
		"no signature":                     stem,
		"a signature of zeros":             stem + strings.Repeat("A", len(signature)),
		"a part too many":                  c.access + ".x",
		"padded":                           c.access + "==",
		"a refresh token":                  c.refresh,
		"a clerk's of the neighbour":       h.clerk(t, "owner26350").access,
		"not a token":                      "x",
		"longer than any":                  strings.Repeat("x", 6000),
	} {
		t.Run(name, func(t *testing.T) {
			forged := c.as(token)
			forged.t = t
			forged.do("GET", "/me", nil).refused(401, "sign-in-required")
			forged.pay(home, 1_000, newID()).refused(401, "sign-in-required")
		})
	}
	t.Run("the neighbour's token says nothing here", func(t *testing.T) {
		clerk := h.clerk(t, "owner26350")
		clerk.t = t
		paid := c.pay(home, 1_000, newID()).want(201)
		clerk.do("POST", "/merchant/payments/"+paid.id("id")+"/cancellations", object{}, "Idempotency-Key", newID()).refused(404, "payment-unknown")
		c.cancel(paid.id("id"), 0, newID()).want(201)
	})
	if left := c.balance(); left != 50_000 {
		t.Errorf("a forged token moved money: %d left of 50000", left)
	}
}

// as is the same citizen's app with another token in its hands.
func (c *client) as(token string) *client {
	d := *c
	d.access = token
	return &d
}

// proof is what the device signs for one request (RFC 9449).
func (c *client) proof(method, path string, header, body object) string {
	sum := sha256.Sum256([]byte(c.access))
	text := part(c.tt(), with(object{"typ": "dpop+jwt", "alg": "ES256", "jwk": c.jwk()}, header)) + "." + part(c.tt(), with(object{
		"jti": newID(), "htm": method, "htu": c.h.base + "/api/v1" + path, "iat": c.h.clock.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}, body))
	return text + "." + c.sign(text)
}

func (c *client) tt() *testing.T { t, _ := c.t.(*testing.T); return t }

// A token that is bound to a device's key is nothing without a proof that was
// made by that key, for that request, now, and once.
func TestStolenBoundTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.client(t)
	c.person = kim
	c.newKey()
	token := c.prove(kim)
	c.do("POST", "/citizens", object{"identity_token": token, "agreements": []string{"terms", "privacy", "e-finance"}})
	c.keep(c.do("POST", "/sessions", object{
		"identity_token": token, "device": object{"public_key": c.jwk(), "name": "Pixel", "platform": "Android", "dpop": true},
	}).want(201))
	thief := *c
	thief.newKey()

	const me = "/me"
	use := func(by *client, scheme, proof string) answer {
		headers := []string{"Authorization", scheme + " " + c.access}
		if proof != "" {
			headers = append(headers, "DPoP", proof)
		}
		return by.do("GET", me, nil, headers...)
	}
	use(c, "DPoP", c.proof("GET", me, nil, nil)).want(200)
	once := c.proof("GET", me, nil, nil)
	use(c, "DPoP", once).want(200)
	hmacProof := func() string {
		good := c.proof("GET", me, object{"alg": "HS256"}, nil)
		text := good[:strings.LastIndex(good, ".")]
		raw, _ := c.key.PublicKey.Bytes()
		mac := hmac.New(sha256.New, raw)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	ago := func(by time.Duration) object { return object{"iat": h.clock.Now().Add(-by).Unix()} }
	for name, tc := range map[string]struct{ proof, why string }{
		"replayed":                    {once, "replayed"},
		"of another key":              {thief.proof("GET", me, nil, nil), "key"},
		"of another key, saying ours": {thief.proof("GET", me, object{"jwk": c.jwk()}, nil), "signature"},
		"for another method":          {c.proof("POST", me, nil, nil), "method"},
		"for another address":         {c.proof("GET", "/me/wallets", nil, nil), "address"},
		"for another host":            {c.proof("GET", me, nil, object{"htu": "https://example.com/api/v1/me"}), "address"},
		"too old":                     {c.proof("GET", me, nil, ago(3*time.Minute)), "time"},
		"not yet":                     {c.proof("GET", me, nil, ago(-3*time.Minute)), "time"},
		"without a time":              {c.proof("GET", me, nil, object{"iat": nil}), "time"},
		"for another token":           {c.proof("GET", me, nil, object{"ath": "AAAA"}), "token"},
		"for no token":                {c.proof("GET", me, nil, object{"ath": nil}), "token"},
		"without an id":               {c.proof("GET", me, nil, object{"jti": nil}), "form"},
		"with an id too long":         {c.proof("GET", me, nil, object{"jti": strings.Repeat("x", 200)}), "form"},
		"of another type":             {c.proof("GET", me, object{"typ": "JWT"}, nil), "form"},
		"with a critical extension":   {c.proof("GET", me, object{"crit": []string{"x"}, "x": 1}, nil), "form"},
		"signed with none":            {c.proof("GET", me, object{"alg": "none"}, nil), "form"},
		"signed with the public key":  {hmacProof(), "form"},
		"without a key":               {c.proof("GET", me, object{"jwk": nil}, nil), "form"},
		"with a private key inside":   {c.proof("GET", me, object{"jwk": with(c.jwk(), object{"d": "AAAA"})}, nil), "form"},
		"not a proof":                 {"x.y.z", "form"},
	} {
		t.Run(name, func(t *testing.T) {
			asking := *c
			asking.t = t
			if a := use(&asking, "DPoP", tc.proof).refused(401, "device-proof-invalid"); a.text("params.why") != tc.why {
				t.Errorf("refused for %q, want %q", a.text("params.why"), tc.why)
			}
		})
	}
	use(c, "DPoP", "").refused(401, "device-proof-required")
	use(c, "Bearer", "").refused(401, "device-proof-required")
	use(c, "Bearer", c.proof("GET", me, nil, nil)).refused(401, "device-proof-required")
	use(c, "Basic", "").refused(401, "sign-in-required")
	refresh := func(by *client) answer {
		return by.do("POST", "/sessions/refresh", object{"refresh_token": c.refresh}, "DPoP", by.proof("POST", "/sessions/refresh", nil, nil))
	}
	refresh(&thief).refused(401, "device-proof-invalid")
	c.do("POST", "/sessions/refresh", object{"refresh_token": c.refresh}).refused(401, "device-proof-required")
	refresh(c).want(200)
}
