package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/cli"
	"jangteo/app/tenant"
	"jangteo/modules/payments"
)

// A citizen keeps a receipt, and anyone with the published keys checks it
// against the published books.
func TestSignedReceipt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	account := c.link()
	c.buy(home, account, 100_000)
	paid := c.pay(home, 12_500, newID()).want(201)
	c.pay(home, 1_000, newID()).want(201)
	path := "/tenants/11560/payments/" + paid.id("id") + "/receipt"

	keys := h.client(t).do("GET", "/signing-keys", nil).want(200)
	check := func(a answer) payments.Receipt {
		t.Helper()
		r, kid, err := payments.CheckReceipt(a.raw, keys.raw)
		if err != nil || kid != keys.text("keys.0.kid") {
			t.Fatalf("the receipt is not taken: %v, key %s: %s", err, kid, a.raw)
		}
		return r
	}
	early := check(c.do("GET", path, nil).want(200))
	if early.State != payments.DayOpen || early.Proof != nil || early.Closes == nil || !strings.Contains(early.Note, "not closed yet") {
		t.Errorf("before the day is closed: %+v", early)
	}

	t.Run("is for nobody else", func(t *testing.T) {
		h.client(t).do("GET", path, nil).refused(401, "sign-in-required")
		other := h.login(t, lee)
		other.do("GET", path, nil).refused(404, "payment-unknown")
		c.do("GET", strings.Replace(path, "11560", neighbour.String(), 1), nil).refused(404, "payment-unknown")
		c.do("GET", "/tenants/11560/payments/"+newID()+"/receipt", nil).refused(404, "payment-unknown")
		c.do("GET", "/tenants/11560/payments/1/receipt", nil).want(422)
	})

	ctx := tenant.With(context.Background(), home)
	today := calendar.DayOf(h.clock.Now())
	if days := h.client(t).do("GET", "/tenants/11560/ledger-days", nil).want(200); days.items() != 0 || days.at("items") == nil {
		t.Errorf("days before the first was closed: %s", days.raw)
	}
	if _, err := h.app.Settlement.CloseDay(ctx, today); err != nil {
		t.Fatal(err)
	}
	if sealed, err := h.app.Ledger.SealDays(ctx); err != nil || sealed != 1 {
		t.Fatalf("sealed %d: %v", sealed, err)
	}
	c.do("POST", "/tenants/11560/payments/"+paid.id("id")+"/cancellations", map[string]any{"amount": 2_500}, "Idempotency-Key", newID()).want(201)
	file := c.do("GET", path, nil).want(200)
	late := check(file)
	if late.State != payments.DaySealed || late.Proof == nil || late.Leaf != early.Leaf || late.CancelledAmount != 2_500 {
		t.Errorf("after the day was sealed: %+v", late)
	}
	days := h.client(t).do("GET", "/tenants/11560/ledger-days", nil).want(200)
	if days.items() != 1 || days.text("items.0.root") != late.Day.Root || days.text("items.0.chain") != late.Day.Chain || days.won("items.0.entries") != late.Day.Entries {
		t.Errorf("the receipt's day is not the published one: %+v, %s", late.Day, days.raw)
	}

	t.Run("days are listed in pages", func(t *testing.T) {
		h.clock.Set(today.AddDays(3).Start().Add(10 * time.Minute))
		if _, err := h.app.Settlement.CloseDay(ctx, today.AddDays(2)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.app.Ledger.SealDays(ctx); err != nil {
			t.Fatal(err)
		}
		first := h.client(t).do("GET", "/tenants/11560/ledger-days?limit=2", nil).want(200)
		second := h.client(t).do("GET", "/tenants/11560/ledger-days?limit=2&cursor="+first.text("next_cursor"), nil).want(200)
		if first.items() != 2 || second.items() != 1 || second.text("next_cursor") != "" || first.text("items.1.previous") != second.text("items.0.chain") {
			t.Errorf("pages %s and %s", first.raw, second.raw)
		}
		for _, query := range []string{"limit=0", "limit=367", "limit=x", "cursor=2026-13-01", "cursor=yesterday", "colour=red"} {
			h.client(t).do("GET", "/tenants/11560/ledger-days?"+query, nil).want(422)
		}
		h.client(t).do("GET", "/tenants/99999/ledger-days", nil).refused(404, "tenant-unknown")
	})

	t.Run("is checked by the command, offline", func(t *testing.T) {
		folder := t.TempDir()
		keep := func(name string, body []byte) string {
			path := filepath.Join(folder, name)
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		receipt, keySet := keep("receipt.json", file.raw), keep("keys.json", keys.raw)
		for name, c := range map[string]struct {
			args []string
			exit int
			says string
		}{
			"a whole one":     {[]string{"--receipt", receipt, "--keys", keySet}, 0, "proved       it is entry"},
			"a changed one":   {[]string{"--receipt", keep("changed.json", bytes.Replace(file.raw, []byte("12500"), []byte("92500"), 1)), "--keys", keySet}, 1, "does not fit"},
			"no receipt":      {[]string{"--receipt", keySet, "--keys", keySet}, 1, "not a receipt"},
			"no keys":         {[]string{"--receipt", receipt}, 2, "--keys"},
			"no file":         {[]string{"--receipt", receipt + "x", "--keys", keySet}, 2, "no such file"},
			"a hostile file":  {[]string{"--receipt", keep("long.json", make([]byte, 2<<20)), "--keys", keySet}, 2, "longer than any receipt"},
			"keys of nowhere": {[]string{"--receipt", receipt, "--keys", receipt}, 1, "not a JSON Web Key Set"},
		} {
			var out, errs bytes.Buffer
			exit := cli.Run(context.Background(), append([]string{"verify"}, c.args...), &out, &errs)
			if exit != c.exit || !strings.Contains(out.String()+errs.String(), c.says) {
				t.Errorf("%s: exit %d, said %s%s", name, exit, out.String(), errs.String())
			}
		}
	})

	t.Run("survives another program's JSON and no other change", func(t *testing.T) {
		var loose map[string]any
		decoder := json.NewDecoder(bytes.NewReader(file.raw))
		decoder.UseNumber()
		if err := decoder.Decode(&loose); err != nil {
			t.Fatal(err)
		}
		again, err := json.MarshalIndent(loose, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := payments.CheckReceipt(again, keys.raw); err != nil {
			t.Errorf("the same in another form: %v", err)
		}
		richer := bytes.Replace(file.raw, []byte("12500"), []byte("92500"), 1)
		if _, _, err := payments.CheckReceipt(richer, keys.raw); err == nil {
			t.Error("another amount is taken")
		}
	})
	h.clean(t)
}
