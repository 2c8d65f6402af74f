package vouchers

import (
	"context"

	"github.com/labstack/echo/v4"

	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

// PublicPages are what anyone sees: what this is, and which municipality's
// voucher gives what.
type PublicPages struct {
	service *Service
	pages   *web.Pages
}

// NewPublicPages shows what service knows.
func NewPublicPages(service *Service, pages *web.Pages) *PublicPages {
	return &PublicPages{service, pages}
}

type frontView struct {
	web.Frame
	Live  []placeCard
	Total int // municipalities that could join
}

type placeCard struct {
	ID            tenant.ID
	Name, Voucher string
	Accent        int
	Discount      string // "10%" of the best programme on sale; empty without one
	Live          bool
}

type placesView struct {
	web.Frame
	Query  string
	Places []placeCard
	More   bool
}

type placeView struct {
	web.Frame
	Place      placeCard
	Tenant     tenants.Tenant
	Programmes []programmeCard
}

type programmeCard struct {
	Name     string
	Kind     Kind
	Discount string
	OnSale   bool
	Policy   Policy
	ID       string
}

var (
	frontPage  = web.NewPage[frontView](web.Public, "public/front")
	placesPage = web.NewPage[placesView](web.Public, "public/places")
	placePage  = web.NewPage[placeView](web.Public, "public/place")
)

// Front is the first page: GET /.
func (p *PublicPages) Front(c echo.Context) error {
	ctx := c.Request().Context()
	live, err := p.service.tenants.Live(ctx)
	if err != nil {
		return err
	}
	all, err := p.service.tenants.All(ctx)
	if err != nil {
		return err
	}
	view := frontView{Total: len(all)}
	for _, t := range live {
		card, err := p.card(ctx, t, web.Lang(c))
		if err != nil {
			return err
		}
		view.Live = append(view.Live, card)
	}
	return frontPage.Show(c, p.pages, view)
}

// Places finds a municipality: GET /tenants?q=.
func (p *PublicPages) Places(c echo.Context) error {
	form := web.ReadQuery(c)
	query := form.Optional("q", 40)
	if err := form.Err(); err != nil {
		return err
	}
	found, more, err := p.service.tenants.Search(c.Request().Context(), tenants.Filter{Query: query, Limit: 300})
	if err != nil {
		return err
	}
	view := placesView{Query: query, More: more}
	for _, t := range found {
		card, err := p.card(c.Request().Context(), t, web.Lang(c))
		if err != nil {
			return err
		}
		view.Places = append(view.Places, card)
	}
	return placesPage.Show(c, p.pages, view)
}

// Place shows a municipality's vouchers and their rules: GET /tenants/{tenant}.
func (p *PublicPages) Place(c echo.Context) error {
	ctx, lang := c.Request().Context(), web.Lang(c)
	t, err := p.service.tenants.Get(ctx, tenant.From(ctx))
	if err != nil {
		return err
	}
	view := placeView{Tenant: t}
	if view.Place, err = p.card(ctx, t, lang); err != nil {
		return err
	}
	programmes, err := p.service.Programmes(ctx)
	if err != nil {
		return err
	}
	for _, programme := range programmes {
		policy, ok := programme.InForce(p.service.now())
		if !ok {
			continue
		}
		_, onSale := programme.OnSale(p.service.now())
		view.Programmes = append(view.Programmes, programmeCard{
			Name: programme.NameIn(lang), Kind: programme.Kind, Discount: percent(policy.DiscountBP), OnSale: onSale, Policy: policy, ID: programme.ID.String(),
		})
	}
	return placePage.Show(c, p.pages, view)
}

func (p *PublicPages) card(ctx context.Context, t tenants.Tenant, lang string) (placeCard, error) {
	card := placeCard{ID: t.ID, Name: t.NameIn(lang), Voucher: t.VoucherNameIn(lang), Accent: t.Accent, Live: t.Live}
	if !t.Live {
		return card, nil
	}
	programmes, err := p.service.Programmes(tenant.With(ctx, t.ID))
	best := int64(0)
	for _, programme := range programmes {
		if policy, ok := programme.OnSale(p.service.now()); ok {
			best = max(best, policy.DiscountBP)
		}
	}
	if best > 0 {
		card.Discount = percent(best)
	}
	return card, err
}
