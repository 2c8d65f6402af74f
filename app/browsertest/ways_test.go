package browsertest

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Who has no mouse pays with Tab, Space and Enter alone.
func TestPayingByKeyboard(t *testing.T) {
	t.Parallel()
	h := build(t)
	n := withMoney(t, h, desk)
	n.goTo("/my")
	n.keyTo(`main a[href="/my/pay"]`)
	n.enter()
	n.keyTo(`#q`)
	n.do(chromedp.KeyEvent("길동"))
	n.enter()
	n.keyTo(fmt.Sprintf(`main a[href^="/my/pay/11560/%s"]`, h.shop.ID))
	n.enter()
	n.keyTo(`#amount`)
	n.do(chromedp.KeyEvent("3000"))
	n.enter()
	n.keyTo(`main form[method=post] button`)
	n.enter()
	n.sees(shopName, "3,000원")
	n.look("paid by keyboard")
	h.clean(t)
}

// keyTo presses Tab until something has the focus, and sees to it that it shows.
func (s *screen) keyTo(selector string) {
	s.t.Helper()
	const pressesMost = 60
	for range pressesMost {
		if ask[bool](s, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			if !ask[bool](s, `(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== "none" || style.boxShadow !== "none"; })()`) {
				s.fail("%s has the focus and does not show it", selector)
			}
			return
		}
		s.do(chromedp.KeyEvent(kb.Tab))
	}
	s.fail("Tab does not come to %s", selector)
}

// enter presses Enter and waits for the next page.
func (s *screen) enter() {
	s.t.Helper()
	answer, err := chromedp.RunResponse(s.ctx, chromedp.KeyEvent(kb.Enter))
	s.arrived(answer, err, "Enter")
}

// A browser that runs no script shows the home page, pays, and looks back.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	h := build(t)
	n := withMoney(t, h, phone)
	call(n.screen, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	n.goTo("/my")
	n.sees("50,000원")
	n.shows("home")
	n.goTo("/my/pay?q=" + url.QueryEscape("길동"))
	n.shows("search")
	n.press(fmt.Sprintf(`main a[href^="/my/pay/11560/%s"]`, h.shop.ID))
	n.do(chromedp.SendKeys(chromedp.CSS("#amount"), "12,500"))
	n.shows("amount")
	n.press("main form button:not([type=button])")
	n.press("main form[method=post] button")
	n.sees("12,500원")
	n.shows("paid")
	n.goTo("/my/history")
	n.sees("12,500원", "50,000원")
	n.shows("history")
	h.clean(t)
}

// shows takes the picture of a page that cannot be asked anything.
func (s *screen) shows(name string) {
	s.t.Helper()
	if ask[bool](s, `document.documentElement.dataset.js !== undefined`) {
		s.fail("a script has run")
	}
	s.picture("without script " + name)
}

// The unit stands beside an amount and never over it, in both languages.
func TestAmountsAndTheirUnit(t *testing.T) {
	t.Parallel()
	h := build(t)
	n := withMoney(t, h, phone)
	for _, width := range []int{phone, desk} {
		n.widen(width)
		for _, lang := range []string{"ko", "en"} {
			for name, path := range map[string]string{
				"pay": "/my/pay/11560/" + h.shop.ID.String(), "buy": "/my/buy/11560/" + h.programme.String(), "swipe": "/demo/swipe",
			} {
				n.goTo(path + "?lang=" + lang)
				n.fill("amount", "9999999")
				if shown := ask[string](n.screen, `document.querySelector("#amount").value`); shown != "9,999,999" {
					n.fail("the amount is shown as %q", shown)
				}
				n.look(lang + " amount to " + name)
			}
		}
	}
}

// withMoney is a citizen who has joined and bought.
func withMoney(t *testing.T, h *house, width int) newcomer {
	t.Helper()
	n := newcomer{h, h.open(t, "citizen", width)}
	n.joins()
	n.goTo("/my/bank-accounts/new")
	n.fill("bank_code", fundBank, "account_number", newcomerBank)
	n.press(`form[action="/my/bank-accounts"] button`)
	n.goTo("/my/buy/11560/" + h.programme.String())
	n.fill("amount", "50000")
	n.tap(".choices .choice")
	n.press("main form button:not([type=button])")
	n.press("main form[method=post] button")
	n.sees("50,000원")
	return n
}

func (n newcomer) joins() {
	n.t.Helper()
	n.goTo("/sign-in")
	n.fill("name", newcomerName, "birth_date", "19900223", "phone", newcomerPhone)
	n.press("main form[action='/sign-in'] button")
	n.fill("code", n.h.code(n.t, newcomerPhone))
	n.press(`form[action="/sign-in/code"] button`)
	n.agrees()
	n.press(`form[data-device-key] button`)
}
