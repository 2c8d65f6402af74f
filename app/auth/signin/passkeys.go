package signin

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/web"
)

const (
	challengeLife   = 5 * time.Minute
	passkeysMost    = 10 // of one person
	passkeyNameMost = 40
	answerMost      = 16 << 10
)

// Passkey is one that somebody made.
type Passkey struct {
	ID        string // hexadecimal
	Name      string
	CreatedAt time.Time
	UsedAt    *time.Time
}

// Challenge is what a browser's passkey is asked to sign: Options go to
// navigator.credentials, ID comes back with the answer.
type Challenge struct {
	ID      uuid.UUID `json:"id"`
	Options any       `json:"options"`
}

// keyholder is a person as the library sees them.
type keyholder struct {
	Account
	keys []webauthn.Credential
}

func (h keyholder) WebAuthnID() []byte                         { return h.ID[:] }
func (h keyholder) WebAuthnName() string                       { return h.Login }
func (h keyholder) WebAuthnDisplayName() string                { return h.Name }
func (h keyholder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (s *SignIns) holder(ctx context.Context, id uuid.UUID) (h keyholder, err error) {
	if h.Account, err = s.realm.ByID(ctx, id); err != nil {
		return h, err
	}
	rows, err := s.store.passkeyRows(ctx, s.realm.Kind, id)
	for _, r := range rows {
		var key webauthn.Credential
		if err := json.Unmarshal(r.Credential, &key); err != nil {
			return h, err
		}
		h.keys = append(h.keys, key)
	}
	return h, err
}

// AskPasskey asks whoever stands before a browser for a passkey, so a sign-in
// with one needs no login.
func (s *SignIns) AskPasskey(ctx context.Context) (c Challenge, err error) {
	options, data, err := s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return c, err
	}
	return s.ask(ctx, nil, options.Response, data)
}

// AskNewPasskey asks the browser of the person in ctx to make one.
func (s *SignIns) AskNewPasskey(ctx context.Context) (c Challenge, err error) {
	me := auth.From(ctx)
	var h keyholder
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		h, err = s.holder(ctx, me.ID)
		return err
	})
	if err != nil {
		return c, err
	}
	if len(h.keys) >= passkeysMost {
		return c, ErrTooManyFactors
	}
	var have []protocol.CredentialDescriptor
	for _, key := range h.keys {
		have = append(have, key.Descriptor())
	}
	options, data, err := s.passkeys.BeginRegistration(h, webauthn.WithExclusions(have))
	if err != nil {
		return c, err
	}
	return s.ask(ctx, &me.ID, options.Response, data)
}

func (s *SignIns) ask(ctx context.Context, subject *uuid.UUID, options any, data *webauthn.SessionData) (Challenge, error) {
	c := Challenge{uuid.Must(uuid.NewV7()), options}
	raw, err := json.Marshal(data)
	if err != nil {
		return c, err
	}
	return c, s.db.Platform(ctx, func(ctx context.Context) error {
		if address := auth.Info(ctx).Address; subject == nil && address != "" {
			// Anybody may ask, so an address may not ask without end.
			if _, err := s.count(ctx, s.key("asks", address), freeOfAddress, addressForgets); err != nil {
				return err
			}
		}
		return s.store.insertChallenge(ctx, challengeRow{c.ID, s.realm.Kind, subject, raw, s.now().Add(challengeLife)}, s.now())
	})
}

// answered takes a challenge away, so that it is answered once.
func (s *SignIns) answered(ctx context.Context, challenge uuid.UUID, subject *uuid.UUID) (data webauthn.SessionData, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, found, err := s.store.takeChallenge(ctx, challenge, s.realm.Kind)
		if err != nil {
			return err
		}
		if !found || !same(row.SubjectID, subject) || !s.now().Before(row.ExpiresAt) {
			return ErrPasskeyWrong
		}
		return json.Unmarshal(row.Data, &data)
	})
	return data, err
}

func same(a, b *uuid.UUID) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// AddPasskey keeps the passkey that a browser made for the person in ctx. With
// the first second factor come recovery codes.
func (s *SignIns) AddPasskey(ctx context.Context, challenge uuid.UUID, answer, name string) (fresh []string, err error) {
	me := auth.From(ctx)
	name = strings.TrimSpace(name)
	if reason, ok := web.CheckText(name, passkeyNameMost); !ok {
		return nil, fault.On("passkey_name", reason)
	} else if name == "" {
		return nil, fault.On("passkey_name", fault.Required)
	}
	data, err := s.answered(ctx, challenge, &me.ID)
	if err != nil {
		return nil, err
	}
	if len(answer) > answerMost {
		return nil, ErrPasskeyWrong
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return nil, ErrPasskeyWrong.Because(err)
	}
	return s.enrolled(ctx, "passkey-added", func(ctx context.Context) error {
		h, err := s.holder(ctx, me.ID)
		if err != nil {
			return err
		}
		key, err := s.passkeys.CreateCredential(h, data, parsed)
		if err != nil {
			return ErrPasskeyWrong.Because(err)
		}
		if len(h.keys) >= passkeysMost {
			return ErrTooManyFactors
		}
		raw, err := json.Marshal(key)
		if err != nil {
			return err
		}
		return s.store.insertPasskey(ctx, passkeyRow{ID: key.ID, Realm: s.realm.Kind, SubjectID: me.ID, Name: name, Credential: raw, CreatedAt: s.now()})
	})
}

// RemovePasskey takes one of the person in ctx away.
func (s *SignIns) RemovePasskey(ctx context.Context, id string) error {
	me := auth.From(ctx)
	return s.removing(ctx, "passkey-removed", func(ctx context.Context) (bool, error) {
		return s.store.dropPasskey(ctx, s.realm.Kind, me.ID, id)
	})
}

// SignInWithPasskey begins a whole session for whoever's passkey answered: what
// they have and, since it asks for a finger or a PIN, what they are or know.
func (s *SignIns) SignInWithPasskey(ctx context.Context, challenge uuid.UUID, answer string) (in SignedIn, err error) {
	a, err := s.whose(ctx, challenge, answer)
	if err != nil {
		return in, err
	}
	if a.Suspended {
		return in, ErrSuspended
	}
	return s.begin(ctx, a, auth.StageFull, auth.ByPasskey)
}

// StepUpWithPasskey lets the person in ctx prove once more who they are.
func (s *SignIns) StepUpWithPasskey(ctx context.Context, challenge uuid.UUID, answer string) error {
	me := auth.From(ctx)
	a, err := s.whose(ctx, challenge, answer)
	if err != nil {
		return err
	}
	if a.ID != me.ID {
		return ErrPasskeyWrong
	}
	return s.sessions.Prove(ctx, me.Session, auth.StageFull, auth.ByPasskey)
}

// whose finds who made the passkey that signed a challenge.
func (s *SignIns) whose(ctx context.Context, challenge uuid.UUID, answer string) (a Account, err error) {
	data, err := s.answered(ctx, challenge, nil)
	if err != nil {
		return a, err
	}
	if len(answer) > answerMost {
		return a, ErrPasskeyWrong
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return a, ErrPasskeyWrong.Because(err)
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		var h keyholder
		_, key, err := s.passkeys.ValidatePasskeyLogin(func(rawID, handle []byte) (webauthn.User, error) {
			row, found, err := s.store.passkey(ctx, s.realm.Kind, rawID)
			if err != nil || !found || string(handle) != string(row.SubjectID[:]) {
				return nil, ErrPasskeyWrong.Because(err)
			}
			h, err = s.holder(ctx, row.SubjectID)
			return h, err
		}, data, parsed)
		if err != nil {
			return ErrPasskeyWrong.Because(err)
		}
		if key.Authenticator.CloneWarning {
			return ErrPasskeyWrong // its count went backwards: somebody has a copy
		}
		raw, err := json.Marshal(key)
		if err != nil {
			return err
		}
		a = h.Account
		return s.store.usedPasskey(ctx, key.ID, raw, s.now())
	})
	return a, err
}
