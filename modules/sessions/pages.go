package sessions

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/web"
	"jangteo/modules/citizens"
)

// Pages are how citizens log in, stay logged in, and look after it.
type Pages struct {
	service *Service
	pages   *web.Pages
	secure  bool
}

// NewPages shows what service knows. Secure says that people come by https.
func NewPages(service *Service, pages *web.Pages, secure bool) *Pages {
	return &Pages{service, pages, secure}
}

// The cookies of a citizen's browser. No script can read them.
const (
	accessCookie  = "jangteo_access"
	refreshCookie = "jangteo_refresh"
	deviceCookie  = "jangteo_device"
	flowCookie    = "jangteo_signing_in"

	home       = "/my"
	signInPath = "/sign-in"
	flowLives  = 15 * time.Minute
	expiresKey = "sessions.expires"
)

func (p *Pages) cookie(c echo.Context, name string) string {
	cookie, err := c.Cookie(p.name(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// name carries the prefix that keeps other hosts of the domain from setting
// the cookie; browsers allow it over https alone.
func (p *Pages) name(cookie string) string {
	if p.secure {
		return "__Host-" + cookie
	}
	return cookie
}

// setCookie keeps a value for a while; an empty one is forgotten.
func (p *Pages) setCookie(c echo.Context, name, value string, lives time.Duration) {
	cookie := &http.Cookie{ //nolint:gosec // Secure wherever people come by https; a demonstration does not
		Name: p.name(name), Value: value, Path: "/", HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode, MaxAge: int(lives.Seconds()),
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

func (p *Pages) setTokens(c echo.Context, t Tokens) {
	p.setCookie(c, accessCookie, t.Access, t.AccessExpires.Sub(p.service.now()))
	p.setCookie(c, refreshCookie, t.Refresh, p.service.cfg.Absolute)
	p.setCookie(c, deviceCookie, t.Session.DeviceID.String(), 400*24*time.Hour) // as long as browsers keep one
	c.Set(expiresKey, t.AccessExpires)
}

// Expires is when the access token of the request ends, RFC 3339, for the
// page's frame; empty if nobody is logged in by cookie.
func Expires(c echo.Context) string {
	until, ok := c.Get(expiresKey).(time.Time)
	if !ok {
		return ""
	}
	return until.UTC().Format(time.RFC3339)
}

// Authenticate proves a citizen by bearer token, else by cookie. A page whose
// access token has ended renews it on the way, so that pages need no script.
// Somebody who asked for a page and is not logged in any more is sent to the
// sign-in page, which tells the true reason; everybody else is told it here.
func (p *Pages) Authenticate(c echo.Context) (auth.Principal, error) {
	if header := c.Request().Header.Get(echo.HeaderAuthorization); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		return p.service.bearer(c.Request().Context(), scheme, token, c.Request().Header.Values("DPoP"))
	}
	who, claims, err := p.service.verify(p.cookie(c, accessCookie))
	if errors.Is(err, auth.ErrSignInRequired) && p.cookie(c, refreshCookie) != "" {
		who, claims, err = p.renew(c)
	}
	if err = onlyReads(c.Request().Context(), err); err == nil {
		c.Set(expiresKey, claims.ExpiresAt)
		return who, nil
	}
	if f, ok := fault.Of(err); ok && wantsPage(c.Request()) && (f.Kind == fault.Unauthenticated || f.Kind == fault.Forbidden) {
		err = auth.ErrSignInRequired.Because(err)
	}
	return auth.Principal{}, err
}

// proofOf is the proof of the device's key that a request carries.
func proofOf(c echo.Context) ProofUse {
	return ProofUse{Proof: c.Request().Header.Get("DPoP")}
}

func wantsPage(r *http.Request) bool {
	return !web.IsAPI(r.URL.Path) && strings.Contains(r.Header.Get(echo.HeaderAccept), "text/html")
}

func (p *Pages) renew(c echo.Context) (who auth.Principal, claims auth.Claims, err error) {
	t, err := p.service.Refresh(c.Request().Context(), RefreshInput{Token: p.cookie(c, refreshCookie), AskProof: true, ProofUse: proofOf(c)})
	if err != nil {
		return who, claims, err
	}
	p.setTokens(c, t)
	return p.service.verify(t.Access)
}

// flow is what a browser carries from one step of signing in to the next,
// sealed, so that nothing of it can be read or changed there.
type flow struct {
	Check   uuid.UUID `json:"check,omitzero"`
	Phone   string    `json:"phone,omitempty"` // masked
	Token   string    `json:"token,omitempty"`
	Next    string    `json:"next,omitempty"`
	Problem string    `json:"problem,omitempty"` // why the last attempt came to nothing
	Until   time.Time `json:"until"`
}

const flowPlace = "sessions.pages.flow"

func (p *Pages) flow(c echo.Context) (f flow) {
	sealed, err := base64.RawURLEncoding.DecodeString(p.cookie(c, flowCookie))
	if err != nil || len(sealed) == 0 {
		return flow{}
	}
	body, err := p.service.box.Open(sealed, flowPlace)
	if err != nil || json.Unmarshal([]byte(body), &f) != nil || p.service.now().After(f.Until) {
		return flow{}
	}
	return f
}

func (p *Pages) setFlow(c echo.Context, f flow) error {
	f.Until = p.service.now().Add(flowLives)
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	sealed, err := p.service.box.Seal(string(body), flowPlace)
	if err != nil {
		return err
	}
	p.setCookie(c, flowCookie, base64.RawURLEncoding.EncodeToString(sealed), flowLives)
	return nil
}

// startOver sends back to the first step, which says why.
func (p *Pages) startOver(c echo.Context, f flow, why *fault.Fault) error {
	if err := p.setFlow(c, flow{Next: f.Next, Problem: why.Code}); err != nil {
		return err
	}
	return web.Redirect(c, signInPath)
}

// renewalReply is what the page's script waits for.
type renewalReply struct {
	ExpiresAt time.Time `json:"expires_at"`
}

// Refresh renews the cookies for an open page: POST /my/session/refresh. An
// old token is answered with 401, whereupon the page proves the device's key.
func (p *Pages) Refresh(c echo.Context) error {
	_, claims, err := p.renew(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, renewalReply{claims.ExpiresAt})
}

// Challenge makes a text for this browser's device key: POST /my/session/challenge.
func (p *Pages) Challenge(c echo.Context) error {
	device, err := uuid.Parse(p.cookie(c, deviceCookie))
	if err != nil {
		return auth.ErrSignInRequired
	}
	made, err := p.service.Challenge(c.Request().Context(), device)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, struct {
		Challenge string    `json:"challenge"`
		DeviceID  uuid.UUID `json:"device_id"`
	}{made.Text, device})
}

// Resume goes on by the device key: POST /my/session/resume.
func (p *Pages) Resume(c echo.Context) error {
	var in struct {
		Challenge string `json:"challenge"`
		Signature string `json:"signature"`
	}
	device, err := uuid.Parse(p.cookie(c, deviceCookie))
	if err != nil {
		return auth.ErrSignInRequired
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, proofBytesMax))
	if err != nil {
		return err
	}
	if json.Unmarshal(body, &in) != nil {
		return fault.ErrMalformed
	}
	t, err := p.service.Resume(c.Request().Context(), ResumeInput{DeviceID: device, Challenge: in.Challenge, Signature: in.Signature, ProofUse: proofOf(c)})
	if err != nil {
		return err
	}
	p.setTokens(c, t)
	if t.AfterReset {
		web.Flash(c, "info", "sessions.reset.line")
	}
	return c.JSON(http.StatusOK, renewalReply{t.AccessExpires})
}

// SignOut ends this browser's session, if it is live, and forgets it in any
// case: POST /my/sign-out.
func (p *Pages) SignOut(c echo.Context) error {
	who, err := p.Authenticate(c)
	if err == nil {
		err = p.service.End(c.Request().Context(), who.ID, who.Session, who.Device)
	}
	if f, ok := fault.Of(err); err != nil && (!ok || f.Kind == fault.Unavailable) {
		return err // it may be live still
	}
	p.setCookie(c, accessCookie, "", 0)
	p.setCookie(c, refreshCookie, "", 0)
	return web.Redirect(c, "/")
}

// askedFor is how long the security page asks of a sign-in whether it was theirs.
const askedFor = 30 * 24 * time.Hour

type securityView struct {
	web.Frame
	Current  Listed
	Past     []Listed
	Events   []Event
	Citizen  citizens.Citizen
	IdleDays int
}

// Asked reports whether the page asks of a sign-in whether it was theirs: an
// identity check somewhere else, not long ago.
func (v securityView) Asked(l Listed) bool {
	return l.Method == ByIdentityCheck && l.DeviceID != v.Current.DeviceID && v.Now.Sub(l.BeganAt) < askedFor
}

var securityPage = web.NewPage[securityView](web.Phone, "sessions/security")

// Security shows devices, sign-ins and how each ended: GET /my/security.
func (p *Pages) Security(c echo.Context) error {
	ctx := c.Request().Context()
	who := auth.From(ctx)
	view := securityView{IdleDays: int(p.service.cfg.Idle.Hours() / 24)}
	list, err := p.service.List(ctx, who.ID)
	if err != nil {
		return err
	}
	for _, each := range list {
		if each.ID == who.Session {
			view.Current = each
			continue
		}
		view.Past = append(view.Past, each)
	}
	if view.Events, err = p.service.Events(ctx, who.ID, uuid.Nil, 20); err != nil {
		return err
	}
	if view.Citizen, err = p.service.citizens.Get(ctx, who.ID); err != nil {
		return err
	}
	return securityPage.Show(c, p.pages, view)
}

// Revoke signs another device out: POST /my/security/sessions/{id}/end.
func (p *Pages) Revoke(c echo.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrSessionUnknown
	}
	who := auth.From(c.Request().Context())
	if err := p.service.End(c.Request().Context(), who.ID, id, who.Device); err != nil {
		return err
	}
	web.Flash(c, "success", "sessions.security.revoked")
	return web.Redirect(c, "/my/security")
}

type lockView struct {
	web.Frame
	Suspect *Listed // a sign-in that was not theirs, if that is why
}

var lockPage = web.NewPage[lockView](web.Phone, "sessions/lock")

// AskLock explains what locking does: GET /my/security/lock. With ?session= it
// is because of a sign-in that was not theirs.
func (p *Pages) AskLock(c echo.Context) error {
	var view lockView
	if asked := c.QueryParam("session"); asked != "" {
		ctx := c.Request().Context()
		who := auth.From(ctx)
		list, err := p.service.List(ctx, who.ID)
		if err != nil {
			return err
		}
		for _, each := range list {
			if each.ID.String() == asked && each.ID != who.Session {
				view.Suspect = &each
			}
		}
		if view.Suspect == nil {
			return ErrSessionUnknown
		}
	}
	return lockPage.Show(c, p.pages, view)
}

// Lock restricts the account, and opens a case where a sign-in is named:
// POST /my/security/lock. The sign-in page then tells the case number.
func (p *Pages) Lock(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	who := auth.From(ctx)
	if form.Value("session") == "" {
		_, err = p.service.Lock(ctx, who.ID, citizens.LockedByCitizen)
	} else {
		suspect := form.UUID("session")
		if err := form.Err(); err != nil {
			return err
		}
		_, err = p.service.NotMine(ctx, who.ID, who.Session, suspect)
	}
	if err != nil {
		return err
	}
	p.setCookie(c, accessCookie, "", 0)
	return web.Redirect(c, signInPath)
}
