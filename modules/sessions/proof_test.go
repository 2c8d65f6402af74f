package sessions_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"crypto/sha256"

	"github.com/google/uuid"

	"jangteo/app/fault"
)

// proof is what a device signs for one request; edit changes it before.
func (p phone) proof(t *testing.T, now time.Time, method, url string, edit func(header, body map[string]any)) string {
	t.Helper()
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": json.RawMessage(p.PublicKey)}
	body := map[string]any{"jti": uuid.NewString(), "htm": method, "htu": url, "iat": now.Unix()}
	if edit != nil {
		edit(header, body)
	}
	text := func(v map[string]any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := text(header) + "." + text(body)
	return signed + "." + p.sign(signed)
}

// ask sends JSON with headers.
func (s site) ask(t *testing.T, method, path string, body any, headers ...string) (status int, answer map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	text, _ := io.ReadAll(w.Body)
	if len(text) > 0 && json.Unmarshal(text, &answer) != nil {
		t.Fatalf("%s %s answered %s", method, path, text)
	}
	return w.StatusCode, answer
}

func (s site) signedIn(t *testing.T, device phone, more map[string]any, headers ...string) (status int, answer map[string]any) {
	t.Helper()
	_, number := s.citizen(t)
	in := map[string]any{"public_key": json.RawMessage(device.PublicKey), "name": "a", "platform": "Android"}
	for name, value := range more {
		in[name] = value
	}
	return s.ask(t, "POST", "/sessions", map[string]any{"identity_token": s.identityToken(t, number), "device": in}, headers...)
}

const (
	refreshPath = "/sessions/refresh"
	apiPrefix   = "/api/v1"
)

// A client that never heard of proofs goes on as ever; one that proves once, or
// says that it will, is held to it.
func TestProofsArePromises(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	device := newPhone(t, "a")
	now := s.Clock.Now()
	proof := func(method, path string) string { return device.proof(t, now, method, s.URL+apiPrefix+path, nil) }

	status, plain := s.signedIn(t, device, nil)
	if status != 201 || plain["token_type"] != "Bearer" {
		t.Fatalf("%d %v", status, plain)
	}
	if status, answer := s.ask(t, "POST", refreshPath, map[string]any{"refresh_token": plain["refresh_token"]}); status != 200 || answer["token_type"] != "Bearer" {
		t.Errorf("%d %v", status, answer)
	}
	for name, begin := range map[string]func() (int, map[string]any){
		"by a proof": func() (int, map[string]any) {
			return s.signedIn(t, device, nil, "DPoP", proof("POST", "/sessions"))
		},
		"by its word": func() (int, map[string]any) { return s.signedIn(t, device, map[string]any{"dpop": true}) },
	} {
		t.Run(name, func(t *testing.T) {
			status, bound := begin()
			if status != 201 || bound["token_type"] != "DPoP" {
				t.Fatalf("%d %v", status, bound)
			}
			refresh := map[string]any{"refresh_token": bound["refresh_token"]}
			if status, answer := s.ask(t, "POST", refreshPath, refresh); status != 401 || answer["code"] != "device-proof-required" {
				t.Fatalf("a stolen refresh token alone: %d %v", status, answer)
			}
			status, next := s.ask(t, "POST", refreshPath, refresh, "DPoP", proof("POST", refreshPath))
			if status != 200 || next["token_type"] != "DPoP" {
				t.Fatalf("%d %v", status, next)
			}
			if status, answer := s.ask(t, "POST", refreshPath, refresh); status != 401 || answer["code"] != "device-proof-required" {
				t.Errorf("its predecessor within the grace: %d %v", status, answer)
			}
			s.later(t, 20*time.Second)
			now = s.Clock.Now()
			status, next = s.ask(t, "POST", refreshPath, refresh, "DPoP", proof("POST", refreshPath))
			if status != 200 {
				t.Fatalf("an old token with the proof is a lost answer: %d %v", status, next)
			}
			access, _ := next["access_token"].(string)
			sum := sha256.Sum256([]byte(access))
			bind := func(_, body map[string]any) { body["ath"] = base64.RawURLEncoding.EncodeToString(sum[:]) }
			use := device.proof(t, now, "GET", s.URL+apiPrefix+"/me", bind)
			for why, c := range map[string]struct {
				headers []string
				status  int
				code    any
			}{
				"as a bearer token": {[]string{"Authorization", "Bearer " + access}, 401, "device-proof-required"},
				"without its proof": {[]string{"Authorization", "DPoP " + access}, 401, "device-proof-required"},
				"for another token": {[]string{"Authorization", "DPoP " + access, "DPoP", proof("GET", "/me")}, 401, "device-proof-invalid"},
				"with its proof":    {[]string{"Authorization", "DPoP " + access, "DPoP", use}, 200, nil},
			} {
				if status, answer := s.ask(t, "GET", "/me", nil, c.headers...); status != c.status || answer["code"] != c.code {
					t.Errorf("%s: %d %v", why, status, answer)
				}
			}
			if status, answer := s.ask(t, "GET", "/me", nil, "Authorization", "DPoP "+access, "DPoP", use); status != 401 || answer["code"] != "device-proof-invalid" {
				t.Errorf("a proof twice: %d %v", status, answer)
			}
			if status, answer := s.ask(t, "POST", refreshPath, refresh); status != 401 || answer["code"] != "session-reuse-detected" {
				t.Errorf("an old token without the proof is theft: %d %v", status, answer)
			}
		})
	}
}

// TestProofAttacks changes one thing at a time in a proof that is otherwise good.
func TestProofAttacks(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	device, stranger := newPhone(t, "a"), newPhone(t, "b")
	status, tokens := s.signedIn(t, device, map[string]any{"dpop": true})
	if status != 201 {
		t.Fatal(tokens)
	}
	refresh := map[string]any{"refresh_token": tokens["refresh_token"]}
	url := s.URL + apiPrefix + refreshPath
	set := func(name string, value any) func(header, body map[string]any) {
		return func(header, body map[string]any) {
			where := body
			if name == "typ" || name == "alg" || name == "jwk" || name == "crit" {
				where = header
			}
			if where[name] = value; value == nil {
				delete(where, name)
			}
		}
	}
	at := func(by time.Duration) any { return s.Clock.Now().Add(by).Unix() }
	for name, c := range map[string]struct {
		by   phone
		edit func(header, body map[string]any)
		why  string
	}{
		"another key's":           {stranger, nil, "key"},
		"another key's with ours": {stranger, set("jwk", json.RawMessage(device.PublicKey)), "signature"},
		"no algorithm":            {device, set("alg", "none"), "form"},
		"a shared secret":         {device, set("alg", "HS256"), "form"},
		"another type":            {device, set("typ", "JWT"), "form"},
		"no key":                  {device, set("jwk", nil), "form"},
		"an unknown extension":    {device, set("crit", []string{"exp"}), "form"},
		"another method":          {device, set("htm", "GET"), "method"},
		"another path":            {device, set("htu", s.URL+apiPrefix+"/sessions/resume"), "address"},
		"another server":          {device, set("htu", "https://elsewhere.example"+apiPrefix+refreshPath), "address"},
		"too old":                 {device, set("iat", at(-3*time.Minute)), "time"},
		"not yet":                 {device, set("iat", at(3*time.Minute)), "time"},
		"no time":                 {device, set("iat", nil), "time"},
		"no id":                   {device, set("jti", nil), "form"},
		"a long id":               {device, set("jti", strings.Repeat("x", 200)), "form"},
		"an id that is no text":   {device, set("jti", 7), "form"},
	} {
		status, answer := s.ask(t, "POST", refreshPath, refresh, "DPoP", c.by.proof(t, s.Clock.Now(), "POST", url, c.edit))
		params, _ := answer["params"].(map[string]any)
		if status != 401 || answer["code"] != "device-proof-invalid" || params["why"] != c.why {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	for _, junk := range []string{"x", "a.b.c", strings.Repeat("a.", 50)} {
		if status, answer := s.ask(t, "POST", refreshPath, refresh, "DPoP", junk); status != 401 || answer["code"] != "device-proof-invalid" {
			t.Errorf("%q: %d %v", junk, status, answer)
		}
	}
	good := device.proof(t, s.Clock.Now(), "POST", url, nil)
	status, next := s.ask(t, "POST", refreshPath, refresh, "DPoP", good)
	if status != 200 {
		t.Fatalf("after all of them: %d %v", status, next)
	}
	refresh["refresh_token"] = next["refresh_token"]
	status, answer := s.ask(t, "POST", refreshPath, refresh, "DPoP", good)
	if params, _ := answer["params"].(map[string]any); status != 401 || params["why"] != "replayed" {
		t.Errorf("a replayed proof: %d %v", status, answer)
	}
	other := siteOf(t, s.house) // another server of the same database
	refused := device.proof(t, s.Clock.Now(), "POST", other.URL+apiPrefix+refreshPath, func(_, body map[string]any) {
		raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[1])
		first := map[string]any{}
		_ = json.Unmarshal(raw, &first)
		body["jti"] = first["jti"]
	})
	status, answer = other.ask(t, "POST", refreshPath, refresh, "DPoP", refused)
	if params, _ := answer["params"].(map[string]any); status != 401 || params["why"] != "replayed" {
		t.Errorf("replayed at another server: %d %v", status, answer)
	}
	if status, answer = s.ask(t, "POST", refreshPath, refresh, "DPoP", device.proof(t, s.Clock.Now(), "POST", url, nil)); status != 200 {
		t.Errorf("nothing of it ended the session: %d %v", status, answer)
	}
}

// A resume takes both forms in which phones write an ES256 signature.
func TestSignatureForms(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	citizen, _ := h.citizen(t)
	device := newPhone(t, "a")
	got := h.begin(t, citizen, device)
	der := device
	der.sign = device.asn1
	for range 8 { // DER has no fixed length
		if _, err := h.resume(t, got.Device.ID, der); err != nil {
			t.Fatal(err)
		}
	}
	der.sign = func(string) string { return device.asn1("something else") }
	_, err := h.resume(t, got.Device.ID, der)
	if f, ok := fault.Of(err); !ok || f.Code != "device-proof-invalid" {
		t.Errorf("%v", err)
	}
}
