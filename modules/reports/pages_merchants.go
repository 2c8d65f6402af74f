package reports

import (
	"github.com/labstack/echo/v4"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/web"
	"jangteo/modules/banking"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/settlement"
)

var merchantStates = []string{
	string(merchants.Applied), string(merchants.Approved), string(merchants.Suspended), string(merchants.Closed),
}

var merchantListing = listing{path: "/office/merchants", states: merchantStates, sorts: []string{"name", "state"}}

// Merchants lists shops: GET /office/merchants.
func (p *Pages) Merchants(c echo.Context) error {
	q, list, before, after, err := p.merchants(c, rowsEach)
	if err != nil {
		return err
	}
	r := p.reader(c)
	t := table{Label: "reports.merchants.title", Empty: "reports.merchants.empty", Columns: []column{
		{Key: "reports.col.merchant", Sort: "name"}, {Key: "reports.col.biz-no"}, {Key: "reports.col.trade"}, {Key: "reports.col.place"},
		{Key: "reports.col.state", Sort: "state"},
	}}
	for _, m := range list {
		address := "/office/merchants/" + m.ID.String()
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			to(m.Name, address), {Text: m.BizNo, ID: true}, text(m.TradeName()), text(m.Address), {Badge: r.merchantBadge(m.State)},
		}})
	}
	keys := keysOf(list, func(m merchants.Merchant) string { return m.ID.String() })
	return listPage.Show(c, p.pages, listView{
		Title: "reports.merchants.title", Lead: "reports.merchants.lead", Sort: q.form.Value("sort"),
		Filters: []filter{
			{Name: "q", Label: "reports.merchants.search", Kind: "search", Value: q.Text},
			{Name: "state", Label: "reports.filter.state", Kind: "select", Options: r.states("reports.merchant-state.", q.State, merchantStates)},
		},
		Table: q.sorted(t), Pager: q.page(keys, before, after), Downloads: q.downloads(r),
	})
}

func (p *Pages) merchants(c echo.Context, limit int) (q query, list []merchants.Merchant, before, after bool, err error) {
	if q, err = readQuery(c, merchantListing); err != nil {
		return q, nil, false, false, err
	}
	if limit > rowsEach {
		q = q.whole()
	}
	list, before, after, err = p.service.Merchants.Report(c.Request().Context(), merchants.ReportFilter{
		Query: q.Text, State: merchants.State(q.State), Window: q.window(limit),
	})
	return q, list, before, after, err
}

// MerchantsCSV downloads what a search finds, without owners: GET /office/merchants.csv.
func (p *Pages) MerchantsCSV(c echo.Context) error {
	q, list, _, more, err := p.merchants(c, web.SheetMost)
	if err != nil {
		return err
	}
	r := p.reader(c)
	s := web.NewSheet(r.words, r.lang, "reports.col.", "id", "merchant", "biz-no", "trade", "place", "large-seller", "state", "applied")
	for _, m := range list {
		s.Row(
			m.ID.String(), m.Name, m.BizNo, m.TradeName(), m.Address, r.t(yes(m.YearlySalesOver3bn)),
			r.t("reports.merchant-state."+string(m.State)), r.at(m.AppliedAt),
		)
	}
	return p.download(c, q, "merchants", s, more)
}

func (r reader) merchantBadge(state merchants.State) badge {
	kind := map[merchants.State]string{
		merchants.Applied: "info", merchants.Approved: "success", merchants.Suspended: "warning", merchants.Closed: "danger",
	}[state]
	return badge{kind, r.t("reports.merchant-state." + string(state))}
}

// Merchant shows one shop: GET /office/merchants/{id}.
func (p *Pages) Merchant(c echo.Context) error {
	view, err := p.merchant(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return objectPage.Show(c, p.pages, view)
}

func (p *Pages) merchant(c echo.Context, form *web.Form) (view objectView, err error) {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return view, err
	}
	m, err := p.service.Merchants.Get(ctx, id)
	if err != nil {
		return view, err
	}
	owed, err := p.service.Ledger.Balance(ctx, m.PayableID)
	if err != nil {
		return view, err
	}
	view = objectView{
		Title: "reports.merchant.title", Heading: m.Name, Form: form,
		Back: link{r.t("reports.merchants.title"), "/office/merchants"}, Badge: r.merchantBadge(m.State),
		Facts: []fact{
			{Key: "reports.col.id", Text: m.ID.String(), ID: true},
			{Key: "reports.col.biz-no", Text: m.BizNo, ID: true},
			{Key: "reports.col.trade", Text: m.TradeName() + " (" + m.Trade + ")"},
			{Key: "reports.col.place", Text: m.Address},
			{Key: "reports.col.owner", Text: m.OwnerMasked},
			{Key: "reports.col.phone", Text: m.PhoneMasked},
			{Key: "reports.col.large-seller", Text: r.t(yes(m.YearlySalesOver3bn))},
			{Key: "reports.col.payout-account", Text: banking.BankName(m.PayoutBank) + " " + m.PayoutMasked + " · " + m.HolderMasked},
			{Key: "reports.col.owed", Text: r.won(owed)},
			{Key: "reports.col.account", Text: m.PayableID.String(), URL: accountURL(m.PayableID), ID: true},
		},
		Events: []event{{At: m.AppliedAt, Title: r.t("reports.event.applied"), Kind: "done"}},
		Raw:    raw(m),
	}
	if m.DecidedAt != nil {
		view.Events = append(view.Events, event{At: *m.DecidedAt, Title: r.t("reports.merchant-state." + string(m.State)), Text: m.StateReason, Kind: "done"})
	}
	if may(c, "citizens.reveal") {
		view.Reveal = &reveal{URL: "/office/merchants/" + id.String() + "/reveal"}
	}
	if may(c, "settlement.close") {
		view.Actions = []action{{
			Title: "reports.correction.title", Text: "reports.correction.text", Button: "reports.correction.button", Confirm: "reports.correction.confirm",
			URL: "/office/merchants/" + id.String() + "/corrections", Which: "reports.correction.which", Amount: true, Reason: true, Danger: true,
			Options: []option{{Value: "gives", Text: r.t("reports.correction.gives")}, {Value: "takes", Text: r.t("reports.correction.takes")}},
		}}
	}
	list, err := p.service.Payments.ListByMerchant(ctx, id, payments.Filter{Limit: 20})
	if err != nil {
		return view, err
	}
	settled, _, err := p.service.Settlement.List(ctx, settlement.Filter{Merchant: id, Limit: 20})
	if err != nil {
		return view, err
	}
	settlements, err := p.settlementTable(c, settled)
	if err != nil {
		return view, err
	}
	looks, err := p.looks(c, id)
	if err != nil {
		return view, err
	}
	changes, err := p.changes(c, audit.Filter{Object: "merchant", ObjectID: id.String(), Limit: rowsEach})
	view.Tables = []table{r.paymentTable(list), settlements, looks, changes}
	return view, err
}

// ProposeCorrection asks for what a shop is owed to be corrected:
// POST /office/merchants/{id}/corrections.
func (p *Pages) ProposeCorrection(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	form.Checked("confirm")
	takes, amount, reason := form.Choice("choice", "gives", "takes") == "takes", form.Amount("amount"), form.Text("reason", reasonMost)
	err = form.Err()
	var proposal approvals.Proposal
	if err == nil {
		proposal, err = p.service.Settlement.ProposeCorrection(c.Request().Context(), id, takes, amount, reason)
	}
	if err == nil {
		return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
	}
	view, failed := p.merchant(c, form)
	if failed != nil {
		return failed
	}
	return objectPage.Refuse(c, p.pages, form, err, view)
}

func yes(is bool) string {
	if is {
		return "reports.yes"
	}
	return "reports.no"
}

// RevealMerchant shows who owns a shop, for a reason: POST /office/merchants/{id}/reveal.
func (p *Pages) RevealMerchant(c echo.Context) error {
	form, reason, err := readReason(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	var shown merchants.Personal
	if err = form.Err(); err == nil {
		shown, err = p.service.Merchants.Reveal(c.Request().Context(), id, reason)
	}
	view, failed := p.merchant(c, form)
	if failed != nil {
		return failed
	}
	if err != nil {
		return objectPage.Refuse(c, p.pages, form, err, view)
	}
	view.Reveal.Facts = []fact{{Key: "reports.col.owner", Text: shown.Owner}, {Key: "reports.col.phone", Text: shown.Phone}}
	return objectPage.Show(c, p.pages, view)
}

const reasonMost = 500

// readReason reads why somebody wants to see personal data.
func readReason(c echo.Context) (*web.Form, string, error) {
	form, err := web.ReadForm(c)
	if err != nil {
		return nil, "", err
	}
	return form, form.Text("reason", reasonMost), nil
}
