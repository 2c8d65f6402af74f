package staff

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/auth"
	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

type memberRow struct {
	ID           uuid.UUID `gorm:"primaryKey"`
	TenantID     tenant.ID
	Login        string
	Name         string
	Department   string
	Role         Role
	PasswordHash string
	State        State
	CreatedAt    time.Time
	SignedInAt   *time.Time
}

func (memberRow) TableName() string { return "staff.members" }

func (r memberRow) member() Member {
	return Member{r.ID, r.TenantID, r.Login, r.Name, r.Department, r.Role, r.State, r.SignedInAt}
}

func (s store) insert(ctx context.Context, r memberRow) error {
	err := s.db.In(ctx).Create(&r).Error
	if db.IsDuplicate(err) {
		return ErrLoginTaken
	}
	return err
}

// byLogin returns an empty row for a login that does not exist: what follows
// must take as long for it.
func (s store) byLogin(ctx context.Context, login string) (r memberRow, err error) {
	if !isLogin(login) {
		return r, nil
	}
	err = s.db.In(ctx).Take(&r, "login = ? AND state <> 'left'", login).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return memberRow{}, nil
	}
	return r, err
}

func (s store) find(ctx context.Context, id uuid.UUID) (r memberRow, err error) {
	err = s.db.In(ctx).Take(&r, "id = ? AND state <> 'left'", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = auth.ErrSignInRequired
	}
	return r, err
}

func (s store) signedIn(ctx context.Context, id uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE staff.members SET signed_in_at = ? WHERE id = ?`, at, id).Error
}

func (s store) setPassword(ctx context.Context, id uuid.UUID, hash string) error {
	return s.db.In(ctx).Exec(`UPDATE staff.members SET password_hash = ? WHERE id = ?`, hash, id).Error
}

type tries struct {
	Failures  int
	WaitUntil time.Time // as it was before this try
}

// countTry adds one failure; those of long ago count no more.
func (s store) countTry(ctx context.Context, hash []byte, now, forgotten time.Time) (t tries, err error) {
	// The hash does not stand right after a parenthesis: gorm would spread its bytes.
	err = s.db.In(ctx).Raw(`
		INSERT INTO staff.sign_in_failures AS f (failures, login_hash, last_at, wait_until) VALUES (1, ?, ?, ?)
		ON CONFLICT (login_hash) DO UPDATE SET
			failures = CASE WHEN f.last_at < ? THEN 1 ELSE f.failures + 1 END, last_at = excluded.last_at
		RETURNING failures, wait_until`, hash, now, now, forgotten).Scan(&t).Error
	return t, err
}

func (s store) setWait(ctx context.Context, hash []byte, until time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE staff.sign_in_failures SET wait_until = ? WHERE login_hash = ?`, until, hash).Error
}

// dropFailures forgets those of a login that has just fitted, and a few of long ago.
func (s store) dropFailures(ctx context.Context, hash []byte, forgotten time.Time) error {
	return s.db.In(ctx).Exec(`DELETE FROM staff.sign_in_failures WHERE login_hash = ? OR login_hash IN (
		SELECT login_hash FROM staff.sign_in_failures WHERE last_at < ? ORDER BY last_at LIMIT 100 FOR UPDATE SKIP LOCKED)`,
		hash, forgotten).Error
}
