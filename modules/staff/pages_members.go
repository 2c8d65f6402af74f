package staff

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

const reasonMost = 500

// MemberPages are where a chief manages who works in the office.
type MemberPages struct {
	service *Service
	pages   *web.Pages
}

// NewMemberPages shows what service knows.
func NewMemberPages(service *Service, pages *web.Pages) *MemberPages {
	return &MemberPages{service, pages}
}

// membersPath is where who asks manages members.
func membersPath(c echo.Context) string {
	if auth.From(c.Request().Context()).Kind == auth.Operator {
		return "/operations/staff"
	}
	return "/office/staff"
}

type membersView struct {
	web.Frame
	Base     string // where members are managed
	Form     *web.Form
	Members  []Member
	Roles    []roleView
	Required bool // a second factor, of everybody
	Hired    *Member
	Password string // of who was hired, this once
}

// roleView is a role in words.
type roleView struct {
	Role     Role
	Key      string
	May      []string // words keys
	Selected bool
}

func roleViews(of tenant.ID, selected Role) (list []roleView) {
	for _, role := range RolesIn(of) {
		v := roleView{Role: role, Key: "staff.role." + string(role), Selected: role == selected}
		for _, permission := range role.Permissions() {
			v.May = append(v.May, "staff.permission."+permission)
		}
		list = append(list, v)
	}
	return list
}

// RoleKey is the words key of a member's role.
func (m Member) RoleKey() string { return "staff.role." + string(m.Role) }

// Suspended reports whether a manager keeps the member out.
func (m Member) Suspended() bool { return m.State == Locked }

var membersPage = web.NewPage[membersView](web.Desk, "staff/members")

// List shows who works here, what each role may do, and the form for somebody
// new: GET /office/staff.
func (p *MemberPages) List(c echo.Context) error {
	view, err := p.members(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return membersPage.Show(c, p.pages, view)
}

func (p *MemberPages) members(c echo.Context, form *web.Form) (view membersView, err error) {
	ctx := c.Request().Context()
	selected := Role(form.Value("role"))
	if selected == "" { // not the one who may do most
		selected = RolesIn(auth.From(ctx).Tenant)[1]
	}
	view = membersView{Base: membersPath(c), Form: form, Roles: roleViews(auth.From(ctx).Tenant, selected)}
	if view.Members, err = p.service.Members(ctx); err != nil {
		return view, err
	}
	view.Required, err = p.service.Required(ctx, auth.From(ctx).Tenant)
	return view, err
}

// Hire gives somebody a login: POST /office/staff. The first password is on the
// page that answers, and nowhere else.
func (p *MemberPages) Hire(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	m, password, err := p.service.Hire(c.Request().Context(), RegisterInput{
		Login: form.Value("email"), Name: form.Value("name"), Department: form.Value("department"), Role: Role(form.Value("role")),
	})
	if err != nil {
		view, failed := p.members(c, form)
		if failed != nil {
			return failed
		}
		return membersPage.Refuse(c, p.pages, form, err, view)
	}
	view, err := p.members(c, web.EmptyForm())
	if err != nil {
		return err
	}
	view.Hired, view.Password = &m, password
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return membersPage.Show(c, p.pages, view)
}

// SetRule says whether everybody here needs a second factor: POST /office/staff/rule.
func (p *MemberPages) SetRule(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	required := form.Choice("required", "yes", "no") == "yes"
	if err := form.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := p.service.Require(ctx, auth.From(ctx).Tenant, required); err != nil {
		return err
	}
	web.Flash(c, "success", "staff.members.rule.done")
	return web.Redirect(c, membersPath(c))
}

type memberView struct {
	web.Frame
	Member
	Base    string
	Audited bool // there is a page of changes
	Form    *web.Form
	Roles   []roleView
	Own     bool
}

var memberPage = web.NewPage[memberView](web.Desk, "staff/member")

// Show is one member and what can be done: GET /office/staff/{id}.
func (p *MemberPages) Show(c echo.Context) error {
	view, err := p.member(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return memberPage.Show(c, p.pages, view)
}

func (p *MemberPages) member(c echo.Context, form *web.Form) (view memberView, err error) {
	id, err := pathID(c)
	if err != nil {
		return view, err
	}
	ctx := c.Request().Context()
	view = memberView{Base: membersPath(c), Audited: auth.From(ctx).Kind == auth.Staff, Form: form, Own: id == auth.From(ctx).ID}
	view.Member, err = p.service.Member(ctx, id)
	view.Roles = roleViews(view.Member.TenantID, view.Member.Role)
	return view, err
}

// SetRole changes a member's role: POST /office/staff/{id}/role.
func (p *MemberPages) SetRole(c echo.Context) error {
	return p.change(c, func(ctx context.Context, form *web.Form, id uuid.UUID) error {
		return p.service.SetRole(ctx, id, Role(form.Value("role")))
	})
}

// Suspend keeps a member out: POST /office/staff/{id}/suspend.
func (p *MemberPages) Suspend(c echo.Context) error {
	return p.change(c, func(ctx context.Context, form *web.Form, id uuid.UUID) error {
		return p.service.Suspend(ctx, id, form.Value("reason"))
	})
}

// Resume lets a member in again: POST /office/staff/{id}/resume.
func (p *MemberPages) Resume(c echo.Context) error {
	return p.change(c, func(ctx context.Context, _ *web.Form, id uuid.UUID) error { return p.service.Resume(ctx, id) })
}

// Release takes a member's lost second factors away: POST /office/staff/{id}/factors.
func (p *MemberPages) Release(c echo.Context) error {
	return p.change(c, func(ctx context.Context, _ *web.Form, id uuid.UUID) error { return p.service.Release(ctx, id) })
}

func (p *MemberPages) change(c echo.Context, how func(context.Context, *web.Form, uuid.UUID) error) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	if err := how(c.Request().Context(), form, id); err != nil {
		if f, ok := fault.Of(err); !ok || errors.Is(f, ErrUnknown) {
			return err
		}
		view, failed := p.member(c, form)
		if failed != nil {
			return failed
		}
		return memberPage.Refuse(c, p.pages, form, err, view)
	}
	web.Flash(c, "success", "staff.member.done")
	return web.Redirect(c, membersPath(c)+"/"+id.String())
}
