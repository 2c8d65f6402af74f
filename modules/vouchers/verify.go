package vouchers

import (
	"context"
	"fmt"

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
		for _, check := range []func(context.Context) ([]ledger.Difference, error){s.store.verify, s.verifyEntries, s.verifyCorrections, s.verifyWallets} {
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

// verifyEntries compares what purchases say of their entries with the ledger.
func (s *Service) verifyEntries(ctx context.Context) ([]ledger.Difference, error) {
	kinds := []ledger.EntryKind{ledger.PurchaseReserved, ledger.PurchaseCompleted, ledger.PurchaseReleased}
	return s.ledger.Compare(ctx, "purchase", kinds, ledger.Claims{Each: s.store.eachClaim, Page: s.store.claims})
}

// verifyCorrections compares what corrections and fundings say of their entries
// with the ledger: none moved without a reason and two people.
func (s *Service) verifyCorrections(ctx context.Context) ([]ledger.Difference, error) {
	kinds := []ledger.EntryKind{ledger.WalletCredited, ledger.WalletDebited, ledger.Funding, ledger.FundingReturned}
	return s.ledger.Compare(ctx, "correction", kinds, ledger.Claims{Each: s.store.eachCorrectionClaim, Page: s.store.correctionClaims})
}

// verifyWallets checks that what wallets hold and have spent is their lots. It
// weighs them all first and looks at each only if that does not agree.
func (s *Service) verifyWallets(ctx context.Context) ([]ledger.Difference, error) {
	var scale ledger.Scale
	if err := s.store.weighLots(ctx, &scale); err != nil {
		return nil, err
	}
	if err := s.ledger.WeighWallets(ctx, &scale); err != nil || scale.Level() {
		return nil, err
	}
	return s.nameWallets(ctx)
}

func (s *Service) nameWallets(ctx context.Context) (differences []ledger.Difference, err error) {
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
