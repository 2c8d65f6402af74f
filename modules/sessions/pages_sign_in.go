package sessions

import (
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/fault"
	"jangteo/app/mask"
	"jangteo/app/web"
	"jangteo/modules/citizens"
)

// Steps of signing in, as the indicator shows them.
type steps struct {
	Labels  []string
	Current int
}

func step(number int) steps {
	return steps{[]string{"sessions.step.person", "sessions.step.code", "sessions.step.agreements", "sessions.step.device"}, number}
}

// told is a problem in words, above a form.
type told struct {
	Kind, Title, Detail string
	NotMe               bool // offer to restrict the account
}

func (p *Pages) words(c echo.Context, err error, kind string) *told {
	problem := web.ProblemOf(p.pages.Words, web.Lang(c), err, "")
	return &told{Kind: kind, Title: problem.Title, Detail: problem.Detail, NotMe: errors.Is(err, ErrSuperseded)}
}

type signInView struct {
	web.Frame
	Steps    steps
	Form     *web.Form
	Told     *told
	GoingOn  bool // the page's script proves the device's key at once
	Explain  bool // it asks, with the device's key, which device signed this one out
	NextPath string
}

var signInPage = web.NewPage[signInView](web.Phone, "sessions/sign-in")

// SignIn asks who somebody is, tells why they are not logged in any more, and
// goes on by the device's key where that is enough: GET /sign-in.
func (p *Pages) SignIn(c echo.Context) error {
	next := web.LocalPath(c.QueryParam("next"), home)
	if _, err := p.service.Verify(p.cookie(c, accessCookie)); err == nil {
		return web.Redirect(c, next)
	}
	view := signInView{Form: web.EmptyForm(), NextPath: next}
	f := p.flow(c)
	if c.QueryParam("next") != "" || f.Next == "" {
		f = flow{Next: next, Problem: f.Problem}
	}
	if why, known := fault.Lookup(f.Problem); known {
		view.Told, f.Problem = p.words(c, why, "warning"), ""
	}
	if err := p.setFlow(c, f); err != nil {
		return err
	}
	ended, err := p.service.EndingOf(c.Request().Context(), p.cookie(c, refreshCookie))
	if err != nil {
		return err
	}
	if ended != nil {
		view.Told = p.words(c, ended, p.kind(ended))
	}
	if _, err := uuid.Parse(p.cookie(c, deviceCookie)); err == nil && p.cookie(c, refreshCookie) != "" {
		view.GoingOn = ended == nil || resumable(ended)
		view.Explain = errors.Is(ended, ErrSuperseded) || errors.Is(ended, ErrRevoked)
	}
	return p.showSignIn(c, view)
}

func (p *Pages) showSignIn(c echo.Context, view signInView) error {
	view.Steps = step(0)
	return signInPage.Show(c, p.pages, view)
}

func (p *Pages) kind(ended error) string {
	if f, ok := fault.Of(ended); ok && graph[State(f.Code)].security {
		return "danger"
	}
	return "warning"
}

func resumable(ended error) bool {
	f, ok := fault.Of(ended)
	return ok && (graph[State(f.Code)].resumable || f.Code == ErrRecordMissing.Code)
}

// Start sends the code: POST /sign-in.
func (p *Pages) Start(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	f := p.flow(c)
	who := citizens.Person{Name: form.Optional("name", 50), BirthDate: form.Optional("birth_date", 10), Phone: form.Optional("phone", 20)}
	who.BirthDate = strings.NewReplacer(".", "-", " ", "", "/", "-").Replace(strings.TrimSuffix(who.BirthDate, "."))
	err = form.Err()
	var check citizens.Check
	if err == nil {
		check, err = p.service.citizens.StartCheck(c.Request().Context(), who)
	}
	if err != nil {
		return signInPage.Refuse(c, p.pages, form, err, signInView{Form: form, Steps: step(0), NextPath: web.LocalPath(f.Next, home)})
	}
	if err := p.setFlow(c, flow{Check: check.ID, Phone: mask.Phone(who.Phone), Next: f.Next}); err != nil {
		return err
	}
	return web.Redirect(c, "/sign-in/code")
}

type codeView struct {
	web.Frame
	Steps steps
	Form  *web.Form
	Phone string // masked
}

var codePage = web.NewPage[codeView](web.Phone, "sessions/code")

// Code asks for the code that was sent: GET /sign-in/code.
func (p *Pages) Code(c echo.Context) error {
	f := p.flow(c)
	if f.Check == uuid.Nil {
		return web.Redirect(c, signInPath)
	}
	return codePage.Show(c, p.pages, codeView{Steps: step(1), Form: web.EmptyForm(), Phone: f.Phone})
}

// Confirm compares the code: POST /sign-in/code.
func (p *Pages) Confirm(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	f := p.flow(c)
	if f.Check == uuid.Nil {
		return web.Redirect(c, signInPath)
	}
	code := strings.ReplaceAll(form.Text("code", 10), " ", "")
	err = form.Err()
	var token string
	if err == nil {
		token, err = p.service.citizens.ConfirmCheck(c.Request().Context(), f.Check, code)
	}
	for _, over := range []*fault.Fault{citizens.ErrCheckExpired, citizens.ErrCheckSpent, citizens.ErrCheckUsed, citizens.ErrCheckUnknown} {
		if errors.Is(err, over) {
			return p.startOver(c, f, over)
		}
	}
	if errors.Is(err, citizens.ErrCodeWrong) {
		form.Errors = append(form.Errors, web.FieldError{
			Field: "code", Label: p.pages.Words.T(web.Lang(c), "label.code"), Message: p.words(c, err, "").Title,
		})
	}
	if err != nil {
		return codePage.Refuse(c, p.pages, form, err, codeView{Steps: step(1), Form: form, Phone: f.Phone})
	}
	_, known, err := p.service.citizens.Known(c.Request().Context(), token)
	if err != nil {
		return err
	}
	if err := p.setFlow(c, flow{Token: token, Next: f.Next}); err != nil {
		return err
	}
	if known {
		return web.Redirect(c, "/sign-in/device")
	}
	return web.Redirect(c, "/sign-in/agreements")
}

type agreementsView struct {
	web.Frame
	Steps steps
	Form  *web.Form
	Names []string
}

var agreementsPage = web.NewPage[agreementsView](web.Phone, "sessions/agreements")

// Agreements shows what a new citizen agrees to: GET /sign-in/agreements.
func (p *Pages) Agreements(c echo.Context) error {
	if p.flow(c).Token == "" {
		return web.Redirect(c, signInPath)
	}
	return agreementsPage.Show(c, p.pages, agreementsView{Steps: step(2), Form: web.EmptyForm(), Names: citizens.Required})
}

// Agree makes the account: POST /sign-in/agreements.
func (p *Pages) Agree(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	f := p.flow(c)
	var agreed []string
	for _, name := range citizens.Required {
		form.Checked("agree_" + name)
		if form.Value("agree_"+name) != "" {
			agreed = append(agreed, name)
		}
	}
	err = form.Err()
	if err == nil {
		_, _, err = p.service.citizens.Join(c.Request().Context(), f.Token, agreed)
	}
	if errors.Is(err, citizens.ErrTokenInvalid) {
		return p.startOver(c, f, citizens.ErrTokenInvalid)
	}
	if err != nil {
		return agreementsPage.Refuse(c, p.pages, form, err, agreementsView{Steps: step(2), Form: form, Names: citizens.Required})
	}
	return web.Redirect(c, "/sign-in/device")
}

type deviceView struct {
	web.Frame
	Steps steps
	Form  *web.Form
	Other string // names of other devices that this login would sign out
	NoKey bool   // the browser made no key
}

var devicePage = web.NewPage[deviceView](web.Phone, "sessions/device")

// Device explains the device's key, and asks before another device is signed
// out: GET /sign-in/device.
func (p *Pages) Device(c echo.Context) error {
	f := p.flow(c)
	other, err := p.otherDevice(c, f)
	switch {
	case errors.Is(err, citizens.ErrTokenInvalid):
		return p.startOver(c, f, citizens.ErrTokenInvalid)
	case errors.Is(err, citizens.ErrNotJoined):
		return web.Redirect(c, "/sign-in/agreements")
	case err != nil:
		return err
	}
	return devicePage.Show(c, p.pages, deviceView{Steps: step(3), Form: web.EmptyForm(), Other: other})
}

func (p *Pages) otherDevice(c echo.Context, f flow) (name string, err error) {
	who, known, err := p.service.citizens.Known(c.Request().Context(), f.Token)
	if err != nil {
		return "", err
	}
	if !known {
		return "", citizens.ErrNotJoined
	}
	devices, err := p.service.Others(c.Request().Context(), who.ID)
	for _, d := range devices {
		if d.ID.String() == p.cookie(c, deviceCookie) {
			continue
		}
		if name != "" {
			name += ", "
		}
		name += d.Name
	}
	return name, err
}

// Bind logs in on this browser: POST /sign-in/device.
func (p *Pages) Bind(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	f := p.flow(c)
	other, err := p.otherDevice(c, f)
	if errors.Is(err, citizens.ErrTokenInvalid) || errors.Is(err, citizens.ErrNotJoined) {
		return p.startOver(c, f, citizens.ErrTokenInvalid)
	}
	if err != nil {
		return err
	}
	in := DeviceInput{
		PublicKey: []byte(form.Optional("device_public_key", keyBytesMax)),
		Name:      form.Optional("device_name", nameMax), Platform: form.Optional("device_platform", platformMax),
		Proof: ProofUse{Proof: form.Optional("device_proof", proofBytesMax)},
	}
	err = form.Err()
	if err == nil && len(in.PublicKey) == 0 {
		err = ErrDeviceKeyMissing
	}
	var t Tokens
	if err == nil {
		t, err = p.service.SignIn(c.Request().Context(), f.Token, in)
	}
	if errors.Is(err, citizens.ErrTokenInvalid) {
		return p.startOver(c, f, citizens.ErrTokenInvalid)
	}
	if err != nil {
		return devicePage.Refuse(c, p.pages, form, err, deviceView{Steps: step(3), Form: form, Other: other, NoKey: errors.Is(err, ErrDeviceKeyMissing)})
	}
	p.setCookie(c, flowCookie, "", 0)
	p.setTokens(c, t)
	for _, ended := range t.Ended {
		if ended.State == Superseded {
			web.Flash(c, "info", "sessions.device.ended-other")
		}
	}
	return web.Redirect(c, web.LocalPath(f.Next, home))
}

// NotMe restricts an account whose session a login elsewhere ended, when its
// owner says that it was not them: POST /sign-in/not-me.
func (p *Pages) NotMe(c echo.Context) error {
	if err := p.service.NotMe(c.Request().Context(), p.cookie(c, refreshCookie)); err != nil {
		return err
	}
	return web.Redirect(c, "/sign-in/locked")
}

type lockedView struct{ web.Frame }

var lockedPage = web.NewPage[lockedView](web.Phone, "sessions/locked")

// Locked tells that the account is restricted now: GET /sign-in/locked.
func (p *Pages) Locked(c echo.Context) error { return lockedPage.Show(c, p.pages, lockedView{}) }
