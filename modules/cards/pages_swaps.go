package cards

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/vouchers"
)

type swapsView struct {
	web.Frame
	Items []swapLine
}

type swapLine struct {
	FallThrough
	URL   string
	Badge string
}

type swapPageView struct {
	web.Frame
	Form    *web.Form
	Refusal *vouchers.Refusal
	Item    swapLine
	Steps   []Step
	Card    string
	Paid    string // the voucher's payment
}

type claimsView struct {
	web.Frame
	Form    *web.Form
	Refusal *vouchers.Refusal
	Claims  []claimLine
	Owed    money.Amount
	Places  []wishLine
}

type claimLine struct {
	Claim
	URL        string
	PaymentURL string
	Key        uuid.UUID // of the next repayment
}

// wishLine is whether claims are repaid out of purchases in a municipality.
type wishLine struct {
	URL   string
	Place string
	Wish  bool
}

var (
	swapsPage  = web.NewPage[swapsView](web.Phone, "cards/swaps")
	swapPage   = web.NewPage[swapPageView](web.Phone, "cards/swap")
	claimsPage = web.NewPage[claimsView](web.Phone, "cards/claims")
)

var swapBadges = map[SwapState]string{SwapOpen: "warning", SwapPaying: "info", SwapAsking: "info", SwapDone: "success", SwapRefused: "danger"}

func swapLineOf(f FallThrough) swapLine {
	return swapLine{f, "/my/cards/swaps/" + f.TenantID.String() + "/" + f.ID.String(), swapBadges[f.State]}
}

// Swaps lists the payments that took the bank account although the voucher could
// have paid: GET /my/cards/swaps.
func (p *Pages) Swaps(c echo.Context) error {
	ctx := c.Request().Context()
	list, err := p.service.FallThroughs(ctx, auth.From(ctx).ID)
	if err != nil {
		return err
	}
	var view swapsView
	for _, f := range list {
		view.Items = append(view.Items, swapLineOf(f))
	}
	return swapsPage.Show(c, p.pages, view)
}

// ShowSwap shows one with every step: GET /my/cards/swaps/{tenant}/{id}.
func (p *Pages) ShowSwap(c echo.Context) error {
	view, err := p.swapView(c)
	if err != nil {
		return err
	}
	return swapPage.Show(c, p.pages, view)
}

func (p *Pages) swapView(c echo.Context) (view swapPageView, err error) {
	ctx := c.Request().Context()
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return view, ErrFallThroughUnknown
	}
	f, steps, err := p.service.FallThrough(ctx, auth.From(ctx).ID, id)
	if err != nil {
		return view, err
	}
	link, err := p.service.linkByID(ctx, f.LinkID)
	if err != nil {
		return view, err
	}
	view = swapPageView{Form: web.EmptyForm(), Item: swapLineOf(f), Steps: steps, Card: link.Name}
	if f.PaymentID != nil {
		view.Paid = "/my/payments/" + f.TenantID.String() + "/" + f.PaymentID.String()
	}
	for i, s := range steps {
		if s.Step == "voucher-refused" {
			steps[i].Detail = p.pages.Words.T(web.Lang(c), "problem."+s.Detail+".title")
		}
	}
	return view, nil
}

// Swap swaps with one tap: POST /my/cards/swaps/{tenant}/{id}. Its address is
// its key: tapped twice, it is the same swap.
func (p *Pages) Swap(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrFallThroughUnknown
	}
	_, err = p.service.Swap(ctx, auth.From(ctx).ID, id)
	if err == nil {
		return web.Redirect(c, c.Request().URL.Path)
	}
	if f, refused := fault.Of(err); !refused || f.Kind == fault.NotFound || f.Kind == fault.Unavailable {
		return err
	}
	view, viewErr := p.swapView(c)
	if viewErr != nil {
		return viewErr
	}
	view.Refusal = p.refusal(c, err)
	return swapPage.Refuse(c, p.pages, view.Form, err, view)
}

// Claims shows what a citizen owes because of stand-in payments: GET
// /my/cards/claims.
func (p *Pages) Claims(c echo.Context) error {
	view, err := p.claimsView(c)
	if err != nil {
		return err
	}
	return claimsPage.Show(c, p.pages, view)
}

func (p *Pages) claimsView(c echo.Context) (view claimsView, err error) {
	ctx, lang := c.Request().Context(), web.Lang(c)
	claims, err := p.service.ClaimsOf(ctx, auth.From(ctx).ID)
	if err != nil {
		return view, err
	}
	view.Form = web.EmptyForm()
	var places []tenant.ID
	for _, claim := range claims {
		at := claim.TenantID.String()
		view.Owed += claim.Owed
		view.Claims = append(view.Claims, claimLine{
			claim, "/my/cards/claims/" + at + "/" + claim.ID.String(), "/my/payments/" + at + "/" + claim.PaymentID.String(), uuid.Must(uuid.NewV7()),
		})
		if !slices.Contains(places, claim.TenantID) {
			places = append(places, claim.TenantID)
		}
	}
	for _, id := range places {
		line, err := p.wish(tenant.With(ctx, id), lang)
		if err != nil {
			return view, err
		}
		view.Places = append(view.Places, line)
	}
	return view, nil
}

func (p *Pages) wish(ctx context.Context, lang string) (w wishLine, err error) {
	id := tenant.From(ctx)
	face, err := p.service.vouchers.Face(ctx, id, lang)
	if err != nil {
		return w, err
	}
	wish, err := p.service.WishOf(ctx, auth.From(ctx).ID)
	return wishLine{"/my/cards/claims/" + id.String() + "/wish", face.Place, wish}, err
}

// Repay repays a claim out of the wallet: POST /my/cards/claims/{tenant}/{id}.
func (p *Pages) Repay(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrClaimUnknown
	}
	ctx := c.Request().Context()
	in := RepayInput{Key: form.UUID("key").String(), CitizenID: auth.From(ctx).ID, ClaimID: id}
	if err = form.Err(); err == nil {
		_, _, err = p.service.Repay(ctx, in)
	}
	if err == nil {
		web.Flash(c, "success", "cards.flash.repaid")
		return web.Redirect(c, "/my/cards/claims")
	}
	if f, refused := fault.Of(err); !refused || f.Kind == fault.NotFound {
		return err
	}
	view, viewErr := p.claimsView(c)
	if viewErr != nil {
		return viewErr
	}
	view.Form, view.Refusal = form, p.refusal(c, err)
	return claimsPage.Refuse(c, p.pages, form, err, view)
}

// Wish keeps whether claims are repaid out of what is bought next: POST
// /my/cards/claims/{tenant}/wish.
func (p *Pages) Wish(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	wish := form.Choice("wish", "yes", "no")
	if err := form.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := p.service.RepayFromPurchases(ctx, auth.From(ctx).ID, wish == "yes"); err != nil {
		return err
	}
	web.Flash(c, "success", "cards.flash.wish-"+wish)
	return web.Redirect(c, "/my/cards/claims")
}
