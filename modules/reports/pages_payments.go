package reports

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/settlement"
)

var approvalForm = regexp.MustCompile(`^[0-9a-f]{8}$`)

var paymentStates = []string{string(payments.Captured), string(payments.PartiallyCancelled), string(payments.Cancelled)}

// Payments lists payments: GET /office/payments.
func (p *Pages) Payments(c echo.Context) error {
	r := p.reader(c)
	q, err := readQuery(c, paymentStates...)
	if err != nil {
		return err
	}
	list, err := p.service.payments(c.Request().Context(), q, rowsEach+1)
	if err != nil {
		return err
	}
	more := len(list) > rowsEach
	list = list[:min(len(list), rowsEach)]
	view := listView{
		Title: "reports.payments.title", Lead: "reports.payments.lead",
		Filters: []filter{
			{Name: "q", Label: "reports.payments.search", Kind: "search", Value: q.Text},
			{Name: "from", Label: "reports.filter.from", Kind: "date", Value: q.From.String()},
			{Name: "to", Label: "reports.filter.to", Kind: "date", Value: q.To.String()},
			{Name: "state", Label: "reports.filter.state", Kind: "select", Options: r.states("reports.payment-state.", q.State, paymentStates)},
		},
		Table: r.paymentTable(list),
		Downloads: []link{
			{r.t("reports.download.csv"), q.with("/office/payments.csv")},
			{r.t("reports.download.xlsx"), q.with("/office/payments.xlsx")},
		},
	}
	if len(list) > 0 {
		view.Pager = q.page("/office/payments", len(list), more, list[len(list)-1].ID)
	}
	return listPage.Show(c, p.pages, view)
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
func (s *Service) payments(ctx context.Context, q query, limit int) ([]payments.Payment, error) {
	f := payments.ReportFilter{From: q.From, To: q.To, State: payments.State(q.State), Before: q.Before, Limit: limit}
	sought := strings.ToLower(q.Text)
	if id, err := uuid.Parse(sought); err == nil && len(sought) == 36 {
		found, err := s.Payments.Get(ctx, id)
		if isUnknown(err) {
			return nil, nil
		}
		return []payments.Payment{found}, err
	}
	switch {
	case sought == "":
	case approvalForm.MatchString(sought):
		f.Approval = sought
	default:
		shops, _, err := s.Merchants.Search(ctx, merchants.Filter{Query: q.Text, Limit: 100})
		if err != nil || len(shops) == 0 {
			return nil, err
		}
		for _, shop := range shops {
			f.Merchants = append(f.Merchants, shop.ID)
		}
	}
	return s.Payments.Report(ctx, f)
}

func (r reader) paymentTable(list []payments.Payment) table {
	t := table{Label: "reports.payments.title", Empty: "reports.payments.empty", Columns: []column{
		{Key: "reports.col.approval"}, {Key: "reports.col.at"}, {Key: "reports.col.merchant"}, {Key: "reports.col.method"},
		{Key: "reports.col.amount", Num: true}, {Key: "reports.col.cancelled", Num: true}, {Key: "reports.col.state"},
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

// ExportCSV downloads what a search finds: GET /office/payments.csv.
func (p *Pages) ExportCSV(c echo.Context) error {
	return p.export(c, "payments.csv", "text/csv; charset=utf-8", writeCSV)
}

// ExportXLSX downloads what a search finds: GET /office/payments.xlsx.
func (p *Pages) ExportXLSX(c echo.Context) error {
	return p.export(c, "payments.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", writeXLSX)
}

func (p *Pages) export(c echo.Context, name, kind string, write func(sheet) ([]byte, error)) error {
	r, ctx := p.reader(c), c.Request().Context()
	q, err := readQuery(c, paymentStates...)
	if err != nil {
		return err
	}
	q.Before = uuid.Nil
	list, err := p.service.payments(ctx, q, exportMost)
	if err != nil {
		return err
	}
	if len(list) == exportMost {
		return ErrTooMuch.With("most", exportMost-1)
	}
	body, err := write(r.paymentSheet(list))
	if err != nil {
		return err
	}
	err = p.service.record(ctx, audit.Change{
		Action: "payments.exported", Object: "payments", ObjectID: name,
		After: exported{q.Text, q.From, q.To, q.State, len(list)},
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="`+calendar.DayOf(p.service.Now()).String()+"-"+name+`"`)
	return c.Blob(http.StatusOK, kind, body)
}

// exported is what the audit log keeps of a download.
type exported struct {
	Query string       `json:"query"`
	From  calendar.Day `json:"from"`
	To    calendar.Day `json:"to"`
	State string       `json:"state"`
	Rows  int          `json:"rows"`
}

func (r reader) paymentSheet(list []payments.Payment) sheet {
	s := sheet{name: r.t("reports.payments.title")}
	for _, key := range []string{"id", "approval", "at", "business-day", "merchant", "wallet", "method", "amount", "cancelled", "left", "state"} {
		s.head = append(s.head, r.t("reports.col."+key))
	}
	for _, pay := range list {
		s.rows = append(s.rows, []any{
			pay.ID.String(), pay.ApprovalNumber(), r.at(pay.At), pay.Day.String(), pay.MerchantName, pay.WalletID.String(),
			r.t("reports.method." + string(pay.Method)), int64(pay.Amount), int64(pay.CancelledAmount), int64(pay.Left()),
			r.t("reports.payment-state." + string(pay.State())),
		})
	}
	return s
}
