package browsertest

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// The first voucher, bought, spent and paid out.
func TestTheStory(t *testing.T) {
	for _, width := range []int{phone, desk} {
		t.Run(fmt.Sprintf("%d px", width), func(t *testing.T) {
			h := build(t)
			citizen := newcomer{h, h.open(t, "citizen", width)}
			shop := h.open(t, "shop", width)
			office, second := h.open(t, "office", width), h.open(t, "second official", width)

			citizen.looksAround()
			citizen.signsUp()
			citizen.linksABankAccount()
			citizen.buys()
			signInShop(shop)
			receipt := citizen.pays(shop, h.qr(t, shop))
			citizen.cancelsAPart(receipt)
			citizen.looksBack()
			signInOffice(office)
			closeTheDay(office)
			approvePayouts(h, office, second)
			shopIsPaid(h, shop)
			officeSeesEverything(office)
			h.clean(t)
		})
	}
}

// newcomer is somebody who has never been here.
type newcomer struct {
	h *house
	*screen
}

const (
	newcomerName  = "김새봄"
	newcomerPhone = "010-7777-1234"
	newcomerBank  = "1002123456789"
)

func (n newcomer) looksAround() {
	n.t.Helper()
	n.goTo("/")
	n.look("front")
	n.goTo("/tenants/11560")
	n.sees("영등포사랑상품권", "10%")
	n.look("municipality")
	n.goTo("/tenants/11560/merchants?q=길동")
	n.sees(shopName)
	n.look("where it is taken")
}

func (n newcomer) signsUp() {
	n.t.Helper()
	n.goTo("/sign-in")
	n.look("who are you")
	n.expecting("422", func() {
		n.fill("name", newcomerName, "birth_date", "19900231", "phone", newcomerPhone)
		n.press("main form button")
	})
	n.look("no such birth date")
	n.fill("birth_date", "1990-02-23")
	n.press("main form button")
	n.look("code")
	n.fill("code", n.h.code(n.t, newcomerPhone))
	n.press(`form[action="/sign-in/code"] button`)
	n.look("agreements")
	n.agrees()
	n.look("device key")
	n.press(`form[data-device-key] button`)
	if n.path() != "/my" {
		n.fail("the newcomer is not at home")
	}
	n.look("home of a newcomer")
	if !ask[bool](n.screen, `new Promise((done) => {
		const ask = indexedDB.open("jangteo", 1);
		ask.onsuccess = () => {
			const get = ask.result.transaction("device-key").objectStore("device-key").get("pair");
			get.onsuccess = () => done(get.result.privateKey.extractable === false);
		};
	})`) {
		n.fail("the device's private key can be read out")
	}
}

func (n newcomer) agrees() {
	n.t.Helper()
	for _, box := range ask[[]string](n.screen, `[...document.querySelectorAll("main input[type=checkbox]")].map((e) => e.id)`) {
		n.tap(`label:has(#` + box + `)`)
	}
	n.press(`form[action="/sign-in/agreements"] button`)
}

func (n newcomer) linksABankAccount() {
	n.t.Helper()
	n.goTo("/my/bank-accounts")
	n.look("no bank account")
	n.press(`main a[href^="/my/bank-accounts/new"]`)
	n.fill("bank_code", fundBank, "account_number", newcomerBank)
	n.look("link a bank account")
	n.press(`form[action="/my/bank-accounts"] button`)
	n.sees("우리은행")
	n.look("bank account linked")
}

func (n newcomer) buys() {
	n.t.Helper()
	budgetBefore := n.subsidy()
	n.goTo("/my/buy")
	n.look("what to buy")
	n.press(`main a[href^="/my/buy/11560/"]`)
	n.look("how much to buy")
	n.fill("amount", "100000")
	n.tap(".choices .choice")
	n.press("main form button:not([type=button])")
	n.sees("100,000원", "90,000원", "10,000원")
	n.look("confirm the purchase")
	n.press("main form[method=post] button")
	n.sees("100,000원", "90,000원", "10,000원")
	n.look("purchase completed")

	if left := n.h.atBank(n.t, newcomerBank); left != bankBalance-90_000 {
		n.t.Errorf("the bank account holds %s after the purchase, not %d less 90,000", left, bankBalance)
	}
	if spent := budgetBefore - n.subsidy(); spent != 10_000 {
		n.t.Errorf("the subsidy paid %s, not 10,000", spent)
	}
	n.goTo("/my")
	n.sees("100,000원")
	n.look("home with a wallet")
	n.press(`main a[href^="/my/wallets/11560/"]`)
	n.sees("100,000원", fiveYearsOn())
	n.look("wallet and its lots")
}

func (n newcomer) subsidy() money.Amount {
	n.t.Helper()
	return got(n.h.Vouchers.SubsidyLeft(tenant.With(n.t.Context(), yeongdeungpo)))(n.t)
}

// fiveYearsOn is the year in which what is bought today expires.
func fiveYearsOn() string {
	return fmt.Sprint(calendar.DayOf(clock.System()).Year()+5) + "."
}

func signInShop(s *screen) {
	s.t.Helper()
	s.goTo("/shop")
	s.look("sign in")
	s.fill("login", clerkLogin, "password", clerkPassword)
	s.press(`form[action="/shop/sign-in"] button`)
	if s.path() != "/shop" {
		s.fail("the clerk is not in the portal")
	}
	s.look("today, nothing sold")
}

// qr is what an independent decoder reads in the picture that the shop shows.
func (h *house) qr(t *testing.T, shop *screen) string {
	t.Helper()
	shop.goTo("/shop/qr")
	shop.look("poster")
	encoded := ask[string](shop, `fetch("/shop/qr.png").then((r) => r.blob()).then((b) => new Promise((done) => {
		const reader = new FileReader();
		reader.onload = () => done(reader.result.split(",")[1]);
		reader.readAsDataURL(b);
	}))`)
	picture := got(base64.StdEncoding.DecodeString(encoded))(t)
	file := filepath.Join(t.TempDir(), "qr.png")
	must(t, os.WriteFile(file, picture, 0o600))
	read, err := exec.CommandContext(t.Context(), "zbarimg", "--quiet", "--raw", file).Output()
	if err != nil {
		t.Fatalf("zbarimg reads no code in the shop's picture: %v", err)
	}
	payload := strings.TrimSpace(string(read))
	if !strings.HasPrefix(payload, "000201010211") || !strings.Contains(payload, "5303410") || !strings.Contains(payload, "5802KR") {
		t.Fatalf("%q is no static code of a Korean shop", payload)
	}
	return payload
}

// pays returns the receipt's address. The shop watches its portal meanwhile.
func (n newcomer) pays(shop *screen, qr string) (receipt string) {
	n.t.Helper()
	shop.goTo("/shop")
	shop.waitFor(patience, `document.querySelector(".live").dataset.state === "open"`)
	shop.do(evaluate(`window.notReloaded = true`))

	n.goTo("/my/pay")
	n.look("enter a code")
	n.tap("main details:has(#qr) summary")
	n.fill("qr", qr)
	n.press(`form[action="/my/pay"][method=post] button`)
	n.sees(shopName)
	n.look("how much to pay")
	n.fill("amount", "12500")
	n.press("main form button:not([type=button])")
	n.sees(shopName, "12,500원", "87,500원")
	n.look("confirm the payment")
	n.press("main form[method=post] button")
	shop.waitFor(1500*time.Millisecond, `window.notReloaded && [...document.querySelectorAll("#sales li")].some((e) => e.innerText.includes("12,500원"))`)
	n.sees(shopName, "12,500원")
	n.look("paid")
	shop.sees("12,500원")
	shop.look("today, with a sale that came by itself")
	return n.path()
}

func (n newcomer) cancelsAPart(receipt string) {
	n.t.Helper()
	n.press(`main a[href="` + receipt + `/cancel"]`)
	n.look("cancel")
	n.tap(".choice:has([value=part])")
	n.fill("amount", "2500")
	n.press("main form[method=post] button")
	n.sees("10,000원", "-2,500원")
	n.look("receipt after a part was cancelled")
}

func (n newcomer) looksBack() {
	n.t.Helper()
	n.goTo("/my")
	n.sees("90,000원")
	n.look("home after a payment")
	if weight := ask[float64](n.screen, `performance.getEntries().reduce((sum, e) => sum + (e.encodedBodySize || 0), 0)`); weight > 100_000 {
		n.t.Errorf("the home page weighs %.0f bytes with all that it pulls", weight)
	}
	for _, page := range [][2]string{{"/my/history", "history"}, {"/my/inbox", "inbox"}, {"/my/security", "security"}} {
		n.goTo(page[0])
		n.look(page[1])
	}
	n.goTo("/my/history")
	n.sees("12,500원", "100,000원")
}

func signInOffice(s *screen) {
	s.t.Helper()
	s.goTo("/office")
	s.look("sign in")
	s.fill("email", chiefLogin, "password", chiefPassword)
	s.press(`form[action="/office/sign-in"] button`)
	if s.path() != "/office" {
		s.fail("the official is not in the office")
	}
	s.sees("100,000원", "10,000원")
	s.look("dashboard")
}

func closeTheDay(s *screen) {
	s.t.Helper()
	s.goTo("/office/settlements")
	s.look("settlements before the first")
	s.tap(`details:has(form[action="/office/settlements/close"]) summary`)
	s.do(evaluate(fmt.Sprintf(`document.querySelector("#day").value = %q`, calendar.DayOf(clock.System()))))
	s.tap(`form[action="/office/settlements/close"] .check`)
	s.press(`form[action="/office/settlements/close"] button`)
	s.look("the day is closed")

	s.tap(`details:has(form[action="/office/settlements/pay-out"]) summary`)
	s.do(evaluate(`document.querySelector("form[action='/office/settlements/pay-out'] select").value = "all"`))
	s.fill("reason", "연휴 전에 지급합니다")
	s.tap(`form[action="/office/settlements/pay-out"] .check`)
	s.press(`form[action="/office/settlements/pay-out"] button`)
	s.sees("본인이 요청한 일입니다", "10,000원")
	s.look("payouts asked for")
}

// approvePayouts is what the first official may not do.
func approvePayouts(h *house, first, s *screen) {
	s.t.Helper()
	s.goTo(first.path())
	s.fill("email", settlementLogin, "password", chiefPassword)
	s.press(`form[action="/office/sign-in"] button`)
	s.goTo("/office/approvals")
	s.sees("내 승인을 기다립니다")
	s.look("approvals")
	s.press("main tbody a")
	s.sees("연휴 전에 지급합니다", "10,000원")
	s.look("an approval")
	s.tap(`form[action$="/approve"] .check`)
	s.press(`form[action$="/approve"] button`)
	s.look("approved")
	within(s.t, patience, "the bank pays 10,000 to the shop", func() bool { return h.atBank(s.t, shopAccount) == 10_000 })
}

func shopIsPaid(h *house, s *screen) {
	s.t.Helper()
	within(s.t, patience, "the portal says that it was paid", func() bool {
		s.goTo("/shop/settlements")
		return ask[bool](s, `document.querySelector("main tbody .badge.success") !== null`)
	})
	s.sees("12,500원", "2,500원", "10,000원", payoutDay(h))
	s.look("settlements")
	s.press("main tbody a")
	s.sees("10,000원", payoutDay(h), "12,500원")
	s.look("statement")
	s.goTo("/shop/sales?day=" + calendar.DayOf(clock.System()).String())
	s.sees("12,500원", "10,000원")
	s.look("sales")
	s.goTo("/shop/security")
	s.look("security")
}

// payoutDay is when today's sales are paid: the next business day.
func payoutDay(*house) string {
	return calendar.NextBusiness(calendar.DayOf(clock.System()), 1).Long("ko")
}

func officeSeesEverything(s *screen) {
	s.t.Helper()
	s.goTo("/office")
	s.sees("100,000원", "12,500원", "2,500원", money.Amount(budget-10_000).Won())
	s.look("dashboard after the day")

	s.goTo("/office/payments")
	s.sees(shopName, "12,500원")
	s.look("payments")
	payment := s.href("main tbody a")
	s.goTo(payment)
	s.sees(shopName, "12,500원", "2,500원")
	s.look("payment")
	s.press(`main a[href^="/office/ledger/entries/"]`)
	s.sees("12,500원")
	s.look("ledger entry")
	s.press(`main a[href^="/office/ledger/accounts/"]`)
	s.look("ledger account")

	for _, page := range [][2]string{
		{"/office/purchases", "purchases"}, {"/office/programmes", "programmes"}, {"/office/merchants", "merchants"},
		{"/office/settlements", "settlements"}, {"/office/ledger", "ledger"},
	} {
		s.goTo(page[0])
		s.look(page[1])
		if page[1] != "ledger" {
			s.goTo(s.href("main tbody a"))
			s.look(page[1] + ", one of them")
		}
	}
	officeReveals(s)
	s.goTo("/office/audit")
	s.look("audit")
	s.goTo("/office/security")
	s.look("security")
	s.goTo("/office/verify")
	s.look("verify")
	s.press(`form[action="/office/verify"] button`)
	s.comesTo(`document.readyState === "complete" && document.querySelector("main .notice.success") !== null && document.querySelector("main .notice.info") === null`)
	s.look("verified")
	if !ask[bool](s, `document.querySelector("main .notice.success") !== null`) {
		s.fail("the books do not balance")
	}
}

// officeReveals sees who the citizen is only by giving a reason, and leaves a trace.
func officeReveals(s *screen) {
	s.t.Helper()
	const reason = "이용자가 전화로 환불을 문의함"
	s.goTo("/office/citizens?q=" + newcomerPhone)
	s.look("citizens")
	s.goTo(s.href("main tbody a"))
	s.look("citizen, masked")
	if strings.Contains(ask[string](s, `document.body.innerText`), newcomerName) {
		s.fail("the citizen's name is shown before anybody gave a reason")
	}
	s.fill("reason", reason)
	s.press("main form:has(#reason) button")
	s.sees(newcomerName, "1234")
	s.look("citizen, in the clear")
	s.goTo("/office/access")
	s.sees(reason, "김주무")
	s.look("who looked at what")
}

// waitFor waits until something is true in the page, without loading it again.
func (s *screen) waitFor(limit time.Duration, condition string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, limit+patience)
	defer cancel()
	if err := waitIn(ctx, limit, condition); err != nil {
		s.fail("not within %s: %s (%v)", limit, condition, err)
	}
}
