package settlement

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
)

// closedBy reads and locks what waits to be paid by a day.
func (s store) closedBy(ctx context.Context, until calendar.Day) (rows []row, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM settlement.settlements
		WHERE tenant_id = ? AND state = 'closed' AND payout_day <= ? ORDER BY id FOR UPDATE`, tenant.From(ctx), until).Scan(&rows).Error
	return rows, err
}

// markPaid keeps what payouts of the past came to, in one statement.
func (s store) markPaid(ctx context.Context, at time.Time, rows []row) error {
	n := len(rows)
	ids, transfers, banks, masked := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]string, n), make([]string, n)
	for i, r := range rows {
		ids[i], transfers[i], banks[i], masked[i] = r.ID, *r.TransferID, r.BankCode, r.NumberMasked
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		UPDATE settlement.settlements s SET state = 'paid', transfer_id = p.transfer, bank_code = p.bank, number_masked = p.masked,
			attempts = s.attempts + 1, sent_at = $2, paid_at = $2
		FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[]) AS p (id, transfer, bank, masked)
		WHERE s.tenant_id = $1 AND s.id = p.id`, tenant.From(ctx), at, ids, transfers, banks, masked)
	return err
}
