package ledger

import (
	"context"

	"github.com/google/uuid"
)

// Walk lists entries of some kinds in the order of their ids, from after one on
// (uuid.Nil: from the first). Their transfers are one of the whole amount,
// between no accounts. A module that verifies what it keeps walks beside it.
// Limit is 1 to 10,000.
func (s *Service) Walk(ctx context.Context, kinds []EntryKind, after uuid.UUID, limit int) (list []Recorded, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.walk(ctx, kinds, after, min(max(limit, 1), 10_000))
		return err
	})
	return list, err
}
