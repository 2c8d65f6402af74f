package citizens

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
)

// Check is a question to the identity provider that waits for its code.
type Check struct {
	ID        uuid.UUID
	ExpiresAt time.Time
}

// Rate is how often something may be done in a window of time.
type Rate struct {
	Most   int
	Window time.Duration
}

// Limits bound how often identities are asked after. A zero Rate takes the
// value beside it.
type Limits struct {
	ChecksPerPhone   Rate // 10 in 10 minutes
	ChecksPerAddress Rate // 300 in 10 minutes: many phones share a carrier's address
	CodesPerAddress  Rate // 600 in 10 minutes
	CodesPerPhone    Rate // 20 wrong ones in an hour, over all checks
}

func (l *Limits) setUsual() {
	for limit, usual := range map[*Rate]Rate{
		&l.ChecksPerPhone: {10, 10 * time.Minute}, &l.ChecksPerAddress: {300, 10 * time.Minute}, &l.CodesPerAddress: {600, 10 * time.Minute},
		&l.CodesPerPhone: {20, time.Hour},
	} {
		if limit.Most == 0 {
			*limit = usual
		}
	}
}

// StartCheck asks the provider to send a code to the person's phone. It
// answers the same whether or not the person has an account.
func (s *Service) StartCheck(ctx context.Context, p Person) (Check, error) {
	if _, err := p.normalise(calendar.DayOf(s.now())); err != nil {
		return Check{}, err
	}
	if err := s.try(ctx, "check-address", auth.Info(ctx).Address, s.limits.ChecksPerAddress); err != nil {
		return Check{}, err
	}
	if err := s.try(ctx, "check-phone", p.Phone, s.limits.ChecksPerPhone); err != nil {
		return Check{}, err
	}
	asked, err := s.provider.Start(ctx, p)
	if err != nil {
		return Check{}, err
	}
	now := s.now()
	row := checkRow{ID: uuid.Must(uuid.NewV7()), ProviderCheckID: asked, StartedAt: now, ExpiresAt: now.Add(CheckLives)}
	if row.PhoneIndex, err = s.box.Index("citizens.tries.code-phone", p.Phone); err != nil {
		return Check{}, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error { return s.store.insertCheck(ctx, row) })
	return Check{row.ID, row.ExpiresAt}, err
}

// try counts a try and refuses it when there were too many in the window.
func (s *Service) try(ctx context.Context, scope, key string, limit Rate) error {
	index, err := s.box.Index("citizens.tries."+scope, key)
	if err != nil {
		return err
	}
	return s.tryIndex(ctx, scope, index, limit)
}

func (s *Service) tryIndex(ctx context.Context, scope string, index []byte, limit Rate) error {
	now := s.now()
	since := now.Truncate(limit.Window)
	var number int
	err := s.db.Platform(ctx, func(ctx context.Context) (err error) {
		number, err = s.store.try(ctx, scope, index, since)
		return err
	})
	if err == nil && number > limit.Most {
		err = fault.ErrTooMany.After(since.Add(limit.Window).Sub(now))
	}
	return err
}

const codePhone = "code-phone"

var codes = regexp.MustCompile(`^[0-9]{6}$`)

// ConfirmCheck compares the code and returns an identity token. The attempt is
// counted before the provider is asked, so that guesses sent at once count all.
func (s *Service) ConfirmCheck(ctx context.Context, id uuid.UUID, code string) (token string, err error) {
	if !codes.MatchString(code) {
		return "", fault.On("code", fault.WrongFormat)
	}
	if err := s.try(ctx, "code-address", auth.Info(ctx).Address, s.limits.CodesPerAddress); err != nil {
		return "", err
	}
	var check checkRow
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		var counted bool
		check, counted, err = s.store.attempt(ctx, id, s.now())
		if err == nil && !counted {
			err = check.refusal()
		}
		if err != nil || check.PhoneIndex == nil {
			return err
		}
		return s.tryIndex(ctx, codePhone, check.PhoneIndex, s.limits.CodesPerPhone)
	})
	if err != nil {
		return "", err
	}
	found, err := s.provider.Confirm(ctx, check.ProviderCheckID, code)
	if err != nil {
		return "", err
	}
	if err := s.fitted(ctx, check); err != nil {
		return "", err
	}
	return s.keepIdentity(ctx, id, found)
}

// fitted takes back what was counted of a code that was right.
func (s *Service) fitted(ctx context.Context, c checkRow) error {
	if c.PhoneIndex == nil {
		return nil
	}
	return s.db.Platform(ctx, func(ctx context.Context) error {
		return s.store.untry(ctx, codePhone, c.PhoneIndex, s.now().Truncate(s.limits.CodesPerPhone.Window))
	})
}

func (c checkRow) refusal() error {
	switch {
	case c.ConfirmedAt != nil:
		return ErrCheckUsed
	case c.Attempts >= attemptsMax:
		return ErrCheckSpent
	}
	return ErrCheckExpired
}

func (s *Service) keepIdentity(ctx context.Context, id uuid.UUID, found Identity) (token string, err error) {
	body, err := json.Marshal(found)
	if err != nil {
		return "", err
	}
	sealed, err := s.box.Seal(string(body), place("checks.identity", id))
	if err != nil {
		return "", err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	token = base64.RawURLEncoding.EncodeToString(raw)
	now := s.now()
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		kept, err := s.store.confirm(ctx, id, now, digest(token), now.Add(TokenLives), sealed)
		if err == nil && !kept {
			err = ErrCheckUsed
		}
		return err
	})
	return token, err
}

func digest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// identity tells who a live token stands for. It runs in the caller's
// transaction and keeps others from using the token meanwhile.
func (s *Service) identity(ctx context.Context, token string) (check checkRow, found Identity, err error) {
	if len(token) != 43 {
		return check, found, ErrTokenInvalid
	}
	if check, err = s.store.token(ctx, digest(token), s.now()); err != nil {
		return check, found, err
	}
	body, err := s.box.Open(check.IdentitySealed, place("checks.identity", check.ID))
	if err != nil {
		return check, found, err
	}
	return check, found, json.Unmarshal([]byte(body), &found)
}

// Forget removes checks that ended an hour ago and counts of tries a day old;
// it returns how many rows went.
func (s *Service) Forget(ctx context.Context) (gone int64, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		gone, err = s.store.forget(ctx, s.now().Add(-time.Hour), s.now().Add(-24*time.Hour))
		return err
	})
	return gone, err
}
