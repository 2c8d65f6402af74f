package merchants

import (
	"context"
	"crypto/sha256"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

const (
	freeFailures   = 5                // before the first wait; people mistype
	firstWait      = 30 * time.Second // doubled with every further failure
	longestWait    = time.Hour
	failuresForget = 24 * time.Hour
	loginMost      = 40
)

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{2,39}$`)

// ClerkInput is a new clerk.
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
	hash, err := s.passwords.Hash(ctx, "password", in.Password)
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

// SignedIn is a clerk with a fresh session.
type SignedIn struct {
	Clerk
	Merchant Merchant
	Token    string
	Session  auth.WebSession
}

// SignIn checks a login and password and begins a session. It answers
// auth.ErrWrongLogin, or ErrSignInWait after too many failures, the same for
// logins that exist and those that do not.
func (s *Service) SignIn(ctx context.Context, login, password string) (in SignedIn, err error) {
	login = strings.ToLower(strings.TrimSpace(login))
	var r clerkRow
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if err := s.try(ctx, login); err != nil {
			return err
		}
		r, err = s.store.clerkByLogin(ctx, login)
		return err
	})
	if err != nil {
		return in, err
	}
	ok, err := s.passwords.Match(ctx, password, r.PasswordHash)
	if err != nil {
		return in, err
	}
	if !ok {
		return in, auth.ErrWrongLogin
	}
	return s.begin(ctx, r)
}

// try counts a failure before the password is looked at, so that many tries at
// once are not one; a password that fits takes it back. While a login has to
// wait, tries are refused and do not count.
func (s *Service) try(ctx context.Context, login string) error {
	now, hash := s.now(), loginHash(login)
	tries, err := s.store.countTry(ctx, hash, now, now.Add(-failuresForget))
	if err != nil {
		return err
	}
	if left := tries.WaitUntil.Sub(now); left > 0 {
		return ErrSignInWait.After(left)
	}
	return s.store.setWait(ctx, hash, now.Add(waitAfter(tries.Failures)))
}

// begin starts a session in one transaction with what goes with it.
func (s *Service) begin(ctx context.Context, r clerkRow) (in SignedIn, err error) {
	ctx = tenant.With(ctx, r.TenantID)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.store.dropFailures(ctx, loginHash(r.Login), s.now().Add(-failuresForget)); err != nil {
			return err
		}
		shop, err := s.store.find(ctx, r.MerchantID)
		if err != nil {
			return err
		}
		in = SignedIn{Clerk: r.clerk(), Merchant: shop.merchant()}
		in.Token, in.Session, err = s.sessions.Begin(ctx, auth.Clerk, r.ID, r.TenantID)
		return err
	})
	return in, err
}

// waitAfter grows from nothing to an hour.
func waitAfter(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	const doublingsMost = 7
	return min(firstWait<<min(failures-freeFailures, doublingsMost), longestWait)
}

func loginHash(login string) []byte {
	sum := sha256.Sum256([]byte(login))
	return sum[:]
}

// sessionEnd is when a session ends at the latest.
func (s *Service) sessionEnd(session auth.WebSession) time.Time { return session.CreatedAt.Add(s.life) }

// Identify returns who a session's token belongs to.
func (s *Service) Identify(ctx context.Context, token string) (auth.Principal, error) {
	session, err := s.sessions.Find(ctx, auth.Clerk, token)
	if err != nil {
		return auth.Principal{}, err
	}
	var r clerkRow
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, err = s.store.clerk(ctx, session.SubjectID)
		return err
	})
	return auth.Principal{
		Kind: auth.Clerk, ID: r.ID, Session: session.ID, Tenant: r.TenantID, Merchant: r.MerchantID,
		Name: r.Name, Permissions: permissions[r.Role],
	}, err
}

// SignOut ends the session of the clerk in ctx.
func (s *Service) SignOut(ctx context.Context) error {
	return s.sessions.End(ctx, auth.From(ctx).Session, auth.EndedSignedOut)
}

// Sessions lists the sign-ins of the clerk in ctx, newest first.
func (s *Service) Sessions(ctx context.Context) ([]auth.WebSession, error) {
	return s.sessions.List(ctx, auth.Clerk, auth.From(ctx).ID)
}

// Revoke ends one of the clerk's own sessions.
func (s *Service) Revoke(ctx context.Context, id uuid.UUID) error {
	own, err := s.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, session := range own {
		if session.ID == id {
			return s.sessions.End(ctx, id, auth.EndedRevoked)
		}
	}
	return ErrNoSession
}

// RevokeOthers ends every session of the clerk in ctx but this one.
func (s *Service) RevokeOthers(ctx context.Context) error {
	me := auth.From(ctx)
	return s.sessions.EndAll(ctx, auth.Clerk, me.ID, me.Session, auth.EndedRevoked)
}

// ChangePassword replaces the password of the clerk in ctx and ends all their
// other sessions.
func (s *Service) ChangePassword(ctx context.Context, old, fresh string) error {
	me := auth.From(ctx)
	var r clerkRow
	err := s.db.Platform(ctx, func(ctx context.Context) (err error) {
		if r, err = s.store.clerk(ctx, me.ID); err != nil {
			return err
		}
		return s.try(ctx, r.Login) // a stolen session must not guess the password
	})
	if err != nil {
		return err
	}
	ok, err := s.passwords.Match(ctx, old, r.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		return ErrOldPassword
	}
	hash, err := s.passwords.Hash(ctx, "new_password", fresh)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.store.dropFailures(ctx, loginHash(r.Login), s.now().Add(-failuresForget)); err != nil {
			return err
		}
		if err := s.store.setPassword(ctx, me.ID, hash, s.now()); err != nil {
			return err
		}
		if err := s.sessions.EndAll(ctx, auth.Clerk, me.ID, me.Session, auth.EndedCredentialChanged); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "clerk.password-changed", Object: "merchant", ObjectID: me.Merchant.String()})
	})
}
