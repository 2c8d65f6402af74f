package reports

import (
	"context"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/web"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/settlement"
)

var approvalForm = regexp.MustCompile(`^[0-9a-f]{8}$`)

var paymentStates = []string{string(payments.Captured), string(payments.PartiallyCancelled), string(payments.Cancelled)}

var paymentListing = listing{path: "/office/payments", states: paymentStates, sorts: []string{"-at", "amount"}}

// Payments lists payments: GET /office/payments.
func (p *Pages) Payments(c echo.Context) error {
	r := p.reader(c)
	q, err := readQuery(c, paymentListing)
	if err != nil {
		return err
	}
	q = q.bounded(p.today())
	list, before, after, err := p.service.payments(c.Request().Context(), q, rowsEach)
	if err != nil {
		return err
	}
	keys := keysOf(list, func(pay payments.Payment) string { return pay.ID.String() })
	return listPage.Show(c, p.pages, listView{
		Title: "reports.payments.title", Lead: "reports.payments.lead", Sort: q.form.Value("sort"),
		Filters: q.filters("reports.payments.search", r.states("reports.payment-state.", q.State, paymentStates)),
		Table:   q.sorted(r.paymentTable(list)), Pager: q.page(keys, before, after),
		Downloads: q.downloads(r),
	})
}

func (p *Pages) today() calendar.Day { return calendar.DayOf(p.service.Now()) }

// filters are the fields of a list with a search, a time and states.
func (q query) filters(search string, states []option) []filter {
	return []filter{
		{Name: "q", Label: search, Kind: "search", Value: q.Text},
		{Name: "from", Label: "reports.filter.from", Kind: "date", Value: q.From.String()},
		{Name: "to", Label: "reports.filter.to", Kind: "date", Value: q.To.String()},
		{Name: "state", Label: "reports.filter.state", Kind: "select", Options: states},
	}
}

func (q query) downloads(r reader) []link {
	return []link{{r.t("reports.download.csv"), q.with(q.path + ".csv")}}
}

// states are the options of a select, with one for all.
func (r reader) states(prefix, value string, states []string) []option {
	options := []option{{Text: r.t("reports.filter.all")}}
	for _, state := range states {
		options = append(options, option{Value: state, Text: r.t(prefix + state)})
	}
	return chosen(value, options...)
}

// payments finds what a search asks for: an approval number, an id, or shops
// by a part of their name.
func (s *Service) payments(ctx context.Context, q query, limit int) (list []payments.Payment, before, after bool, err error) {
	f := payments.ReportFilter{From: q.From, To: q.To, State: payments.State(q.State), Window: q.window(limit)}
	sought := strings.ToLower(q.Text)
	if id, err := uuid.Parse(sought); err == nil && len(sought) == 36 {
		found, err := s.Payments.Get(ctx, id)
		if isUnknown(err) {
			return nil, false, false, nil
		}
		return []payments.Payment{found}, false, false, err
	}
	switch {
	case sought == "":
	case approvalForm.MatchString(sought):
		f.Approval = sought
	default:
		shops, _, err := s.Merchants.Search(ctx, merchants.Filter{Query: q.Text, Limit: 100})
		if err != nil || len(shops) == 0 {
			return nil, false, false, err
		}
		for _, shop := range shops {
			f.Merchants = append(f.Merchants, shop.ID)
		}
	}
	return s.Payments.Report(ctx, f)
}

func (r reader) paymentTable(list []payments.Payment) table {
	t := table{Label: "reports.payments.title", Empty: "reports.payments.empty", Columns: []column{
		{Key: "reports.col.approval"}, {Key: "reports.col.at", Sort: "at"}, {Key: "reports.col.merchant"}, {Key: "reports.col.method"},
		{Key: "reports.col.amount", Num: true, Sort: "amount"}, {Key: "reports.col.cancelled", Num: true}, {Key: "reports.col.state"},
	}}
	for _, pay := range list {
		address := "/office/payments/" + pay.ID.String()
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			{Text: pay.ApprovalNumber(), URL: address, ID: true}, moment(pay.At), text(pay.MerchantName),
			text(r.t("reports.method." + string(pay.Method))), r.sum(pay.Amount), r.sum(pay.CancelledAmount), {Badge: r.paymentBadge(pay)},
		}})
	}
	return t
}

func (r reader) paymentBadge(pay payments.Payment) badge {
	kind := map[payments.State]string{payments.Captured: "success", payments.PartiallyCancelled: "warning", payments.Cancelled: "info"}[pay.State()]
	return badge{kind, r.t("reports.payment-state." + string(pay.State()))}
}

// Payment shows one payment with its entries and who looked: GET /office/payments/{id}.
func (p *Pages) Payment(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return err
	}
	pay, err := p.service.Payments.Get(ctx, id)
	if err != nil {
		return err
	}
	cancellations, err := p.service.Payments.Cancellations(ctx, id)
	if err != nil {
		return err
	}
	programme, err := p.service.Vouchers.Programme(ctx, pay.ProgrammeID)
	if err != nil && !isUnknown(err) {
		return err
	}
	names, err := p.service.Citizens.Names(ctx, []uuid.UUID{pay.CitizenID})
	if err != nil {
		return err
	}
	view := objectView{
		Title: "reports.payment.title", Heading: r.won(pay.Amount) + " · " + pay.MerchantName,
		Back: link{r.t("reports.payments.title"), "/office/payments"}, Badge: r.paymentBadge(pay),
		Facts: []fact{
			{Key: "reports.col.approval", Text: pay.ApprovalNumber(), ID: true},
			{Key: "reports.col.id", Text: pay.ID.String(), ID: true},
			{Key: "reports.col.at", Text: r.at(pay.At)},
			{Key: "reports.col.business-day", Text: pay.Day.Long(r.lang)},
			{Key: "reports.col.merchant", Text: pay.MerchantName, URL: "/office/merchants/" + pay.MerchantID.String()},
			{Key: "reports.col.citizen", Text: names[pay.CitizenID], URL: "/office/citizens/" + pay.CitizenID.String()},
			{Key: "reports.col.wallet", Text: pay.WalletID.String(), URL: accountURL(pay.WalletID), ID: true},
			{Key: "reports.col.programme", Text: programme.NameIn(r.lang), URL: "/office/programmes/" + pay.ProgrammeID.String()},
			{Key: "reports.col.policy", Text: r.t("reports.policy.version", "version", pay.PolicyVersion)},
			{Key: "reports.col.method", Text: r.t("reports.method." + string(pay.Method))},
			{Key: "reports.col.amount", Text: r.won(pay.Amount)},
			{Key: "reports.col.cancelled", Text: r.won(pay.CancelledAmount)},
			{Key: "reports.col.left", Text: r.won(pay.Left())},
			{Key: "reports.col.balance-after", Text: r.won(pay.BalanceAfter)},
		},
		Events: []event{{At: pay.At, Title: r.t("reports.event.captured"), Text: r.won(pay.Amount), Kind: "done"}},
		Raw: raw(struct {
			Payment       payments.Payment
			Cancellations []payments.Cancellation
		}{pay, cancellations}),
	}
	entries := []uuid.UUID{pay.ID}
	for _, cancelled := range cancellations {
		entries = append(entries, cancelled.ID)
		view.Events = append(view.Events, event{
			At: cancelled.At, Title: r.t("reports.event.cancelled"), Kind: "danger",
			Text: r.t("reports.event.cancelled.by", "amount", r.won(cancelled.Amount), "who", r.t("reports.who."+cancelled.ByKind)),
		})
	}
	if view.Events, err = p.settledEvents(c, view.Events, pay); err != nil {
		return err
	}
	booked, err := p.entryTable(c, entries)
	if err != nil {
		return err
	}
	looks, err := p.looks(c, pay.CitizenID)
	if err != nil {
		return err
	}
	changes, err := p.changes(c, audit.Filter{Object: "payment", ObjectID: id.String(), Limit: rowsEach})
	if err != nil {
		return err
	}
	view.Tables = []table{booked, looks, changes}
	return objectPage.Show(c, p.pages, view)
}

// settledEvents adds what became of the day that a payment fell on.
func (p *Pages) settledEvents(c echo.Context, events []event, pay payments.Payment) ([]event, error) {
	r := p.reader(c)
	list, _, err := p.service.Settlement.List(c.Request().Context(), settlement.Filter{Merchant: pay.MerchantID, Day: pay.Day, Limit: 1})
	if err != nil || len(list) == 0 {
		return events, err
	}
	return append(events, r.settlementEvents(list[0])...), nil
}

// entryTable lists entries of the ledger with their transfers.
func (p *Pages) entryTable(c echo.Context, ids []uuid.UUID) (table, error) {
	r, ctx := p.reader(c), c.Request().Context()
	t := table{Label: "reports.entries.title", Empty: "reports.entries.empty", Columns: []column{
		{Key: "reports.col.entry"}, {Key: "reports.col.at"}, {Key: "reports.col.kind"}, {Key: "reports.col.from"}, {Key: "reports.col.to"},
		{Key: "reports.col.amount", Num: true},
	}}
	var entries []ledger.Recorded
	var accounts []uuid.UUID
	for _, id := range ids {
		e, err := p.service.Ledger.Entry(ctx, id)
		if err != nil {
			return t, err
		}
		entries = append(entries, e)
		for _, moved := range e.Transfers {
			accounts = append(accounts, moved.Debit, moved.Credit)
		}
	}
	names, err := p.accountNames(c, accounts)
	for _, e := range entries {
		for _, moved := range e.Transfers {
			address := "/office/ledger/entries/" + e.ID.String()
			t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
				idCell(e.ID, address), moment(e.At), text(r.t("reports.entry-kind." + string(e.Kind))),
				to(names[moved.Debit], accountURL(moved.Debit)), to(names[moved.Credit], accountURL(moved.Credit)), r.sum(moved.Amount),
			}})
		}
	}
	return t, err
}

// PaymentsCSV downloads what a search finds: GET /office/payments.csv.
func (p *Pages) PaymentsCSV(c echo.Context) error {
	q, err := readQuery(c, paymentListing)
	if err != nil {
		return err
	}
	q = q.bounded(p.today()).whole()
	list, _, more, err := p.service.payments(c.Request().Context(), q, web.SheetMost)
	if err != nil {
		return err
	}
	return p.download(c, q, "payments", p.reader(c).paymentSheet(list), more)
}

func (r reader) paymentSheet(list []payments.Payment) *web.Sheet {
	s := web.NewSheet(r.words, r.lang, "reports.col.", "id", "approval", "at", "business-day", "merchant", "wallet", "method", "amount", "cancelled", "left", "state")
	for _, pay := range list {
		s.Row(
			pay.ID.String(), pay.ApprovalNumber(), r.at(pay.At), pay.Day.String(), pay.MerchantName, pay.WalletID.String(),
			r.t("reports.method."+string(pay.Method)), pay.Amount, pay.CancelledAmount, pay.Left(),
			r.t("reports.payment-state."+string(pay.State())),
		)
	}
	return s
}
