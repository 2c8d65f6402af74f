package staff

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/approvals"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/web"
)

const (
	approvalsEach = 50
	remarkMost    = 500
)

// ApprovalPages are where one person decides what another proposed, in a
// municipality's office and at the operator's desk.
type ApprovalPages struct {
	approvals *approvals.Approvals
	pages     *web.Pages
	now       func() time.Time
}

// NewApprovalPages shows what a knows.
func NewApprovalPages(a *approvals.Approvals, pages *web.Pages, now func() time.Time) *ApprovalPages {
	return &ApprovalPages{a, pages, now}
}

// approvalsPath is where proposals are for who asks.
func approvalsPath(c echo.Context) string {
	if auth.From(c.Request().Context()).Kind == auth.Operator {
		return "/operations/approvals"
	}
	return "/office/approvals"
}

type approvalsView struct {
	web.Frame
	Base  string
	State string
	Tabs  []approvalTab
	List  []approvalLine
	Next  string
}

type approvalTab struct {
	Key, URL string
	Current  bool
}

type approvalLine struct {
	approvals.Proposal
	Title, URL string
	Badge      string // success, info, warning or danger
	Waits      bool   // for who looks
}

var approvalsPage = web.NewPage[approvalsView](web.Desk, "staff/approvals")

// List shows proposals, those that wait first of all: GET /office/approvals.
func (p *ApprovalPages) List(c echo.Context) error {
	q, base := web.ReadQuery(c), approvalsPath(c)
	filter := approvals.Filter{Limit: approvalsEach}
	if q.Value("state") != "" {
		states := []string{}
		for _, state := range approvals.States() {
			states = append(states, string(state))
		}
		filter.State = approvals.State(q.Choice("state", states...))
	}
	if q.Value("before") != "" {
		filter.Before = q.UUID("before")
	}
	if err := q.Err(); err != nil {
		return err
	}
	list, more, err := p.approvals.List(c.Request().Context(), filter)
	if err != nil {
		return err
	}
	view := approvalsView{Base: base, State: string(filter.State)}
	for _, state := range append([]approvals.State{""}, approvals.States()...) {
		tab := approvalTab{Key: "approvals.state.any", URL: base, Current: state == filter.State}
		if state != "" {
			tab.Key, tab.URL = "approvals.state."+string(state), base+"?state="+string(state)
		}
		view.Tabs = append(view.Tabs, tab)
	}
	for _, proposal := range list {
		view.List = append(view.List, p.line(c, proposal))
	}
	slices.SortStableFunc(view.List, func(a, b approvalLine) int { return first(b.Waits) - first(a.Waits) })
	if more {
		view.Next = fmt.Sprintf("%s?state=%s&before=%s", base, filter.State, list[len(list)-1].ID)
		if filter.State == "" {
			view.Next = base + "?before=" + list[len(list)-1].ID.String()
		}
	}
	return approvalsPage.Show(c, p.pages, view)
}

func first(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (p *ApprovalPages) line(c echo.Context, proposal approvals.Proposal) approvalLine {
	if proposal.State == approvals.Proposed && !p.now().Before(proposal.ExpiresAt) {
		proposal.State = approvals.Lapsed // nobody has written it down yet
	}
	badge := map[approvals.State]string{
		approvals.Proposed: "warning", approvals.Approved: "info", approvals.Done: "success", approvals.Failed: "danger", approvals.Rejected: "danger",
	}[proposal.State]
	return approvalLine{
		Proposal: proposal, Title: "approvals.kind." + proposal.Kind, URL: approvalsPath(c) + "/" + proposal.ID.String(), Badge: badge,
		Waits: proposal.State == approvals.Proposed && p.approvals.MayDecide(auth.From(c.Request().Context()), proposal),
	}
}

type approvalView struct {
	web.Frame
	approvalLine
	Base  string
	Form  *web.Form
	Facts []approvalFact
	Mine  bool // and can be withdrawn
	Raw   string
	Moves bool // is being carried out
}

type approvalFact struct{ Key, Text, URL string }

// FailureKey is the words key of why it failed.
func (v approvalView) FailureKey() string { return "problem." + v.Failure + ".title" }

var approvalPage = web.NewPage[approvalView](web.Desk, "staff/approval")

// Show is one proposal, and the forms to decide it: GET /office/approvals/{id}.
func (p *ApprovalPages) Show(c echo.Context) error {
	view, err := p.view(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return approvalPage.Show(c, p.pages, view)
}

func (p *ApprovalPages) view(c echo.Context, form *web.Form) (view approvalView, err error) {
	id, err := pathID(c)
	if err != nil {
		return view, err
	}
	proposal, facts, err := p.approvals.Get(c.Request().Context(), id)
	if err != nil {
		return view, err
	}
	view = approvalView{Form: form, Base: approvalsPath(c), approvalLine: p.line(c, proposal)}
	view.Mine = view.Proposal.State == approvals.Proposed && proposal.MakerID == auth.From(c.Request().Context()).ID
	view.Moves = proposal.State == approvals.Approved
	for _, fact := range facts {
		if link, is := fact.Value.(approvals.Link); is {
			view.Facts = append(view.Facts, approvalFact{fact.Key, link.Text, link.Path})
			continue
		}
		view.Facts = append(view.Facts, approvalFact{fact.Key, inWords(web.Lang(c), fact.Value), ""})
	}
	raw, err := json.MarshalIndent(proposal, "", "  ")
	view.Raw = string(raw)
	return view, err
}

// inWords writes a fact for people.
func inWords(lang string, value any) string {
	switch v := value.(type) {
	case money.Amount:
		return v.In(lang)
	case int:
		return money.Amount(v).String()
	case int64:
		return money.Amount(v).String()
	case calendar.Day:
		return v.Long(lang)
	case time.Time:
		return calendar.LongTime(v, lang)
	}
	return fmt.Sprint(value)
}

func pathID(c echo.Context) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		return uuid.Nil, fault.ErrNotFound
	}
	return id, nil
}

// Approve lets it be carried out: POST /office/approvals/{id}/approve.
func (p *ApprovalPages) Approve(c echo.Context) error {
	return p.decide(c, func(c echo.Context, form *web.Form, id uuid.UUID) error {
		form.Checked("confirm")
		remark := form.Optional("remark", remarkMost)
		if err := form.Err(); err != nil {
			return err
		}
		_, err := p.approvals.Approve(c.Request().Context(), id, remark)
		return err
	})
}

// Reject ends it with a reason: POST /office/approvals/{id}/reject.
func (p *ApprovalPages) Reject(c echo.Context) error {
	return p.decide(c, func(c echo.Context, form *web.Form, id uuid.UUID) error {
		remark := form.Text("remark", remarkMost)
		if err := form.Err(); err != nil {
			return err
		}
		_, err := p.approvals.Reject(c.Request().Context(), id, remark)
		return err
	})
}

// Withdraw takes one's own back: POST /office/approvals/{id}/withdraw.
func (p *ApprovalPages) Withdraw(c echo.Context) error {
	return p.decide(c, func(c echo.Context, _ *web.Form, id uuid.UUID) error {
		_, err := p.approvals.Withdraw(c.Request().Context(), id)
		return err
	})
}

func (p *ApprovalPages) decide(c echo.Context, decision func(echo.Context, *web.Form, uuid.UUID) error) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	if err := decision(c, form, id); err != nil {
		view, failed := p.view(c, form)
		if failed != nil {
			return failed
		}
		return approvalPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, approvalsPath(c)+"/"+id.String())
}
