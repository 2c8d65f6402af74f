package vouchers

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// Verify compares the purchases, lots and wallets of the municipality in ctx
// with each other and with the ledger, and names every difference. It only
// reads.
func (s *Service) Verify(ctx context.Context) (differences []ledger.Difference, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		for _, check := range []func(context.Context) ([]ledger.Difference, error){s.store.verify, s.verifyEntries, s.verifyWallets} {
			found, err := check(ctx)
			if err != nil {
				return err
			}
			differences = append(differences, found...)
		}
		return nil
	})
	return differences, err
}

const walkAtATime = 5_000

// claim is what a purchase says of an entry.
type claim struct {
	EntryID    uuid.UUID
	PurchaseID uuid.UUID
	Kind       ledger.EntryKind
	Amount     money.Amount
	Answers    uuid.UUID
}

// verifyEntries walks what purchases say of their entries and the entries
// themselves side by side, both in the order of the entries' ids.
func (s *Service) verifyEntries(ctx context.Context) (differences []ledger.Difference, err error) {
	kinds := []ledger.EntryKind{ledger.PurchaseReserved, ledger.PurchaseCompleted, ledger.PurchaseReleased}
	claims := reader[claim]{id: func(c claim) uuid.UUID { return c.EntryID }, next: s.store.claims}
	entries := reader[ledger.Recorded]{
		id: func(r ledger.Recorded) uuid.UUID { return r.ID },
		next: func(ctx context.Context, after uuid.UUID, limit int) ([]ledger.Recorded, error) {
			return s.ledger.Walk(ctx, kinds, after, limit)
		},
	}
	differ := func(check, object string, want, got any) {
		differences = append(differences, ledger.Difference{
			Tenant: tenant.From(ctx), Check: check, Object: object, Want: fmt.Sprint(want), Got: fmt.Sprint(got),
		})
	}
	for {
		claimed, more1, err1 := claims.peek(ctx)
		entry, more2, err2 := entries.peek(ctx)
		if err := firstOf(err1, err2); err != nil || !more1 && !more2 {
			return differences, err
		}
		switch order := slices.Compare(claimed.EntryID[:], entry.ID[:]); {
		case !more2 || more1 && order < 0:
			differ("purchase-has-its-entry", "purchase "+claimed.PurchaseID.String(), claimed.EntryID, "none")
			claims.take()
		case !more1 || order > 0:
			differ("entry-has-its-purchase", "entry "+entry.ID.String(), "a purchase", "none")
			entries.take()
		default:
			want := fmt.Sprint(claimed.Kind, " of ", claimed.Amount, " answering ", claimed.Answers)
			if got := fmt.Sprint(entry.Kind, " of ", entry.Total(), " answering ", entry.Answers); got != want {
				differ("purchase-agrees-with-its-entry", "purchase "+claimed.PurchaseID.String(), want, got)
			}
			claims.take()
			entries.take()
		}
	}
}

// reader hands out a long list one by one, reading a page at a time.
type reader[T any] struct {
	id    func(T) uuid.UUID
	next  func(ctx context.Context, after uuid.UUID, limit int) ([]T, error)
	page  []T
	last  uuid.UUID
	ended bool
}

func (r *reader[T]) peek(ctx context.Context) (one T, more bool, err error) {
	if len(r.page) == 0 && !r.ended {
		if r.page, err = r.next(ctx, r.last, walkAtATime); err != nil {
			return one, false, err
		}
		r.ended = len(r.page) < walkAtATime
	}
	if len(r.page) == 0 {
		return one, false, nil
	}
	return r.page[0], true, nil
}

func (r *reader[T]) take() {
	r.last = r.id(r.page[0])
	r.page = r.page[1:]
}

// verifyWallets checks that what wallets hold and have spent is their lots.
func (s *Service) verifyWallets(ctx context.Context) (differences []ledger.Difference, err error) {
	last := uuid.Nil
	for {
		page, err := s.store.faces(ctx, last, walkAtATime)
		if err != nil || len(page) == 0 {
			return differences, err
		}
		ids := make([]uuid.UUID, len(page))
		for i, w := range page {
			ids[i] = w.ID
		}
		accounts, err := s.ledger.Accounts(ctx, ids)
		if err != nil {
			return nil, err
		}
		got := make(map[uuid.UUID]money.Amount, len(accounts))
		for _, a := range accounts {
			got[a.ID] = a.Balance + a.Spent
		}
		for _, w := range page {
			if had, known := got[w.ID]; !known || had != w.Face {
				differences = append(differences, ledger.Difference{
					Tenant: tenant.From(ctx), Check: "wallet-is-its-lots", Object: "wallet " + w.ID.String(),
					Want: w.Face.String(), Got: fmt.Sprintf("%s, account known: %v", had, known),
				})
			}
		}
		last = page[len(page)-1].ID
	}
}
