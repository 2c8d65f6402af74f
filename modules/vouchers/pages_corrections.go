package vouchers

import (
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/approvals"
	"jangteo/app/auth"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

// The office's pages on which what is wrong in a wallet, or missing in the
// budget, is proposed to be put right, and the citizen's page that tells of it.

type correctView struct {
	web.Frame
	Form    *web.Form
	Wallet  Wallet
	Who     string // masked
	Left    money.Amount
	Most    money.Amount
	Back    string // the citizen's page
	Entries bool   // may be looked at
}

// Name is the programme's in the reader's language.
func (v correctView) Name() string { return v.Wallet.Programme.NameIn(v.Lang) }

var correctPage = web.NewPage[correctView](web.Desk, "vouchers/correct")

// Correct shows the form: GET /office/citizens/{id}/wallets/{wallet}/correct.
func (p *OfficePages) Correct(c echo.Context) error {
	view, err := p.correct(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return correctPage.Show(c, p.pages, view)
}

func (p *OfficePages) correct(c echo.Context, form *web.Form) (view correctView, err error) {
	ctx := c.Request().Context()
	citizen, wallet := idOf(c, "id"), idOf(c, "wallet")
	view = correctView{Form: form, Most: CorrectionMost, Back: "/office/citizens/" + citizen.String(), Entries: auth.From(ctx).May("ledger.read")}
	if view.Wallet, err = p.service.WalletHere(ctx, wallet); err != nil {
		return view, err
	}
	if view.Wallet.CitizenID != citizen {
		return view, ErrWalletUnknown
	}
	if view.Who, err = p.service.nameOf(ctx, citizen); err != nil {
		return view, err
	}
	view.Left, err = p.service.SubsidyLeft(ctx)
	return view, err
}

// idOf reads an id of the address; one that is none is nobody's.
func idOf(c echo.Context, name string) uuid.UUID {
	id, err := uuid.Parse(c.Param(name))
	if err != nil {
		return uuid.Nil
	}
	return id
}

// ProposeCorrection asks for it: POST /office/citizens/{id}/wallets/{wallet}/corrections.
func (p *OfficePages) ProposeCorrection(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view, err := p.correct(c, form)
	if err != nil {
		return err
	}
	in := CorrectionInput{
		WalletID: view.Wallet.ID, Takes: form.Choice("direction", "gives", "takes") == "takes", Amount: form.Amount("amount"),
		Against: Against(form.Choice("against", string(AgainstFund), string(AgainstSubsidy))), Reason: form.Text("reason", reasonTextMax),
	}
	if form.Value("answers") != "" {
		in.Answers = form.UUID("answers")
	}
	form.Checked("confirm")
	var proposal approvals.Proposal
	if err = form.Err(); err == nil {
		proposal, err = p.service.ProposeCorrection(c.Request().Context(), in)
	}
	if err != nil {
		return correctPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
}

type budgetView struct {
	web.Frame
	Form    *web.Form
	Left    money.Amount
	List    []Funding
	NextURL string
	Manages bool
	Entries bool // may be looked at
}

var budgetPage = web.NewPage[budgetView](web.Desk, "vouchers/budget")

const fundingRows = 50

// Budget shows the budget for discounts and what changed it: GET /office/budget?before=.
func (p *OfficePages) Budget(c echo.Context) error {
	view, err := p.budget(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return budgetPage.Show(c, p.pages, view)
}

func (p *OfficePages) budget(c echo.Context, form *web.Form) (view budgetView, err error) {
	ctx := c.Request().Context()
	me, query := auth.From(ctx), web.ReadQuery(c)
	page := Page{Limit: fundingRows + 1}
	if query.Value("before") != "" {
		page.Before = query.UUID("before")
	}
	if err := query.Err(); err != nil {
		return view, err
	}
	view = budgetView{Form: form, Manages: me.May("budget.manage"), Entries: me.May("ledger.read")}
	if view.Left, err = p.service.SubsidyLeft(ctx); err != nil {
		return view, err
	}
	if view.List, err = p.service.Fundings(ctx, page); err != nil {
		return view, err
	}
	if len(view.List) > fundingRows {
		view.List = view.List[:fundingRows]
		view.NextURL = "/office/budget?before=" + view.List[fundingRows-1].ID.String()
	}
	return view, nil
}

// ProposeFunding asks for the budget to grow or shrink: POST /office/budget.
func (p *OfficePages) ProposeFunding(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	returns, amount, reason := form.Choice("direction", "adds", "returns") == "returns", form.Amount("amount"), form.Text("reason", reasonTextMax)
	form.Checked("confirm")
	var proposal approvals.Proposal
	if err = form.Err(); err == nil {
		proposal, err = p.service.ProposeFunding(c.Request().Context(), returns, amount, reason)
	}
	if err == nil {
		return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
	}
	view, failed := p.budget(c, form)
	if failed != nil {
		return failed
	}
	return budgetPage.Refuse(c, p.pages, form, err, view)
}

type correctionView struct {
	web.Frame
	Correction
	Face      Face
	Name      string // of the programme, beside the voucher's
	Contact   string // the municipality's telephone
	WalletURL string
}

var correctionPage = web.NewPage[correctionView](web.Phone, "vouchers/correction")

// Correction tells a citizen what was put right in their wallet, and why:
// GET /my/corrections/{tenant}/{id}.
func (p *Pages) Correction(c echo.Context) error {
	ctx, lang := c.Request().Context(), web.Lang(c)
	made, err := p.service.CorrectionOf(ctx, auth.From(ctx).ID, idOf(c, "id"))
	if err != nil {
		return err
	}
	view := correctionView{Correction: made, WalletURL: "/my/wallets/" + made.TenantID.String() + "/" + made.WalletID.String()}
	w, err := p.service.WalletHere(ctx, made.WalletID)
	if err != nil {
		return err
	}
	place, err := p.service.tenants.Get(ctx, tenant.From(ctx))
	if err != nil {
		return err
	}
	view.Contact = place.Contact
	if view.Face, err = p.service.Face(ctx, made.TenantID, lang); err != nil {
		return err
	}
	view.Name = view.Face.Beside(w.Programme, lang)
	return correctionPage.Show(c, p.pages, view)
}
