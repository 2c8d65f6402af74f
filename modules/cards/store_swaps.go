package cards

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// insertFallThrough keeps one, once for each purchase of an issuer.
func (s store) insertFallThrough(ctx context.Context, f FallThrough) (added bool, err error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO cards.fallthroughs
			(tenant_id, id, citizen_id, link_id, merchant_id, issuer, retrieval, amount, held, source, state, at, found_at, changed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		f.TenantID, f.ID, f.CitizenID, f.LinkID, f.MerchantID, f.Issuer, f.Retrieval, f.Amount, f.Held, f.Source, f.State, f.At, f.FoundAt, f.ChangedAt)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) fallThroughs(ctx context.Context, f fallThroughFilter) (list []FallThrough, err error) {
	q := s.db.In(ctx).Table("cards.fallthroughs").Where("tenant_id = ?", tenant.From(ctx))
	if f.citizen != uuid.Nil {
		q = q.Where("citizen_id = ?", f.citizen)
	}
	if f.id != uuid.Nil {
		q = q.Where("id = ?", f.id)
	}
	if len(f.states) > 0 {
		q = q.Where("state IN ?", f.states)
	}
	err = q.Order("id DESC").Limit(100).Find(&list).Error
	return list, err
}

func (s store) moveSwap(ctx context.Context, id uuid.UUID, from, to SwapState, payment *uuid.UUID, at time.Time) (moved bool, err error) {
	tx := s.db.In(ctx).Exec(`UPDATE cards.fallthroughs SET state = ?, payment_id = coalesce(?, payment_id), changed_at = ?
		WHERE tenant_id = ? AND id = ? AND state = ?`, to, payment, at, tenant.From(ctx), id, from)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) insertStep(ctx context.Context, id uuid.UUID, step Step) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.swap_steps (tenant_id, fallthrough_id, seq, step, detail, at)
		SELECT ?, ?, coalesce(max(seq), 0) + 1, ?, ?, ? FROM cards.swap_steps WHERE tenant_id = ? AND fallthrough_id = ?`,
		tenant.From(ctx), id, step.Step, step.Detail, step.At, tenant.From(ctx), id).Error
}

func (s store) steps(ctx context.Context, id uuid.UUID) (list []Step, err error) {
	err = s.db.In(ctx).Raw(`SELECT seq, step, detail, at FROM cards.swap_steps WHERE tenant_id = ? AND fallthrough_id = ? ORDER BY seq LIMIT 200`,
		tenant.From(ctx), id).Scan(&list).Error
	return list, err
}
