package ledger

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/calendar"
)

// LinesOfDay lists what sold or undid something on an account on one business
// day, oldest first, from after an entry (uuid.Nil: from the first). Payouts are
// left out: a statement is about what they pay. Limit is 1 to 1,000.
func (s *Service) LinesOfDay(ctx context.Context, account uuid.UUID, day calendar.Day, after uuid.UUID, limit int) (lines []Line, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		lines, err = s.store.linesOfDay(ctx, account, day, after, min(max(limit, 1), 1000))
		return err
	})
	return lines, err
}
