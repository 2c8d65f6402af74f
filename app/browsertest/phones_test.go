package browsertest

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"jangteo/app/tenant"
	"jangteo/modules/staff"
)

const (
	makerLogin, deciderLogin = "operations@jangteo.example", "security@jangteo.example"
	operatorPassword         = "operator-password-1"
)

// Two browsers as two phones of one citizen, side by side with the operator's
// two people: what each is told is what happened, and nothing else.
func TestTwoPhones(t *testing.T) {
	t.Parallel()
	h := build(t)
	t.Cleanup(func() { h.clean(t) })
	for login, name := range map[string]string{makerLogin: "서은호", deciderLogin: "남다정"} {
		got(h.Staff.Register(tenant.With(t.Context(), tenant.Platform), staff.RegisterInput{
			Login: login, Password: operatorPassword, Name: name, Department: "운영실", Role: staff.OfPlatform,
		}))(t)
	}
	before := withMoney(t, h, phone)
	after := newcomer{h, h.open(t, "citizen's new phone", phone)}

	after.goTo("/sign-in")
	after.fill("name", newcomerName, "birth_date", "19900223", "phone", newcomerPhone)
	after.press("main form[action='/sign-in'] button")
	after.fill("code", h.code(t, newcomerPhone))
	after.press(`form[action="/sign-in/code"] button`)
	after.sees("로그인되어 있어요", "여기서 로그인하면 그 기기는 로그아웃돼요")
	after.look("asks before the other phone is signed out")
	after.press(`form[data-device-key] button`)
	after.sees("쓰던 다른 기기는 로그아웃했어요", "50,000원")
	after.look("tells what was ended")

	before.expecting("401", func() {
		before.goTo("/my")
		before.waitFor(10*time.Second, `document.querySelector("[data-explain]:not([hidden])") !== null`)
		before.sees("다른 기기에서 로그인했어요", "내가 아니에요", "새로 로그인한 기기", "Chrome")
		before.look("was superseded and knows by which phone")
	})

	maker, decider := h.open(t, "operator", desk), h.open(t, "second operator", desk)
	number := askForReset(maker)
	h.approves(decider, maker.path())
	after.expecting("401", func() {
		after.waitFor(30*time.Second, `fetch("/my/session/refresh", {method: "POST", headers: {Accept: "application/json"}})
			.then((answer) => answer.json()).then((answer) => answer.code === "session-reset")`)
		after.goTo("/my")
		after.comesTo(`location.pathname === "/my" && document.querySelector("main").innerText.includes("50,000원")`)
	})
	after.sees("시스템 복구를 위해 로그인을 다시 연결했어요", "다른 기기에서 접속한 것이 아니고", "하실 일은 없어요")
	after.look("after a reset: one line")
	after.goTo("/my/security")
	after.sees("시스템 복구로 로그인이 초기화됐어요")
	after.look("security after a reset")
	after.goTo("/incidents")
	after.sees("로그인을 초기화했습니다", number)
	after.look("incidents")
	after.press("main a.card")
	after.sees("쓰던 기기는 자동으로 다시 연결돼요")
	after.look("an incident")

	before.expecting("401", func() {
		before.goTo("/my")
		before.waitFor(10*time.Second, `document.querySelector("[data-explain]:not([hidden])") !== null`)
	})
	before.sees("다른 기기에서 로그인했어요") // still, and for ever
	before.press(`form[action="/sign-in/not-me"] button`)
	before.sees("계정을 잠갔어요")
	before.look("locked from the old phone")
	after.expecting("401", func() {
		after.goTo("/my")
		after.sees("계정")
	})
	after.look("locked on the new phone")

	maker.goTo("/operations/cases")
	maker.sees("내가 한 로그인이 아니라고 알림")
	maker.look("cases")
	maker.press("main tbody a")
	maker.sees("본인이 아니라고 한 로그인")
	maker.look("a case")
	maker.fill("outcome", "본인과 통화해 확인했습니다")
	maker.press(`form[action$="/close"] button`)
	maker.sees("본인과 통화해 확인했습니다")
	maker.goTo("/operations/incidents")
	maker.look("incidents of the operator")
}

// comesTo waits for what a page brings about that goes on to another.
func (s *screen) comesTo(condition string) {
	s.t.Helper()
	within(s.t, patience, condition, func() bool {
		there, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](condition))
		return err == nil && there
	})
}

// askForReset opens an incident and asks for a reset of all sign-ins; it stays
// at the proposal.
func askForReset(s *screen) (number string) {
	s.t.Helper()
	s.goTo("/operations/incidents")
	s.fill("email", makerLogin, "password", operatorPassword)
	s.press(`form[action="/office/sign-in"] button`)
	s.look("no incident yet")
	s.press(`a[href="/operations/incidents/new"]`)
	s.look("a new incident")
	s.fill("title_ko", "로그인을 초기화했습니다", "text_ko", "백업에서 복구하면서 로그인을 초기화했습니다.",
		"title_en", "Sign-ins were reset", "text_en", "We reset sign-ins while restoring from a backup.")
	s.tap("label:has([name=published])")
	s.press("main form button")
	number = ask[string](s, `document.title`)
	s.look("an incident at work")
	s.tap("section:nth-of-type(2) details summary")
	s.fill("reason", "백업에서 복구하며 최근 로그인을 잃었습니다")
	s.tap("label:has([name=at_once])")
	s.look("asking for a reset")
	s.press(`form[action$="/resets"] button`)
	s.sees("지금 로그인 1개가 끝납니다")
	s.look("what a reset would do")
	s.press(`button[name=confirm]`)
	s.sees("로그인 초기화", "모든 로그인", "본인이 요청한 일입니다")
	s.look("a reset that waits for approval")
	return number[:10]
}

func (h *house) approves(s *screen, path string) {
	s.t.Helper()
	s.goTo(path)
	s.fill("email", deciderLogin, "password", operatorPassword)
	s.press(`form[action="/office/sign-in"] button`)
	s.goTo(path)
	s.tap(`form[action$="/approve"] .check`)
	s.press(`form[action$="/approve"] button`)
	s.look("a reset that was approved")
}
