package reports

import (
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/modules/vouchers"
)

// looks lists who saw somebody's personal data in the clear.
func (p *Pages) looks(c echo.Context, subject uuid.UUID) (table, error) {
	list, err := p.service.Audit.Looks(c.Request().Context(), audit.Filter{Subject: subject, Limit: rowsEach})
	return p.reader(c).lookTable(list, false), err
}

func (r reader) lookTable(list []audit.Look, whose bool) table {
	t := table{Label: "reports.looks.title", Empty: "reports.looks.empty", Columns: []column{
		{Key: "reports.col.at"}, {Key: "reports.col.who"},
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
	t := p.reader(c).changeTable(list)
	t.Empty = "reports.changes.none"
	return t, err
}

func (p *Pages) programmeChanges(c echo.Context, programme vouchers.Programme) (table, error) {
	return p.changes(c, audit.Filter{Object: "programme", ObjectID: programme.ID.String(), Limit: rowsEach})
}

func (r reader) changeTable(list []audit.Record) table {
	t := table{Label: "reports.changes.title", Empty: "reports.changes.empty", Columns: []column{
		{Key: "reports.col.at"}, {Key: "reports.col.who"}, {Key: "reports.col.action"}, {Key: "reports.col.object"}, {Key: "reports.col.reason"}, {Key: "reports.col.content"},
	}}
	for _, change := range list {
		object := cell{Text: r.or("reports.object."+change.Object, change.Object) + " " + change.ObjectID}
		if path, known := objectPaths[change.Object]; known {
			object.URL = path + change.ObjectID
		}
		content := string(change.After)
		if content == "null" {
			content = ""
		}
		who := change.ActorName
		if change.ActorKind == "system" {
			who = r.t("reports.who.system")
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			moment(change.At), text(who), text(r.or("reports.action."+change.Action, change.Action)),
			object, text(change.Reason), {Text: content, ID: true},
		}})
	}
	return t
}

var objectPaths = map[string]string{
	"merchant": "/office/merchants/", "citizen": "/office/citizens/", "programme": "/office/programmes/",
	"payment": "/office/payments/", "settlement": "/office/settlements/",
}

// auditObjects are what the audit log can be narrowed to.
var auditObjects = []string{"staff", "merchant", "citizen", "programme", "business-day", "payments", "payouts"}

// Audit lists who changed what: GET /office/audit.
func (p *Pages) Audit(c echo.Context) error {
	r := p.reader(c)
	q, err := readQuery(c, auditObjects...)
	if err != nil {
		return err
	}
	list, err := p.service.Audit.Changes(c.Request().Context(), audit.Filter{Object: q.State, ObjectID: q.Text, Before: q.Before, Limit: rowsEach + 1})
	if err != nil {
		return err
	}
	more := len(list) > rowsEach
	list = list[:min(len(list), rowsEach)]
	view := listView{
		Title: "reports.audit.title", Lead: "reports.audit.lead", Table: r.changeTable(list),
		Filters: []filter{
			{Name: "q", Label: "reports.audit.search", Kind: "search", Value: q.Text},
			{Name: "state", Label: "reports.audit.object", Kind: "select", Options: r.states("reports.object.", q.State, auditObjects)},
		},
	}
	if len(list) > 0 {
		view.Pager = q.page("/office/audit", len(list), more, list[len(list)-1].ID)
	}
	return listPage.Show(c, p.pages, view)
}

// Access lists who saw whose personal data: GET /office/access.
func (p *Pages) Access(c echo.Context) error {
	r := p.reader(c)
	q, err := readQuery(c)
	if err != nil {
		return err
	}
	f := audit.Filter{Before: q.Before, Limit: rowsEach + 1}
	if q.Text != "" {
		f.Subject = q.form.UUID("q")
		if err := q.form.Err(); err != nil {
			return err
		}
	}
	list, err := p.service.Audit.Looks(c.Request().Context(), f)
	if err != nil {
		return err
	}
	more := len(list) > rowsEach
	list = list[:min(len(list), rowsEach)]
	view := listView{
		Title: "reports.access.title", Lead: "reports.access.lead", Table: r.lookTable(list, true),
		Filters: []filter{{Name: "q", Label: "reports.access.search", Kind: "search", Value: q.Text}},
	}
	if len(list) > 0 {
		view.Pager = q.page("/office/access", len(list), more, list[len(list)-1].ID)
	}
	return listPage.Show(c, p.pages, view)
}
