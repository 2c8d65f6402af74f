package merchants

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/emvco"
	"jangteo/app/fault"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

// Cookie holds a clerk's session in a browser.
type Cookie struct {
	Name   string
	Secure bool
}

const (
	portal     = "/shop"
	signInPath = "/shop/sign-in"
	pathMost   = 500
	posterSize = 1024 // pixels of the picture that a shop downloads
)

// Pages are how clerks come in, go out, see their own sign-ins, and print
// their shop's code.
type Pages struct {
	service *Service
	tenants *tenants.Service
	pages   *web.Pages
	cookie  Cookie
}

// NewPages shows what service knows.
func NewPages(service *Service, t *tenants.Service, pages *web.Pages, cookie Cookie) *Pages {
	return &Pages{service, t, pages, cookie}
}

// Authenticate proves a clerk by bearer token, as tills send it, or by cookie.
// A cookie's session that ended sends to the sign-in page, which tells the
// recorded reason.
func (p *Pages) Authenticate(c echo.Context) (auth.Principal, error) {
	ctx := c.Request().Context()
	if token, ok := strings.CutPrefix(c.Request().Header.Get(echo.HeaderAuthorization), "Bearer "); ok {
		return p.service.Identify(ctx, token)
	}
	who, err := p.service.Identify(ctx, p.token(c))
	if errors.Is(err, auth.ErrWebSessionEnded) && !web.IsAPI(c.Request().URL.Path) {
		return who, auth.ErrSignInRequired.Because(err)
	}
	return who, err
}

func (p *Pages) token(c echo.Context) string {
	cookie, err := c.Cookie(p.cookie.Name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (p *Pages) setToken(c echo.Context, token string) {
	cookie := &http.Cookie{ //nolint:gosec // Secure by https; the demonstration is plain http
		Name: p.cookie.Name, Value: token, Path: "/", HttpOnly: true, Secure: p.cookie.Secure, SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

type signInView struct {
	web.Frame
	Form  *web.Form
	Ended string // the words key of why the last session ended
	Next  string
}

var signInPage = web.NewPage[signInView](web.Desk, "merchants/sign-in")

// SignIn shows the form, and why the last session ended: GET /shop/sign-in.
func (p *Pages) SignIn(c echo.Context) error {
	view := signInView{Form: web.EmptyForm(), Next: next(c.QueryParam("next"))}
	_, err := p.service.Identify(c.Request().Context(), p.token(c))
	var ended *fault.Fault
	switch {
	case err == nil:
		return web.Redirect(c, view.Next)
	case errors.Is(err, auth.ErrWebSessionEnded) && errors.As(err, &ended):
		view.Ended = endedKey(ended.Params["reason"])
	case !errors.Is(err, auth.ErrSignInRequired):
		return err
	}
	return signInPage.Show(c, p.pages, view)
}

func endedKey(reason any) string {
	text, _ := reason.(string)
	return "merchants.ended." + text
}

// Begin signs a clerk in: POST /shop/sign-in.
func (p *Pages) Begin(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view := signInView{Form: form, Next: next(form.Value("next"))}
	login, password := form.Text("login", loginMost), form.Values.Get("password")
	if password == "" || len(password) > 4*auth.PasswordMax {
		form.Text("password", auth.PasswordMax) // says what is wrong with it
	}
	if err := form.Err(); err != nil {
		return signInPage.Refuse(c, p.pages, form, err, view)
	}
	in, err := p.service.SignIn(c.Request().Context(), login, password)
	if errors.Is(err, auth.ErrWrongLogin) {
		// The page itself is open to strangers, so the refusal is the form's.
		wrong := *auth.ErrWrongLogin
		wrong.Kind = fault.Invalid
		err = &wrong
	}
	if err != nil {
		return signInPage.Refuse(c, p.pages, form, err, view)
	}
	p.setToken(c, in.Token)
	return web.Redirect(c, view.Next)
}

// next keeps where to go on inside the portal.
func next(path string) string {
	if len(path) > pathMost || path != portal && !strings.HasPrefix(path, portal+"/") && !strings.HasPrefix(path, portal+"?") ||
		strings.HasPrefix(path, signInPath) {
		return portal
	}
	return web.LocalPath(path, portal)
}

// SignOut ends the session: POST /shop/sign-out.
func (p *Pages) SignOut(c echo.Context) error {
	if err := p.service.SignOut(c.Request().Context()); err != nil {
		return err
	}
	p.setToken(c, "")
	return web.Redirect(c, signInPath)
}

type securityView struct {
	web.Frame
	Form     *web.Form
	Clerk    auth.Principal
	Shop     Merchant
	Sessions []sessionLine
	Others   bool // are signed in
	Done     string
}

type sessionLine struct {
	auth.WebSession
	This  bool
	Ended string // words key; empty while it lives
}

var securityPage = web.NewPage[securityView](web.Desk, "merchants/security")

// Security shows a clerk's sign-ins: GET /shop/security.
func (p *Pages) Security(c echo.Context) error {
	view, err := p.security(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return securityPage.Show(c, p.pages, view)
}

func (p *Pages) security(c echo.Context, form *web.Form) (view securityView, err error) {
	ctx := c.Request().Context()
	view.Form, view.Clerk = form, auth.From(ctx)
	if done := c.QueryParam("done"); done == "password" || done == "revoked" {
		view.Done = "merchants.security.done." + done
	}
	if view.Shop, err = p.service.Get(ctx, view.Clerk.Merchant); err != nil {
		return view, err
	}
	sessions, err := p.service.Sessions(ctx)
	for _, session := range sessions {
		line := sessionLine{WebSession: session, This: session.ID == view.Clerk.Session}
		if session.EndedReason != nil {
			line.Ended = endedKey(*session.EndedReason)
		}
		view.Others = view.Others || !line.This && line.Ended == ""
		view.Sessions = append(view.Sessions, line)
	}
	return view, err
}

// Revoke ends one of the clerk's sessions, or with "all" every other one:
// POST /shop/security/revoke.
func (p *Pages) Revoke(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if form.Value("session") == "all" {
		err = p.service.RevokeOthers(ctx)
	} else {
		id := form.UUID("session")
		if err := form.Err(); err != nil {
			return err
		}
		err = p.service.Revoke(ctx, id)
	}
	if err != nil {
		return err
	}
	return web.Redirect(c, "/shop/security?done=revoked")
}

// ChangePassword replaces the clerk's password: POST /shop/security/password.
func (p *Pages) ChangePassword(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	err = p.service.ChangePassword(c.Request().Context(), form.Values.Get("password"), form.Values.Get("new_password"))
	if err != nil {
		view, failed := p.security(c, form)
		if failed != nil {
			return failed
		}
		return securityPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, "/shop/security?done=password")
}

type qrView struct {
	web.Frame
	Shop    Merchant
	Voucher string // name of the municipality's voucher
	Open    bool   // takes payments now
}

var qrPage = web.NewPage[qrView](web.Desk, "merchants/qr")

// QR is the poster with the shop's code, to be printed: GET /shop/qr.
func (p *Pages) QR(c echo.Context) error {
	ctx := c.Request().Context()
	me := auth.From(ctx)
	shop, err := p.service.Get(ctx, me.Merchant)
	if err != nil {
		return err
	}
	t, err := p.tenants.Get(ctx, me.Tenant)
	if err != nil {
		return err
	}
	return qrPage.Show(c, p.pages, qrView{Shop: shop, Voucher: t.VoucherNameIn(web.Lang(c)), Open: shop.State == Approved})
}

// QRPicture is the code as a PNG to keep: GET /shop/qr.png.
func (p *Pages) QRPicture(c echo.Context) error {
	payload, shop, err := p.service.StaticQR(c.Request().Context(), auth.From(c.Request().Context()).Merchant)
	if err != nil {
		return err
	}
	picture, err := emvco.Image(payload, posterSize)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="qr-`+shop.ID.String()+`.png"`)
	return c.Blob(http.StatusOK, "image/png", picture)
}

// QRDrawing is the code as a drawing, sharp at any size: GET /shop/qr.svg.
func (p *Pages) QRDrawing(c echo.Context) error {
	payload, _, err := p.service.StaticQR(c.Request().Context(), auth.From(c.Request().Context()).Merchant)
	if err != nil {
		return err
	}
	drawing, err := emvco.SVG(payload)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "image/svg+xml", drawing)
}
