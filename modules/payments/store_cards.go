package payments

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// lock reads a payment for a change that commits with its cancellation.
func (s store) lock(ctx context.Context, id uuid.UUID) (Payment, error) {
	return s.one(ctx, `SELECT * FROM payments.payments WHERE tenant_id = ? AND id = ? FOR NO KEY UPDATE`, id)
}

func (s store) cancelled(ctx context.Context, p Payment) error {
	return s.db.In(ctx).Exec(`UPDATE payments.payments SET cancelled_amount = ? WHERE tenant_id = ? AND id = ?`,
		p.CancelledAmount, tenant.From(ctx), p.ID).Error
}
