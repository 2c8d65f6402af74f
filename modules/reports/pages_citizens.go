package reports

import (
	"slices"

	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/web"
	"jangteo/modules/citizens"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

// Citizens finds people of this municipality: GET /office/citizens. Without a
// search it lists nobody.
func (p *Pages) Citizens(c echo.Context) error {
	q, err := readQuery(c, listing{path: "/office/citizens"})
	if err != nil {
		return err
	}
	view := listView{
		Title: "reports.citizens.title", Lead: "reports.citizens.lead",
		Filters: []filter{{Name: "q", Label: "reports.citizens.search", Kind: "search", Value: q.Text}},
		Table: table{Label: "reports.citizens.title", Empty: "reports.citizens.ask", Columns: []column{
			{Key: "reports.col.name"}, {Key: "reports.col.phone"}, {Key: "reports.col.birth"}, {Key: "reports.col.joined"}, {Key: "reports.col.id"},
		}},
	}
	if q.Text != "" {
		view.Table.Empty = "reports.citizens.empty"
		found, err := p.service.FindCitizens(c.Request().Context(), q.Text)
		if err != nil {
			return err
		}
		for _, citizen := range found {
			address := "/office/citizens/" + citizen.ID.String()
			view.Table.Rows = append(view.Table.Rows, row{URL: address, Cells: []cell{
				to(citizen.NameMasked, address), text(citizen.PhoneMasked), text(citizen.BirthMasked), moment(citizen.JoinedAt), idCell(citizen.ID, ""),
			}})
		}
	}
	return listPage.Show(c, p.pages, view)
}

// Citizen shows one person, masked: GET /office/citizens/{id}.
func (p *Pages) Citizen(c echo.Context) error {
	view, err := p.citizen(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return objectPage.Show(c, p.pages, view)
}

func (p *Pages) citizen(c echo.Context, form *web.Form) (view objectView, err error) {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return view, err
	}
	wallets, err := p.service.WalletsHere(ctx, id)
	if err != nil {
		return view, err
	}
	citizen, err := p.service.Citizens.Get(ctx, id)
	if err != nil {
		return view, err
	}
	view = objectView{
		Title: "reports.citizen.title", Heading: citizen.NameMasked, Form: form,
		Back: link{r.t("reports.citizens.title"), "/office/citizens"}, Badge: r.citizenBadge(citizen),
		Facts: []fact{
			{Key: "reports.col.id", Text: citizen.ID.String(), ID: true},
			{Key: "reports.col.phone", Text: citizen.PhoneMasked},
			{Key: "reports.col.birth", Text: citizen.BirthMasked},
			{Key: "reports.col.joined", Text: r.at(citizen.JoinedAt)},
		},
		Events: []event{{At: citizen.JoinedAt, Title: r.t("reports.col.joined"), Kind: "done"}},
		Raw:    raw(citizen),
	}
	if may(c, "sessions.end") {
		view.Facts = append(view.Facts, fact{Key: "reports.col.devices", Text: r.t("reports.citizen.devices"), URL: "/office/citizens/" + id.String() + "/devices"})
	}
	if citizen.Locked() && citizen.LockCase != nil {
		view.Facts = append(view.Facts, fact{Key: "reports.col.case", Text: *citizen.LockCase, ID: true}, fact{Key: "reports.col.locked", Text: r.at(*citizen.LockedAt)})
	}
	for _, w := range wallets {
		view.Events = append(view.Events, event{At: w.OpenedAt, Title: r.t("reports.event.wallet"), Text: w.Programme.NameIn(r.lang), Kind: "done"})
	}
	if citizen.LockedAt != nil {
		view.Events = append(view.Events, event{At: *citizen.LockedAt, Title: r.t("reports.action.citizen.locked"), Kind: "danger"})
	}
	slices.SortStableFunc(view.Events, func(a, b event) int { return a.At.Compare(b.At) })
	if may(c, "citizens.reveal") {
		view.Reveal = &reveal{URL: "/office/citizens/" + id.String() + "/reveal"}
	}
	held := table{Label: "reports.wallets.title", Columns: []column{{Key: "reports.col.programme"}, {Key: "reports.col.balance", Num: true}}}
	var paid []payments.Payment
	corrects := may(c, "wallets.correct")
	if corrects {
		held.Columns = append(held.Columns, column{Key: "reports.col.correct"})
	}
	held.Columns = append(held.Columns, column{Key: "reports.col.expires"}, column{Key: "reports.col.opened"}, column{Key: "reports.col.wallet"})
	for _, w := range wallets {
		expires := text("")
		if w.ExpiresAt != nil {
			expires = moment(*w.ExpiresAt)
		}
		cells := []cell{text(w.Programme.NameIn(r.lang)), r.sum(w.Balance)}
		if corrects {
			cells = append(cells, to(r.t("reports.citizen.correct"), "/office/citizens/"+id.String()+"/wallets/"+w.ID.String()+"/correct"))
		}
		held.Rows = append(held.Rows, row{URL: accountURL(w.ID), Cells: append(cells, expires, moment(w.OpenedAt), idCell(w.ID, accountURL(w.ID)))})
		list, err := p.service.Payments.LatestOfWallet(ctx, w.ID, 40)
		if err != nil {
			return view, err
		}
		paid = append(paid, list...)
	}
	purchases, err := p.service.Vouchers.Purchases(ctx, vouchers.PurchaseFilter{Citizen: id, Page: vouchers.Page{Limit: 20}})
	if err != nil {
		return view, err
	}
	bought, err := p.purchaseTable(c, purchases)
	if err != nil {
		return view, err
	}
	looks, err := p.looks(c, id)
	if err != nil {
		return view, err
	}
	changes, err := p.changes(c, audit.Filter{Object: "citizen", ObjectID: id.String(), Limit: rowsEach})
	view.Tables = []table{held, r.paymentTable(paid), bought, looks, changes}
	return view, err
}

func (r reader) citizenBadge(citizen citizens.Citizen) badge {
	if citizen.Locked() {
		return badge{"warning", r.t("reports.citizen.locked")}
	}
	return badge{"success", r.t("reports.citizen.open")}
}

// RevealCitizen shows who somebody is, for a reason: POST /office/citizens/{id}/reveal.
func (p *Pages) RevealCitizen(c echo.Context) error {
	form, reason, err := readReason(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	var shown citizens.Personal
	if err = form.Err(); err == nil {
		shown, err = p.service.Reveal(c.Request().Context(), id, reason)
	}
	view, failed := p.citizen(c, form)
	if failed != nil {
		return failed
	}
	if err != nil {
		return objectPage.Refuse(c, p.pages, form, err, view)
	}
	view.Reveal.Facts = []fact{
		{Key: "reports.col.name", Text: shown.Name}, {Key: "reports.col.phone", Text: shown.Phone}, {Key: "reports.col.birth", Text: shown.BirthDate.String()},
	}
	return objectPage.Show(c, p.pages, view)
}
