package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"jangteo/app/auth"
	"jangteo/app/web"
)

// counts is how many rows each table holds, but for logs, counts of tries, what
// strangers are given to sign, and what a timer writes when it closes a day.
func (h *house) counts(t testing.TB) map[string]int64 {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, h.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'river', 'public')
			AND n.nspname || '.' || c.relname NOT IN ('settlement.days', 'ledger.rollups', 'ledger.days', 'ledger.day_parts')
			AND n.nspname NOT LIKE '%simulator' AND c.relname NOT LIKE '%tries' AND c.relname NOT LIKE '%failures' AND c.relname NOT LIKE '%accesses%' AND c.relname NOT IN ('audit_log', 'passkey_challenges')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 20 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	found := map[string]int64{}
	for _, table := range tables {
		var n int64
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		found[table] = n
	}
	return found
}

// bodies are good ones; each is spoiled in every way below.
func (h *house) bodies(c *client, account string) map[string]map[string]any {
	town := h.towns[home]
	return map[string]map[string]any{
		"/api/v1/identity-checks":                              {"name": "김하늘", "birth_date": "1990-01-31", "phone": "010-2345-6789"},
		"/api/v1/identity-checks/{id}/confirm":                 {"code": "123456"},
		"/api/v1/citizens":                                     {"identity_token": strings.Repeat("a", 43), "agreements": []string{"terms", "privacy", "e-finance"}},
		"/api/v1/sessions":                                     {"identity_token": strings.Repeat("a", 43), "device": map[string]any{"public_key": c.jwk(), "name": "n", "platform": "p"}},
		"/api/v1/sessions/refresh":                             {"refresh_token": "x"},
		"/api/v1/sessions/challenges":                          {"device_id": c.device},
		"/api/v1/sessions/resume":                              {"device_id": c.device, "challenge": "x", "signature": "x"},
		"/api/v1/me/bank-accounts":                             {"bank_code": "088", "account_number": "110123456789"},
		"/api/v1/tenants/{tenant}/purchases":                   {"programme_id": town.programme, "amount": 10_000, "bank_account_id": account},
		"/api/v1/tenants/{tenant}/payments":                    {"merchant_id": town.shop.ID, "amount": 1_000},
		"/api/v1/tenants/{tenant}/payments/{id}/cancellations": {"amount": 1_000},
		"/api/v1/merchant/sessions":                            {"login": "owner", "password": "x"},
		"/api/v1/merchant/qr":                                  {"amount": 1_000},
		"/api/v1/merchant/payments/{id}/cancellations":         {"amount": 1_000},
		"/api/v1/me/lock":                                      nil, // takes no body
		"/api/v1/me/cards":                                     {"issuer": "31", "token": "tk31-00000000"},
		"/api/v1/tenants/{tenant}/card-offers/{id}/answer":     {"allow": true},
		"/api/v1/tenants/{tenant}/card-swaps/{id}":             nil,
		"/api/v1/tenants/{tenant}/card-claims/{id}/repayments": {"amount": 1_000},
	}
}

type spoiled struct{ name, field, body string }

// spoil makes every bad form of a good body.
func spoil(good map[string]any) (list []spoiled) {
	text := func(v any) string { raw, _ := json.Marshal(v); return string(raw) }
	with := func(name string, raw string) string {
		parts := []string{}
		for _, key := range slices.Sorted(maps.Keys(good)) {
			value := text(good[key])
			if key == name {
				value = raw
			}
			parts = append(parts, text(key)+":"+value)
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for field, value := range good {
		bad := map[string]string{
			"object": `{"a":1}`, "list of lists": `[[1]]`, "true": `true`, "overflow": `1e400`, "int64 and one": `9223372036854775808`,
			"nul": `"a\u0000b"`, "not UTF-8": "\"\xff\xfe\"", "too long": text(strings.Repeat("가", 5000)), "null": `null`,
		}
		switch value.(type) {
		case int:
			maps.Copy(bad, map[string]string{"zero": "0", "negative": "-1", "fraction": "1.5", "text": `"1000"`, "huge": "100000001", "exponent": "1e30"})
		case bool:
			delete(bad, "true")
			bad["number"] = "7"
		case map[string]any, []string:
			delete(bad, "object")
			maps.Copy(bad, map[string]string{"text": `"x"`, "number": "7"})
		default:
			maps.Copy(bad, map[string]string{"number": "7", "empty": `""`, "control": `"a\u0007b"`})
		}
		for name, raw := range bad {
			list = append(list, spoiled{field + " " + name, field, with(field, raw)})
		}
		without := maps.Clone(good)
		delete(without, field)
		list = append(list, spoiled{field + " missing", field, text(without)})
	}
	if good != nil {
		more := maps.Clone(good)
		more["no_such_field"] = 1
		list = append(list, spoiled{"unknown field", "no_such_field", text(more)})
	}
	return append(list,
		spoiled{"no JSON", "body", `{"`}, spoiled{"a list", "", `[]`}, spoiled{"a text", "", `"x"`}, spoiled{"two values", "", `{} {}`},
		spoiled{"deep", "", strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)},
		spoiled{"UTF-16", "", "\xff\xfe{\x00}\x00"},
	)
}

// Whatever is sent, the answer is a problem that names the field, never a
// failure of ours, and nothing changes.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	account := c.link()
	c.buy(home, account, 50_000)
	payment := c.pay(home, 2_000, newID()).want(201).id("id")
	owner := h.clerk(t, "owner11560")
	bodies := h.bodies(c, account)
	before := h.counts(t)
	for _, r := range h.app.Router.Table {
		if r.Method != http.MethodPost || !strings.HasPrefix(r.Path, web.APIPrefix) {
			continue
		}
		good, known := bodies[r.Path]
		if !known {
			t.Errorf("no body is spoiled for %s", r.Path)
			continue
		}
		who := c
		switch r.Access.Kind {
		case auth.Clerk:
			who = owner
		case "":
			who = h.client(t)
		default:
		}
		path := strings.NewReplacer("{tenant}", "11560", "{id}", payment).Replace(r.Path)
		send := func(body string, headers ...string) answer {
			t.Helper()
			return who.do("POST", path, body, append(headers, "Idempotency-Key", newID())...)
		}
		if good == nil {
			continue
		}
		for _, bad := range spoil(good) {
			missing := strings.HasSuffix(bad.name, " missing") || strings.HasSuffix(bad.name, " null")
			if missing && (strings.HasSuffix(r.Path, "/cancellations") || strings.HasSuffix(r.Path, "/repayments")) {
				continue // all that is left
			}
			a := send(bad.body)
			if a.status < 400 || a.status >= 500 || a.text("code") == "" {
				t.Errorf("%s with %s: answered %d: %s", r.Path, bad.name, a.status, clip(a.raw))
				continue
			}
			secret := strings.HasSuffix(bad.name, " control") && a.status == 401 // a wrong one like any other
			if bad.field != "" && !secret && !a.names(bad.field) {
				t.Errorf("%s with %s: does not name %s: %s", r.Path, bad.name, bad.field, clip(a.raw))
			}
		}
		if a := send(strings.Repeat(" ", 10<<20)); a.status != 413 {
			t.Errorf("%s with 10 MB: answered %d", r.Path, a.status)
		}
		if a := send("a=1", "Content-Type", "application/x-www-form-urlencoded"); a.status != 415 && a.status != 403 {
			t.Errorf("%s as a form: answered %d", r.Path, a.status)
		}
	}
	after := h.counts(t)
	for table, n := range after {
		if before[table] != n {
			t.Errorf("%s had %d rows and has %d", table, before[table], n)
		}
	}
	t.Run("addresses", func(t *testing.T) { h.badAddresses(t, c, owner) })
	t.Run("forms", func(t *testing.T) { h.badForms(t, c, owner) })
	h.clean(t)
}

// names reports whether a problem speaks of a field or of one inside it.
func (a answer) names(field string) bool {
	list, _ := a.at("errors").([]any)
	for i := range list {
		name := a.text(fmt.Sprintf("errors.%d.field", i))
		if name == field || strings.HasPrefix(name, field+".") || strings.HasSuffix(name, "."+field) || name == "body" {
			return true
		}
	}
	return false
}

var badValues = []string{"", "%00", "%ff%fe", "0", "-1", "x", strings.Repeat("9", 40), strings.Repeat("a", 9000), "..%2f..%2f", "%F0%9F%92%B8", "1e400", "'", "%27%20OR%201=1", "%5C", "%0a"}

var queries = []string{"cursor", "limit", "q", "trade", "near", "day", "from", "to", "state", "page", "sort", "live", "amount", "wallet", "key", "next"}

// badAddresses tries every path and query value of every route.
func (h *house) badAddresses(t *testing.T, c, owner *client) {
	people := map[auth.Kind]someone{
		"": {}, auth.Citizen: c.someone(auth.Citizen, "jangteo_access"), auth.Clerk: owner.someone(auth.Clerk, "jangteo_shop"), auth.Staff: h.officer(t, "chief@11560.example"), auth.Operator: h.operator(t),
	}
	before := h.counts(t)
	for _, r := range h.app.Router.Table {
		if r.Method != http.MethodGet || strings.HasSuffix(r.Path, "/live") {
			continue
		}
		who, api := people[r.Access.Kind], strings.HasPrefix(r.Path, web.APIPrefix)
		good := strings.NewReplacer("{tenant}", "11560", "{code}", "invalid-input", "{id}", newID(), "{merchant}", h.towns[home].shop.ID.String(), "{programme}", h.towns[home].programme.String()).Replace(r.Path)
		for _, value := range badValues {
			if parameter.MatchString(r.Path) && value != "" {
				path := parameter.ReplaceAllLiteralString(r.Path, value)
				if a := h.as(t, who, r, path); a.status < 400 || a.status >= 500 {
					t.Errorf("GET %s: answered %d", clip([]byte(path)), a.status)
				}
			}
			if !api { // pages read what they know and leave the rest
				all := good + "?" + strings.Join(queries, "="+value+"&") + "=" + value
				if a := h.as(t, who, r, all); a.status >= 500 {
					t.Errorf("GET %s: answered %d", clip([]byte(all)), a.status)
				}
				continue
			}
			for _, name := range queries {
				a := h.as(t, who, r, good+"?"+name+"="+value)
				if a.status >= 500 {
					t.Errorf("GET %s?%s=%s: answered %d", good, name, clip([]byte(value)), a.status)
				}
				if a.status == 422 && !a.names(name) {
					t.Errorf("GET %s?%s=%s: does not name it: %s", good, name, clip([]byte(value)), a.raw)
				}
			}
		}
		if api {
			if a := h.as(t, who, r, good+"?no_such=1"); a.status < 400 || a.status >= 500 {
				t.Errorf("GET %s?no_such=1: answered %d", good, a.status)
			}
		}
	}
	after := h.counts(t)
	for table, n := range after {
		if before[table] != n && !strings.HasPrefix(table, "auth.") {
			t.Errorf("%s had %d rows and has %d", table, before[table], n)
		}
	}
}

// badForms posts rubbish to every form.
func (h *house) badForms(t *testing.T, c, owner *client) {
	people := map[auth.Kind]someone{
		"": {}, auth.Citizen: c.someone(auth.Citizen, "jangteo_access"), auth.Clerk: owner.someone(auth.Clerk, "jangteo_shop"), auth.Staff: h.officer(t, "chief@11560.example"), auth.Operator: h.operator(t),
	}
	fields := []string{"name", "birth", "birth_date", "phone", "code", "login", "password", "amount", "key", "wallet", "bank_code", "account_number", "qr", "reason", "how", "account", "day", "confirm", "next", "public_key"}
	before := h.counts(t)
	for _, r := range h.app.Router.Table {
		// what ends the sessions of this test is left for last
		if r.Method != http.MethodPost || strings.HasPrefix(r.Path, web.APIPrefix) || strings.HasSuffix(r.Path, "/sign-out") ||
			strings.HasSuffix(r.Path, "/lock") || strings.HasSuffix(r.Path, "/not-me") || strings.HasSuffix(r.Path, "/verify") {
			continue
		}
		path := strings.NewReplacer("{tenant}", "11560", "{id}", newID(), "{merchant}", h.towns[home].shop.ID.String(), "{programme}", h.towns[home].programme.String()).Replace(r.Path)
		who := people[r.Access.Kind]
		post := func(what, body, kind string) {
			t.Helper()
			headers := append([]string{"Accept", "text/html", "Content-Type", kind}, who.headers[:min(2, len(who.headers))]...)
			a := h.client(t).send("POST", path, strings.NewReader(body), headers...)
			if a.status >= 500 && a.status != 503 || a.status < 300 && a.status != 200 && a.status != 204 {
				t.Errorf("POST %s with %s: answered %d", path, what, a.status)
			}
		}
		const form = "application/x-www-form-urlencoded"
		for _, value := range []string{"", "%00", "%ff", "-1", "0", "x", strings.Repeat("9", 40), strings.Repeat("a", 6000), "1e400", "%07"} {
			parts := []string{}
			for _, field := range fields {
				parts = append(parts, field+"="+value)
			}
			post("every field "+string(clip([]byte(value))), strings.Join(parts, "&"), form)
		}
		post("10 MB", "name="+strings.Repeat("a", 10<<20), form)
		post("JSON", `{"name":1}`, "application/json")
		post("rubbish", "%zz;&&==", form)
		post("multipart", "--x\r\n", "multipart/form-data; boundary=x")
		post("many fields", strings.Repeat("a=1&", 15_000), form)
	}
	after := h.counts(t)
	for table, n := range after {
		if before[table] != n && !strings.HasPrefix(table, "auth.") && !strings.HasPrefix(table, "sessions.") {
			t.Errorf("%s had %d rows and has %d", table, before[table], n)
		}
	}
}
