package payments_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
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
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
	"jangteo/static"
	"jangteo/templates"
)

// phone is a citizen at the screens, with a municipality, a bank and a shop
// around: it follows links and sends forms as a browser without scripts does.
type phone struct {
	t         *testing.T
	ctx       context.Context
	kit       *testkit.Kit
	server    *httptest.Server
	client    *http.Client
	citizen   uuid.UUID
	lang      string
	bank      *counterBank
	hub       *live.Hub
	payments  *payments.Service
	vouchers  *vouchers.Service
	merchants *merchants.Service
	programme vouchers.Programme
	shop      merchants.Merchant
	questions []payments.Question // of a card

	at     string // the address of the page
	body   string
	status int
}

const citizenCookie = "test-citizen"

func newPhone(t *testing.T) *phone {
	t.Helper()
	kit, ctx := testkit.Open(t)
	now := kit.Clock.Now
	p := &phone{t: t, ctx: ctx, kit: kit, citizen: uuid.New(), lang: i18n.Korean, bank: &counterBank{}}

	lane := ledger.NewLane(kit.Lane, now, ledger.LaneOptions{Payments: payments.PaidRecord, Cancellations: payments.UndoneRecord})
	t.Cleanup(lane.Close)
	books := ledger.New(kit.DB, lane, now)
	places := tenants.New(kit.DB, kit.Audit, now, kit.Log)
	p.must(places.Register(ctx, refdata.Municipality{Code: int32(kit.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"}))
	p.must(places.Configure(ctx, kit.Tenant, tenants.Settings{
		Live: true, Accent: 3, VoucherName: "시험사랑상품권", VoucherNameEn: "Siheom Love Voucher", SettlementDays: 1, FundAccount: "1005000000001",
	}))
	bank, err := banking.New(kit.DB, kit.Lane, p.bank, kit.Box, banking.Config{InstitutionCode: "M202600001"}, now, kit.Log)
	p.must(err)
	p.vouchers = vouchers.New(vouchers.Kits{
		DB: kit.DB, Approvals: kit.Approvals, Lane: kit.Lane, Keys: kit.Keys, Outbox: kit.Outbox, Audit: kit.Audit, Now: now, Log: kit.Log,
	}, books, places, bank)
	p.hub = live.New(kit.DB, kit.Log)
	p.merchants = merchants.New(kit.DB, kit.Lane, books, kit.Box, kit.Audit, p.hub, desk.Open(t, kit), time.Hour, now, kit.Log)
	p.payments = payments.New(kit.DB, kit.Lane, kit.Keys, books, p.merchants, p.vouchers, now)

	p.programme, err = p.vouchers.Open(ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "일반 상품권", NameEn: "Standard",
		Policy: vouchers.Policy{
			Clause: "시험구 지역사랑상품권 관리 조례 제7조", Author: "김담당", DiscountBP: 1_000, PurchaseMin: 10_000, PurchaseStep: 10_000,
			PurchaseMonthMax: 500_000, HoldMax: 700_000, PerPaymentMax: 300_000, PerDayMax: 500_000, ValidityYears: 5, RefundUsedBP: 6_000,
		},
	})
	p.must(err)
	p.must(p.vouchers.Fund(ctx, uuid.Must(uuid.NewV7()), 10_000_000))
	shops, err := p.merchants.SeedMany(ctx, []merchants.RegisterInput{{
		Name: "길동이네 떡볶이", BizNo: "124-81-00998", Trade: "56111", Owner: "홍길동", Phone: "02-2670-1234", Address: "서울특별시 시험구 국회대로 1",
		Payout: merchants.Destination{BankCode: "004", Number: "12345678901234", Holder: "홍길동"},
	}})
	p.must(err)
	p.shop = shops[0]
	p.serve(bank)
	return p
}

func (p *phone) serve(bank *banking.Service) {
	words, err := i18n.Load()
	p.must(err)
	pages, err := web.LoadPages(templates.Files, words, static.Path)
	p.must(err)
	pages.Frame = func(c echo.Context) web.Frame {
		return web.Frame{
			Lang: web.Lang(c), Path: c.Request().URL.Path, Now: p.kit.Clock.Now(), Person: "홍*동", HomeURL: "/my",
			Nav: []web.NavItem{{Key: "payments.home.title", URL: "/my", Icon: "home"}},
		}
	}
	e := web.NewServer(web.ServerOptions{Log: p.kit.Log}, func() *web.Pages { return pages })
	r := web.NewRouter(e, web.Gate{
		Authenticate: func(c echo.Context, kind auth.Kind) (auth.Principal, error) {
			cookie, err := c.Cookie(citizenCookie)
			if err != nil {
				return auth.Principal{}, auth.ErrSignInRequired
			}
			return auth.Principal{Kind: kind, ID: uuid.MustParse(cookie.Value), Name: "홍*동"}, nil
		},
		Tenant: func(context.Context, tenant.ID) error { return nil },
	}, words, "test")
	holder := func(context.Context, uuid.UUID) (string, calendar.Day, error) {
		return "홍길동", calendar.Date(1990, time.January, 31), nil
	}
	streams := web.NewStreams(p.hub)
	p.t.Cleanup(streams.Close)
	screens := payments.NewPages(p.payments, streams, func(context.Context, uuid.UUID) (int, error) { return 3, nil }, p.asks, pages)
	buying, accounts := vouchers.NewPages(p.vouchers, pages), banking.NewPages(bank, holder, pages)
	page := func(method, path string, handler echo.HandlerFunc) {
		r.Page(web.Route{Method: method, Path: path, Access: web.Citizens, Class: web.Read}, handler)
	}
	page("GET", "/my", screens.Home)
	page("GET", "/my/live", screens.Live)
	page("GET", "/my/pay", screens.Enter)
	page("POST", "/my/pay", screens.Scan)
	page("GET", "/my/pay/{tenant}/{merchant}", screens.Amount)
	page("GET", "/my/pay/{tenant}/{merchant}/confirm", screens.Confirm)
	page("POST", "/my/pay/{tenant}/{merchant}", screens.Pay)
	page("GET", "/my/payments/{tenant}/{id}", screens.Receipt)
	page("GET", "/my/payments/{tenant}/{id}/cancel", screens.CancelForm)
	page("POST", "/my/payments/{tenant}/{id}/cancel", screens.Cancel)
	page("GET", "/my/history", screens.History)
	page("GET", "/my/history.csv", screens.Export)
	page("GET", "/my/buy", buying.Buy)
	page("GET", "/my/buy/{tenant}/{programme}", buying.Amount)
	page("GET", "/my/buy/{tenant}/{programme}/confirm", buying.Confirm)
	page("POST", "/my/buy/{tenant}/{programme}", buying.Purchase)
	page("GET", "/my/purchases/{tenant}/{id}", buying.Result)
	page("GET", "/my/wallets/{tenant}/{id}", buying.Wallet)
	page("GET", "/my/bank-accounts", accounts.Accounts)
	page("GET", "/my/bank-accounts/new", accounts.LinkForm)
	page("POST", "/my/bank-accounts", accounts.Link)
	page("GET", "/my/bank-accounts/{id}/unlink", accounts.UnlinkForm)
	page("POST", "/my/bank-accounts/{id}/unlink", accounts.Unlink)
	e.GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	p.server = httptest.NewServer(e)
	p.t.Cleanup(p.server.Close)
	p.client = p.server.Client()
}

// asks is what cards ask the citizen.
func (p *phone) asks(context.Context, uuid.UUID) ([]payments.Question, error) {
	return p.questions, nil
}

func (p *phone) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) send(method, address string, values url.Values) {
	p.t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(values.Encode())
	}
	request, err := http.NewRequestWithContext(p.ctx, method, p.server.URL+address, body)
	p.must(err)
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.AddCookie(&http.Cookie{Name: citizenCookie, Value: p.citizen.String()})
	request.AddCookie(&http.Cookie{Name: web.LangCookie, Value: p.lang})
	p.client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		next.Header.Set("Cookie", request.Header.Get("Cookie"))
		return nil
	}
	answer, err := p.client.Do(request)
	p.must(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	p.must(err)
	p.status, p.body, p.at = answer.StatusCode, string(text), answer.Request.URL.RequestURI()
}

func (p *phone) open(address string) *phone {
	p.t.Helper()
	p.send(http.MethodGet, address, nil)
	return p.answered(http.StatusOK)
}

func (p *phone) answered(status int) *phone {
	p.t.Helper()
	if p.status != status {
		p.t.Fatalf("%s answered %d, want %d:\n%s", p.at, p.status, status, p.text())
	}
	return p
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	tags     = regexp.MustCompile(`(?s)<(style|script|noscript|option)[^>]*>.*?</(style|script|noscript|option)>|<[^>]*>`)
	spaces   = regexp.MustCompile(`\s+`)
)

func attribute(tag, name string) string {
	found := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// fill finds the form that has a field and returns it as a browser would send it.
func (p *phone) fill(field string, fields ...string) (method, address string, values url.Values) {
	p.t.Helper()
	for _, form := range formTag.FindAllString(p.body, -1) {
		if !strings.Contains(form, `name="`+field+`"`) {
			continue
		}
		values = url.Values{}
		for _, input := range inputTag.FindAllString(form, -1) {
			kind := attribute(input, "type")
			if kind != "radio" && kind != "checkbox" || strings.Contains(input, " checked") {
				values.Set(attribute(input, "name"), attribute(input, "value"))
			}
		}
		for i := 0; i+1 < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		head := form[:strings.Index(form, ">")+1]
		if address = attribute(head, "action"); address == "" {
			address = p.at
		}
		return strings.ToUpper(attribute(head, "method")), address, values
	}
	p.t.Fatalf("%s has no form with %s:\n%s", p.at, field, p.text())
	return "", "", nil
}

// submit sends the form that has a field, filled in.
func (p *phone) submit(field string, fields ...string) *phone {
	p.t.Helper()
	method, address, values := p.fill(field, fields...)
	if method == http.MethodPost {
		p.send(method, address, values)
	} else {
		p.send(method, address+"?"+values.Encode(), nil)
	}
	return p
}

func (p *phone) text() string {
	return spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(p.body, " ")), " ")
}

func (p *phone) says(parts ...string) *phone {
	p.t.Helper()
	for _, part := range parts {
		if !strings.Contains(p.text(), part) {
			p.t.Errorf("%s does not say %q:\n%s", p.at, part, p.text())
		}
	}
	return p
}

func (p *phone) here() string { return p.kit.Tenant.String() }

func (p *phone) holds(want money.Amount) {
	p.t.Helper()
	wallets, err := p.vouchers.Wallets(p.ctx, p.citizen)
	p.must(err)
	var sum money.Amount
	for _, w := range wallets {
		sum += w.Balance
	}
	if sum != want {
		p.t.Errorf("the wallets hold %s, want %s", sum, want)
	}
}

// link and buy bring a citizen to where paying begins.
func (p *phone) link() *phone {
	p.t.Helper()
	p.open("/my/bank-accounts/new?next=/my/buy")
	return p.submit("account_number", "bank_code", "020", "account_number", "1002-123-456789").answered(http.StatusOK)
}

func (p *phone) buy(amount string) *phone {
	p.t.Helper()
	p.open("/my/buy/" + p.here() + "/" + p.programme.ID.String())
	p.submit("amount", "amount", amount).answered(http.StatusOK)
	return p.submit("bank_account_id").answered(http.StatusOK)
}

func (p *phone) payPage() string { return "/my/pay/" + p.here() + "/" + p.shop.ID.String() }

func TestTheStoryOnTheScreens(t *testing.T) {
	t.Parallel()
	p := newPhone(t)

	p.open("/my").says("어서 오세요", "은행 계좌 연결하기", "상품권 충전하기", "가게에서 결제하기")
	p.link()
	if p.at != "/my/buy" {
		t.Fatalf("linking an account led to %s", p.at)
	}
	p.says("시험사랑상품권", "10% 할인")
	p.open("/my").says("연결했어요")

	p.open("/my/buy/"+p.here()+"/"+p.programme.ID.String()).says("조례 제7조", "우리은행")
	p.submit("amount", "amount", "100,000").answered(http.StatusOK).says("100,000원", "10,000원", "90,000원 내고 충전하기")
	p.submit("bank_account_id").answered(http.StatusOK).says("충전했어요", "100,000원", "90,000원", "우리은행")
	p.holds(100_000)

	payload, _, err := p.merchants.StaticQR(p.ctx, p.shop.ID)
	p.must(err)
	p.open("/my/pay")
	p.submit("qr", "qr", payload).answered(http.StatusOK).says("길동이네 떡볶이")
	p.submit("amount", "amount", "12500").answered(http.StatusOK).says("길동이네 떡볶이", "12,500원", "87,500원", "12,500원 결제하기")
	p.submit("wallet").answered(http.StatusOK).says("결제했어요", "12,500원", "길동이네 떡볶이", "승인 번호")
	p.holds(87_500)

	receipt := p.at
	p.open(receipt + "/cancel")
	p.submit("how", "how", "part", "amount", "2500").answered(http.StatusOK).says("일부를 취소했어요", "10,000원", "-2,500원")
	p.holds(90_000)

	p.open("/my").says("90,000원", "+2,500원", "-12,500원", "+100,000원", "길동이네 떡볶이")
	p.open("/my/history").says("+90,000원", "+2,500원", "-12,500원", "+100,000원")
	p.open("/my/history?kind=cancellation").says("+2,500원")
	if strings.Contains(p.text(), "-12,500원") {
		t.Error("the filter let a payment through")
	}
	p.open("/my/history.csv")
	if lines := strings.Count(p.body, "\n"); lines != 4 || !strings.Contains(p.body, "길동이네 떡볶이,시험사랑상품권,-12500,") {
		t.Errorf("the export has %d lines:\n%s", lines, p.body)
	}
	wallets, err := p.vouchers.Wallets(p.ctx, p.citizen)
	p.must(err)
	p.open("/my/wallets/"+p.here()+"/"+wallets[0].ID.String()).says("90,000원 남음", "100,000원 충전", "조례 제7조",
		calendar.DayOf(*wallets[0].ExpiresAt).Long(i18n.Korean)+"까지")
}

func TestEveryScreenSpeaksEnglishToo(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.lang = i18n.English
	p.open("/my").says("Link a bank account")
	p.link().says("Siheom Love Voucher", "10% off")
	p.buy("100000").says("Topped up", "₩90,000")
	p.open(p.payPage()).submit("amount", "amount", "12500").says("Pay ₩12,500")
	p.submit("wallet").answered(http.StatusOK).says("Paid", "Approval number")
	p.open(p.at + "/cancel").says("Cancel this payment?")
	for _, address := range []string{"/my", "/my/pay", "/my/history", "/my/bank-accounts", "/my/buy"} {
		p.open(address)
		if strings.ContainsAny(strings.NewReplacer("한국어", "", "길동이네 떡볶이", "", "서울특별시 시험구", "", "국회대로", "", "홍*동", "",
			"우리은행", "", p.shop.TradeName(), "").Replace(p.text()), "가나다라마바사아자차카타파하이의을를에서요") {
			t.Errorf("%s has Korean left:\n%s", address, p.text())
		}
	}
}

func TestSendingAFormTwicePaysOnce(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.link().buy("100000")
	p.open(p.payPage()).submit("amount", "amount", "30000").answered(http.StatusOK)
	method, address, values := p.fill("wallet")
	p.send(method, address, values)
	first := p.answered(http.StatusOK).at
	p.send(method, address, values)
	if second := p.answered(http.StatusOK).at; second != first {
		t.Errorf("pressing twice led to %s and %s", first, second)
	}
	p.holds(70_000)
	if values.Set("amount", "40000"); true {
		p.send(method, address, values)
	}
	p.answered(http.StatusConflict).says("이미 다른 요청에 쓴 키")
	p.holds(70_000)

	p.open("/my/buy/" + p.here() + "/" + p.programme.ID.String())
	p.submit("amount", "amount", "50000")
	method, address, values = p.fill("bank_account_id")
	p.send(method, address, values)
	bought := p.answered(http.StatusOK).at
	p.send(method, address, values)
	if p.at != bought || p.bank.withdrawals != 2 {
		t.Errorf("buying twice led to %s and %s, and the bank paid %d times", bought, p.at, p.bank.withdrawals)
	}
	p.holds(120_000)
}

func TestARefusalNamesItsRuleAndWhatToDo(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.link().buy("100000")

	p.open(p.payPage()).submit("amount", "amount", "150000").answered(http.StatusOK).says("100,000원이 있어요", "50,000원이 모자라요", "충전하기")
	if strings.Contains(p.body, `name="key"`) {
		t.Error("a payment that cannot work can be sent")
	}

	p.buy("400000") // the month's limit is reached
	p.open("/my/buy/" + p.here() + "/" + p.programme.ID.String())
	p.submit("amount", "amount", "10000").answered(http.StatusOK)
	p.submit("bank_account_id").answered(http.StatusConflict).says("한 달에 500,000원까지", "지금은 0원까지", "조례 제7조", "1판")

	p.open(p.payPage()).submit("amount", "amount", "300001").answered(http.StatusOK)
	p.submit("wallet").answered(http.StatusConflict).says("한 번에 300,000원까지", "조례 제7조")
	p.holds(500_000)
}

func TestAFormSaysWhatIsWrongBesideItsField(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.open("/my/bank-accounts/new").submit("account_number", "bank_code", "020", "account_number", "12a").answered(http.StatusUnprocessableEntity)
	p.says("계좌번호: 형식이 맞지 않아요")
	p.link().buy("100000")
	buy := "/my/buy/" + p.here() + "/" + p.programme.ID.String()
	for amount, want := range map[string]string{
		"": "꼭 입력해", "-1": "형식이", "0": "너무 작아요", "15000": "10,000 단위로", "9999999999": "너무 커요", "1,00": "형식이",
		"99999999999999999999999": "형식이", "십만": "형식이",
	} {
		p.open(buy).submit("amount", "amount", amount).answered(http.StatusUnprocessableEntity).says("금액: ", want)
		p.open(p.payPage())
		if amount != "15000" {
			p.submit("amount", "amount", amount).answered(http.StatusUnprocessableEntity).says("금액: ")
		}
	}
	p.open("/my/pay").submit("qr", "qr", "hello").answered(http.StatusUnprocessableEntity)
	for _, address := range []string{
		"/my/history?wallet=x", "/my/history?kind=x", "/my/history?cursor=!", "/my/history?cursor=AAAA", "/my/pay?q=" + strings.Repeat("a", 41),
		"/my/buy?q=" + strings.Repeat("a", 41),
	} {
		p.send(http.MethodGet, address, nil)
		p.answered(http.StatusUnprocessableEntity)
	}
	for _, address := range []string{
		"/my/payments/" + p.here() + "/x", "/my/purchases/" + p.here() + "/" + uuid.NewString(), "/my/wallets/" + p.here() + "/" + uuid.NewString(),
		"/my/pay/" + p.here() + "/" + uuid.NewString(), buy + "x", "/my/bank-accounts/x/unlink",
	} {
		p.send(http.MethodGet, address, nil)
		p.answered(http.StatusNotFound)
	}
}

func TestAnotherCitizensThingsAreUnknown(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.link().buy("100000")
	purchase := p.at
	p.open(p.payPage()).submit("amount", "amount", "1000").answered(http.StatusOK)
	p.submit("wallet").answered(http.StatusOK)
	receipt := p.at
	wallets, err := p.vouchers.Wallets(p.ctx, p.citizen)
	p.must(err)
	wallet := wallets[0].ID.String()

	p.citizen = uuid.New()
	for _, address := range []string{purchase, receipt, receipt + "/cancel", "/my/wallets/" + p.here() + "/" + wallet} {
		p.send(http.MethodGet, address, nil)
		p.answered(http.StatusNotFound)
	}
	p.send(http.MethodPost, receipt+"/cancel", url.Values{"key": {uuid.NewString()}, "how": {"whole"}})
	p.answered(http.StatusNotFound)
	p.send(http.MethodPost, p.payPage(), url.Values{"key": {uuid.NewString()}, "amount": {"1000"}, "wallet": {wallet}})
	p.answered(http.StatusNotFound)
	p.open("/my/history?wallet=" + wallet).says("조건에 맞는 내역이 없어요")
}

func TestAPurchaseThatTheBankRefusesSaysSo(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.link()
	p.bank.says = &banking.RefusedError{RspCode: "A0002", BankRspCode: "320"}
	p.buy("100000").says("충전하지 못했어요", "계좌 잔액이 부족해요", "계좌에서 나간 돈은 없어요")
	p.bank.says = &banking.UnknownError{}
	p.buy("100000").says("은행의 답을 기다리고 있어요", "다시 충전하지 마세요")
	p.open("/my").says("100,000원 충전을 은행에 확인하고 있어요")
}

func TestAnOpenHomeIsToldAtOnce(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.link().buy("100000")
	listening, stop := context.WithCancel(p.ctx)
	ended := make(chan struct{})
	go func() { p.hub.Run(listening, p.kit.DB.Pgx()); close(ended) }()
	defer func() { stop(); <-ended }()

	ctx, hangUp := context.WithTimeout(p.ctx, 30*time.Second)
	defer hangUp()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server.URL+"/my/live", http.NoBody)
	p.must(err)
	request.AddCookie(&http.Cookie{Name: citizenCookie, Value: p.citizen.String()})
	answer, err := p.client.Do(request)
	p.must(err)
	defer func() { _ = answer.Body.Close() }()
	if kind := answer.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("the stream is %s", kind)
	}
	told := make(chan string)
	go func() {
		var text strings.Builder
		part := make([]byte, 4096)
		for !strings.Contains(text.String(), "</div>") {
			n, err := answer.Body.Read(part)
			text.Write(part[:n])
			if err != nil {
				break
			}
		}
		told <- text.String()
	}()
	again := time.NewTicker(50 * time.Millisecond) // until the hub listens, what is told is lost
	defer again.Stop()
	for {
		select {
		case text := <-told:
			if !strings.Contains(text, "event: now\n") || !strings.Contains(text, `id="now"`) || !strings.Contains(text, "100,000원") {
				t.Errorf("the home was told:\n%s", text)
			}
			return
		case <-again.C:
			p.must(p.hub.Publish(p.ctx, "citizen:"+p.citizen.String(), "notice", struct{}{}))
		}
	}
}

// What a card asks while a shop waits stands first on the home, with both answers.
func TestTheHomeAsksForTheRest(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	p.link().buy("100000")
	p.questions = []payments.Question{{
		URL: "/my/cards/offers/11560/1", Shop: "길동이네 떡볶이", Requested: 112_000, Voucher: 100_000, Rest: 12_000, State: "offered",
	}}
	p.open("/my").says("나머지를 계좌로 낼까요?", "112,000원 가운데 100,000원을 상품권으로 냈어요", "계좌로 내기", "내지 않기")
	if !strings.Contains(p.body, `action="/my/cards/offers/11560/1"`) {
		t.Error("the question cannot be answered")
	}
	p.questions[0].State, p.questions[0].ExpiresAt = "allowed", p.kit.Clock.Now().Add(5*time.Minute)
	if p.open("/my").says("카드를 한 번 더 대 주세요"); strings.Contains(p.body, "내지 않기") {
		t.Error("what is answered is asked again")
	}
}

func TestHistoryTurnsItsPages(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	first := p.programme
	var err error
	p.programme, err = p.vouchers.Open(p.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "둘째 상품권", NameEn: "Second",
		Policy: vouchers.Policy{
			Clause: "제8조", Author: "김담당", DiscountBP: 500, PurchaseMin: 10_000, PurchaseStep: 10_000,
			PurchaseMonthMax: 2_000_000, HoldMax: 2_000_000, ValidityYears: 5, RefundUsedBP: 6_000,
		},
	})
	p.must(err)
	p.link()
	const many = 101 // purchases of two lines each: one lies across what is read at a time
	account := p.account()
	for range many {
		p.kit.Clock.Advance(time.Second)
		_, _, err := p.vouchers.Purchase(p.ctx, vouchers.PurchaseInput{
			Key: uuid.NewString(), CitizenID: p.citizen, ProgrammeID: p.programme.ID, Amount: 10_000, BankAccountID: account,
		})
		p.must(err)
	}
	wallets, err := p.vouchers.Wallets(p.ctx, p.citizen)
	p.must(err)
	p.programme = first
	p.buy("20000")
	for range 3 {
		p.kit.Clock.Advance(time.Second)
		_, _, err := p.payments.Pay(p.ctx, payments.PayInput{
			Key: uuid.NewString(), CitizenID: p.citizen, MerchantID: p.shop.ID, WalletID: wallets[0].ID, Amount: 1_000,
		})
		p.must(err)
	}

	seen, after := map[uuid.UUID]bool{}, ""
	var sum money.Amount
	last := p.kit.Clock.Now()
	for pages := 1; ; pages++ {
		list, next, err := p.payments.History(p.ctx, p.citizen, payments.HistoryFilter{After: after, Limit: 7})
		p.must(err)
		for _, m := range list {
			if seen[m.EntryID] || m.At.After(last) {
				t.Fatalf("page %d: %+v came again or too late", pages, m)
			}
			if m.Kind == ledger.PurchaseCompleted && m.PurchaseID == uuid.Nil || m.Kind == ledger.Payment && m.MerchantName == "" {
				t.Errorf("page %d: %+v does not say what it was", pages, m)
			}
			seen[m.EntryID], last = true, m.At
			sum += m.Amount
		}
		if after = next; next == "" {
			break
		}
		if len(list) != 7 {
			t.Fatalf("page %d has %d lines and is not the last", pages, len(list))
		}
	}
	if len(seen) != many+1+3 || sum != many*10_000+20_000-3_000 {
		t.Errorf("%d movements of %s", len(seen), sum)
	}
	bought, _, err := p.payments.History(p.ctx, p.citizen, payments.HistoryFilter{Kind: ledger.PurchaseCompleted, Wallet: wallets[0].ID, Limit: 100})
	p.must(err)
	for i, m := range bought {
		if m.Amount != 10_000 {
			t.Errorf("purchase %d of %d shows %s", i, len(bought), m.Amount)
		}
	}
	list, next, err := p.payments.History(p.ctx, p.citizen, payments.HistoryFilter{Kind: ledger.Payment, Limit: 2})
	p.must(err)
	if len(list) != 2 || next == "" || list[0].Kind != ledger.Payment {
		t.Errorf("payments only: %+v, next %q", list, next)
	}
}

// account is the citizen's linked bank account, as the screen of buying offers it.
func (p *phone) account() uuid.UUID {
	p.t.Helper()
	p.open("/my/buy/" + p.here() + "/" + p.programme.ID.String())
	_, _, values := p.fill("bank_account_id")
	return uuid.MustParse(values.Get("bank_account_id"))
}

// counterBank does what it is told to say.
type counterBank struct {
	banking.Bank
	says        error
	withdrawals int
}

func (b *counterBank) Register(context.Context, banking.Call, string, string, string, string) (string, error) {
	return "handle", nil
}

func (b *counterBank) Withdraw(context.Context, banking.Call, money.Amount, banking.Route) error {
	b.withdrawals++
	return b.says
}
