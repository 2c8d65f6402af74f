package messages

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// keep is how many messages are kept; older ones make room.
const keep = 10_000

type store struct{ pool *pgxpool.Pool }

const schema = `
CREATE SCHEMA IF NOT EXISTS messages_simulator;
CREATE TABLE IF NOT EXISTS messages_simulator.messages (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel  text        NOT NULL,
    receiver text        NOT NULL,
    body     text        NOT NULL,
    at       timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_receiver ON messages_simulator.messages (receiver, id);`

func (s store) create(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('messages_simulator'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

func (s store) insert(ctx context.Context, m Message) (id int64, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO messages_simulator.messages (channel, receiver, body, at)
			VALUES ($1, $2, $3, $4) RETURNING id`, m.Channel, m.To, m.Body, m.At).Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM messages_simulator.messages WHERE id <= $1`, id-keep)
		return err
	})
	return id, err
}

func (s store) find(ctx context.Context, receiver string, limit int) ([]Message, error) {
	rows, _ := s.pool.Query(ctx, `SELECT id, channel, receiver, body, at FROM messages_simulator.messages
		WHERE $1 = '' OR receiver = $1 ORDER BY id DESC LIMIT $2`, receiver, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
}
