package notifications

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

type noticeRow struct {
	CitizenID  uuid.UUID
	ID         uuid.UUID
	TenantID   tenant.ID
	Kind       Kind
	Params     Params `gorm:"serializer:json"`
	Link       string
	HappenedAt time.Time
	CreatedAt  time.Time
	ReadAt     *time.Time
}

func (noticeRow) TableName() string { return "notifications.notices" }

func rowOf(n Notice) noticeRow {
	return noticeRow{n.CitizenID, n.ID, n.TenantID, n.Kind, n.Params, n.Link, n.HappenedAt, n.CreatedAt, n.ReadAt}
}

func (r noticeRow) notice() Notice {
	return Notice{r.ID, r.CitizenID, r.TenantID, r.Kind, r.Params, r.Link, r.HappenedAt, r.CreatedAt, r.ReadAt}
}

// insert keeps any number of notices with one statement of constant text.
func (s store) insert(ctx context.Context, rows []noticeRow) error {
	body, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`
		INSERT INTO notifications.notices (citizen_id, id, tenant_id, kind, params, link, happened_at, created_at)
		SELECT n."CitizenID", n."ID", n."TenantID", n."Kind", n."Params", n."Link", n."HappenedAt", n."CreatedAt"
		  FROM jsonb_to_recordset(?::jsonb) AS n("CitizenID" uuid, "ID" uuid, "TenantID" integer, "Kind" text, "Params" jsonb,
		       "Link" text, "HappenedAt" timestamptz, "CreatedAt" timestamptz)`, string(body)).Error
}

func (s store) list(ctx context.Context, citizen, before uuid.UUID, limit int) (rows []noticeRow, err error) {
	q := s.db.In(ctx).Where("citizen_id = ?", citizen)
	if before != uuid.Nil {
		q = q.Where("id < ?", before)
	}
	err = q.Order("id DESC").Limit(limit).Find(&rows).Error
	return rows, err
}

func (s store) unread(ctx context.Context, citizen uuid.UUID, most int) (n int, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM (
		SELECT FROM notifications.notices WHERE citizen_id = ? AND read_at IS NULL LIMIT ?) AS unread`, citizen, most).Scan(&n).Error
	return n, err
}

func (s store) markRead(ctx context.Context, citizen, upTo uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE notifications.notices SET read_at = greatest(?::timestamptz, created_at)
		WHERE citizen_id = ? AND id <= ? AND read_at IS NULL`, at, citizen, upTo).Error
}
