package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/incidents"
	"jangteo/modules/settlement"
	"jangteo/modules/staff"
	"jangteo/modules/vouchers"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

const goldenRoutes = "testdata/routes.golden"

// someone is a person who is signed in, as a browser or an app would be.
type someone struct {
	kind    auth.Kind
	headers []string
}

// officer signs a member of staff in and returns the cookie.
func (h *house) officer(t testing.TB, login string) someone {
	t.Helper()
	c := h.client(t)
	form := url.Values{"email": {login}, "password": {password}}.Encode()
	a := c.send("POST", "/office/sign-in", strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded").want(303)
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if cookie.Name == "jangteo_office" {
			return someone{kind: auth.Staff, headers: []string{"Cookie", "jangteo_office=" + cookie.Value}}
		}
	}
	t.Fatalf("no cookie: %v", a.header)
	return someone{}
}

// operator signs one of the operator's own staff in.
func (h *house) operator(t testing.TB) someone {
	t.Helper()
	_, err := h.app.Staff.Register(context.Background(), staff.RegisterInput{
		Login: "operator@jangteo.example", Password: password, Name: "이운영", Department: "운영실", Role: staff.ChiefOfPlatform,
	})
	if err != nil && !errors.Is(err, staff.ErrLoginTaken) {
		t.Fatal(err)
	}
	who := h.officer(t, "operator@jangteo.example")
	who.kind = auth.Operator
	return who
}

func (c *client) someone(kind auth.Kind, cookie string) someone {
	return someone{kind: kind, headers: []string{"Cookie", cookie + "=" + c.access, "Authorization", "Bearer " + c.access}}
}

// as sends a request as somebody; nobody is the empty someone. Pages are asked
// for as a browser does, and forms are sent empty.
func (h *house) as(t testing.TB, who someone, route web.Route, path string) answer {
	t.Helper()
	c := h.client(t)
	if web.IsAPI(path) && !strings.HasPrefix(path, "/my/") {
		var headers []string
		if len(who.headers) > 2 {
			headers = who.headers[2:] // apps send no cookies
		} else {
			headers = who.headers
		}
		var body any
		if route.Method == http.MethodPost || route.Method == http.MethodPatch {
			body = "{}"
		}
		return c.do(route.Method, path, body, append(headers, "Idempotency-Key", newID())...)
	}
	headers := append([]string{"Accept", "text/html"}, who.headers[:min(2, len(who.headers))]...)
	if route.Method == http.MethodGet {
		return c.send(route.Method, path, nil, headers...)
	}
	return c.send(route.Method, path, strings.NewReader(""), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

// TestRouteTable holds who may reach what, line by line, for review.
func TestRouteTable(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	var table strings.Builder
	for _, r := range h.app.Router.Table {
		fmt.Fprintf(&table, "%-6s %-55s %-28s %s\n", r.Method, r.Path, r.Access, r.Class)
	}
	if *update {
		if err := os.WriteFile(goldenRoutes, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(goldenRoutes)
	if err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(string(golden), "\n"), strings.Split(table.String(), "\n")
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("not in %s: %s", goldenRoutes, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no longer there: %s", line)
		}
	}
	h.tryRoutes(t)
}

// tryRoutes tries every route as a stranger, as each wrong kind of person,
// without the permission, from the municipality next door, and for what does
// not exist.
func (h *house) tryRoutes(t *testing.T) {
	citizen, stranger := h.login(t, kim), h.login(t, lee)
	account := citizen.link()
	bought := citizen.buy(home, account, 50_000)
	payment := citizen.pay(home, 10_000, newID()).want(201).id("id")
	ctx := tenant.With(context.Background(), home)
	today := calendar.DayOf(h.clock.Now())
	if _, err := h.app.Settlement.CloseDay(ctx, today); err != nil {
		t.Fatal(err)
	}
	// proposed while nothing is due yet, so that the timer does not pay first
	proposal, err := h.app.Settlement.ProposePayOut(auth.With(ctx, auth.Principal{
		Kind: auth.Staff, ID: uuid.New(), Name: "정산", Tenant: home, Permissions: []string{"settlement.close"},
	}), settlement.All, "연휴 전 지급")
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Set(today.Next().Start().Add(3600e9))
	h.settled(t)
	resume := func(c *client) {
		challenge := c.do("POST", "/sessions/challenges", map[string]string{"device_id": c.device}).want(201).text("challenge")
		c.keep(c.do("POST", "/sessions/resume", map[string]string{"device_id": c.device, "challenge": challenge, "signature": c.sign(challenge)}).want(200))
	}
	resume(citizen)
	resume(stranger)
	owner, seller := h.clerk(t, "owner11560"), h.clerk(t, "seller11560")
	rightful := map[auth.Kind]someone{
		auth.Citizen: citizen.someone(auth.Citizen, "jangteo_access"),
		auth.Clerk:   owner.someone(auth.Clerk, "jangteo_shop"),
		auth.Staff:   h.officer(t, "chief@11560.example"),

		auth.Operator: h.operator(t),
	}
	neighbours := map[auth.Kind]someone{
		auth.Citizen: stranger.someone(auth.Citizen, "jangteo_access"),
		auth.Clerk:   h.clerk(t, "owner26350").someone(auth.Clerk, "jangteo_shop"),
		auth.Staff:   h.officer(t, "chief@26350.example"),

		auth.Operator: h.operator(t),
	}
	settled := owner.do("GET", "/merchant/settlements", nil).want(200).id("items.0.id")
	in, err := h.app.Staff.SignIn(ctx, "chief@11560.example", password)
	if err != nil {
		t.Fatal(err)
	}
	me := in.Principal
	clerk, err := h.app.Merchants.SignIn(ctx, "owner11560", password)
	if err != nil {
		t.Fatal(err)
	}
	running, err := h.app.Staff.SignIn(ctx, "operator@jangteo.example", password)
	if err != nil {
		t.Fatal(err)
	}
	err = h.app.DB.Tx(auth.With(ctx, me), func(ctx context.Context) error { // so that there is a month to review
		return h.app.Audit.Seen(ctx, audit.Access{Subject: "merchant", SubjectID: h.towns[home].shop.ID, Did: "merchant.personal", Reason: "민원 처리"})
	})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := h.app.Audit.Changes(ctx, audit.Filter{Limit: 1})
	if err != nil || len(changes) != 1 {
		t.Fatalf("the audit log: %v, %v", changes, err)
	}
	card := h.linkCard(t, citizen, h.towns[home].shop.ID)
	ids := map[string]string{
		"cards": card.card, "card-swaps": card.swap, "swaps": card.swap, "terminals": card.terminal, "clearing": card.row,
		"payments": payment, "purchases": bought.id("id"), "wallets": bought.id("wallet_id"), "accounts": bought.id("wallet_id"), "entries": payment,
		"merchants": h.towns[home].shop.ID.String(), "programmes": h.towns[home].programme.String(), "settlements": settled,
		"citizens": citizen.do("GET", "/me", nil).want(200).id("id"), "sessions": citizen.session, "bank-accounts": account,
		"audit": changes[0].ID.String(), "approvals": proposal.ID.String(), "staff": me.ID.String(), "clerks": clerk.ID.String(),
		"corrections": h.correction(t, uuid.MustParse(bought.id("wallet_id"))),
		"incidents":   h.incident(t).ID.String(), "cases": h.suspect(t, stranger),
	}
	// fill puts real ids, or unknown ones, into a route's path.
	fill := func(path string, known bool) string {
		parts := strings.Split(path, "/")
		for i, part := range parts {
			name := parameter.FindStringSubmatch(part)
			switch {
			case name == nil:
			case name[1] == "tenant":
				parts[i] = home.String()
			case name[1] == "code":
				parts[i] = "insufficient-balance"
			case !known:
				parts[i] = strings.ToLower(newID())
			case name[1] == "month":
				parts[i] = "2026-11"
			case name[1] == "merchant":
				parts[i] = ids["merchants"]
			case name[1] == "programme":
				parts[i] = ids["programmes"]
			case strings.HasPrefix(path, "/operations/staff"):
				parts[i] = running.ID.String()
			case slices.Contains(parts, "wallets") && !(name[1] == "id" && slices.Contains(parts, "citizens")), slices.Contains(parts, "identity-checks"):
				parts[i] = ids["wallets"]
			default:
				parts[i] = newID()
				for _, before := range slices.Backward(parts[:i]) {
					if id := ids[before]; id != "" {
						parts[i] = id
						break
					}
				}
			}
		}
		return strings.Join(parts, "/")
	}
	secrets := []string{"50,000", "40,000", "10,000", "김하늘", "가게 0", payment, ids["wallets"]}
	for _, r := range h.app.Router.Table {
		if strings.HasSuffix(r.Path, "/live") && r.Method == http.MethodGet { // streams do not end; strangers are tried
			if a := h.as(t, someone{}, r, r.Path); a.status != 303 && a.status != 401 {
				t.Errorf("%s as a stranger: %d", r.Path, a.status)
			}
			continue
		}
		api := strings.HasPrefix(r.Path, web.APIPrefix)
		path := fill(r.Path, true)
		if r.Access.Kind == "" {
			if a := h.as(t, someone{}, r, path); a.status >= 500 {
				t.Errorf("%s %s: %d", r.Method, path, a.status)
			}
			continue
		}
		refused := func(as string, a answer, statuses ...int) {
			t.Helper()
			if !slices.Contains(statuses, a.status) {
				t.Errorf("%s %s %s: answered %d, want one of %v: %s", r.Method, path, as, a.status, statuses, clip(a.raw))
			}
			for _, secret := range secrets {
				if a.status != 303 && strings.Contains(string(a.raw), secret) {
					t.Errorf("%s %s %s: shows %q", r.Method, path, as, secret)
				}
			}
		}
		a := h.as(t, someone{}, r, path)
		if api {
			a.refused(401, "sign-in-required")
		} else {
			refused("as a stranger", a, 303)
			if to := a.header.Get("Location"); !strings.Contains(to, "/sign-in") {
				t.Errorf("%s: a stranger is sent to %q", path, to)
			}
		}
		for kind, who := range rightful {
			if kind != r.Access.Kind {
				refused("as "+string(kind), h.as(t, who, r, path), 303, 401, 403)
			}
		}
		if p := r.Access.Permission; p != "" {
			who, found := h.lacking(t, r.Access.Kind, p, seller)
			if found {
				refused("without "+p, h.as(t, who, r, path), 403)
			}
		}
		if parameter.MatchString(strings.ReplaceAll(r.Path, "{tenant}", "")) && !strings.Contains(r.Path, "{programme}") && !strings.Contains(r.Path, "{merchant}") {
			if r.Access.Kind != auth.Operator || strings.HasPrefix(path, "/operations/approvals/") { // the platform has no neighbour
				refused("from the neighbour", h.as(t, neighbours[r.Access.Kind], r, path), 303, 401, 403, 404, 422)
			}
			refused("for what does not exist", h.as(t, rightful[r.Access.Kind], r, fill(r.Path, false)), 400, 404, 422)
		}
		if r.Method == http.MethodGet {
			half := strings.Contains(path, "/confirm")                     // needs the form before it
			municipal := strings.HasPrefix(path, "/operations/approvals/") // is none of the operator's
			if a := h.as(t, rightful[r.Access.Kind], r, path); municipal && a.status != 404 || !municipal && a.status != 200 && a.status != 303 && !(half && a.status == 422) {
				t.Errorf("%s %s as its own %s: %d: %s", r.Method, path, r.Access.Kind, a.status, clip(a.raw))
			}
		}
	}
	h.clean(t)
}

// correction is one that two people of the municipality made in a wallet.
func (h *house) correction(t testing.TB, wallet uuid.UUID) string {
	t.Helper()
	as := func(name string) context.Context {
		return auth.With(tenant.With(context.Background(), home), auth.Principal{
			Kind: auth.Staff, ID: uuid.New(), Name: name, Tenant: home, Permissions: []string{"wallets.correct"},
		})
	}
	p, err := h.app.Vouchers.ProposeCorrection(as("김주무"), vouchers.CorrectionInput{WalletID: wallet, Against: vouchers.AgainstFund, Amount: 1, Reason: "끝전 누락"})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = h.app.Approvals.Approve(as("박과장"), p.ID, ""); err != nil {
		t.Fatal(err)
	}
	var made struct {
		EntryID string `json:"entry_id"`
	}
	if err := json.Unmarshal(p.Outcome, &made); err != nil {
		t.Fatal(err)
	}
	return made.EntryID
}

// incident is one that the public was told of.
func (h *house) incident(t testing.TB) incidents.Incident {
	t.Helper()
	i, err := h.app.Incidents.Open(context.Background(), incidents.Input{
		State: incidents.Identified, Parts: []string{"sign-in"}, Tenants: []tenant.ID{home}, Published: true,
		Words: incidents.Words{TitleKo: "로그인 초기화", TextKo: "시스템을 복구하고 있어요.", TitleEn: "Sign-ins reset", TextEn: "We are recovering our system."},
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// suspect has a case about a citizen's sign-in, which goes on.
func (h *house) suspect(t testing.TB, c *client) (id string) {
	t.Helper()
	id = newID()
	err := h.app.DB.Platform(context.Background(), func(ctx context.Context) error {
		return h.app.DB.In(ctx).Exec(`INSERT INTO sessions.cases (id, case_no, citizen_id, kind, opened_at, session_id, suspect_id)
			SELECT ?, 'L-1', citizen_id, 'not-me', began_at, id, id FROM sessions.sessions WHERE id = ?`, id, c.session).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// lacking finds somebody of a kind who does not hold a permission.
func (h *house) lacking(t *testing.T, kind auth.Kind, permission string, seller *client) (someone, bool) {
	if kind == auth.Clerk {
		switch permission {
		case "sales.read", "qr.make", "payments.cancel":
			return someone{}, false
		}
		return seller.someone(auth.Clerk, "jangteo_shop"), true
	}
	for _, role := range []staff.Role{staff.Settlement, staff.Officer} {
		if slices.Contains(role.Permissions(), permission) {
			continue
		}
		login := string(role) + "@11560.example"
		if role == staff.Officer {
			login = "officer@11560.example"
			_, _ = h.app.Staff.Register(context.Background(), staff.RegisterInput{
				TenantID: home, Login: login, Password: password, Name: "정주무", Department: "지역경제과", Role: role,
			})
		}
		return h.officer(t, login), true
	}
	return someone{}, false
}
