package sessions

import (
	"context"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/fault"
	"jangteo/app/web"
)

// Office is what staff's pages need to know of other modules.
type Office struct {
	// Name is how citizens know the office of the person in ctx.
	Name func(ctx context.Context) (string, error)
	// Person names a citizen, masked, and refuses one who is none of theirs.
	Person func(ctx context.Context, citizen uuid.UUID) (name string, err error)
}

// OfficePages are where staff see a citizen's devices, and sign one out.
type OfficePages struct {
	service *Service
	office  Office
	pages   *web.Pages
}

// NewOfficePages shows what service knows.
func NewOfficePages(service *Service, office Office, pages *web.Pages) *OfficePages {
	return &OfficePages{service, office, pages}
}

type devicesView struct {
	web.Frame
	Citizen uuid.UUID
	Name    string
	Active  []Listed
	Past    []Listed
	Form    *web.Form
	Tried   uuid.UUID // the session that the form is about
}

// Near is roughly where a session was last seen from.
func (devicesView) Near(l Listed) string { return near(l.Address) }

// FormOf is what was typed for a session.
func (v devicesView) FormOf(l Listed) *web.Form {
	if l.ID == v.Tried {
		return v.Form
	}
	return web.EmptyForm()
}

var devicesPage = web.NewPage[devicesView](web.Desk, "sessions/devices")

// Devices lists a citizen's devices: GET /office/citizens/{id}/devices.
func (p *OfficePages) Devices(c echo.Context) error {
	view, err := p.devices(c)
	if err != nil {
		return err
	}
	return devicesPage.Show(c, p.pages, view)
}

func (p *OfficePages) devices(c echo.Context) (view devicesView, err error) {
	view.Form = web.EmptyForm()
	ctx := c.Request().Context()
	if view.Citizen, err = uuid.Parse(c.Param("id")); err != nil {
		return view, fault.ErrNotFound
	}
	if view.Name, err = p.office.Person(ctx, view.Citizen); err != nil {
		return view, err
	}
	list, err := p.service.List(ctx, view.Citizen)
	for _, each := range list {
		if each.State == Active {
			view.Active = append(view.Active, each)
		} else {
			view.Past = append(view.Past, each)
		}
	}
	return view, err
}

// End signs one of them out: POST /office/citizens/{id}/devices/{session}/end.
func (p *OfficePages) End(c echo.Context) error {
	view, err := p.devices(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	session, err := uuid.Parse(c.Param("session"))
	if err != nil {
		return ErrSessionUnknown
	}
	office, err := p.office.Name(ctx)
	if err != nil {
		return err
	}
	_, err = p.service.EndByStaff(ctx, StaffEnding{Citizen: view.Citizen, Session: session, Office: office, Reason: form.Value("reason")})
	if err != nil {
		view.Form, view.Tried = form, session
		return devicesPage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "sessions.office.ended")
	return web.Redirect(c, "/office/citizens/"+view.Citizen.String()+"/devices")
}
