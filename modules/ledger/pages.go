package ledger

import (
	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

// Pages are what anyone sees of the books.
type Pages struct {
	service *Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages) *Pages { return &Pages{service, pages} }

type daysView struct {
	web.Frame
	Tenant tenant.ID
	Days   []SealedDay
	First  bool   // of the pages
	Next   string // where the page after begins
}

var daysPage = web.NewPage[daysView](web.Public, "ledger/days")

const daysOfPage = 31

// Days shows the days that are closed and sealed: GET
// /tenants/{tenant}/ledger-days?before=.
func (p *Pages) Days(c echo.Context) error {
	ctx, form := c.Request().Context(), web.ReadQuery(c)
	text := form.Optional("before", len("2026-11-18"))
	if err := form.Err(); err != nil {
		return err
	}
	before := calendar.Day{}
	if err := before.UnmarshalText([]byte(text)); err != nil {
		return fault.On("before", fault.WrongFormat)
	}
	list, more, err := p.service.daysPage(ctx, before, daysOfPage)
	if err != nil {
		return err
	}
	view := daysView{Tenant: tenant.From(ctx), Days: list, First: before.IsZero()}
	if more {
		view.Next = list[len(list)-1].Day.String()
	}
	return daysPage.Show(c, p.pages, view)
}
