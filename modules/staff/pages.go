package staff

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/web"
)

// Cookie holds a member's session in a browser.
type Cookie struct {
	Name   string
	Secure bool
}

const (
	home       = "/office"
	operations = "/operations" // where the operator's own staff work
	signInPath = "/office/sign-in"
	pathMost   = 500
)

// Pages are how staff come in, go out, and see their own sign-ins.
type Pages struct {
	service *Service
	pages   *web.Pages
	cookie  Cookie
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages, cookie Cookie) *Pages {
	return &Pages{service, pages, cookie}
}

// Authenticate proves a member of a municipality's staff by cookie. A session
// that ended sends to the sign-in page, which tells the recorded reason.
func (p *Pages) Authenticate(c echo.Context) (auth.Principal, error) {
	return p.authenticate(c, auth.Staff)
}

// AuthenticateOperator proves a member of the operator's staff as Authenticate
// does one of a municipality's.
func (p *Pages) AuthenticateOperator(c echo.Context) (auth.Principal, error) {
	return p.authenticate(c, auth.Operator)
}

func (p *Pages) authenticate(c echo.Context, kind auth.Kind) (auth.Principal, error) {
	who, err := p.service.Identify(c.Request().Context(), p.token(c))
	if errors.Is(err, auth.ErrWebSessionEnded) {
		return who, auth.ErrSignInRequired.Because(err)
	}
	if err == nil && who.Kind != kind {
		return auth.Principal{}, ErrOtherWorkplace
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
	cookie := &http.Cookie{ //nolint:gosec // Secure wherever the public address is https
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

var signInPage = web.NewPage[signInView](web.Desk, "staff/sign-in")

// SignIn shows the form, and why the last session ended: GET /office/sign-in.
func (p *Pages) SignIn(c echo.Context) error {
	view := signInView{Form: web.EmptyForm(), Next: next(c.QueryParam("next"), "")}
	who, err := p.service.Identify(c.Request().Context(), p.token(c))
	var ended *fault.Fault
	switch {
	case err == nil:
		return web.Redirect(c, next(view.Next, who.Kind))
	case errors.Is(err, auth.ErrWebSessionEnded) && errors.As(err, &ended):
		if reason, ok := ended.Params["reason"].(string); ok {
			view.Ended = "staff.ended." + reason
		}
	case err != nil && !errors.Is(err, auth.ErrSignInRequired):
		return err
	}
	return signInPage.Show(c, p.pages, view)
}

// Begin signs a member in: POST /office/sign-in.
func (p *Pages) Begin(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view := signInView{Form: form, Next: next(form.Value("next"), "")}
	login, password := form.Text("email", loginMost), form.Values.Get("password")
	if password == "" || len(password) > 4*auth.PasswordMax {
		form.Text("password", auth.PasswordMax) // says what is wrong with it
	}
	if err := form.Err(); err != nil {
		return signInPage.Refuse(c, p.pages, form, err, view)
	}
	in, err := p.service.SignIn(c.Request().Context(), login, password)
	if errors.Is(err, auth.ErrWrongLogin) {
		return signInPage.Refuse(c, p.pages, form, wrongLogin(), view)
	}
	if err != nil {
		return signInPage.Refuse(c, p.pages, form, err, view)
	}
	p.setToken(c, in.Token)
	return web.Redirect(c, next(view.Next, kindOf(in.TenantID)))
}

// wrongLogin is auth.ErrWrongLogin as a form shows it again: the page itself is
// open to strangers.
func wrongLogin() error {
	f := *auth.ErrWrongLogin
	f.Kind = fault.Invalid
	return &f
}

// next keeps where to go on inside the workplace of a kind of staff; before
// anybody knows the kind, inside either.
func next(path string, kind auth.Kind) string {
	inside := func(place string) bool {
		return path == place || strings.HasPrefix(path, place+"/") || strings.HasPrefix(path, place+"?")
	}
	first := home
	if kind == auth.Operator {
		first = operations + "/approvals"
	}
	if len(path) > pathMost || strings.HasPrefix(path, signInPath) ||
		!(inside(home) && kind != auth.Operator || inside(operations) && kind != auth.Staff) {
		return first
	}
	return web.LocalPath(path, first)
}

// SignOut ends the session: POST /office/sign-out.
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
	Member   Member
	Sessions []sessionLine
	Others   bool // are signed in
	Done     string
}

type sessionLine struct {
	auth.WebSession
	This  bool
	Ended string // words key; empty while it lives
}

// May are the words keys of what the member may do.
func (v securityView) May() (keys []string) {
	for _, permission := range v.Member.Role.Permissions() {
		keys = append(keys, "staff.permission."+permission)
	}
	return keys
}

// RoleKey is the words key of the member's role.
func (v securityView) RoleKey() string { return "staff.role." + string(v.Member.Role) }

var securityPage = web.NewPage[securityView](web.Desk, "staff/security")

// Security shows a member's role and sign-ins: GET /office/security.
func (p *Pages) Security(c echo.Context) error {
	view, err := p.security(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return securityPage.Show(c, p.pages, view)
}

func (p *Pages) security(c echo.Context, form *web.Form) (view securityView, err error) {
	ctx := c.Request().Context()
	me := auth.From(ctx)
	view.Form = form
	if done := c.QueryParam("done"); done == "password" || done == "revoked" {
		view.Done = "staff.security.done." + done
	}
	if view.Member, err = p.service.Get(ctx, me.ID); err != nil {
		return view, err
	}
	sessions, err := p.service.Sessions(ctx)
	for _, session := range sessions {
		line := sessionLine{WebSession: session, This: session.ID == me.Session}
		if session.EndedReason != nil {
			line.Ended = "staff.ended." + *session.EndedReason
		}
		view.Others = view.Others || !line.This && line.Ended == ""
		view.Sessions = append(view.Sessions, line)
	}
	return view, err
}

// Revoke ends one of the member's sessions, or with "all" every other one:
// POST /office/security/revoke.
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
	return web.Redirect(c, "/office/security?done=revoked")
}

// ChangePassword replaces the member's password: POST /office/security/password.
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
	return web.Redirect(c, "/office/security?done=password")
}
