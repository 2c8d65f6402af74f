package vouchers

import (
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/web"
)

// OfficePages are where staff write the next version of a policy.
type OfficePages struct {
	service *Service
	pages   *web.Pages
}

// NewOfficePages shows what service knows.
func NewOfficePages(service *Service, pages *web.Pages) *OfficePages {
	return &OfficePages{service, pages}
}

// policyFields are what the partials of a policy's rules need.
type policyFields struct {
	web.Frame
	Form     *web.Form
	Tomorrow string // the first day that anything can begin
}

type policyView struct {
	policyFields
	Programme Programme
	Last      Policy
}

// Next is the version that is written.
func (v policyView) Next() int { return len(v.Programme.Policies) + 1 }

// Amounts name the fields of won.
func (policyFields) Amounts() []string {
	return []string{"purchase_min", "purchase_step", "purchase_month_max", "hold_max", "per_payment_max", "per_day_max"}
}

// Shares name the fields of per cent.
func (policyFields) Shares() []string { return []string{"discount_bp", "refund_used_bp"} }

// Name is the programme's in the reader's language.
func (v policyView) Name() string { return v.Programme.NameIn(v.Lang) }

var policyPage = web.NewPage[policyView](web.Desk, "vouchers/policy")

const (
	officeProgrammes = "/office/programmes/"
	tradesTextMax    = tradesMost * (tradeDigits + 2)
	reasonTextMax    = 500
)

// NextPolicy shows the last version as a form: GET /office/programmes/{id}/policies/new.
func (p *OfficePages) NextPolicy(c echo.Context) error {
	view, err := p.policy(c)
	if err != nil {
		return err
	}
	v := view.Form.Values
	for _, r := range view.Last.rules() {
		v.Set(r.name, r.value)
	}
	v.Set("clause", view.Last.Clause)
	v.Set("effective_from", view.Tomorrow)
	v.Del("excludes_large_sellers")
	if view.Last.ExcludesLargeSellers {
		v.Set("excludes_large_sellers", "yes")
	}
	return policyPage.Show(c, p.pages, view)
}

func (p *OfficePages) policy(c echo.Context) (view policyView, err error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return view, ErrProgrammeUnknown
	}
	view = policyView{policyFields: policyFields{Form: web.EmptyForm(), Tomorrow: calendar.DayOf(p.service.now()).Next().String()}}
	if view.Programme, err = p.service.Programme(c.Request().Context(), id); err != nil {
		return view, err
	}
	if n := len(view.Programme.Policies); n > 0 {
		view.Last = view.Programme.Policies[n-1]
	}
	return view, nil
}

// ProposePolicy asks for it: POST /office/programmes/{id}/policies.
func (p *OfficePages) ProposePolicy(c echo.Context) error {
	view, err := p.policy(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	policy, err := readPolicy(form)
	reason := form.Text("reason", reasonTextMax)
	if err == nil {
		err = form.Err()
	}
	if err == nil {
		proposal, failed := p.service.ProposeAmend(c.Request().Context(), view.Programme.ID, policy, reason)
		if failed == nil {
			return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
		}
		err = failed
	}
	view.Form = form
	return policyPage.Refuse(c, p.pages, form, err, view)
}

func readPolicy(form *web.Form) (Policy, error) {
	policy, wrong := readRules(form)
	if from, err := calendar.ParseDay(form.Value("effective_from")); err != nil {
		wrong = wrong.And("effective_from", fault.WrongFormat)
	} else {
		policy.EffectiveFrom = from.Start()
	}
	if text := form.Value("effective_to"); text != "" {
		last, err := calendar.ParseDay(text)
		if err != nil {
			wrong = wrong.And("effective_to", fault.WrongFormat)
		}
		end := last.Next().Start()
		policy.EffectiveTo = &end
	}
	return policy, together(wrong.OrNil(), form.Err())
}

// readRules reads what stands in every version; what the form itself finds
// wrong it keeps.
func readRules(form *web.Form) (policy Policy, wrong *fault.Fault) {
	amount := func(name string, none bool) money.Amount {
		if none && strings.Trim(form.Value(name), "0 ") == "" {
			return 0
		}
		return form.Amount(name)
	}
	share := func(name string) int64 {
		bp, ok := parsePercent(strings.TrimSpace(form.Value(name)))
		if !ok {
			wrong = wrong.And(name, fault.WrongFormat)
		}
		return bp
	}
	policy = Policy{
		Clause: form.Text("clause", clauseMax), DiscountBP: share("discount_bp"), RefundUsedBP: share("refund_used_bp"),
		PurchaseMin: amount("purchase_min", false), PurchaseStep: amount("purchase_step", false),
		PurchaseMonthMax: amount("purchase_month_max", false), HoldMax: amount("hold_max", false),
		PerPaymentMax: amount("per_payment_max", true), PerDayMax: amount("per_day_max", true),
		ExcludedTrades:       strings.FieldsFunc(form.Optional("excluded_trades", tradesTextMax), func(r rune) bool { return strings.ContainsRune(", \r\n", r) }),
		ExcludesLargeSellers: form.Value("excludes_large_sellers") != "",
	}
	var err error
	if policy.ValidityYears, err = strconv.Atoi(strings.TrimSpace(form.Value("validity_years"))); err != nil {
		wrong = wrong.And("validity_years", fault.WrongFormat)
	}
	return policy, wrong
}
