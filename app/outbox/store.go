package outbox

import (
	"context"
	"time"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db, lane *db.DB }

func (s store) insert(ctx context.Context, topic string, payload []byte, at time.Time) error {
	id, _ := tenant.Lookup(ctx)
	return s.db.In(ctx).Exec(`INSERT INTO app.outbox (tenant_id, topic, payload, created_at) VALUES (?, ?, ?, ?)`,
		id, topic, string(payload), at).Error
}

// tenants finds who has news. A recursive skip over the primary key's first
// column reads one row a tenant, however long their queues are.
func (s store) tenants(ctx context.Context, now time.Time) (ids []tenant.ID, err error) {
	err = s.lane.Platform(ctx, func(ctx context.Context) error {
		return s.lane.In(ctx).Raw(`
			WITH RECURSIVE t AS (
				(SELECT tenant_id FROM app.outbox ORDER BY tenant_id LIMIT 1)
				UNION ALL
				SELECT (SELECT o.tenant_id FROM app.outbox o WHERE o.tenant_id > t.tenant_id ORDER BY o.tenant_id LIMIT 1) FROM t WHERE t.tenant_id IS NOT NULL
			) SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL AND EXISTS (
				SELECT FROM app.outbox o WHERE o.tenant_id = t.tenant_id AND o.parked_at IS NULL AND (o.not_before IS NULL OR o.not_before <= ?))`,
			now).Scan(&ids).Error
	})
	return ids, err
}

func due(now string) string {
	return `parked_at IS NULL AND (not_before IS NULL OR not_before <= ` + now + `)`
}

type row struct {
	TenantID  tenant.ID
	ID        int64
	Topic     string
	Payload   []byte
	CreatedAt time.Time
}

func (r row) event() Event {
	return Event{Tenant: r.TenantID, ID: r.ID, Topic: r.Topic, Payload: r.Payload, At: r.CreatedAt}
}

// relaying is the class of the advisory locks of municipalities that a relay is at.
const relaying = 72621

// take takes the next events of the municipality in ctx off, in their order, or
// tells that another relay is at it.
func (s store) take(ctx context.Context, most int, now time.Time) (events []Event, busy bool, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1, $2) AS got),
		taken AS (
			DELETE FROM app.outbox WHERE tenant_id = $2 AND (SELECT got FROM alone) AND id IN (
				SELECT id FROM app.outbox WHERE tenant_id = $2 AND `+due("$3")+` ORDER BY id LIMIT $4)
			RETURNING id, topic, payload, created_at
		) SELECT got, coalesce(id, 0), coalesce(topic, ''), payload, coalesce(created_at, $3) FROM alone LEFT JOIN taken ON true ORDER BY id`,
		relaying, tenant.From(ctx), now, most)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		e, alone := Event{Tenant: tenant.From(ctx)}, false
		if err := rows.Scan(&alone, &e.ID, &e.Topic, (*[]byte)(&e.Payload), &e.At); err != nil {
			return nil, false, err
		}
		if busy = !alone; e.ID > 0 {
			events = append(events, e)
		}
	}
	return events, busy, rows.Err()
}

func (s store) waiting(ctx context.Context, most int, now time.Time) (ids []int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		return s.db.In(ctx).Raw(`SELECT id FROM app.outbox WHERE tenant_id = ? AND `+due("?")+` ORDER BY id LIMIT ?`,
			tenant.From(ctx), now, most).Scan(&ids).Error
	})
	return ids, err
}

func (s store) takeOne(ctx context.Context, id int64) (Event, bool, error) {
	var rows []row
	err := s.db.In(ctx).Raw(`DELETE FROM app.outbox WHERE tenant_id = ? AND id IN (
			SELECT id FROM app.outbox WHERE tenant_id = ? AND id = ? FOR UPDATE SKIP LOCKED)
		RETURNING tenant_id, id, topic, payload, created_at`, tenant.From(ctx), tenant.From(ctx), id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return Event{}, false, err
	}
	return rows[0].event(), true, nil
}

// postpone lets an event wait longer after each failure, and parks it for a
// person to look at after the last.
func (s store) postpone(ctx context.Context, id int64, cause error, now time.Time, most int) error {
	text := cause.Error()
	if len(text) > 500 {
		text = text[:500]
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		return s.db.In(ctx).Exec(`UPDATE app.outbox SET attempts = attempts + 1, last_error = ?,
				not_before = ?::timestamptz + interval '1 second' * least(1800, power(2, attempts)),
				parked_at = CASE WHEN attempts + 1 >= ? THEN ?::timestamptz END
			WHERE tenant_id = ? AND id = ?`, text, now, most, now, tenant.From(ctx), id).Error
	})
}
