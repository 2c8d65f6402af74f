package app_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Whatever is sent as a payment or a cancellation, with whatever key: never a
// fault of ours, a refusal says why by its code, and what was accepted moved
// exactly its amount.
func FuzzPaymentsAndCancellations(f *testing.F) {
	h := newHouse(f, "")
	c := h.login(f, kim)
	account := c.link()
	c.buy(home, account, 500_000)
	wallet := c.do("GET", "/me/wallets", nil).want(200).id("items.0.id")
	shop := h.towns[home].shop.ID.String()
	payment := c.pay(home, 100_000, newID()).want(201).id("id")
	held := c.balance()
	for _, body := range []string{
		`{"merchant_id":"` + shop + `","amount":1}`, `{"merchant_id":"` + shop + `","amount":1,"wallet_id":"` + wallet + `"}`,
		`{"qr":` + strconv.Quote(h.towns[home].qr) + `,"amount":1}`, `{"qr":"000201","amount":1}`, `{}`, `null`, `[]`, ``, `{"amount":1}`, `{"amount":null}`, `{"amount":9223372036854775808}`,
		`{"amount":1e0}`, `{"amount":1,"amount":2}`, `{"merchant_id":"","amount":1}`, `{"merchant_id":null,"amount":1}`, `{"qr":"\ud800","amount":1}`, `{"amount":-0}`, "\xef\xbb\xbf{\"amount\":1}",
	} {
		f.Add([]byte(body), "key", false, "")
		f.Add([]byte(body), "", true, "11560")
	}
	f.Add([]byte(`{"amount":1}`), "key", true, "26350")
	f.Add([]byte(`{"amount":1}`), "a b", true, "%2f..")
	f.Fuzz(func(t *testing.T, body []byte, key string, cancel bool, town string) {
		d := *c
		d.t = t
		path := "/tenants/11560/payments"
		if cancel {
			path += "/" + payment + "/cancellations"
		}
		if town != "" && strings.IndexFunc(town, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("?#%/", r) }) < 0 {
			path = strings.Replace(path, "11560", town, 1)
		}
		if strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r > 0xff }) >= 0 {
			key = uuid.NewString() // no client can send it
		}
		a := d.do("POST", path, body, "Idempotency-Key", key)
		switch {
		case a.status >= http.StatusInternalServerError || a.status < 400 && a.status != http.StatusCreated:
			t.Fatalf("%s with %q and key %q: answered %d: %s", path, body, key, a.status, a.raw)
		case a.status >= 400 && a.text("code") == "":
			t.Fatalf("%s with %q and key %q: %d without a code: %s", path, body, key, a.status, a.raw)
		}
		moved := int64(0)
		if a.status == http.StatusCreated && a.header.Get("Idempotent-Replayed") == "" {
			moved = a.won("amount")
			if !cancel {
				moved = -moved
			}
		}
		if now := d.balance(); now != held+moved {
			t.Fatalf("%s with %q: the wallet held %d and holds %d after %d: %s", path, body, held, now, a.status, a.raw)
		}
		held += moved
	})
}

// Whatever stands where an id, a cursor, a place or a day is expected.
func FuzzAddresses(f *testing.F) {
	h := newHouse(f, "")
	c := h.login(f, kim)
	c.buy(home, c.link(), 50_000)
	c.pay(home, 1_000, newID()).want(201)
	owner := h.clerk(f, "owner11560")
	cursor := c.do("GET", "/me/history?limit=1", nil).want(200).text("next_cursor")
	for _, value := range []string{cursor, "", "0", "-1", newID(), "2026-11-22", "2026-02-30", "37.5,126.9", "91,0", "\xff", "e30", strings.Repeat("9", 40), "가나다", "' OR 1=1", "1e9", "null"} {
		for which := range uint8(len(addresses)) {
			f.Add(which, value)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		one := addresses[int(which)%len(addresses)]
		who := *c
		if one.clerk {
			who = *owner
		}
		who.t = t
		path := strings.Replace(one.path, "*", url.QueryEscape(value), 1)
		if a := who.do("GET", path, nil); a.status >= http.StatusInternalServerError || a.status >= 400 && a.text("code") == "" {
			t.Fatalf("%s: answered %d: %s", path, a.status, clip(a.raw))
		}
	})
}

var addresses = []struct {
	path  string
	clerk bool
}{
	{"/me/history?cursor=*", false}, {"/me/history?limit=*", false}, {"/me/wallets/*/lots", false}, {"/me/wallets/*/refund-quote", false},
	{"/tenants/*/programmes", false}, {"/tenants/11560/payments/*", false}, {"/tenants/11560/merchants?near=*", false}, {"/tenants/11560/merchants?cursor=*", false},
	{"/tenants/11560/merchants?q=*", false}, {"/tenants/11560/merchants?trade=*", false}, {"/merchant/sales?day=*", true}, {"/merchant/sales?cursor=*", true},
	{"/merchant/settlements?cursor=*", true},
}
