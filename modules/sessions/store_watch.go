package sessions

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// channel hints to every server that sessions have ended; a poll stands behind it.
const channel = "jangteo_sessions"

func (s store) notify(ctx context.Context) error {
	return s.db.In(ctx).Exec(`SELECT pg_notify(?, '')`, channel).Error
}

// certain is the oldest transaction that is still under way: what earlier ones
// wrote is there to be read, now and later.
func (s store) certain(ctx context.Context) (xid uint64, err error) {
	err = s.db.In(ctx).Raw(`SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).Scan(&xid).Error
	return xid, err
}

type endedRow struct {
	Session
	Xid uint64
}

// endedSince lists what a transaction ended, that one or a later one, and not
// before a moment: the transactions of a restored database begin anew.
func (s store) endedSince(ctx context.Context, xid uint64, after uuid.UUID, since time.Time, limit int) (rows []endedRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT id, citizen_id, state, ended_at, initiator, case_no, office, reason, incident_id, reset_id, cut_at, ended_xid::text::bigint AS xid
		FROM sessions.sessions WHERE ended_xid >= ?::text::xid8 AND (ended_xid, id) > (?::text::xid8, ?) AND ended_at >= ?
		ORDER BY ended_xid, id LIMIT ?`, strconv.FormatUint(xid, 10), strconv.FormatUint(xid, 10), after, since, limit).Scan(&rows).Error
	return rows, err
}

func (s store) resetNews(ctx context.Context, since time.Time) (news []resetNews, err error) {
	err = s.db.In(ctx).Raw(`SELECT id, incident_id, greatest(approved_at, starts_at) AS begins_at, starts_at IS NOT NULL AS planned, previewed
		FROM sessions.resets WHERE approved_at IS NOT NULL AND greatest(approved_at, starts_at) >= ? ORDER BY 3 LIMIT 20`, since).Scan(&news).Error
	return news, err
}

// cut stops the access tokens of planned resets that a citizen may still hold.
func (s store) cut(ctx context.Context, citizen uuid.UUID, now, since time.Time) (rows []Session, err error) {
	err = s.db.In(ctx).Raw(`UPDATE sessions.sessions SET cut_at = ?, ended_xid = pg_current_xact_id()
		WHERE citizen_id = ? AND state = 'session-reset' AND ended_at > ? AND cut_at IS NULL RETURNING *`, now, citizen, since).Scan(&rows).Error
	return rows, err
}

// listen calls wake for every hint until the connection or ctx ends.
func (s store) listen(ctx context.Context, wake func()) error {
	conn, err := s.db.PgxAside().Acquire(ctx)
	if err != nil {
		return err
	}
	raw := conn.Hijack() // this connection does nothing else
	defer func() { _ = raw.Close(context.WithoutCancel(ctx)) }()
	if _, err := raw.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		if _, err := raw.WaitForNotification(ctx); err != nil {
			return err
		}
		wake()
	}
}
