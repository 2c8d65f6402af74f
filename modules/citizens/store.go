package citizens

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"jangteo/app/db"
)

type store struct{ db *db.DB }

type citizenRow struct {
	ID          uuid.UUID `gorm:"primaryKey"`
	CiIndex     []byte
	CiSealed    []byte
	NameSealed  []byte
	PhoneSealed []byte
	BirthSealed []byte
	NameIndex   []byte
	PhoneIndex  []byte
	NameMasked  string
	PhoneMasked string
	BirthMasked string
	JoinedAt    time.Time
	LockedAt    *time.Time
	LockReason  *LockReason
	LockCase    *string
}

func (citizenRow) TableName() string { return "citizens.citizens" }

func (r citizenRow) citizen() Citizen {
	return Citizen{r.ID, r.NameMasked, r.PhoneMasked, r.BirthMasked, r.JoinedAt, r.LockedAt, r.LockReason, r.LockCase}
}

type agreementRow struct {
	CitizenID uuid.UUID
	Name      string
	Version   string
	AgreedAt  time.Time
}

func (agreementRow) TableName() string { return "citizens.agreements" }

type checkRow struct {
	ID              uuid.UUID
	ProviderCheckID string
	StartedAt       time.Time
	ExpiresAt       time.Time
	PhoneIndex      []byte
	Attempts        int
	ConfirmedAt     *time.Time
	TokenExpiresAt  *time.Time
	TokenUsedAt     *time.Time
	IdentitySealed  []byte
}

// try counts one try in its window and returns how many that makes.
func (s store) try(ctx context.Context, scope string, key []byte, since time.Time) (number int, err error) {
	err = s.db.In(ctx).Raw(`INSERT INTO citizens.tries (scope, key, since, number) VALUES (?, ?, ?, 1)
		ON CONFLICT (scope, key, since) DO UPDATE SET number = tries.number + 1 RETURNING number`, scope, key, since).Scan(&number).Error
	return number, err
}

func (s store) untry(ctx context.Context, scope string, key []byte, since time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE citizens.tries SET number = number - 1 WHERE scope = ? AND key = ? AND since = ? AND number > 0`, scope, key, since).Error
}

func (s store) insertCheck(ctx context.Context, c checkRow) error {
	return s.db.In(ctx).Exec(`INSERT INTO citizens.checks (id, provider_check_id, started_at, expires_at, phone_index) VALUES (?, ?, ?, ?, ?)`,
		c.ID, c.ProviderCheckID, c.StartedAt, c.ExpiresAt, c.PhoneIndex).Error
}

// attempt reads a check and counts one more attempt at it, as long as it has some left.
func (s store) attempt(ctx context.Context, id uuid.UUID, now time.Time) (c checkRow, counted bool, err error) {
	var rows []checkRow
	err = s.db.In(ctx).Raw(`UPDATE citizens.checks SET attempts = attempts + 1
		WHERE id = ? AND attempts < ? AND confirmed_at IS NULL AND expires_at > ? RETURNING *`, id, attemptsMax, now).Scan(&rows).Error
	if err != nil || len(rows) == 1 {
		return first(rows), len(rows) == 1, err
	}
	err = s.db.In(ctx).Raw(`SELECT * FROM citizens.checks WHERE id = ?`, id).Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		err = ErrCheckUnknown
	}
	return first(rows), false, err
}

func first[T any](rows []T) (row T) {
	if len(rows) > 0 {
		row = rows[0]
	}
	return row
}

// confirm keeps who the provider found; false if another request did already.
func (s store) confirm(ctx context.Context, id uuid.UUID, at time.Time, hash []byte, until time.Time, sealed []byte) (bool, error) {
	tx := s.db.In(ctx).Exec(`UPDATE citizens.checks SET confirmed_at = ?, token_hash = ?, token_expires_at = ?, identity_sealed = ?
		WHERE id = ? AND confirmed_at IS NULL`, at, hash, until, sealed, id)
	return tx.RowsAffected == 1, tx.Error
}

// token reads the check that a live token stands for.
func (s store) token(ctx context.Context, hash []byte, now time.Time) (checkRow, error) {
	var rows []checkRow
	err := s.db.In(ctx).Raw(`SELECT * FROM citizens.checks WHERE token_hash = ? AND token_used_at IS NULL AND token_expires_at > ? FOR UPDATE`,
		hash, now).Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		err = ErrTokenInvalid
	}
	return first(rows), err
}

func (s store) useToken(ctx context.Context, id uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE citizens.checks SET token_used_at = ?, identity_sealed = NULL WHERE id = ?`, at, id).Error
}

// insert keeps people; those whose CI is known already stay as they are.
func (s store) insert(ctx context.Context, rows []citizenRow) error {
	return s.db.In(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "ci_index"}}, DoNothing: true}).CreateInBatches(rows, 500).Error
}

func (s store) agree(ctx context.Context, rows []agreementRow) error {
	return s.db.In(ctx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, 1000).Error
}

func (s store) agreements(ctx context.Context, citizen uuid.UUID) (list []Agreement, err error) {
	err = s.db.In(ctx).Raw(`SELECT name, version, agreed_at FROM citizens.agreements WHERE citizen_id = ? ORDER BY name, version LIMIT 50`,
		citizen).Scan(&list).Error
	return list, err
}

func (s store) byCI(ctx context.Context, index []byte) (row citizenRow, found bool, err error) {
	var rows []citizenRow
	err = s.db.In(ctx).Raw(`SELECT * FROM citizens.citizens WHERE ci_index = ?`, index).Scan(&rows).Error
	return first(rows), len(rows) == 1, err
}

func (s store) get(ctx context.Context, id uuid.UUID) (citizenRow, error) {
	return s.one(ctx, `SELECT * FROM citizens.citizens WHERE id = ?`, id)
}

func (s store) lock(ctx context.Context, id uuid.UUID) (citizenRow, error) {
	return s.one(ctx, `SELECT * FROM citizens.citizens WHERE id = ? FOR UPDATE`, id)
}

func (s store) one(ctx context.Context, query string, id uuid.UUID) (citizenRow, error) {
	var rows []citizenRow
	err := s.db.In(ctx).Raw(query, id).Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		err = ErrUnknown
	}
	return first(rows), err
}

func (s store) byIDs(ctx context.Context, ids []uuid.UUID) (rows []citizenRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM citizens.citizens WHERE id IN ? LIMIT ?`, ids, len(ids)).Scan(&rows).Error
	return rows, err
}

// find looks a value up in both indexes; a phone is never a name.
func (s store) find(ctx context.Context, name, phone []byte, limit int) (rows []citizenRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM citizens.citizens WHERE name_index = ? OR phone_index = ? ORDER BY id LIMIT ?`,
		name, phone, limit).Scan(&rows).Error
	return rows, err
}

func (s store) setLock(ctx context.Context, id uuid.UUID, at *time.Time, reason *LockReason, caseNo *string) error {
	return s.db.In(ctx).Exec(`UPDATE citizens.citizens SET locked_at = ?, lock_reason = ?, lock_case = ? WHERE id = ?`,
		at, reason, caseNo, id).Error
}

// forget removes checks that are over and windows that are past.
func (s store) forget(ctx context.Context, checks, tries time.Time) (gone int64, err error) {
	a := s.db.In(ctx).Exec(`DELETE FROM citizens.checks WHERE id IN (SELECT id FROM citizens.checks WHERE expires_at < ? ORDER BY expires_at LIMIT 5000)`, checks)
	if a.Error != nil {
		return 0, a.Error
	}
	b := s.db.In(ctx).Exec(`DELETE FROM citizens.tries WHERE (scope, key, since) IN (SELECT scope, key, since FROM citizens.tries WHERE since < ? ORDER BY since LIMIT 5000)`, tries)
	return a.RowsAffected + b.RowsAffected, b.Error
}
