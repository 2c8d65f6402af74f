package approvals

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

const table = "app.approvals"

func (s store) insert(ctx context.Context, p Proposal) error {
	err := s.db.In(ctx).Exec(`INSERT INTO app.approvals
		(tenant_id, id, kind, object, object_id, payload, reason, maker_id, maker_name, created_at, expires_at, state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.TenantID, p.ID, p.Kind, p.Object, p.ObjectID, string(p.Payload), p.Reason, p.MakerID, p.MakerName, p.CreatedAt, p.ExpiresAt, p.State).Error
	if db.IsDuplicate(err) {
		return ErrOpen
	}
	return err
}

func (s store) find(ctx context.Context, id uuid.UUID) (Proposal, error) {
	return take(s.db.In(ctx), ctx, id)
}

// lock reads a proposal for update, so that it is decided once.
func (s store) lock(ctx context.Context, id uuid.UUID) (Proposal, error) {
	return take(s.db.In(ctx).Clauses(clause.Locking{Strength: "UPDATE"}), ctx, id)
}

func take(query *gorm.DB, ctx context.Context, id uuid.UUID) (p Proposal, err error) {
	err = query.Table(table).Take(&p, "tenant_id = ? AND id = ?", tenant.From(ctx), id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrUnknown
	}
	return p, err
}

func (s store) update(ctx context.Context, p Proposal) error {
	var outcome *string
	if p.Outcome != nil {
		text := string(p.Outcome)
		outcome = &text
	}
	return s.db.In(ctx).Exec(`UPDATE app.approvals SET state = ?, decider_id = ?, decider_name = ?, decided_at = ?, remark = ?,
		not_before = ?, finished_at = ?, outcome = ?, failure = ? WHERE tenant_id = ? AND id = ?`,
		p.State, p.DeciderID, p.DeciderName, p.DecidedAt, p.Remark, p.NotBefore, p.FinishedAt, outcome, p.Failure, p.TenantID, p.ID).Error
}

// lapse ends what nobody decided in time.
func (s store) lapse(ctx context.Context, now time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.approvals SET state = 'lapsed' WHERE tenant_id = ? AND state = 'proposed' AND expires_at <= ?`,
		tenant.From(ctx), now).Error
}

// claim takes approved work that is due, and puts its next attempt off.
func (s store) claim(ctx context.Context, now time.Time, most int) (list []Proposal, err error) {
	err = s.db.In(ctx).Table(table).Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).
		Where("tenant_id = ? AND state = 'approved' AND not_before <= ?", tenant.From(ctx), now).Order("id").Limit(most).Find(&list).Error
	for i := range list {
		list[i].Attempts++
		if err == nil {
			err = s.db.In(ctx).Exec(`UPDATE app.approvals SET attempts = ?, not_before = ? WHERE tenant_id = ? AND id = ?`,
				list[i].Attempts, now.Add(waitAfter(list[i].Attempts)), list[i].TenantID, list[i].ID).Error
		}
	}
	return list, err
}

func (s store) list(ctx context.Context, f Filter, kinds []string, limit int) (list []Proposal, err error) {
	query := s.db.In(ctx).Table(table).Where("tenant_id = ? AND kind IN ?", tenant.From(ctx), kinds)
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	if f.Before != uuid.Nil {
		query = query.Where("id < ?", f.Before)
	}
	err = query.Order("id DESC").Limit(limit).Find(&list).Error
	return list, err
}

func (s store) waiting(ctx context.Context, but uuid.UUID, kinds []string, now time.Time) (n int, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM app.approvals
		WHERE tenant_id = ? AND state = 'proposed' AND kind IN ? AND maker_id <> ? AND expires_at > ? LIMIT 100) w`,
		tenant.From(ctx), kinds, but, now).Scan(&n).Error
	return n, err
}
