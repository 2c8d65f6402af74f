package auth

import (
	"context"
	"time"

	"jangteo/app/db"
)

type keyStore struct{ db *db.DB }

type keyRow struct {
	Kid       string
	Sealed    []byte
	Public    []byte
	CreatedAt time.Time
	RetiredAt *time.Time
}

// alone makes servers that would make or change keys at once take turns.
func (s keyStore) alone(ctx context.Context) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtext('app.signing_keys'))`).Error
}

// keys lists those that may still sign or be believed at a moment, oldest first.
func (s keyStore) keys(ctx context.Context, at time.Time) (rows []keyRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT kid, sealed, public, created_at, retired_at FROM app.signing_keys
		WHERE retired_at IS NULL OR retired_at > ? ORDER BY created_at, kid LIMIT 50`, at).Scan(&rows).Error
	return rows, err
}

func (s keyStore) insert(ctx context.Context, row keyRow) error {
	return s.db.In(ctx).Exec(`INSERT INTO app.signing_keys (kid, sealed, public, created_at) VALUES (?, ?, ?, ?)`,
		row.Kid, row.Sealed, row.Public, row.CreatedAt).Error
}

// retire sets when the others stop being believed, where that is not set yet.
func (s keyStore) retire(ctx context.Context, but string, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.signing_keys SET retired_at = ? WHERE kid <> ? AND retired_at IS NULL`, at, but).Error
}
