package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/db"
)

type store struct{ db *db.DB }

var errNoSession = errors.New("auth: no such session")

func (s store) insert(ctx context.Context, hash []byte, w WebSession) error {
	// The hash does not come first: gorm takes bytes right after "(" for a list.
	return s.db.In(ctx).Exec(`INSERT INTO app.web_sessions
		(id, token_hash, realm, subject_id, tenant_id, created_at, seen_at, user_agent, address, stage, method, proven_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		w.ID, hash, w.Realm, w.SubjectID, w.TenantID, w.CreatedAt, w.SeenAt, w.UserAgent, w.Address, w.Stage, w.Method, w.ProvenAt).Error
}

const columns = `id, realm, subject_id, tenant_id, created_at, seen_at, ended_at, ended_reason, user_agent, address, stage, method, proven_at`

func (s store) find(ctx context.Context, hash []byte) (WebSession, error) {
	return one(s.db.In(ctx).Raw(`SELECT `+columns+` FROM app.web_sessions WHERE token_hash = ?`, hash))
}

func (s store) get(ctx context.Context, id uuid.UUID) (WebSession, error) {
	return one(s.db.In(ctx).Raw(`SELECT `+columns+` FROM app.web_sessions WHERE id = ?`, id))
}

func one(query *gorm.DB) (WebSession, error) {
	var found []WebSession
	err := query.Scan(&found).Error
	if err == nil && len(found) == 0 {
		return WebSession{}, errNoSession
	}
	if err != nil {
		return WebSession{}, err
	}
	return found[0], nil
}

func (s store) seen(ctx context.Context, id uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.web_sessions SET seen_at = ? WHERE id = ?`, at, id).Error
}

func (s store) prove(ctx context.Context, id uuid.UUID, stage Stage, method string, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.web_sessions SET stage = ?, method = ?, proven_at = ? WHERE id = ? AND ended_at IS NULL`,
		stage, method, at, id).Error
}

func (s store) end(ctx context.Context, id uuid.UUID, reason string, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.web_sessions SET ended_at = ?, ended_reason = ? WHERE id = ? AND ended_at IS NULL`,
		at, reason, id).Error
}

func (s store) endAll(ctx context.Context, realm Kind, subject, spare uuid.UUID, reason string, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.web_sessions SET ended_at = ?, ended_reason = ?
		WHERE realm = ? AND subject_id = ? AND id <> ? AND ended_at IS NULL`, at, reason, realm, subject, spare).Error
}

func (s store) list(ctx context.Context, realm Kind, subject uuid.UUID) (list []WebSession, err error) {
	err = s.db.In(ctx).Raw(`SELECT `+columns+` FROM app.web_sessions WHERE realm = ? AND subject_id = ?
		ORDER BY created_at DESC LIMIT 50`, realm, subject).Scan(&list).Error
	return list, err
}
