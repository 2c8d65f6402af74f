package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
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

// relaying is the class of the advisory locks of municipalities that a relay is at.
const relaying = 72621

// take takes the next events of each municipality off, in their order, but for
// those that another relay is at, which are told.
func (s store) take(ctx context.Context, tenants []tenant.ID, most int, now time.Time) (events []Event, busy []tenant.ID, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		WITH mine AS MATERIALIZED (SELECT a.id, pg_try_advisory_xact_lock($1, a.id) AS got FROM unnest($2::int[]) AS a (id)),
		taken AS (
			DELETE FROM app.outbox o USING mine m CROSS JOIN LATERAL (
				SELECT tenant_id, id FROM app.outbox WHERE tenant_id = m.id AND `+due("$3")+` ORDER BY id LIMIT $4) AS next
			WHERE m.got AND o.tenant_id = next.tenant_id AND o.id = next.id
			RETURNING o.tenant_id, o.id, o.topic, o.payload, o.created_at, o.bundle
		) SELECT m.id, m.got, coalesce(t.id, 0), coalesce(t.topic, ''), t.payload, coalesce(t.created_at, $3), coalesce(t.bundle, false)
		FROM mine m LEFT JOIN taken t ON t.tenant_id = m.id ORDER BY m.id, t.id`,
		relaying, tenants, now, most)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e Event
		var got, bundle bool
		if err := rows.Scan(&e.Tenant, &got, &e.ID, &e.Topic, (*[]byte)(&e.Payload), &e.At, &bundle); err != nil {
			return nil, nil, err
		}
		switch {
		case !got:
			busy = append(busy, e.Tenant)
		case bundle:
			var each []json.RawMessage
			if err := e.Into(&each); err != nil {
				return nil, nil, err
			}
			for _, e.Payload = range each {
				events = append(events, e)
			}
		case e.ID > 0:
			events = append(events, e)
		}
	}
	return events, busy, rows.Err()
}

// unbundle makes single events of the municipality's bundles, after all others.
func (s store) unbundle(ctx context.Context) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		return s.db.In(ctx).Exec(`
			WITH bundles AS (DELETE FROM app.outbox WHERE tenant_id = ? AND bundle RETURNING *)
			INSERT INTO app.outbox (tenant_id, topic, payload, created_at)
			SELECT b.tenant_id, b.topic, e.payload, b.created_at
			FROM bundles b, json_array_elements(b.payload) WITH ORDINALITY AS e (payload, nth) ORDER BY b.id, e.nth`, tenant.From(ctx)).Error
	})
}

func (s store) waiting(ctx context.Context, most int, now time.Time) (ids []int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		return s.db.In(ctx).Raw(`SELECT id FROM app.outbox WHERE tenant_id = ? AND `+due("?")+` ORDER BY id LIMIT ?`,
			tenant.From(ctx), now, most).Scan(&ids).Error
	})
	return ids, err
}

// takeOne takes one event off, unless somebody else has.
func (s store) takeOne(ctx context.Context, id int64) (e Event, found bool, err error) {
	e.Tenant, e.ID = tenant.From(ctx), id
	err = s.db.SQL(ctx).QueryRowContext(ctx, `DELETE FROM app.outbox WHERE tenant_id = $1 AND id IN (
			SELECT id FROM app.outbox WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED)
		RETURNING topic, payload, created_at`, e.Tenant, id).Scan(&e.Topic, (*[]byte)(&e.Payload), &e.At)
	if errors.Is(err, sql.ErrNoRows) {
		return Event{}, false, nil
	}
	return e, err == nil, err
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
