package merchants

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

type codeRow struct {
	TenantID   tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID         uuid.UUID `gorm:"primaryKey"`
	MerchantID uuid.UUID
	ClerkID    uuid.UUID
	Amount     money.Amount
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedBy     *uuid.UUID
	UsedAt     *time.Time
}

func (codeRow) TableName() string { return "merchants.dynamic_codes" }

// insertCode keeps a new code and drops a few that expired a day ago.
func (s store) insertCode(ctx context.Context, r codeRow) error {
	if err := s.db.In(ctx).Create(&r).Error; err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`DELETE FROM merchants.dynamic_codes WHERE tenant_id = ? AND id IN (
		SELECT id FROM merchants.dynamic_codes WHERE tenant_id = ? AND expires_at < ?
		ORDER BY expires_at LIMIT 20 FOR UPDATE SKIP LOCKED)`, r.TenantID, r.TenantID, r.CreatedAt.AddDate(0, 0, -1)).Error
}

func (s store) code(ctx context.Context, id uuid.UUID) (r codeRow, err error) {
	err = s.db.In(ctx).Take(&r, "tenant_id = ? AND id = ?", tenant.From(ctx), id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrQRInvalid
	}
	return r, err
}

func (s store) useCode(ctx context.Context, id, taker uuid.UUID, at time.Time) error {
	tx := s.db.In(ctx).Exec(`UPDATE merchants.dynamic_codes SET used_by = ?, used_at = ?
		WHERE tenant_id = ? AND id = ? AND (used_by IS NULL OR used_by = ?)`, taker, at, tenant.From(ctx), id, taker)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return ErrQRExpired
	}
	return tx.Error
}

func (s store) freeCode(ctx context.Context, id, taker uuid.UUID) error {
	return s.db.In(ctx).Exec(`UPDATE merchants.dynamic_codes SET used_by = NULL, used_at = NULL
		WHERE tenant_id = ? AND id = ? AND used_by = ?`, tenant.From(ctx), id, taker).Error
}
