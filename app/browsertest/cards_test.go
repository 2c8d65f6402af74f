package browsertest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/simulate/issuer"
	"jangteo/app/tenant"
	"jangteo/modules/cards"
)

const (
	cardIssuer   = "31"
	shopNumber   = "7000000001"
	shopTerminal = "00000001"
	newTerminal  = "00000002" // that nobody has registered
)

// cardHost lets the simulated issuers connect.
func (h *house) cardHost(t *testing.T) *issuer.Issuer {
	t.Helper()
	listener := got(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	host := cards.NewHost(h.Cards, cards.HostOptions{Now: clock.System, Log: h.Log})
	ended := make(chan error, 1)
	go func() { ended <- host.Serve(listener) }()
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := host.Shutdown(stop); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	h.sims.Issuers.Connect(listener.Addr().String())
	bc, there := h.sims.Issuers.Issuer(cardIssuer)
	if !there {
		t.Fatal("nobody plays the issuer")
	}
	within(t, 20*time.Second, "the issuer to be connected", bc.Connected)
	return bc
}

// A card is linked and swiped; what was declined, what took the bank account and
// what is owed is told and put right.
func TestCards(t *testing.T) {
	for _, width := range []int{phone, desk} {
		t.Run(fmt.Sprintf("%d px", width), func(t *testing.T) {
			h := build(t)
			bc := h.cardHost(t)
			here := tenant.With(context.WithoutCancel(t.Context()), yeongdeungpo)
			must(t, h.Cards.Map(here, cardIssuer, shopNumber, shopTerminal, h.shop.ID))
			c := cardholder{newcomer{h, h.open(t, "citizen", width)}, bc, here, ""}
			office, shop := h.open(t, "office", width), h.open(t, "shop", width)
			c.signsUp()
			c.linksABankAccount()
			c.buys()
			c.linksACard()
			c.swipes(shopTerminal, 12_000)
			office.goTo("/office")
			office.fill("email", chiefLogin, "password", chiefPassword)
			office.press(`form[action="/office/sign-in"] button`)
			signInShop(shop)
			c.isDeclined(office, shop)
			c.swaps()
			c.owes(office)
			h.clean(t)
		})
	}
}

// A card that is to ask lets the voucher pay its part; the rest is asked on the
// open phone, and the citizen's one tap decides: once, for that shop.
func TestACardThatAsks(t *testing.T) {
	t.Parallel()
	for _, width := range []int{phone, desk} {
		t.Run(fmt.Sprintf("%d px", width), func(t *testing.T) {
			t.Parallel()
			h := build(t)
			bc := h.cardHost(t)
			here := tenant.With(context.WithoutCancel(t.Context()), yeongdeungpo)
			must(t, h.Cards.Map(here, cardIssuer, shopNumber, shopTerminal, h.shop.ID))
			c := cardholder{withMoney(t, h, width), bc, here, ""}
			c.linksACard()
			c.tap(`label:has(input[name="mode"][value="ask"])`)
			c.press(`form[action$="/option"] button`)
			c.sees("저장했어요")
			c.look("a card that asks")

			c.opensHome()
			c.swipePart(58_000, 50_000, 0)
			c.isAsked("8,000원", "58,000원 가운데 50,000원을 상품권으로 냈어요")
			c.look("home that asks for the rest")
			c.press(`#now button[value="decline"]`)
			c.sees("계좌에서는 나가지 않아요")
			c.look("the rest refused")
			c.opensHome()
			c.swipePart(8_000, 0, 0) // refused by the card, and asked anew
			c.isAsked("8,000원", "8,000원을 상품권으로는 낼 수 없었어요")
			c.swipePart(8_000, 0, 0)
			c.press(`#now button[value="allow"]`)
			c.sees("카드를 한 번 더 대 주세요")
			c.look("the rest allowed")
			c.swipePart(8_001, 0, 0) // more than was allowed
			c.swipePart(8_000, 0, 8_000)
			c.swipePart(8_000, 0, 0) // the word was for once
			c.goTo("/my/inbox")
			c.sees("나머지 8,000원을 계좌로 낼까요?", "8,000원이 거절됐어요")
			c.look("what the card asked")
			c.goTo("/my/cards")
			c.press(`main .rows a[href^="/my/cards/"]`)
			c.sees("계좌 8,000원", "상품권 50,000원", "거절")
			c.look("what the card that asks paid")
			h.clean(t)
		})
	}
}

// isAsked waits for a question on the open home, which it reaches by itself.
func (c *cardholder) isAsked(rest, text string) {
	c.t.Helper()
	c.waitFor(20*time.Second, `document.querySelector("#now form[action^='/my/cards/offers/']") !== null`)
	c.sees("나머지를 계좌로 낼까요?", rest, text)
	if n := ask[int](c.screen, `document.querySelectorAll("#now form[action^='/my/cards/offers/']").length`); n != 1 {
		c.fail("the same is asked %d times", n)
	}
}

// Whoever tries the demonstration swipes a card on its page, and looks at the
// phone of the card's owner.
func TestTheDemonstrationsTill(t *testing.T) {
	t.Parallel()
	h, logins := inhabit(t, 10)
	h.cardHost(t)
	here := tenant.With(context.WithoutCancel(t.Context()), yeongdeungpo)
	c := cardholder{newcomer{h, h.open(t, "citizen", phone)}, nil, here, ""}
	h.signIn(c.screen, logins.Citizens[0])
	c.opensHome()
	till := h.open(t, "till", desk)
	till.goTo("/demo")
	till.press(`main a[href="/demo/swipe"]`)
	till.sees("연결됨")
	till.look("the till")
	swipe := func(amount string) {
		t.Helper()
		till.fill("amount", amount)
		till.press(`form[action="/demo/swipe"] button:not([type=button])`)
	}

	swipe("3210")
	answered := clock.System()
	till.sees("3,210원", "승인", shopName)
	c.waitFor(20*time.Second, `document.querySelector("#now").textContent.includes("3,210")`)
	t.Logf("the payment stood on the phone %s after the till's page", clock.System().Sub(answered).Round(time.Millisecond))
	c.look("home after a swipe at the till")

	till.tap(`label:has(input[name="stray"])`)
	swipe("2220")
	till.sees("거절", "등록되지 않은 단말기")
	till.look("the till, declined")
	within(t, 20*time.Second, "the citizen to be told", func() bool {
		c.goTo("/my/inbox")
		return strings.Contains(ask[string](c.screen, `document.querySelector("main").innerText`), "2,220원이 거절됐어요")
	})

	till.expecting("422", func() { swipe("0") })
	till.look("the till, no amount")
	till.goTo("/demo/swipe")
	till.fill("mood", "asleep")
	till.press(`form[action="/demo/issuers"] button`)
	swipe("4440")
	till.sees("연결계좌에서 빠짐")
	till.fill("mood", "well")
	till.press(`form[action="/demo/issuers"] button`)
	till.press(`form[action="/demo/clearing"] button`)
	till.sees("매입 파일을 받았어요")
	till.press(`form[action="/demo/clearing"] button`)
	till.sees("이미 받았어요")
	till.look("the till, cleared")
	c.goTo("/my/cards/swaps")
	c.sees("4,440원")
	c.press(`main .rows li:has(a):nth-child(1) a`)
	c.sees("4,440원을 상품권으로 바꿀까요?")
	c.press("main form[method=post] button")
	c.sees("바꿨어요", "계좌로 돈이 돌아왔어요")
	small := h.open(t, "till", phone)
	small.goTo("/demo/swipe")
	small.sees("연결계좌로 돌려줌")
	small.look("the till on a phone")
	h.clean(t)
}

// cardholder is a newcomer with a card.
type cardholder struct {
	newcomer
	bc    *issuer.Issuer
	here  context.Context
	token string
}

func (c *cardholder) linksACard() {
	c.t.Helper()
	c.goTo("/my/cards")
	c.look("no card")
	c.press(`main a[href="/my/cards/new"]`)
	c.look("which issuer")
	c.fill("issuer", cardIssuer)
	c.press(`form[action="/my/cards/new"] button`)
	c.look("which card")
	c.fill("name", "생활비 카드")
	c.press(`form[action="/my/cards"] button`)
	c.sees("생활비 카드", "상품권으로만")
	c.look("a linked card")
	owner := got(c.h.Citizens.Find(c.here, newcomerPhone, 1))(c.t)
	links := got(c.h.Cards.Links(c.here, owner[0].ID))(c.t)
	c.token = links[0].Token
}

func (c *cardholder) swipe(terminal string, amount int64) issuer.Purchase {
	c.t.Helper()
	return got(c.bc.Swipe(c.here, issuer.Swipe{Token: c.token, Merchant: shopNumber, Terminal: terminal, Amount: amount}))(c.t)
}

// swipePart swipes at a terminal that can take a part.
func (c *cardholder) swipePart(amount, voucher, account int64) {
	c.t.Helper()
	p := got(c.bc.Swipe(c.here, issuer.Swipe{Token: c.token, Merchant: shopNumber, Terminal: shopTerminal, Amount: amount, Partial: true}))(c.t)
	if approved := p.State == issuer.Approved; approved != (voucher+account > 0) || p.Voucher != voucher || p.Account != account {
		c.t.Fatalf("of %d: %+v, want %d from the voucher and %d from the account", amount, p, voucher, account)
	}
}

// opensHome looks at the home until it hears news.
func (c *cardholder) opensHome() {
	c.t.Helper()
	c.goTo("/my")
	c.waitFor(20*time.Second, `document.querySelector("[data-live]").dataset.state === "open"`)
}

// swipes pays with the card; the open page shows it by itself.
func (c *cardholder) swipes(terminal string, amount int64) {
	c.t.Helper()
	c.opensHome()
	p := c.swipe(terminal, amount)
	answered := clock.System()
	if p.State != issuer.Approved || p.Voucher != amount || p.Account != 0 {
		c.t.Fatalf("the swipe: %+v", p)
	}
	c.waitFor(10*time.Second, `document.querySelector("#now").textContent.includes("88,000")`)
	c.t.Logf("the payment stood on the phone %s after the till", clock.System().Sub(answered).Round(time.Millisecond))
	c.look("home after a swipe")
}

// isDeclined swipes at a terminal that nobody has registered: the citizen is
// told, the staff put it right, and the next swipe pays.
func (c *cardholder) isDeclined(office, shop *screen) {
	c.t.Helper()
	if p := c.swipe(newTerminal, 5_000); p.State != issuer.Declined || p.Account != 0 || p.Reason != "terminal-unknown" {
		c.t.Fatalf("at a terminal that nobody knows: %+v", p)
	}
	c.goTo("/my/cards")
	c.press(`main .rows a[href^="/my/cards/"]`)
	c.sees("거절", "등록되지 않은 단말기")
	c.look("a declined swipe")
	shop.goTo("/shop/terminals")
	shop.sees(shopTerminal)
	shop.look("terminals of the shop")
	office.goTo("/office/cards/terminals")
	office.sees(newTerminal)
	office.look("terminals that nobody knows")
	office.press(`main tbody a`)
	office.look("one of them with proposals")
	office.press(`form[action$="/map"] button`)
	office.sees("확인할 단말기가 없습니다")
	office.look("no terminal left")
	office.downloads("/office/cards/terminals.csv?state=mapped", newTerminal, shopName, "연결됨")
	if p := c.swipe(newTerminal, 5_000); p.State != issuer.Approved || p.Voucher != 5_000 {
		c.t.Fatalf("after it was mapped: %+v", p)
	}
}

// swaps finds what took the bank account in an outage, and swaps it by a tap.
func (c *cardholder) swaps() {
	c.t.Helper()
	within(c.t, 20*time.Second, "both payments to be on record", func() bool { // which follows a payment at once, and not with it
		owner := got(c.h.Citizens.Find(c.here, newcomerPhone, 1))(c.t)
		links := got(c.h.Cards.Links(c.here, owner[0].ID))(c.t)
		paid := 0
		for _, a := range got(c.h.Cards.History(c.here, owner[0].ID, links[0].ID, 10))(c.t) {
			if a.PaymentID != nil {
				paid++
			}
		}
		return paid == 2
	})
	c.bc.Sleep(true)
	p := c.swipe(shopTerminal, 8_500)
	c.bc.Sleep(false)
	if p.Account != 8_500 {
		c.t.Fatalf("in the outage: %+v", p)
	}
	must(c.t, c.h.Cards.FetchClearing(c.here, calendar.DayOf(clock.System())))
	c.goTo("/my/cards")
	c.sees("8,500원")
	c.look("a card that took the account")
	c.press(`main a.notice[href="/my/cards/swaps"]`)
	c.look("payments that took the account")
	c.press(`main .rows a`)
	c.look("shall it be swapped")
	c.press("main form[method=post] button")
	c.sees("바꿨어요", "계좌로 돈이 돌아왔어요")
	c.look("swapped, with every step")
	for _, one := range c.h.sims.Issuers.Purchases(10) {
		if one.Retrieval == p.Retrieval && one.AccountBack != 8_500 {
			c.t.Errorf("the bank account got %d back", one.AccountBack)
		}
	}
	c.goTo("/my")
	c.sees("74,500원")
}

// owes has a stand-in take more than the wallet held, and a clearing file that
// does not agree.
func (c *cardholder) owes(office *screen) {
	c.t.Helper()
	got(c.h.Cards.Advise(c.here, cards.Advice{
		Message: cards.Message{
			Issuer: cardIssuer, Key: "stand-in", Retrieval: "632600009999", Token: c.token, MerchantNumber: shopNumber, Terminal: shopTerminal, At: clock.System(),
		},
		Amount: 80_000, Voucher: 80_000,
	}))(c.t)
	c.goTo("/my/cards/claims")
	c.sees("5,500원")
	c.look("what is owed")
	c.press(`form[action$="/wish"] button`)
	c.look("repaid from the next purchase")
	const seconds = "20060102150405"
	day := strings.ReplaceAll(calendar.DayOf(clock.System()).AddDays(-1).String(), "-", "")
	swiped := clock.System() // near the payment that is meant
	file := fmt.Sprintf("H,31,%s,2\nD,1,P,632600000009,A1B2C3,000009,%s,%s,%s,%s,%s,6300,6300,0\nT,1,6300\n",
		day, swiped.UTC().Format(seconds), swiped.In(calendar.Seoul).Format(seconds), shopNumber, shopTerminal, c.token)
	got(c.h.Cards.Clear(c.here, []byte(file)))(c.t)
	office.goTo("/office/cards/clearing")
	office.sees("6,300원")
	office.look("rows that do not agree")
	office.fill("q", "70000000")
	office.press(`form[role="search"] button`)
	office.sees("6,300원")
	office.fill("q", "nothing")
	office.press(`form[role="search"] button`)
	office.sees("찾는 내역이 없습니다")
	office.look("nothing found")
	office.downloads("/office/cards/clearing.csv?q=63260000000", "632600000009", "6300", "우리 기록 없음")
	office.goTo("/office/cards/clearing")
	office.press("main tbody a")
	office.look("a row that nobody knows")
	office.fill("reason", "카드사가 조회 번호를 잘못 적었다고 확인함")
	office.press(`section[aria-labelledby="proposals"] form button`)
	office.look("no row left")
	office.goTo("/office/cards/claims")
	office.sees("5,500원")
	office.look("what citizens owe")
	office.downloads("/office/cards/claims.csv", shopName, "5500,5500")
}

// downloads fetches a file that the page links to, and looks into it.
func (s *screen) downloads(path string, texts ...string) {
	s.t.Helper()
	file := ask[string](s, fmt.Sprintf(`fetch(%q).then((answer) => answer.ok && answer.headers.get("Content-Type").startsWith("text/csv") ? answer.text() : "refused")`, path))
	for _, text := range texts {
		if !strings.Contains(file, text) {
			s.fail("%s has no %q:\n%s", path, text, file)
		}
	}
}
