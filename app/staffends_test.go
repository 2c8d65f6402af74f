package app_test

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/settlement"
	"jangteo/modules/staff"
	"jangteo/modules/vouchers"
)

// post sends a form as somebody with a cookie.
func (h *house) post(t testing.TB, who someone, path string, form url.Values) answer {
	t.Helper()
	headers := append([]string{"Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"}, who.headers[:2]...)
	return h.client(t).send("POST", path, strings.NewReader(form.Encode()), headers...)
}

// A member of staff signs a citizen's device out: those who may, people of
// theirs, with a reason; the audit log keeps it and the citizen is told it.
func TestStaffSignADeviceOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	citizen := c.do("GET", "/me", nil).want(200).id("id")
	path := "/office/citizens/" + citizen + "/devices"
	end := path + "/" + c.session + "/end"
	reason := url.Values{"reason": {"기기를 잃어버렸다고 신고하셨습니다"}}
	chief := h.officer(t, "chief@11560.example")

	if a := h.post(t, h.officer(t, "settlement@11560.example"), end, reason); a.status != 403 {
		t.Errorf("who may not: %d", a.status)
	}
	if a := h.post(t, h.officer(t, "chief@26350.example"), "/office/citizens/"+citizen+"/devices/"+c.session+"/end", reason); a.status != 404 {
		t.Errorf("another municipality's staff: %d", a.status)
	}
	if a := h.post(t, chief, end, url.Values{"reason": {"짧다"}}); a.status != 422 {
		t.Errorf("without a reason worth reading: %d", a.status)
	}
	if a := h.post(t, chief, path+"/"+newID()+"/end", reason); a.status != 404 {
		t.Errorf("a session that is nobody's: %d", a.status)
	}
	other := h.login(t, lee)
	if a := h.post(t, chief, path+"/"+other.session+"/end", reason); a.status != 404 {
		t.Errorf("somebody else's session: %d", a.status)
	}
	other.do("GET", "/me", nil).want(200)
	c.do("GET", "/me", nil).want(200)
	if a := h.post(t, chief, end, reason); a.status != 303 {
		t.Fatalf("%d: %s", a.status, clip(a.raw))
	}
	told := c.do("GET", "/me", nil).refused(401, "session-revoked-by-staff")
	if told.text("params.reason") != reason.Get("reason") || !strings.HasPrefix(told.text("params.no"), "S-") || told.text("initiator") != "admin" || !strings.Contains(told.text("params.tenant"), "영등포") {
		t.Errorf("the citizen is told: %s", told.raw)
	}
	if a := h.post(t, chief, end, reason); a.status != 303 {
		t.Errorf("again: %d", a.status)
	}
	page := h.client(t).send("GET", path, nil, chief.headers[0], chief.headers[1], "Accept", "text/html").want(200)
	if !strings.Contains(string(page.raw), told.text("params.no")) || strings.Contains(string(page.raw), kim.name) {
		t.Errorf("the page lacks the case number, or shows the name: %s", page.raw)
	}
	var kept int
	err := h.app.DB.Tx(tenant.With(t.Context(), home), func(ctx context.Context) error {
		return h.app.DB.In(ctx).Raw(`SELECT count(*) FROM app.audit_log WHERE action = 'session.ended-by-staff' AND object_id = ? AND reason = ? AND actor_name = '박과장'`,
			c.session, reason.Get("reason")).Scan(&kept).Error
	})
	if err != nil || kept != 1 {
		t.Errorf("the audit log keeps it %d times (%v)", kept, err)
	}
}

// The operator's first one is appointed by command; after that the one in
// charge says who else works there, and the command refuses.
func TestAppoint(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	first := staff.RegisterInput{Login: "first@jangteo.example", Name: "한책임", Department: "운영실"}
	m, secret, err := h.app.Staff.Appoint(t.Context(), first)
	if err != nil || m.Role != staff.ChiefOfPlatform {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, _, err := h.app.Staff.Appoint(t.Context(), staff.RegisterInput{Login: "second@jangteo.example", Name: "나중", Department: "운영실"}); !errors.Is(err, staff.ErrAppointed) {
		t.Errorf("a second first one: %v", err)
	}
	if _, _, err := h.app.Staff.Appoint(t.Context(), staff.RegisterInput{TenantID: home, Login: "x@example.com", Name: "나중", Department: "과"}); !errors.Is(err, staff.ErrAppointed) {
		t.Errorf("a municipality has a chief: %v", err)
	}
	in, err := h.app.Staff.SignIn(t.Context(), m.Login, secret)
	if err != nil {
		t.Fatal(err)
	}
	boss := someone{kind: auth.Operator, headers: []string{"Cookie", "jangteo_office=" + in.Token}}
	hire := func(role staff.Role) answer {
		return h.post(t, boss, "/operations/staff", url.Values{"email": {string(role) + "@jangteo.example"}, "name": {"조직원"}, "department": {"운영실"}, "role": {string(role)}})
	}
	if a := hire(staff.OfPlatform).want(200); !strings.Contains(string(a.raw), `id="first-password"`) {
		t.Errorf("no first password: %s", clip(a.raw))
	}
	for path, fields := range map[string]url.Values{
		"/role":    {"role": {string(staff.OfPlatform)}},
		"/suspend": {"reason": {"휴직"}},
	} {
		if a := h.post(t, boss, "/operations/staff/"+m.ID.String()+path, fields); a.status/100 != 4 || !strings.Contains(string(a.raw), "다른 사람에게 관리 역할을 준 뒤") {
			t.Errorf("the last one in charge, %s: %d %s", path, a.status, clip(a.raw))
		}
	}
	for _, role := range []staff.Role{staff.Chief, staff.Auditor, "king"} {
		if a := hire(role); a.status != 422 && a.status != 403 {
			t.Errorf("hired a %s: %d", role, a.status)
		}
	}
	if a := h.client(t).send("GET", "/operations/staff", nil, boss.headers...).want(200); !strings.Contains(string(a.raw), "조직원") {
		t.Error("the list lacks who was hired")
	}
	common := h.operatorOf(t, staff.OfPlatform)
	if a := h.client(t).send("GET", "/operations/staff", nil, common.headers...); a.status != 403 {
		t.Errorf("a common operator manages staff: %d", a.status)
	}
}

// officerOf is a new member of a municipality's staff.
func (h *house) officerOf(t testing.TB, id tenant.ID, role staff.Role) someone {
	t.Helper()
	login := newID() + "@" + id.String() + ".example"
	if _, err := h.app.Staff.Register(t.Context(), staff.RegisterInput{TenantID: id, Login: login, Password: password, Name: "최주무관", Department: "과", Role: role}); err != nil {
		t.Fatal(err)
	}
	return h.officer(t, login)
}

func (h *house) operatorOf(t testing.TB, role staff.Role) someone {
	t.Helper()
	login := newID() + "@jangteo.example"
	if _, err := h.app.Staff.Register(t.Context(), staff.RegisterInput{Login: login, Password: password, Name: "이운영", Department: "운영실", Role: role}); err != nil {
		t.Fatal(err)
	}
	return h.officer(t, login)
}

// A policy's next version takes two people, begins on its day, and never
// reaches back.
func TestPolicyTakesTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	programme := h.towns[home].programme.String()
	ctx := tenant.With(t.Context(), home)
	if _, err := h.app.Staff.Register(ctx, staff.RegisterInput{TenantID: home, Login: "officer@11560.example", Password: password, Name: "최주무관", Department: "과", Role: staff.Officer}); err != nil {
		t.Fatal(err)
	}
	chief, officer := h.officer(t, "chief@11560.example"), h.officer(t, "officer@11560.example")
	h.client(t).send("GET", "/office/programmes/"+programme+"/policies/new", nil, officer.headers...).want(200)
	next := func(change url.Values) url.Values {
		form := url.Values{
			"clause": {"조례 제8조"}, "effective_from": {"2026-11-20"}, "discount_bp": {"7.5"}, "refund_used_bp": {"60"}, "purchase_min": {"10,000"}, "purchase_step": {"10000"},
			"purchase_month_max": {"300,000"}, "hold_max": {"1,000,000"}, "per_payment_max": {"0"}, "per_day_max": {"0"}, "validity_years": {"5"}, "reason": {"예산이 줄어 할인율을 낮춥니다"},
		}
		form.Set("effective_from", calendar.DayOf(h.clock.Now()).Next().String())
		for name, values := range change {
			form[name] = values
		}
		return form
	}
	path := "/office/programmes/" + programme + "/policies"
	for field, value := range map[string]string{
		"effective_from": calendar.DayOf(h.clock.Now()).String(), "discount_bp": "51", "refund_used_bp": "a", "purchase_month_max": "2000001", "validity_years": "0", "excluded_trades": "1234", "clause": "", "reason": "",
	} {
		if a := h.post(t, officer, path, next(url.Values{field: {value}})); a.status != 422 || !strings.Contains(string(a.raw), field+"-error") {
			t.Errorf("%s = %q: %d", field, value, a.status)
		}
	}
	if a := h.post(t, h.officer(t, "settlement@11560.example"), path, next(nil)); a.status != 403 {
		t.Errorf("who may not: %d", a.status)
	}
	asked := h.post(t, officer, path, next(nil)).want(303)
	proposal := asked.header.Get("Location")
	if a := h.post(t, officer, path, next(nil)); a.status != 409 {
		t.Errorf("the same programme twice at a time: %d", a.status)
	}
	if a := h.client(t).send("GET", proposal, nil, chief.headers...).want(200); !strings.Contains(string(a.raw), "10 → 7.5") || strings.Contains(string(a.raw), "1,000,000 →") {
		t.Errorf("who decides is not told what changes: %s", a.raw)
	}
	if a := h.client(t).send("GET", "/office", nil, chief.headers...).want(200); !strings.Contains(string(a.raw), "요청 1건") {
		t.Error("the dashboard does not say that somebody waits")
	}
	if a := h.post(t, officer, proposal+"/approve", url.Values{"confirm": {"yes"}}); a.status != 403 {
		t.Errorf("one person alone: %d", a.status)
	}
	if a := h.post(t, chief, proposal+"/approve", url.Values{"confirm": {"yes"}}); a.status != 303 {
		t.Fatalf("%d: %s", a.status, clip(a.raw))
	}
	if err := h.app.Vouchers.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	p, err := h.app.Vouchers.Programme(ctx, h.towns[home].programme)
	if err != nil || len(p.Policies) != 2 || p.Policies[1].DiscountBP != 750 || p.Policies[1].Author != "최주무관" {
		t.Fatalf("%+v, %v", p.Policies, err)
	}
	if now, _ := p.InForce(h.clock.Now()); now.Version != 1 {
		t.Errorf("version %d is in force today", now.Version)
	}
	if then, _ := p.InForce(p.Policies[1].EffectiveFrom); then.Version != 2 {
		t.Errorf("version %d is in force on its day", then.Version)
	}

	late := h.post(t, officer, path, next(nil)).want(303).header.Get("Location")
	h.advance(t, 36*time.Hour) // its day has come, and nobody has decided
	chief = h.officer(t, "chief@11560.example")
	if a := h.post(t, chief, late+"/approve", url.Values{"confirm": {"yes"}}); a.status != 409 {
		t.Errorf("rules reach back: %d", a.status)
	}
}

// What a shop is owed is corrected by two people, with an entry of its own that
// goes into the next settlement; the books still add up.
func TestCorrectionTakesTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	c.pay(home, 10_000, newID()).want(201)
	shop := h.towns[home].shop
	path := "/office/merchants/" + shop.ID.String() + "/corrections"
	maker, decider := h.officer(t, "settlement@11560.example"), h.officer(t, "chief@11560.example")
	form := func(choice, amount string) url.Values {
		return url.Values{"choice": {choice}, "amount": {amount}, "reason": {"카드사 대사에서 빠진 결제"}, "confirm": {"yes"}}
	}
	for _, amount := range []string{"0", "-5", "10,000,001", "1.5", ""} {
		if a := h.post(t, maker, path, form("gives", amount)); a.status != 422 {
			t.Errorf("%q won: %d", amount, a.status)
		}
	}
	if a := h.post(t, h.officer(t, "chief@26350.example"), path, form("gives", "3,000")); a.status != 404 {
		t.Errorf("the neighbour corrects: %d", a.status)
	}
	owed := func() money.Amount {
		t.Helper()
		balance, err := h.app.Ledger.Balance(tenant.With(t.Context(), home), shop.PayableID)
		if err != nil {
			t.Fatal(err)
		}
		return balance
	}
	for _, step := range []struct {
		choice, amount string
		want           money.Amount
	}{{"gives", "3,000", 13_000}, {"takes", "1,000", 12_000}} {
		before := owed()
		proposal := h.post(t, maker, path, form(step.choice, step.amount)).want(303).header.Get("Location")
		if a := h.post(t, maker, proposal+"/approve", url.Values{"confirm": {"yes"}}); a.status != 403 || owed() != before {
			t.Errorf("one person alone: %d, owed %d", a.status, owed())
		}
		h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(303)
		h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(409)
		if owed() != step.want {
			t.Errorf("owed %d, want %d", owed(), step.want)
		}
	}
	h.clean(t)
	if _, err := h.app.Settlement.CloseDay(tenant.With(t.Context(), home), calendar.DayOf(h.clock.Now())); err != nil {
		t.Fatal(err)
	}
	list, _, err := h.app.Settlement.List(tenant.With(t.Context(), home), settlement.Filter{Merchant: shop.ID, Limit: 5})
	if err != nil || len(list) != 1 || list[0].Net != 12_000 {
		t.Fatalf("settled: %+v, %v", list, err)
	}
	h.clean(t)
}

// A citizen's wallet is put right by two people, and the citizen is told why,
// in the history, on a page of its own and in the inbox.
func TestWalletCorrectionTakesTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	bought := c.buy(home, c.link(), 50_000)
	wallet := bought.id("wallet_id")
	citizen := "/office/citizens/" + c.do("GET", "/me", nil).want(200).id("id")
	path := citizen + "/wallets/" + wallet
	other := h.officerOf(t, home, staff.Officer)
	maker, decider := h.officerOf(t, home, staff.Officer), h.officer(t, "chief@11560.example")
	form := func(change url.Values) url.Values {
		f := url.Values{"direction": {"takes"}, "against": {"fund"}, "amount": {"3,000"}, "reason": {"은행에서 돌려준 충전"}, "confirm": {"yes"}}
		for name, values := range change {
			f[name] = values
		}
		return f
	}
	for field, values := range map[string][]string{
		"amount": {"0", "-5", "50,001", "1.5", ""}, "direction": {"", "up"}, "against": {"", "pocket"}, "reason": {"", strings.Repeat("가", 501)},
		"answers": {"x", newID()}, "confirm": {""},
	} {
		for _, value := range values {
			if a := h.post(t, maker, path+"/corrections", form(url.Values{field: {value}})); a.status != 422 || !strings.Contains(string(a.raw), field+"-error") {
				t.Errorf("%s = %q: %d", field, value, a.status)
			}
		}
	}
	if a := h.post(t, h.officer(t, "settlement@11560.example"), path+"/corrections", form(nil)); a.status != 403 {
		t.Errorf("who may not: %d", a.status)
	}
	if a := h.post(t, h.officer(t, "chief@26350.example"), path+"/corrections", form(nil)); a.status != 404 {
		t.Errorf("the neighbour corrects: %d", a.status)
	}
	if a := h.post(t, maker, "/office/citizens/"+newID()+"/wallets/"+wallet+"/corrections", form(nil)); a.status != 404 {
		t.Errorf("as if it were another's: %d", a.status)
	}
	holds := func(want money.Amount) {
		t.Helper()
		if got, err := h.app.Ledger.Balance(tenant.With(t.Context(), home), uuid.MustParse(wallet)); err != nil || got != want {
			t.Errorf("the wallet holds %s, want %s (%v)", got, want, err)
		}
	}
	see := func(who someone, path string, words ...string) string {
		t.Helper()
		page := string(h.client(t).send("GET", path, nil, append([]string{"Accept", "text/html"}, who.headers[:2]...)...).want(200).raw)
		for _, word := range words {
			if !strings.Contains(page, word) {
				t.Errorf("%s does not say %q: %s", path, word, clip([]byte(page)))
			}
		}
		return page
	}
	see(maker, citizen, path+"/correct")
	see(maker, path+"/correct", "50,000원")
	proposal := h.post(t, maker, path+"/corrections", form(nil)).want(303).header.Get("Location")
	see(other, "/office/approvals", "지갑 금액 정정")
	see(decider, proposal, "3,000원", "50,000원", "은행에서 돌려준 충전", citizen)
	h.post(t, maker, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(403)
	holds(50_000)
	h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(303)
	h.post(t, other, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(409)
	holds(47_000)
	h.clean(t)

	me := c.someone(auth.Citizen, "jangteo_access")
	told := regexp.MustCompile(`/my/corrections/11560/[0-9a-f-]{36}`).FindString(see(me, "/my/history", "담당자가 바로잡아 뺌", "3,000원"))
	see(me, told, "지갑에서 빠졌어요", "3,000원", "은행에서 돌려준 충전", "다른 담당자가 승인했어요")
	see(me, "/my/history?kind=wallet-debited", told)
	see(decider, "/office/audit", "지갑 금액 정정")
	see(decider, citizen, "지갑 금액 정정", "은행에서 돌려준 충전")
	kept := c.do("GET", "/me/history", nil).want(200)
	if kept.text("items.0.kind") != "wallet-debited" || kept.won("items.0.amount") != -3000 {
		t.Errorf("the history is %s", kept.raw)
	}
	await(t, "a notice", func() bool { return strings.Contains(see(me, "/my/inbox"), told) })
}

// The budget for discounts grows and shrinks by two people.
func TestBudgetTakesTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	maker, decider := h.officer(t, "settlement@11560.example"), h.officer(t, "chief@11560.example")
	form := func(change url.Values) url.Values {
		f := url.Values{"direction": {"adds"}, "amount": {"2,000,000"}, "reason": {"추경 예산"}, "confirm": {"yes"}}
		for name, values := range change {
			f[name] = values
		}
		return f
	}
	for field, value := range map[string]string{"amount": "0", "direction": "up", "reason": "", "confirm": ""} {
		if a := h.post(t, maker, "/office/budget", form(url.Values{field: {value}})); a.status != 422 || !strings.Contains(string(a.raw), field+"-error") {
			t.Errorf("%s = %q: %d", field, value, a.status)
		}
	}
	if a := h.post(t, maker, "/office/budget", form(url.Values{"direction": {"returns"}, "amount": {"10,000,001"}})); a.status != 422 {
		t.Errorf("more than there is: %d", a.status)
	}
	proposal := h.post(t, maker, "/office/budget", form(nil)).want(303).header.Get("Location")
	h.post(t, maker, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(403)
	h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(303)
	page := string(h.client(t).send("GET", "/office/budget", nil, append([]string{"Accept", "text/html"}, maker.headers...)...).want(200).raw)
	for _, word := range []string{"12,000,000원", "추경 예산", proposal} {
		if !strings.Contains(page, word) {
			t.Errorf("the page does not say %q", word)
		}
	}
	h.clean(t)
}

// A programme is opened by two people, with its budget, for those whose age it
// is for; its sale ends early by two, and citizens are told why.
func TestProgrammeTakesTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	ctx := tenant.With(t.Context(), home)
	maker, decider := h.officerOf(t, home, staff.Officer), h.officer(t, "chief@11560.example")
	tomorrow := calendar.DayOf(h.clock.Now()).Next()
	form := func(change url.Values) url.Values {
		f := url.Values{
			"kind": {"discount"}, "name": {"청년사랑상품권"}, "name_en": {"Youth Voucher"}, "opens_at": {tomorrow.String()}, "closes_at": {""},
			"buyer_age_min": {"19"}, "buyer_age_max": {"100"}, "budget": {"1,000,000"}, "clause": {"조례 제9조"}, "discount_bp": {"15"}, "refund_used_bp": {"60"},
			"purchase_min": {"10,000"}, "purchase_step": {"10,000"}, "purchase_month_max": {"300,000"}, "hold_max": {"500,000"}, "per_payment_max": {"0"},
			"per_day_max": {"0"}, "validity_years": {"5"}, "reason": {"청년 지원 사업"}, "confirm": {"yes"},
		}
		for name, values := range change {
			f[name] = values
		}
		return f
	}
	see := func(who someone, path string, words ...string) string {
		t.Helper()
		page := string(h.client(t).send("GET", path, nil, append([]string{"Accept", "text/html"}, who.headers...)...).want(200).raw)
		for _, word := range words {
			if !strings.Contains(page, word) {
				t.Errorf("%s does not say %q: %s", path, word, clip([]byte(page)))
			}
		}
		return page
	}
	programmes := func() []vouchers.Programme {
		t.Helper()
		if err := h.app.Vouchers.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		list, err := h.app.Vouchers.Programmes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := len(programmes())
	see(maker, "/office/programmes", "/office/programmes/new", "/office/budget")
	see(maker, "/office/programmes/new", tomorrow.String())
	for field, values := range map[string][]string{
		"kind": {"", "cashback"}, "name": {"", strings.Repeat("가", 61)}, "name_en": {""}, "opens_at": {"", calendar.DayOf(h.clock.Now()).String(), "soon"},
		"closes_at": {calendar.DayOf(h.clock.Now()).String(), "x"}, "buyer_age_min": {"121", "-1", "x"}, "buyer_age_max": {"18", "x"},
		"budget": {"-1", "x"}, "clause": {""}, "discount_bp": {"51", "x"}, "purchase_month_max": {"2,000,001"}, "validity_years": {"0"}, "reason": {""}, "confirm": {""},
	} {
		for _, value := range values {
			if a := h.post(t, maker, "/office/programmes", form(url.Values{field: {value}})); a.status != 422 || !strings.Contains(string(a.raw), field+"-error") {
				t.Errorf("%s = %q: %d", field, value, a.status)
			}
		}
	}
	if a := h.post(t, maker, "/office/programmes", form(url.Values{"kind": {"allowance"}})); a.status != 422 || !strings.Contains(string(a.raw), "discount_bp-error") {
		t.Errorf("an allowance with a discount: %d", a.status)
	}
	if a := h.post(t, h.officer(t, "settlement@11560.example"), "/office/programmes", form(nil)); a.status != 403 {
		t.Errorf("who may not: %d", a.status)
	}
	proposal := h.post(t, maker, "/office/programmes", form(nil)).want(303).header.Get("Location")
	see(decider, proposal, "청년사랑상품권", "19–100", "1,000,000원", "조례 제9조")
	h.post(t, maker, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(403)
	if got := len(programmes()); got != before {
		t.Fatalf("%d programmes before anybody approved", got)
	}
	h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(303)
	h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(409)
	list := programmes()
	if len(list) != before+1 {
		t.Fatalf("%d programmes, there were %d", len(list), before)
	}
	opened := list[len(list)-1]
	if left, err := h.app.Vouchers.SubsidyLeft(ctx); err != nil || left != subsidy+1_000_000 || opened.Policies[0].Author != "최주무관" || opened.BuyerAgeMin != 19 {
		t.Errorf("the budget is %s, %+v (%v)", left, opened, err)
	}
	public := someone{}
	see(public, "/tenants/11560", "청년사랑상품권", "만 19세부터 100세까지", "판매 시작")
	h.clean(t)

	path := "/office/programmes/" + opened.ID.String() + "/close"
	if a := h.post(t, maker, path, url.Values{"reason": {"예산 소진"}, "confirm": {"yes"}}); a.status != 409 {
		t.Errorf("closing what is not open yet: %d", a.status)
	}
	h.advance(t, 36*time.Hour)
	c := h.login(t, kim)
	buy := object{"programme_id": opened.ID.String(), "amount": 10_000, "bank_account_id": c.link()}
	c.do("POST", "/tenants/11560/purchases", buy, "Idempotency-Key", newID()).want(201)
	maker, decider = h.officerOf(t, home, staff.Officer), h.officer(t, "chief@11560.example")
	see(maker, "/office/programmes/"+opened.ID.String(), path)
	if a := h.post(t, maker, path, url.Values{"reason": {""}, "confirm": {"yes"}}); a.status != 422 || !strings.Contains(string(a.raw), "reason-error") {
		t.Errorf("without a reason: %d", a.status)
	}
	proposal = h.post(t, maker, path, url.Values{"reason": {"예산이 모두 쓰였습니다"}, "confirm": {"yes"}}).want(303).header.Get("Location")
	h.post(t, maker, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(403)
	h.post(t, decider, proposal+"/approve", url.Values{"confirm": {"yes"}}).want(303)
	programmes()
	see(public, "/tenants/11560", "예산이 모두 쓰였습니다", "판매를 마쳤어요")
	see(decider, "/office/audit", "상품권 판매 종료", "상품권 판매 시작")
	c.do("POST", "/tenants/11560/purchases", buy, "Idempotency-Key", newID()).refused(409, "programme-not-on-sale")
	h.clean(t)
}

// An app locks its account with or without naming a sign-in that was not its
// owner's; the case is the operator's to look into.
func TestLockWithASuspect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	thief := h.login(t, kim)
	c, other := h.login(t, kim), h.login(t, lee)
	thief.do("GET", "/me", nil).refused(401, "session-superseded")
	c.do("POST", "/me/lock", object{"session_id": other.session}).refused(404, "session-unknown")
	c.do("POST", "/me/lock", object{"session_id": "x"}).refused(422, "invalid-input")
	c.do("GET", "/me", nil).want(200)
	number := c.do("POST", "/me/lock", object{"session_id": thief.session}).want(200).text("case_no")
	c.do("GET", "/me", nil).refused(403, "account-locked")
	cases, err := h.app.Sessions.Cases(t.Context())
	if err != nil || len(cases) != 1 || cases[0].CaseNo != number || cases[0].SuspectID.String() != thief.session {
		t.Errorf("%+v, %v", cases, err)
	}
	other.do("POST", "/me/lock", nil).want(200)
}
