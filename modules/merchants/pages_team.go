package merchants

import (
	"context"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/web"
)

const teamPath = "/shop/clerks"

type teamView struct {
	web.Frame
	Form     *web.Form
	Team     []Clerk
	Me       uuid.UUID
	Roles    []roleView
	Hired    *Clerk
	Password string // of who was hired, this once
}

// roleView is a role in words.
type roleView struct {
	Role     Role
	Key      string
	May      []string // words keys
	Selected bool
}

func roleViews(selected Role) (list []roleView) {
	for _, role := range Roles() {
		v := roleView{Role: role, Key: "merchants.role." + string(role), Selected: role == selected}
		for _, permission := range permissions[role] {
			v.May = append(v.May, "merchants.permission."+permission)
		}
		list = append(list, v)
	}
	return list
}

// RoleKey is the words key of a clerk's role.
func (c Clerk) RoleKey() string { return "merchants.role." + string(c.Role) }

var teamPage = web.NewPage[teamView](web.Desk, "merchants/clerks")

// Team shows who works at the shop, and the form for somebody new: GET /shop/clerks.
func (p *Pages) Team(c echo.Context) error {
	view, err := p.team(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return teamPage.Show(c, p.pages, view)
}

func (p *Pages) team(c echo.Context, form *web.Form) (view teamView, err error) {
	ctx := c.Request().Context()
	selected := Role(form.Value("role"))
	if selected == "" {
		selected = Seller
	}
	view = teamView{Form: form, Roles: roleViews(selected), Me: auth.From(ctx).ID}
	view.Team, err = p.service.Team(ctx)
	return view, err
}

// Hire gives somebody a login: POST /shop/clerks. The first password is on the
// page that answers, and nowhere else.
func (p *Pages) Hire(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	hired, password, err := p.service.Hire(c.Request().Context(), ClerkInput{
		Login: form.Value("login"), Name: form.Value("name"), Role: Role(form.Value("role")),
	})
	if err != nil {
		view, failed := p.team(c, form)
		if failed != nil {
			return failed
		}
		return teamPage.Refuse(c, p.pages, form, err, view)
	}
	view, err := p.team(c, web.EmptyForm())
	if err != nil {
		return err
	}
	view.Hired, view.Password = &hired, password
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return teamPage.Show(c, p.pages, view)
}

type clerkView struct {
	web.Frame
	Clerk
	Form    *web.Form
	Roles   []roleView
	Own     bool
	SignIns []signInLine
	In      bool // is signed in somewhere
}

type signInLine struct {
	auth.WebSession
	Ended string // words key; empty while it lives
}

var clerkPage = web.NewPage[clerkView](web.Desk, "merchants/clerk")

// Member is one clerk and what can be done: GET /shop/clerks/{id}.
func (p *Pages) Member(c echo.Context) error {
	view, err := p.member(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return clerkPage.Show(c, p.pages, view)
}

func (p *Pages) member(c echo.Context, form *web.Form) (view clerkView, err error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return view, ErrClerkUnknown
	}
	ctx := c.Request().Context()
	view = clerkView{Form: form, Own: id == auth.From(ctx).ID}
	var signIns []auth.WebSession
	view.Clerk, signIns, err = p.service.Colleague(ctx, id)
	for _, each := range signIns {
		line := signInLine{WebSession: each}
		if each.EndedReason != nil {
			line.Ended = "signin.ended." + *each.EndedReason
		}
		view.In = view.In || line.Ended == ""
		view.SignIns = append(view.SignIns, line)
	}
	view.Roles = roleViews(view.Clerk.Role)
	return view, err
}

// SetRole changes a clerk's role: POST /shop/clerks/{id}/role.
func (p *Pages) SetRole(c echo.Context) error {
	return p.changeClerk(c, func(ctx context.Context, form *web.Form, id uuid.UUID) error {
		return p.service.SetRole(ctx, id, Role(form.Value("role")))
	})
}

// Suspend keeps a clerk out: POST /shop/clerks/{id}/suspend.
func (p *Pages) Suspend(c echo.Context) error {
	return p.changeClerk(c, func(ctx context.Context, form *web.Form, id uuid.UUID) error {
		return p.service.SuspendClerk(ctx, id, form.Value("reason"))
	})
}

// Resume lets a clerk in again: POST /shop/clerks/{id}/resume.
func (p *Pages) Resume(c echo.Context) error { return p.plainChange(c, p.service.ResumeClerk) }

// EndSessions signs a clerk out everywhere: POST /shop/clerks/{id}/end.
func (p *Pages) EndSessions(c echo.Context) error { return p.plainChange(c, p.service.EndSessions) }

// Release takes a clerk's lost second factors away: POST /shop/clerks/{id}/factors.
func (p *Pages) Release(c echo.Context) error { return p.plainChange(c, p.service.ReleaseClerk) }

// Dismiss ends a clerk's work here: POST /shop/clerks/{id}/leave.
func (p *Pages) Dismiss(c echo.Context) error { return p.plainChange(c, p.service.Dismiss) }

func (p *Pages) plainChange(c echo.Context, how func(context.Context, uuid.UUID) error) error {
	return p.changeClerk(c, func(ctx context.Context, _ *web.Form, id uuid.UUID) error { return how(ctx, id) })
}

func (p *Pages) changeClerk(c echo.Context, how func(context.Context, *web.Form, uuid.UUID) error) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	view, err := p.member(c, form)
	if err != nil {
		return err
	}
	if err := how(c.Request().Context(), form, view.ID); err != nil {
		if _, ok := fault.Of(err); !ok {
			return err
		}
		return clerkPage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "merchants.clerk.done")
	return web.Redirect(c, teamPath)
}
