package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/pquerna/otp/totp"

	"jangteo/app/clock"
)

// An official is asked for a second factor, makes a passkey, comes in with it,
// and proves themselves once more before they close a day.
func TestPasskeysAndCodes(t *testing.T) {
	h := build(t)
	must(t, h.Staff.Require(t.Context(), yeongdeungpo, true))
	for _, width := range []int{phone, desk} {
		t.Run(fmt.Sprintf("%d px", width), func(t *testing.T) {
			login := map[int]string{phone: settlementLogin, desk: chiefLogin}[width]
			s := h.open(t, "official", width)
			s.url = strings.Replace(h.url, "127.0.0.1", "localhost", 1) // numbers may have no passkeys
			call(s, webauthn.Enable, webauthn.EnableParams{})
			call(s, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
				HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			}})
			recovery := makesAPasskey(s, login)
			signOut(s)

			s.press("[data-passkey]")
			s.isAt("/office")
			signOut(s)

			givesPassword(s, login)
			s.isAt("/office/sign-in/second")
			s.look("second step")
			s.expecting("422", func() {
				s.fill("code", "000000")
				s.press(`form[action="/office/sign-in/second"] button`)
			})
			s.look("wrong code")
			s.fill("code", recovery)
			s.press(`form[action="/office/sign-in/second"] button`)
			s.isAt("/office")

			makesACodeApp(s)
			provesOnceMore(h, s)
		})
	}
}

func (s *screen) isAt(path string) {
	s.t.Helper()
	if s.path() != path {
		s.fail("this is not %s", path)
	}
}

func signOut(s *screen) {
	s.t.Helper()
	s.press(`form[action="/office/sign-out"] button`)
	s.isAt("/office/sign-in")
}

func givesPassword(s *screen, login string) {
	s.t.Helper()
	s.fill("email", login, "password", chiefPassword)
	s.press(`form[action="/office/sign-in"] button`)
}

// makesAPasskey signs in for the first time and returns a recovery code.
func makesAPasskey(s *screen, login string) string {
	s.t.Helper()
	s.goTo("/office")
	s.look("sign in")
	givesPassword(s, login)
	s.isAt("/office/sign-in/factors")
	s.sees("추가 인증 수단을 먼저 등록해야 합니다")
	s.look("a second factor is asked for")
	s.goTo("/office")
	s.isAt("/office/sign-in/factors") // nothing else opens
	s.fill("passkey_name", "사무실 노트북")
	s.press(`[data-passkey="create"]`)
	s.sees("이 코드는 지금 한 번만 보입니다")
	s.look("recovery codes")
	codes := ask[[]string](s, `[...document.querySelectorAll("#codes code")].map((e) => e.textContent)`)
	if len(codes) != 10 {
		s.fail("%d recovery codes are shown", len(codes))
	}
	s.press("main .actions a")
	s.isAt("/office")
	return codes[0]
}

func makesACodeApp(s *screen) {
	s.t.Helper()
	s.goTo("/office/security")
	s.sees("비밀번호와 복구 코드", "남은 복구 코드 9개")
	s.look("security")
	s.press(`main a[href="/office/sign-in/factors"]`)
	s.sees("사무실 노트북")
	s.look("factors")
	s.press(`form[action="/office/sign-in/factors/code-app"] button`)
	s.look("set up an app")
	secret := strings.ReplaceAll(ask[string](s, `document.querySelector("[data-secret]").textContent`), " ", "")
	code := got(totp.GenerateCode(secret, clock.System()))(s.t)
	s.fill("code", code)
	s.press(`form[action="/office/sign-in/factors/code-app/confirm"] button`)
	s.sees("추가 인증 수단을 등록했습니다")
}

// provesOnceMore lets the proof grow old and closes a day nevertheless.
func provesOnceMore(h *house, s *screen) {
	s.t.Helper()
	must(s.t, h.DB.Platform(s.t.Context(), func(ctx context.Context) error {
		return h.DB.In(ctx).Exec(`UPDATE app.web_sessions SET proven_at = ?`, clock.System().Add(-time.Hour)).Error
	}))
	s.goTo("/office/settlements")
	s.tap(`details:has(form[action="/office/settlements/close"]) summary`)
	s.tap(`form[action="/office/settlements/close"] .check`)
	s.expecting("422", func() { s.press(`form[action="/office/settlements/close"] button`) })
	s.sees("본인 확인")
	s.look("step up")
	s.press("[data-passkey]")
	s.sees("마감했습니다")
	s.look("what was begun goes on")
}
