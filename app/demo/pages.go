package demo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/simulate"
	"jangteo/app/simulate/messages"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/settlement"
)

// Pages shows how to try everything, and moves what otherwise only time moves.
type Pages struct {
	app  *app.App
	sims *simulate.Servers
	bank http.Client
}

// Mount adds the demonstration's pages to the app's; they ask nobody to sign in.
func Mount(a *app.App, sims *simulate.Servers) {
	p := &Pages{app: a, sims: sims, bank: http.Client{Timeout: 5 * time.Second}}
	page := func(method, path string, handler echo.HandlerFunc) {
		a.Router.Page(web.Route{Method: method, Path: path, Access: web.Anyone, Class: web.Browse}, handler)
	}
	page(http.MethodGet, "/demo", p.home)
	page(http.MethodGet, "/demo/logins.json", p.logins)
	page(http.MethodGet, "/demo/messages", p.showMessages)
	page(http.MethodGet, "/demo/messages.json", p.messagesJSON)
	page(http.MethodPost, "/demo/close-day", p.closeDay)
	page(http.MethodPost, "/demo/close-day.json", p.closeDayJSON)
	page(http.MethodPost, "/demo/pay-out", p.payOut)
	page(http.MethodPost, "/demo/pay-out.json", p.payOutJSON)
	page(http.MethodPost, "/demo/bank", p.spoil)
	p.mountSwipes(page)
}

var homePage = web.NewPage[homeView](web.Public, "demo/home")

type homeView struct {
	web.Frame
	Logins
	Places []placeView
	Faults []string
	Step   []int // of the story
	Today  calendar.Day
}

type placeView struct{ ID, Name, Voucher string }

// storySteps is how many steps the story has; their words are "demo.story.<n>".
const storySteps = 7

func (p *Pages) home(c echo.Context) error {
	ctx := c.Request().Context()
	view := homeView{Faults: spoils, Today: calendar.DayOf(p.app.Now())}
	var err error
	if view.Logins, err = p.Logins(ctx); err != nil {
		return err
	}
	live, err := p.app.Tenants.Live(ctx)
	if err != nil {
		return err
	}
	for _, t := range live {
		one := placeView{t.ID.String(), t.NameIn(web.Lang(c)), t.VoucherNameIn(web.Lang(c))}
		if t.ID == flagship {
			view.Places = append([]placeView{one}, view.Places...)
			continue
		}
		view.Places = append(view.Places, one)
	}
	for n := range storySteps {
		view.Step = append(view.Step, n+1)
	}
	return homePage.Show(c, p.app.Pages, view)
}

func (p *Pages) logins(c echo.Context) error {
	l, err := p.Logins(c.Request().Context())
	if err != nil {
		return p.problem(c, err)
	}
	return c.JSON(http.StatusOK, l)
}

var messagesPage = web.NewPage[messagesView](web.Public, "demo/messages")

type messagesView struct {
	web.Frame
	To       string
	Messages []messages.Message
}

const (
	messagesMost = 50
	receiverMost = 200
)

func (p *Pages) showMessages(c echo.Context) error {
	query := web.ReadQuery(c)
	view := messagesView{To: query.Optional("to", receiverMost)}
	if err := query.Err(); err != nil {
		return err
	}
	var err error
	if view.Messages, err = p.sims.Messages.Find(c.Request().Context(), view.To, messagesMost); err != nil {
		return err
	}
	return messagesPage.Show(c, p.app.Pages, view)
}

// sent is a message as scripts read it.
type sent struct {
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Body    string    `json:"body"`
	At      time.Time `json:"at"`
}

func (p *Pages) messagesJSON(c echo.Context) error {
	query := web.ReadQuery(c)
	to := query.Optional("to", receiverMost)
	if err := query.Err(); err != nil {
		return p.problem(c, err)
	}
	found, err := p.sims.Messages.Find(c.Request().Context(), to, messagesMost)
	if err != nil {
		return p.problem(c, err)
	}
	items := make([]sent, len(found))
	for i, m := range found {
		items[i] = sent{m.Channel, m.To, m.Body, m.At}
	}
	return c.JSON(http.StatusOK, struct {
		Items []sent `json:"items"`
	}{items})
}

// closed is what closing a day came to.
type closed struct {
	Day           string `json:"day"`
	Settlements   int    `json:"settlements"`
	Sales         int64  `json:"sales"`         // won
	Cancellations int64  `json:"cancellations"` // won
}

func (p *Pages) closeDay(c echo.Context) error {
	id, err := formTenant(c)
	if err == nil {
		_, err = p.close(c, id)
	}
	return done(c, "demo.closed", err)
}

func (p *Pages) closeDayJSON(c echo.Context) error {
	id, err := bodyTenant(c)
	if err != nil {
		return p.problem(c, err)
	}
	answer, err := p.close(c, id)
	if err != nil {
		return p.problem(c, err)
	}
	return c.JSON(http.StatusOK, answer)
}

// close closes the business day that is going on in a municipality.
func (p *Pages) close(c echo.Context, id tenant.ID) (closed, error) {
	ctx := tenant.With(c.Request().Context(), id)
	if err := p.app.Tenants.Known(ctx, id); err != nil {
		return closed{}, err
	}
	day, err := p.app.Settlement.CloseDay(asSystem(ctx), calendar.DayOf(p.app.Now()))
	return closed{day.Day.String(), day.Settlements, int64(day.Sales), int64(day.Cancellations)}, err
}

// paidOut is what paying out came to.
type paidOut struct {
	Instructed int `json:"instructed"`
	Paid       int `json:"paid"`
	Returned   int `json:"returned"`
}

func (p *Pages) payOut(c echo.Context) error {
	id, err := formTenant(c)
	if err == nil {
		_, err = p.pay(c, id)
	}
	return done(c, "demo.paid-out", err)
}

func (p *Pages) payOutJSON(c echo.Context) error {
	id, err := bodyTenant(c)
	if err != nil {
		return p.problem(c, err)
	}
	answer, err := p.pay(c, id)
	if err != nil {
		return p.problem(c, err)
	}
	return c.JSON(http.StatusOK, answer)
}

// payOutWithin bounds what may be some hundred transfers after a weekend: longer
// than a request has, and nobody but the one who asked waits for it.
const payOutWithin = 2 * time.Minute

// pay pays everything that is closed in a municipality, due or not.
func (p *Pages) pay(c echo.Context, id tenant.ID) (paidOut, error) {
	ctx := tenant.With(c.Request().Context(), id)
	if err := p.app.Tenants.Known(ctx, id); err != nil {
		return paidOut{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payOutWithin)
	defer cancel()
	outcome, err := p.app.Settlement.PayOut(asSystem(ctx), settlement.All)
	return paidOut{outcome.Instructed, outcome.Paid, outcome.Returned}, err
}

// spoils are what the bank can be told to do wrong with the next instruction;
// "clear" takes it back.
var spoils = []string{"late", "unknown", "silent", "error", "clear"}

// spoil tells the bank's simulator, over its wire, to misbehave.
func (p *Pages) spoil(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	kind := form.Choice("kind", spoils...)
	if err := form.Err(); err != nil {
		return err
	}
	method, body := http.MethodPost, `{"kind":"`+kind+`","executed":true,"delay_ms":8000}`
	if kind == "clear" {
		method, body = http.MethodDelete, ""
	}
	request, err := http.NewRequestWithContext(c.Request().Context(), method, p.sims.BankURL+"/control/faults", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.bank.Do(request)
	if err != nil {
		return fault.ErrUnavailable.Because(err)
	}
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return errors.New("the bank's simulator answered " + response.Status)
	}
	return done(c, "demo.spoiled."+kind, nil)
}

// asSystem says in the audit log that nobody of the office did it.
func asSystem(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Principal{Kind: auth.System, Name: "demo"})
}

func formTenant(c echo.Context) (tenant.ID, error) {
	form, err := web.ReadForm(c)
	if err != nil {
		return 0, err
	}
	return tenant.Parse(form.Value("tenant"))
}

// bodyTenant reads {"tenant":"11560"}.
func bodyTenant(c echo.Context) (tenant.ID, error) {
	var body struct {
		Tenant string `json:"tenant"`
	}
	if err := readJSON(c, &body); err != nil {
		return 0, err
	}
	return tenant.Parse(body.Tenant)
}

// readJSON reads a small body whose fields are all known.
func readJSON(c echo.Context, into any) error {
	const bytesMost = 1 << 10
	decoder := json.NewDecoder(io.LimitReader(c.Request().Body, bytesMost))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fault.ErrMalformed.Because(err)
	}
	return nil
}

// done goes back to the demonstration's page with a word of what was done.
func done(c echo.Context, key string, err error) error {
	if err != nil {
		return err
	}
	web.Flash(c, "success", key)
	return web.Redirect(c, "/demo#controls")
}

// problem answers scripts as the API does.
func (p *Pages) problem(c echo.Context, err error) error {
	document := web.ProblemOf(p.app.Words, web.Lang(c), err, web.RequestID(c))
	if document.Status >= http.StatusInternalServerError {
		web.LogFailure(c, err)
	}
	body, failed := json.Marshal(document)
	if failed != nil {
		return failed
	}
	return c.Blob(document.Status, "application/problem+json", body)
}
