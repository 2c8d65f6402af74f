package cards

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/web"
	"jangteo/modules/merchants"
)

// OfficePages are the staff's screens of cards: terminals, clearing and claims.
type OfficePages struct {
	service *Service
	pages   *web.Pages
}

// NewOfficePages shows what service knows.
func NewOfficePages(service *Service, pages *web.Pages) *OfficePages {
	return &OfficePages{service, pages}
}

type terminalsView struct {
	web.Frame
	Form    *web.Form
	States  []picked
	State   string
	Strays  []strayLine
	CSV     string
	NextURL string
	PrevURL string
	Manages bool
}

// picked is an option of a filter.
type picked struct {
	Value  string
	Chosen bool
}

type strayLine struct {
	Stray
	IssuerName string
}

type terminalView struct {
	web.Frame
	Form      *web.Form
	Stray     strayLine
	Shop      string // where it was mapped to
	Proposals []Proposal
	Query     string
	Found     []merchants.Merchant
	Manages   bool
}

type clearingView struct {
	web.Frame
	Form    *web.Form
	Days    []dayLine
	Day     string
	Query   string
	States  []picked
	Files   []fileLine
	Rows    []rowLine
	CSV     string
	NextURL string
	PrevURL string
	Settles bool
}

type dayLine struct {
	ClearingDay
	IssuerName string
}

type fileLine struct {
	ClearingFile
	IssuerName string
}

type rowLine struct {
	ClearingRow
	IssuerName string
	Badge      string
}

type rowView struct {
	web.Frame
	Form      *web.Form
	Row       rowLine
	Shop      string
	Ours      *Authorisation
	Proposals []Authorisation
	Ways      []string
	Settles   bool
}

type officeClaimsView struct {
	web.Frame
	Claims  []Claim
	NextURL string
}

var (
	terminalsPage    = web.NewPage[terminalsView](web.Desk, "cards/terminals")
	terminalPage     = web.NewPage[terminalView](web.Desk, "cards/terminal")
	clearingPage     = web.NewPage[clearingView](web.Desk, "cards/clearing")
	rowPage          = web.NewPage[rowView](web.Desk, "cards/row")
	officeClaimsPage = web.NewPage[officeClaimsView](web.Desk, "cards/office_claims")
)

var rowBadges = map[RowState]string{
	RowMatched: "success", RowUnknown: "danger", RowAltered: "danger", RowDuplicate: "warning", RowMissing: "warning", RowNotReversed: "danger",
	RowStray: "warning", RowSettled: "info",
}

func manages(c echo.Context, permission string) bool {
	return auth.From(c.Request().Context()).May(permission)
}

const pagesMost = 10_000

// pageOf reads which page of a list is asked for, and where its neighbours are.
func pageOf(query *web.Form) int {
	n, err := strconv.Atoi(query.Optional("page", 5))
	if err != nil || n < 0 || n > pagesMost {
		return 0
	}
	return n
}

func neighbours(c echo.Context, page int, more bool) (previous, next string) {
	at := func(n int) string {
		q := url.Values{}
		for name, values := range c.QueryParams() {
			q[name] = values
		}
		q.Set("page", strconv.Itoa(n))
		return c.Request().URL.Path + "?" + q.Encode()
	}
	if page > 0 {
		previous = at(page - 1)
	}
	if more {
		next = at(page + 1)
	}
	return previous, next
}

// Terminals lists the terminals that belong to no shop: GET
// /office/cards/terminals?state=&page=.
func (p *OfficePages) Terminals(c echo.Context) error {
	view, err := p.terminalsView(c)
	if err != nil {
		return err
	}
	return terminalsPage.Show(c, p.pages, view)
}

var strayStates = []string{"open", "mapped", "dismissed"}

// strayState reads which terminals are asked for; without one, the open ones.
func strayState(query *web.Form) string {
	if state := query.Value("state"); slices.Contains(strayStates, state) {
		return state
	}
	return strayStates[0]
}

// TerminalsCSV downloads terminals: GET /office/cards/terminals.csv?state=.
func (p *OfficePages) TerminalsCSV(c echo.Context) error {
	lang, words := web.Lang(c), p.pages.Words
	list, shops, more, err := p.service.AllStrays(c.Request().Context(), strayState(web.ReadQuery(c)), web.SheetMost)
	if err != nil {
		return err
	}
	sheet := web.NewSheet(words, lang, "cards.col.", "issuer", "merchant-number", "terminal-id", "state", "shop", "name", "biz-no", "address", "cause",
		"declined", "first", "last")
	for _, t := range list {
		var shop string
		if t.MerchantID != nil {
			shop = shops[*t.MerchantID]
		}
		sheet.Row(p.stray(t).IssuerName, t.MerchantNumber, t.Terminal, words.T(lang, "cards.stray."+t.State), shop, t.Name, t.BizNo, t.Address,
			words.T(lang, "cards.cause."+t.Cause), t.Declined, t.FirstAt, t.LastAt)
	}
	return sendSheet(c, sheet, "card-terminals-"+strayState(web.ReadQuery(c)), more)
}

func (p *OfficePages) terminalsView(c echo.Context) (view terminalsView, err error) {
	query := web.ReadQuery(c)
	page := pageOf(query)
	view = terminalsView{Form: web.EmptyForm(), State: strayState(query), Manages: manages(c, "merchants.manage")}
	view.CSV = "/office/cards/terminals.csv?state=" + view.State
	for _, state := range strayStates {
		view.States = append(view.States, picked{state, state == view.State})
	}
	list, more, err := p.service.Strays(c.Request().Context(), view.State, page)
	for _, t := range list {
		view.Strays = append(view.Strays, p.stray(t))
	}
	view.PrevURL, view.NextURL = neighbours(c, page, more)
	return view, err
}

func (p *OfficePages) stray(t Stray) strayLine {
	return strayLine{t, p.issuerName(t.Issuer)}
}

func (p *OfficePages) issuerName(code string) string {
	issuer, _ := p.service.Issuer(code)
	return issuer.Name
}

// Import reads an issuer's list of terminals: POST /office/cards/terminals.
func (p *OfficePages) Import(c echo.Context) error {
	list, err := web.ReadFile(c, "file", listBytesMost)
	if err == nil {
		_, err = p.service.Import(c.Request().Context(), list)
	}
	if err != nil {
		view, viewErr := p.terminalsView(c)
		if viewErr != nil {
			return viewErr
		}
		return terminalsPage.Refuse(c, p.pages, view.Form, err, view)
	}
	web.Flash(c, "success", "cards.flash.imported")
	return web.Redirect(c, "/office/cards/terminals")
}

func idOf(c echo.Context, otherwise error) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return id, otherwise
	}
	return id, nil
}

// Terminal shows one with the shops that it may belong to: GET
// /office/cards/terminals/{id}?q=.
func (p *OfficePages) Terminal(c echo.Context) error {
	view, err := p.terminalView(c)
	if err != nil {
		return err
	}
	return terminalPage.Show(c, p.pages, view)
}

func (p *OfficePages) terminalView(c echo.Context) (view terminalView, err error) {
	ctx, query := c.Request().Context(), web.ReadQuery(c)
	id, err := idOf(c, ErrStrayUnknown)
	if err != nil {
		return view, err
	}
	t, err := p.service.Stray(ctx, id)
	if err != nil {
		return view, err
	}
	view = terminalView{Form: web.EmptyForm(), Stray: p.stray(t), Query: query.Optional("q", 60), Manages: manages(c, "merchants.manage")}
	if err := query.Err(); err != nil {
		return view, err
	}
	if t.MerchantID != nil {
		names, err := p.service.merchants.Names(ctx, []uuid.UUID{*t.MerchantID})
		if err != nil {
			return view, err
		}
		view.Shop = names[*t.MerchantID]
	}
	if view.Proposals, err = p.service.Proposals(ctx, t); err != nil {
		return view, err
	}
	if view.Query != "" {
		view.Found, _, err = p.service.merchants.Search(ctx, merchants.Filter{Query: view.Query, Limit: 10})
	}
	return view, err
}

// Map says in which shop a terminal stands: POST /office/cards/terminals/{id}/map.
func (p *OfficePages) Map(c echo.Context) error {
	return p.settleStray(c, "cards.flash.mapped", func(ctx context.Context, t Stray, form *web.Form) error {
		merchant := form.UUID("merchant_id")
		if err := form.Err(); err != nil {
			return err
		}
		return p.service.Map(ctx, t.Issuer, t.MerchantNumber, t.Terminal, merchant)
	})
}

// Dismiss closes the task of a terminal that is none of ours: POST
// /office/cards/terminals/{id}/dismiss.
func (p *OfficePages) Dismiss(c echo.Context) error {
	return p.settleStray(c, "cards.flash.dismissed", func(ctx context.Context, t Stray, _ *web.Form) error {
		return p.service.Dismiss(ctx, t.ID)
	})
}

// Detach takes a terminal from its shop: POST /office/cards/terminals/{id}/detach.
func (p *OfficePages) Detach(c echo.Context) error {
	return p.settleStray(c, "cards.flash.detached", func(ctx context.Context, t Stray, _ *web.Form) error {
		return p.service.Detach(ctx, t.Issuer, t.MerchantNumber, t.Terminal)
	})
}

func (p *OfficePages) settleStray(c echo.Context, flash string, do func(context.Context, Stray, *web.Form) error) error {
	ctx := c.Request().Context()
	id, err := idOf(c, ErrStrayUnknown)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	t, err := p.service.Stray(ctx, id)
	if err != nil {
		return err
	}
	if err := do(ctx, t, form); err != nil {
		view, viewErr := p.terminalView(c)
		if viewErr != nil {
			return err
		}
		view.Form = form
		return terminalPage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", flash)
	return web.Redirect(c, "/office/cards/terminals")
}

var rowStates = []RowState{RowUnknown, RowAltered, RowDuplicate, RowMissing, RowNotReversed, RowStray, RowMatched, RowSettled}

// rowFilter reads what a list of rows is narrowed to; without a state, to what
// awaits the staff.
func rowFilter(query *web.Form) (f RowFilter, state string) {
	if text := query.Value("day"); text != "" {
		if day, err := calendar.ParseDay(text); err == nil {
			f.Day = day
		}
	}
	f.Query, f.States = query.Optional("q", queryMost), OpenRows
	if query.Value("state") == "all" {
		f.States, state = nil, "all"
	}
	for _, s := range rowStates {
		if query.Value("state") == string(s) {
			f.States, state = []RowState{s}, string(s)
		}
	}
	return f, state
}

// Clearing shows what issuers' files say and what is open: GET
// /office/cards/clearing?day=&state=&q=&page=.
func (p *OfficePages) Clearing(c echo.Context) error {
	view, err := p.clearingView(c)
	if err != nil {
		return err
	}
	return clearingPage.Show(c, p.pages, view)
}

func (p *OfficePages) clearingView(c echo.Context) (view clearingView, err error) {
	ctx, query := c.Request().Context(), web.ReadQuery(c)
	f, state := rowFilter(query)
	f.Page = pageOf(query)
	if err := query.Err(); err != nil {
		return view, err
	}
	view = clearingView{Form: web.EmptyForm(), Query: f.Query, Settles: manages(c, "settlement.close")}
	view.States = []picked{{"", state == ""}, {"all", state == "all"}}
	for _, s := range rowStates {
		view.States = append(view.States, picked{string(s), state == string(s)})
	}
	if !f.Day.IsZero() {
		view.Day = f.Day.String()
		days, err := p.service.Days(ctx, f.Day)
		if err != nil {
			return view, err
		}
		for _, d := range days {
			view.Days = append(view.Days, dayLine{d, p.issuerName(d.Issuer)})
		}
	}
	files, err := p.service.Files(ctx)
	if err != nil {
		return view, err
	}
	for _, file := range files {
		view.Files = append(view.Files, fileLine{file, p.issuerName(file.Issuer)})
	}
	list, more, err := p.service.Rows(ctx, f)
	for _, r := range list {
		view.Rows = append(view.Rows, p.row(r))
	}
	view.PrevURL, view.NextURL = neighbours(c, f.Page, more)
	view.CSV = "/office/cards/clearing.csv?" + url.Values{"day": {view.Day}, "state": {state}, "q": {f.Query}}.Encode()
	return view, err
}

func (p *OfficePages) row(r ClearingRow) rowLine {
	return rowLine{r, p.issuerName(r.Issuer), rowBadges[r.State]}
}

// ClearingCSV downloads rows: GET /office/cards/clearing.csv?day=&state=&q=.
func (p *OfficePages) ClearingCSV(c echo.Context) error {
	query, lang, words := web.ReadQuery(c), web.Lang(c), p.pages.Words
	f, _ := rowFilter(query)
	if err := query.Err(); err != nil {
		return err
	}
	list, more, err := p.service.AllRows(c.Request().Context(), f, web.SheetMost)
	if err != nil {
		return err
	}
	sheet := web.NewSheet(words, lang, "cards.col.", "day", "issuer", "line", "kind", "state", "retrieval",
		"merchant-number", "terminal", "swiped", "amount", "voucher", "account", "differs")
	for _, r := range list {
		sheet.Row(r.Day, r.Issuer, r.Line, words.T(lang, "cards.kind."+r.Kind), words.T(lang, "cards.row."+string(r.State)), r.Retrieval,
			r.MerchantNumber, r.Terminal, r.SwipedAt, r.Amount, r.Voucher, r.Account, r.Differs)
	}
	return sendSheet(c, sheet, "card-clearing", more)
}

// sendSheet answers with a download, unless it would leave rows out.
func sendSheet(c echo.Context, s *web.Sheet, name string, more bool) error {
	if more {
		return web.ErrSheetTooLong.With("most", web.SheetMost)
	}
	return s.Send(c, name)
}

// Upload imports an issuer's clearing file: POST /office/cards/clearing.
func (p *OfficePages) Upload(c echo.Context) error {
	file, err := web.ReadFile(c, "file", clearingMost)
	var cleared Cleared
	if err == nil {
		cleared, err = p.service.Clear(c.Request().Context(), file)
	}
	if err != nil {
		view, viewErr := p.clearingView(c)
		if viewErr != nil {
			return viewErr
		}
		return clearingPage.Refuse(c, p.pages, view.Form, err, view)
	}
	flash := "cards.flash.cleared"
	if cleared.Again {
		flash = "cards.flash.cleared-again"
	}
	web.Flash(c, "success", flash)
	return web.Redirect(c, "/office/cards/clearing?day="+cleared.File.Day.String())
}

// Row shows one row beside what we have: GET /office/cards/clearing/{id}.
func (p *OfficePages) Row(c echo.Context) error {
	view, err := p.rowView(c)
	if err != nil {
		return err
	}
	return rowPage.Show(c, p.pages, view)
}

func (p *OfficePages) rowView(c echo.Context) (view rowView, err error) {
	ctx := c.Request().Context()
	id, err := idOf(c, ErrRowUnknown)
	if err != nil {
		return view, err
	}
	r, ours, proposals, err := p.service.Row(ctx, id)
	if err != nil {
		return view, err
	}
	view = rowView{Form: web.EmptyForm(), Row: p.row(r), Ours: ours, Proposals: proposals, Settles: manages(c, "settlement.close")}
	for _, how := range []string{"booked", "cancelled", "accepted"} {
		if r.May(how) {
			view.Ways = append(view.Ways, how)
		}
	}
	if r.MerchantID != nil {
		names, err := p.service.merchants.Names(ctx, []uuid.UUID{*r.MerchantID})
		if err != nil {
			return view, err
		}
		view.Shop = names[*r.MerchantID]
	}
	return view, nil
}

// Settle closes a row: POST /office/cards/clearing/{id}.
func (p *OfficePages) Settle(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := idOf(c, ErrRowUnknown)
	if err != nil {
		return err
	}
	in := SettleInput{Row: id, How: form.Choice("resolution", "matched", "booked", "cancelled", "accepted"), Reason: form.Text("reason", 500)}
	if in.How == "matched" {
		in.With = form.UUID("with")
	}
	if err = form.Err(); err == nil {
		_, err = p.service.Settle(c.Request().Context(), in)
	}
	if err == nil {
		web.Flash(c, "success", "cards.flash.settled")
		return web.Redirect(c, "/office/cards/clearing")
	}
	if errors.Is(err, ErrRowUnknown) {
		return err
	}
	if _, refused := fault.Of(err); !refused {
		return err
	}
	view, viewErr := p.rowView(c)
	if viewErr != nil {
		return viewErr
	}
	view.Form = form
	return rowPage.Refuse(c, p.pages, form, err, view)
}

// Claims lists what citizens owe because of stand-in payments: GET
// /office/cards/claims?before=.
func (p *OfficePages) Claims(c echo.Context) error {
	const shown = 50
	var before uuid.UUID
	if text := c.QueryParam("before"); text != "" {
		var err error
		if before, err = uuid.Parse(text); err != nil {
			return fault.On("before", fault.WrongFormat)
		}
	}
	list, err := p.service.Claims(c.Request().Context(), before, shown+1)
	if err != nil {
		return err
	}
	view := officeClaimsView{Claims: list}
	if len(list) > shown {
		view.Claims = list[:shown]
		view.NextURL = "/office/cards/claims?before=" + list[shown-1].ID.String()
	}
	return officeClaimsPage.Show(c, p.pages, view)
}

// ClaimsCSV downloads what citizens owe: GET /office/cards/claims.csv.
func (p *OfficePages) ClaimsCSV(c echo.Context) error {
	list, more, err := p.service.AllClaims(c.Request().Context(), web.SheetMost)
	if err != nil {
		return err
	}
	sheet := web.NewSheet(p.pages.Words, web.Lang(c), "cards.col.", "at", "shop", "payment", "citizen", "account-page", "amount", "owed")
	for _, claim := range list {
		sheet.Row(claim.At, claim.MerchantName, claim.PaymentID, claim.CitizenID, claim.ID, claim.Amount, claim.Owed)
	}
	return sendSheet(c, sheet, "card-claims", more)
}
