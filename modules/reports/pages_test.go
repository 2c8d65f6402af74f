package reports_test

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/i18n"
	"jangteo/app/live"
	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
	"jangteo/app/web"
	"jangteo/modules/banking"
	"jangteo/modules/citizens"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/reports"
	"jangteo/modules/settlement"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
	"jangteo/static"
	"jangteo/templates"
)

// office is a municipality in which a citizen bought 100,000, paid 12,500 at a
// shop and cancelled 2,500, and a member of staff at the screens.
type office struct {
	t       *testing.T
	ctx     context.Context
	kit     *testkit.Kit
	reports *reports.Service
	all     reports.Services
	server  *httptest.Server
	words   i18n.Words

	may      []string
	citizen  citizens.Citizen
	phone    string // the citizen's
	wallet   uuid.UUID
	shop     merchants.Merchant
	payment  payments.Payment
	purchase vouchers.Purchase
}

var everything = []string{
	"dashboard.read", "payments.read", "programmes.read", "merchants.read", "citizens.read", "citizens.reveal",
	"settlement.read", "settlement.close", "ledger.read", "audit.read", "verify.read",
}

func newOffice(t *testing.T) *office {
	t.Helper()
	kit, ctx := testkit.Open(t)
	now := kit.Clock.Now
	o := &office{t: t, ctx: ctx, kit: kit, may: everything}
	lane := ledger.NewLane(kit.Lane, now, ledger.LaneOptions{Payments: payments.PaidRecord, Cancellations: payments.UndoneRecord})
	t.Cleanup(lane.Close)
	s := reports.Services{DB: kit.DB, Audit: kit.Audit, Now: now}
	s.Ledger = ledger.New(kit.DB, lane, now)
	s.Tenants = tenants.New(kit.DB, kit.Audit, now, kit.Log)
	o.must(s.Tenants.Register(ctx, refdata.Municipality{Code: int32(kit.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"}))
	o.must(s.Tenants.Configure(ctx, kit.Tenant, tenants.Settings{
		Live: true, Accent: 3, VoucherName: "시험사랑상품권", VoucherNameEn: "Siheom Love Voucher", SettlementDays: 1, FundAccount: "1005000000001",
	}))
	bank, err := banking.New(kit.DB, kit.Lane, paysAll{}, kit.Box, banking.Config{InstitutionCode: "M202600001"}, now, kit.Log)
	o.must(err)
	s.Citizens = citizens.New(kit.DB, kit.Box, nil, kit.Audit, citizens.Limits{}, now)
	s.Vouchers = vouchers.New(vouchers.Kits{DB: kit.DB, Approvals: kit.Approvals, Lane: kit.Lane, Keys: kit.Keys, Outbox: kit.Outbox, Audit: kit.Audit, Now: now, Log: kit.Log}, s.Ledger, s.Tenants, bank)
	hub := live.New(kit.DB, kit.Log)
	s.Merchants = merchants.New(kit.DB, kit.Lane, s.Ledger, kit.Box, kit.Audit, hub, desk.Open(t, kit), time.Hour, now, kit.Log)
	s.Payments = payments.New(kit.DB, kit.Lane, kit.Keys, s.Ledger, s.Merchants, s.Vouchers, now)
	terms := func(context.Context) (settlement.Terms, error) {
		return settlement.Terms{Days: 1, FundAccount: "1005000000001"}, nil
	}
	s.Settlement = settlement.New(kit.DB, s.Ledger, s.Merchants, bank, kit.Outbox, kit.Audit, kit.Approvals, hub, terms, now, kit.Log)
	s.Approvals = kit.Approvals
	o.all, o.reports = s, reports.New(s)
	o.story(bank)
	o.serve()
	return o
}

// paysAll is a bank that does whatever it is told.
type paysAll struct{ banking.Bank }

func (paysAll) Register(_ context.Context, _ banking.Call, _, number, _, _ string) (string, error) {
	return "handle-" + number, nil
}
func (paysAll) Withdraw(context.Context, banking.Call, money.Amount, banking.Route) error { return nil }
func (paysAll) Deposit(context.Context, banking.Call, money.Amount, banking.Route) error  { return nil }

func (o *office) story(bank *banking.Service) {
	o.t.Helper()
	programme, err := o.all.Vouchers.Open(o.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "일반 상품권", NameEn: "Standard",
		Policy: vouchers.Policy{
			Clause: "시험구 지역사랑상품권 관리 조례 제7조", Author: "김담당", DiscountBP: 1_000, PurchaseMin: 10_000, PurchaseStep: 10_000,
			PurchaseMonthMax: 500_000, HoldMax: 700_000, PerPaymentMax: 300_000, PerDayMax: 500_000, ValidityYears: 5, RefundUsedBP: 6_000,
			ExcludedTrades: []string{"56211"}, ExcludesLargeSellers: true,
		},
	})
	o.must(err)
	o.must(o.all.Vouchers.Fund(o.ctx, uuid.Must(uuid.NewV7()), 1_000_000))
	o.citizen, o.phone = o.person("홍길동")
	shops, err := o.all.Merchants.SeedMany(o.ctx, []merchants.RegisterInput{{
		Name: "=길동이네 떡볶이", BizNo: "124-81-00998", Trade: "56111", Owner: "홍길순", Phone: "02-2670-1234", Address: "서울특별시 시험구 국회대로 1",
		Payout: merchants.Destination{BankCode: "004", Number: "12345678901234", Holder: "홍길순"},
	}})
	o.must(err)
	o.shop = shops[0]
	account, err := bank.Link(o.ctx, banking.LinkInput{
		CitizenID: o.citizen.ID, BankCode: "020", AccountNumber: "1002123456789", Name: "홍길동", BirthDate: calendar.Date(1990, time.January, 31),
	})
	o.must(err)
	o.purchase, _, err = o.all.Vouchers.Purchase(o.ctx, vouchers.PurchaseInput{
		Key: uuid.NewString(), CitizenID: o.citizen.ID, ProgrammeID: programme.ID, Amount: 100_000, BankAccountID: account.ID,
	})
	o.must(err)
	o.wallet = o.purchase.WalletID
	o.payment, _, err = o.all.Payments.Pay(o.ctx, payments.PayInput{Key: uuid.NewString(), CitizenID: o.citizen.ID, MerchantID: o.shop.ID, Amount: 12_500})
	o.must(err)
	citizen := auth.With(o.ctx, auth.Principal{Kind: auth.Citizen, ID: o.citizen.ID})
	_, _, err = o.all.Payments.Cancel(citizen, payments.CancelInput{Key: uuid.NewString(), PaymentID: o.payment.ID, Amount: 2_500})
	o.must(err)
}

func (o *office) person(name string) (citizens.Citizen, string) {
	o.t.Helper()
	phone := fmt.Sprintf("010%08d", uuid.New().ID()%100_000_000)
	people, err := o.all.Citizens.Enrol(o.ctx, []citizens.Identity{{
		CI: uuid.NewString(), Name: name, BirthDate: calendar.Date(1990, time.January, 31), Phone: phone,
	}}, o.kit.Clock.Now())
	o.must(err)
	return people[0], phone
}

func (o *office) serve() {
	o.t.Helper()
	var err error
	o.words, err = i18n.Load()
	o.must(err)
	pages, err := web.LoadPages(templates.Files, o.words, static.Path)
	o.must(err)
	pages.Frame = func(c echo.Context) web.Frame {
		path := c.Request().URL.Path
		return web.Frame{
			Lang: web.Lang(c), Path: path, Now: o.kit.Clock.Now(), Person: "김주무", HomeURL: "/office", SignOutURL: "/office/sign-out",
			Nav: reports.Nav(auth.Principal{Permissions: o.may}, path),
		}
	}
	e := web.NewServer(web.ServerOptions{Log: o.kit.Log}, func() *web.Pages { return pages })
	me := uuid.New()
	r := web.NewRouter(e, web.Gate{
		Authenticate: func(_ echo.Context, kind auth.Kind) (auth.Principal, error) {
			return auth.Principal{Kind: kind, ID: me, Name: "김주무", Tenant: o.kit.Tenant, Permissions: o.may}, nil
		},
		Tenant: func(context.Context, tenant.ID) error { return nil },
	}, o.words, "test")
	p := reports.NewPages(o.reports, pages)
	for path, handler := range map[string]echo.HandlerFunc{
		"/office": p.Dashboard, "/office/payments": p.Payments, "/office/payments.csv": p.PaymentsCSV,
		"/office/payments/{id}": p.Payment, "/office/purchases": p.Purchases, "/office/purchases/{id}": p.Purchase,
		"/office/programmes": p.Programmes, "/office/programmes/{id}": p.Programme, "/office/merchants": p.Merchants, "/office/merchants/{id}": p.Merchant,
		"/office/citizens": p.Citizens, "/office/citizens/{id}": p.Citizen, "/office/settlements": p.Settlements, "/office/settlements/{id}": p.Settlement,
		"/office/ledger": p.Ledger, "/office/ledger/accounts/{id}": p.Account, "/office/ledger/entries/{id}": p.Entry,
		"/office/audit": p.Audit, "/office/audit/{id}": p.Change, "/office/access": p.Access,
		"/office/purchases.csv": p.PurchasesCSV, "/office/merchants.csv": p.MerchantsCSV, "/office/settlements.csv": p.SettlementsCSV,
		"/office/audit.csv": p.AuditCSV, "/office/access.csv": p.AccessCSV, "/office/verify": p.Verifications,
	} {
		r.Page(web.Route{Method: "GET", Path: path, Access: web.Staff, Class: web.Report}, handler)
	}
	for path, handler := range map[string]echo.HandlerFunc{
		"/office/citizens/{id}/reveal": p.RevealCitizen, "/office/merchants/{id}/reveal": p.RevealMerchant, "/office/settlements/close": p.CloseDays,
		"/office/settlements/pay-out": p.ProposePayOut, "/office/settlements/{id}/retry": p.ProposeRetry, "/office/verify": p.RunVerify,
	} {
		r.Page(web.Route{Method: "POST", Path: path, Access: web.Staff, Class: web.Report}, handler)
	}
	o.server = httptest.NewServer(e)
	o.t.Cleanup(o.server.Close)
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// screen is an answer; its text is what people read.
type screen struct {
	path   string // where redirects led
	status int
	body   string
	text   string
}

var (
	tags   = regexp.MustCompile(`(?s)<(style|script)[^>]*>.*?</(style|script)>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

func (o *office) ask(method, address string, form url.Values, lang string) screen {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.ctx, method, o.server.URL+address, strings.NewReader(form.Encode()))
	o.must(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.AddCookie(&http.Cookie{Name: web.LangCookie, Value: lang})
	answer, err := o.server.Client().Do(request)
	o.must(err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	o.must(err)
	return screen{answer.Request.URL.Path, answer.StatusCode, string(body), spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(string(body), " ")), " ")}
}

func (o *office) get(address string) screen { return o.ask("GET", address, nil, "ko") }

// verified has done what was asked for. The office of another test, which shares
// the database, may have taken it, and is waited for.
func (o *office) verified() {
	o.t.Helper()
	o.must(o.reports.VerifyWanted(o.ctx))
	tick, end := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for strings.Contains(o.shows("/office/verify").text, "다시 계산하고 있습니다") {
		select {
		case <-tick.C:
		case <-end:
			o.t.Fatal("nobody verifies what was asked for")
		}
	}
}

func (o *office) shows(address string, parts ...string) screen {
	o.t.Helper()
	s := o.get(address)
	if s.status != http.StatusOK {
		o.t.Fatalf("%s answered %d: %s", address, s.status, s.text)
	}
	for _, part := range parts {
		if !strings.Contains(s.text, part) {
			o.t.Errorf("%s does not say %q:\n%s", address, part, s.text)
		}
	}
	return s
}

// payOut lets one member of staff ask for payouts and another approve them.
func (o *office) payOut(which string) {
	o.t.Helper()
	asked := o.ask("POST", "/office/settlements/pay-out", url.Values{"choice": {which}, "confirm": {"yes"}, "reason": {"연휴 전 지급"}}, "ko")
	if !strings.Contains(asked.path, "/office/approvals/") {
		o.t.Fatalf("asking for payouts: %s %s", asked.path, asked.text)
	}
	other := auth.With(o.ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "오정산", Tenant: o.kit.Tenant, Permissions: []string{"settlement.close"}})
	_, err := o.kit.Approvals.Approve(other, uuid.MustParse(strings.TrimPrefix(asked.path, "/office/approvals/")), "")
	o.must(err)
	o.must(o.kit.Approvals.Work(o.ctx))
}

// missing are words keys that stand on a page as they are.
var missing = regexp.MustCompile(`(reports|label|problem|layout|field)\.[A-Za-z]+[.\-a-z]*[a-z]`)

func TestTheOfficeSeesTheStory(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	day := calendar.DayOf(o.kit.Clock.Now())

	o.shows("/office", "오늘 발행 100,000원", "오늘 결제 12,500원", "오늘 취소 2,500원", "남은 할인 재원 990,000원", "미사용 잔액 90,000원", "일반 상품권")
	o.shows("/office/payments", o.payment.ApprovalNumber(), "일부 취소", "12,500원")
	payment := "/office/payments/" + o.payment.ID.String()
	o.shows(payment, "=길동이네 떡볶이", "홍*동", "일부 취소", "10,000원", "취소 2,500원 · 이용자", "가맹점 미지급금 · =길동이네 떡볶이", "아무도 개인정보를 열람하지 않았습니다")
	o.shows("/office/ledger/entries/"+o.payment.ID.String(), "결제 · 12,500원", "이 분개에 이어진 분개", "결제 취소")
	o.shows("/office/ledger/accounts/"+o.wallet.String(), "90,000원", "-12,500원", "2,500원", "홍*동")
	o.shows("/office/purchases/"+o.purchase.ID.String(), "100,000원", "구매 할인 약정", "구매 완료", "조례 제7조")
	o.shows("/office/programmes/"+o.purchase.ProgrammeID.String(), "10%", "조례 제7조", "김담당", "연 매출 30억 원 초과")

	closed := o.ask("POST", "/office/settlements/close", url.Values{"day": {day.String()}, "confirm": {"yes"}}, "ko")
	if closed.status != http.StatusOK || !strings.Contains(closed.text, "마감했습니다") || !strings.Contains(closed.text, "지급 대기 1") {
		t.Fatalf("closing the day: %d %s", closed.status, closed.text)
	}
	o.payOut("all")
	o.shows(payment, "영업일 마감", "지급 완료")
	o.shows("/office", "마지막 마감일 2026. 11. 18.(수)", "오늘 결제 12,500원", "오늘 취소 2,500원")
	list, _, err := o.all.Settlement.List(o.ctx, settlement.Filter{Limit: 1})
	o.must(err)
	o.shows("/office/settlements/"+list[0].ID.String(), "정산 금액 10,000원", "지급 지시", "국민은행")
	o.shows("/office/merchants/"+o.shop.ID.String(), "124-81-00998", "지급할 금액 0원")
	o.shows("/office/audit", "영업일 마감", "승인 요청", "요청 승인", "승인된 일 실행")

	if asked := o.ask("POST", "/office/verify", nil, "ko"); !strings.Contains(asked.text, "다시 계산하고 있습니다") {
		t.Errorf("asking to verify: %d %s", asked.status, asked.text)
	}
	o.verified()
	verified := o.shows("/office/verify")
	if !strings.Contains(verified.text, "차이 없음") {
		t.Errorf("verifying: %d %s", verified.status, verified.text)
	}
}

func TestSearchingPayments(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	number := o.payment.ApprovalNumber()
	for query, found := range map[string]bool{
		"q=" + number: true, "q=" + o.payment.ID.String(): true, "q=" + url.QueryEscape("떡볶이"): true, "state=partially-cancelled": true,
		"from=2026-11-18&to=2026-11-18": true, "q=" + uuid.NewString(): false, "q=00000000": false, "q=nobody": false, "state=cancelled": false,
		"from=2026-11-19": false, "to=2026-11-17": false,
	} {
		if s := o.shows("/office/payments?" + query); strings.Contains(s.text, number) != found {
			t.Errorf("%s: found is %v, want %v", query, !found, found)
		}
	}
	for _, query := range []string{"from=yesterday", "state=none", "before=1", "q=" + strings.Repeat("a", 61), "seen=-1", "q=%ff", "to=0001-01-01", "from=2026-13-01"} {
		if s := o.get("/office/payments?" + query); s.status < 400 || s.status > 499 {
			t.Errorf("%s answered %d", query, s.status)
		}
	}
}

func TestDownloads(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	text := o.get("/office/payments.csv").body
	if !strings.HasPrefix(text, "\ufeff") || !strings.Contains(text, o.payment.ID.String()) || !strings.Contains(text, "'=길동이네 떡볶이") {
		t.Errorf("the file is %q", text)
	}
	if strings.Contains(text, o.citizen.ID.String()) {
		t.Error("the file names the citizen")
	}
	changes, err := o.kit.Audit.Changes(o.ctx, audit.Filter{Object: "payments"})
	o.must(err)
	if len(changes) != 1 || changes[0].ActorName != "김주무" || !strings.Contains(string(changes[0].After), `"rows": 1`) {
		t.Errorf("the audit log has %+v", changes)
	}
}

func TestPersonalData(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := "/office/citizens/" + o.citizen.ID.String()

	t.Run("is masked, and found by exact phone, id and wallet", func(t *testing.T) {
		for _, query := range []string{o.phone, o.citizen.ID.String(), o.wallet.String()} {
			s := o.shows("/office/citizens?q="+query, "홍*동")
			if strings.Contains(strings.ReplaceAll(s.text, query, ""), o.phone) {
				t.Errorf("%s shows the number", query)
			}
		}
		if s := o.shows("/office/citizens?q=" + o.phone[:10]); strings.Contains(s.text, "홍*동") {
			t.Error("a part of a number finds people")
		}
		if s := o.shows(page, "90,000원"); strings.Contains(s.body, o.phone) || strings.Contains(s.body, "홍길동") {
			t.Error("the page shows personal data")
		}
	})
	t.Run("of whoever holds nothing here does not exist", func(t *testing.T) {
		stranger, phone := o.person("나그네")
		if s := o.get("/office/citizens/" + stranger.ID.String()); s.status != http.StatusNotFound {
			t.Errorf("the page answered %d", s.status)
		}
		if s := o.shows("/office/citizens?q=" + phone); strings.Contains(s.text, stranger.NameMasked) {
			t.Error("the search finds them")
		}
		if s := o.ask("POST", "/office/citizens/"+stranger.ID.String()+"/reveal", url.Values{"reason": {"궁금해서"}}, "ko"); s.status != http.StatusNotFound {
			t.Errorf("revealing answered %d: %s", s.status, s.text)
		}
		if looks, _ := o.kit.Audit.Looks(o.ctx, audit.Filter{Subject: stranger.ID}); len(looks) != 0 {
			t.Error("and opened the data before it refused")
		}
	})
	t.Run("takes a reason, and leaves a record that others see", func(t *testing.T) {
		for _, reason := range []string{"", "a", strings.Repeat("가", 501), "a\x00b"} {
			s := o.ask("POST", page+"/reveal", url.Values{"reason": {reason}}, "ko")
			if s.status != http.StatusUnprocessableEntity || strings.Contains(s.body, "홍길동") {
				t.Errorf("reason %.5q: %d", reason, s.status)
			}
		}
		s := o.ask("POST", page+"/reveal", url.Values{"reason": {"민원 2026-15 확인"}}, "ko")
		if s.status != http.StatusOK || !strings.Contains(s.text, o.phone) || !strings.Contains(s.text, "홍길동") || !strings.Contains(s.text, "1990-01-31") {
			t.Errorf("revealed: %d %s", s.status, s.text)
		}
		o.shows("/office/access", "김주무", "민원 2026-15 확인")
		o.shows("/office/payments/"+o.payment.ID.String(), "김주무", "민원 2026-15 확인")
		if s := o.shows(page, "민원 2026-15 확인"); strings.Contains(s.body, o.phone) {
			t.Error("the page goes on showing it")
		}
		owner := o.ask("POST", "/office/merchants/"+o.shop.ID.String()+"/reveal", url.Values{"reason": {"현장 점검"}}, "ko")
		if owner.status != http.StatusOK || !strings.Contains(owner.text, "홍길순") {
			t.Errorf("the owner: %d %s", owner.status, owner.text)
		}
	})
	t.Run("cannot be asked for without the permission", func(t *testing.T) {
		o.may = []string{"citizens.read"}
		defer func() { o.may = everything }()
		if s := o.shows(page); strings.Contains(s.body, "/reveal") {
			t.Error("the form is there")
		}
	})
}

func TestNeighboursSeeNothing(t *testing.T) {
	t.Parallel()
	o, neighbour := newOffice(t), newOffice(t)
	list, err := o.all.Ledger.House(o.ctx)
	o.must(err)
	for _, address := range []string{
		"payments/" + o.payment.ID.String(), "purchases/" + o.purchase.ID.String(), "programmes/" + o.purchase.ProgrammeID.String(),
		"merchants/" + o.shop.ID.String(), "citizens/" + o.citizen.ID.String(), "settlements/" + uuid.NewString(),
		"ledger/accounts/" + list.Subsidy.String(), "ledger/accounts/" + o.wallet.String(), "ledger/entries/" + o.payment.ID.String(),
		"payments/not-an-id", "citizens/" + strings.Repeat("0", 36),
	} {
		if s := neighbour.get("/office/" + address); s.status != http.StatusNotFound {
			t.Errorf("%s answered %d", address, s.status)
		}
	}
	if s := neighbour.shows("/office/citizens?q=" + o.wallet.String()); strings.Contains(s.text, "홍*동") {
		t.Error("a neighbour finds the citizen by their wallet")
	}
}

func TestEveryPageHasItsWords(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	day := calendar.DayOf(o.kit.Clock.Now()).String()
	o.ask("POST", "/office/settlements/close", url.Values{"day": {day}, "confirm": {"yes"}}, "ko")
	list, _, err := o.all.Settlement.List(o.ctx, settlement.Filter{Limit: 1})
	o.must(err)
	for _, address := range []string{
		"", "/payments", "/payments?q=nobody", "/payments/" + o.payment.ID.String(), "/purchases", "/purchases/" + o.purchase.ID.String(), "/programmes",
		"/programmes/" + o.purchase.ProgrammeID.String(), "/merchants", "/merchants/" + o.shop.ID.String(), "/citizens", "/citizens/" + o.citizen.ID.String(),
		"/settlements", "/settlements?state=paid", "/settlements?from=" + day, "/settlements/" + list[0].ID.String(), "/ledger",
		"/ledger/accounts/" + o.wallet.String(), "/ledger/entries/" + o.payment.ID.String(), "/audit", "/access", "/verify",
	} {
		for _, lang := range i18n.Languages {
			s := o.ask("GET", "/office"+address, nil, lang)
			if s.status != http.StatusOK {
				t.Errorf("%s in %s answered %d", address, lang, s.status)
			}
			if found := missing.FindString(s.text); found != "" {
				t.Errorf("%s in %s shows %q", address, lang, found)
			}
		}
	}
}

func TestSettlementNeedsConfirmation(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for address, form := range map[string]url.Values{
		"close":     {"day": {"2026-11-18"}},
		"close?":    {"day": {"someday"}, "confirm": {"yes"}},
		"close??":   {"day": {"2026-11-20"}, "confirm": {"yes"}}, // has not begun
		"pay-out":   {"choice": {"all"}, "reason": {"연휴 전 지급"}},
		"pay-out?":  {"choice": {"none"}, "confirm": {"yes"}, "reason": {"연휴 전 지급"}},
		"pay-out??": {"choice": {"all"}, "confirm": {"yes"}},
		"pay-out#":  {"choice": {"all"}, "confirm": {"yes"}, "reason": {"연휴 전 지급"}}, // nothing is due
	} {
		if s := o.ask("POST", "/office/settlements/"+address, form, "ko"); s.status < 400 || s.status > 499 || !strings.Contains(s.body, "error-summary") {
			t.Errorf("%s %v answered %d", address, form, s.status)
		}
	}
	if days, _ := o.all.Settlement.Days(o.ctx, 1); len(days) != 0 {
		t.Errorf("closed %v", days)
	}
}

func TestVerifyNamesWhatIsPlanted(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	v, err := o.reports.Verify(o.ctx)
	o.must(err)
	if !v.Clean() || v.Payments != 1 || v.Purchases != 1 || v.Entries < 4 {
		t.Fatalf("before: %+v", v)
	}
	o.plant(`UPDATE ledger.accounts SET balance = balance + 1 WHERE tenant_id = $1 AND kind = 'wallet'`)
	o.kit.Clock.Advance(time.Minute)
	o.ask("POST", "/office/verify", nil, "ko")
	o.ask("POST", "/office/verify", nil, "ko") // twice is once
	o.verified()
	o.verified()
	o.ask("POST", "/office/verify", nil, "ko") // too soon: it shows what was found
	s := o.shows("/office/verify")
	if strings.Contains(s.text, "다시 계산하고 있습니다") {
		t.Error("it is verified again at once")
	}
	if !strings.Contains(s.text, "guarded-balance-is-its-transfers") || !strings.Contains(s.text, "90001") || strings.Contains(s.text, "차이 없음 2026. 11. 18.(수) 12:01") {
		t.Errorf("after: %s", s.text)
	}
	kept, err := o.reports.Verifications(o.ctx, 10)
	o.must(err)
	if len(kept) != 2 || kept[0].Clean() || !kept[1].Clean() {
		t.Errorf("kept %+v", kept)
	}
}

var shownNumber = regexp.MustCompile(`class="id"><a class="clip" href="/office/payments/([0-9a-f-]{36})"`)

// shown are the ids of the payments on a page, in its order.
func (s screen) shown() (ids []string) {
	for _, found := range shownNumber.FindAllStringSubmatch(s.body, -1) {
		ids = append(ids, found[1])
	}
	return ids
}

// follow returns the address behind the link to the next or previous page.
func (s screen) follow(rel string) string {
	found := regexp.MustCompile(`rel="` + rel + `" href="([^"]+)"`).FindStringSubmatch(s.body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

func TestSortedPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 60 { // with the first 61: two pages; amounts come in pairs
		_, _, err := o.all.Payments.Pay(o.ctx, payments.PayInput{
			Key: uuid.NewString(), CitizenID: o.citizen.ID, MerchantID: o.shop.ID, Amount: money.Amount(100 + i/2*7%30),
		})
		o.must(err)
	}
	everyone, _, _, err := o.all.Payments.Report(o.ctx, payments.ReportFilter{Window: db.Window{Limit: 100}})
	o.must(err)
	amounts := map[string]money.Amount{}
	for _, pay := range everyone {
		amounts[pay.ID.String()] = pay.Amount
	}
	for _, sort := range []string{"", "at", "-at", "amount", "-amount"} {
		first := o.shows("/office/payments?sort="+sort, "1–50번째")
		if first.follow("prev") != "" {
			t.Errorf("%q: there is a page before the first", sort)
		}
		second := o.shows(first.follow("next"), "51–61번째")
		if second.follow("next") != "" {
			t.Errorf("%q: there is a page after the last", sort)
		}
		ids := append(first.shown(), second.shown()...)
		if len(ids) != 61 || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 61 {
			t.Errorf("%q: the pages show %d payments", sort, len(ids))
		}
		inOrder := slices.IsSortedFunc(ids, func(a, b string) int {
			c := strings.Compare(a, b)
			if strings.HasSuffix(sort, "amount") {
				c = cmp.Or(cmp.Compare(amounts[a], amounts[b]), c)
			}
			if sort == "" || sort[0] == '-' {
				c = -c
			}
			return c
		})
		if !inOrder {
			t.Errorf("%q is not in order: %v", sort, ids)
		}
		back := o.shows(second.follow("prev"), "1–50번째")
		if !slices.Equal(back.shown(), first.shown()) || back.follow("prev") != "" || back.follow("next") == "" {
			t.Errorf("%q: the way back leads to %v, not %v", sort, back.shown(), first.shown())
		}
	}
	for _, head := range []string{`aria-sort="descending"><a href="/office/payments?sort=amount"`, `<a href="/office/payments?sort=-at"`} {
		if s := o.shows("/office/payments?sort=-amount"); !strings.Contains(s.body, head) {
			t.Errorf("the head of the table has no %s", head)
		}
	}
}

func TestListsSortAndRefuse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	day := calendar.DayOf(o.kit.Clock.Now()).String()
	o.ask("POST", "/office/settlements/close", url.Values{"day": {day}, "confirm": {"yes"}}, "ko")
	for _, address := range []string{
		"purchases?sort=amount", "purchases?sort=-at", "merchants?sort=-name", "merchants?sort=state", "settlements?sort=-sales", "settlements?sort=day",
		"settlements?sort=net&from=" + day, "audit?sort=at", "access?sort=-at", "settlements?before=" + day, "settlements?sort=sales&back=" + day,
		"merchants?before=" + uuid.NewString(), "purchases?sort=amount&back=" + uuid.NewString(),
	} {
		o.shows("/office/" + address)
	}
	for _, address := range []string{
		"payments?sort=id", "payments?sort=amount;drop", "payments?sort=--at", "merchants?sort=owner_sealed", "settlements?before=" + uuid.NewString(),
		"settlements?state=paid&before=" + day, "purchases?back=1", "citizens?sort=name", "audit?q=%00", "audit/not-an-id", "audit/" + uuid.NewString(),
	} {
		if s := o.get("/office/" + address); s.status < 400 || s.status > 499 {
			t.Errorf("%s answered %d", address, s.status)
		}
	}
}

func TestSearchingPurchasesAndTheLogs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.purchase.ID.String()
	for query, found := range map[string]bool{
		"q=" + id: true, "q=" + id[28:]: true, "q=" + o.wallet.String(): true, "q=" + o.citizen.ID.String(): true, "q=" + url.QueryEscape("완료"): true,
		"q=completed": true, "from=2026-11-18&to=2026-11-18": true, "q=" + uuid.NewString(): false, "q=00000000": false, "q=" + url.QueryEscape("실패"): false,
		"q=nothing": false, "q=completed&state=failed": false, "from=2026-11-19": false, "to=2026-11-17": false,
	} {
		if s := o.shows("/office/purchases?" + query); strings.Contains(s.body, "/office/purchases/"+id) != found {
			t.Errorf("purchases by %s: found is %v, want %v", query, !found, found)
		}
	}
	o.get("/office/payments.csv")
	for query, found := range map[string]bool{
		"q=" + url.QueryEscape("결제 목록 내려"): true, "q=payments.exp": true, "q=" + url.QueryEscape("김주무"): true, "state=payments": true,
		"q=" + url.QueryEscape("아무도"): false, "q=%25": false, "q=_": false, "state=staff": false, "from=2026-11-19": false,
	} {
		if s := o.shows("/office/audit?" + query); strings.Contains(s.text, "payments.csv") != found {
			t.Errorf("changes by %s: found is %v, want %v", query, !found, found)
		}
	}
	s := o.shows("/office/audit?q=payments.exported")
	row := regexp.MustCompile(`/office/audit/[0-9a-f-]{36}`).FindString(s.body)
	o.shows(row, "결제 목록 내려받기", "김주무", "payments.csv", `"ActorName": "김주무"`, "같은 대상의 변경 기록")
}

func TestEveryListIsDownloaded(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	day := calendar.DayOf(o.kit.Clock.Now()).String()
	o.ask("POST", "/office/settlements/close", url.Values{"day": {day}, "confirm": {"yes"}}, "ko")
	o.ask("POST", "/office/citizens/"+o.citizen.ID.String()+"/reveal", url.Values{"reason": {"민원 2026-15 확인"}}, "ko")
	for _, c := range []struct{ of, holds string }{
		{"purchases", o.purchase.ID.String()}, {"merchants", "124-81-00998"}, {"settlements", "10000"}, {"audit", "영업일 마감"}, {"access", "민원 2026-15 확인"},
	} {
		file := o.get("/office/" + c.of + ".csv?to=2026-12-31").body
		if c.of == "settlements" || c.of == "merchants" {
			file = o.get("/office/" + c.of + ".csv").body
		}
		if !strings.HasPrefix(file, "\ufeff") || !strings.Contains(file, c.holds) || strings.Count(file, "\r\n") < 2 {
			t.Errorf("%s.csv is %q", c.of, file)
		}
		for _, secret := range []string{o.phone, "홍길동", "홍길순", "12345678901234"} {
			if strings.Contains(file, secret) {
				t.Errorf("%s.csv shows %s", c.of, secret)
			}
		}
		if missing.MatchString(file) {
			t.Errorf("%s.csv shows %s", c.of, missing.FindString(file))
		}
		changes, err := o.kit.Audit.Changes(o.ctx, audit.Filter{Object: c.of})
		o.must(err)
		if len(changes) == 0 || changes[0].Action != c.of+".exported" {
			t.Errorf("the audit log does not tell of %s.csv: %+v", c.of, changes)
		}
		o.shows("/office/audit?state=" + c.of)
	}
}
