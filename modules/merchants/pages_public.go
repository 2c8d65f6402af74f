package merchants

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

// PublicPages are what anyone sees of shops.
type PublicPages struct {
	service *Service
	tenants *tenants.Service
	pages   *web.Pages
}

// NewPublicPages shows what service knows.
func NewPublicPages(service *Service, t *tenants.Service, pages *web.Pages) *PublicPages {
	return &PublicPages{service, t, pages}
}

type searchView struct {
	web.Frame
	Tenant tenant.ID
	Place  string
	Query  string
	Shops  []Merchant
	Next   string
}

var searchPage = web.NewPage[searchView](web.Public, "public/merchants")

// List finds shops that take the voucher: GET /tenants/{tenant}/merchants?q=&after=.
func (p *PublicPages) List(c echo.Context) error {
	ctx, form := c.Request().Context(), web.ReadQuery(c)
	query, cursor := form.Optional("q", 40), form.Optional("after", 400)
	if err := form.Err(); err != nil {
		return err
	}
	after, err := parseCursor(cursor)
	if err != nil {
		return err
	}
	t, err := p.tenants.Get(ctx, tenant.From(ctx))
	if err != nil {
		return err
	}
	list, next, err := p.service.Search(ctx, Filter{Query: query, State: Approved, After: after, Limit: 30})
	if err != nil {
		return err
	}
	view := searchView{Tenant: t.ID, Place: t.VoucherNameIn(web.Lang(c)), Query: query, Shops: list}
	if next != nil {
		view.Next = url.Values{"q": {query}, "after": {next.String()}}.Encode()
	}
	return searchPage.Show(c, p.pages, view)
}
