package reports

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// Verification is what a recomputation of a municipality's books found.
type Verification struct {
	Tenant      tenant.ID
	ID          uuid.UUID
	At          time.Time
	Took        time.Duration
	Accounts    int64
	Entries     int64
	Transfers   int64
	Days        int64 // closed, and sealed under a root
	Payments    int64
	Purchases   int64
	Settlements int64
	Differences []ledger.Difference // at most 1,000
}

// Clean reports whether everything adds up.
func (v Verification) Clean() bool { return len(v.Differences) == 0 }

const (
	differencesMost = 1_000
	verifyPause     = 30 * time.Second // between two runs by hand
	verifyMost      = 15 * time.Minute // that a municipality takes; who took it up has died if it takes longer
)

// Verify recomputes every balance from transfers, every payment and purchase
// from entries, every settlement from payments and the root of every sealed day
// from its entries, for the municipality in ctx, and keeps the result.
func (s *Service) Verify(ctx context.Context) (v Verification, err error) {
	begun := s.Now()
	v = Verification{Tenant: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), At: begun}
	if err := s.DB.Snapshot(ctx, func(ctx context.Context) error { return s.recompute(ctx, &v) }); err != nil {
		return v, err
	}
	v.Took = s.Now().Sub(begun)
	return v, s.DB.Tx(ctx, func(ctx context.Context) error {
		return errors.Join(s.store.keep(ctx, v), s.store.forgetWanted(ctx))
	})
}

// AskVerify has the books of the municipality in ctx verified soon, in the
// background. Who asks again within half a minute is answered by what was just found.
func (s *Service) AskVerify(ctx context.Context) error {
	return s.DB.Tx(ctx, func(ctx context.Context) error {
		last, err := s.store.verifications(ctx, 1)
		if err != nil || len(last) == 1 && s.Now().Sub(last[0].At) <= verifyPause {
			return err
		}
		return s.store.want(ctx, s.Now())
	})
}

// VerifyAsked is since when a verification is awaited; zero when none is.
func (s *Service) VerifyAsked(ctx context.Context) (since time.Time, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context) error {
		since, err = s.store.wanted(ctx)
		return err
	})
	return since, err
}

// VerifyWanted verifies the municipalities that asked for it.
func (s *Service) VerifyWanted(ctx context.Context) error {
	var taken []tenant.ID
	err := s.DB.Platform(ctx, func(ctx context.Context) (err error) {
		taken, err = s.store.takeWanted(ctx, s.Now(), s.Now().Add(-verifyMost))
		return err
	})
	if err != nil || len(taken) == 0 {
		return err
	}
	_, err = s.VerifyAll(ctx, taken, 1)
	return err
}

// VerifyAll verifies municipalities, some at once, and returns what was found
// in each, in their order. The trouble of one does not keep the others waiting.
func (s *Service) VerifyAll(ctx context.Context, all []tenant.ID, atOnce int) ([]Verification, error) {
	results, failures := make([]Verification, len(all)), make([]error, len(all))
	var next atomic.Int64
	var together sync.WaitGroup
	for range atOnce {
		together.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				var err error
				if results[i], err = s.Verify(tenant.With(ctx, all[i])); err != nil {
					failures[i] = fmt.Errorf("municipality %s: %w", all[i], err)
				}
			}
		})
	}
	together.Wait()
	return results, errors.Join(errors.Join(failures...), ctx.Err())
}

// recompute asks every module that keeps what the ledger must bear out, in one
// view of the database, so that traffic beside it makes no difference.
func (s *Service) recompute(ctx context.Context, v *Verification) error {
	books, err := s.Ledger.Verify(ctx)
	if err != nil {
		return err
	}
	v.Accounts, v.Entries, v.Transfers, v.Days, v.Differences = books.Accounts, books.Entries, books.Transfers, books.Days, books.Differences
	checks := []func(context.Context) ([]ledger.Difference, error){s.Payments.Verify, s.Vouchers.Verify, s.Settlement.Verify}
	if s.Cards != nil {
		checks = append(checks, s.Cards.Verify)
	}
	for _, check := range checks {
		found, err := check(ctx)
		if err != nil {
			return err
		}
		v.Differences = append(v.Differences, found...)
	}
	v.Differences = v.Differences[:min(len(v.Differences), differencesMost)]
	for _, count := range []struct {
		of   func(context.Context) (int64, error)
		into *int64
	}{{s.Payments.Count, &v.Payments}, {s.Vouchers.CountPurchases, &v.Purchases}, {s.Settlement.Count, &v.Settlements}} {
		if *count.into, err = count.of(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Verifications lists the results of the municipality in ctx, the latest first;
// limit is 1 to 100.
func (s *Service) Verifications(ctx context.Context, limit int) (list []Verification, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.verifications(ctx, min(max(limit, 1), 100))
		return err
	})
	return list, err
}
