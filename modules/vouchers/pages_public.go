package vouchers

import (
	"context"

	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
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
	Name        string
	Kind        Kind
	Discount    string
	OnSale      bool
	Opens       calendar.Day // of one that is not on sale yet
	Closed      calendar.Day // of one that was closed early, for Why
	Why         string
	Least, Most int // years of age of buyers; 0: no bound
	Policy      Policy
	ID          string
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
		if card, told := p.programmeCard(programme, lang); told {
			view.Programmes = append(view.Programmes, card)
		}
	}
	return placePage.Show(c, p.pages, view)
}

// programmeCard tells of a programme under the policy of now or, before it
// opens, the one that it opens with.
func (p *PublicPages) programmeCard(programme Programme, lang string) (card programmeCard, told bool) {
	now := p.service.now()
	policy, ok := programme.InForce(now)
	ahead := now.Before(programme.OpensAt)
	if ahead {
		policy, ok = programme.InForce(programme.OpensAt)
	}
	if !ok {
		return card, false
	}
	card = programmeCard{
		Name: programme.NameIn(lang), Kind: programme.Kind, Discount: percent(policy.DiscountBP), Policy: policy, ID: programme.ID.String(),
		Least: programme.BuyerAgeMin, Most: programme.BuyerAgeMax, Why: programme.CloseReason,
	}
	_, card.OnSale = programme.OnSale(now)
	if ahead {
		card.Opens = calendar.DayOf(programme.OpensAt)
	}
	if card.Why != "" {
		card.Closed = calendar.DayOf(*programme.ClosesAt)
	}
	return card, true
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
