package staff_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
	"jangteo/app/web"
	"jangteo/modules/staff"
	"jangteo/modules/tenants"
	"jangteo/static"
	"jangteo/templates"
)

const password = "a long enough password"

type bundle struct {
	*testkit.Kit
	staff *staff.Service
}

func open(t *testing.T) (bundle, context.Context) {
	t.Helper()
	k, ctx := testkit.Open(t)
	towns := tenants.New(k.DB, k.Audit, k.Clock.Now, k.Log)
	if err := towns.Register(ctx, refdata.Municipality{Code: int32(k.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"}); err != nil {
		t.Fatal(err)
	}
	return bundle{k, staff.New(k.DB, towns, k.Audit, desk.Open(t, k), k.Clock.Now)}, ctx
}

func (b bundle) member(t *testing.T, ctx context.Context, role staff.Role) staff.Member {
	t.Helper()
	m, err := b.staff.Register(ctx, staff.RegisterInput{
		TenantID: b.Tenant, Login: "kim-" + uuid.NewString()[:8] + "@Example.go.kr", Password: password, Name: "김주무", Department: "일자리경제과", Role: role,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (b bundle) actions(t *testing.T, ctx context.Context, id uuid.UUID) (actions []string) {
	t.Helper()
	list, err := b.Audit.Changes(ctx, audit.Filter{Object: "staff", ObjectID: id.String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		actions = append(actions, r.Action)
	}
	return actions
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)

	t.Run("a member comes in with what their role may do, and it is recorded", func(t *testing.T) {
		t.Parallel()
		m := b.member(t, ctx, staff.Settlement)
		in, err := b.staff.SignIn(t.Context(), strings.ToUpper(m.Login), password)
		if err != nil {
			t.Fatal(err)
		}
		who, err := b.staff.Identify(t.Context(), in.Token)
		if err != nil {
			t.Fatal(err)
		}
		if who.Kind != auth.Staff || who.Tenant != b.Tenant || !who.May(staff.SettlementClose) || who.May(staff.CitizensReveal) {
			t.Errorf("the principal is %+v", who)
		}
		if err := b.staff.SignOut(auth.With(t.Context(), who)); err != nil {
			t.Fatal(err)
		}
		_, err = b.staff.Identify(t.Context(), in.Token)
		if reason := reasonOf(err); reason != auth.EndedSignedOut {
			t.Errorf("after signing out: %v", err)
		}
		if got := strings.Join(b.actions(t, ctx, m.ID), " "); got != "staff.signed-out staff.signed-in staff.registered" {
			t.Errorf("the audit log has %q", got)
		}
	})

	t.Run("a wrong password and an unknown login are answered alike, and wait alike", func(t *testing.T) {
		t.Parallel()
		m := b.member(t, ctx, staff.Officer)
		for _, login := range []string{m.Login, "nobody-" + uuid.NewString()[:8] + "@example.go.kr", "not an address"} {
			for try := 1; try <= 5; try++ {
				if _, err := b.staff.SignIn(t.Context(), login, "wrong password"); !errors.Is(err, auth.ErrWrongLogin) {
					t.Fatalf("%s, try %d: %v", login, try, err)
				}
			}
			if _, err := b.staff.SignIn(t.Context(), login, password); !errors.Is(err, signin.ErrWait) {
				t.Errorf("%s: the sixth try: %v", login, err)
			}
		}
		if got := b.actions(t, ctx, m.ID); len(got) != 2 || got[0] != "staff.sign-in-held-back" {
			t.Errorf("the audit log has %q", got)
		}
	})

	t.Run("nobody registers with what is not acceptable", func(t *testing.T) {
		t.Parallel()
		good := staff.RegisterInput{TenantID: b.Tenant, Login: "x-" + uuid.NewString()[:8] + "@example.kr", Password: password, Name: "김", Department: "과", Role: staff.Chief}
		for field, spoil := range map[string]func(*staff.RegisterInput){
			"email":      func(in *staff.RegisterInput) { in.Login = "김 <a@b.kr>" },
			"password":   func(in *staff.RegisterInput) { in.Password = "short" },
			"name":       func(in *staff.RegisterInput) { in.Name = "a\x00b" },
			"department": func(in *staff.RegisterInput) { in.Department = strings.Repeat("과", 61) },
			"role":       func(in *staff.RegisterInput) { in.Role = staff.OfPlatform },
		} {
			in := good
			spoil(&in)
			_, err := b.staff.Register(ctx, in)
			if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		in := good
		in.TenantID = 99999
		if _, err := b.staff.Register(ctx, in); !errors.Is(err, tenant.ErrUnknown) {
			t.Errorf("an unknown municipality: %v", err)
		}
		if _, err := b.staff.Register(ctx, good); err != nil {
			t.Fatal(err)
		}
		if _, err := b.staff.Register(ctx, good); !errors.Is(err, staff.ErrLoginTaken) {
			t.Errorf("a login twice: %v", err)
		}
	})

	t.Run("a changed password ends the other sign-ins and says so", func(t *testing.T) {
		t.Parallel()
		m := b.member(t, ctx, staff.Chief)
		other, _ := b.staff.SignIn(t.Context(), m.Login, password)
		this, err := b.staff.SignIn(t.Context(), m.Login, password)
		if err != nil {
			t.Fatal(err)
		}
		who, _ := b.staff.Identify(t.Context(), this.Token)
		mine := auth.With(t.Context(), who)
		if err := b.staff.ChangePassword(mine, "wrong password", "another password"); !errors.Is(err, signin.ErrOldPassword) {
			t.Errorf("with a wrong old one: %v", err)
		}
		if err := b.staff.ChangePassword(mine, password, "another password"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.staff.Identify(t.Context(), other.Token); reasonOf(err) != auth.EndedCredentialChanged {
			t.Errorf("the other session: %v", err)
		}
		if _, err := b.staff.Identify(t.Context(), this.Token); err != nil {
			t.Errorf("this session: %v", err)
		}
		if _, err := b.staff.SignIn(t.Context(), m.Login, password); !errors.Is(err, auth.ErrWrongLogin) {
			t.Errorf("the old password: %v", err)
		}
	})
}

func reasonOf(err error) any {
	f, ok := fault.Of(err)
	if !ok {
		return nil
	}
	return f.Params["reason"]
}

func TestEveryPermissionAndRoleHasWords(t *testing.T) {
	t.Parallel()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range i18n.Languages {
		for _, role := range staff.Roles() {
			if len(role.Permissions()) == 0 || !words.Has(lang, "staff.role."+string(role)) {
				t.Errorf("%s: role %s", lang, role)
			}
			for _, permission := range role.Permissions() {
				if !words.Has(lang, "staff.permission."+permission) {
					t.Errorf("%s: no sentence for %s", lang, permission)
				}
			}
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := web.LoadPages(templates.Files, words, static.Path)
	if err != nil {
		t.Fatal(err)
	}
	pages := staff.NewSignInPages(b.staff, shown, signin.Cookie{Name: "jangteo_office"})
	m := b.member(t, ctx, staff.Chief)
	post := func(handler echo.HandlerFunc, form url.Values, cookie string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/office/sign-in", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "jangteo_office", Value: cookie})
		w := httptest.NewRecorder()
		if err := handler(echo.New().NewContext(r, w)); err != nil {
			t.Fatal(err)
		}
		return w
	}

	t.Run("a wrong login shows the form again and says nothing of which part", func(t *testing.T) {
		w := post(pages.Begin, url.Values{"email": {m.Login}, "password": {"wrong password"}}, "")
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), m.Login) || strings.Contains(w.Body.String(), "wrong password") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	t.Run("a right one goes on inside the office alone", func(t *testing.T) {
		for next, want := range map[string]string{"": "/office", "/office/payments?q=1": "/office/payments?q=1", "//evil.kr/office": "/office", "/officers": "/office", "/my": "/office"} {
			w := post(pages.Begin, url.Values{"email": {m.Login}, "password": {password}, "next": {next}}, "")
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
				t.Errorf("%q: %d to %s", next, w.Code, w.Header().Get("Location"))
			}
			if set := w.Header().Get("Set-Cookie"); !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") {
				t.Errorf("the cookie is %s", set)
			}
		}
	})
	t.Run("an ended session tells its reason on the sign-in page", func(t *testing.T) {
		in, err := b.staff.SignIn(t.Context(), m.Login, password)
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Advance(16 * time.Minute)
		r := httptest.NewRequest(http.MethodGet, "/office", nil)
		r.AddCookie(&http.Cookie{Name: "jangteo_office", Value: in.Token})
		w := httptest.NewRecorder()
		c := echo.New().NewContext(r, w)
		if _, err := pages.Authenticate(c, auth.Staff); !errors.Is(err, auth.ErrSignInRequired) {
			t.Errorf("authenticating: %v", err)
		}
		if err := pages.SignIn(c); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.Body.String(), words.T("ko", "signin.ended.expired-idle")) {
			t.Errorf("no reason on %s", w.Body)
		}
	})
	t.Run("the security page lists sign-ins and permissions", func(t *testing.T) {
		in, _ := b.staff.SignIn(t.Context(), m.Login, password)
		who, err := b.staff.Identify(t.Context(), in.Token)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/office/security", nil)
		w := httptest.NewRecorder()
		if err := pages.Security(echo.New().NewContext(r.WithContext(auth.With(r.Context(), who)), w)); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"staff.permission.settlement.close", "signin.this", "signin.ended.expired-idle"} {
			if !strings.Contains(w.Body.String(), words.T("ko", key)) {
				t.Errorf("no %s in %s", key, w.Body)
			}
		}
	})
}

// as is the context of a member who is signed in.
func (b bundle) as(m staff.Member) context.Context {
	return auth.With(tenant.With(context.Background(), m.TenantID), auth.Principal{
		Kind: auth.Staff, ID: m.ID, Tenant: m.TenantID, Name: m.Name, Permissions: m.Role.Permissions(),
	})
}

func TestManaging(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	chief := b.member(t, ctx, staff.Chief)
	me := b.as(chief)
	hire := func(role staff.Role) staff.RegisterInput {
		return staff.RegisterInput{Login: "new-" + uuid.NewString()[:8] + "@example.go.kr", Name: "이새봄", Department: "지역경제과", Role: role}
	}

	t.Run("somebody new comes in with the password that was told once", func(t *testing.T) {
		m, first, err := b.staff.Hire(me, hire(staff.Officer))
		if err != nil || m.TenantID != b.Tenant {
			t.Fatalf("%+v, %v", m, err)
		}
		if _, err := b.staff.SignIn(t.Context(), m.Login, first); err != nil {
			t.Errorf("signing in: %v", err)
		}
		list, err := b.staff.Members(me)
		if err != nil || len(list) != 2 {
			t.Errorf("%d members, %v", len(list), err)
		}
	})
	t.Run("nobody gives what they lack, nor changes who may do more", func(t *testing.T) {
		manager := auth.From(me)
		manager.Permissions = []string{staff.StaffManage, staff.DashboardRead}
		weak := auth.With(me, manager)
		officer := b.member(t, ctx, staff.Officer)
		if _, _, err := b.staff.Hire(weak, hire(staff.Officer)); !errors.Is(err, staff.ErrBeyondOwn) {
			t.Errorf("hiring: %v", err)
		}
		if err := b.staff.SetRole(weak, officer.ID, staff.Chief); !errors.Is(err, staff.ErrBeyondOwn) {
			t.Errorf("promoting: %v", err)
		}
		if err := b.staff.Suspend(weak, officer.ID, "퇴직"); !errors.Is(err, staff.ErrBeyondOwn) {
			t.Errorf("suspending who may do more: %v", err)
		}
		for _, role := range []staff.Role{staff.OfPlatform, "king", ""} {
			if err := b.staff.SetRole(me, officer.ID, role); err == nil {
				t.Errorf("gave the role %q", role)
			}
			if _, _, err := b.staff.Hire(me, hire(role)); err == nil {
				t.Errorf("hired a %q", role)
			}
		}
	})
	t.Run("a suspension ends every sign-in at once and says why to nobody else", func(t *testing.T) {
		m := b.member(t, ctx, staff.Officer)
		in, err := b.staff.SignIn(t.Context(), m.Login, password)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.staff.Suspend(me, m.ID, ""); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("without a reason: %v", err)
		}
		if err := b.staff.Suspend(me, m.ID, "휴직"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.staff.Identify(t.Context(), in.Token); reasonOf(err) != auth.EndedSuspended {
			t.Errorf("the live session: %v", err)
		}
		if _, err := b.staff.SignIn(t.Context(), m.Login, password); !errors.Is(err, signin.ErrSuspended) {
			t.Errorf("signing in: %v", err)
		}
		if got := b.actions(t, ctx, m.ID); got[0] != "staff.suspended" {
			t.Errorf("the audit log has %q", got)
		}
		if err := b.staff.Resume(me, m.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.staff.SignIn(t.Context(), m.Login, password); err != nil {
			t.Errorf("after it was lifted: %v", err)
		}
	})
	t.Run("the last chief stays, even when two would go at once", func(t *testing.T) {
		if err := b.staff.SetRole(me, chief.ID, staff.Officer); !errors.Is(err, staff.ErrLastChief) {
			t.Errorf("stepping down: %v", err)
		}
		if err := b.staff.Suspend(me, chief.ID, "휴직"); !errors.Is(err, staff.ErrLastChief) {
			t.Errorf("suspending oneself: %v", err)
		}
		second := b.member(t, ctx, staff.Chief)
		done := make(chan error, 2)
		for _, m := range []staff.Member{chief, second} {
			go func() { done <- b.staff.SetRole(b.as(m), m.ID, staff.Officer) }()
		}
		first, other := <-done, <-done
		if (first == nil) == (other == nil) || !errors.Is(errors.Join(first, other), staff.ErrLastChief) {
			t.Errorf("both: %v, %v", first, other)
		}
	})
	t.Run("another municipality's staff are none of theirs", func(t *testing.T) {
		other, elsewhere := open(t)
		stranger := other.as(other.member(t, elsewhere, staff.Chief))
		m := b.member(t, ctx, staff.Officer)
		for what, err := range map[string]error{
			"seeing":     func() error { _, err := b.staff.Member(stranger, m.ID); return err }(),
			"promoting":  b.staff.SetRole(stranger, m.ID, staff.Chief),
			"suspending": b.staff.Suspend(stranger, m.ID, "휴직"),
			"resuming":   b.staff.Resume(stranger, m.ID),
			"releasing":  b.staff.Release(stranger, m.ID),
		} {
			if !errors.Is(err, staff.ErrUnknown) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if list, err := b.staff.Members(stranger); err != nil || len(list) != 1 {
			t.Errorf("they see %d members, %v", len(list), err)
		}
	})
	t.Run("lost factors are taken away by somebody else", func(t *testing.T) {
		m := b.member(t, ctx, staff.Officer)
		if err := b.staff.SeedCodeApp(t.Context(), m.ID, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"); err != nil {
			t.Fatal(err)
		}
		if in, err := b.staff.SignIn(t.Context(), m.Login, password); err != nil || in.Session.Stage != auth.StageSecond {
			t.Fatalf("%+v, %v", in.Session, err)
		}
		if err := b.staff.Release(b.as(m), m.ID); err == nil {
			t.Error("somebody got rid of their own")
		}
		manager := b.as(b.member(t, ctx, staff.Chief))
		if err := b.staff.Release(manager, auth.From(manager).ID); !errors.Is(err, staff.ErrOwnFactors) {
			t.Errorf("a manager's own: %v", err)
		}
		if err := b.staff.Release(manager, m.ID); err != nil {
			t.Fatal(err)
		}
		if in, err := b.staff.SignIn(t.Context(), m.Login, password); err != nil || in.Session.Stage != auth.StageFull {
			t.Errorf("%+v, %v", in.Session, err)
		}
	})
}

// Several who appoint at once appoint one, and after that the command refuses.
func TestFirstChief(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	done := make(chan error, 4)
	for i := range cap(done) {
		go func() {
			_, _, err := b.staff.Appoint(ctx, staff.RegisterInput{
				TenantID: b.Tenant, Login: fmt.Sprintf("chief%d-%s@example.go.kr", i, b.Tenant), Name: "박과장", Department: "지역경제과",
			})
			done <- err
		}()
	}
	appointed := 0
	for range cap(done) {
		switch err := <-done; {
		case err == nil:
			appointed++
		case !errors.Is(err, staff.ErrAppointed):
			t.Error(err)
		}
	}
	if appointed != 1 {
		t.Errorf("%d were appointed", appointed)
	}
}
