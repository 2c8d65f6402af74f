package browsertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/demo"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/incidents"
	"jangteo/modules/payments"
	"jangteo/modules/sessions"
	"jangteo/modules/settlement"
	"jangteo/modules/vouchers"
)

// inhabit starts a house full of people, as the demonstration is.
func inhabit(t *testing.T, citizens int) (*house, demo.Logins) {
	t.Helper()
	h := found(t)
	must(t, demo.Seed(t.Context(), h.App, h.sims, demo.Options{
		Citizens: citizens, Months: 1, Now: clock.System, Log: h.Log, OwnerURL: h.Config.Owner(),
	}))
	h.serve(t)
	request := got(http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/demo/logins.json", nil))(t)
	answer := got(http.DefaultClient.Do(request))(t)
	defer func() { _ = answer.Body.Close() }()
	var logins demo.Logins
	must(t, json.NewDecoder(answer.Body).Decode(&logins))
	return h, logins
}

// Every page that anybody can be shown is shown to the right person.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	h, logins := inhabit(t, 40)
	t.Cleanup(func() { h.clean(t) })
	h.trouble(t)
	h.suspicion(t, logins)
	h.putRight(t, logins.Citizens[0])
	t.Run("anyone", func(t *testing.T) {
		t.Parallel()
		s := h.open(t, "anyone", phone)
		h.walk(s, "", "/", "/demo", "/tenants/11560/merchants", "/problems/insufficient-balance", "/shop/sign-in", "/office/sign-in", "/sign-in")
	})
	t.Run("citizen", func(t *testing.T) {
		t.Parallel()
		s := h.open(t, "citizen", phone)
		h.signIn(s, logins.Citizens[0])
		h.walk(s, auth.Citizen, "/my", "/my/pay?tenant="+logins.Merchants[0].Tenant+"&q="+url.QueryEscape(logins.Merchants[0].Merchant), "/my/bank-accounts", "/my/history", "/my/buy", "/my/cards/claims")
	})
	t.Run("shop", func(t *testing.T) {
		t.Parallel()
		s := h.open(t, "shop", phone)
		s.goTo("/shop")
		s.fill("login", logins.Merchants[0].Login, "password", logins.Merchants[0].Password)
		s.press(`form[action="/shop/sign-in"] button`)
		h.walk(s, auth.Clerk, "/shop")
	})
	t.Run("office", func(t *testing.T) {
		t.Parallel()
		s := h.open(t, "office", phone)
		s.goTo("/office")
		s.fill("email", logins.Staff[0].Login, "password", logins.Staff[0].Password)
		s.press(`form[action="/office/sign-in"] button`)
		h.walk(s, auth.Staff, "/office", "/office/ledger", "/office/citizens?q="+logins.Citizens[0].Phone)
	})
	t.Run("operator", func(t *testing.T) {
		t.Parallel()
		s := h.open(t, "operator", phone)
		s.goTo("/operations/approvals")
		s.fill("email", logins.Operators[0].Login, "password", logins.Operators[0].Password)
		s.press(`form[action="/office/sign-in"] button`)
		h.walk(s, auth.Operator, "/operations/approvals", "/operations/incidents", "/operations/cases")
	})
}

// suspicion brings what operators look at: somebody who says that a sign-in was
// not theirs, and a reset that waits for a second person.
func (h *house) suspicion(t *testing.T, logins demo.Logins) {
	t.Helper()
	ctx := tenant.With(t.Context(), tenant.Platform)
	victim := got(h.Citizens.Find(ctx, logins.Citizens[len(logins.Citizens)-1].Phone, 1))(t)[0].ID
	begin := func(name string) sessions.Tokens {
		key := got(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
		public := got(jose.JSONWebKey{Key: &key.PublicKey}.MarshalJSON())(t)
		return got(h.Sessions.Begin(t.Context(), victim, sessions.DeviceInput{PublicKey: public, Name: name, Platform: "Android"}))(t)
	}
	thief, own := begin("모르는 기기"), begin("갤럭시 S25")
	got(h.Sessions.NotMine(t.Context(), victim, own.Session.ID, thief.Session.ID))(t)
	operator := auth.With(ctx, auth.Principal{Kind: auth.Operator, ID: uuid.New(), Name: "남다정", Permissions: []string{"sessions.reset"}})
	i := got(h.Incidents.Open(operator, incidents.Input{
		State: incidents.Investigating, Parts: []string{"sign-in"}, Published: true, StartedAt: clock.System().Add(-time.Minute),
		Words: incidents.Words{TitleKo: "로그인이 되지 않습니다", TitleEn: "Signing in fails", TextKo: "원인을 찾고 있습니다.", TextEn: "We are looking for the cause."},
	}))(t)
	got(h.Incidents.ProposeReset(operator, i.ID, sessions.ResetInput{
		Scope: sessions.Scope{Kind: sessions.ScopePlatform, Platform: new("nobody's")}, Reason: "토큰이 새어 나갔을 수 있음", StartsAt: new(clock.System().Add(time.Hour)),
	}))(t)
}

// trouble brings what a quiet month lacks: an incident that everybody may read,
// a payout that waits for a second person, and a look at personal data.
func (h *house) trouble(t *testing.T) {
	t.Helper()
	yeongdeungpo := tenant.ID(11560)
	ctx := tenant.With(auth.With(t.Context(), auth.Principal{
		Kind: auth.Staff, ID: uuid.New(), Name: "정산", Tenant: yeongdeungpo, Permissions: []string{"settlement.close"},
	}), yeongdeungpo)
	got(h.Incidents.Open(t.Context(), incidents.Input{
		State: incidents.Resolved, Parts: []string{"sign-in"}, Published: true, StartedAt: clock.System().Add(-time.Hour),
		Words: incidents.Words{TitleKo: "로그인이 늦었습니다", TitleEn: "Signing in was slow", TextKo: "지금은 괜찮습니다.", TextEn: "It is fine now."},
	}))(t)
	paid := false // by somebody who has something left and may pay there still
	for _, p := range got(h.Payments.List(ctx, payments.Filter{Limit: 50}))(t) {
		if !paid {
			_, _, err := h.Payments.Pay(ctx, payments.PayInput{Key: uuid.NewString(), CitizenID: p.CitizenID, MerchantID: p.MerchantID, WalletID: p.WalletID, Amount: 1000})
			paid = err == nil
		}
	}
	if !paid {
		t.Fatal("nobody could pay")
	}
	got(h.Settlement.CloseDay(ctx, calendar.DayOf(clock.System())))(t)
	got(h.Settlement.ProposePayOut(ctx, settlement.All, "연휴 전 지급"))(t)
	must(t, h.DB.Tx(ctx, func(ctx context.Context) error {
		return h.Audit.Seen(ctx, audit.Access{Subject: "citizen", SubjectID: uuid.New(), Did: "citizen.personal", Reason: "민원 확인"})
	}))
}

// putRight brings a correction of somebody's wallet, by two people.
func (h *house) putRight(t *testing.T, who demo.CitizenLogin) {
	t.Helper()
	citizen := got(h.Citizens.Find(tenant.With(t.Context(), tenant.Platform), who.Phone, 1))(t)[0].ID
	w := got(h.Vouchers.Wallets(t.Context(), citizen))(t)[0]
	as := func(name string) context.Context {
		return auth.With(tenant.With(t.Context(), w.TenantID), auth.Principal{
			Kind: auth.Staff, ID: uuid.New(), Name: name, Tenant: w.TenantID, Permissions: []string{"wallets.correct"},
		})
	}
	p := got(h.Vouchers.ProposeCorrection(as("최주무관"), vouchers.CorrectionInput{
		WalletID: w.ID, Against: vouchers.AgainstFund, Amount: 3_000, Reason: "지난 화요일 충전 가운데 3,000원이 지갑에 들어오지 않은 것을 은행 기록으로 확인하여 더했습니다.",
	}))(t)
	got(h.Approvals.Approve(as("박과장"), p.ID, ""))(t)
}

// signIn is for a citizen who joined before.
func (h *house) signIn(s *screen, who demo.CitizenLogin) {
	s.t.Helper()
	s.goTo("/sign-in")
	s.fill("name", who.Name, "birth_date", who.BirthDate, "phone", who.Phone)
	s.press("main form[action='/sign-in'] button")
	s.fill("code", h.code(s.t, who.Phone))
	s.press(`form[action="/sign-in/code"] button`)
	s.press(`form[data-device-key] button`)
	if s.path() != "/my" {
		s.fail("not signed in")
	}
}

// Pages that are steps of signing in are seen where the story signs in; what
// ends in a dot and letters is a file, what ends in live a stream.
var elsewhere = regexp.MustCompile(`^(/shop|/office)?/sign-in/|/live$|\.[a-z]+$|^` + web.APIPrefix + `|/confirm$`)

// walk follows links from the first pages until every page of one kind of
// person was seen, each once, and fails for a page to which no link leads.
func (h *house) walk(s *screen, kind auth.Kind, first ...string) {
	s.t.Helper()
	missing := map[string]*regexp.Regexp{}
	for _, route := range h.Router.Table {
		if route.Method == http.MethodGet && route.Access.Kind == kind && !elsewhere.MatchString(route.Path) {
			missing[route.Path] = regexp.MustCompile("^" + parameter.ReplaceAllString(route.Path, `[^/?#]+`) + `([?#].*)?$`)
		}
	}
	for queue := first; len(queue) > 0; {
		address := queue[0]
		queue = queue[1:]
		route := matching(missing, address)
		if route == "" {
			continue
		}
		delete(missing, route)
		s.goTo(address)
		s.everyWidth(route)
		queue = append(queue, ask[[]string](s, `[...document.querySelectorAll("a[href]:not([download]):not([target])")].map((a) => a.getAttribute("href")).filter((h) => h.startsWith("/"))`)...)
	}
	for route := range missing {
		s.t.Errorf("no link that the %s can follow leads to %s", s.who, route)
	}
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// matching finds the route of an address; the more exact one, where /a/new and /a/{id} both fit.
func matching(routes map[string]*regexp.Regexp, address string) (found string) {
	for route, pattern := range routes {
		if pattern.MatchString(address) && (found == "" || strings.Count(route, "{") < strings.Count(found, "{")) {
			found = route
		}
	}
	return found
}

// everyWidth looks at a page as it is on a phone, by day and by night, and on a desk.
func (s *screen) everyWidth(name string) {
	s.t.Helper()
	s.look(name)
	s.dark(true)
	for _, violation := range s.violations(contrastOfAxe) {
		s.t.Errorf("%s, page %s in the dark: %s", s.who, name, violation)
	}
	s.dark(false)
	s.widen(desk)
	s.glance(name)
	s.widen(phone)
}

func (s *screen) widen(width int) {
	s.t.Helper()
	s.width = width
	s.do(s.size(width))
}

// The words are longer in English, and Korean in them is a word forgotten.
func TestEnglish(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.open(t, "stranger", phone)
	for _, page := range []string{"/", "/tenants/11560", "/sign-in", "/shop/sign-in", "/office/sign-in", "/problems"} {
		s.goTo(page + "?lang=en")
		if lang := ask[string](s, `document.documentElement.lang`); lang != "en" {
			s.fail("%s is in %q", page, lang)
		}
		s.look("english " + page)
	}
}
