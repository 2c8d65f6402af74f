package audit

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/db"
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
	q := s.db.In(ctx).Table("app.audit_log").Where("tenant_id = ?", tenantOf(ctx))
	if f.Object != "" {
		q = q.Where("object = ?", f.Object)
	}
	if f.ObjectID != "" {
		q = q.Where("object_id = ?", f.ObjectID)
	}
	if f.Before != uuid.Nil {
		q = q.Where("id < ?", f.Before)
	}
	err = q.Order("id DESC").Limit(limit(f)).Find(&list).Error
	return list, err
}

func (s store) looks(ctx context.Context, f Filter) (list []Look, err error) {
	q := s.db.In(ctx).Table("app.access_log").Where("tenant_id = ?", tenantOf(ctx))
	if f.Subject != uuid.Nil {
		q = q.Where("subject_id = ?", f.Subject)
	}
	if f.Before != uuid.Nil {
		q = q.Where("id < ?", f.Before)
	}
	err = q.Order("id DESC").Limit(limit(f)).Find(&list).Error
	return list, err
}

func limit(f Filter) int {
	if f.Limit < 1 || f.Limit > 200 {
		return 50
	}
	return f.Limit
}
