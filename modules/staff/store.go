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

func (s store) ofTenant(ctx context.Context, id tenant.ID, limit int) (rows []memberRow, err error) {
	err = s.db.In(ctx).Where("tenant_id = ? AND state <> 'left'", id).Order("name, id").Limit(limit).Find(&rows).Error
	return rows, err
}

// lock reads a member for a change. Those who manage a municipality are locked
// in one order, so that two who leave at once are not both let go.
func (s store) lock(ctx context.Context, id uuid.UUID) (r memberRow, err error) {
	err = s.db.In(ctx).Take(&r, "id = ? AND state <> 'left'", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return r, ErrUnknown
	}
	if err == nil {
		err = s.alone(ctx, r.TenantID)
	}
	if err == nil {
		err = s.db.In(ctx).Take(&r, "id = ?", id).Error
	}
	return r, err
}

// alone makes those who change who manages a municipality take turns.
func (s store) alone(ctx context.Context, id tenant.ID) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtext('staff.members'), ?)`, id).Error
}

func (s store) setRoleAndState(ctx context.Context, r memberRow) error {
	return s.db.In(ctx).Exec(`UPDATE staff.members SET role = ?, state = ? WHERE id = ?`, r.Role, r.State, r.ID).Error
}

// chiefs counts who can manage a municipality's staff.
func (s store) chiefs(ctx context.Context, id tenant.ID) (n int, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM staff.members WHERE tenant_id = ? AND role IN ? AND state = 'active'`, id, []Role{Chief, ChiefOfPlatform}).Scan(&n).Error
	return n, err
}
