package auth_test

import (
	"encoding/json"
	"testing"
	"time"

	"jangteo/app/auth"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/testkit"
)

func keySet(t *testing.T, s *auth.Statements) []byte {
	t.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	for _, k := range s.Keys() {
		set.Keys = append(set.Keys, map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": k.ID, "x": k.X})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A new key is published by every server before any signs with it, and what the
// old one signed is good for ever.
func TestStatementKeysRotateWhileServersRun(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d, err := db.Open(t.Context(), db.Options{URL: testkit.FreshDatabase(t), MaxConnections: 4, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	box, err := crypt.Open(t.Context(), d, testkit.MasterKey, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *auth.Statements {
		s, err := auth.OpenStatements(t.Context(), d, box, clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, other := open(), open()
	sign := func(s *auth.Statements) string {
		t.Helper()
		signed, err := s.Sign("test+jws", []byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	signer := func(signed string, by *auth.Statements) string {
		t.Helper()
		statement, kid, err := auth.CheckStatement("test+jws", signed, keySet(t, by))
		if err != nil || string(statement) != `{"a":1}` {
			t.Fatalf("%s: %v", statement, err)
		}
		return kid
	}
	before := sign(one)
	kid := signer(before, other)

	clock.Advance(time.Hour)
	if err := one.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := signer(sign(one), other); got != kid {
		t.Errorf("a server signs with %s, which another does not publish yet", got)
	}
	reload := func() {
		t.Helper()
		for _, s := range []*auth.Statements{one, other} {
			if err := s.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	clock.Advance(time.Minute - time.Second)
	reload()
	if got := signer(sign(other), one); got != kid || len(other.Keys()) != len(one.Keys()) {
		t.Errorf("too early: %s signs, of %d and %d keys", got, len(one.Keys()), len(other.Keys()))
	}
	clock.Advance(time.Second)
	reload()
	newest := one.Keys()[len(one.Keys())-1].ID
	if a, b := signer(sign(one), other), signer(sign(other), one); a != newest || b != newest || newest == kid {
		t.Errorf("%s and %s sign, the newest is %s", a, b, newest)
	}
	if signer(before, one) != kid {
		t.Error("what the old key signed is not good any more")
	}
}
