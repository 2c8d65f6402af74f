package cards

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

func (s store) insertClaim(ctx context.Context, c Claim) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.claims (tenant_id, id, citizen_id, wallet_id, payment_id, amount, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		c.TenantID, c.ID, c.CitizenID, c.WalletID, c.PaymentID, c.Amount, c.At).Error
}

func (s store) claims(ctx context.Context, f claimFilter) (list []Claim, err error) {
	q := s.db.In(ctx).Table("cards.claims").Where("tenant_id = ?", tenant.From(ctx))
	if f.citizen != uuid.Nil {
		q = q.Where("citizen_id = ?", f.citizen)
	}
	if f.id != uuid.Nil {
		q = q.Where("id = ?", f.id)
	}
	if f.before != uuid.Nil {
		q = q.Where("id < ?", f.before)
	}
	err = q.Order("id DESC").Limit(f.limit).Find(&list).Error
	return list, err
}

func (s store) insertRepayment(ctx context.Context, r Repayment) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.repayments (tenant_id, id, claim_id, amount, by, at) VALUES (?, ?, ?, ?, ?, ?)`,
		tenant.From(ctx), r.ID, r.ClaimID, r.Amount, r.By, r.At).Error
}

func (s store) upsertWish(ctx context.Context, citizen uuid.UUID, wish bool, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.wishes (tenant_id, citizen_id, repay_from_purchases, changed_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (tenant_id, citizen_id) DO UPDATE SET repay_from_purchases = excluded.repay_from_purchases, changed_at = excluded.changed_at`,
		tenant.From(ctx), citizen, wish, at).Error
}

func (s store) wish(ctx context.Context, citizen uuid.UUID) (bool, error) {
	var found []bool
	err := s.db.In(ctx).Raw(`SELECT repay_from_purchases FROM cards.wishes WHERE tenant_id = ? AND citizen_id = ?`,
		tenant.From(ctx), citizen).Scan(&found).Error
	return len(found) == 1 && found[0], err
}

// repayments lists what repayments say of their entries.
func (s store) repayments(ctx context.Context, after uuid.UUID, limit int) (list []ledger.Claim, err error) {
	err = s.db.In(ctx).Raw(`SELECT 'repayment ' || id AS object, id AS entry_id, 'claim-repaid' AS kind, amount,
			'00000000-0000-0000-0000-000000000000'::uuid AS answers
		FROM cards.repayments WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?`, tenant.From(ctx), after, limit).Scan(&list).Error
	return list, err
}

// eachRepayment hands over what repayments say of their entries.
func (s store) eachRepayment(ctx context.Context, claim func(ledger.Claim)) error {
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT id, amount FROM cards.repayments WHERE tenant_id = %d`, tenant.From(ctx)), nil,
		func(columns [][]byte) error {
			claim(ledger.Claim{EntryID: uuid.UUID(columns[0]), Kind: ledger.ClaimRepaid, Amount: money.Amount(db.Int64(columns[1]))})
			return nil
		})
}
