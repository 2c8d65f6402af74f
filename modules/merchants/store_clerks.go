package merchants

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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
	SuspendedAt  *time.Time
}

func (clerkRow) TableName() string { return "merchants.clerks" }

func (r clerkRow) clerk() Clerk {
	return Clerk{r.ID, r.Login, r.TenantID, r.MerchantID, r.Name, r.Role, r.PasswordAt, r.SuspendedAt != nil}
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

func (s store) team(ctx context.Context, id tenant.ID, merchant uuid.UUID, limit int) (rows []clerkRow, err error) {
	err = s.db.In(ctx).Where("tenant_id = ? AND merchant_id = ? AND left_at IS NULL", id, merchant).Order("name, id").Limit(limit).Find(&rows).Error
	return rows, err
}

// teamAlone makes those who change a shop's people take turns.
func (s store) teamAlone(ctx context.Context, merchant uuid.UUID) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtextextended(?, 50))`, merchant.String()).Error
}

func (s store) lockClerk(ctx context.Context, id tenant.ID, merchant, clerk uuid.UUID) (r clerkRow, err error) {
	err = s.db.In(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).
		Take(&r, "id = ? AND tenant_id = ? AND merchant_id = ? AND left_at IS NULL", clerk, id, merchant).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrClerkUnknown
	}
	return r, err
}

func (s store) setClerk(ctx context.Context, r clerkRow) error {
	return s.db.In(ctx).Exec(`UPDATE merchants.clerks SET role = ?, suspended_at = ?, left_at = ? WHERE id = ?`, r.Role, r.SuspendedAt, r.LeftAt, r.ID).Error
}
