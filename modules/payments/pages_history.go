package payments

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/i18n"
	"jangteo/app/live"
	"jangteo/app/money"
	"jangteo/app/web"
	"jangteo/modules/ledger"
	"jangteo/modules/vouchers"
)

type homeView struct {
	web.Frame
	Wallets  []vouchers.Ticket
	Asked    []Question
	UnderWay []underWay
	Recent   []moneyRow
	Linked   bool // has a bank account
	Unread   int
}

// underWay is a purchase that the bank has not decided.
type underWay struct {
	URL    string
	Amount money.Amount
}

// moneyRow is what the partial "money-row" shows.
type moneyRow struct {
	URL, Icon, Title, Note string
	Day                    string // where the list is not by day
	At                     time.Time
	Amount                 money.Amount
	Struck                 bool
	State                  string
}

type historyView struct {
	web.Frame
	Wallets, Kinds []choice
	Filtered       bool
	Days           []historyDay
	OlderURL       string
	ExportURL      string
}

type historyDay struct {
	Day   calendar.Day
	Sum   money.Amount
	Lines []moneyRow
}

var (
	homePage    = web.NewPage[homeView](web.Phone, "payments/home")
	historyPage = web.NewPage[historyView](web.Phone, "payments/history")
)

const (
	recentRows  = 5
	historyRows = 30
	exportRows  = 5_000
)

// Home is what a citizen sees first: what they have, and the button to pay. GET /my.
func (p *Pages) Home(c echo.Context) error {
	ctx := c.Request().Context()
	view, err := p.homeView(ctx, web.Lang(c))
	if err != nil {
		return err
	}
	citizen := auth.From(ctx).ID
	if view.Unread, err = p.unread(ctx, citizen); err != nil {
		return err
	}
	if len(view.Wallets) == 0 {
		if view.Linked, err = p.service.vouchers.HasBankAccount(ctx, citizen); err != nil {
			return err
		}
	}
	return homePage.Show(c, p.pages, view)
}

// homeView gathers the part of the home that changes while it is open.
func (p *Pages) homeView(ctx context.Context, lang string) (view homeView, err error) {
	citizen := auth.From(ctx).ID
	wallets, err := p.service.vouchers.Wallets(ctx, citizen)
	if err != nil || len(wallets) == 0 {
		return view, err
	}
	tickets, pending, err := p.service.vouchers.Tickets(ctx, wallets, lang)
	if err != nil {
		return view, err
	}
	view.Wallets = tickets
	if view.Asked, err = p.asks(ctx, citizen); err != nil {
		return view, err
	}
	for _, purchase := range pending {
		view.UnderWay = append(view.UnderWay, underWay{purchaseURL(purchase.TenantID.String(), purchase.ID), purchase.Amount})
	}
	recent, _, err := p.service.History(ctx, citizen, HistoryFilter{Limit: recentRows})
	rows := p.rower(lang, wallets, tickets)
	for _, m := range recent {
		row := rows(m)
		if day := calendar.DayOf(m.At); day != calendar.DayOf(p.now()) {
			row.Day = shortDay(day, lang)
		}
		view.Recent = append(view.Recent, row)
	}
	return view, err
}

// Live sends the home's wallets and recent history again whenever something of
// the citizen's has changed: GET /my/live.
func (p *Pages) Live(c echo.Context) error {
	ctx, lang := c.Request().Context(), web.Lang(c)
	topic := "citizen:" + auth.From(ctx).ID.String() // on which every notice is told
	return p.streams.Follow(c, topic, func(live.Message) (string, []byte, error) {
		view, err := p.homeView(ctx, lang)
		if err != nil {
			return "", nil, err
		}
		html, err := homePage.Render(p.pages, lang, "now", view)
		return "now", html, err
	})
}

func purchaseURL(tenant string, id uuid.UUID) string {
	return "/my/purchases/" + tenant + "/" + id.String()
}

// rower turns movements into lines in the reader's words.
func (p *Pages) rower(lang string, wallets []vouchers.Wallet, tickets []vouchers.Ticket) func(Movement) moneyRow {
	words := p.pages.Words
	return func(m Movement) moneyRow {
		row := moneyRow{Icon: "ticket", At: m.At, Amount: m.Amount, Title: words.T(lang, "payments.kind."+string(m.Kind))}
		if i := slices.IndexFunc(wallets, func(w vouchers.Wallet) bool { return w.ID == m.WalletID }); i >= 0 {
			row.URL = tickets[i].URL
			row.Note = noteOf(tickets, tickets[i])
		}
		switch {
		case m.PaymentID != uuid.Nil:
			row.URL = "/my/payments/" + m.TenantID.String() + "/" + m.PaymentID.String()
			row.Icon = "shop"
			if m.MerchantName != "" {
				row.Title = m.MerchantName
			}
			if m.Kind == ledger.Cancellation {
				row.Icon, row.State = "undo", words.T(lang, "payments.kind.cancellation")
			}
		case m.PurchaseID != uuid.Nil:
			row.URL, row.Icon = purchaseURL(m.TenantID.String(), m.PurchaseID), "plus"
		case m.Kind == ledger.WalletCredited || m.Kind == ledger.WalletDebited:
			row.URL, row.Icon = "/my/corrections/"+m.TenantID.String()+"/"+m.EntryID.String(), "info"
		}
		return row
	}
}

// noteOf tells a wallet from the citizen's others: by its voucher, or where
// that is the same, by its programme.
func noteOf(all []vouchers.Ticket, one vouchers.Ticket) string {
	others := slices.ContainsFunc(all, func(t vouchers.Ticket) bool { return t.Voucher != one.Voucher })
	switch {
	case len(all) < 2:
		return ""
	case others:
		return one.Voucher
	}
	return cmp.Or(one.Programme, one.Voucher)
}

// shortDay is a day of this or last year without the year.
func shortDay(d calendar.Day, lang string) string {
	if lang == i18n.English {
		return d.Start().Format("2 Jan")
	}
	return d.Start().Format("1. 2.")
}

// historyKinds are the kinds that a citizen can ask for.
var historyKinds = []ledger.EntryKind{ledger.Payment, ledger.Cancellation, ledger.PurchaseCompleted, ledger.WalletCredited, ledger.WalletDebited}

func readHistory(c echo.Context) (f HistoryFilter, err error) {
	query := web.ReadQuery(c)
	if query.Value("wallet") != "" {
		f.Wallet = query.UUID("wallet")
	}
	if query.Value("kind") != "" {
		var known []string
		for _, kind := range historyKinds {
			known = append(known, string(kind))
		}
		f.Kind = ledger.EntryKind(query.Choice("kind", known...))
	}
	const cursorMost = 2_000
	f.After, f.Limit = query.Optional("cursor", cursorMost), historyRows
	return f, query.Err()
}

func (f HistoryFilter) values() url.Values {
	v := url.Values{}
	if f.Wallet != uuid.Nil {
		v.Set("wallet", f.Wallet.String())
	}
	if f.Kind != "" {
		v.Set("kind", string(f.Kind))
	}
	return v
}

// History lists what moved, by day: GET /my/history?wallet=&kind=&cursor=.
func (p *Pages) History(c echo.Context) error {
	f, err := readHistory(c)
	if err != nil {
		return err
	}
	ctx, lang := c.Request().Context(), web.Lang(c)
	citizen := auth.From(ctx).ID
	wallets, err := p.service.vouchers.Wallets(ctx, citizen)
	if err != nil {
		return err
	}
	tickets, _, err := p.service.vouchers.Tickets(ctx, wallets, lang)
	if err != nil {
		return err
	}
	movements, next, err := p.service.History(ctx, citizen, f)
	if err != nil {
		return err
	}
	view := historyView{
		Filtered: f.Wallet != uuid.Nil || f.Kind != "" || f.After != "",
		Wallets:  p.walletChoices(lang, f, wallets, tickets), Kinds: p.kindChoices(lang, f),
		Days: byDay(movements, p.rower(lang, wallets, tickets)), ExportURL: "/my/history.csv?" + f.values().Encode(),
	}
	if next != "" {
		values := f.values()
		values.Set("cursor", next)
		view.OlderURL = "/my/history?" + values.Encode()
	}
	return historyPage.Show(c, p.pages, view)
}

func (p *Pages) walletChoices(lang string, f HistoryFilter, wallets []vouchers.Wallet, tickets []vouchers.Ticket) []choice {
	choices := []choice{{"", p.pages.Words.T(lang, "payments.history.all-wallets"), f.Wallet == uuid.Nil}}
	for i, w := range wallets {
		choices = append(choices, choice{w.ID.String(), strings.TrimSuffix(tickets[i].Voucher+" · "+tickets[i].Programme, " · "), w.ID == f.Wallet})
	}
	return choices
}

func (p *Pages) kindChoices(lang string, f HistoryFilter) []choice {
	choices := []choice{{"", p.pages.Words.T(lang, "payments.history.all-kinds"), f.Kind == ""}}
	for _, kind := range historyKinds {
		choices = append(choices, choice{string(kind), p.pages.Words.T(lang, "payments.kind."+string(kind)), kind == f.Kind})
	}
	return choices
}

func byDay(movements []Movement, row func(Movement) moneyRow) (days []historyDay) {
	for _, m := range movements {
		day := calendar.DayOf(m.At)
		if last := len(days) - 1; last < 0 || days[last].Day != day {
			days = append(days, historyDay{Day: day})
		}
		here := &days[len(days)-1]
		here.Sum += m.Amount
		here.Lines = append(here.Lines, row(m))
	}
	return days
}

// Export downloads the newest of the history as CSV that spreadsheets open as
// it is: GET /my/history.csv?wallet=&kind=.
func (p *Pages) Export(c echo.Context) error {
	f, err := readHistory(c)
	if err != nil {
		return err
	}
	ctx, lang := c.Request().Context(), web.Lang(c)
	citizen := auth.From(ctx).ID
	wallets, err := p.service.vouchers.Wallets(ctx, citizen)
	if err != nil {
		return err
	}
	tickets, _, err := p.service.vouchers.Tickets(ctx, wallets, lang)
	if err != nil {
		return err
	}
	words := p.pages.Words
	sheet := web.NewSheet(words, lang, "payments.export.", "at", "kind", "shop", "voucher", "amount", "number")
	f.Limit = historyMost
	for sheet.Rows < exportRows {
		movements, next, err := p.service.History(ctx, citizen, f)
		if err != nil {
			return err
		}
		for _, m := range movements {
			voucher := voucherOf(m, wallets, tickets)
			sheet.Row(m.At, words.T(lang, "payments.kind."+string(m.Kind)), m.MerchantName, voucher, m.Amount, m.EntryID)
		}
		if f.After = next; next == "" {
			break
		}
	}
	return sheet.Send(c, "jangteo-"+calendar.DayOf(p.now()).String())
}

// voucherOf is the name of the voucher that a movement is of.
func voucherOf(m Movement, wallets []vouchers.Wallet, tickets []vouchers.Ticket) string {
	if i := slices.IndexFunc(wallets, func(w vouchers.Wallet) bool { return w.ID == m.WalletID }); i >= 0 {
		return tickets[i].Voucher
	}
	return ""
}
