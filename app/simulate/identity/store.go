package identity

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type store struct{ pool *pgxpool.Pool }

const schema = `
CREATE SCHEMA IF NOT EXISTS identity_simulator;
CREATE TABLE IF NOT EXISTS identity_simulator.checks (
    id           text PRIMARY KEY,
    name         text        NOT NULL,
    birth_date   text        NOT NULL,
    phone        text        NOT NULL,
    carrier      text        NOT NULL,
    code         text        NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    asked_at     timestamptz NOT NULL,
    confirmed_at timestamptz
);
CREATE INDEX IF NOT EXISTS checks_by_age ON identity_simulator.checks (asked_at);
CREATE TABLE IF NOT EXISTS identity_simulator.faults (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text    NOT NULL,
    remaining integer NOT NULL,
    delay_ms  bigint  NOT NULL
);`

func (s store) create(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('identity_simulator'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

// check is one question whether a person is who they say.
type check struct {
	ID     string
	Person Person
	Code   string
	At     time.Time
}

// insert keeps a check, and forgets those older than a day.
func (s store) insert(ctx context.Context, c check) error {
	_, err := s.pool.Exec(ctx, `
		WITH old AS (DELETE FROM identity_simulator.checks WHERE asked_at < $7::timestamptz - interval '1 day')
		INSERT INTO identity_simulator.checks (id, name, birth_date, phone, carrier, code, asked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.ID, c.Person.Name, c.Person.BirthDate, c.Person.Phone, c.Person.Carrier, c.Code, c.At)
	return err
}

// Outcomes of an attempt.
const (
	confirmed = "confirmed"
	noCheck   = "check-unknown"
	tooLate   = "code-expired"
	tooMany   = "too-many-attempts"
	wrong     = "code-wrong"
	used      = "already-confirmed"
)

// attempt counts a try and decides it under the row's lock, so that tries sent
// at once are counted all the same.
func (s store) attempt(ctx context.Context, id, code string, now time.Time) (person Person, outcome string, attempts int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var c check
		var confirmedAt *time.Time
		err := tx.QueryRow(ctx, `SELECT name, birth_date, phone, carrier, code, attempts, asked_at, confirmed_at
			FROM identity_simulator.checks WHERE id = $1 FOR UPDATE`, id).
			Scan(&c.Person.Name, &c.Person.BirthDate, &c.Person.Phone, &c.Person.Carrier, &c.Code, &attempts, &c.At, &confirmedAt)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			outcome = noCheck
			return nil
		case err != nil:
			return err
		case confirmedAt != nil:
			outcome = used
			return nil
		case now.Sub(c.At) > CodeLives:
			outcome = tooLate
			return nil
		case attempts >= AttemptsMax:
			outcome = tooMany
			return nil
		}
		attempts++
		outcome = wrong
		if code == c.Code {
			outcome, person, confirmedAt = confirmed, c.Person, &now
		}
		_, err = tx.Exec(ctx, `UPDATE identity_simulator.checks SET attempts = $2, confirmed_at = $3 WHERE id = $1`, id, attempts, confirmedAt)
		return err
	})
	return person, outcome, attempts, err
}

// Fault is one way of misbehaving, for the next requests.
type Fault struct {
	Kind    string `json:"kind"` // late: the answer comes after DelayMs; down: HTTP 503
	Count   int    `json:"count,omitempty"`
	DelayMs int64  `json:"delay_ms,omitempty"`
}

func (s store) insertFault(ctx context.Context, f Fault) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO identity_simulator.faults (kind, remaining, delay_ms) VALUES ($1, $2, $3)`, f.Kind, f.Count, f.DelayMs)
	return err
}

func (s store) clearFaults(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM identity_simulator.faults`)
	return err
}

// claimFault takes one use of the oldest fault; Kind is empty if there is none.
func (s store) claimFault(ctx context.Context) (Fault, error) {
	rows, _ := s.pool.Query(ctx, `
		UPDATE identity_simulator.faults SET remaining = remaining - 1
		 WHERE id = (SELECT id FROM identity_simulator.faults WHERE remaining > 0 ORDER BY id LIMIT 1 FOR UPDATE)
		RETURNING kind, remaining, delay_ms`)
	fault, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Fault])
	if errors.Is(err, pgx.ErrNoRows) {
		return Fault{}, nil
	}
	return fault, err
}
