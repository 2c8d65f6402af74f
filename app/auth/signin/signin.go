// Package signin is how people with a desk come in: staff, operators, clerks.
// What a module knows of its people it tells by a Realm; passwords, second
// factors, lock-outs, sessions and their pages are the same for all.
//
// It holds these to be true, always:
//   - a refusal tells nothing about whether a login exists, and takes as long;
//   - a password alone opens nothing where a second factor was made or is asked;
//   - a recovery code, a code's time step and a passkey's challenge work once;
//   - who guesses waits, longer each time, by login and by address.
package signin

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// What a sign-in answers with; a wrong login or password is auth.ErrWrongLogin.
var (
	ErrWait           = fault.DeclareWait(fault.TooMany, "sign-in-wait", time.Minute) // with or without such a login
	ErrSuspended      = fault.Declare(fault.Forbidden, "sign-in-suspended")           // told to those alone who know the password
	ErrNoSession      = fault.Declare(fault.NotFound, "web-session-unknown")
	ErrOldPassword    = fault.Declare(fault.Conflict, "password-wrong")
	ErrSecondFactor   = fault.Declare(fault.Unauthenticated, "second-factor-required")
	ErrMustEnrol      = fault.Declare(fault.Forbidden, "second-factor-missing") // none was made, and one is asked
	ErrCodeWrong      = fault.Declare(fault.Invalid, "sign-in-code-wrong")
	ErrPasskeyWrong   = fault.Declare(fault.Invalid, "passkey-wrong")
	ErrLastFactor     = fault.Declare(fault.Conflict, "second-factor-last")
	ErrFactorUnknown  = fault.Declare(fault.NotFound, "second-factor-unknown")
	ErrTooManyFactors = fault.Declare(fault.Conflict, "passkeys-too-many")
)

// Config says what sign-ins demand.
type Config struct {
	PublicURL      string // passkeys belong to its host
	FactorRequired bool   // of staff, where their municipality has not said
	StepUp         time.Duration
}

// Kit is what all realms share.
type Kit struct {
	db        *db.DB
	store     store
	box       *crypt.Box
	audit     *audit.Log
	sessions  *auth.WebSessions
	passwords *auth.Passwords
	passkeys  *webauthn.WebAuthn
	cfg       Config
	now       clock.Now
}

// New makes the kit over d.
func New(d *db.DB, box *crypt.Box, a *audit.Log, sessions *auth.WebSessions, passwords *auth.Passwords, cfg Config, now clock.Now) (*Kit, error) {
	k := &Kit{d, store{d}, box, a, sessions, passwords, nil, cfg, now}
	if cfg.StepUp == 0 {
		k.cfg.StepUp = 10 * time.Minute
	}
	host, origins := relyingParty(cfg.PublicURL)
	var err error
	k.passkeys, err = webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "장터 Jangteo", RPOrigins: origins, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	return k, err
}

// relyingParty is the host that passkeys belong to. An address of numbers may
// have none, so a demonstration's belong to localhost.
func relyingParty(public string) (host string, origins []string) {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" {
		return "localhost", []string{"http://localhost"}
	}
	host, origins = u.Hostname(), []string{u.Scheme + "://" + u.Host}
	if ip := net.ParseIP(host); ip != nil {
		host = "localhost"
		local := u.Scheme + "://localhost"
		if u.Port() != "" {
			local += ":" + u.Port()
		}
		origins = []string{local}
	}
	return host, origins
}

// Account is what a module knows of somebody who signs in.
type Account struct {
	auth.Principal // without what is the session's
	Login          string
	PasswordHash   string // empty: nobody can come in with a password
	Suspended      bool
}

// Realm is what a module tells of its people. ByLogin answers an empty Account
// for a login that does not exist, ByID auth.ErrSignInRequired; both run in a
// transaction that sees no municipality's rows, SetPassword and SignedIn in one
// of the person's municipality.
type Realm struct {
	Kind        auth.Kind // of its sessions: auth.Staff or auth.Clerk
	Object      string    // in the audit log: staff, clerk
	Required    bool      // whether the configuration can ask for a second factor
	Normalise   func(login string) string
	ByLogin     func(ctx context.Context, login string) (Account, error)
	ByID        func(ctx context.Context, id uuid.UUID) (Account, error)
	SetPassword func(ctx context.Context, id uuid.UUID, hash string) error
	SignedIn    func(ctx context.Context, id uuid.UUID) error // may be nil
}

// SignIns is how the people of one realm come in and out.
type SignIns struct {
	*Kit
	realm Realm
}

// Realm begins to let the people of one realm in.
func (k *Kit) Realm(r Realm) *SignIns { return &SignIns{k, r} }

// SignedIn is somebody with a fresh session; Stage says whether it is whole.
type SignedIn struct {
	Account
	Token   string
	Session auth.WebSession
}

// SignIn checks a login and password and begins a session. It answers
// auth.ErrWrongLogin, or ErrWait after too many failures, the same and as late
// for logins that exist and those that do not. The session is not whole while a
// second factor is still to be given or made.
func (s *SignIns) SignIn(ctx context.Context, login, password string) (in SignedIn, err error) {
	a, err := s.checkPassword(ctx, login, password)
	if err != nil {
		return in, err
	}
	stage, err := s.stageAfterPassword(ctx, a)
	if err != nil {
		return in, err
	}
	return s.begin(ctx, a, stage, auth.ByPassword)
}

// SignInWithCode is SignIn for tills, which have no second page: code is of an
// app or a recovery code, and is asked for with ErrSecondFactor.
func (s *SignIns) SignInWithCode(ctx context.Context, login, password, code string) (in SignedIn, err error) {
	a, err := s.checkPassword(ctx, login, password)
	if err != nil {
		return in, err
	}
	stage, err := s.stageAfterPassword(ctx, a)
	switch {
	case err != nil:
		return in, err
	case stage == auth.StageEnrol:
		return in, ErrMustEnrol
	case stage == auth.StageFull:
		return s.begin(ctx, a, stage, auth.ByPassword)
	case code == "":
		return in, ErrSecondFactor
	}
	method, err := s.checkCode(ctx, a, code)
	if err != nil {
		return in, err
	}
	return s.begin(ctx, a, auth.StageFull, method)
}

func (s *SignIns) checkPassword(ctx context.Context, login, password string) (a Account, err error) {
	login = s.realm.Normalise(login)
	key := s.key("login", login)
	failures, err := s.try(ctx, key)
	if err != nil {
		return a, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		a, err = s.realm.ByLogin(ctx, login)
		return err
	})
	if err != nil {
		return a, err
	}
	ok, err := s.passwords.Match(ctx, password, a.PasswordHash)
	if err != nil {
		return a, err
	}
	if !ok {
		return a, s.failed(ctx, a, failures)
	}
	if err := s.fitted(ctx, key); err != nil {
		return a, err
	}
	if a.Suspended {
		return a, ErrSuspended
	}
	return a, nil
}

func (s *SignIns) stageAfterPassword(ctx context.Context, a Account) (stage auth.Stage, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		has, err := s.store.hasFactor(ctx, s.realm.Kind, a.ID)
		if err != nil {
			return err
		}
		required, err := s.required(ctx, a.Tenant)
		switch {
		case has:
			stage = auth.StageSecond
		case required:
			stage = auth.StageEnrol
		default:
			stage = auth.StageFull
		}
		return err
	})
	return stage, err
}

// begin starts a session in one transaction with what goes with it.
func (s *SignIns) begin(ctx context.Context, a Account, stage auth.Stage, method string) (in SignedIn, err error) {
	err = s.db.Tx(tenant.With(ctx, a.Tenant), func(ctx context.Context) error {
		in = SignedIn{Account: a}
		if in.Token, in.Session, err = s.sessions.Begin(ctx, s.realm.Kind, a.ID, a.Tenant, stage, method); err != nil {
			return err
		}
		if stage != auth.StageFull {
			return nil
		}
		return s.arrived(ctx, a, in.Session)
	})
	return in, err
}

// arrived records that somebody is in, with everything they were asked for.
func (s *SignIns) arrived(ctx context.Context, a Account, session auth.WebSession) error {
	if s.realm.SignedIn != nil {
		if err := s.realm.SignedIn(ctx, a.ID); err != nil {
			return err
		}
	}
	return s.record(auth.With(ctx, a.with(session)), a.ID, "signed-in", map[string]string{"method": session.Method})
}

// with is the account's principal in a session.
func (a Account) with(session auth.WebSession) auth.Principal {
	p := a.Principal
	p.Session, p.Proven = session.ID, session.ProvenAt
	return p
}

// record keeps for the auditors what somebody of this realm did; "done" is a
// participle, for example "signed-in".
func (s *SignIns) record(ctx context.Context, id uuid.UUID, done string, after any) error {
	return s.audit.Changed(ctx, audit.Change{Action: s.realm.Object + "." + done, Object: s.realm.Object, ObjectID: id.String(), After: after})
}

// Identify returns who a session's token belongs to, or why it no longer does.
// A session that still lacks its second factor is nobody's yet.
func (s *SignIns) Identify(ctx context.Context, token string) (auth.Principal, error) {
	a, session, err := s.find(ctx, token)
	if err != nil {
		return auth.Principal{}, err
	}
	switch {
	case a.Suspended:
		return auth.Principal{}, ErrSuspended
	case session.Stage != auth.StageFull:
		return auth.Principal{}, auth.ErrSignInRequired.Because(ErrSecondFactor)
	}
	return a.with(session), nil
}

// Pending returns who is on the way in with a token, and what they still have
// to do; auth.StageFull means nothing.
func (s *SignIns) Pending(ctx context.Context, token string) (auth.Principal, auth.Stage, error) {
	a, session, err := s.find(ctx, token)
	if err == nil && a.Suspended {
		err = ErrSuspended
	}
	return a.with(session), session.Stage, err
}

func (s *SignIns) find(ctx context.Context, token string) (a Account, session auth.WebSession, err error) {
	session, err = s.sessions.Find(ctx, s.realm.Kind, token)
	if err != nil {
		return a, session, err
	}
	a, err = s.account(ctx, session.SubjectID)
	return a, session, err
}

func (s *SignIns) account(ctx context.Context, id uuid.UUID) (a Account, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		a, err = s.realm.ByID(ctx, id)
		return err
	})
	return a, err
}

// SignOut ends the session of the person in ctx.
func (s *SignIns) SignOut(ctx context.Context) error {
	me := auth.From(ctx)
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		if err := s.sessions.End(ctx, me.Session, auth.EndedSignedOut); err != nil {
			return err
		}
		return s.record(ctx, me.ID, "signed-out", nil)
	})
}

// GiveUp ends a session that never became whole, because its person began anew.
func (s *SignIns) GiveUp(ctx context.Context, token string) error {
	session, err := s.sessions.Find(ctx, s.realm.Kind, token)
	if err != nil || session.Stage == auth.StageFull {
		return nil //nolint:nilerr // there is nothing to give up
	}
	return s.sessions.End(ctx, session.ID, auth.EndedGivenUp)
}

// Sessions lists the sign-ins of the person in ctx, newest first.
func (s *SignIns) Sessions(ctx context.Context) ([]auth.WebSession, error) {
	return s.sessions.List(ctx, s.realm.Kind, auth.From(ctx).ID)
}

// SessionsOf lists the sessions of somebody of the realm, the newest first.
func (s *SignIns) SessionsOf(ctx context.Context, id uuid.UUID) ([]auth.WebSession, error) {
	return s.sessions.List(ctx, s.realm.Kind, id)
}

// Revoke ends one of the person's own sessions.
func (s *SignIns) Revoke(ctx context.Context, id uuid.UUID) error {
	own, err := s.Sessions(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(w auth.WebSession) bool { return w.ID == id }) {
		return ErrNoSession
	}
	return s.sessions.End(ctx, id, auth.EndedRevoked)
}

// RevokeOthers ends every session of the person in ctx but this one.
func (s *SignIns) RevokeOthers(ctx context.Context) error {
	me := auth.From(ctx)
	return s.sessions.EndAll(ctx, s.realm.Kind, me.ID, me.Session, auth.EndedRevoked)
}

// EndAll ends every session of somebody else, for a recorded reason.
func (s *SignIns) EndAll(ctx context.Context, id uuid.UUID, reason string) error {
	return s.sessions.EndAll(ctx, s.realm.Kind, id, uuid.Nil, reason)
}

// ChangePassword replaces the password of the person in ctx and ends all their
// other sessions.
func (s *SignIns) ChangePassword(ctx context.Context, old, fresh string) error {
	me := auth.From(ctx)
	a, err := s.account(ctx, me.ID)
	if err != nil {
		return err
	}
	key := s.key("login", a.Login)
	failures, err := s.try(ctx, key) // a stolen session must not guess the password
	if err != nil {
		return err
	}
	ok, err := s.passwords.Match(ctx, old, a.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		if err := s.failed(ctx, a, failures); !errors.Is(err, auth.ErrWrongLogin) {
			return err
		}
		return ErrOldPassword
	}
	hash, err := s.passwords.Hash(ctx, "new_password", fresh)
	if err != nil {
		return err
	}
	if err := s.fitted(ctx, key); err != nil {
		return err
	}
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		if err := s.realm.SetPassword(ctx, me.ID, hash); err != nil {
			return err
		}
		if err := s.sessions.EndAll(ctx, s.realm.Kind, me.ID, me.Session, auth.EndedCredentialChanged); err != nil {
			return err
		}
		return s.record(ctx, me.ID, "password-changed", nil)
	})
}

// HashPassword makes what a module stores of a first password, or names field.
func (s *SignIns) HashPassword(ctx context.Context, field, password string) (string, error) {
	return s.passwords.Hash(ctx, field, password)
}

// key tells apart what is counted; nobody can read a login from it.
func (s *SignIns) key(of, value string) []byte {
	sum := sha256.Sum256([]byte(string(s.realm.Kind) + "\x00" + of + "\x00" + value))
	return sum[:]
}
