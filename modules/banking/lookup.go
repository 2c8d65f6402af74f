package banking

import (
	"context"

	"github.com/google/uuid"
)

// Transfers returns those of ids that the tenant in ctx has, in no order. A few
// thousand at a time is right.
func (s *Service) Transfers(ctx context.Context, ids []uuid.UUID) (transfers []Transfer, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err := s.store.transfers(ctx, ids)
		transfers = make([]Transfer, len(rows))
		for i, row := range rows {
			transfers[i] = row.transfer()
		}
		return err
	})
	return transfers, err
}
