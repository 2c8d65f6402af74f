package incidents

import (
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/web"
	"jangteo/modules/tenants"
)

// Pages are what the public reads.
type Pages struct {
	service *Service
	tenants *tenants.Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, t *tenants.Service, pages *web.Pages) *Pages {
	return &Pages{service, t, pages}
}

// shown is an incident in the reader's language.
type shown struct {
	Incident
	Title, Text string
	Places      []string
	Kind        string // of its badge
}

func (p *Pages) show(c echo.Context, i Incident) (s shown, err error) {
	lang := web.Lang(c)
	s = shown{Incident: i, Kind: kindOf(i.State)}
	s.Title, s.Text = i.Words.In(lang)
	for _, id := range i.Tenants {
		t, err := p.tenants.Get(c.Request().Context(), id)
		if err != nil {
			return s, err
		}
		s.Places = append(s.Places, t.NameIn(lang))
	}
	return s, nil
}

func kindOf(state State) string {
	switch state {
	case Resolved:
		return "success"
	case Monitoring:
		return "info"
	case Investigating, Identified:
	}
	return "warning"
}

type listView struct {
	web.Frame
	Open, Over []shown
}

var listPage = web.NewPage[listView](web.Public, "incidents/list")

// List tells what goes on, and what went on lately: GET /incidents.
func (p *Pages) List(c echo.Context) error {
	list, err := p.service.Public(c.Request().Context())
	if err != nil {
		return err
	}
	var view listView
	for _, i := range list {
		s, err := p.show(c, i)
		switch {
		case err != nil:
			return err
		case i.Over():
			view.Over = append(view.Over, s)
		default:
			view.Open = append(view.Open, s)
		}
	}
	return listPage.Show(c, p.pages, view)
}

type saidView struct {
	Version
	Title, Text string
	Kind        string
}

type incidentView struct {
	web.Frame
	Incident shown
	Said     []saidView
	Reset    bool // sign-ins were reset because of it
}

var incidentPage = web.NewPage[incidentView](web.Public, "incidents/incident")

// Incident tells everything that was said of one: GET /incidents/{id}.
func (p *Pages) Incident(c echo.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrUnknown
	}
	i, said, err := p.service.PublicGet(c.Request().Context(), id)
	if err != nil {
		return err
	}
	view := incidentView{}
	if view.Incident, err = p.show(c, i); err != nil {
		return err
	}
	for _, v := range said {
		title, text := v.Words.In(web.Lang(c))
		view.Said = append(view.Said, saidView{v, title, text, kindOf(v.State)})
	}
	if view.Reset, err = p.service.HasReset(c.Request().Context(), id); err != nil {
		return err
	}
	return incidentPage.Show(c, p.pages, view)
}
