package cards

import (
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/web"
)

// ShopPages are a shop's screens of its card terminals.
type ShopPages struct {
	service *Service
	pages   *web.Pages
}

// NewShopPages shows what service knows.
func NewShopPages(service *Service, pages *web.Pages) *ShopPages { return &ShopPages{service, pages} }

type shopView struct {
	web.Frame
	Form      *web.Form
	Issuers   []Issuer
	Terminals []shopTerminal
	Waiting   []shopTerminal
}

type shopTerminal struct {
	Issuer, MerchantNumber, Terminal string
	Declined                         int64
}

var shopTerminalsPage = web.NewPage[shopView](web.Desk, "cards/shop_terminals")

// Terminals lists the terminals at which the shop takes the voucher, and those
// that still await the staff: GET /shop/terminals.
func (p *ShopPages) Terminals(c echo.Context) error {
	view, err := p.view(c)
	if err != nil {
		return err
	}
	return shopTerminalsPage.Show(c, p.pages, view)
}

func (p *ShopPages) view(c echo.Context) (view shopView, err error) {
	ctx := c.Request().Context()
	m, err := p.service.merchants.Get(ctx, auth.From(ctx).Merchant)
	if err != nil {
		return view, err
	}
	view = shopView{Form: web.EmptyForm(), Issuers: p.service.Issuers()}
	list, err := p.service.TerminalsOf(ctx, m.ID)
	if err != nil {
		return view, err
	}
	for _, t := range list {
		issuer, _ := p.service.Issuer(t.Issuer)
		view.Terminals = append(view.Terminals, shopTerminal{issuer.Name, t.MerchantNumber, t.Terminal, 0})
	}
	waiting, err := p.service.StraysOf(ctx, m)
	for _, t := range waiting {
		issuer, _ := p.service.Issuer(t.Issuer)
		view.Waiting = append(view.Waiting, shopTerminal{issuer.Name, t.MerchantNumber, t.Terminal, t.Declined})
	}
	return view, err
}

// Ask puts a terminal before the staff that the shop says is its own: POST
// /shop/terminals.
func (p *ShopPages) Ask(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	issuer, number := form.Text("issuer", 2), form.Text("merchant_number", merchantMost)
	terminal := form.Text("terminal", terminalMost)
	err = form.Err()
	if err == nil {
		if _, known := p.service.Issuer(issuer); !known {
			err = fault.On("issuer", fault.Unknown)
		}
	}
	if err == nil {
		m, getErr := p.service.merchants.Get(ctx, auth.From(ctx).Merchant)
		if err = getErr; err == nil {
			err = p.service.Ask(ctx, m, issuer, number, terminal)
		}
	}
	if err == nil {
		web.Flash(c, "success", "cards.flash.asked")
		return web.Redirect(c, "/shop/terminals")
	}
	view, viewErr := p.view(c)
	if viewErr != nil {
		return err
	}
	view.Form = form
	return shopTerminalsPage.Refuse(c, p.pages, form, err, view)
}
