package idem

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

func (s store) claim(ctx context.Context, key Key, at time.Time) (bool, error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO app.idempotency_keys (tenant_id, key, digest, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, tenant.From(ctx), key.ID, key.Digest, at)
	return tx.RowsAffected == 1, tx.Error
}

// answer reads what came of a key. A key whose work was a payment on the fast
// lane has an entry instead of an answer: it was another kind of request.
func (s store) answer(ctx context.Context, key Key) ([]byte, error) {
	var row struct {
		Digest uuid.UUID
		Answer []byte
	}
	err := s.db.In(ctx).Raw(`SELECT digest, answer FROM app.idempotency_keys WHERE tenant_id = ? AND key = ?`,
		tenant.From(ctx), key.ID).Scan(&row).Error
	if err == nil && (row.Digest != key.Digest || row.Answer == nil) {
		err = ErrKeyReused
	}
	return row.Answer, err
}

func (s store) entry(ctx context.Context, key Key) (uuid.UUID, error) {
	var found []struct {
		Digest  uuid.UUID
		EntryID *uuid.UUID
	}
	err := s.db.In(ctx).Raw(`SELECT digest, entry_id FROM app.idempotency_keys WHERE tenant_id = ? AND key = ?`,
		tenant.From(ctx), key.ID).Scan(&found).Error
	switch {
	case err != nil || len(found) == 0:
		return uuid.Nil, err
	case found[0].Digest != key.Digest || found[0].EntryID == nil:
		return uuid.Nil, ErrKeyReused
	}
	return *found[0].EntryID, nil
}

func (s store) look(ctx context.Context, id uuid.UUID) (f Found, known bool, err error) {
	var rows []struct {
		Digest  uuid.UUID
		EntryID *uuid.UUID
		Answer  []byte
	}
	err = s.db.In(ctx).Raw(`SELECT digest, entry_id, answer FROM app.idempotency_keys WHERE tenant_id = ? AND key = ?`,
		tenant.From(ctx), id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return f, false, err
	}
	f = Found{Digest: rows[0].Digest, Answer: rows[0].Answer}
	if rows[0].EntryID != nil {
		f.Entry = *rows[0].EntryID
	}
	return f, true, nil
}

func (s store) remember(ctx context.Context, key Key, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`UPDATE app.idempotency_keys SET answer = ? WHERE tenant_id = ? AND key = ?`,
		string(body), tenant.From(ctx), key.ID).Error
}

func (s store) forget(ctx context.Context, before time.Time) (int64, error) {
	tx := s.db.In(ctx).Exec(`DELETE FROM app.idempotency_keys WHERE tenant_id = ? AND key IN (
		SELECT key FROM app.idempotency_keys WHERE tenant_id = ? AND created_at < ? LIMIT 10000)`,
		tenant.From(ctx), tenant.From(ctx), before)
	return tx.RowsAffected, tx.Error
}
