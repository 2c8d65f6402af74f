package signin

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/tenant"
)

// How often somebody may be wrong before they wait, and for how long then.
const (
	freeFailures    = 5   // of a login or of a person's codes; people mistype
	freeOfAddress   = 100 // many people share one
	firstWait       = 30 * time.Second
	longestWait     = time.Hour
	forgottenAfter  = 24 * time.Hour
	addressForgets  = time.Hour
	forgottenAtOnce = 100
)

// waitAfter grows from nothing to an hour.
func waitAfter(failures, free int) time.Duration {
	if failures < free {
		return 0
	}
	const doublingsMost = 7
	return min(firstWait<<min(failures-free, doublingsMost), longestWait)
}

// try counts a failure before anything is looked at, so that many tries at once
// are not one; what fits takes it back. While there is a wait, tries are refused
// and do not count.
func (s *SignIns) try(ctx context.Context, key []byte) (failures int, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if address := auth.Info(ctx).Address; address != "" {
			if _, err := s.count(ctx, s.key("address", address), freeOfAddress, addressForgets); err != nil {
				return err
			}
		}
		failures, err = s.count(ctx, key, freeFailures, forgottenAfter)
		return err
	})
	return failures, err
}

func (s *SignIns) count(ctx context.Context, key []byte, free int, forget time.Duration) (failures int, err error) {
	now := s.now()
	tries, err := s.store.countTry(ctx, key, now, now.Add(-forget))
	if err != nil {
		return 0, err
	}
	if left := tries.WaitUntil.Sub(now); left > 0 {
		return 0, ErrWait.After(left)
	}
	return tries.Failures, s.store.setWait(ctx, key, now.Add(waitAfter(tries.Failures, free)))
}

// fitted takes back what try counted.
func (s *SignIns) fitted(ctx context.Context, key []byte) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		if address := auth.Info(ctx).Address; address != "" {
			if err := s.store.uncount(ctx, s.key("address", address)); err != nil {
				return err
			}
		}
		return s.store.dropTries(ctx, key, s.now().Add(-forgottenAfter))
	})
}

// failed keeps for the auditors that somebody now has to wait.
func (s *SignIns) failed(ctx context.Context, a Account, failures int) error {
	if a.ID == uuid.Nil || waitAfter(failures, freeFailures) == 0 {
		return auth.ErrWrongLogin
	}
	err := s.db.Tx(tenant.With(ctx, a.Tenant), func(ctx context.Context) error {
		return s.record(ctx, a.ID, "sign-in-held-back", map[string]int{"failures": failures})
	})
	if err != nil {
		return err
	}
	return auth.ErrWrongLogin
}
