package merchants

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db, lane *db.DB }

// row is a shop as it is stored.
type row struct {
	TenantID           tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID                 uuid.UUID `gorm:"primaryKey"`
	Name               string
	BizNo              string
	Trade              string
	Address            string
	LatitudeE6         *int64
	LongitudeE6        *int64
	YearlySalesOver3bn bool `gorm:"column:yearly_sales_over_3bn"`
	OwnerSealed        []byte
	OwnerMasked        string
	PhoneSealed        []byte
	PhoneMasked        string
	PayableID          uuid.UUID
	PayoutBank         string
	PayoutSealed       []byte
	PayoutMasked       string
	HolderSealed       []byte
	HolderMasked       string
	State              State
	StateReason        string
	AppliedAt          time.Time
	DecidedAt          *time.Time
	DecidedBy          *uuid.UUID
}

func (row) TableName() string { return "merchants.shops" }

func (r row) merchant() Merchant {
	m := Merchant{
		ID: r.ID, Name: r.Name, BizNo: r.BizNo, Trade: r.Trade, Address: r.Address, YearlySalesOver3bn: r.YearlySalesOver3bn,
		OwnerMasked: r.OwnerMasked, PhoneMasked: r.PhoneMasked, PayableID: r.PayableID,
		PayoutBank: r.PayoutBank, PayoutMasked: r.PayoutMasked, HolderMasked: r.HolderMasked,
		State: r.State, StateReason: r.StateReason, AppliedAt: r.AppliedAt, DecidedAt: r.DecidedAt,
	}
	if r.LatitudeE6 != nil && r.LongitudeE6 != nil {
		m.Place = &Place{*r.LatitudeE6, *r.LongitudeE6}
	}
	return m
}

func (s store) insert(ctx context.Context, rows ...row) error {
	if len(rows) == 0 {
		return nil
	}
	const batch = 500
	err := s.db.In(ctx).CreateInBatches(&rows, batch).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return ErrRegistered
	}
	return err
}

func (s store) find(ctx context.Context, id uuid.UUID) (row, error) {
	return take(s.db.In(ctx), ctx, id)
}

// lock reads a shop for update, so that two decisions come one after the other.
func (s store) lock(ctx context.Context, id uuid.UUID) (row, error) {
	return take(s.db.In(ctx).Clauses(clause.Locking{Strength: "UPDATE"}), ctx, id)
}

func take(query *gorm.DB, ctx context.Context, id uuid.UUID) (r row, err error) {
	err = query.Take(&r, "tenant_id = ? AND id = ?", tenant.From(ctx), id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrUnknown.With("merchant_id", id)
	}
	return r, err
}

func (s store) updateState(ctx context.Context, r row) error {
	return s.db.In(ctx).Exec(`UPDATE merchants.shops SET state = ?, state_reason = ?, decided_at = ?, decided_by = ?
		WHERE tenant_id = ? AND id = ?`, r.State, r.StateReason, r.DecidedAt, r.DecidedBy, r.TenantID, r.ID).Error
}

// search reads by name along shops_by_name or shops_by_trade. Near a place it
// sorts what matches by distance, a degree of longitude at 37 degrees north
// counting four fifths of one of latitude.
func (s store) search(ctx context.Context, f Filter, limit int) (rows []row, err error) {
	query := s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx))
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	if f.Query != "" {
		query = query.Where("name ILIKE ?", "%"+escapeLike(f.Query)+"%")
	}
	if f.Trade != "" {
		query = query.Where("trade LIKE ?", escapeLike(f.Trade)+"%")
	}
	if f.Near != nil {
		query = query.Where("latitude_e6 IS NOT NULL").
			Clauses(clause.OrderBy{Expression: clause.Expr{
				SQL:  "((latitude_e6 - ?)::bigint * (latitude_e6 - ?) + ((longitude_e6 - ?)::bigint * (longitude_e6 - ?)) * 16 / 25), id",
				Vars: []any{f.Near.LatitudeE6, f.Near.LatitudeE6, f.Near.LongitudeE6, f.Near.LongitudeE6},
			}}).
			Offset(f.After.Skip)
	} else {
		if f.After.ID != uuid.Nil {
			query = query.Where("(name, id) > (?, ?)", f.After.Name, f.After.ID)
		}
		query = query.Order("name, id")
	}
	err = query.Limit(limit).Find(&rows).Error
	return rows, err
}

func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// insertChange keeps a change for the servers' polls and drops old ones.
func (s store) insertChange(ctx context.Context, c change, olderThan time.Time) error {
	err := s.db.In(ctx).Exec(`INSERT INTO merchants.changes (id, tenant_id, merchant_id, at) VALUES (?, ?, ?, ?)`,
		c.ID, c.TenantID, c.MerchantID, c.At).Error
	if err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`DELETE FROM merchants.changes WHERE id IN (
		SELECT id FROM merchants.changes WHERE at < ? ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)`, olderThan).Error
}

func (s store) changes(ctx context.Context, since time.Time, most int) (changed []change, err error) {
	err = s.db.In(ctx).Raw(`SELECT id, tenant_id, merchant_id, at FROM merchants.changes WHERE at >= ? ORDER BY at DESC LIMIT ?`,
		since, most).Scan(&changed).Error
	return changed, err
}
