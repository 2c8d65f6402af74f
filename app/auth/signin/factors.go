package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/tenant"
)

const (
	codePeriod    = 30 // seconds, RFC 6238
	codeSkew      = 1  // steps that a telephone's clock may be off
	recoveryCodes = 10
	recoveryBytes = 10 // 80 bits, 16 signs
	secretBytes   = 20
)

var (
	sixDigits    = regexp.MustCompile(`^[0-9]{6}$`)
	recoveryForm = regexp.MustCompile(`^[a-z2-7]{16}$`)
	plain32      = base32.StdEncoding.WithPadding(base32.NoPadding)
)

// Factors are what somebody can prove themselves with besides a password.
type Factors struct {
	Passkeys  []Passkey
	CodeApp   *time.Time // since when; nil without one
	Recovery  int        // codes left
	MustKeep  bool       // a second factor is required, so the last one stays
	Suggested bool       // there is none yet
}

// Any reports whether there is a second factor.
func (f Factors) Any() bool { return len(f.Passkeys) > 0 || f.CodeApp != nil }

// Factors lists those of the person in ctx.
func (s *SignIns) Factors(ctx context.Context) (f Factors, err error) {
	me := auth.From(ctx)
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if f.Passkeys, err = s.store.passkeys(ctx, s.realm.Kind, me.ID); err != nil {
			return err
		}
		app, found, err := s.store.codeApp(ctx, s.realm.Kind, me.ID)
		if err != nil {
			return err
		}
		if found {
			f.CodeApp = app.ConfirmedAt
		}
		if f.Recovery, err = s.store.recoveryLeft(ctx, s.realm.Kind, me.ID); err != nil {
			return err
		}
		f.MustKeep, err = s.required(ctx, me.Tenant)
		return err
	})
	f.Suggested = !f.Any()
	return f, err
}

// required says whether a municipality, or the operator with 0, lets nobody in
// without a second factor.
func (s *SignIns) required(ctx context.Context, id tenant.ID) (bool, error) {
	said, found, err := s.store.rule(ctx, s.realm.Kind, id)
	if err != nil || found {
		return said, err
	}
	return s.realm.Required && s.cfg.FactorRequired, nil
}

// Required says it for the people of a municipality.
func (s *SignIns) Required(ctx context.Context, id tenant.ID) (required bool, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		required, err = s.required(ctx, id)
		return err
	})
	return required, err
}

// Require sets it, in the audit log of the municipality.
func (s *SignIns) Require(ctx context.Context, id tenant.ID, required bool) error {
	return s.db.Tx(tenant.With(ctx, id), func(ctx context.Context) error {
		var by *uuid.UUID
		if me, ok := auth.Lookup(ctx); ok {
			by = &me.ID
		}
		before, err := s.required(ctx, id)
		if err != nil {
			return err
		}
		if err := s.store.setRule(ctx, s.realm.Kind, id, required, by, s.now()); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: s.realm.Object + ".second-factor-rule-set", Object: "tenant", ObjectID: id.String(),
			Before: map[string]bool{"required": before}, After: map[string]bool{"required": required},
		})
	})
}

// BeginCodeApp makes what an app will make codes from, in place of one that was
// never confirmed. It refuses with ErrFactorUnknown where there is one already.
func (s *SignIns) BeginCodeApp(ctx context.Context) error {
	me := auth.From(ctx)
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	return s.keepSecret(ctx, me.ID, plain32.EncodeToString(secret))
}

func (s *SignIns) keepSecret(ctx context.Context, id uuid.UUID, secret string) error {
	sealed, err := s.box.Seal(secret, s.place(id))
	if err != nil {
		return err
	}
	return s.db.Platform(ctx, func(ctx context.Context) error {
		begun, err := s.store.beginCodeApp(ctx, s.realm.Kind, id, sealed, s.now())
		if err == nil && !begun {
			err = ErrFactorUnknown
		}
		return err
	})
}

func (s *SignIns) place(id uuid.UUID) string {
	return "app.code_apps.sealed/" + string(s.realm.Kind) + "/" + id.String()
}

// PendingCodeApp is the secret that was begun and not confirmed, and the address
// that an app reads from a picture.
func (s *SignIns) PendingCodeApp(ctx context.Context) (secret, address string, err error) {
	me := auth.From(ctx)
	var row codeAppRow
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		var found bool
		row, found, err = s.store.codeApp(ctx, s.realm.Kind, me.ID)
		if err == nil && (!found || row.ConfirmedAt != nil) {
			err = ErrFactorUnknown
		}
		return err
	})
	if err != nil {
		return "", "", err
	}
	if secret, err = s.box.Open(row.Sealed, s.place(me.ID)); err != nil {
		return "", "", err
	}
	a, err := s.account(ctx, me.ID)
	values := url.Values{"secret": {secret}, "issuer": {"Jangteo"}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return secret, "otpauth://totp/" + url.PathEscape("Jangteo:"+a.Login) + "?" + values.Encode(), err
}

// ConfirmCodeApp begins to ask for an app's codes once the first one fits.
func (s *SignIns) ConfirmCodeApp(ctx context.Context, code string) (fresh []string, err error) {
	me := auth.From(ctx)
	key := s.key("codes", me.ID.String())
	if _, err := s.try(ctx, key); err != nil {
		return nil, err
	}
	fits, err := s.codeFits(ctx, me.ID, code, false)
	if err != nil {
		return nil, err
	}
	if !fits {
		return nil, ErrCodeWrong
	}
	if err := s.fitted(ctx, key); err != nil {
		return nil, err
	}
	return s.enrolled(ctx, "code-app-added", func(ctx context.Context) error {
		return s.store.confirmCodeApp(ctx, s.realm.Kind, me.ID, s.now())
	})
}

// enrolled keeps a new factor. With the first one come recovery codes, and a
// session that waited for it becomes whole.
func (s *SignIns) enrolled(ctx context.Context, done string, keep func(context.Context) error) (fresh []string, err error) {
	me := auth.From(ctx)
	err = s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		if err := keep(ctx); err != nil {
			return err
		}
		left, err := s.store.recoveryLeft(ctx, s.realm.Kind, me.ID)
		if err != nil {
			return err
		}
		if left == 0 {
			if fresh, err = s.makeRecovery(ctx, me.ID); err != nil {
				return err
			}
		}
		if err := s.record(ctx, me.ID, done, nil); err != nil {
			return err
		}
		return s.becomeWhole(ctx, me, auth.ByPassword)
	})
	return fresh, err
}

// RemoveCodeApp stops asking for an app's codes.
func (s *SignIns) RemoveCodeApp(ctx context.Context) error {
	me := auth.From(ctx)
	return s.removing(ctx, "code-app-removed", func(ctx context.Context) (bool, error) {
		return s.store.dropCodeApp(ctx, s.realm.Kind, me.ID)
	})
}

// removing takes a factor away, unless it is the last and one is required.
func (s *SignIns) removing(ctx context.Context, done string, drop func(context.Context) (bool, error)) error {
	me := auth.From(ctx)
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		dropped, err := drop(ctx)
		if err != nil {
			return err
		}
		if !dropped {
			return ErrFactorUnknown
		}
		has, err := s.store.hasFactor(ctx, s.realm.Kind, me.ID)
		if err != nil {
			return err
		}
		required, err := s.required(ctx, me.Tenant)
		if err != nil {
			return err
		}
		if !has && required {
			return ErrLastFactor
		}
		if !has {
			if err := s.store.dropRecovery(ctx, s.realm.Kind, me.ID); err != nil {
				return err
			}
		}
		return s.record(ctx, me.ID, done, nil)
	})
}

// NewRecoveryCodes makes new ones in place of those there are. They are shown
// this once; what is kept cannot be turned back.
func (s *SignIns) NewRecoveryCodes(ctx context.Context) (codes []string, err error) {
	me := auth.From(ctx)
	err = s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		has, err := s.store.hasFactor(ctx, s.realm.Kind, me.ID)
		if err != nil {
			return err
		}
		if !has {
			return ErrFactorUnknown
		}
		if codes, err = s.makeRecovery(ctx, me.ID); err != nil {
			return err
		}
		return s.record(ctx, me.ID, "recovery-codes-made", nil)
	})
	return codes, err
}

func (s *SignIns) makeRecovery(ctx context.Context, id uuid.UUID) (codes []string, err error) {
	if err := s.store.dropRecovery(ctx, s.realm.Kind, id); err != nil {
		return nil, err
	}
	for range recoveryCodes {
		raw := make([]byte, recoveryBytes)
		_, _ = rand.Read(raw) // never fails
		code := strings.ToLower(plain32.EncodeToString(raw))
		if err := s.store.insertRecovery(ctx, s.realm.Kind, id, recoveryHash(code), s.now()); err != nil {
			return nil, err
		}
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
	}
	return codes, nil
}

// recoveryHash is of 80 random bits: there is nothing to guess from, so a quick
// hash keeps them.
func recoveryHash(code string) []byte {
	sum := sha256.Sum256([]byte("recovery\x00" + code))
	return sum[:]
}

// GiveCode is the second step of a sign-in, with a code of an app or a recovery
// code, for the session of token.
func (s *SignIns) GiveCode(ctx context.Context, token, code string) error {
	a, session, err := s.find(ctx, token)
	if err != nil {
		return err
	}
	if session.Stage != auth.StageSecond {
		return auth.ErrSignInRequired
	}
	method, err := s.checkCode(ctx, a, code)
	if err != nil {
		return err
	}
	return s.db.Tx(tenant.With(ctx, a.Tenant), func(ctx context.Context) error {
		return s.becomeWhole(ctx, a.with(session), method)
	})
}

// becomeWhole lets a session that waited in; one that is whole is proven anew.
func (s *SignIns) becomeWhole(ctx context.Context, who auth.Principal, method string) error {
	found, err := s.sessions.Get(ctx, who.Session)
	if err != nil {
		return err
	}
	if err := s.sessions.Prove(ctx, who.Session, auth.StageFull, method); err != nil || found.Stage == auth.StageFull {
		return err
	}
	a, err := s.realm.ByID(ctx, who.ID)
	if err != nil {
		return err
	}
	found.Method = method
	return s.arrived(ctx, a, found)
}

// checkCode accepts a code of an app or a recovery code, once.
func (s *SignIns) checkCode(ctx context.Context, a Account, code string) (method string, err error) {
	key := s.key("codes", a.ID.String())
	failures, err := s.try(ctx, key)
	if err != nil {
		return "", err
	}
	code = strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(code)))
	var fits bool
	switch {
	case sixDigits.MatchString(code):
		method = auth.ByCode
		fits, err = s.codeFits(ctx, a.ID, code, true)
	case recoveryForm.MatchString(code):
		method = auth.ByRecoveryCode
		fits, err = s.useRecovery(ctx, a, code)
	}
	if err != nil {
		return "", err
	}
	if !fits {
		if err := s.failed(ctx, a, failures); !errors.Is(err, auth.ErrWrongLogin) {
			return "", err
		}
		return "", ErrCodeWrong
	}
	return method, s.fitted(ctx, key)
}

// codeFits looks for the time step of a code around now, and takes a step once.
func (s *SignIns) codeFits(ctx context.Context, id uuid.UUID, code string, confirmed bool) (fits bool, err error) {
	if !sixDigits.MatchString(code) {
		return false, nil
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, found, err := s.store.codeApp(ctx, s.realm.Kind, id)
		if err != nil || !found || confirmed != (row.ConfirmedAt != nil) {
			return err
		}
		secret, err := s.box.Open(row.Sealed, s.place(id))
		if err != nil {
			return err
		}
		now := s.now().Unix() / codePeriod
		for step := now - codeSkew; step <= now+codeSkew; step++ {
			want, err := totp.GenerateCodeCustom(secret, time.Unix(step*codePeriod, 0), totp.ValidateOpts{Period: codePeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
			if err != nil {
				return err
			}
			if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
				fits, err = s.store.takeStep(ctx, s.realm.Kind, id, step)
				return err
			}
		}
		return nil
	})
	return fits, err
}

func (s *SignIns) useRecovery(ctx context.Context, a Account, code string) (fits bool, err error) {
	err = s.db.Tx(tenant.With(ctx, a.Tenant), func(ctx context.Context) error {
		if fits, err = s.store.useRecovery(ctx, s.realm.Kind, a.ID, recoveryHash(code), s.now()); err != nil || !fits {
			return err
		}
		left, err := s.store.recoveryLeft(ctx, s.realm.Kind, a.ID)
		if err != nil {
			return err
		}
		return s.record(ctx, a.ID, "recovery-code-used", map[string]int{"left": left})
	})
	return fits, err
}

// Fresh reports whether somebody proved who they are a short while ago.
func (s *SignIns) Fresh(who auth.Principal) bool { return s.now().Sub(who.Proven) < s.cfg.StepUp }

// StepUp lets the person in ctx prove once more who they are, with a code of
// theirs or, where they made no second factor, their password.
func (s *SignIns) StepUp(ctx context.Context, secret string) error {
	me := auth.From(ctx)
	a, err := s.account(ctx, me.ID)
	if err != nil {
		return err
	}
	f, err := s.Factors(ctx)
	if err != nil {
		return err
	}
	method := auth.ByPassword
	if f.Any() {
		if method, err = s.checkCode(ctx, a, secret); err != nil {
			return err
		}
	} else if _, err := s.checkPassword(ctx, a.Login, secret); err != nil {
		if errors.Is(err, auth.ErrWrongLogin) {
			err = ErrOldPassword
		}
		return err
	}
	return s.sessions.Prove(ctx, me.Session, auth.StageFull, method)
}

// ResetFactors takes every second factor of somebody else away, who has lost
// them, and ends their sessions: they make a new one when they come in.
func (s *SignIns) ResetFactors(ctx context.Context, id uuid.UUID) error {
	for _, drop := range []func(context.Context, auth.Kind, uuid.UUID) error{s.store.dropPasskeys, s.store.dropRecovery} {
		if err := drop(ctx, s.realm.Kind, id); err != nil {
			return err
		}
	}
	if _, err := s.store.dropCodeApp(ctx, s.realm.Kind, id); err != nil {
		return err
	}
	return s.EndAll(ctx, id, auth.EndedCredentialChanged)
}

// SeedCodeApp gives somebody an app with a secret that is known, for a
// demonstration.
func (s *SignIns) SeedCodeApp(ctx context.Context, id uuid.UUID, secret string) error {
	if err := s.keepSecret(ctx, id, secret); err != nil {
		return err
	}
	return s.db.Platform(ctx, func(ctx context.Context) error {
		return s.store.confirmCodeApp(ctx, s.realm.Kind, id, s.now())
	})
}
