package staff

import (
	"context"
	"crypto/sha256"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/tenants"
)

const (
	freeFailures   = 5                // before the first wait; people mistype
	firstWait      = 30 * time.Second // doubled with every further failure
	longestWait    = time.Hour
	failuresForget = 24 * time.Hour
	loginMost      = 100
	nameMost       = 40
	departmentMost = 60
)

// Service is what the office and the app call.
type Service struct {
	db        *db.DB
	store     store
	tenants   *tenants.Service
	audit     *audit.Log
	sessions  *auth.WebSessions
	passwords *auth.Passwords
	now       clock.Now
}

// New keeps members in d.
func New(d *db.DB, t *tenants.Service, a *audit.Log, sessions *auth.WebSessions, passwords *auth.Passwords, now clock.Now) *Service {
	return &Service{d, store{d}, t, a, sessions, passwords, now}
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
	if in.TenantID == tenant.Platform && in.Role != OfPlatform || in.TenantID != tenant.Platform && !slices.Contains(Roles(), in.Role) {
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
	hash, err := s.passwords.Hash(ctx, "password", in.Password)
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

// SignedIn is a member with a fresh session.
type SignedIn struct {
	Member
	Token   string
	Session auth.WebSession
}

// SignIn checks a login and password and begins a session. It answers
// auth.ErrWrongLogin, or ErrSignInWait after too many failures, the same and
// as late for logins that exist and those that do not.
func (s *Service) SignIn(ctx context.Context, login, password string) (in SignedIn, err error) {
	login = strings.ToLower(strings.TrimSpace(login))
	r, failures, err := s.try(ctx, login)
	if err != nil {
		return in, err
	}
	ok, err := s.passwords.Match(ctx, password, r.PasswordHash)
	if err != nil {
		return in, err
	}
	if !ok {
		return in, s.failed(ctx, r, failures)
	}
	if r.State == Locked {
		return in, ErrLocked
	}
	return s.begin(ctx, r)
}

// try counts a failure before the password is looked at, so that many tries at
// once are not one; a password that fits takes it back. While a login has to
// wait, tries are refused and do not count.
func (s *Service) try(ctx context.Context, login string) (r memberRow, failures int, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		now, hash := s.now(), loginHash(login)
		tries, err := s.store.countTry(ctx, hash, now, now.Add(-failuresForget))
		if err != nil {
			return err
		}
		failures = tries.Failures
		if left := tries.WaitUntil.Sub(now); left > 0 {
			return ErrSignInWait.After(left)
		}
		if err := s.store.setWait(ctx, hash, now.Add(waitAfter(failures))); err != nil {
			return err
		}
		r, err = s.store.byLogin(ctx, login)
		return err
	})
	return r, failures, err
}

// failed keeps for the auditors that somebody's login now has to wait.
func (s *Service) failed(ctx context.Context, r memberRow, failures int) error {
	if r.ID == uuid.Nil || waitAfter(failures) == 0 {
		return auth.ErrWrongLogin
	}
	err := s.db.Tx(tenant.With(ctx, r.TenantID), func(ctx context.Context) error {
		return s.audit.Changed(ctx, audit.Change{
			Action: "staff.sign-in-held-back", Object: "staff", ObjectID: r.ID.String(), After: map[string]int{"failures": failures},
		})
	})
	if err != nil {
		return err
	}
	return auth.ErrWrongLogin
}

// begin starts a session in one transaction with what goes with it. Here a
// second factor will be asked for, before the session counts.
func (s *Service) begin(ctx context.Context, r memberRow) (in SignedIn, err error) {
	err = s.db.Tx(tenant.With(ctx, r.TenantID), func(ctx context.Context) error {
		if err := s.store.dropFailures(ctx, loginHash(r.Login), s.now().Add(-failuresForget)); err != nil {
			return err
		}
		if err := s.store.signedIn(ctx, r.ID, s.now()); err != nil {
			return err
		}
		in = SignedIn{Member: r.member()}
		if in.Token, in.Session, err = s.sessions.Begin(ctx, auth.Staff, r.ID, r.TenantID); err != nil {
			return err
		}
		ctx = auth.With(ctx, principal(r, in.Session))
		return s.audit.Changed(ctx, audit.Change{Action: "staff.signed-in", Object: "staff", ObjectID: r.ID.String()})
	})
	return in, err
}

// Identify returns who a session's token belongs to, or why it no longer does.
func (s *Service) Identify(ctx context.Context, token string) (auth.Principal, error) {
	session, err := s.sessions.Find(ctx, auth.Staff, token)
	if err != nil {
		return auth.Principal{}, err
	}
	var r memberRow
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, err = s.store.find(ctx, session.SubjectID)
		return err
	})
	if err != nil {
		return auth.Principal{}, err
	}
	if r.State == Locked {
		return auth.Principal{}, ErrLocked
	}
	return principal(r, session), nil
}

func kindOf(id tenant.ID) auth.Kind {
	if id == tenant.Platform {
		return auth.Operator
	}
	return auth.Staff
}

func principal(r memberRow, session auth.WebSession) auth.Principal {
	return auth.Principal{Kind: kindOf(r.TenantID), ID: r.ID, Session: session.ID, Tenant: r.TenantID, Name: r.Name, Permissions: r.Role.Permissions()}
}

// SignOut ends the session of the member in ctx.
func (s *Service) SignOut(ctx context.Context) error {
	me := auth.From(ctx)
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		if err := s.sessions.End(ctx, me.Session, auth.EndedSignedOut); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "staff.signed-out", Object: "staff", ObjectID: me.ID.String()})
	})
}

// Sessions lists the sign-ins of the member in ctx, newest first.
func (s *Service) Sessions(ctx context.Context) ([]auth.WebSession, error) {
	return s.sessions.List(ctx, auth.Staff, auth.From(ctx).ID)
}

// Revoke ends one of the member's own sessions.
func (s *Service) Revoke(ctx context.Context, id uuid.UUID) error {
	own, err := s.Sessions(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(w auth.WebSession) bool { return w.ID == id }) {
		return ErrNoSession
	}
	return s.sessions.End(ctx, id, auth.EndedRevoked)
}

// RevokeOthers ends every session of the member in ctx but this one.
func (s *Service) RevokeOthers(ctx context.Context) error {
	me := auth.From(ctx)
	return s.sessions.EndAll(ctx, auth.Staff, me.ID, me.Session, auth.EndedRevoked)
}

// ChangePassword replaces the password of the member in ctx and ends all their
// other sessions.
func (s *Service) ChangePassword(ctx context.Context, old, fresh string) error {
	me := auth.From(ctx)
	member, err := s.Get(ctx, me.ID)
	if err != nil {
		return err
	}
	r, failures, err := s.try(ctx, member.Login) // a stolen session must not guess the password
	if err != nil {
		return err
	}
	ok, err := s.passwords.Match(ctx, old, r.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		if err := s.failed(ctx, r, failures); err != auth.ErrWrongLogin { //nolint:errorlint // the plain one alone
			return err
		}
		return ErrPasswordWrong
	}
	hash, err := s.passwords.Hash(ctx, "new_password", fresh)
	if err != nil {
		return err
	}
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		if err := s.store.dropFailures(ctx, loginHash(r.Login), s.now().Add(-failuresForget)); err != nil {
			return err
		}
		if err := s.store.setPassword(ctx, me.ID, hash); err != nil {
			return err
		}
		if err := s.sessions.EndAll(ctx, auth.Staff, me.ID, me.Session, auth.EndedCredentialChanged); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "staff.password-changed", Object: "staff", ObjectID: me.ID.String()})
	})
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

func isLogin(login string) bool {
	if len(login) > loginMost || strings.ContainsAny(login, " <>\"") {
		return false
	}
	address, err := mail.ParseAddress(login)
	return err == nil && address.Address == login
}
