package vouchers

import (
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/approvals"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/web"
)

// openingView is a new programme as somebody writes it.
type openingView struct {
	policyFields
	Kinds   []Kind
	Budgets bool         // may be asked for
	Left    money.Amount // in the budget
}

var openingPage = web.NewPage[openingView](web.Desk, "vouchers/opening")

// NewProgramme shows the form, with rules that most municipalities have:
// GET /office/programmes/new.
func (p *OfficePages) NewProgramme(c echo.Context) error {
	form := web.EmptyForm()
	for name, value := range map[string]string{
		"kind": string(Discount), "discount_bp": "10", "refund_used_bp": "60", "purchase_min": "10,000", "purchase_step": "10,000",
		"purchase_month_max": "500,000", "hold_max": "1,000,000", "per_payment_max": "0", "per_day_max": "0", "validity_years": "5",
		"excludes_large_sellers": "yes", "budget": "0",
	} {
		form.Values.Set(name, value)
	}
	view, err := p.opening(c, form)
	if err != nil {
		return err
	}
	form.Values.Set("opens_at", view.Tomorrow)
	return openingPage.Show(c, p.pages, view)
}

func (p *OfficePages) opening(c echo.Context, form *web.Form) (view openingView, err error) {
	ctx := c.Request().Context()
	view = openingView{
		policyFields: policyFields{Form: form, Tomorrow: calendar.DayOf(p.service.now()).Next().String()},
		Kinds:        []Kind{Discount, Allowance}, Budgets: auth.From(ctx).May(budgetManage),
	}
	view.Left, err = p.service.SubsidyLeft(ctx)
	return view, err
}

// OpenProgramme asks for it: POST /office/programmes.
func (p *OfficePages) OpenProgramme(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in, budget, err := readOpening(form)
	reason := form.Text("reason", reasonTextMax)
	form.Checked("confirm")
	err = together(err, form.Err())
	var proposal approvals.Proposal
	if err == nil {
		proposal, err = p.service.ProposeOpening(c.Request().Context(), in, budget, reason)
	}
	if err == nil {
		return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
	}
	view, failed := p.opening(c, form)
	if failed != nil {
		return failed
	}
	return openingPage.Refuse(c, p.pages, form, err, view)
}

func readOpening(form *web.Form) (in ProgrammeInput, budget money.Amount, err error) {
	in = ProgrammeInput{Kind: Kind(form.Choice("kind", string(Discount), string(Allowance))), Name: form.Text("name", nameMax), NameEn: form.Text("name_en", nameEnMax)}
	var wrong *fault.Fault
	in.Policy, wrong = readRules(form)
	day := func(name string) (d calendar.Day) {
		d, err := calendar.ParseDay(form.Value(name))
		if err != nil {
			wrong = wrong.And(name, fault.WrongFormat)
		}
		return d
	}
	in.OpensAt = day("opens_at").Start()
	if form.Value("closes_at") != "" {
		end := day("closes_at").Next().Start() // the last day is sold through
		in.ClosesAt = &end
	}
	age := func(name string) int {
		text := strings.TrimSpace(form.Value(name))
		n, err := strconv.Atoi(text)
		if text != "" && (err != nil || n < 0 || n > agesMost) {
			wrong = wrong.And(name, fault.WrongFormat)
		}
		return n
	}
	in.BuyerAgeMin, in.BuyerAgeMax = age("buyer_age_min"), age("buyer_age_max")
	if strings.Trim(form.Value("budget"), "0 ") != "" {
		budget = form.Amount("budget")
	}
	return in, budget, wrong.OrNil()
}

// together names the fields that both faults name.
func together(a, b error) error {
	f, isA := fault.Of(a)
	g, isB := fault.Of(b)
	if !isA || !isB {
		if a != nil {
			return a
		}
		return b
	}
	both := *f
	both.Fields = slices.Concat(f.Fields, g.Fields)
	return &both
}

// ProposeClosing asks for a sale to end now: POST /office/programmes/{id}/close.
func (p *OfficePages) ProposeClosing(c echo.Context) error {
	view, err := p.closing(c, web.EmptyForm())
	if err != nil {
		return err
	}
	if view.Form, err = web.ReadForm(c); err != nil {
		return err
	}
	reason := view.Form.Text("reason", reasonTextMax)
	view.Form.Checked("confirm")
	var proposal approvals.Proposal
	if err = view.Form.Err(); err == nil {
		proposal, err = p.service.ProposeClosing(c.Request().Context(), view.Programme.ID, reason)
	}
	if err != nil {
		return closingPage.Refuse(c, p.pages, view.Form, err, view)
	}
	return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
}

type closingView struct {
	web.Frame
	Form      *web.Form
	Programme Programme
	OnSale    bool
}

// Name is the programme's in the reader's language.
func (v closingView) Name() string { return v.Programme.NameIn(v.Lang) }

var closingPage = web.NewPage[closingView](web.Desk, "vouchers/closing")

// Close shows the form: GET /office/programmes/{id}/close.
func (p *OfficePages) Close(c echo.Context) error {
	view, err := p.closing(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return closingPage.Show(c, p.pages, view)
}

func (p *OfficePages) closing(c echo.Context, form *web.Form) (view closingView, err error) {
	view.Form = form
	if view.Programme, err = p.service.Programme(c.Request().Context(), idOf(c, "id")); err != nil {
		return view, err
	}
	_, view.OnSale = view.Programme.OnSale(p.service.now())
	return view, nil
}
