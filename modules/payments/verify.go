package payments

import (
	"context"

	"jangteo/modules/ledger"
)

// Verify compares payments and cancellations with each other and with the
// ledger's entries, and names every difference. It only reads, and its memory
// does not grow with them.
func (s *Service) Verify(ctx context.Context) (differences []ledger.Difference, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		var cancelled ledger.Scale
		claims := ledger.Claims{Page: s.store.claims, Each: func(ctx context.Context, claim func(ledger.Claim)) error {
			return s.store.weigh(ctx, &cancelled, claim)
		}}
		found, err := s.ledger.Compare(ctx, "payment", []ledger.EntryKind{ledger.Payment, ledger.Cancellation}, claims)
		if err != nil || cancelled.Level() {
			differences = found
			return err
		}
		differences, err = s.store.verify(ctx)
		differences = append(differences, found...)
		return err
	})
	return differences, err
}
