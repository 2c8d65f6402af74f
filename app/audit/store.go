package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/db"
	"jangteo/app/fault"
)

type store struct{ db *db.DB }

func (s store) insert(ctx context.Context, r Record) error {
	return s.db.In(ctx).Exec(`INSERT INTO app.audit_log
		(tenant_id, id, at, actor_kind, actor_id, actor_name, action, object, object_id, reason, before, after, request_id, address)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		tenantOf(ctx), r.ID, r.At, r.ActorKind, r.ActorID, r.ActorName, r.Action, r.Object, r.ObjectID, r.Reason,
		string(r.Before), string(r.After), r.RequestID, r.Address).Error
}

func (s store) insertAccess(ctx context.Context, l Look) error {
	return s.db.In(ctx).Exec(`INSERT INTO app.access_log
		(tenant_id, id, at, actor_kind, actor_id, actor_name, subject, subject_id, did, reason, address, request_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		tenantOf(ctx), l.ID, l.At, l.ActorKind, l.ActorID, l.ActorName, l.Subject, l.SubjectID, l.Did, l.Reason, l.Address, l.RequestID).Error
}

func (s store) changes(ctx context.Context, f Filter) (list []Record, err error) {
	err = beforeOf(s.sought(ctx, "app.audit_log", f), f).Order("id DESC").Limit(limit(f)).Find(&list).Error
	return list, err
}

func (s store) looks(ctx context.Context, f Filter) (list []Look, err error) {
	err = beforeOf(s.sought(ctx, "app.access_log", f), f).Order("id DESC").Limit(limit(f)).Find(&list).Error
	return list, err
}

func (s store) reportChanges(ctx context.Context, f Filter, w db.Window) (list []Record, err error) {
	query := s.sought(ctx, "app.audit_log", f)
	if f.Text != "" {
		query = query.Where("(action ILIKE @part OR object ILIKE @part OR object_id ILIKE @part OR actor_name ILIKE @part OR action IN @actions)",
			map[string]any{"part": part(f.Text), "actions": append([]string{""}, f.Actions...)})
	}
	err = w.Cut(query, "app.audit_log", "id").Find(&list).Error
	return list, err
}

func (s store) reportLooks(ctx context.Context, f Filter, w db.Window) (list []Look, err error) {
	query := s.sought(ctx, "app.access_log", f)
	if f.Text != "" {
		query = query.Where("(actor_name ILIKE @part OR reason ILIKE @part)", map[string]any{"part": part(f.Text)})
	}
	err = w.Cut(query, "app.access_log", "id").Find(&list).Error
	return list, err
}

func (s store) change(ctx context.Context, id uuid.UUID) (r Record, err error) {
	err = s.db.In(ctx).Table("app.audit_log").Where("tenant_id = ? AND id = ?", tenantOf(ctx), id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = fault.ErrNotFound
	}
	return r, err
}

// sought narrows a log by everything but its text.
func (s store) sought(ctx context.Context, log string, f Filter) *gorm.DB {
	query := s.db.In(ctx).Table(log).Where("tenant_id = ?", tenantOf(ctx))
	if f.Object != "" {
		query = query.Where("object = ?", f.Object)
	}
	if f.ObjectID != "" {
		query = query.Where("object_id = ?", f.ObjectID)
	}
	if f.Subject != uuid.Nil {
		query = query.Where("subject_id = ?", f.Subject)
	}
	if !f.From.IsZero() {
		query = query.Where("at >= ?", f.From)
	}
	if !f.To.IsZero() {
		query = query.Where("at < ?", f.To)
	}
	return query
}

func beforeOf(query *gorm.DB, f Filter) *gorm.DB {
	if f.Before == uuid.Nil {
		return query
	}
	return query.Where("id < ?", f.Before)
}

func part(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}

func limit(f Filter) int {
	if f.Limit < 1 || f.Limit > 200 {
		return 50
	}
	return f.Limit
}

// months counts looks by month of Seoul, with what the review of each said.
func (s store) months(ctx context.Context, since time.Time) (list []Month, err error) {
	err = s.db.In(ctx).Raw(`SELECT m.month, m.looks, r.reviewed_at, r.reviewer_id, coalesce(r.reviewer_name, '') AS reviewer_name, coalesce(r.remark, '') AS remark
		FROM (SELECT to_char(at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM') AS month, count(*) AS looks FROM app.access_log
			WHERE tenant_id = ? AND at >= ? GROUP BY 1) m
		LEFT JOIN app.access_reviews r ON r.tenant_id = ? AND r.month = m.month ORDER BY m.month DESC LIMIT ?`,
		tenantOf(ctx), since, tenantOf(ctx), monthsMost+1).Scan(&list).Error
	return list, err
}

func (s store) countLooks(ctx context.Context, from, to time.Time) (n int, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM app.access_log WHERE tenant_id = ? AND at >= ? AND at < ?`, tenantOf(ctx), from, to).Scan(&n).Error
	return n, err
}

func (s store) insertReview(ctx context.Context, month string, looks int, reviewer uuid.UUID, name, remark string, at time.Time) error {
	err := s.db.In(ctx).Exec(`INSERT INTO app.access_reviews (tenant_id, month, looks, reviewer_id, reviewer_name, remark, reviewed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, tenantOf(ctx), month, looks, reviewer, name, remark, at).Error
	if db.IsDuplicate(err) {
		return ErrMonthReviewed
	}
	return err
}
