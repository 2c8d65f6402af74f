package payments

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/live"
	"jangteo/app/outbox"
	"jangteo/app/web"
)

const (
	todayRows    = 50
	salesRows    = 50
	csvRowsMost  = 20_000 // of one file
	csvStep      = 200
	saleNews     = "sale" // the event that open pages listen to
	salesDaysMax = 366
)

// ShopPages are what a shop sees of its sales, as they happen and afterwards.
type ShopPages struct {
	service *Service
	hub     *live.Hub
	streams *web.Streams
	pages   *web.Pages
}

// NewShopPages shows what service knows.
func NewShopPages(service *Service, hub *live.Hub, streams *web.Streams, pages *web.Pages) *ShopPages {
	return &ShopPages{service, hub, streams, pages}
}

type shopTodayView struct {
	web.Frame
	Day    calendar.Day
	Totals Totals
	Sales  []shopSale
	More   bool
}

// shopSale is a payment as it stands in lists.
type shopSale struct {
	Payment
	Badge string
}

var saleBadges = map[State]string{Captured: "success", PartiallyCancelled: "warning", Cancelled: "danger"}

func shopSales(list []Payment) []shopSale {
	sales := make([]shopSale, len(list))
	for i, p := range list {
		sales[i] = shopSale{p, saleBadges[p.State()]}
	}
	return sales
}

var shopTodayPage = web.NewPage[shopTodayView](web.Desk, "payments/shop_today")

// Today is the shop's home: GET /shop.
func (p *ShopPages) Today(c echo.Context) error {
	ctx := c.Request().Context()
	day, err := p.service.ledger.OpenDay(ctx)
	if err != nil {
		return err
	}
	merchant := auth.From(ctx).Merchant
	list, err := p.service.ListByMerchant(ctx, merchant, Filter{Day: day, Limit: todayRows + 1})
	if err != nil {
		return err
	}
	totals, err := p.service.TotalsOf(ctx, merchant, Filter{Day: day})
	if err != nil {
		return err
	}
	view := shopTodayView{Day: day, Totals: totals, More: len(list) > todayRows}
	view.Sales = shopSales(list[:min(len(list), todayRows)])
	return shopTodayPage.Show(c, p.pages, view)
}

// saleTold is the news of a payment or cancellation.
type saleTold struct {
	PaymentID uuid.UUID `json:"payment_id"`
}

// Tell passes payments and cancellations on to the shop's open pages: the
// handler of SaleTopics.
func (p *ShopPages) Tell(ctx context.Context, events []outbox.Event) error {
	var news []live.Message
	for _, e := range events {
		var happened struct {
			PaymentID  uuid.UUID `json:"payment_id"`
			MerchantID uuid.UUID `json:"merchant_id"`
		}
		if err := e.Into(&happened); err != nil {
			return err
		}
		m, err := live.News("merchant:"+happened.MerchantID.String(), e.Topic, saleTold{happened.PaymentID})
		if err != nil {
			return err
		}
		news = append(news, m)
	}
	return p.hub.PublishAll(ctx, news)
}

// Live tells an open page of each payment and cancellation, and the day's sums
// after it: GET /shop/live.
func (p *ShopPages) Live(c echo.Context) error {
	ctx, lang := c.Request().Context(), web.Lang(c)
	merchant := auth.From(ctx).Merchant
	return p.streams.FollowAll(c, "merchant:"+merchant.String(), func(m live.Message) ([]web.Event, error) {
		if !slices.Contains(SaleTopics, m.Kind) {
			return nil, nil
		}
		var told saleTold
		if err := json.Unmarshal(m.Data, &told); err != nil {
			return nil, err
		}
		return p.saleEvents(ctx, lang, merchant, told.PaymentID)
	})
}

func (p *ShopPages) saleEvents(ctx context.Context, lang string, merchant, payment uuid.UUID) ([]web.Event, error) {
	sale, err := p.service.Get(ctx, payment)
	if err != nil {
		return nil, err
	}
	day, err := p.service.ledger.OpenDay(ctx)
	if err != nil {
		return nil, err
	}
	totals, err := p.service.TotalsOf(ctx, merchant, Filter{Day: day})
	if err != nil {
		return nil, err
	}
	line, err := shopTodayPage.Render(p.pages, lang, "sale", shopSale{sale, saleBadges[sale.State()]})
	if err != nil {
		return nil, err
	}
	sums, err := shopTodayPage.Render(p.pages, lang, "totals", totals)
	return []web.Event{{Name: saleNews, HTML: line}, {Name: saleNews, HTML: sums}}, err
}

type shopSalesView struct {
	web.Frame
	From, To calendar.Day
	Totals   Totals
	Sales    []shopSale
	Next     string
	CSV      string
}

var shopSalesPage = web.NewPage[shopSalesView](web.Desk, "payments/shop_sales")

// Sales lists what the shop was paid in some days: GET /shop/sales?from=&to=&before=.
func (p *ShopPages) Sales(c echo.Context) error {
	ctx := c.Request().Context()
	f, err := p.salesFilter(c)
	if err != nil {
		return err
	}
	f.Limit = salesRows + 1
	merchant := auth.From(ctx).Merchant
	list, err := p.service.ListByMerchant(ctx, merchant, f)
	if err != nil {
		return err
	}
	totals, err := p.service.TotalsOf(ctx, merchant, f)
	if err != nil {
		return err
	}
	query := url.Values{"from": {f.From.String()}, "to": {f.To.String()}}
	view := shopSalesView{From: f.From, To: f.To, Totals: totals, CSV: "/shop/sales.csv?" + query.Encode()}
	if len(list) > salesRows {
		list = list[:salesRows]
		query.Set("before", list[salesRows-1].ID.String())
		view.Next = "/shop/sales?" + query.Encode()
	}
	view.Sales = shopSales(list)
	return shopSalesPage.Show(c, p.pages, view)
}

// salesFilter reads the days; without any it is the open business day. The
// same address works with day= alone, for links.
func (p *ShopPages) salesFilter(c echo.Context) (f Filter, err error) {
	query := web.ReadQuery(c)
	today, err := p.service.ledger.OpenDay(c.Request().Context())
	if err != nil {
		return f, err
	}
	var wrong *fault.Fault
	day := func(name string, otherwise calendar.Day) calendar.Day {
		text := query.Value(name)
		if text == "" {
			return otherwise
		}
		d, err := calendar.ParseDay(text)
		if err != nil || d.Year() < 2000 || d.Year() > 2999 {
			wrong = wrong.And(name, fault.WrongFormat)
			return otherwise
		}
		return d
	}
	one := day("day", today)
	f.From, f.To = day("from", one), day("to", one)
	switch {
	case f.To.Before(f.From):
		wrong = wrong.And("to", fault.TooSmall).Limit(f.From)
	case f.From.DaysUntil(f.To) > salesDaysMax:
		wrong = wrong.And("to", fault.TooLarge).Limit(f.From.AddDays(salesDaysMax))
	}
	if query.Value("before") != "" {
		f.Before = query.UUID("before")
		if err := query.Err(); err != nil {
			return f, err
		}
	}
	return f, wrong.OrNil()
}

// Download is the same list as a file for spreadsheets, up to 20,000 rows:
// GET /shop/sales.csv?from=&to=.
func (p *ShopPages) Download(c echo.Context) error {
	ctx, words, lang := c.Request().Context(), p.pages.Words, web.Lang(c)
	f, err := p.salesFilter(c)
	if err != nil {
		return err
	}
	f.Limit, f.Before = csvStep, uuid.Nil
	sheet := web.NewSheet(words, lang, "payments.shop.column.", "at", "approval", "state", "amount", "cancelled", "left")
	for sheet.Rows < csvRowsMost {
		list, err := p.service.ListByMerchant(ctx, auth.From(ctx).Merchant, f)
		if err != nil {
			return err
		}
		for _, sale := range list {
			state := words.T(lang, "payments.shop.state."+string(sale.State()))
			sheet.Row(sale.At, sale.ApprovalNumber(), state, sale.Amount, sale.CancelledAmount, sale.Left())
		}
		if len(list) < csvStep {
			break
		}
		f.Before = list[len(list)-1].ID
	}
	return sheet.Send(c, "sales-"+f.From.String()+"-"+f.To.String())
}
