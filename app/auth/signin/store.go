package signin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/db"
	"jangteo/app/tenant"
)

// In these statements bytes never stand right after a parenthesis: gorm would
// take them for a list.

type store struct{ db *db.DB }

type tries struct {
	Failures  int
	WaitUntil time.Time // as it was before this try
}

// countTry adds one failure; those of long ago count no more.
func (s store) countTry(ctx context.Context, key []byte, now, forgotten time.Time) (t tries, err error) {
	err = s.db.In(ctx).Raw(`
		INSERT INTO app.sign_in_tries AS t (failures, key, last_at, wait_until) VALUES (1, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN t.last_at < ? THEN 1 ELSE t.failures + 1 END, last_at = excluded.last_at
		RETURNING failures, wait_until`, key, now, now, forgotten).Scan(&t).Error
	return t, err
}

func (s store) setWait(ctx context.Context, key []byte, until time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.sign_in_tries SET wait_until = ? WHERE key = ?`, until, key).Error
}

func (s store) uncount(ctx context.Context, key []byte) error {
	return s.db.In(ctx).Exec(`UPDATE app.sign_in_tries SET failures = greatest(failures - 1, 0) WHERE key = ?`, key).Error
}

// dropTries forgets those of what has just fitted, and a few of long ago.
func (s store) dropTries(ctx context.Context, key []byte, forgotten time.Time) error {
	return s.db.In(ctx).Exec(`DELETE FROM app.sign_in_tries WHERE key = ? OR key IN (
		SELECT key FROM app.sign_in_tries WHERE last_at < ? ORDER BY last_at LIMIT ? FOR UPDATE SKIP LOCKED)`,
		key, forgotten, forgottenAtOnce).Error
}

// hasFactor reports a passkey or an app whose first code fitted.
func (s store) hasFactor(ctx context.Context, realm auth.Kind, id uuid.UUID) (has bool, err error) {
	err = s.db.In(ctx).Raw(`SELECT EXISTS (SELECT FROM app.passkeys WHERE realm = ? AND subject_id = ?)
		OR EXISTS (SELECT FROM app.code_apps WHERE realm = ? AND subject_id = ? AND confirmed_at IS NOT NULL)`, realm, id, realm, id).Scan(&has).Error
	return has, err
}

// rule is what a municipality said about second factors, if it did.
func (s store) rule(ctx context.Context, realm auth.Kind, id tenant.ID) (required, found bool, err error) {
	var rows []bool
	err = s.db.In(ctx).Raw(`SELECT required FROM app.second_factor_rules WHERE realm = ? AND tenant_id = ?`, realm, id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return false, false, err
	}
	return rows[0], true, nil
}

func (s store) setRule(ctx context.Context, realm auth.Kind, id tenant.ID, required bool, by *uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO app.second_factor_rules (realm, tenant_id, required, set_by, set_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (realm, tenant_id) DO UPDATE SET required = excluded.required, set_by = excluded.set_by, set_at = excluded.set_at`,
		realm, id, required, by, at).Error
}

type codeAppRow struct {
	Sealed      []byte
	ConfirmedAt *time.Time
	LastStep    int64
}

func (s store) codeApp(ctx context.Context, realm auth.Kind, id uuid.UUID) (row codeAppRow, found bool, err error) {
	var rows []codeAppRow
	err = s.db.In(ctx).Raw(`SELECT sealed, confirmed_at, last_step FROM app.code_apps WHERE realm = ? AND subject_id = ?`, realm, id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}

// beginCodeApp keeps a secret to be confirmed; false means that there is an app
// whose codes are asked for.
func (s store) beginCodeApp(ctx context.Context, realm auth.Kind, id uuid.UUID, sealed []byte, at time.Time) (bool, error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO app.code_apps AS c (realm, subject_id, sealed, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (realm, subject_id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at, last_step = 0
		WHERE c.confirmed_at IS NULL`, realm, id, sealed, at)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) confirmCodeApp(ctx context.Context, realm auth.Kind, id uuid.UUID, at time.Time) error {
	tx := s.db.In(ctx).Exec(`UPDATE app.code_apps SET confirmed_at = ? WHERE realm = ? AND subject_id = ? AND confirmed_at IS NULL`, at, realm, id)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return ErrFactorUnknown
	}
	return tx.Error
}

// takeStep lets a time step count once, and none before it any more.
func (s store) takeStep(ctx context.Context, realm auth.Kind, id uuid.UUID, step int64) (bool, error) {
	tx := s.db.In(ctx).Exec(`UPDATE app.code_apps SET last_step = ? WHERE realm = ? AND subject_id = ? AND last_step < ?`, step, realm, id, step)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) dropCodeApp(ctx context.Context, realm auth.Kind, id uuid.UUID) (bool, error) {
	tx := s.db.In(ctx).Exec(`DELETE FROM app.code_apps WHERE realm = ? AND subject_id = ?`, realm, id)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) insertRecovery(ctx context.Context, realm auth.Kind, id uuid.UUID, hash []byte, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO app.recovery_codes (realm, subject_id, hash, created_at) VALUES (?, ?, ?, ?)`, realm, id, hash, at).Error
}

func (s store) dropRecovery(ctx context.Context, realm auth.Kind, id uuid.UUID) error {
	return s.db.In(ctx).Exec(`DELETE FROM app.recovery_codes WHERE realm = ? AND subject_id = ?`, realm, id).Error
}

func (s store) recoveryLeft(ctx context.Context, realm auth.Kind, id uuid.UUID) (left int, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM app.recovery_codes WHERE realm = ? AND subject_id = ? AND used_at IS NULL`, realm, id).Scan(&left).Error
	return left, err
}

func (s store) useRecovery(ctx context.Context, realm auth.Kind, id uuid.UUID, hash []byte, at time.Time) (bool, error) {
	tx := s.db.In(ctx).Exec(`UPDATE app.recovery_codes SET used_at = ? WHERE realm = ? AND subject_id = ? AND hash = ? AND used_at IS NULL`, at, realm, id, hash)
	return tx.RowsAffected == 1, tx.Error
}

type passkeyRow struct {
	ID         []byte
	Realm      auth.Kind
	SubjectID  uuid.UUID
	Name       string
	Credential json.RawMessage
	CreatedAt  time.Time
	UsedAt     *time.Time
}

func (s store) passkeyRows(ctx context.Context, realm auth.Kind, id uuid.UUID) (rows []passkeyRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT id, realm, subject_id, name, credential, created_at, used_at FROM app.passkeys
		WHERE realm = ? AND subject_id = ? ORDER BY created_at LIMIT ?`, realm, id, passkeysMost).Scan(&rows).Error
	return rows, err
}

func (s store) passkeys(ctx context.Context, realm auth.Kind, id uuid.UUID) (list []Passkey, err error) {
	rows, err := s.passkeyRows(ctx, realm, id)
	for _, r := range rows {
		list = append(list, Passkey{hex.EncodeToString(r.ID), r.Name, r.CreatedAt, r.UsedAt})
	}
	return list, err
}

func (s store) passkey(ctx context.Context, realm auth.Kind, id []byte) (row passkeyRow, found bool, err error) {
	var rows []passkeyRow
	err = s.db.In(ctx).Raw(`SELECT id, realm, subject_id FROM app.passkeys WHERE id = ? AND realm = ?`, id, realm).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}

func (s store) insertPasskey(ctx context.Context, r passkeyRow) error {
	err := s.db.In(ctx).Exec(`INSERT INTO app.passkeys (realm, id, subject_id, name, credential, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		r.Realm, r.ID, r.SubjectID, r.Name, string(r.Credential), r.CreatedAt).Error
	if db.IsDuplicate(err) {
		return ErrPasskeyWrong.Because(err)
	}
	return err
}

func (s store) usedPasskey(ctx context.Context, id []byte, credential json.RawMessage, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE app.passkeys SET credential = ?, used_at = ? WHERE id = ?`, string(credential), at, id).Error
}

func (s store) dropPasskey(ctx context.Context, realm auth.Kind, subject uuid.UUID, id string) (bool, error) {
	tx := s.db.In(ctx).Exec(`DELETE FROM app.passkeys WHERE realm = ? AND subject_id = ? AND encode(id, 'hex') = ?`, realm, subject, id)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) dropPasskeys(ctx context.Context, realm auth.Kind, subject uuid.UUID) error {
	return s.db.In(ctx).Exec(`DELETE FROM app.passkeys WHERE realm = ? AND subject_id = ?`, realm, subject).Error
}

type challengeRow struct {
	ID        uuid.UUID
	Realm     auth.Kind
	SubjectID *uuid.UUID // nil: whoever answers
	Data      json.RawMessage
	ExpiresAt time.Time
}

// insertChallenge keeps a challenge and drops a few that nobody answered.
func (s store) insertChallenge(ctx context.Context, r challengeRow, now time.Time) error {
	err := s.db.In(ctx).Exec(`INSERT INTO app.passkey_challenges (id, realm, subject_id, data, expires_at) VALUES (?, ?, ?, ?, ?)`,
		r.ID, r.Realm, r.SubjectID, string(r.Data), r.ExpiresAt).Error
	if err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`DELETE FROM app.passkey_challenges WHERE id IN (
		SELECT id FROM app.passkey_challenges WHERE expires_at < ? ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)`, now, forgottenAtOnce).Error
}

func (s store) takeChallenge(ctx context.Context, id uuid.UUID, realm auth.Kind) (row challengeRow, found bool, err error) {
	var rows []challengeRow
	err = s.db.In(ctx).Raw(`DELETE FROM app.passkey_challenges WHERE id = ? AND realm = ?
		RETURNING id, realm, subject_id, data, expires_at`, id, realm).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}
