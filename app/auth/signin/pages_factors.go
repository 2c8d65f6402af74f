package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/emvco"
	"jangteo/app/fault"
	"jangteo/app/web"
)

// The pages of second factors are for who is in, and for who must make one
// before they are: no route can tell the two, so each handler does.

func escape(next string) string { return url.QueryEscape(next) }

type factorsView struct {
	web.Frame
	Face Face
	Factors
	Form   *web.Form
	Home   string // empty for who is not in yet
	Secret string // of an app that waits for its first code, in groups of four
	Done   string
}

type recoveryView struct {
	web.Frame
	Face  Face
	Codes []string
	Home  string
}

var (
	factorsPage  = web.NewPage[factorsView](web.Desk, "signin/factors")
	recoveryPage = web.NewPage[recoveryView](web.Desk, "signin/recovery-codes")
)

// enrolling is who may see and change their factors; in says whether they are
// signed in already.
func (p *Pages) enrolling(c echo.Context) (ctx context.Context, in bool, err error) {
	who, stage, err := p.signIns.Pending(c.Request().Context(), p.token(c))
	if err != nil || stage == auth.StageSecond {
		return nil, false, auth.ErrSignInRequired.Because(err)
	}
	ctx = as(c, who)
	if stage == auth.StageFull {
		c.SetRequest(c.Request().WithContext(ctx)) // the frame shows where they may go
	}
	return ctx, stage == auth.StageFull, nil
}

// Factors shows somebody's second factors: GET <path>/factors.
func (p *Pages) Factors(c echo.Context) error {
	ctx, in, err := p.enrolling(c)
	if err != nil {
		return p.strangers(c, err)
	}
	view, err := p.factors(ctx, c, in, web.EmptyForm())
	if err != nil {
		return err
	}
	if done := c.QueryParam("done"); done == "removed" || done == "added" {
		view.Done = "signin.factors.done." + done
	}
	return factorsPage.Show(c, p.pages, view)
}

// strangers are sent to the sign-in page.
func (p *Pages) strangers(c echo.Context, err error) error {
	if errors.Is(err, auth.ErrSignInRequired) && !strings.HasSuffix(c.Request().URL.Path, "/ask") {
		return web.Redirect(c, p.face.Path+"?next="+escape(p.next("", "")))
	}
	return err
}

func (p *Pages) factors(ctx context.Context, c echo.Context, in bool, form *web.Form) (view factorsView, err error) {
	view = factorsView{Face: p.face, Form: form}
	if in {
		view.Home = p.home(c)
	}
	if view.Factors, err = p.signIns.Factors(ctx); err != nil {
		return view, err
	}
	secret, _, err := p.signIns.PendingCodeApp(ctx)
	if errors.Is(err, ErrFactorUnknown) {
		return view, nil
	}
	for i := 0; i < len(secret); i += 4 {
		view.Secret += secret[i:min(i+4, len(secret))] + " "
	}
	return view, err
}

// change runs one change of factors for who may make it, once they have proven
// themselves lately, and shows the page again with what is refused.
func (p *Pages) change(c echo.Context, work func(context.Context, *web.Form) (recovery []string, err error)) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	ctx, in, err := p.enrolling(c)
	if err != nil {
		return p.strangers(c, err)
	}
	if in {
		if fresh, err := p.Fresh(c, auth.From(ctx)); err != nil {
			return err
		} else if !fresh {
			return p.StepUp(c)
		}
	}
	codes, err := work(ctx, form)
	if err != nil {
		if _, isFault := fault.Of(err); !isFault {
			return err
		}
		view, failed := p.factors(ctx, c, in, form)
		if failed != nil {
			return failed
		}
		return factorsPage.Refuse(c, p.pages, form, err, view)
	}
	if codes != nil {
		home := p.face.First[auth.From(ctx).Kind]
		if home == "" {
			home = p.face.Homes[auth.From(ctx).Kind]
		}
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		return recoveryPage.Show(c, p.pages, recoveryView{Face: p.face, Codes: codes, Home: home})
	}
	return web.Redirect(c, p.face.Path+"/factors"+done(c))
}

func done(c echo.Context) string {
	switch path := c.Request().URL.Path; {
	case strings.HasSuffix(path, "/remove"):
		return "?done=removed"
	case strings.HasSuffix(path, "/passkey"), strings.HasSuffix(path, "/confirm"):
		return "?done=added"
	}
	return ""
}

// AskNewPasskey gives a browser what to make a passkey from:
// POST <path>/factors/passkey/ask.
func (p *Pages) AskNewPasskey(c echo.Context) error {
	ctx, _, err := p.enrolling(c)
	if err != nil {
		return err
	}
	challenge, err := p.signIns.AskNewPasskey(ctx)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, challenge)
}

// AddPasskey keeps what the browser made: POST <path>/factors/passkey.
func (p *Pages) AddPasskey(c echo.Context) error {
	return p.change(c, func(ctx context.Context, form *web.Form) ([]string, error) {
		challenge, answer, ok := passkeyAnswer(form, "challenge", "answer")
		if !ok {
			return nil, ErrPasskeyWrong
		}
		return p.signIns.AddPasskey(ctx, challenge, answer, form.Values.Get("passkey_name"))
	})
}

// RemovePasskey takes one away: POST <path>/factors/passkey/remove.
func (p *Pages) RemovePasskey(c echo.Context) error {
	return p.change(c, func(ctx context.Context, form *web.Form) ([]string, error) {
		return nil, p.signIns.RemovePasskey(ctx, form.Value("id"))
	})
}

// BeginCodeApp makes what an app makes codes from: POST <path>/factors/code-app.
func (p *Pages) BeginCodeApp(c echo.Context) error {
	return p.change(c, func(ctx context.Context, _ *web.Form) ([]string, error) { return nil, p.signIns.BeginCodeApp(ctx) })
}

// CodeAppDrawing is it as a picture for the app: GET <path>/factors/code-app.svg.
func (p *Pages) CodeAppDrawing(c echo.Context) error {
	ctx, _, err := p.enrolling(c)
	if err != nil {
		return p.strangers(c, err)
	}
	_, address, err := p.signIns.PendingCodeApp(ctx)
	if err != nil {
		return err
	}
	drawing, err := emvco.SVG(address)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.Blob(http.StatusOK, "image/svg+xml", drawing)
}

// ConfirmCodeApp takes the app's first code: POST <path>/factors/code-app/confirm.
func (p *Pages) ConfirmCodeApp(c echo.Context) error {
	return p.change(c, func(ctx context.Context, form *web.Form) ([]string, error) {
		code := form.Text("code", codeMost)
		if err := form.Err(); err != nil {
			return nil, err
		}
		return p.signIns.ConfirmCodeApp(ctx, code)
	})
}

// RemoveCodeApp stops asking for its codes: POST <path>/factors/code-app/remove.
func (p *Pages) RemoveCodeApp(c echo.Context) error {
	return p.change(c, func(ctx context.Context, _ *web.Form) ([]string, error) { return nil, p.signIns.RemoveCodeApp(ctx) })
}

// NewRecoveryCodes shows new ones, this once: POST <path>/factors/recovery-codes.
func (p *Pages) NewRecoveryCodes(c echo.Context) error {
	return p.change(c, func(ctx context.Context, _ *web.Form) ([]string, error) { return p.signIns.NewRecoveryCodes(ctx) })
}

type stepUpView struct {
	web.Frame
	Face Face
	Factors
	Form    *web.Form
	Action  string
	Carried []carried
	Back    string
	Refused bool // a proof was given, and was none
}

// carried is a field of the form that waits while its sender is asked again.
type carried struct{ Name, Value string }

var stepUpPage = web.NewPage[stepUpView](web.Desk, "signin/step-up")

// The fields in which the proof comes with the form that waited for it.
const (
	stepUpSecret    = "step_up"
	stepUpChallenge = "step_up_challenge"
	stepUpAnswer    = "step_up_answer"
	stepUpRefusal   = "step_up_refusal" // in the request
)

// Fresh reports whether somebody proved who they are lately, or does with this
// very request.
func (p *Pages) Fresh(c echo.Context, who auth.Principal) (bool, error) {
	if p.signIns.Fresh(who) {
		return true, nil
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return false, err
	}
	ctx := as(c, who)
	challenge, answer, byPasskey := passkeyAnswer(form, stepUpChallenge, stepUpAnswer)
	switch {
	case byPasskey:
		err = p.signIns.StepUpWithPasskey(ctx, challenge, answer)
	case form.Values.Has(stepUpSecret):
		err = p.signIns.StepUp(ctx, form.Values.Get(stepUpSecret))
	default:
		return false, nil
	}
	if _, refused := fault.Of(err); refused {
		c.Set(stepUpRefusal, err)
		return false, nil
	}
	return err == nil, err
}

// StepUp asks for the proof, and carries the form that needs it along, so that
// nothing has to be filled in again.
func (p *Pages) StepUp(c echo.Context) error {
	ctx := c.Request().Context()
	sent, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	f, err := p.signIns.Factors(ctx)
	if err != nil {
		return err
	}
	view := stepUpView{Face: p.face, Factors: f, Form: web.EmptyForm(), Action: c.Request().URL.RequestURI(), Back: p.home(c)}
	for name, values := range sent.Values {
		for _, value := range values {
			if !strings.HasPrefix(name, stepUpSecret) && !strings.Contains(name, "password") {
				view.Carried = append(view.Carried, carried{name, value})
			}
		}
	}
	refusal, _ := c.Get(stepUpRefusal).(error)
	view.Refused = refusal != nil
	if refusal == nil {
		refusal = auth.ErrStepUp
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return stepUpPage.Refuse(c, p.pages, view.Form, asForm(refusal), view)
}
