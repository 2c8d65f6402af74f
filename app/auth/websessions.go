package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"

	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// Why a web session ended. Nobody is told another reason than the one recorded.
const (
	EndedSignedOut         = "signed-out"
	EndedRevoked           = "revoked"
	EndedRevokedByStaff    = "revoked-by-staff"
	EndedSuspended         = "suspended" // who the session was of
	EndedExpiredIdle       = "expired-idle"
	EndedExpired           = "expired"
	EndedCredentialChanged = "credential-changed"
	EndedGivenUp           = "second-factor-given-up" // signed in anew before the second factor
)

// Stage of a sign-in: only a full one may do anything but go on to it.
type Stage string

// The stages.
const (
	StageSecond Stage = "second" // the second factor is still to be given
	StageEnrol  Stage = "enrol"  // a second factor is still to be made
	StageFull   Stage = "full"
)

// How somebody proved who they are.
const (
	ByPassword     = "password"
	ByCode         = "code"
	ByRecoveryCode = "recovery-code"
	ByPasskey      = "passkey"
)

// ErrWebSessionEnded tells why somebody has to sign in again; its parameter
// "reason" is one of the recorded reasons.
var ErrWebSessionEnded = fault.Declare(fault.Unauthenticated, "web-session-ended")

// WebSession is a sign-in of a member of staff or of a clerk.
type WebSession struct {
	ID          uuid.UUID
	Realm       Kind
	SubjectID   uuid.UUID
	TenantID    tenant.ID
	CreatedAt   time.Time
	SeenAt      time.Time
	EndedAt     *time.Time
	EndedReason *string
	UserAgent   string
	Address     string
	Stage       Stage
	Method      string
	ProvenAt    time.Time // when the person last proved who they are
}

// Lifetime bounds a web session.
type Lifetime struct{ Idle, Absolute time.Duration }

// WebSessions keeps revocable sign-ins on the server. The token is random and
// only its hash is stored.
type WebSessions struct {
	db    *db.DB
	store store
	now   clock.Now
	lives map[Kind]Lifetime
}

// NewWebSessions keeps sign-ins in d.
func NewWebSessions(d *db.DB, now clock.Now, lives map[Kind]Lifetime) *WebSessions {
	return &WebSessions{d, store{d}, now, lives}
}

// Begin signs somebody in and returns the token for their cookie.
func (w *WebSessions) Begin(ctx context.Context, realm Kind, subject uuid.UUID, t tenant.ID, stage Stage, method string) (token string, s WebSession, err error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	token = base64.RawURLEncoding.EncodeToString(raw)
	info := Info(ctx)
	s = WebSession{
		ID: uuid.Must(uuid.NewV7()), Realm: realm, SubjectID: subject, TenantID: t,
		CreatedAt: w.now(), SeenAt: w.now(), UserAgent: info.UserAgent, Address: info.Address,
		Stage: stage, Method: method, ProvenAt: w.now(),
	}
	err = w.db.Platform(ctx, func(ctx context.Context) error { return w.store.insert(ctx, digest(token), s) })
	return token, s, err
}

// Find returns the live session of a token. It ends a session that was idle or
// old too long, and says so.
func (w *WebSessions) Find(ctx context.Context, realm Kind, token string) (s WebSession, err error) {
	if len(token) != 43 {
		return s, ErrSignInRequired
	}
	var ended error
	err = w.db.Platform(ctx, func(ctx context.Context) error {
		s, err = w.store.find(ctx, digest(token))
		if errors.Is(err, errNoSession) || err == nil && s.Realm != realm {
			return ErrSignInRequired
		}
		if err != nil {
			return err
		}
		if s.EndedReason != nil {
			return ErrWebSessionEnded.With("reason", *s.EndedReason)
		}
		now, life := w.now(), w.lives[realm]
		switch {
		case now.Sub(s.CreatedAt) > life.Absolute:
			ended = ErrWebSessionEnded.With("reason", EndedExpired)
			return w.store.end(ctx, s.ID, EndedExpired, now)
		case now.Sub(s.SeenAt) > life.Idle:
			ended = ErrWebSessionEnded.With("reason", EndedExpiredIdle)
			return w.store.end(ctx, s.ID, EndedExpiredIdle, now)
		case now.Sub(s.SeenAt) > 30*time.Second: // not a write for every request
			return w.store.seen(ctx, s.ID, now)
		}
		return nil
	})
	return s, errors.Join(err, ended)
}

// Prove records that the person of a session has proven who they are again, and
// how far they now are.
func (w *WebSessions) Prove(ctx context.Context, id uuid.UUID, stage Stage, method string) error {
	return w.db.Platform(ctx, func(ctx context.Context) error { return w.store.prove(ctx, id, stage, method, w.now()) })
}

// Get returns a session by its id, live or ended, or ErrSignInRequired.
func (w *WebSessions) Get(ctx context.Context, id uuid.UUID) (s WebSession, err error) {
	err = w.db.Platform(ctx, func(ctx context.Context) error {
		s, err = w.store.get(ctx, id)
		if errors.Is(err, errNoSession) {
			err = ErrSignInRequired
		}
		return err
	})
	return s, err
}

// End ends a session for a recorded reason; the first reason stays.
func (w *WebSessions) End(ctx context.Context, id uuid.UUID, reason string) error {
	return w.db.Platform(ctx, func(ctx context.Context) error { return w.store.end(ctx, id, reason, w.now()) })
}

// EndAll ends every live session of a subject but one; uuid.Nil spares none.
func (w *WebSessions) EndAll(ctx context.Context, realm Kind, subject, spare uuid.UUID, reason string) error {
	return w.db.Platform(ctx, func(ctx context.Context) error {
		return w.store.endAll(ctx, realm, subject, spare, reason, w.now())
	})
}

// List returns a subject's sessions, the newest first, at most 50.
func (w *WebSessions) List(ctx context.Context, realm Kind, subject uuid.UUID) (list []WebSession, err error) {
	err = w.db.Platform(ctx, func(ctx context.Context) error {
		list, err = w.store.list(ctx, realm, subject)
		return err
	})
	return list, err
}

func digest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
