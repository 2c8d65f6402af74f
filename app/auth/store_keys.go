package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
)

type keyStore struct{ db *db.DB }

type keyRow struct {
	Kid       string
	Sealed    []byte
	Public    []byte
	CreatedAt time.Time
	RetiredAt *time.Time

	WithdrawnAt    *time.Time
	WithdrawnUnder *uuid.UUID
}

// alone makes servers that would make or change keys at once take turns.
func (s keyStore) alone(ctx context.Context) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtext('app.signing_keys'))`).Error
}

// keys lists those that may still sign or be believed at a moment, oldest first.
func (s keyStore) keys(ctx context.Context, at time.Time) (rows []keyRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT kid, sealed, public, created_at, retired_at, withdrawn_at, withdrawn_under FROM app.signing_keys
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

// withdraw keeps a key in the list until the last token of it would have ended.
func (s keyStore) withdraw(ctx context.Context, kid string, under uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.signing_keys SET withdrawn_at = ?, withdrawn_under = ?, retired_at = coalesce(retired_at, ?)
		WHERE kid = ? AND withdrawn_at IS NULL`, at, under, at.Add(time.Hour), kid).Error
}
