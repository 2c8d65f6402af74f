package staff

import (
	"context"
	"net/mail"
	"slices"
	"strings"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

const (
	loginMost      = 100
	nameMost       = 40
	departmentMost = 60
	membersMost    = 500
)

// Service is what the office and the app call. How members come in is the
// embedded kit's.
type Service struct {
	*signin.SignIns
	db      *db.DB
	store   store
	tenants *tenants.Service
	audit   *audit.Log
	now     clock.Now
}

// New keeps members in d.
func New(d *db.DB, t *tenants.Service, a *audit.Log, kit *signin.Kit, now clock.Now) *Service {
	s := &Service{db: d, store: store{d}, tenants: t, audit: a, now: now}
	s.SignIns = kit.Realm(s.realm())
	return s
}

// RegisterInput is a new member.
type RegisterInput struct {
	TenantID   tenant.ID // 0: the operator's staff
	Login      string    // an e-mail address of at most 100 characters
	Password   string
	Name       string
	Department string
	Role       Role
}

func (in *RegisterInput) validate() error {
	in.Login = strings.ToLower(strings.TrimSpace(in.Login))
	in.Name, in.Department = strings.TrimSpace(in.Name), strings.TrimSpace(in.Department)
	var wrong *fault.Fault
	if !isLogin(in.Login) {
		wrong = wrong.And("email", fault.WrongFormat)
	}
	text := func(field, value string, longest int) {
		if value == "" {
			wrong = wrong.And(field, fault.Required)
		} else if reason, ok := web.CheckText(value, longest); !ok {
			wrong = wrong.And(field, reason)
		}
	}
	text("name", in.Name, nameMost)
	text("department", in.Department, departmentMost)
	if !slices.Contains(RolesIn(in.TenantID), in.Role) {
		wrong = wrong.And("role", fault.NotAllowed)
	}
	return wrong.OrNil()
}

// Register gives somebody a login. It refuses with ErrLoginTaken and
// tenant.ErrUnknown.
func (s *Service) Register(ctx context.Context, in RegisterInput) (m Member, err error) {
	if err := in.validate(); err != nil {
		return m, err
	}
	if in.TenantID != tenant.Platform {
		if err := s.tenants.Known(ctx, in.TenantID); err != nil {
			return m, err
		}
	}
	hash, err := s.HashPassword(ctx, "password", in.Password)
	if err != nil {
		return m, err
	}
	r := memberRow{
		ID: uuid.Must(uuid.NewV7()), TenantID: in.TenantID, Login: in.Login, Name: in.Name, Department: in.Department,
		Role: in.Role, PasswordHash: hash, State: Active, CreatedAt: s.now(),
	}
	err = s.db.Tx(tenant.With(ctx, in.TenantID), func(ctx context.Context) error {
		if err := s.store.insert(ctx, r); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "staff.registered", Object: "staff", ObjectID: r.ID.String(),
			After: memberChange{Department: r.Department, Role: r.Role, State: r.State},
		})
	})
	return r.member(), err
}

// memberChange is what the audit log keeps of a member: nothing that tells who
// they are beyond their id.
type memberChange struct {
	Department string `json:"department"`
	Role       Role   `json:"role"`
	State      State  `json:"state"`
}

// Get returns a member, or auth.ErrSignInRequired when they have left.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (m Member, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, err := s.store.find(ctx, id)
		m = r.member()
		return err
	})
	return m, err
}

// realm tells the sign-in of members.
func (s *Service) realm() signin.Realm {
	return signin.Realm{
		Kind: auth.Staff, Object: "staff", Required: true,
		Normalise: func(login string) string { return strings.ToLower(strings.TrimSpace(login)) },
		ByLogin: func(ctx context.Context, login string) (signin.Account, error) {
			r, err := s.store.byLogin(ctx, login)
			return r.account(), err
		},
		ByID: func(ctx context.Context, id uuid.UUID) (signin.Account, error) {
			r, err := s.store.find(ctx, id)
			return r.account(), err
		},
		SetPassword: s.store.setPassword,
		SignedIn:    func(ctx context.Context, id uuid.UUID) error { return s.store.signedIn(ctx, id, s.now()) },
	}
}

// account is empty for who does not exist.
func (r memberRow) account() signin.Account {
	if r.ID == uuid.Nil {
		return signin.Account{}
	}
	return signin.Account{
		Principal: auth.Principal{Kind: kindOf(r.TenantID), ID: r.ID, Tenant: r.TenantID, Name: r.Name, Permissions: r.Role.Permissions()},
		Login:     r.Login, PasswordHash: r.PasswordHash, Suspended: r.State == Locked,
	}
}

func kindOf(id tenant.ID) auth.Kind {
	if id == tenant.Platform {
		return auth.Operator
	}
	return auth.Staff
}

func isLogin(login string) bool {
	if len(login) > loginMost || strings.ContainsAny(login, " <>\"") {
		return false
	}
	address, err := mail.ParseAddress(login)
	return err == nil && address.Address == login
}
