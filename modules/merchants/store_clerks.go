package merchants

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/auth"
	"jangteo/app/tenant"
)

type clerkRow struct {
	ID           uuid.UUID `gorm:"primaryKey"`
	Login        string
	PasswordHash string
	TenantID     tenant.ID
	MerchantID   uuid.UUID
	Name         string
	Role         Role
	CreatedAt    time.Time
	PasswordAt   time.Time
	LeftAt       *time.Time
}

func (clerkRow) TableName() string { return "merchants.clerks" }

func (r clerkRow) clerk() Clerk {
	return Clerk{r.ID, r.Login, r.TenantID, r.MerchantID, r.Name, r.Role, r.PasswordAt}
}

func (s store) insertClerk(ctx context.Context, r clerkRow) error {
	err := s.db.In(ctx).Create(&r).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return ErrLoginTaken
	}
	return err
}

// clerkByLogin returns an empty row for a login that does not exist: what
// follows must take as long for it.
func (s store) clerkByLogin(ctx context.Context, login string) (r clerkRow, err error) {
	if !loginForm.MatchString(login) {
		return r, nil
	}
	err = s.db.In(ctx).Take(&r, "login = ? AND left_at IS NULL", login).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return clerkRow{}, nil
	}
	return r, err
}

func (s store) clerk(ctx context.Context, id uuid.UUID) (r clerkRow, err error) {
	err = s.db.In(ctx).Take(&r, "id = ? AND left_at IS NULL", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = auth.ErrSignInRequired
	}
	return r, err
}

func (s store) setPassword(ctx context.Context, id uuid.UUID, hash string, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE merchants.clerks SET password_hash = ?, password_at = ? WHERE id = ?`, hash, at, id).Error
}

type tries struct {
	Failures  int
	WaitUntil time.Time // as it was before this try
}

// countTry adds one failure; those of long ago count no more. The hash is not
// the first value: gorm takes bytes right after "(" for a list.
func (s store) countTry(ctx context.Context, hash []byte, now, forgotten time.Time) (t tries, err error) {
	err = s.db.In(ctx).Raw(`
		INSERT INTO merchants.sign_in_failures AS f (failures, login_hash, last_at, wait_until) VALUES (1, ?, ?, ?)
		ON CONFLICT (login_hash) DO UPDATE SET
			failures = CASE WHEN f.last_at < ? THEN 1 ELSE f.failures + 1 END, last_at = excluded.last_at
		RETURNING failures, wait_until`, hash, now, now, forgotten).Scan(&t).Error
	return t, err
}

func (s store) setWait(ctx context.Context, hash []byte, until time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE merchants.sign_in_failures SET wait_until = ? WHERE login_hash = ?`, until, hash).Error
}

// dropFailures forgets those of a login that has just fitted, and a few of long ago.
func (s store) dropFailures(ctx context.Context, hash []byte, forgotten time.Time) error {
	return s.db.In(ctx).Exec(`DELETE FROM merchants.sign_in_failures WHERE login_hash = ? OR login_hash IN (
		SELECT login_hash FROM merchants.sign_in_failures WHERE last_at < ? ORDER BY last_at LIMIT 100 FOR UPDATE SKIP LOCKED)`,
		hash, forgotten).Error
}
