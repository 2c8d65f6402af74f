package vouchers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

type correctionRow struct {
	TenantID   tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID         uuid.UUID `gorm:"primaryKey"`
	WalletID   uuid.UUID
	CitizenID  uuid.UUID
	Takes      bool
	Against    Against
	Amount     money.Amount
	Answers    *uuid.UUID
	Reason     string
	ProposalID uuid.UUID
	At         time.Time
}

func (correctionRow) TableName() string { return "vouchers.corrections" }

func (s store) insertCorrection(ctx context.Context, c Correction) error {
	row := correctionRow(c)
	return s.db.In(ctx).Create(&row).Error
}

func (s store) correction(ctx context.Context, id uuid.UUID) (Correction, error) {
	var row correctionRow
	err := s.db.In(ctx).Take(&row, "tenant_id = ? AND id = ?", tenant.From(ctx), id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrCorrectionUnknown
	}
	return Correction(row), err
}

type fundingRow struct {
	TenantID   tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID         uuid.UUID `gorm:"primaryKey"`
	Returned   bool
	Amount     money.Amount
	Reason     string
	ProposalID *uuid.UUID
	At         time.Time
}

func (fundingRow) TableName() string { return "vouchers.fundings" }

func (s store) insertFunding(ctx context.Context, f Funding) error {
	row := fundingRow(f)
	return s.db.In(ctx).Create(&row).Error
}

func (s store) fundings(ctx context.Context, page Page) ([]Funding, error) {
	query := s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx))
	if page.Before != uuid.Nil {
		query = query.Where("id < ?", page.Before)
	}
	var rows []fundingRow
	err := query.Order("id DESC").Limit(page.limit()).Find(&rows).Error
	list := make([]Funding, len(rows))
	for i, r := range rows {
		list[i] = Funding(r)
	}
	return list, err
}

// correctionClaims lists what corrections and fundings say of their entries, in
// the order of the entries' ids.
func (s store) correctionClaims(ctx context.Context, after uuid.UUID, limit int) ([]ledger.Claim, error) {
	return s.readClaims(ctx, fmt.Sprintf(`
		SELECT * FROM (
			(SELECT id, 'correction ' || id, CASE WHEN takes THEN '%s' ELSE '%s' END, amount, coalesce(answers, '%[5]s'::uuid) FROM vouchers.corrections
			 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3)
			UNION ALL
			(SELECT id, 'funding ' || id, CASE WHEN returned THEN '%[3]s' ELSE '%[4]s' END, amount, '%[5]s'::uuid FROM vouchers.fundings
			 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3)
		) c ORDER BY id LIMIT $3`, ledger.WalletDebited, ledger.WalletCredited, ledger.FundingReturned, ledger.Funding, uuid.Nil),
		tenant.From(ctx), after, limit)
}

// eachCorrectionClaim hands over the same.
func (s store) eachCorrectionClaim(ctx context.Context, claim func(ledger.Claim)) error {
	err := s.db.Stream(ctx, fmt.Sprintf(`SELECT id, takes::int, amount, answers FROM vouchers.corrections WHERE tenant_id = %d`, tenant.From(ctx)), nil,
		func(columns [][]byte) error {
			c := ledger.Claim{EntryID: uuid.UUID(columns[0]), Kind: ledger.WalletCredited, Amount: money.Amount(db.Int64(columns[2]))}
			if db.Int32(columns[1]) != 0 {
				c.Kind = ledger.WalletDebited
			}
			if columns[3] != nil {
				c.Answers = uuid.UUID(columns[3])
			}
			claim(c)
			return nil
		})
	if err != nil {
		return err
	}
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT id, returned::int, amount FROM vouchers.fundings WHERE tenant_id = %d`, tenant.From(ctx)), nil,
		func(columns [][]byte) error {
			c := ledger.Claim{EntryID: uuid.UUID(columns[0]), Kind: ledger.Funding, Amount: money.Amount(db.Int64(columns[2]))}
			if db.Int32(columns[1]) != 0 {
				c.Kind = ledger.FundingReturned
			}
			claim(c)
			return nil
		})
}
