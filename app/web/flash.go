package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/i18n"
)

const flashCookie = "flash"

// Flash leaves a message for the next page: a kind (info, success, warning,
// danger) and the key of its words. It carries no text of its own, so a forged
// one can only say what we say.
func Flash(c echo.Context, kind, key string) {
	c.SetCookie(&http.Cookie{ //nolint:gosec // Secure by https; the demonstration is plain http
		Name: flashCookie, Value: url.QueryEscape(kind + " " + key), Path: "/", MaxAge: 60, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: c.Scheme() == "https",
	})
}

// TakeFlash reads the message and removes it.
func TakeFlash(c echo.Context, words i18n.Words) *Notice {
	cookie, err := c.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	c.SetCookie(&http.Cookie{ //nolint:gosec // it only removes
		Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	text, err := url.QueryUnescape(cookie.Value)
	kind, key, ok := strings.Cut(text, " ")
	if err != nil || !ok || !words.Has(i18n.Korean, key) {
		return nil
	}
	switch kind {
	case "info", "success", "warning", "danger":
		return &Notice{Kind: kind, Text: words.T(Lang(c), key)}
	}
	return nil
}
