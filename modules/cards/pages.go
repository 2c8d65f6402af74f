package cards

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

// Pages are the citizen's screens of cards.
type Pages struct {
	service *Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages) *Pages { return &Pages{service, pages} }

type listView struct {
	web.Frame
	Cards  []cardLine
	Offers []payments.Question
	Open   []FallThrough // that can be swapped
	Owed   money.Amount
	Full   bool
}

type cardLine struct {
	Link
	Issuer string
	Mode   Mode // the same everywhere, or empty
	Badge  string
}

type newView struct {
	web.Frame
	Form    *web.Form
	Issuers []Issuer
	Chosen  Issuer
	Asked   bool
	Cards   []IssuerCard
	Silent  bool
}

type cardView struct {
	web.Frame
	Form    *web.Form
	Card    cardLine
	Places  []placeView
	History []useLine
}

// placeView is what a card may do in one municipality.
type placeView struct {
	Option
	Tenant  string
	Voucher string
	Place   string
	Alone   bool // no other card of the issuer could be the main one
	Modes   []Mode
}

// useLine is one payment that the card asked for.
type useLine struct {
	Authorisation
	Shop string
	URL  string
	Why  string // of a refusal, in words
}

var (
	listPage = web.NewPage[listView](web.Phone, "cards/list")
	newPage  = web.NewPage[newView](web.Phone, "cards/new")
	cardPage = web.NewPage[cardView](web.Phone, "cards/card")
)

// stateBadges say in colour what the words beside them say too.
var stateBadges = map[State]string{Active: "success", Paused: "warning", Lost: "danger"}

func (s *Service) line(l Link, homes []tenant.ID) cardLine {
	issuer, _ := s.Issuer(l.Issuer)
	line := cardLine{Link: l, Issuer: issuer.Name, Badge: stateBadges[l.State]}
	for i, id := range homes {
		if mode := l.In(id).Mode; i == 0 {
			line.Mode = mode
		} else if mode != line.Mode {
			line.Mode = ""
		}
	}
	return line
}

// List shows a citizen's cards and what awaits a word: GET /my/cards.
func (p *Pages) List(c echo.Context) error {
	ctx := c.Request().Context()
	me := auth.From(ctx).ID
	links, err := p.service.Links(ctx, me)
	if err != nil {
		return err
	}
	homes, err := p.service.homes(ctx, me)
	if err != nil {
		return err
	}
	view := listView{Full: len(links) >= linksMost}
	for _, l := range links {
		view.Cards = append(view.Cards, p.service.line(l, homes))
	}
	if view.Offers, err = p.service.Questions(ctx, me); err != nil {
		return err
	}
	swaps, err := p.service.FallThroughs(ctx, me)
	if err != nil {
		return err
	}
	for _, f := range swaps {
		if f.State == SwapOpen {
			view.Open = append(view.Open, f)
		}
	}
	claims, err := p.service.ClaimsOf(ctx, me)
	for _, c := range claims {
		view.Owed += c.Owed
	}
	if err != nil {
		return err
	}
	return listPage.Show(c, p.pages, view)
}

// New asks for the issuer, then shows the cards that it knows: GET
// /my/cards/new?issuer=.
func (p *Pages) New(c echo.Context) error {
	query := web.ReadQuery(c)
	chosen := query.Optional("issuer", 2)
	if err := query.Err(); err != nil {
		return err
	}
	view, err := p.newView(c, chosen)
	if err != nil {
		return err
	}
	return newPage.Show(c, p.pages, view)
}

func (p *Pages) newView(c echo.Context, chosen string) (newView, error) {
	ctx := c.Request().Context()
	view := newView{Form: web.EmptyForm(), Issuers: p.service.Issuers()}
	if chosen == "" {
		return view, nil
	}
	issuer, known := p.service.Issuer(chosen)
	if !known {
		return view, ErrIssuerUnknown.With("issuer", chosen)
	}
	view.Chosen, view.Asked = issuer, true
	list, err := p.service.Available(ctx, auth.From(ctx).ID, chosen)
	if errors.Is(err, ErrIssuerSilent) {
		view.Silent = true
		return view, nil
	}
	view.Cards = list
	return view, err
}

// Link links the card that was chosen: POST /my/cards.
func (p *Pages) Link(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in := LinkInput{
		CitizenID: auth.From(c.Request().Context()).ID, Issuer: form.Text("issuer", 2), Token: form.Text("token", tokenMost),
		Name: form.Optional("name", nameMost),
	}
	err = form.Err()
	var l Link
	if err == nil {
		l, err = p.service.Connect(c.Request().Context(), in)
	}
	if err != nil {
		view, viewErr := p.newView(c, in.Issuer)
		if viewErr != nil {
			return err
		}
		view.Form = form
		return newPage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "cards.flash.linked")
	return web.Redirect(c, cardURL(l.ID))
}

func cardURL(id uuid.UUID) string { return "/my/cards/" + id.String() }

func (p *Pages) card(c echo.Context) (Link, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return Link{}, ErrNotLinked
	}
	ctx := c.Request().Context()
	return p.service.Link(ctx, auth.From(ctx).ID, id)
}

// Card shows one card, what it may do where, and what it paid: GET /my/cards/{id}.
func (p *Pages) Card(c echo.Context) error {
	l, err := p.card(c)
	if err != nil {
		return err
	}
	view, err := p.cardView(c, l)
	if err != nil {
		return err
	}
	return cardPage.Show(c, p.pages, view)
}

func (p *Pages) cardView(c echo.Context, l Link) (view cardView, err error) {
	ctx, lang := c.Request().Context(), web.Lang(c)
	links, err := p.service.Links(ctx, l.CitizenID)
	if err != nil {
		return view, err
	}
	homes, err := p.service.homes(ctx, l.CitizenID)
	if err != nil {
		return view, err
	}
	view = cardView{Form: web.EmptyForm(), Card: p.service.line(l, homes)}
	alone := !slices.ContainsFunc(links, func(o Link) bool { return o.ID != l.ID && o.Issuer == l.Issuer && o.State != Lost })
	for _, id := range homes {
		face, err := p.service.vouchers.Face(ctx, id, lang)
		if err != nil {
			return view, err
		}
		view.Places = append(view.Places, placeView{
			Option: l.In(id), Tenant: id.String(), Voucher: face.Voucher, Place: face.Place, Alone: alone, Modes: []Mode{VoucherOnly, Ask, Allow},
		})
	}
	view.History, err = p.history(ctx, lang, l)
	return view, err
}

func (p *Pages) history(ctx context.Context, lang string, l Link) (lines []useLine, err error) {
	const shown = 20
	list, err := p.service.History(ctx, l.CitizenID, l.ID, shown)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		u := useLine{Authorisation: a}
		if a.MerchantID != nil {
			names, err := p.service.merchants.Names(tenant.With(ctx, a.TenantID), []uuid.UUID{*a.MerchantID})
			if err != nil {
				return nil, err
			}
			u.Shop = names[*a.MerchantID]
		}
		if a.PaymentID != nil {
			u.URL = "/my/payments/" + a.TenantID.String() + "/" + a.PaymentID.String()
		}
		if a.Refusal != "" {
			u.Why = p.pages.Words.T(lang, "problem."+a.Refusal+".title")
		}
		lines = append(lines, u)
	}
	return lines, nil
}

// changed shows a card again after a change of it was tried.
func (p *Pages) changed(c echo.Context, form *web.Form, l Link, err error, flash string) error {
	if err == nil {
		web.Flash(c, "success", flash)
		return web.Redirect(c, cardURL(l.ID))
	}
	view, viewErr := p.cardView(c, l)
	if viewErr != nil {
		return err
	}
	view.Form = form
	return cardPage.Refuse(c, p.pages, form, err, view)
}

// Rename gives a card another name: POST /my/cards/{id}/name.
func (p *Pages) Rename(c echo.Context) error {
	l, form, err := p.change(c)
	if err != nil {
		return err
	}
	name := form.Text("name", nameMost)
	if err = form.Err(); err == nil {
		_, err = p.service.Rename(c.Request().Context(), l.CitizenID, l.ID, name)
	}
	return p.changed(c, form, l, err, "cards.flash.renamed")
}

func (p *Pages) change(c echo.Context) (l Link, form *web.Form, err error) {
	if l, err = p.card(c); err != nil {
		return l, nil, err
	}
	form, err = web.ReadForm(c)
	return l, form, err
}

// SetOption keeps what a card may do in a municipality: POST
// /my/cards/{id}/option.
func (p *Pages) SetOption(c echo.Context) error {
	l, form, err := p.change(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	at, main := form.Text("tenant", 5), form.Optional("main", 3) == "yes"
	mode := form.Choice("mode", string(VoucherOnly), string(Ask), string(Allow))
	err = form.Err()
	var id tenant.ID
	if err == nil {
		id, err = p.service.home(ctx, l.CitizenID, at)
	}
	if err == nil {
		_, err = p.service.SetOption(ctx, l.CitizenID, l.ID, Option{TenantID: id, Mode: Mode(mode), Main: main})
	}
	return p.changed(c, form, l, err, "cards.flash.option")
}

// SetState pauses, resumes, reports lost or unlinks a card: POST
// /my/cards/{id}/state.
func (p *Pages) SetState(c echo.Context) error {
	l, form, err := p.change(c)
	if err != nil {
		return err
	}
	to := State(form.Choice("state", string(Active), string(Paused), string(Lost), string(Unlinked)))
	if err = form.Err(); err == nil {
		_, err = p.service.SetState(c.Request().Context(), l.CitizenID, l.ID, to)
	}
	if err == nil && to == Unlinked {
		web.Flash(c, "success", "cards.flash.unlinked")
		return web.Redirect(c, "/my/cards")
	}
	return p.changed(c, form, l, err, "cards.flash."+cmp.Or(string(to), "option"))
}

// Answer keeps the citizen's word on the rest of a payment: POST
// /my/cards/offers/{tenant}/{id}.
func (p *Pages) Answer(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrOfferOver
	}
	word := form.Choice("answer", "allow", "decline")
	if err := form.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if _, err := p.service.Answer(ctx, auth.From(ctx).ID, id, word == "allow"); err != nil {
		return err
	}
	web.Flash(c, "success", "cards.flash.answer-"+word)
	return web.Redirect(c, "/my/cards")
}

// refusal is what a citizen is told when the voucher cannot pay.
func (p *Pages) refusal(c echo.Context, err error) *vouchers.Refusal {
	if _, ok := fault.Of(err); !ok {
		return nil
	}
	return vouchers.RefusalOf(p.pages.Words, web.Lang(c), err, "/my/buy")
}
