package settlement

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/web"
	"jangteo/modules/ledger"
)

const (
	listRows      = 30
	statementRows = 1000 // on one sheet; the rest is in the file
)

// Pages are what a shop sees of its settlements.
type Pages struct {
	service *Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages) *Pages { return &Pages{service, pages} }

type listView struct {
	web.Frame
	States      []stateChoice
	Settlements []line
	Owed        money.Amount // of what is listed, still to come
	Next        string
}

type stateChoice struct {
	State  State
	Chosen bool
}

type line struct {
	Settlement
	Badge string // kind of badge
}

// badges say in colour what the words beside them say too.
var badges = map[State]string{Closed: "info", Carried: "warning", Sent: "info", Paid: "success", Returned: "danger"}

var listPage = web.NewPage[listView](web.Desk, "settlement/list")

// List shows a shop's settlements: GET /shop/settlements?state=&after=.
func (p *Pages) List(c echo.Context) error {
	ctx, query := c.Request().Context(), web.ReadQuery(c)
	f := Filter{Merchant: auth.From(ctx).Merchant, Limit: listRows}
	if query.Value("state") != "" {
		f.State = State(query.Choice("state", stateNames()...))
	}
	if err := query.Err(); err != nil {
		return err
	}
	var err error
	if f.Before, err = parseCursor(query.Value("after")); err != nil {
		return fault.On("after", fault.WrongFormat)
	}
	list, next, err := p.service.List(ctx, f)
	if err != nil {
		return err
	}
	view := listView{}
	for _, state := range States() {
		view.States = append(view.States, stateChoice{state, state == f.State})
	}
	for _, s := range list {
		view.Settlements = append(view.Settlements, line{s, badges[s.State]})
		if s.State == Closed || s.State == Sent || s.State == Returned {
			view.Owed += s.Net
		}
	}
	if next != nil {
		view.Next = "/shop/settlements?after=" + next.String() + "&state=" + string(f.State)
	}
	return listPage.Show(c, p.pages, view)
}

func stateNames() (names []string) {
	for _, state := range States() {
		names = append(names, string(state))
	}
	return names
}

type statementView struct {
	web.Frame
	line
	Shop      string
	BizNo     string
	Bank      string
	Account   string // masked
	Lines     []statementLine
	More      bool   // than one sheet holds
	ReasonKey string // words key of why it came back
}

type statementLine struct {
	At        time.Time
	Approval  string // of the payment
	Cancelled bool
	Amount    money.Amount // below zero for a cancellation
}

var statementPage = web.NewPage[statementView](web.Desk, "settlement/statement")

// Statement shows one settlement with what it is made of:
// GET /shop/settlements/{id}.
func (p *Pages) Statement(c echo.Context) error {
	s, err := p.own(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	shop, err := p.service.merchants.Get(ctx, s.MerchantID)
	if err != nil {
		return err
	}
	view := statementView{line: line{s, badges[s.State]}, Shop: shop.Name, BizNo: shop.BizNo}
	code := s.BankCode
	if view.Account = s.NumberMasked; view.Account == "" { // not sent yet: where it will go
		code, view.Account = shop.PayoutBank, shop.PayoutMasked
	}
	bank, _ := refdata.BankOf(code)
	view.Bank = bank.Name
	if s.Reason != "" {
		view.ReasonKey = "settlement.reason." + s.Reason
	}
	lines, err := p.service.ledger.LinesOfDay(ctx, s.AccountID, s.Day, uuid.Nil, statementRows)
	if err != nil {
		return err
	}
	for _, l := range lines {
		view.Lines = append(view.Lines, statementLineOf(l))
	}
	view.More = len(lines) == statementRows
	return statementPage.Show(c, p.pages, view)
}

func statementLineOf(l ledger.Line) statementLine {
	payment := l.EntryID
	if l.Kind == ledger.Cancellation {
		payment = l.Answers
	}
	text := payment.String()
	return statementLine{At: l.At, Approval: text[len(text)-8:], Cancelled: l.Kind == ledger.Cancellation, Amount: l.Amount}
}

// own finds the settlement in the address; another shop's is unknown here.
func (p *Pages) own(c echo.Context) (Settlement, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		return Settlement{}, ErrUnknown
	}
	ctx := c.Request().Context()
	s, err := p.service.Get(ctx, id)
	if err == nil && s.MerchantID != auth.From(ctx).Merchant {
		return Settlement{}, ErrUnknown
	}
	return s, err
}

// Download is the statement as a file for spreadsheets:
// GET /shop/settlements/{id}/statement.csv.
func (p *Pages) Download(c echo.Context) error {
	s, err := p.own(c)
	if err != nil {
		return err
	}
	ctx, words, lang := c.Request().Context(), p.pages.Words, web.Lang(c)
	sheet := web.NewSheet(words, lang, "settlement.statement.", "at", "kind", "approval", "amount")
	err = p.eachLine(ctx, s, func(l statementLine) {
		kind := "settlement.kind.payment"
		if l.Cancelled {
			kind = "settlement.kind.cancellation"
		}
		sheet.Row(l.At, words.T(lang, kind), l.Approval, l.Amount)
	})
	if err != nil {
		return err
	}
	for _, total := range []struct {
		key    string
		amount money.Amount
	}{{"sales", s.Sales}, {"cancellations", -s.Cancellations}, {"carried", s.Carried}, {"fee", 0}, {"net", s.Net}} {
		sheet.Row("", words.T(lang, "settlement."+total.key), "", total.amount)
	}
	return sheet.Send(c, "settlement-"+s.Day.String())
}

// eachLine reads a settlement's lines page by page.
func (p *Pages) eachLine(ctx context.Context, s Settlement, each func(statementLine)) error {
	for after := uuid.Nil; ; {
		lines, err := p.service.ledger.LinesOfDay(ctx, s.AccountID, s.Day, after, statementRows)
		if err != nil || len(lines) == 0 {
			return err
		}
		for _, l := range lines {
			each(statementLineOf(l))
			after = l.EntryID
		}
	}
}
