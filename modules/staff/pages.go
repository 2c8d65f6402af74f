package staff

import (
	"context"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/web"
)

// NewSignInPages are how staff and operators come in; each has a workplace of
// their own.
func NewSignInPages(service *Service, pages *web.Pages, cookie signin.Cookie) *signin.Pages {
	return signin.NewPages(service.SignIns, pages, signin.Face{
		Name: "staff", Path: "/office/sign-in", Field: "email", Cookie: cookie, About: service.about,
		Homes: map[auth.Kind]string{auth.Staff: "/office", auth.Operator: "/operations", "": "/office"},
		First: map[auth.Kind]string{auth.Operator: "/operations/approvals"},
	})
}

func (s *Service) about(ctx context.Context) (a signin.About, err error) {
	m, err := s.Get(ctx, auth.From(ctx).ID)
	if err != nil {
		return a, err
	}
	a = signin.About{Text: []string{m.Name, m.Department}, Role: "staff.role." + string(m.Role)}
	for _, permission := range m.Role.Permissions() {
		a.Permissions = append(a.Permissions, "staff.permission."+permission)
	}
	return a, nil
}
