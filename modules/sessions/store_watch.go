package sessions

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// channel hints to every server that sessions have ended; a poll stands behind it.
const channel = "jangteo_sessions"

func (s store) notify(ctx context.Context) error {
	return s.db.In(ctx).Exec(`SELECT pg_notify(?, '')`, channel).Error
}

// endedSince lists what ended at or after a moment, in pages.
func (s store) endedSince(ctx context.Context, since time.Time, after uuid.UUID, limit int) (rows []Session, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM sessions.sessions WHERE ended_at >= ? AND (ended_at, id) > (?, ?)
		ORDER BY ended_at, id LIMIT ?`, since, since, after, limit).Scan(&rows).Error
	return rows, err
}

// listen calls wake for every hint until the connection or ctx ends.
func (s store) listen(ctx context.Context, wake func()) error {
	conn, err := s.db.Pgx().Acquire(ctx)
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
