package settlement_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/calendar"
	"jangteo/app/i18n"
	"jangteo/app/live"
	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
	"jangteo/app/web"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/settlement"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
	"jangteo/static"
	"jangteo/templates"
)

func (b *fakeBank) Register(context.Context, banking.Call, string, string, string, string) (string, error) {
	return "handle", nil
}

func (b *fakeBank) Withdraw(context.Context, banking.Call, money.Amount, banking.Route) error {
	return nil
}

// portal is two shops and a citizen, and the browser of the first shop's clerk.
type portal struct {
	t          *testing.T
	ctx        context.Context
	kit        *testkit.Kit
	payments   *payments.Service
	settlement *settlement.Service
	shops      []merchants.Merchant
	citizen    uuid.UUID
	server     *httptest.Server
	client     *http.Client
	token      string // instead of the cookie
}

const (
	shopLogin    = "tteok"
	shopPassword = "a long password"
)

func openPortal(t *testing.T) *portal {
	t.Helper()
	k, ctx := testkit.Open(t)
	now := k.Clock.Now
	p := &portal{t: t, ctx: ctx, kit: k, citizen: uuid.New()}
	lane := ledger.NewLane(k.Lane, now, ledger.LaneOptions{Payments: payments.PaidRecord, Cancellations: payments.UndoneRecord})
	t.Cleanup(lane.Close)
	books := ledger.New(k.DB, lane, now)
	places := tenants.New(k.DB, k.Audit, now, k.Log)
	must(t, places.Register(ctx, refdata.Municipality{Code: int32(k.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"}))
	must(t, places.Configure(ctx, k.Tenant, tenants.Settings{
		Live: true, Accent: 3, VoucherName: "시험사랑상품권", VoucherNameEn: "Siheom Love Voucher", SettlementDays: 1, FundAccount: "1005000000001",
	}))
	bank, err := banking.New(k.DB, k.Lane, &fakeBank{paid: map[string]money.Amount{}}, k.Box, banking.Config{InstitutionCode: "M202600001"}, now, k.Log)
	must(t, err)
	buying := vouchers.New(vouchers.Kits{DB: k.DB, Approvals: k.Approvals, Lane: k.Lane, Keys: k.Keys, Outbox: k.Outbox, Audit: k.Audit, Now: now, Log: k.Log}, books, places, bank)
	hub := live.New(k.DB, k.Log)
	sessions := desk.Lasting(t, k, signin.Config{}, map[auth.Kind]auth.Lifetime{auth.Clerk: {Idle: 48 * time.Hour, Absolute: 96 * time.Hour}})
	shops := merchants.New(k.DB, k.Lane, books, k.Box, k.Audit, hub, sessions, 96*time.Hour, now, k.Log)
	p.payments = payments.New(k.DB, k.Lane, k.Keys, books, shops, buying, now)
	p.settlement = settlement.New(k.DB, books, shops, bank, k.Outbox, k.Audit, k.Approvals, hub, func(context.Context) (settlement.Terms, error) {
		return settlement.Terms{Days: 1, FundAccount: "1005000000001"}, nil
	}, now, k.Log)

	p.shops = (&bench{merchants: shops}).shops(t, ctx, 2)
	_, err = shops.AddClerk(ctx, merchants.ClerkInput{MerchantID: p.shops[0].ID, Login: p.login(), Password: shopPassword, Name: "홍길동", Role: merchants.Owner})
	must(t, err)
	p.fillWallet(buying, bank)
	p.serve(shops, places, hub)
	return p
}

// login is unique on the platform, and every test has its own municipality.
func (p *portal) login() string { return shopLogin + p.kit.Tenant.String() }

func (p *portal) fillWallet(buying *vouchers.Service, bank *banking.Service) {
	programme, err := buying.Open(p.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "일반 상품권", NameEn: "Standard",
		Policy: vouchers.Policy{
			Clause: "시험구 지역사랑상품권 관리 조례 제7조", Author: "김담당", DiscountBP: 1_000, PurchaseMin: 10_000, PurchaseStep: 10_000,
			PurchaseMonthMax: 500_000, HoldMax: 700_000, ValidityYears: 5, RefundUsedBP: 6_000,
		},
	})
	must(p.t, err)
	must(p.t, buying.Fund(p.ctx, uuid.Must(uuid.NewV7()), 10_000_000))
	account, err := bank.Link(p.ctx, banking.LinkInput{
		CitizenID: p.citizen, BankCode: "020", AccountNumber: "1002123456789", Name: "홍길동", BirthDate: calendar.Date(1990, time.January, 31),
	})
	must(p.t, err)
	_, _, err = buying.Purchase(p.ctx, vouchers.PurchaseInput{
		Key: "k", CitizenID: p.citizen, ProgrammeID: programme.ID, Amount: 100_000, BankAccountID: account.ID,
	})
	must(p.t, err)
}

func (p *portal) serve(shops *merchants.Service, places *tenants.Service, hub *live.Hub) {
	words, err := i18n.Load()
	must(p.t, err)
	pages, err := web.LoadPages(templates.Files, words, static.Path)
	must(p.t, err)
	pages.Frame = func(c echo.Context) web.Frame {
		return web.Frame{
			Lang: web.Lang(c), Path: c.Request().URL.Path, Now: p.kit.Clock.Now(), TenantName: "서울특별시 시험구", Accent: 3, Person: "길동이네 떡볶이",
			SignOutURL: "/shop/sign-out", HomeURL: "/shop", Nav: []web.NavItem{
				{Key: "payments.shop.today.title", URL: "/shop", Icon: "home"}, {Key: "payments.shop.sales.title", URL: "/shop/sales", Icon: "list"},
				{Key: "settlement.list.title", URL: "/shop/settlements", Icon: "receipt"}, {Key: "merchants.qr.title", URL: "/shop/qr", Icon: "qr"},
				{Key: "signin.security.title", URL: "/shop/security", Icon: "key"},
			},
		}
	}
	streams := web.NewStreams(hub)
	clerks := merchants.NewPages(shops, places, pages, signin.Cookie{Name: "jangteo_shop"})
	e := web.NewServer(web.ServerOptions{Log: p.kit.Log}, func() *web.Pages { return pages })
	r := web.NewRouter(e, web.Gate{
		Authenticate: func(c echo.Context, _ auth.Kind) (auth.Principal, error) { return clerks.Authenticate(c) },
		Tenant:       func(context.Context, tenant.ID) error { return nil },
		SignIn:       map[auth.Kind]string{auth.Clerk: "/shop/sign-in"},
	}, words, "test")
	sales, owed := payments.NewShopPages(p.payments, hub, streams, pages), settlement.NewPages(p.settlement, pages)
	page := func(method, path string, access web.Access, handler echo.HandlerFunc) {
		r.Page(web.Route{Method: method, Path: path, Access: access, Class: web.Read}, handler)
	}
	page("GET", "/shop/sign-in", web.Anyone, clerks.SignIn)
	page("POST", "/shop/sign-in", web.Anyone, clerks.Begin)
	page("POST", "/shop/sign-out", web.Clerks, clerks.SignOut)
	page("GET", "/shop/security", web.Clerks, clerks.Security)
	page("POST", "/shop/security/revoke", web.Clerks, clerks.Revoke)
	page("POST", "/shop/security/password", web.Clerks, clerks.ChangePassword)
	page("GET", "/shop/qr", web.ClerksWho("qr.make"), clerks.QR)
	page("GET", "/shop/qr.png", web.ClerksWho("qr.make"), clerks.QRPicture)
	page("GET", "/shop/qr.svg", web.ClerksWho("qr.make"), clerks.QRDrawing)
	page("GET", "/shop", web.ClerksWho("sales.read"), sales.Today)
	page("GET", "/shop/live", web.ClerksWho("sales.read"), sales.Live)
	page("GET", "/shop/sales", web.ClerksWho("sales.read"), sales.Sales)
	page("GET", "/shop/sales.csv", web.ClerksWho("sales.read"), sales.Download)
	page("GET", "/shop/settlements", web.ClerksWho("settlements.read"), owed.List)
	page("GET", "/shop/settlements/{id}", web.ClerksWho("settlements.read"), owed.Statement)
	page("GET", "/shop/settlements/{id}/statement.csv", web.ClerksWho("settlements.read"), owed.Download)
	till, booth, office := merchants.NewAPI(shops), payments.NewShopAPI(p.payments), settlement.NewAPI(p.settlement)
	web.JSON(r, web.Route{Method: "POST", Path: "/merchant/sessions", Access: web.Anyone, Class: web.Login, Status: 201}, till.SignIn)
	web.JSON(r, web.Route{Method: "POST", Path: "/merchant/qr", Access: web.ClerksWho("qr.make"), Class: web.Pay, Status: 201}, till.MakeQR)
	web.JSON(r, web.Route{Method: "GET", Path: "/tenants/{tenant}/merchants", Access: web.Anyone, Class: web.Browse}, till.List)
	web.JSON(r, web.Route{Method: "GET", Path: "/merchant/sales", Access: web.ClerksWho("sales.read"), Class: web.Read}, booth.Sales)
	web.JSON(r, web.Route{Method: "GET", Path: "/merchant/settlements", Access: web.ClerksWho("settlements.read"), Class: web.Read}, office.List)
	e.GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))

	p.kit.Outbox.On(sales.Tell, payments.SaleTopics...)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); hub.Run(ctx, p.kit.DB.Pgx()) }()
	p.server = httptest.NewServer(e)
	jar, _ := cookiejar.New(nil)
	p.client = &http.Client{Jar: jar}
	p.t.Cleanup(func() { streams.Close(); p.server.Close(); stop(); <-ran })
}

func (p *portal) pay(shop int, amount money.Amount) payments.Payment {
	p.t.Helper()
	paid, _, err := p.payments.Pay(p.ctx, payments.PayInput{Key: uuid.NewString(), CitizenID: p.citizen, MerchantID: p.shops[shop].ID, Amount: amount})
	must(p.t, err)
	return paid
}

func (p *portal) cancel(paid payments.Payment, amount money.Amount) {
	p.t.Helper()
	citizen := auth.With(p.ctx, auth.Principal{Kind: auth.Citizen, ID: p.citizen})
	_, _, err := p.payments.Cancel(citizen, payments.CancelInput{Key: uuid.NewString(), PaymentID: paid.ID, Amount: amount})
	must(p.t, err)
}

func (p *portal) send(method, path, kind, body string) (status int, answer string, at string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.ctx, method, p.server.URL+path, strings.NewReader(body))
	must(p.t, err)
	if body != "" {
		request.Header.Set("Content-Type", kind)
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	got, err := p.client.Do(request)
	must(p.t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(p.t, err)
	return got.StatusCode, string(text), got.Request.URL.Path
}

var wordsKey = regexp.MustCompile(`[>" ](merchants|settlement|payments|label|problem|layout)\.[a-z]+[a-z.-]*[<" ]`)

// page opens a page, which must show itself whole and in words.
func (p *portal) page(path string, says ...string) string {
	p.t.Helper()
	status, body, at := p.send("GET", path, "", "")
	if status != 200 {
		p.t.Fatalf("%s at %s: %d %s", path, at, status, body)
	}
	if key := wordsKey.FindString(body); key != "" {
		p.t.Errorf("%s shows the key %s", path, key)
	}
	for _, text := range says {
		if !strings.Contains(body, text) {
			p.t.Errorf("%s does not say %q:\n%s", path, text, body)
		}
	}
	return body
}

func (p *portal) post(path string, want int, form ...string) string {
	p.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	status, body, at := p.send("POST", path, "application/x-www-form-urlencoded", values.Encode())
	if status != want {
		p.t.Fatalf("%s: %d, want %d: %s", path, status, want, body)
	}
	return at
}

func (p *portal) signIn() {
	p.t.Helper()
	if at := p.post("/shop/sign-in", 200, "login", p.login(), "password", shopPassword); at != "/shop" {
		p.t.Fatalf("signing in led to %s", at)
	}
}

func (p *portal) relay() {
	p.t.Helper()
	_, err := p.kit.Outbox.RelayOf(p.ctx)
	must(p.t, err)
}

func TestTheShopsPortal(t *testing.T) {
	t.Parallel()
	p := openPortal(t)
	if _, _, at := p.send("GET", "/shop/settlements", "", ""); at != "/shop/sign-in" {
		t.Fatalf("a stranger was led to %s", at)
	}
	p.post("/shop/sign-in", 422, "login", p.login(), "password", "wrong")
	p.post("/shop/sign-in", 422, "login", "", "password", "")
	p.signIn()
	p.page("/shop", "아직 들어온 결제가 없습니다")
	p.page("/shop/settlements", "정산 내역이 없습니다")
	p.page("/shop/qr", "시험사랑상품권 결제되는 곳")
	for _, picture := range []string{"/shop/qr.png", "/shop/qr.svg"} {
		if status, body, _ := p.send("GET", picture, "", ""); status != 200 || len(body) < 500 {
			t.Errorf("%s: %d, %d bytes", picture, status, len(body))
		}
	}

	paid := p.pay(0, 12_500)
	p.cancel(paid, 2_500)
	p.pay(1, 7_000) // another shop's
	day := calendar.DayOf(p.kit.Clock.Now())
	p.page("/shop", "10,000원", "12,500원", paid.ApprovalNumber(), "결제, 일부 취소")
	sales := p.page("/shop/sales", "10,000원", paid.ApprovalNumber(), "일부 취소")
	if strings.Contains(sales, "7,000") {
		t.Error("another shop's sale is shown")
	}
	p.page("/shop/sales?day=2026-01-01", "이 기간에는 매출이 없습니다")
	for _, query := range []string{"from=x", "from=2026-01-02&to=2026-01-01", "from=2020-01-01", "before=x", "day=99999-01-01"} {
		if status, _, _ := p.send("GET", "/shop/sales?"+query, "", ""); status != 422 {
			t.Errorf("%s: %d", query, status)
		}
	}
	if _, file, _ := p.send("GET", "/shop/sales.csv", "", ""); !strings.HasPrefix(file, "\ufeff일시,승인번호") || !strings.Contains(file, ",12500,2500,10000\r\n") {
		t.Errorf("the file of sales: %s", file)
	}

	_, err := p.settlement.CloseDay(p.ctx, day)
	must(t, err)
	list, _, err := p.settlement.List(p.ctx, settlement.Filter{Day: day, Limit: 10})
	must(t, err)
	for _, s := range list {
		path := "/shop/settlements/" + s.ID.String()
		if s.MerchantID != p.shops[0].ID {
			for _, other := range []string{path, path + "/statement.csv"} {
				if status, _, _ := p.send("GET", other, "", ""); status != 404 {
					t.Errorf("another shop's %s: %d", other, status)
				}
			}
			continue
		}
		p.page("/shop/settlements", "10,000원", "지급 예정")
		p.page("/shop/settlements?state=paid", "정산 내역이 없습니다")
		p.page(path, "12,500원", "-2,500원", "10,000원", "우리은행", "6789", paid.ApprovalNumber())
		if _, file, _ := p.send("GET", path+"/statement.csv", "", ""); !strings.Contains(file, "결제,"+paid.ApprovalNumber()+",12500\r\n") || !strings.Contains(file, "취소,"+paid.ApprovalNumber()+",-2500\r\n") {
			t.Errorf("the file of the statement: %s", file)
		}
		_, err = p.settlement.PayOut(p.ctx, settlement.All)
		must(t, err)
		p.page(path, "지급 완료")
	}
	for _, query := range []string{"state=x", "after=x"} {
		if status, _, _ := p.send("GET", "/shop/settlements?"+query, "", ""); status != 422 {
			t.Errorf("%s: %d", query, status)
		}
	}
	if status, _, _ := p.send("GET", "/shop/settlements/x", "", ""); status != 404 {
		t.Errorf("no id: %d", status)
	}

	p.page("/shop/security", "지금 이 로그인")
	p.post("/shop/security/password", 409, "password", "wrong", "new_password", "another long password")
	p.post("/shop/security/password", 422, "password", shopPassword, "new_password", "short")
	p.post("/shop/security/revoke", 422, "session", "x")
	p.post("/shop/security/revoke", 404, "session", uuid.NewString())
	p.post("/shop/security/revoke", 200, "session", "all")
	if at := p.post("/shop/security/password", 200, "password", shopPassword, "new_password", "another long password"); at != "/shop/security" {
		t.Errorf("led to %s", at)
	}
	p.kit.Clock.Advance(49 * time.Hour)
	p.page("/shop/security", "오랫동안 쓰지 않아") // the sign-in page tells why
	found, err := p.settlement.Verify(p.ctx)
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
}

func TestASaleIsSeenWithoutReloading(t *testing.T) {
	t.Parallel()
	p := openPortal(t)
	p.signIn()
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.server.URL+"/shop/live", nil)
	must(t, err)
	request.Header.Set("Accept", "text/event-stream")
	answer, err := p.client.Do(request)
	must(t, err)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	until := func(text string) string {
		var read strings.Builder
		for lines.Scan() {
			read.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), text) {
				return read.String()
			}
		}
		t.Fatalf("the stream ended without %q: %s", text, read.String())
		return ""
	}
	until(": open")
	// The hub may not listen yet, so other shops' and our sales go on until one is seen.
	seen := make(chan struct{})
	told := make(chan struct{})
	go func() {
		defer close(told)
		for i := 0; ; i++ {
			select {
			case <-seen:
				return
			default:
			}
			if i < 50 {
				p.pay(1, 700)
				p.pay(0, 1_250)
			}
			p.relay()
		}
	}()
	read := until(`id="totals"`)
	close(seen)
	<-told
	if !strings.Contains(read, "event: sale\ndata: <li id=\"sale-") || !strings.Contains(read, "1,250원 결제") || strings.Contains(read, "700원 결제") {
		t.Fatalf("the page was told:\n%s", read)
	}
}

func TestTheTillsCalls(t *testing.T) {
	t.Parallel()
	p := openPortal(t)
	call := func(method, path, body string, want int) map[string]any {
		t.Helper()
		status, answer, _ := p.send(method, "/api/v1"+path, "application/json", body)
		var read map[string]any
		if status != want || json.Unmarshal([]byte(answer), &read) != nil {
			t.Fatalf("%s %s %s: %d, want %d: %s", method, path, body, status, want, answer)
		}
		return read
	}
	for body, want := range map[string]int{
		`{}`: 422, `{"login":"x"}`: 422, `{"login":1,"password":"x"}`: 422, `{"login":"x","password":"y","z":1}`: 422,
		`{"login":"` + strings.Repeat("x", 41) + `","password":"y"}`: 422, `{"login":"x\u0000","password":"y"}`: 400, `{`: 400,
		`{"login":"nobody","password":"y"}`: 401,
	} {
		status, answer, _ := p.send("POST", "/api/v1/merchant/sessions", "application/json", body)
		if status != want {
			t.Errorf("%s: %d, want %d: %s", body, status, want, answer)
		}
	}
	call("GET", "/merchant/sales", "", 401)
	token, _ := call("POST", "/merchant/sessions", `{"login":"`+p.login()+`","password":"`+shopPassword+`"}`, 201)["token"].(string)
	p.token = token
	paid := p.pay(0, 12_500)
	p.cancel(paid, 2_500)
	sale := call("GET", "/merchant/sales?limit=1", "", 200)["items"].([]any)[0].(map[string]any)
	if sale["id"] != paid.ID.String() || sale["cancelled_amount"] != 2_500.0 || sale["state"] != "partially-cancelled" {
		t.Errorf("%v", sale)
	}
	for _, field := range []string{"balance_after", "citizen_id", "wallet_id"} {
		if _, shown := sale[field]; shown {
			t.Errorf("the shop is shown the citizen's %s", field)
		}
	}
	_, err := p.settlement.CloseDay(p.ctx, calendar.DayOf(p.kit.Clock.Now()))
	must(t, err)
	owed := call("GET", "/merchant/settlements", "", 200)["items"].([]any)[0].(map[string]any)
	if owed["net"] != 10_000.0 || owed["state"] != "closed" || owed["business_day"] != "2026-11-18" {
		t.Errorf("%v", owed)
	}
	for _, query := range []string{"sales?day=x", "sales?cursor=x", "sales?limit=0", "sales?limit=1000", "sales?x=1", "settlements?cursor=x", "settlements?state=x", "settlements?day=2026-13-01"} {
		if status, answer, _ := p.send("GET", "/api/v1/merchant/"+query, "", ""); status != 422 {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
	code := call("POST", "/merchant/qr", `{"amount":3000}`, 201)
	found := call("GET", "/tenants/"+p.kit.Tenant.String()+"/merchants?q=%EA%B0%80%EA%B2%8C&limit=1&near=37.5,126.9", "", 200)
	if code["expires_at"] == nil || len(found["items"].([]any)) != 0 { // neither shop has a place
		t.Errorf("%v %v", code, found)
	}
	first := call("GET", "/tenants/"+p.kit.Tenant.String()+"/merchants?limit=1", "", 200)
	second := call("GET", "/tenants/"+p.kit.Tenant.String()+"/merchants?limit=1&cursor="+first["next_cursor"].(string), "", 200)
	if first["items"].([]any)[0].(map[string]any)["id"] == second["items"].([]any)[0].(map[string]any)["id"] {
		t.Error("the second page repeats the first")
	}
	for _, body := range []string{`{}`, `{"amount":0}`, `{"amount":-1}`, `{"amount":1.5}`, `{"amount":"1"}`, `{"amount":9223372036854775807}`, `{"amount":99999999999999999999}`} {
		if status, answer, _ := p.send("POST", "/api/v1/merchant/qr", "application/json", body); status != 422 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	for _, query := range []string{"near=x", "near=91,0", "near=1", "cursor=x", "trade=x", "q=" + strings.Repeat("x", 41)} {
		if status, answer, _ := p.send("GET", "/api/v1/tenants/"+p.kit.Tenant.String()+"/merchants?"+query, "", ""); status != 422 {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
}
