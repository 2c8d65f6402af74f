package settlement

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

type row struct {
	TenantID      tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID            uuid.UUID `gorm:"primaryKey"`
	MerchantID    uuid.UUID
	AccountID     uuid.UUID
	Day           calendar.Day
	Payments      int64
	Sales         money.Amount
	Cancellations money.Amount
	Carried       money.Amount
	Net           money.Amount
	PayoutDay     calendar.Day
	State         State
	TransferID    *uuid.UUID
	BankCode      string
	NumberMasked  string
	Attempts      int
	Reason        string
	CreatedAt     time.Time
	SentAt        *time.Time
	PaidAt        *time.Time
}

func (row) TableName() string { return "settlement.settlements" }

func (r row) settlement() Settlement {
	return Settlement{
		ID: r.ID, MerchantID: r.MerchantID, AccountID: r.AccountID, Day: r.Day, Payments: r.Payments,
		Sales: r.Sales, Cancellations: r.Cancellations, Carried: r.Carried, Net: r.Net, PayoutDay: r.PayoutDay,
		State: r.State, TransferID: r.TransferID, BankCode: r.BankCode, NumberMasked: r.NumberMasked,
		Attempts: r.Attempts, Reason: r.Reason, CreatedAt: r.CreatedAt, SentAt: r.SentAt, PaidAt: r.PaidAt,
	}
}

type dayRow struct {
	TenantID      tenant.ID    `gorm:"primaryKey;autoIncrement:false"`
	Day           calendar.Day `gorm:"primaryKey"`
	ClosedAt      time.Time
	Settlements   int
	Sales         money.Amount
	Cancellations money.Amount
}

func (dayRow) TableName() string { return "settlement.days" }

func (r dayRow) day() Day {
	return Day{r.Day, r.ClosedAt, r.Settlements, r.Sales, r.Cancellations}
}

// claimDay takes a day to be closed; false means that it is closed already. A
// second server waits here until the first has committed.
func (s store) claimDay(ctx context.Context, day calendar.Day, at time.Time) (bool, error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO settlement.days (tenant_id, day, closed_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		tenant.From(ctx), day, at)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) finishDay(ctx context.Context, d Day) error {
	return s.db.In(ctx).Exec(`UPDATE settlement.days SET settlements = ?, sales = ?, cancellations = ? WHERE tenant_id = ? AND day = ?`,
		d.Settlements, d.Sales, d.Cancellations, tenant.From(ctx), d.Day).Error
}

// day reads a closed day; false means that it is not closed.
func (s store) day(ctx context.Context, day calendar.Day) (Day, bool, error) {
	var found []dayRow
	err := s.db.In(ctx).Where("tenant_id = ? AND day = ?", tenant.From(ctx), day).Find(&found).Error
	if err != nil || len(found) == 0 {
		return Day{}, false, err
	}
	return found[0].day(), true, nil
}

func (s store) days(ctx context.Context, limit int) (list []dayRow, err error) {
	err = s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx)).Order("day DESC").Limit(limit).Find(&list).Error
	return list, err
}

// lastDay is the last closed day; zero when there is none.
func (s store) lastDay(ctx context.Context) (day calendar.Day, err error) {
	list, err := s.days(ctx, 1)
	if err != nil || len(list) == 0 {
		return calendar.Day{}, err
	}
	return list[0].Day, nil
}

func (s store) insert(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	const batch = 1000
	return s.db.In(ctx).CreateInBatches(&rows, batch).Error
}

type carried struct {
	MerchantID uuid.UUID
	Net        money.Amount
}

// toCarry reads, for each shop that still owes, the sum of its last settlement
// before day.
func (s store) toCarry(ctx context.Context, day calendar.Day) (list []carried, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT c.merchant_id, c.net FROM settlement.settlements c
		WHERE c.tenant_id = ? AND c.state = 'carried' AND c.net < 0 AND c.day < ?
			AND NOT EXISTS (SELECT FROM settlement.settlements n
				WHERE n.tenant_id = ? AND n.merchant_id = c.merchant_id AND n.day > c.day)`,
		tenant.From(ctx), day, tenant.From(ctx)).Scan(&list).Error
	return list, err
}

func (s store) find(ctx context.Context, id uuid.UUID) (row, error) {
	return take(s.db.In(ctx), ctx, id)
}

// lock reads a settlement for update, so that it is sent once and its outcome
// is told once.
func (s store) lock(ctx context.Context, id uuid.UUID) (row, error) {
	return take(s.db.In(ctx).Clauses(clause.Locking{Strength: "UPDATE"}), ctx, id)
}

func take(query *gorm.DB, ctx context.Context, id uuid.UUID) (r row, err error) {
	err = query.Take(&r, "tenant_id = ? AND id = ?", tenant.From(ctx), id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrUnknown
	}
	return r, err
}

// due lists what waits to be paid, from after one settlement on.
func (s store) due(ctx context.Context, until calendar.Day, after uuid.UUID, limit int) (ids []uuid.UUID, err error) {
	err = s.db.In(ctx).Raw(`SELECT id FROM settlement.settlements
		WHERE tenant_id = ? AND state = 'closed' AND payout_day <= ? AND id > ? ORDER BY id LIMIT ?`,
		tenant.From(ctx), until, after, limit).Scan(&ids).Error
	return ids, err
}

// owed counts and sums what due lists in all.
func (s store) owed(ctx context.Context, until calendar.Day) (count int, net money.Amount, err error) {
	var sum struct {
		Count int
		Net   money.Amount
	}
	err = s.db.In(ctx).Raw(`SELECT count(*) AS count, coalesce(sum(net), 0)::bigint AS net FROM settlement.settlements
		WHERE tenant_id = ? AND state = 'closed' AND payout_day <= ?`, tenant.From(ctx), until).Scan(&sum).Error
	return sum.Count, sum.Net, err
}

func (s store) update(ctx context.Context, r row) error {
	return s.db.In(ctx).Model(&row{}).Where("tenant_id = ? AND id = ?", r.TenantID, r.ID).
		Select("state", "transfer_id", "bank_code", "number_masked", "attempts", "reason", "sent_at", "paid_at").Updates(&r).Error
}

func (s store) list(ctx context.Context, f Filter) (rows []row, err error) {
	query := s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx))
	if f.Merchant != uuid.Nil {
		query = query.Where("merchant_id = ?", f.Merchant)
	}
	if !f.Day.IsZero() {
		query = query.Where("day = ?", f.Day)
	}
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	if !f.Before.Day.IsZero() {
		query = query.Where("(day, id) < (?, ?)", f.Before.Day, f.Before.ID)
	}
	err = query.Order("day DESC, id DESC").Limit(f.Limit).Find(&rows).Error
	return rows, err
}

// ofDay reads a whole day, for verification.
func (s store) ofDay(ctx context.Context, day calendar.Day) (rows []row, err error) {
	err = s.db.In(ctx).Where("tenant_id = ? AND day = ?", tenant.From(ctx), day).Order("id").Find(&rows).Error
	return rows, err
}

// brokenChains finds settlements that do not carry exactly what the shop's one
// before left below zero.
func (s store) brokenChains(ctx context.Context) (list []chain, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT id, carried AS got, want FROM (
			SELECT id, carried, least(coalesce(lag(net) OVER (PARTITION BY merchant_id ORDER BY day), 0), 0) AS want
			FROM settlement.settlements WHERE tenant_id = ?) c
		WHERE carried <> want LIMIT 1000`, tenant.From(ctx)).Scan(&list).Error
	return list, err
}

type chain struct {
	ID        uuid.UUID
	Got, Want money.Amount
}

// underWay sums what is at the bank now.
func (s store) underWay(ctx context.Context) (sum money.Amount, err error) {
	err = s.db.In(ctx).Raw(`SELECT coalesce(sum(net), 0)::bigint FROM settlement.settlements WHERE tenant_id = ? AND state = 'sent'`,
		tenant.From(ctx)).Scan(&sum).Error
	return sum, err
}

// atBank lists what has been at the bank or is there, for verification, from
// after one transfer on.
func (s store) atBank(ctx context.Context, after uuid.UUID, limit int) (rows []row, err error) {
	err = s.db.In(ctx).Where("tenant_id = ? AND transfer_id > ?", tenant.From(ctx), after).
		Order("transfer_id").Limit(limit).Find(&rows).Error
	return rows, err
}
