package reports

import (
	"context"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/web"
	"jangteo/modules/ledger"
)

func accountURL(id uuid.UUID) string { return "/office/ledger/accounts/" + id.String() }

// accountNames says whose accounts they are, masked where they are people's.
func (p *Pages) accountNames(c echo.Context, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	r, ctx := p.reader(c), c.Request().Context()
	accounts, err := p.service.Ledger.Accounts(ctx, ids)
	if err != nil {
		return nil, err
	}
	people, shops, err := p.service.owners(ctx, accounts)
	names := map[uuid.UUID]string{}
	for _, a := range accounts {
		names[a.ID] = r.t("reports.account-kind." + string(a.Kind))
		if a.OwnerID == nil {
			continue
		}
		if name := people[*a.OwnerID] + shops[*a.OwnerID]; name != "" {
			names[a.ID] += " · " + name
		}
	}
	return names, err
}

// owners names the citizens and shops that accounts belong to.
func (s *Service) owners(ctx context.Context, accounts []ledger.Account) (people, shops map[uuid.UUID]string, err error) {
	var citizens, merchants []uuid.UUID
	for _, a := range accounts {
		switch {
		case a.OwnerID == nil:
		case a.Kind == ledger.Wallet:
			citizens = append(citizens, *a.OwnerID)
		case a.Kind == ledger.Payable:
			merchants = append(merchants, *a.OwnerID)
		}
	}
	if people, err = s.Citizens.Names(ctx, citizens); err != nil {
		return nil, nil, err
	}
	shops, err = s.Merchants.Names(ctx, merchants)
	return people, shops, err
}

// Ledger shows the municipality's own accounts, and finds others by their id:
// GET /office/ledger.
func (p *Pages) Ledger(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	q, err := readQuery(c, listing{path: "/office/ledger"})
	if err != nil {
		return err
	}
	if q.Text != "" {
		id := q.form.UUID("q")
		if err := q.form.Err(); err != nil {
			return err
		}
		if _, err := p.service.Ledger.Entry(ctx, id); err == nil {
			return web.Redirect(c, "/office/ledger/entries/"+id.String())
		} else if !isUnknown(err) {
			return err
		}
		return web.Redirect(c, accountURL(id))
	}
	house, err := p.service.Ledger.House(ctx)
	if err != nil {
		return err
	}
	held, err := p.service.Ledger.Holdings(ctx)
	if err != nil {
		return err
	}
	t := table{Label: "reports.ledger.title", Columns: []column{
		{Key: "reports.col.account"}, {Key: "reports.col.meaning"}, {Key: "reports.col.balance", Num: true},
	}}
	for _, line := range []struct {
		kind    ledger.Kind
		id      uuid.UUID
		balance cell
	}{
		{ledger.Fund, house.Fund, r.sum(held.Fund)}, {ledger.Subsidy, house.Subsidy, r.sum(held.Subsidy)},
		{ledger.Reserved, house.Reserved, r.sum(held.Reserved)}, {ledger.Transit, house.Transit, r.sum(held.Transit)},
		{ledger.Wallet, uuid.Nil, r.sum(held.Wallets)}, {ledger.Payable, uuid.Nil, r.sum(held.Payable)},
		{ledger.ClaimAccount, uuid.Nil, r.sum(held.Claims)},
	} {
		name, address := text(r.t("reports.account-kind."+string(line.kind))), ""
		if line.id != uuid.Nil {
			address = accountURL(line.id)
			name.URL = address
		}
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{name, text(r.t("reports.account-meaning." + string(line.kind))), line.balance}})
	}
	return listPage.Show(c, p.pages, listView{
		Title: "reports.ledger.title", Lead: "reports.ledger.lead", Table: t,
		Filters: []filter{{Name: "q", Label: "reports.ledger.search", Kind: "search", Value: q.Text}},
	})
}

// Account shows one account and what moved on it: GET /office/ledger/accounts/{id}.
func (p *Pages) Account(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return err
	}
	q, err := readQuery(c, listing{path: accountURL(id)})
	if err != nil {
		return err
	}
	account, err := p.service.Ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	balance, err := p.service.Ledger.Balance(ctx, id)
	if err != nil {
		return err
	}
	before, _ := uuid.Parse(q.Past) // read and checked, or none
	lines, err := p.service.Ledger.EntriesOf(ctx, id, before, rowsEach+1)
	if err != nil {
		return err
	}
	more := len(lines) > rowsEach
	lines = lines[:min(len(lines), rowsEach)]
	others := []uuid.UUID{id}
	for _, line := range lines {
		others = append(others, line.Other)
	}
	names, err := p.accountNames(c, others)
	if err != nil {
		return err
	}
	t := table{Label: "reports.lines.title", Empty: "reports.lines.empty", Columns: []column{
		{Key: "reports.col.at"}, {Key: "reports.col.business-day"}, {Key: "reports.col.kind"}, {Key: "reports.col.other"},
		{Key: "reports.col.moved", Num: true}, {Key: "reports.col.entry"},
	}}
	for _, line := range lines {
		address := "/office/ledger/entries/" + line.EntryID.String()
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			moment(line.At), r.day(line.Day), text(r.t("reports.entry-kind." + string(line.Kind))), to(names[line.Other], accountURL(line.Other)),
			r.sum(line.Amount), idCell(line.EntryID, address),
		}})
	}
	view := objectView{
		Title: "reports.account.title", Heading: names[id], Back: link{r.t("reports.ledger.title"), "/office/ledger"},
		Facts: []fact{
			{Key: "reports.col.id", Text: account.ID.String(), ID: true},
			{Key: "reports.col.balance", Text: r.won(balance)},
			{Key: "reports.col.kind", Text: r.t("reports.account-kind." + string(account.Kind))},
			{Key: "reports.col.state", Text: r.t("reports.account-state." + account.State)},
			{Key: "reports.col.opened", Text: r.at(account.OpenedAt)},
		},
		Events: []event{{At: account.OpenedAt, Title: r.t("reports.col.opened"), Kind: "done"}},
		Tables: []table{t}, Raw: raw(account),
	}
	if account.OwnerID != nil {
		owner := fact{Key: "reports.col.owner", Text: account.OwnerID.String(), ID: true}
		switch account.Kind {
		case ledger.Wallet:
			owner.URL = "/office/citizens/" + account.OwnerID.String()
		case ledger.Payable:
			owner.URL = "/office/merchants/" + account.OwnerID.String()
		default:
		}
		view.Facts = append(view.Facts, owner)
	}
	view.More = q.page(keysOf(lines, func(line ledger.Line) string { return line.EntryID.String() }), false, more)
	return objectPage.Show(c, p.pages, view)
}

// Entry shows one entry with its transfers: GET /office/ledger/entries/{id}.
func (p *Pages) Entry(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return err
	}
	e, err := p.service.Ledger.Entry(ctx, id)
	if err != nil {
		return err
	}
	answering, err := p.service.Ledger.Answering(ctx, id)
	if err != nil {
		return err
	}
	own, err := p.entryTable(c, []uuid.UUID{id})
	if err != nil {
		return err
	}
	later, err := p.entryTable(c, answering[:min(len(answering), rowsEach)])
	if err != nil {
		return err
	}
	own.Label, later.Label, later.Empty = "reports.transfers.title", "reports.answering.title", "reports.answering.empty"
	view := objectView{
		Title: "reports.entry.title", Heading: r.t("reports.entry-kind."+string(e.Kind)) + " · " + r.won(e.Total()),
		Back: link{r.t("reports.ledger.title"), "/office/ledger"},
		Facts: []fact{
			{Key: "reports.col.id", Text: e.ID.String(), ID: true},
			{Key: "reports.col.at", Text: r.at(e.At)},
			{Key: "reports.col.business-day", Text: e.Day.Long(r.lang)},
			{Key: "reports.col.amount", Text: r.won(e.Total())},
			{Key: "reports.col.answered", Text: r.won(e.Answered)},
		},
		Events: []event{{At: e.At, Title: r.t("reports.entry-kind." + string(e.Kind)), Text: r.won(e.Total()), Kind: "done"}},
		Tables: []table{own, later}, Raw: raw(e),
	}
	for _, moved := range later.Rows { // one transfer a line: entries that answer have one, but for payouts
		view.Events = append(view.Events, event{At: moved.Cells[1].At, Title: moved.Cells[2].Text, Text: moved.Cells[5].Text, URL: moved.URL, Kind: "done"})
	}
	if e.Answers != uuid.Nil {
		view.Facts = append(view.Facts, fact{Key: "reports.col.answers", Text: e.Answers.String(), URL: "/office/ledger/entries/" + e.Answers.String(), ID: true})
	}
	switch e.Kind {
	case ledger.Payment:
		view.Facts = append(view.Facts, fact{Key: "reports.col.payment", Text: e.ID.String(), URL: "/office/payments/" + e.ID.String(), ID: true})
	case ledger.Cancellation:
		view.Facts = append(view.Facts, fact{Key: "reports.col.payment", Text: e.Answers.String(), URL: "/office/payments/" + e.Answers.String(), ID: true})
	default:
	}
	return objectPage.Show(c, p.pages, view)
}
