package incidents

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/sessions"
)

const operationsPath = "/operations/incidents"

type deskView struct {
	web.Frame
	List []shown
}

var deskPage = web.NewPage[deskView](web.Desk, "incidents/desk")

// Desk lists all incidents to operators: GET /operations/incidents.
func (p *Pages) Desk(c echo.Context) error {
	list, err := p.service.List(c.Request().Context())
	if err != nil {
		return err
	}
	var view deskView
	for _, i := range list {
		s, err := p.show(c, i)
		if err != nil {
			return err
		}
		view.List = append(view.List, s)
	}
	return deskPage.Show(c, p.pages, view)
}

// words is the form in which operators say something of an incident.
type words struct {
	*web.Form
	Action    string
	States    []State
	Parts     []string
	Published bool // once published it stays so
	Again     bool // another version
}

// Has tells whether a part is ticked.
func (w words) Has(part string) bool { return oneOf(part, w.Values["parts"]) }

// Langs are those in which everything is said.
func (words) Langs() []string { return i18n.Languages }

type newView struct {
	web.Frame
	Words words
}

var newPage = web.NewPage[newView](web.Desk, "incidents/new")

func fresh(form *web.Form) newView {
	return newView{Words: words{Form: form, Action: operationsPath, States: States[:3], Parts: Parts}}
}

// New shows the form: GET /operations/incidents/new.
func (p *Pages) New(c echo.Context) error {
	form := web.EmptyForm()
	form.Values["parts"] = []string{"sign-in"}
	return newPage.Show(c, p.pages, fresh(form))
}

// Open records an incident: POST /operations/incidents.
func (p *Pages) Open(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in, err := readWords(form)
	var i Incident
	if err == nil {
		i, err = p.service.Open(c.Request().Context(), in)
	}
	if err != nil {
		return newPage.Refuse(c, p.pages, form, err, fresh(form))
	}
	return web.Redirect(c, operationsPath+"/"+i.ID.String())
}

func readWords(form *web.Form) (in Input, err error) {
	in = Input{
		State: State(form.Value("state")), Parts: form.Values["parts"], Published: form.Value("published") != "",
		Words: Words{
			TitleKo: form.Optional("title_ko", titleMax), TitleEn: form.Optional("title_en", titleMax),
			TextKo: form.Optional("text_ko", textMax), TextEn: form.Optional("text_en", textMax),
		},
	}
	if err := form.Err(); err != nil {
		return in, err
	}
	for _, code := range strings.FieldsFunc(form.Optional("tenants", textMax), func(r rune) bool { return r == ',' || r == ' ' }) {
		id, err := tenant.Parse(code)
		if err != nil {
			return in, fault.On("tenants", fault.WrongFormat)
		}
		in.Tenants = append(in.Tenants, id)
	}
	if at := form.Value("started_at"); at != "" {
		if in.StartedAt, err = readTime(at); err != nil {
			return in, fault.On("started_at", fault.WrongFormat)
		}
	}
	return in, nil
}

// readTime reads what a field of date and time sends, as the clock in Seoul shows it.
func readTime(text string) (time.Time, error) {
	return time.ParseInLocation("2006-01-02T15:04", text, calendar.Seoul)
}

type workView struct {
	web.Frame
	Incident  shown
	Said      []saidView
	Words     words
	Resets    []sessions.ResetOrder
	Form      *web.Form
	Scopes    []sessions.ScopeKind
	Keys      []auth.Key
	Preview   *preview
	MayReset  bool
	SayFailed bool
}

// ScopeFields are the fields of text that choose sessions.
func (workView) ScopeFields() []string {
	return []string{"tenant", "platform", "version", "issued_before"}
}

// preview is what a reset would do, before it is asked for.
type preview struct {
	Sessions int
	Minutes  int // until all have come back, at the pace of one server
	Fields   []field
}

type field struct{ Name, Value string }

var workPage = web.NewPage[workView](web.Desk, "incidents/work")

// Work shows an incident to operators: GET /operations/incidents/{id}.
func (p *Pages) Work(c echo.Context) error {
	view, err := p.work(c)
	if err != nil {
		return err
	}
	return workPage.Show(c, p.pages, view)
}

func (p *Pages) work(c echo.Context) (view workView, err error) {
	ctx := c.Request().Context()
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return view, ErrUnknown
	}
	i, said, err := p.service.Get(ctx, id)
	if err != nil {
		return view, err
	}
	view = workView{Form: web.EmptyForm(), Scopes: sessions.Scopes, MayReset: auth.From(ctx).May("sessions.reset")}
	if view.Incident, err = p.show(c, i); err != nil {
		return view, err
	}
	for _, v := range said {
		title, text := v.Words.In(web.Lang(c))
		view.Said = append(view.Said, saidView{v, title, text, kindOf(v.State)})
	}
	if view.Resets, err = p.service.sessions.Resets(ctx, id); err != nil {
		return view, err
	}
	if view.Keys, err = p.service.sessions.SigningKeys(ctx); err != nil {
		return view, err
	}
	view.Words = again(i, web.EmptyForm())
	v := view.Words.Values
	v.Set("state", string(i.State))
	v["parts"] = i.Parts
	v.Set("tenants", tenantList(i.Tenants))
	v.Set("version", strconv.Itoa(i.Version))
	v.Set("title_ko", i.Words.TitleKo)
	v.Set("title_en", i.Words.TitleEn)
	v.Set("text_ko", i.Words.TextKo)
	v.Set("text_en", i.Words.TextEn)
	return view, nil
}

func again(i Incident, form *web.Form) words {
	return words{Form: form, Action: operationsPath + "/" + i.ID.String() + "/say", States: States, Parts: Parts, Published: i.Published, Again: true}
}

// Say adds to what was said: POST /operations/incidents/{id}/say.
func (p *Pages) Say(c echo.Context) error {
	view, err := p.work(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in, err := readWords(form)
	seen, _ := strconv.Atoi(form.Value("version"))
	in.StartedAt = view.Incident.StartedAt
	if err == nil {
		_, err = p.service.Say(c.Request().Context(), view.Incident.ID, seen, in)
	}
	if err != nil {
		view.Words, view.SayFailed = again(view.Incident.Incident, form), true
		return workPage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "incidents.said-now")
	return web.Redirect(c, operationsPath+"/"+view.Incident.ID.String())
}

// resetFields are those of the form that asks for a reset.
var resetFields = []string{"scope", "tenant", "platform", "version", "issued_before", "signing_key", "at_once", "starts_at", "reason"}

// Reset says how many sessions a reset would end and, once that is confirmed,
// asks for it: POST /operations/incidents/{id}/resets.
func (p *Pages) Reset(c echo.Context) error {
	view, err := p.work(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view.Form = form
	in, err := readReset(form)
	ctx := c.Request().Context()
	if err == nil {
		err = p.service.sessions.CheckReset(&in)
	}
	if err != nil {
		return workPage.Refuse(c, p.pages, form, err, view)
	}
	if form.Value("confirm") == "" {
		if view.Preview, err = p.preview(c, in, form); err != nil {
			return err
		}
		return workPage.Show(c, p.pages, view)
	}
	proposal, err := p.service.ProposeReset(ctx, view.Incident.ID, in)
	if err != nil {
		return workPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, "/operations/approvals/"+proposal.ID.String())
}

func (p *Pages) preview(c echo.Context, in sessions.ResetInput, form *web.Form) (*preview, error) {
	count, err := p.service.sessions.PreviewReset(c.Request().Context(), in.Scope)
	if err != nil {
		return nil, err
	}
	made := &preview{Sessions: count, Minutes: p.service.sessions.MinutesToResume(count)}
	for _, name := range resetFields {
		if form.Value(name) != "" {
			made.Fields = append(made.Fields, field{name, form.Value(name)})
		}
	}
	return made, nil
}

func readReset(form *web.Form) (in sessions.ResetInput, err error) {
	in.Scope.Kind, in.AtOnce, in.Reason = sessions.ScopeKind(form.Value("scope")), form.Value("at_once") != "", form.Optional("reason", textMax)
	text := func(name string) *string {
		if value := form.Optional(name, titleMax); value != "" {
			return &value
		}
		return nil
	}
	in.Scope.Platform, in.Scope.Version, in.Scope.SigningKey = text("platform"), text("version"), text("signing_key")
	if err := form.Err(); err != nil {
		return in, err
	}
	if in.Scope.Kind == sessions.ScopeTenant && form.Value("tenant") != "" {
		id, err := tenant.Parse(form.Value("tenant"))
		if err != nil {
			return in, fault.On("tenant", fault.WrongFormat)
		}
		in.Scope.Tenant = &id
	}
	if at := form.Value("issued_before"); at != "" {
		moment, err := readTime(at)
		if err != nil {
			return in, fault.On("issued_before", fault.WrongFormat)
		}
		in.Scope.IssuedBefore = &moment
	}
	if at := form.Value("starts_at"); at != "" {
		moment, err := readTime(at)
		if err != nil {
			return in, fault.On("starts_at", fault.WrongFormat)
		}
		in.StartsAt = &moment
	}
	return in, nil
}

type casesView struct {
	web.Frame
	List []sessions.Case
}

var casesPage = web.NewPage[casesView](web.Desk, "incidents/cases")

// Cases lists accounts that somebody must look into: GET /operations/cases.
func (p *Pages) Cases(c echo.Context) error {
	list, err := p.service.sessions.Cases(c.Request().Context())
	if err != nil {
		return err
	}
	return casesPage.Show(c, p.pages, casesView{List: list})
}

type caseView struct {
	web.Frame
	Case    sessions.Case
	SignIns []sessions.Listed
	Form    *web.Form
	MayEnd  bool
}

// Suspect tells which sign-in is said to be somebody else's.
func (v caseView) Suspect(id uuid.UUID) bool {
	return v.Case.SuspectID != nil && *v.Case.SuspectID == id
}

var casePage = web.NewPage[caseView](web.Desk, "incidents/case")

func (p *Pages) caseOf(c echo.Context) (view caseView, err error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return view, sessions.ErrCaseUnknown
	}
	view.Form, view.MayEnd = web.EmptyForm(), auth.From(c.Request().Context()).May("sessions.end")
	view.Case, view.SignIns, err = p.service.sessions.CaseByID(c.Request().Context(), id)
	return view, err
}

// Case shows what happened around an account: GET /operations/cases/{id}.
func (p *Pages) Case(c echo.Context) error {
	view, err := p.caseOf(c)
	if err != nil {
		return err
	}
	return casePage.Show(c, p.pages, view)
}

// platformOffice is how citizens know the operator's own staff, as a
// municipality by its Korean name.
const platformOffice = "장터 운영센터"

// EndSession signs one of the account's devices out under the case:
// POST /operations/cases/{id}/sessions/{session}/end.
func (p *Pages) EndSession(c echo.Context) error {
	view, err := p.caseOf(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	session, err := uuid.Parse(c.Param("session"))
	if err != nil {
		return sessions.ErrSessionUnknown
	}
	_, err = p.service.sessions.EndByStaff(c.Request().Context(), sessions.StaffEnding{
		Citizen: view.Case.CitizenID, Session: session, Office: platformOffice, Reason: form.Value("reason"), CaseNo: view.Case.CaseNo,
	})
	if err != nil {
		view.Form = form
		return casePage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "sessions.office.ended")
	return web.Redirect(c, "/operations/cases/"+view.Case.ID.String())
}

// CloseCase keeps what came of it: POST /operations/cases/{id}/close.
func (p *Pages) CloseCase(c echo.Context) error {
	view, err := p.caseOf(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	outcome := form.Optional("outcome", textMax)
	if err = form.Err(); err == nil {
		err = p.service.sessions.CloseCase(c.Request().Context(), view.Case.ID, outcome, form.Value("unlock") != "")
	}
	if err != nil {
		view.Form = form
		return casePage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "incidents.case.closed-now")
	return web.Redirect(c, "/operations/cases/"+view.Case.ID.String())
}
