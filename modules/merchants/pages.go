package merchants

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/emvco"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

const posterSize = 1024 // pixels of the picture that a shop downloads

// Pages are where clerks print their shop's code, and how they come in.
type Pages struct {
	*signin.Pages
	service *Service
	tenants *tenants.Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, t *tenants.Service, pages *web.Pages, cookie signin.Cookie) *Pages {
	return &Pages{signin.NewPages(service.SignIns, pages, signin.Face{
		Name: "shop", Path: "/shop/sign-in", Field: "login", Cookie: cookie, About: service.about,
		Homes: map[auth.Kind]string{auth.Clerk: "/shop", "": "/shop"},
	}), service, t, pages}
}

func (s *Service) about(ctx context.Context) (a signin.About, err error) {
	me := auth.From(ctx)
	shop, err := s.Get(ctx, me.Merchant)
	if err != nil {
		return a, err
	}
	clerk, err := s.Clerk(ctx, me.ID)
	if err != nil {
		return a, err
	}
	a = signin.About{Text: []string{me.Name, shop.Name}, Role: "merchants.role." + string(clerk.Role)}
	for _, permission := range me.Permissions {
		a.Permissions = append(a.Permissions, "merchants.permission."+permission)
	}
	return a, nil
}

// Authenticate proves a clerk by bearer token, as tills send it, or by cookie.
func (p *Pages) Authenticate(c echo.Context) (auth.Principal, error) {
	if token, ok := strings.CutPrefix(c.Request().Header.Get(echo.HeaderAuthorization), "Bearer "); ok {
		return p.service.Identify(c.Request().Context(), token)
	}
	return p.Pages.Authenticate(c, auth.Clerk)
}

type qrView struct {
	web.Frame
	Shop    Merchant
	Voucher string // name of the municipality's voucher
	Open    bool   // takes payments now
}

var qrPage = web.NewPage[qrView](web.Desk, "merchants/qr")

// QR is the poster with the shop's code, to be printed: GET /shop/qr.
func (p *Pages) QR(c echo.Context) error {
	ctx := c.Request().Context()
	me := auth.From(ctx)
	shop, err := p.service.Get(ctx, me.Merchant)
	if err != nil {
		return err
	}
	t, err := p.tenants.Get(ctx, me.Tenant)
	if err != nil {
		return err
	}
	return qrPage.Show(c, p.pages, qrView{Shop: shop, Voucher: t.VoucherNameIn(web.Lang(c)), Open: shop.State == Approved})
}

// QRPicture is the code as a PNG to keep: GET /shop/qr.png.
func (p *Pages) QRPicture(c echo.Context) error {
	payload, shop, err := p.service.StaticQR(c.Request().Context(), auth.From(c.Request().Context()).Merchant)
	if err != nil {
		return err
	}
	picture, err := emvco.Image(payload, posterSize)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="qr-`+shop.ID.String()+`.png"`)
	return c.Blob(http.StatusOK, "image/png", picture)
}

// QRDrawing is the code as a drawing, sharp at any size: GET /shop/qr.svg.
func (p *Pages) QRDrawing(c echo.Context) error {
	payload, _, err := p.service.StaticQR(c.Request().Context(), auth.From(c.Request().Context()).Merchant)
	if err != nil {
		return err
	}
	drawing, err := emvco.SVG(payload)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "image/svg+xml", drawing)
}
