package auth

import (
	"context"
	"time"

	"jangteo/app/db"
)

type statementStore struct{ db *db.DB }

type statementRow struct {
	Kid       string
	Sealed    []byte
	Public    []byte
	CreatedAt time.Time
}

// alone makes servers that would make keys at once take turns.
func (s statementStore) alone(ctx context.Context) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtext('app.statement_keys'))`).Error
}

// keys lists every key there ever was, the oldest first.
func (s statementStore) keys(ctx context.Context) (rows []statementRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT kid, sealed, public, created_at FROM app.statement_keys ORDER BY created_at, kid LIMIT 1000`).Scan(&rows).Error
	return rows, err
}

func (s statementStore) insert(ctx context.Context, row statementRow) error {
	return s.db.In(ctx).Exec(`INSERT INTO app.statement_keys (kid, sealed, public, created_at) VALUES (?, ?, ?, ?)`,
		row.Kid, row.Sealed, row.Public, row.CreatedAt).Error
}
