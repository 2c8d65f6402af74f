package banking

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

type store struct{ db, lane *db.DB }

type accountRow struct {
	ID            uuid.UUID `gorm:"primaryKey"`
	CitizenID     uuid.UUID
	BankCode      string
	NumberSealed  []byte
	NumberIndex   []byte
	NumberMasked  string
	HolderSealed  []byte
	FintechSealed []byte
	LinkedAt      time.Time
	UnlinkedAt    *time.Time
}

func (accountRow) TableName() string { return "banking.accounts" }

func (r accountRow) account() Account {
	return Account{r.ID, r.CitizenID, r.BankCode, r.NumberMasked, r.LinkedAt, r.UnlinkedAt}
}

type transferRow struct {
	TenantID     tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID           uuid.UUID `gorm:"primaryKey"`
	Direction    Direction
	Purpose      string
	SubjectID    uuid.UUID
	Amount       money.Amount
	BankCode     string
	NumberMasked string
	RouteSealed  []byte
	BankTranID   string
	BankTranDate calendar.Day
	State        State
	RspCode      string
	BankRspCode  string
	Message      string
	Inquiries    int
	NextQueryAt  *time.Time
	RequestedAt  time.Time
	SentAt       *time.Time
	SettledAt    *time.Time
}

func (transferRow) TableName() string { return "banking.transfers" }

func (r transferRow) transfer() Transfer {
	return Transfer{
		TenantID: r.TenantID, ID: r.ID, Direction: r.Direction, Purpose: r.Purpose, SubjectID: r.SubjectID,
		Amount: r.Amount, BankCode: r.BankCode, NumberMasked: r.NumberMasked, BankTranID: r.BankTranID, BankTranDate: r.BankTranDate,
		State: r.State, RspCode: r.RspCode, BankRspCode: r.BankRspCode, Message: r.Message, Inquiries: r.Inquiries,
		RequestedAt: r.RequestedAt, SentAt: r.SentAt, SettledAt: r.SettledAt,
	}
}

// insertAccount keeps an account, or reads the one that another request for
// the same number has just kept.
func (s store) insertAccount(ctx context.Context, row *accountRow) error {
	tx := s.db.In(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(row)
	if tx.Error != nil || tx.RowsAffected == 1 {
		return tx.Error
	}
	return s.db.In(ctx).Take(row, "citizen_id = ? AND number_index = ? AND unlinked_at IS NULL", row.CitizenID, row.NumberIndex).Error
}

func (s store) accounts(ctx context.Context, citizen uuid.UUID, limit int) (rows []accountRow, err error) {
	err = s.db.In(ctx).Where("citizen_id = ? AND unlinked_at IS NULL", citizen).Order("id DESC").Limit(limit).Find(&rows).Error
	return rows, err
}

func (s store) account(ctx context.Context, citizen, id uuid.UUID) (row accountRow, err error) {
	err = s.db.In(ctx).Take(&row, "id = ? AND citizen_id = ? AND unlinked_at IS NULL", id, citizen).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrAccountUnknown
	}
	return row, err
}

func (s store) unlink(ctx context.Context, citizen, id uuid.UUID, at time.Time) error {
	tx := s.db.In(ctx).Model(&accountRow{}).Where("id = ? AND citizen_id = ? AND unlinked_at IS NULL", id, citizen).
		UpdateColumn("unlinked_at", at)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return ErrAccountUnknown
	}
	return tx.Error
}

// nextNumbers takes count numbers that nobody else gets.
func (s store) nextNumbers(ctx context.Context, count int) (numbers []int64, err error) {
	err = s.db.In(ctx).Raw(`SELECT nextval('banking.tran_numbers') FROM generate_series(1, ?)`, count).Scan(&numbers).Error
	return numbers, err
}

// rowsPerInsert keeps a statement below PostgreSQL's 65,535 parameters.
const rowsPerInsert = 1000

func (s store) insertAccounts(ctx context.Context, rows []accountRow) error {
	if len(rows) == 0 {
		return nil
	}
	return s.db.In(ctx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, rowsPerInsert).Error
}

func (s store) insertTransfers(ctx context.Context, rows []transferRow) error {
	if len(rows) == 0 {
		return nil
	}
	return s.db.In(ctx).CreateInBatches(rows, rowsPerInsert).Error
}

// insertTransfer keeps an instruction unless its subject has one that moved
// money or may still do so.
func (s store) insertTransfer(ctx context.Context, row *transferRow) error {
	tx := s.db.In(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(row)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return ErrAlreadyInstructed
	}
	return tx.Error
}

func (s store) transfer(ctx context.Context, id uuid.UUID) (transferRow, error) {
	return take(ctx, s.db.In(ctx), id)
}

// lock reads an instruction for update, so that its outcome is recorded once.
func (s store) lock(ctx context.Context, id uuid.UUID) (transferRow, error) {
	return take(ctx, s.db.In(ctx).Clauses(clause.Locking{Strength: "UPDATE"}), id)
}

func take(ctx context.Context, query *gorm.DB, id uuid.UUID) (row transferRow, err error) {
	err = query.Take(&row, "tenant_id = ? AND id = ?", tenant.From(ctx), id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrTransferUnknown
	}
	return row, err
}

func (s store) update(ctx context.Context, row *transferRow) error {
	return s.db.In(ctx).Model(&transferRow{}).Where("tenant_id = ? AND id = ?", row.TenantID, row.ID).
		Select("state", "rsp_code", "bank_rsp_code", "message", "next_query_at", "sent_at", "bank_tran_date", "settled_at").
		Updates(row).Error
}

func (s store) ofDay(ctx context.Context, day calendar.Day, after string, limit int) (rows []transferRow, err error) {
	err = s.db.In(ctx).Where("tenant_id = ? AND bank_tran_date = ? AND bank_tran_id > ?", tenant.From(ctx), day, after).
		Order("bank_tran_id").Limit(limit).Find(&rows).Error
	return rows, err
}

// tenantsDue finds whose instructions wait; the index holds only unsettled ones.
func (s store) tenantsDue(ctx context.Context, now time.Time) (ids []tenant.ID, err error) {
	err = s.lane.Platform(ctx, func(ctx context.Context) error {
		return s.lane.In(ctx).Raw(`SELECT DISTINCT tenant_id FROM banking.transfers
			WHERE settled_at IS NULL AND next_query_at <= ? ORDER BY tenant_id`, now).Scan(&ids).Error
	})
	return ids, err
}

// takeDue takes instructions whose turn has come and gives them another one,
// so that two servers never ask about the same one together.
func (s store) takeDue(ctx context.Context, now, next time.Time, limit int) (rows []transferRow, err error) {
	err = s.db.In(ctx).Raw(`
		UPDATE banking.transfers SET next_query_at = ?, inquiries = inquiries + 1
		 WHERE tenant_id = ? AND id IN (
		       SELECT id FROM banking.transfers
		        WHERE tenant_id = ? AND settled_at IS NULL AND next_query_at <= ?
		        ORDER BY next_query_at LIMIT ? FOR UPDATE SKIP LOCKED)
		RETURNING *`, next, tenant.From(ctx), tenant.From(ctx), now, limit).Scan(&rows).Error
	return rows, err
}
