package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

// Cookie holds a session in a browser.
type Cookie struct {
	Name   string
	Secure bool
}

// Face is how a realm's people see their sign-in.
type Face struct {
	Name   string               // of its words: signin.<name>.title
	Path   string               // of the form, for example /office/sign-in
	Field  string               // of the login: email or login
	Homes  map[auth.Kind]string // where each kind works, for example /office
	First  map[auth.Kind]string // the page there that is shown first; the home itself if it has none
	Cookie Cookie
	// About tells on the security page who is signed in, in words of theirs.
	About func(ctx context.Context) (About, error)
}

// About is what somebody reads of themselves.
type About struct {
	Text        []string // name, department, shop
	Role        string   // words key
	Permissions []string // words keys
}

// Pages are how the people of one realm come in, go out, see their own sign-ins
// and keep their second factors.
type Pages struct {
	signIns *SignIns
	pages   *web.Pages
	face    Face
}

// NewPages shows what s knows.
func NewPages(s *SignIns, pages *web.Pages, face Face) *Pages { return &Pages{s, pages, face} }

const (
	nextMost  = 500
	loginMost = 100
	codeMost  = 30
)

// Authenticate proves somebody of one kind by cookie. A session that ended sends
// to the sign-in page, which tells the recorded reason.
func (p *Pages) Authenticate(c echo.Context, kind auth.Kind) (auth.Principal, error) {
	who, err := p.signIns.Identify(c.Request().Context(), p.token(c))
	if errors.Is(err, auth.ErrWebSessionEnded) && !web.IsAPI(c.Request().URL.Path) {
		return who, auth.ErrSignInRequired.Because(err)
	}
	if err == nil && who.Kind != kind {
		return auth.Principal{}, ErrOtherWorkplace
	}
	return who, err
}

// ErrOtherWorkplace answers an operator in a municipality's office, and the
// other way round.
var ErrOtherWorkplace = fault.Declare(fault.Forbidden, "other-workplace")

func (p *Pages) token(c echo.Context) string {
	cookie, err := c.Cookie(p.face.Cookie.Name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (p *Pages) setToken(c echo.Context, token string) {
	cookie := &http.Cookie{ //nolint:gosec // Secure wherever the public address is https
		Name: p.face.Cookie.Name, Value: token, Path: "/", HttpOnly: true, Secure: p.face.Cookie.Secure, SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

// next keeps where to go on inside the workplace of a kind of people; before
// anybody knows the kind, inside any of the realm's.
func (p *Pages) next(path string, kind auth.Kind) string {
	first := p.face.First[kind]
	if first == "" {
		first = p.face.Homes[kind]
	}
	if len(path) <= nextMost && !strings.HasPrefix(path, p.face.Path) {
		for of, home := range p.face.Homes {
			inside := path == home || strings.HasPrefix(path, home+"/") || strings.HasPrefix(path, home+"?")
			if inside && (kind == "" || kind == of) {
				return web.LocalPath(path, first)
			}
		}
	}
	return first
}

// home is where the person of a request works.
func (p *Pages) home(c echo.Context) string {
	return p.face.Homes[auth.From(c.Request().Context()).Kind]
}

type signInView struct {
	web.Frame
	Face  Face
	Form  *web.Form
	Ended string // the words key of why the last session ended
	Next  string
}

var signInPage = web.NewPage[signInView](web.Desk, "signin/sign-in")

// SignIn shows the form, and why the last session ended: GET <path>.
func (p *Pages) SignIn(c echo.Context) error {
	view := signInView{Face: p.face, Form: web.EmptyForm(), Next: p.next(c.QueryParam("next"), "")}
	who, stage, err := p.signIns.Pending(c.Request().Context(), p.token(c))
	var ended *fault.Fault
	switch {
	case err == nil && (stage == auth.StageFull || c.QueryParam("again") == ""):
		return p.goOn(c, who, stage, view.Next)
	case errors.Is(err, auth.ErrWebSessionEnded) && errors.As(err, &ended):
		view.Ended = endedKey(ended.Params["reason"])
	case err != nil && !errors.Is(err, auth.ErrSignInRequired) && !errors.Is(err, ErrSuspended):
		return err
	}
	return signInPage.Show(c, p.pages, view)
}

func endedKey(reason any) string {
	text, _ := reason.(string)
	if text == "" {
		return ""
	}
	return "signin.ended." + text
}

// goOn leads to what is still to be done, or to where somebody wanted to go.
func (p *Pages) goOn(c echo.Context, who auth.Principal, stage auth.Stage, next string) error {
	switch stage {
	case auth.StageSecond:
		return web.Redirect(c, p.face.Path+"/second?next="+escape(next))
	case auth.StageEnrol:
		return web.Redirect(c, p.face.Path+"/factors")
	default:
		return web.Redirect(c, p.next(next, who.Kind))
	}
}

// Begin takes a login and password: POST <path>.
func (p *Pages) Begin(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view := signInView{Face: p.face, Form: form, Next: p.next(form.Value("next"), "")}
	login, password := form.Text(p.face.Field, loginMost), form.Values.Get("password")
	if password == "" || len(password) > 4*auth.PasswordMax {
		form.Text("password", auth.PasswordMax) // says what is wrong with it
	}
	if err := form.Err(); err != nil {
		return signInPage.Refuse(c, p.pages, form, err, view)
	}
	ctx := c.Request().Context()
	in, err := p.signIns.SignIn(ctx, login, password)
	if err != nil {
		return signInPage.Refuse(c, p.pages, form, asForm(err), view)
	}
	if err := p.signIns.GiveUp(ctx, p.token(c)); err != nil {
		return err
	}
	p.setToken(c, in.Token)
	return p.goOn(c, in.Principal, in.Session.Stage, view.Next)
}

// asForm makes a wrong login the form's to explain: the page itself is open to
// strangers.
func asForm(err error) error {
	f, ok := fault.Of(err)
	if !ok || f.Kind != fault.Unauthenticated {
		return err
	}
	g := *f
	g.Kind = fault.Invalid
	return &g
}

// AskPasskey gives a browser something to sign: POST <path>/passkey/ask.
func (p *Pages) AskPasskey(c echo.Context) error {
	challenge, err := p.signIns.AskPasskey(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, challenge)
}

// WithPasskey signs whoever's passkey answered in: POST <path>/passkey.
func (p *Pages) WithPasskey(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view := signInView{Face: p.face, Form: form, Next: p.next(form.Value("next"), "")}
	challenge, answer := form.UUID("challenge"), form.Values.Get("answer")
	if err := form.Err(); err != nil {
		return signInPage.Refuse(c, p.pages, form, ErrPasskeyWrong.Because(err), view)
	}
	ctx := c.Request().Context()
	in, err := p.signIns.SignInWithPasskey(ctx, challenge, answer)
	if err != nil {
		return signInPage.Refuse(c, p.pages, form, asForm(err), view)
	}
	if err := p.signIns.GiveUp(ctx, p.token(c)); err != nil {
		return err
	}
	p.setToken(c, in.Token)
	return web.Redirect(c, p.next(view.Next, in.Kind))
}

type secondView struct {
	web.Frame
	Face Face
	Form *web.Form
	Next string
}

var secondPage = web.NewPage[secondView](web.Desk, "signin/second")

// Second asks for the second factor: GET <path>/second.
func (p *Pages) Second(c echo.Context) error {
	next := p.next(c.QueryParam("next"), "")
	who, stage, err := p.signIns.Pending(c.Request().Context(), p.token(c))
	if err != nil {
		return web.Redirect(c, p.face.Path)
	}
	if stage != auth.StageSecond {
		return p.goOn(c, who, stage, next)
	}
	return secondPage.Show(c, p.pages, secondView{Face: p.face, Form: web.EmptyForm(), Next: next})
}

// GiveCode takes a code: POST <path>/second.
func (p *Pages) GiveCode(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view := secondView{Face: p.face, Form: form, Next: p.next(form.Value("next"), "")}
	ctx, token := c.Request().Context(), p.token(c)
	who, stage, err := p.signIns.Pending(ctx, token)
	if err != nil || stage != auth.StageSecond {
		return web.Redirect(c, p.face.Path)
	}
	code := form.Text("code", codeMost)
	if err := form.Err(); err != nil {
		return secondPage.Refuse(c, p.pages, form, err, view)
	}
	if err := p.signIns.GiveCode(ctx, token, code); err != nil {
		return secondPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, p.next(view.Next, who.Kind))
}

// SignOut ends the session: POST <home>/sign-out.
func (p *Pages) SignOut(c echo.Context) error {
	if err := p.signIns.SignOut(c.Request().Context()); err != nil {
		return err
	}
	p.setToken(c, "")
	return web.Redirect(c, p.face.Path)
}

type securityView struct {
	web.Frame
	Face Face
	About
	Home     string
	Form     *web.Form
	Factors  Factors
	Sessions []sessionLine
	Others   bool // are signed in
	Done     string
}

type sessionLine struct {
	auth.WebSession
	This  bool
	Ended string // words key; empty while it lives
}

var securityPage = web.NewPage[securityView](web.Desk, "signin/security")

// Security shows somebody's role, second factors and sign-ins: GET <home>/security.
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
	view = securityView{Face: p.face, Home: p.home(c), Form: form}
	if done := c.QueryParam("done"); done == "password" || done == "revoked" {
		view.Done = "signin.done." + done
	}
	if view.About, err = p.face.About(ctx); err != nil {
		return view, err
	}
	if view.Factors, err = p.signIns.Factors(ctx); err != nil {
		return view, err
	}
	sessions, err := p.signIns.Sessions(ctx)
	for _, session := range sessions {
		line := sessionLine{WebSession: session, This: session.ID == me.Session}
		if session.EndedReason != nil {
			line.Ended = endedKey(*session.EndedReason)
		}
		view.Others = view.Others || !line.This && line.Ended == ""
		view.Sessions = append(view.Sessions, line)
	}
	return view, err
}

// Revoke ends one of the person's sessions, or with "all" every other one:
// POST <home>/security/revoke.
func (p *Pages) Revoke(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if form.Value("session") == "all" {
		err = p.signIns.RevokeOthers(ctx)
	} else {
		id := form.UUID("session")
		if err := form.Err(); err != nil {
			return err
		}
		err = p.signIns.Revoke(ctx, id)
	}
	if err != nil {
		return err
	}
	return web.Redirect(c, p.home(c)+"/security?done=revoked")
}

// ChangePassword replaces the password: POST <home>/security/password.
func (p *Pages) ChangePassword(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	err = p.signIns.ChangePassword(c.Request().Context(), form.Values.Get("password"), form.Values.Get("new_password"))
	if err != nil {
		view, failed := p.security(c, form)
		if failed != nil {
			return failed
		}
		return securityPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, p.home(c)+"/security?done=password")
}

// as lets the service work for somebody whom no route has proven.
func as(c echo.Context, who auth.Principal) context.Context {
	who.Request = auth.Info(c.Request().Context())
	return tenant.With(auth.With(c.Request().Context(), who), who.Tenant)
}

func passkeyAnswer(form *web.Form, challenge, answer string) (uuid.UUID, string, bool) {
	id, err := uuid.Parse(form.Value(challenge))
	return id, form.Values.Get(answer), err == nil && form.Values.Get(answer) != ""
}
