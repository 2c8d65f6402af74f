package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"jangteo/app/db"
)

type store struct{ db *db.DB }

// bind keeps a device, or renames the one that its key tells again.
func (s store) bind(ctx context.Context, d Device) (kept Device, err error) {
	err = s.db.In(ctx).Raw(`INSERT INTO sessions.devices (id, citizen_id, thumbprint, public_key, name, platform, version, bound_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (citizen_id, thumbprint) DO UPDATE SET name = excluded.name, platform = excluded.platform, version = excluded.version RETURNING *`,
		d.ID, d.CitizenID, d.Thumbprint, string(d.PublicKey), d.Name, d.Platform, d.Version, d.BoundAt).Scan(&kept).Error
	return kept, err
}

func (s store) device(ctx context.Context, id uuid.UUID) (d Device, found bool, err error) {
	return one[Device](ctx, s, `SELECT * FROM sessions.devices WHERE id = ?`, id)
}

func one[T any](ctx context.Context, s store, query string, values ...any) (row T, found bool, err error) {
	var rows []T
	err = s.db.In(ctx).Raw(query, values...).Scan(&rows).Error
	if len(rows) > 0 {
		row, found = rows[0], true
	}
	return row, found, err
}

// alone makes logins of one citizen take turns: a lock on the active session
// would not hold back those who wait for it to end.
func (s store) alone(ctx context.Context, citizen uuid.UUID) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtextextended(?, 35))`, citizen.String()).Error
}

// lockActive reads a citizen's active sessions, the newest first, and keeps
// others from ending them.
func (s store) lockActive(ctx context.Context, citizen uuid.UUID) (list []Session, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM sessions.sessions WHERE citizen_id = ? AND state = 'active' ORDER BY id DESC LIMIT ? FOR UPDATE`,
		citizen, activeMost).Scan(&list).Error
	return list, err
}

func (s store) active(ctx context.Context, citizen uuid.UUID) (list []Session, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM sessions.sessions WHERE citizen_id = ? AND state = 'active' ORDER BY id DESC LIMIT ?`,
		citizen, activeMost).Scan(&list).Error
	return list, err
}

func (s store) lock(ctx context.Context, id uuid.UUID) (Session, bool, error) {
	return one[Session](ctx, s, `SELECT * FROM sessions.sessions WHERE id = ? FOR UPDATE`, id)
}

func (s store) session(ctx context.Context, id uuid.UUID) (Session, bool, error) {
	return one[Session](ctx, s, `SELECT * FROM sessions.sessions WHERE id = ?`, id)
}

// lockLatest reads a device's last session.
func (s store) lockLatest(ctx context.Context, device uuid.UUID) (Session, bool, error) {
	return one[Session](ctx, s, `SELECT * FROM sessions.sessions WHERE device_id = ? ORDER BY id DESC LIMIT 1 FOR UPDATE`, device)
}

const insertSession = `INSERT INTO sessions.sessions (id, citizen_id, device_id, method, resumes, epoch, began_at, proved_at, seen_at, address, exclusive, bound)`

func beganValues(n Session) []any {
	return []any{n.ID, n.CitizenID, n.DeviceID, n.Method, n.Resumes, n.Epoch, n.BeganAt, n.ProvedAt, n.SeenAt, n.Address, n.Exclusive, n.Bound}
}

func (s store) insert(ctx context.Context, n Session) error {
	return s.db.In(ctx).Exec(insertSession+` VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, beganValues(n)...).Error
}

const updateEnded = `UPDATE sessions.sessions SET state = ?, ended_at = ?, initiator = ?, superseded_by = ?, superseding_device = ?,
	superseding_method = ?, ended_by_device = ?, ended_by = ?, office = ?, case_no = ?, reason = ?, incident_id = ?, reset_id = ?,
	reset_approved = ?, ended_xid = pg_current_xact_id() WHERE id IN ? AND state = 'active'`

func endedValues(o Session, ids ...uuid.UUID) []any {
	var approved *bool
	if o.ResetID != nil {
		approved = new(true)
	}
	return []any{o.State, o.EndedAt, o.Initiator, o.SupersededBy, o.SupersedingDevice, o.SupersedingMethod, o.EndedByDevice,
		o.EndedBy, o.Office, o.CaseNo, o.Reason, o.IncidentID, o.ResetID, approved, append(ids, o.ID)}
}

// swap ends sessions and begins the next in one statement: there is no moment
// with two active ones, nor one at which a pointer leads nowhere. The count
// makes the endings come first. All of old end alike.
func (s store) swap(ctx context.Context, old []Session, n Session) error {
	var others []uuid.UUID
	for _, o := range old[1:] {
		others = append(others, o.ID)
	}
	values := append(append(endedValues(old[0], others...), beganValues(n)...), len(old))
	tx := s.db.In(ctx).Exec(`WITH ended AS (`+updateEnded+` RETURNING id) `+insertSession+`
		SELECT ?::uuid, ?::uuid, ?::uuid, ?::text, ?::uuid, ?::integer, ?::timestamptz, ?::timestamptz, ?::timestamptz, ?::text, ?::boolean, ?::boolean
		  FROM (SELECT count(*) AS number FROM ended) AS e WHERE e.number = ?`, values...)
	if tx.Error == nil && tx.RowsAffected != 1 {
		return errors.New("sessions: a session to be replaced was not active any more")
	}
	return tx.Error
}

func (s store) end(ctx context.Context, o Session) error {
	tx := s.db.In(ctx).Exec(updateEnded, endedValues(o)...)
	if tx.Error == nil && tx.RowsAffected != 1 {
		return errors.New("sessions: the session to be ended was not active any more")
	}
	return tx.Error
}

func (s store) seen(ctx context.Context, id uuid.UUID, at time.Time, address, signedBy string) error {
	return s.db.In(ctx).Exec(`UPDATE sessions.sessions SET seen_at = ?, address = ?, signed_by = ? WHERE id = ?`, at, address, signedBy, id).Error
}

type listRow struct {
	Session
	DeviceName     string
	DevicePlatform string
	OtherName      *string // of the device that replaced or ended it
}

func (s store) list(ctx context.Context, citizen uuid.UUID, limit int) (rows []listRow, err error) {
	err = s.db.In(ctx).Raw(`SELECT s.*, d.name AS device_name, d.platform AS device_platform, o.name AS other_name
		FROM sessions.sessions s JOIN sessions.devices d ON d.id = s.device_id
		LEFT JOIN sessions.devices o ON o.id = coalesce(s.superseding_device, s.ended_by_device)
		WHERE s.citizen_id = ? ORDER BY s.id DESC LIMIT ?`, citizen, limit).Scan(&rows).Error
	return rows, err
}

type refreshRow struct {
	Hash      []byte
	SessionID uuid.UUID
	IssuedAt  time.Time
	UsedAt    *time.Time
	Successor []byte
}

func (s store) refresh(ctx context.Context, hash []byte) (refreshRow, bool, error) {
	return one[refreshRow](ctx, s, `SELECT * FROM sessions.refresh_tokens WHERE hash = ?`, hash)
}

// issue keeps what a session's device was given: it was seen now, and whatever
// refresh token of the session is current is used up for its successor. The
// count makes that come first.
func (s store) issue(ctx context.Context, session uuid.UUID, at time.Time, address, signedBy string, refresh []byte) error {
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		WITH seen AS (UPDATE sessions.sessions SET seen_at = $2, address = $3, signed_by = $4 WHERE id = $1),
		used AS (UPDATE sessions.refresh_tokens SET used_at = $2, successor = $5 WHERE session_id = $1 AND used_at IS NULL RETURNING hash)
		INSERT INTO sessions.refresh_tokens (session_id, hash, issued_at) SELECT $1, $5, $2 FROM (SELECT count(*) FROM used) AS first`,
		session, at, address, signedBy, refresh)
	return err
}

// useChallenge uses a challenge up, and tells whether it was not used before.
func (s store) useChallenge(ctx context.Context, hash []byte, device uuid.UUID, until time.Time) (fresh bool, err error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO sessions.challenges (device_id, hash, expires_at) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING`, device, hash, until)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) record(ctx context.Context, citizen uuid.UUID, e Event) error {
	return s.db.In(ctx).Exec(`INSERT INTO sessions.events (citizen_id, id, at, kind, session_id, device_id, address) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		citizen, e.ID, e.At, e.Kind, e.SessionID, e.DeviceID, e.Address).Error
}

func (s store) events(ctx context.Context, citizen, before uuid.UUID, limit int) (list []Event, err error) {
	err = s.db.In(ctx).Raw(`SELECT e.id, e.at, e.kind, e.session_id, e.device_id, e.address, coalesce(d.name, '') AS device
		FROM sessions.events e LEFT JOIN sessions.devices d ON d.id = e.device_id
		WHERE e.citizen_id = ? AND (? OR e.id < ?) ORDER BY e.id DESC LIMIT ?`, citizen, before == uuid.Nil, before, limit).Scan(&list).Error
	return list, err
}

// useProof uses a proof up; false if it was used before.
func (s store) useProof(ctx context.Context, hash []byte, at time.Time) (fresh bool, err error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO sessions.proofs (seen_at, hash) VALUES (?, ?) ON CONFLICT DO NOTHING`, at, hash)
	return tx.RowsAffected == 1, tx.Error
}

// forget removes tokens, proofs and challenges that nobody can use any more.
func (s store) forget(ctx context.Context, tokens, challenges time.Time) (gone int64, err error) {
	a := s.db.In(ctx).Exec(`DELETE FROM sessions.refresh_tokens WHERE hash IN (
		SELECT hash FROM sessions.refresh_tokens WHERE issued_at < ? ORDER BY issued_at LIMIT 5000)`, tokens)
	if a.Error != nil {
		return 0, a.Error
	}
	b := s.db.In(ctx).Exec(`DELETE FROM sessions.challenges WHERE hash IN (
		SELECT hash FROM sessions.challenges WHERE expires_at < ? ORDER BY expires_at LIMIT 5000)`, challenges)
	if b.Error != nil {
		return 0, b.Error
	}
	c := s.db.In(ctx).Exec(`DELETE FROM sessions.proofs WHERE hash IN (
		SELECT hash FROM sessions.proofs WHERE seen_at < ? ORDER BY seen_at LIMIT 50000)`, challenges)
	return a.RowsAffected + b.RowsAffected + c.RowsAffected, c.Error
}

// lockTimedOut tells that somebody else held a row too long.
func lockTimedOut(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03"
}
