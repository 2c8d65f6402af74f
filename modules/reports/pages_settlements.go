package reports

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/web"
	"jangteo/modules/banking"
	"jangteo/modules/settlement"
)

// Settlements lists the closed days, or the settlements of one: GET /office/settlements.
func (p *Pages) Settlements(c echo.Context) error {
	view, err := p.settlements(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return listPage.Show(c, p.pages, view)
}

func (p *Pages) settlements(c echo.Context, form *web.Form) (view listView, err error) {
	q, err := readSettlementQuery(c)
	if err != nil {
		return view, err
	}
	r := p.reader(c)
	view = listView{
		Title: "reports.settlements.title", Lead: "reports.settlements.lead", Sort: q.form.Value("sort"), Form: form,
		Filters: []filter{
			{Name: "from", Label: "reports.settlements.day", Kind: "date", Value: q.From.String()},
			{Name: "state", Label: "reports.filter.state", Kind: "select", Options: r.states("reports.settlement-state.", q.State, settlementStates())},
		},
	}
	view.Downloads = q.downloads(r)
	if q.byDay {
		err = p.closedDays(c, q, &view)
	} else {
		err = p.ofDay(c, q, &view)
	}
	if err != nil {
		return view, err
	}
	if may(c, "settlement.close") {
		today := calendar.DayOf(p.service.Now())
		view.Actions = []action{
			{
				Title: "reports.close.title", Text: "reports.close.text", Button: "reports.close.button", Confirm: "reports.close.confirm",
				URL: "/office/settlements/close", Day: &dayField{"reports.close.day", today.AddDays(-1).String()},
			},
			{
				Title: "reports.payout.title", Text: "reports.payout.text", Button: "reports.payout.button", Confirm: "reports.payout.confirm", Reason: true,
				URL: "/office/settlements/pay-out", Options: []option{{Value: "due", Text: r.t("reports.payout.due")}, {Value: "all", Text: r.t("reports.payout.all")}},
			},
		}
	}
	view.Done = r.settlementDone(c)
	return view, nil
}

func settlementStates() (states []string) {
	for _, state := range settlement.States() {
		states = append(states, string(state))
	}
	return states
}

// readSettlementQuery asks for the closed days, or for the settlements of a day
// or in a state.
func readSettlementQuery(c echo.Context) (query, error) {
	return readQuery(c, listing{
		path: "/office/settlements", states: settlementStates(), sorts: []string{"-day", "sales", "net"},
		byDay: c.QueryParam("from") == "" && c.QueryParam("state") == "",
	})
}

// settlementDone says what the form before this page did.
func (r reader) settlementDone(c echo.Context) string {
	day, err := calendar.ParseDay(c.QueryParam("day"))
	if c.QueryParam("done") != "closed" || err != nil {
		return ""
	}
	return r.t("reports.close.done", "day", day.Long(r.lang))
}

func (p *Pages) closedDays(c echo.Context, q query, view *listView) error {
	r := p.reader(c)
	days, before, after, err := p.service.Settlement.Report(c.Request().Context(), q.window(rowsEach))
	if err != nil {
		return err
	}
	view.Table = table{Label: "reports.settlements.days", Empty: "reports.settlements.empty", Columns: []column{
		{Key: "reports.col.business-day", Sort: "day"}, {Key: "reports.col.settlements", Num: true}, {Key: "reports.col.sales", Num: true, Sort: "sales"},
		{Key: "reports.col.cancelled", Num: true}, {Key: "reports.col.net", Num: true}, {Key: "reports.col.payout-day"}, {Key: "reports.col.states"}, {Key: "reports.col.closed"},
	}}
	var keys []string
	for _, day := range days {
		address := "/office/settlements?from=" + day.Day.Day.String()
		keys = append(keys, day.Day.Day.String())
		var states []string
		for _, sum := range day.States {
			states = append(states, r.t("reports.settlement-state."+string(sum.State))+" "+strconv.Itoa(sum.Count))
		}
		view.Table.Rows = append(view.Table.Rows, row{URL: address, Cells: []cell{
			to(day.Day.Day.Long(r.lang), address), r.count(int64(day.Settlements)), r.sum(day.Sales), r.sum(day.Cancellations), r.sum(day.Net),
			r.day(day.PayoutDay), text(strings.Join(states, " · ")), moment(day.ClosedAt),
		}})
	}
	view.Table, view.Pager = q.sorted(view.Table), q.page(keys, before, after)
	return nil
}

func (p *Pages) ofDay(c echo.Context, q query, view *listView) error {
	list, before, after, err := p.service.settlementsOf(c.Request().Context(), q, rowsEach)
	if err != nil {
		return err
	}
	t, err := p.settlementTable(c, list)
	view.Table = q.sorted(t)
	view.Pager = q.page(keysOf(list, func(s settlement.Settlement) string { return s.ID.String() }), before, after)
	return err
}

func (s *Service) settlementsOf(ctx context.Context, q query, limit int) ([]settlement.Settlement, bool, bool, error) {
	return s.Settlement.ReportEach(ctx, settlement.ReportFilter{Day: q.From, State: settlement.State(q.State), Window: q.window(limit)})
}

// SettlementsCSV downloads settlements, of all days or as a search finds them:
// GET /office/settlements.csv.
func (p *Pages) SettlementsCSV(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	q, err := readSettlementQuery(c)
	if err != nil {
		return err
	}
	q = q.whole()
	list, _, more, err := p.service.settlementsOf(ctx, q, web.SheetMost)
	if err != nil {
		return err
	}
	shops := make([]uuid.UUID, len(list))
	for i, each := range list {
		shops[i] = each.MerchantID
	}
	names, err := p.service.Merchants.Names(ctx, shops)
	if err != nil {
		return err
	}
	s := web.NewSheet(r.words, r.lang, "reports.col.", "id", "business-day", "merchant", "count", "sales", "cancelled", "carried", "net", "payout-day", "state")
	for _, each := range list {
		s.Row(
			each.ID.String(), each.Day.String(), names[each.MerchantID], each.Payments, each.Sales, each.Cancellations,
			each.Carried, each.Net, each.PayoutDay.String(), r.t("reports.settlement-state."+string(each.State)),
		)
	}
	return p.download(c, q, "settlements", s, more)
}

func (p *Pages) settlementTable(c echo.Context, list []settlement.Settlement) (table, error) {
	r := p.reader(c)
	t := table{Label: "reports.settlements.title", Empty: "reports.settlements.none", Columns: []column{
		{Key: "reports.col.business-day", Sort: "day"}, {Key: "reports.col.merchant"}, {Key: "reports.col.count", Num: true},
		{Key: "reports.col.sales", Num: true, Sort: "sales"}, {Key: "reports.col.cancelled", Num: true}, {Key: "reports.col.net", Num: true, Sort: "net"}, {Key: "reports.col.payout-day"}, {Key: "reports.col.state"},
	}}
	shops := make([]uuid.UUID, len(list))
	for i, s := range list {
		shops[i] = s.MerchantID
	}
	names, err := p.service.Merchants.Names(c.Request().Context(), shops)
	for _, s := range list {
		address := "/office/settlements/" + s.ID.String()
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			to(s.Day.Long(r.lang), address), text(names[s.MerchantID]), r.count(s.Payments), r.sum(s.Sales), r.sum(s.Cancellations), r.sum(s.Net),
			r.day(s.PayoutDay), {Badge: r.settlementBadge(s.State)},
		}})
	}
	return t, err
}

func (r reader) settlementBadge(state settlement.State) badge {
	kind := map[settlement.State]string{
		settlement.Closed: "info", settlement.Carried: "info", settlement.Sent: "warning", settlement.Paid: "success", settlement.Returned: "danger",
	}[state]
	return badge{kind, r.t("reports.settlement-state." + string(state))}
}

func (r reader) settlementEvents(s settlement.Settlement) []event {
	events := []event{{
		At: s.CreatedAt, Title: r.t("reports.event.settled"), Kind: "done", URL: "/office/settlements/" + s.ID.String(),
		Text: r.t("reports.event.settled.text", "net", r.won(s.Net), "day", s.PayoutDay.Long(r.lang)),
	}}
	if s.SentAt != nil {
		events = append(events, event{At: *s.SentAt, Title: r.t("reports.event.sent"), Kind: "done"})
	}
	if s.PaidAt != nil {
		events = append(events, event{At: *s.PaidAt, Title: r.t("reports.event.paid"), Kind: "done"})
	}
	if s.State == settlement.Returned {
		events = append(events, event{Title: r.t("reports.event.returned"), Text: r.or("banking.reason."+s.Reason, s.Reason), Kind: "danger"})
	}
	return events
}

// Settlement shows what one shop is owed for one day: GET /office/settlements/{id}.
func (p *Pages) Settlement(c echo.Context) error {
	view, err := p.settlement(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return objectPage.Show(c, p.pages, view)
}

func (p *Pages) settlement(c echo.Context, form *web.Form) (view objectView, err error) {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return view, err
	}
	s, err := p.service.Settlement.Get(ctx, id)
	if err != nil {
		return view, err
	}
	names, err := p.service.Merchants.Names(ctx, []uuid.UUID{s.MerchantID})
	if err != nil {
		return view, err
	}
	view = objectView{
		Title: "reports.settlement.title", Heading: names[s.MerchantID] + " · " + s.Day.Long(r.lang), Form: form,
		Back: link{r.t("reports.settlements.title"), "/office/settlements"}, Badge: r.settlementBadge(s.State),
		Facts: []fact{
			{Key: "reports.col.id", Text: s.ID.String(), ID: true},
			{Key: "reports.col.merchant", Text: names[s.MerchantID], URL: "/office/merchants/" + s.MerchantID.String()},
			{Key: "reports.col.count", Text: r.count(s.Payments).Text},
			{Key: "reports.col.sales", Text: r.won(s.Sales)},
			{Key: "reports.col.cancelled", Text: r.won(s.Cancellations)},
			{Key: "reports.col.carried", Text: r.won(s.Carried)},
			{Key: "reports.col.net", Text: r.won(s.Net)},
			{Key: "reports.col.payout-day", Text: s.PayoutDay.Long(r.lang)},
			{Key: "reports.col.account", Text: s.AccountID.String(), URL: accountURL(s.AccountID), ID: true},
		},
		Events: r.settlementEvents(s), Raw: raw(s),
	}
	if s.BankCode != "" {
		view.Facts = append(view.Facts, fact{Key: "reports.col.payout-account", Text: banking.BankName(s.BankCode) + " " + s.NumberMasked})
	}
	var entries []uuid.UUID
	if s.TransferID != nil {
		entries, err = p.service.Ledger.Answering(ctx, *s.TransferID)
		if err != nil {
			return view, err
		}
		entries = append([]uuid.UUID{*s.TransferID}, entries...)
	}
	booked, err := p.entryTable(c, entries)
	if err != nil {
		return view, err
	}
	changes, err := p.changes(c, audit.Filter{Object: "settlement", ObjectID: id.String(), Limit: rowsEach})
	if err != nil {
		return view, err
	}
	view.Tables = []table{booked, changes}
	if s.State == settlement.Returned && may(c, "settlement.close") {
		view.Actions = []action{{
			Title: "reports.retry.title", Text: "reports.retry.text", Button: "reports.retry.button", Confirm: "reports.retry.confirm", Reason: true,
			URL: "/office/settlements/" + id.String() + "/retry",
		}}
	}
	return view, nil
}

// CloseDays closes every day that is not closed yet up to one:
// POST /office/settlements/close. The day that is going on can be closed early.
func (p *Pages) CloseDays(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	form.Checked("confirm")
	day, problem := calendar.ParseDay(form.Value("day"))
	err = form.Err()
	if problem != nil {
		err = fault.On("day", fault.WrongFormat)
	}
	if err == nil {
		_, err = p.service.Settlement.CloseDay(c.Request().Context(), day)
	}
	if err != nil {
		return p.refuseSettlements(c, form, err)
	}
	return web.Redirect(c, "/office/settlements?done=closed&day="+day.String())
}

func (p *Pages) refuseSettlements(c echo.Context, form *web.Form, cause error) error {
	view, err := p.settlements(c, form)
	if err != nil {
		return err
	}
	return listPage.Refuse(c, p.pages, form, cause, view)
}

// ProposePayOut asks for settlements to be paid now; somebody else approves it:
// POST /office/settlements/pay-out.
func (p *Pages) ProposePayOut(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	form.Checked("confirm")
	which := settlement.Due
	if form.Choice("choice", "due", "all") == "all" {
		which = settlement.All
	}
	reason := form.Text("reason", reasonMost)
	err = form.Err()
	var proposal approvals.Proposal
	if err == nil {
		proposal, err = p.service.Settlement.ProposePayOut(c.Request().Context(), which, reason)
	}
	if err != nil {
		return p.refuseSettlements(c, form, err)
	}
	return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
}

// ProposeRetry asks for what came back to be paid again:
// POST /office/settlements/{id}/retry.
func (p *Pages) ProposeRetry(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	form.Checked("confirm")
	reason := form.Text("reason", reasonMost)
	if err := form.Err(); err != nil {
		return p.refuseSettlement(c, form, err)
	}
	proposal, err := p.service.Settlement.ProposeRetry(c.Request().Context(), id, reason)
	if err != nil {
		return p.refuseSettlement(c, form, err)
	}
	return web.Redirect(c, "/office/approvals/"+proposal.ID.String())
}

func (p *Pages) refuseSettlement(c echo.Context, form *web.Form, cause error) error {
	view, err := p.settlement(c, form)
	if err != nil {
		return err
	}
	return objectPage.Refuse(c, p.pages, form, cause, view)
}
