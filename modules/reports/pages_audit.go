package reports

import (
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/web"
	"jangteo/modules/vouchers"
)

// looks lists who saw somebody's personal data in the clear.
func (p *Pages) looks(c echo.Context, subject uuid.UUID) (table, error) {
	list, err := p.service.Audit.Looks(c.Request().Context(), audit.Filter{Subject: subject, Limit: rowsEach})
	return p.reader(c).lookTable(list, false), err
}

func (r reader) lookTable(list []audit.Look, whose bool) table {
	t := table{Label: "reports.looks.title", Empty: "reports.looks.empty", Columns: []column{
		{Key: "reports.col.at", Sort: "at"}, {Key: "reports.col.who"},
	}}
	if whose {
		t.Columns = append(t.Columns, column{Key: "reports.col.whose"})
	}
	t.Columns = append(t.Columns, column{Key: "reports.col.did"}, column{Key: "reports.col.reason"}, column{Key: "reports.col.address"})
	for _, look := range list {
		cells := []cell{moment(look.At), text(look.ActorName)}
		if whose {
			cells = append(cells, r.subject(look))
		}
		t.Rows = append(t.Rows, row{Cells: append(cells, text(r.or("reports.did."+look.Did, look.Did)), text(look.Reason), cell{Text: look.Address, ID: true})})
	}
	return t
}

func (r reader) subject(look audit.Look) cell {
	words := r.or("reports.object."+look.Subject, look.Subject)
	switch look.Subject {
	case "citizen":
		return to(words, "/office/citizens/"+look.SubjectID.String())
	case "merchant":
		return to(words, "/office/merchants/"+look.SubjectID.String())
	}
	return text(words)
}

// changes lists what was done to an object.
func (p *Pages) changes(c echo.Context, f audit.Filter) (table, error) {
	list, err := p.service.Audit.Changes(c.Request().Context(), f)
	t := p.reader(c).changeTable(list, may(c, "audit.read"))
	t.Empty = "reports.changes.none"
	return t, err
}

func (p *Pages) programmeChanges(c echo.Context, programme vouchers.Programme) (table, error) {
	return p.changes(c, audit.Filter{Object: "programme", ObjectID: programme.ID.String(), Limit: rowsEach})
}

// changeTable leads to each change where the reader may open it.
func (r reader) changeTable(list []audit.Record, opens bool) table {
	t := table{Label: "reports.changes.title", Empty: "reports.changes.empty", Columns: []column{
		{Key: "reports.col.at", Sort: "at"}, {Key: "reports.col.who"}, {Key: "reports.col.action"}, {Key: "reports.col.object"}, {Key: "reports.col.reason"}, {Key: "reports.col.content"},
	}}
	for _, change := range list {
		address := ""
		if opens {
			address = "/office/audit/" + change.ID.String()
		}
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			{At: change.At, URL: address}, text(r.actor(change)), text(r.or("reports.action."+change.Action, change.Action)),
			to(r.object(change), objectURL(change)), text(change.Reason), {Text: content(change), ID: true},
		}})
	}
	return t
}

// actor names who did something.
func (r reader) actor(change audit.Record) string {
	if change.ActorKind == auth.System {
		return r.t("reports.who.system")
	}
	return change.ActorName
}

func (r reader) object(change audit.Record) string {
	return r.or("reports.object."+change.Object, change.Object) + " " + change.ObjectID
}

func objectURL(change audit.Record) string {
	if path, known := objectPaths[change.Object]; known {
		return path + change.ObjectID
	}
	return ""
}

// content is what an object became, as it is kept.
func content(change audit.Record) string {
	if string(change.After) == "null" {
		return ""
	}
	return string(change.After)
}

var objectPaths = map[string]string{
	"merchant": "/office/merchants/", "citizen": "/office/citizens/", "programme": "/office/programmes/",
	"payment": "/office/payments/", "settlement": "/office/settlements/", "approval": "/office/approvals/",
}

// auditObjects are what the audit log can be narrowed to.
var auditObjects = []string{
	"staff", "clerk", "merchant", "citizen", "programme", "business-day", "payouts", "settlement", "approval", "tenant",
	"payments", "purchases", "merchants", "settlements", "audit", "access",
}

var (
	auditListing  = listing{path: "/office/audit", states: auditObjects, sorts: []string{"-at"}}
	accessListing = listing{path: "/office/access", sorts: []string{"-at"}}
)

// Audit lists who changed what: GET /office/audit.
func (p *Pages) Audit(c echo.Context) error {
	q, list, before, after, err := p.audit(c, rowsEach)
	if err != nil {
		return err
	}
	r := p.reader(c)
	keys := keysOf(list, func(change audit.Record) string { return change.ID.String() })
	filters := q.filters("reports.audit.search", r.states("reports.object.", q.State, auditObjects))
	filters[3].Label = "reports.audit.object"
	return listPage.Show(c, p.pages, listView{
		Title: "reports.audit.title", Lead: "reports.audit.lead", Sort: q.form.Value("sort"), Filters: filters,
		Table: q.sorted(r.changeTable(list, true)), Pager: q.page(keys, before, after), Downloads: q.downloads(r),
	})
}

func (p *Pages) audit(c echo.Context, limit int) (q query, list []audit.Record, before, after bool, err error) {
	if q, err = readQuery(c, auditListing); err != nil {
		return q, nil, false, false, err
	}
	if limit > rowsEach {
		q = q.whole()
	}
	f := audit.Filter{Object: q.State, Text: q.Text, Actions: p.reader(c).actionsOf(q.Text)}
	f.From, f.To = q.times()
	list, before, after, err = p.service.Audit.ReportChanges(c.Request().Context(), f, q.window(limit))
	return q, list, before, after, err
}

// actions are those that the audit log tells of in words.
var actions = []string{
	"business-day.closed", "citizen.locked", "citizen.unlocked", "clerk.added",
	"merchant.applied", "merchant.approved", "merchant.suspended", "merchant.closed", "payout.retried",
	"approval.proposed", "approval.approved", "approval.rejected", "approval.withdrawn", "approval.done", "approval.failed",
	"policy.added", "programme.opened", "programme.closed", "subsidy.funded", "tenant.configured",
	"staff.registered", "staff.role-changed", "staff.suspended", "staff.resumed", "staff.factors-reset", "access.reviewed",
	"staff.signed-in", "staff.signed-out", "staff.sign-in-held-back", "staff.password-changed", "staff.passkey-added", "staff.passkey-removed", "staff.code-app-added", "staff.code-app-removed", "staff.recovery-codes-made", "staff.recovery-code-used", "staff.second-factor-rule-set",
	"clerk.signed-in", "clerk.signed-out", "clerk.sign-in-held-back", "clerk.password-changed", "clerk.passkey-added", "clerk.passkey-removed", "clerk.code-app-added", "clerk.code-app-removed", "clerk.recovery-codes-made", "clerk.recovery-code-used", "clerk.second-factor-rule-set",
	"payments.exported", "purchases.exported", "merchants.exported", "settlements.exported", "audit.exported", "access.exported",
}

// actionsOf finds the actions whose words hold a text.
func (r reader) actionsOf(part string) (found []string) {
	for _, action := range actions {
		if part != "" && strings.Contains(strings.ToLower(r.t("reports.action."+action)), strings.ToLower(part)) {
			found = append(found, action)
		}
	}
	return found
}

// AuditCSV downloads what a search finds: GET /office/audit.csv.
func (p *Pages) AuditCSV(c echo.Context) error {
	q, list, _, more, err := p.audit(c, web.SheetMost)
	if err != nil {
		return err
	}
	r := p.reader(c)
	s := web.NewSheet(r.words, r.lang, "reports.col.", "id", "at", "who", "action", "object", "number", "reason", "content", "address", "request")
	for _, change := range list {
		s.Row(
			change.ID.String(), r.at(change.At), r.actor(change), r.or("reports.action."+change.Action, change.Action),
			r.or("reports.object."+change.Object, change.Object), change.ObjectID, change.Reason, content(change), change.Address, change.RequestID,
		)
	}
	return p.download(c, q, "audit", s, more)
}

// Change shows one row of the audit log: GET /office/audit/{id}.
func (p *Pages) Change(c echo.Context) error {
	r := p.reader(c)
	id, err := pathID(c)
	if err != nil {
		return err
	}
	change, err := p.service.Audit.Change(c.Request().Context(), id)
	if err != nil {
		return err
	}
	others, err := p.changes(c, audit.Filter{Object: change.Object, ObjectID: change.ObjectID, Limit: rowsEach})
	if err != nil {
		return err
	}
	others.Label = "reports.change.others"
	action := r.or("reports.action."+change.Action, change.Action)
	view := objectView{
		Title: "reports.change.title", Heading: action, Back: link{r.t("reports.audit.title"), "/office/audit"},
		Facts: []fact{
			{Key: "reports.col.id", Text: change.ID.String(), ID: true},
			{Key: "reports.col.at", Text: r.at(change.At)},
			{Key: "reports.col.who", Text: r.actor(change)},
			{Key: "reports.col.object", Text: r.object(change), URL: objectURL(change), ID: true},
		},
		Events: []event{{At: change.At, Title: action, Text: r.actor(change), Kind: "done"}},
		Tables: []table{others}, Raw: raw(change),
	}
	for _, more := range []fact{
		{Key: "reports.col.reason", Text: change.Reason},
		{Key: "reports.col.address", Text: change.Address, ID: true},
		{Key: "reports.col.request", Text: change.RequestID, ID: true},
	} {
		if more.Text != "" {
			view.Facts = append(view.Facts, more)
		}
	}
	return objectPage.Show(c, p.pages, view)
}

// Access lists who saw whose personal data: GET /office/access.
func (p *Pages) Access(c echo.Context) error {
	q, list, before, after, err := p.access(c, rowsEach)
	if err != nil {
		return err
	}
	r := p.reader(c)
	keys := keysOf(list, func(look audit.Look) string { return look.ID.String() })
	return listPage.Show(c, p.pages, listView{
		Title: "reports.access.title", Lead: "reports.access.lead", Sort: q.form.Value("sort"),
		Filters: q.filters("reports.access.search", nil)[:3],
		Table:   q.sorted(r.lookTable(list, true)), Pager: q.page(keys, before, after), Downloads: q.downloads(r),
	})
}

// access finds looks by whose data it was, or by who looked or why.
func (p *Pages) access(c echo.Context, limit int) (q query, list []audit.Look, before, after bool, err error) {
	if q, err = readQuery(c, accessListing); err != nil {
		return q, nil, false, false, err
	}
	if limit > rowsEach {
		q = q.whole()
	}
	f := audit.Filter{Text: q.Text}
	f.From, f.To = q.times()
	if id, err := uuid.Parse(q.Text); err == nil {
		f.Subject, f.Text = id, ""
	}
	list, before, after, err = p.service.Audit.ReportLooks(c.Request().Context(), f, q.window(limit))
	return q, list, before, after, err
}

// AccessCSV downloads what a search finds: GET /office/access.csv.
func (p *Pages) AccessCSV(c echo.Context) error {
	q, list, _, more, err := p.access(c, web.SheetMost)
	if err != nil {
		return err
	}
	r := p.reader(c)
	s := web.NewSheet(r.words, r.lang, "reports.col.", "id", "at", "who", "whose", "number", "did", "reason", "address", "request")
	for _, look := range list {
		s.Row(
			look.ID.String(), r.at(look.At), look.ActorName, r.or("reports.object."+look.Subject, look.Subject), look.SubjectID.String(),
			r.or("reports.did."+look.Did, look.Did), look.Reason, look.Address, look.RequestID,
		)
	}
	return p.download(c, q, "access", s, more)
}
