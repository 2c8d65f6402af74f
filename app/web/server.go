package web

import (
	"context"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"jangteo/app/auth"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/i18n"
)

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ServerOptions say how requests are answered.
type ServerOptions struct {
	Log *slog.Logger
	// Secure says that the public address is https: cookies are then Secure and
	// browsers are told to stay with https.
	Secure bool
	// TrustProxy reads the caller's address from X-Forwarded-For.
	TrustProxy bool
	// Timeout ends the work of a request, streams excepted.
	Timeout time.Duration
}

// NewServer returns an echo with everything that every request goes through:
// an id, a time limit, security headers, and errors that become problems.
func NewServer(o ServerOptions, pages func() *Pages) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	if o.TrustProxy {
		e.IPExtractor = echo.ExtractIPFromXFFHeader()
	} else {
		e.IPExtractor = echo.ExtractIPDirect()
	}
	e.HTTPErrorHandler = func(err error, c echo.Context) { answerError(c, pages(), err) }
	crossSite := http.NewCrossOriginProtection()
	e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			id := r.Header.Get(echo.HeaderXRequestID)
			if !plainID(id) {
				id = uuid.Must(uuid.NewV7()).String()
			}
			h.Set(echo.HeaderXRequestID, id)
			h.Set("Content-Security-Policy", contentPolicy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "same-origin")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.Set("Permissions-Policy", "camera=(self), geolocation=(self), microphone=()")
			if !strings.HasPrefix(r.URL.Path, "/static/") {
				h.Set("Cache-Control", "no-store")
			}
			if o.Secure {
				h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
			}
			c.Set("log", o.Log)
			if err := crossSite.Check(r); err != nil {
				return errCrossSite.Because(err)
			}
			if err := plainAddress(r.URL); err != nil {
				return err
			}
			if lang := r.URL.Query().Get("lang"); lang != "" && r.Method == http.MethodGet && !IsAPI(r.URL.Path) {
				return chooseLanguage(c, lang)
			}
			ctx := auth.WithInfo(r.Context(), auth.RequestInfo{ID: id, Address: c.RealIP(), UserAgent: clip(r.UserAgent(), 200),
				Method: r.Method, Origin: c.Scheme() + "://" + r.Host, Path: r.URL.Path})
			if o.Timeout > 0 && !strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, o.Timeout)
				defer cancel()
			}
			c.SetRequest(r.WithContext(ctx))
			return next(c)
		}
	})
	e.Use(logged(o.Log), recovered, middleware.GzipWithConfig(middleware.GzipConfig{
		Level: 4, MinLength: 1024,
		Skipper: func(c echo.Context) bool { // answers of the API are short, static files compressed already, streams never
			path := c.Request().URL.Path
			return IsAPI(path) || strings.HasPrefix(path, "/static/") || strings.HasSuffix(path, "/live") || strings.HasSuffix(path, ".png")
		},
	}))
	return e
}

// logged writes a line for every request: its route and never its address, which
// may hold ids, and nothing that was sent.
func logged(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			ctx := c.Request().Context()
			if !log.Enabled(ctx, slog.LevelInfo) {
				return next(c)
			}
			began := time.Now() //nolint:forbidigo // a duration, not a moment
			err := next(c)
			if err != nil {
				c.Error(err)
			}
			log.InfoContext(ctx, "request", "request_id", RequestID(c), "method", c.Request().Method, "route", c.Path(),
				"status", c.Response().Status, "bytes", c.Response().Size, "ms", time.Since(began).Milliseconds()) //nolint:forbidigo // a duration
			return nil
		}
	}
}

// recovered turns a bug's panic into an internal error; the request it broke is
// the only one that notices.
func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				if r == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
					panic(r)
				}
				err = panicked(r)
			}
		}()
		return next(c)
	}
}

// chooseLanguage remembers what somebody chose and shows the page again.
func chooseLanguage(c echo.Context, lang string) error {
	u := *c.Request().URL
	query := u.Query()
	query.Del("lang")
	u.RawQuery = query.Encode()
	if slices.Contains(i18n.Languages, lang) {
		c.SetCookie(&http.Cookie{ //nolint:gosec // Secure by https; the demonstration is plain http
			Name: LangCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true,
			SameSite: http.SameSiteLaxMode, Secure: c.Scheme() == "https",
		})
	}
	return Redirect(c, LocalPath(u.RequestURI(), "/"))
}

func plainID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) < 0
}

// plainAddress refuses an address that holds what no field may: bytes that are
// not UTF-8, NUL and other control characters, or more than 8 KiB.
func plainAddress(u *url.URL) error {
	if len(u.RawQuery)+len(u.RawPath)+len(u.Path) > 8<<10 {
		return errTooLarge
	}
	if badPlain(u.Path) {
		return fault.ErrMalformed.With("where", "path")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fault.ErrMalformed.With("where", "query")
	}
	for name, values := range query {
		if len(name) > 64 || badPlain(name) {
			return fault.ErrMalformed.With("where", "query")
		}
		for _, value := range values {
			if badPlain(value) {
				return fault.On(name, fault.WrongFormat)
			}
		}
	}
	return nil
}

func badPlain(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// badText tells why JSON bytes cannot be taken, or returns "".
func badText(data []byte) string {
	if !utf8.Valid(data) {
		return "body is not UTF-8"
	}
	if strings.Contains(string(data), `\u0000`) {
		return "body holds a NUL character"
	}
	return ""
}

func clip(text string, longest int) string {
	if !utf8.ValidString(text) {
		return ""
	}
	if r := []rune(text); len(r) > longest {
		return string(r[:longest])
	}
	return text
}

// RequestID is the id that a request is logged under.
func RequestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// LogFailure logs what is not the caller's doing, once, at the edge.
func LogFailure(c echo.Context, err error) {
	log, ok := c.Get("log").(*slog.Logger)
	if !ok {
		log = slog.Default()
	}
	if errors.Is(err, context.Canceled) {
		return // the caller went away
	}
	if f, ok := fault.Of(err); ok && f.Kind == fault.Unavailable && f.Cause == nil {
		return // a caller who was asked to come back
	}
	log.ErrorContext(c.Request().Context(), "request failed", "error", err.Error(), "request_id", RequestID(c),
		"method", c.Request().Method, "route", c.Path())
}

// problemView is the page of an error.
type problemView struct {
	Frame
	Problem *Problem
	Back    string
}

var problemPage = NewPage[problemView](Public, "web/problem")

func answerError(c echo.Context, pages *Pages, err error) {
	if c.Response().Committed {
		return
	}
	err = db.Unavailable(err)
	p := ProblemOf(pages.Words, Lang(c), err, RequestID(c))
	if p.Status >= http.StatusInternalServerError {
		LogFailure(c, err)
	}
	if IsAPI(c.Request().URL.Path) || c.Request().Header.Get(echo.HeaderAccept) == echo.MIMEApplicationJSON { // a page's own script
		_ = p.write(c)
		return
	}
	if p.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, jsonNumber(p.RetryAfter))
	}
	if shown := pages.show(c, problemPage.page, p.Status, &problemView{Problem: p}); shown != nil {
		LogFailure(c, shown)
		_ = c.HTML(p.Status, "<!doctype html><title>"+html.EscapeString(p.Title)+"</title><h1>"+html.EscapeString(p.Title)+"</h1><p>"+html.EscapeString(p.Detail))
	}
}

// Redirect answers a form post that worked: 303, so that a reload does not post again.
func Redirect(c echo.Context, path string) error { return c.Redirect(http.StatusSeeOther, path) }
