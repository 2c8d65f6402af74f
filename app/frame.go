package app

import (
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/reports"
	"jangteo/modules/sessions"
)

// steps are screens with one way on; a bar of other ways would only distract.
var steps = []string{"/my/pay/", "/my/buy/", "/my/bank-accounts/new", "/my/cards/new", "/my/security/lock"}

// needs says which permission opens what of the bars not everybody has.
var needs = map[string]string{
	"/shop": "sales.read", "/shop/sales": "sales.read", "/shop/settlements": "settlements.read", "/shop/qr": "qr.make", "/shop/clerks": "clerks.manage",
	"/operations/staff": "staff.manage",
}

// faces says what stands around the pages under a prefix.
var faces = []struct {
	prefix, home, signOut string
	nav                   []web.NavItem
}{
	{"/my", "/my", "/my/sign-out", []web.NavItem{
		{Key: "nav.home", URL: "/my", Icon: "home"},
		{Key: "nav.pay", URL: "/my/pay", Icon: "qr"},
		{Key: "nav.history", URL: "/my/history", Icon: "list"},
		{Key: "nav.me", URL: "/my/security", Icon: "user"},
	}},
	{"/shop", "/shop", "/shop/sign-out", []web.NavItem{
		{Key: "nav.shop.today", URL: "/shop", Icon: "home"},
		{Key: "nav.shop.sales", URL: "/shop/sales", Icon: "list"},
		{Key: "nav.shop.settlements", URL: "/shop/settlements", Icon: "bank"},
		{Key: "nav.shop.qr", URL: "/shop/qr", Icon: "qr"},
		{Key: "nav.shop.clerks", URL: "/shop/clerks", Icon: "users"},
		{Key: "nav.shop.terminals", URL: "/shop/terminals", Icon: "phone"},
		{Key: "nav.shop.security", URL: "/shop/security", Icon: "lock"},
	}},
	{"/operations", "/operations/approvals", "/operations/sign-out", []web.NavItem{
		{Key: "nav.operations.approvals", URL: "/operations/approvals", Icon: "check"},
		{Key: "nav.operations.incidents", URL: "/operations/incidents", Icon: "flag"},
		{Key: "nav.operations.cases", URL: "/operations/cases", Icon: "shield"},
		{Key: "nav.operations.staff", URL: "/operations/staff", Icon: "users"},
		{Key: "nav.operations.security", URL: "/operations/security", Icon: "lock"},
	}},
	{"/office", "/office", "/office/sign-out", nil}, // reports.Nav knows who may open what
}

// frame says who is looking and what is around the page.
func (a *App) frame(c echo.Context) web.Frame {
	ctx, path := c.Request().Context(), c.Request().URL.Path
	f := web.Frame{Lang: web.Lang(c), Path: path, Now: a.Now(), Demo: a.demo, HomeURL: "/", Flash: web.TakeFlash(c, a.Words)}
	if id, ok := tenant.Lookup(ctx); ok {
		if t, err := a.Tenants.Get(ctx, id); err == nil {
			f.TenantName, f.Accent = t.NameIn(f.Lang), t.Accent
		}
	}
	who, signedIn := auth.Lookup(ctx)
	if !signedIn {
		return f
	}
	f.Person = who.Name
	if who.Kind == auth.Citizen {
		f.Expires = sessions.Expires(c)
	}
	for _, face := range faces {
		if path != face.prefix && !strings.HasPrefix(path, face.prefix+"/") {
			continue
		}
		f.HomeURL, f.SignOutURL = face.home, face.signOut
		if slices.ContainsFunc(steps, func(step string) bool { return strings.HasPrefix(path, step) }) {
			return f
		}
		if face.prefix == "/office" {
			f.Nav = reports.Nav(who, path)
			return f
		}
		longest := -1
		for _, item := range face.nav {
			if needed := needs[item.URL]; needed != "" && !who.May(needed) {
				continue
			}
			if path == item.URL || strings.HasPrefix(path, item.URL+"/") && item.URL != face.home {
				longest = len(f.Nav)
			}
			f.Nav = append(f.Nav, item)
		}
		if longest >= 0 {
			f.Nav[longest].Current = true
		}
	}
	return f
}
