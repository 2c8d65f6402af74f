package merchants

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{2,39}$`)

// ClerkInput is a new clerk; see Hire for one whom an owner brings.
type ClerkInput struct {
	MerchantID uuid.UUID
	Login      string // 3 to 40 small letters, digits, dots, hyphens, underscores
	Password   string
	Name       string
	Role       Role
}

// AddClerk gives somebody at a shop a login of their own.
func (s *Service) AddClerk(ctx context.Context, in ClerkInput) (c Clerk, err error) {
	in.Login, in.Name = strings.ToLower(strings.TrimSpace(in.Login)), strings.TrimSpace(in.Name)
	var wrong *fault.Fault
	if !loginForm.MatchString(in.Login) {
		wrong = wrong.And("login", fault.WrongFormat)
	}
	if reason, ok := web.CheckText(in.Name, personMost); !ok || in.Name == "" {
		wrong = wrong.And("name", orFormat(reason))
	}
	if permissions[in.Role] == nil {
		wrong = wrong.And("role", fault.NotAllowed)
	}
	if err := wrong.OrNil(); err != nil {
		return c, err
	}
	hash, err := s.HashPassword(ctx, "password", in.Password)
	if err != nil {
		return c, err
	}
	r := clerkRow{
		ID: uuid.Must(uuid.NewV7()), Login: in.Login, PasswordHash: hash, TenantID: tenant.From(ctx), MerchantID: in.MerchantID,
		Name: in.Name, Role: in.Role, CreatedAt: s.now(), PasswordAt: s.now(),
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.store.find(ctx, in.MerchantID); err != nil {
			return err
		}
		if err := s.store.insertClerk(ctx, r); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "clerk.added", Object: "merchant", ObjectID: in.MerchantID.String(),
			After: map[string]string{"login": in.Login, "role": string(in.Role)},
		})
	})
	return r.clerk(), err
}

// Clerk returns somebody who works at a shop, or auth.ErrSignInRequired when
// they have left.
func (s *Service) Clerk(ctx context.Context, id uuid.UUID) (c Clerk, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, err := s.store.clerk(ctx, id)
		c = r.clerk()
		return err
	})
	return c, err
}

// realm tells the sign-in of clerks.
func (s *Service) realm() signin.Realm {
	return signin.Realm{
		Kind: auth.Clerk, Object: "clerk",
		Normalise: func(login string) string { return strings.ToLower(strings.TrimSpace(login)) },
		ByLogin: func(ctx context.Context, login string) (signin.Account, error) {
			r, err := s.store.clerkByLogin(ctx, login)
			return r.account(), err
		},
		ByID: func(ctx context.Context, id uuid.UUID) (signin.Account, error) {
			r, err := s.store.clerk(ctx, id)
			return r.account(), err
		},
		SetPassword: func(ctx context.Context, id uuid.UUID, hash string) error {
			return s.store.setPassword(ctx, id, hash, s.now())
		},
	}
}

// account is empty for who does not exist.
func (r clerkRow) account() signin.Account {
	if r.ID == uuid.Nil {
		return signin.Account{}
	}
	return signin.Account{
		Principal: auth.Principal{
			Kind: auth.Clerk, ID: r.ID, Tenant: r.TenantID, Merchant: r.MerchantID, Name: r.Name, Permissions: permissions[r.Role],
		},
		Login: r.Login, PasswordHash: r.PasswordHash, Suspended: r.SuspendedAt != nil,
	}
}

// sessionEnd is when a session ends at the latest.
func (s *Service) sessionEnd(session auth.WebSession) time.Time { return session.CreatedAt.Add(s.life) }
