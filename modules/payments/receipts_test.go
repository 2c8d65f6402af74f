package payments_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/testkit"
	"jangteo/modules/ledger"
	"jangteo/modules/payments"
)

// writer signs receipts of its own making.
type writer struct {
	key  ed25519.PrivateKey
	kid  string
	keys []byte // published
}

func newWriter(t testing.TB) writer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	kid := base64.RawURLEncoding.EncodeToString(sum)
	return writer{private, kid, keySet(t, kid, public)}
}

func keySet(t testing.TB, kid string, public ed25519.PublicKey) []byte {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: kid, Algorithm: "EdDSA", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (w writer) jws(t testing.TB, kind string, text []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: w.key, KeyID: w.kid}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(kind)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// sign puts the same text into both halves of the file.
func (w writer) sign(t testing.TB, text []byte) []byte {
	t.Helper()
	return []byte(`{"receipt":` + string(text) + `,"jws":"` + w.jws(t, "jangteo-receipt", text) + `"}`)
}

// sealedReceipt is one of a day with two entries.
func sealedReceipt(t testing.TB) []byte {
	t.Helper()
	e := ledger.SealedEntry{
		Tenant: 11560, ID: uuid.MustParse("019a9508-3a80-7c4e-9d5f-2b1c0a9e8d7f"), Kind: ledger.Payment, At: testkit.Noon, Day: calendar.DayOf(testkit.Noon),
		Amount: 12_500, Transfers: []ledger.Transfer{{Debit: uuid.New(), Credit: uuid.New(), Amount: 12_500}},
	}
	other := e
	other.ID = uuid.New()
	root := ledger.RootOf([]ledger.Hash{other.Leaf(), e.Leaf()})
	day := ledger.SealedDay{Tenant: 11560, Day: e.Day, Entries: 2, Root: root, Previous: other.Leaf(), SealedAt: testkit.Noon}
	day.Chain = day.Link()
	view := day.View()
	text, err := json.Marshal(payments.Receipt{
		Format: "jangteo-receipt-1", Issuer: "https://jangteo.example", IssuedAt: testkit.Noon, ApprovalNumber: "0a9e8d7f",
		MerchantID: uuid.New(), MerchantName: "떡볶이 <&> 김밥", Method: payments.ByStaticQR,
		Entry: payments.EntryView{
			Tenant: "11560", ID: e.ID, Kind: e.Kind, At: e.At, BusinessDay: e.Day, Amount: e.Amount,
			Transfers: []payments.TransferView{payments.TransferView(e.Transfers[0])},
		},
		Leaf: e.Leaf(), State: payments.DaySealed, Note: "n", Day: &view, Proof: &payments.ProofView{Index: 1, Path: []ledger.Hash{other.Leaf()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestCheckReceipt(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	text := sealedReceipt(t)
	file := w.sign(t, text)
	r, kid, err := payments.CheckReceipt(file, w.keys)
	if err != nil || r.Entry.Amount != 12_500 || kid != w.kid {
		t.Fatalf("a whole receipt is refused: %v", err)
	}

	refused := func(t *testing.T, file, keys []byte, want error) {
		t.Helper()
		if _, _, err := payments.CheckReceipt(file, keys); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("answered %v, want %v", err, want)
		}
	}
	t.Run("with other keys", func(t *testing.T) {
		t.Parallel()
		own := w.key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // documented
		refused(t, file, keySet(t, "another", own), auth.ErrStatementKey)
		refused(t, file, []byte(`{"keys":[]}`), auth.ErrKeys)
		refused(t, file, []byte(`no keys`), auth.ErrKeys)
		stranger := newWriter(t).key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // documented
		refused(t, file, keySet(t, kid, stranger), auth.ErrKeys)  // a key under a name that is not its own
		refused(t, newWriter(t).sign(t, text), w.keys, auth.ErrStatementKey)
	})
	t.Run("of another kind", func(t *testing.T) {
		t.Parallel()
		refused(t, []byte(`{"receipt":`+string(text)+`,"jws":"`+w.jws(t, "access-record", text)+`"}`), w.keys, auth.ErrStatement)
	})
	t.Run("with any part of the signature changed", func(t *testing.T) {
		t.Parallel()
		var signed struct {
			Receipt json.RawMessage `json:"receipt"`
			JWS     string          `json:"jws"`
		}
		if err := json.Unmarshal(file, &signed); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(signed.JWS); i += 7 {
			changed := []byte(signed.JWS)
			if changed[i]++; changed[i] == '"' || changed[i] == '\\' {
				changed[i] = 'A'
			}
			refused(t, []byte(`{"receipt":`+string(text)+`,"jws":"`+string(changed)+`"}`), w.keys, nil)
		}
	})
	t.Run("with a name that stands twice", func(t *testing.T) {
		t.Parallel()
		twice := strings.Replace(string(file), `"amount":12500`, `"amount":99999,"amount":12500`, 1)
		refused(t, []byte(twice), w.keys, payments.ErrReceiptFormat)
		refused(t, []byte(strings.Replace(string(file), `{"receipt"`, `{"jws":"","receipt"`, 1)), w.keys, payments.ErrReceiptFormat)
	})
	t.Run("with more behind it, or too long, or no receipt at all", func(t *testing.T) {
		t.Parallel()
		refused(t, append(slices.Clone(file), '{', '}'), w.keys, payments.ErrReceiptFormat)
		refused(t, append(slices.Clone(file), make([]byte, 64<<10)...), w.keys, payments.ErrReceiptTooLong)
		for _, text := range []string{"", "{}", "[]", "null", `"x"`, `{"receipt":null,"jws":null}`, strings.Repeat("[", 30_000), strings.Repeat(`{"a":`, 10_000)} {
			refused(t, []byte(text), w.keys, nil)
		}
	})
	t.Run("of before the sealing, dressed up", func(t *testing.T) {
		t.Parallel()
		var open payments.Receipt
		if err := json.Unmarshal(text, &open); err != nil {
			t.Fatal(err)
		}
		closes := testkit.Noon.Add(12 * time.Hour)
		open.State, open.Closes, open.Day, open.Proof = payments.DayOpen, &closes, nil, nil
		again := func(r payments.Receipt) []byte {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			return w.sign(t, text)
		}
		if _, _, err := payments.CheckReceipt(again(open), w.keys); err != nil {
			t.Errorf("a receipt without proof is refused: %v", err)
		}
		dressed := open
		dressed.State = payments.DaySealed
		refused(t, again(dressed), w.keys, payments.ErrReceiptParts)
		dressed = r
		dressed.State = payments.DayClosed
		refused(t, again(dressed), w.keys, payments.ErrReceiptParts)
		dressed = r
		dressed.Closes = &closes
		refused(t, again(dressed), w.keys, payments.ErrReceiptParts)
	})
}

// Whoever changes a field is found out by the signature; and whoever could sign,
// by the hashes, wherever what is said can be recomputed.
func TestCheckReceiptFieldByField(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	text := sealedReceipt(t)
	file := w.sign(t, text)
	free := []string{"issuer", "issued_at", "merchant_id", "merchant_name", "method", "note", "day.sealed_at", "cancelled_amount"}
	fields := 0
	var walk func(v any, path []string)
	walk = func(v any, path []string) {
		switch inside := v.(type) {
		case map[string]any:
			for name, field := range inside {
				walk(field, append(slices.Clone(path), name))
			}
			return
		case []any:
			for i, element := range inside {
				walk(element, append(slices.Clone(path), fmt.Sprint(i)))
			}
			return
		}
		fields++
		name := strings.Join(path, ".")
		changed := change(t, text, path)
		if _, _, err := payments.CheckReceipt([]byte(strings.Replace(string(file), string(text), string(changed), 1)), w.keys); err == nil {
			t.Errorf("%s is changed, and nobody notices", name)
		}
		_, _, err := payments.CheckReceipt(w.sign(t, changed), w.keys)
		if taken := slices.Contains(free, name); (err == nil) != taken {
			t.Errorf("%s is changed and signed again: %v", name, err)
		}
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole, nil)
	if fields != 29 {
		t.Errorf("%d fields were tried", fields)
	}
}

// change alters one value of a JSON text, keeping its form.
func change(t *testing.T, text []byte, path []string) []byte {
	t.Helper()
	var whole map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	var at any = whole
	for _, step := range path[:len(path)-1] {
		if list, ok := at.([]any); ok {
			at = list[0]
			continue
		}
		at = at.(map[string]any)[step]
	}
	alter := func(v any) any {
		switch v := v.(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				t.Fatal(err)
			}
			return n + 1
		case string:
			if moment, err := time.Parse(time.RFC3339, v); err == nil {
				return moment.Add(time.Second)
			}
			last := v[len(v)-1]
			for _, other := range "0127" {
				if byte(other) != last {
					return v[:len(v)-1] + string(other)
				}
			}
		}
		t.Fatalf("%v cannot be changed", v)
		return nil
	}
	switch inside := at.(type) {
	case map[string]any:
		inside[path[len(path)-1]] = alter(inside[path[len(path)-1]])
	case []any:
		inside[0] = alter(inside[0])
	}
	changed, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// Whatever is handed over, the check says no or what is true, and never falls over.
func FuzzCheckReceipt(f *testing.F) {
	w := newWriter(f)
	text := sealedReceipt(f)
	f.Add(w.sign(f, text), w.keys)
	f.Add([]byte(`{"receipt":{},"jws":"a.b.c"}`), []byte(`{"keys":[{"kty":"OKP"}]}`))
	f.Add([]byte(`[[[[`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, file, keys []byte) {
		r, _, err := payments.CheckReceipt(file, w.keys)
		if err == nil && (r.Entry.Amount != 12_500 || r.Format != "jangteo-receipt-1") {
			t.Errorf("taken: %s", file)
		}
		_, _, _ = payments.CheckReceipt(w.sign(t, text), keys)
		_, _, _ = payments.CheckReceipt(w.sign(t, file), w.keys)
	})
}
