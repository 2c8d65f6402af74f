package sessions

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
)

// epoch is since when tokens count: none of an earlier number does.
type epoch struct {
	Number int
	Cause  ResetCause `gorm:"embedded"`
	At     time.Time
}

func (s store) epoch(ctx context.Context) (e epoch, err error) {
	e, found, err := one[epoch](ctx, s, `SELECT epoch AS number, id, incident_id AS incident, approved_at AS at
		FROM sessions.resets WHERE epoch IS NOT NULL ORDER BY epoch DESC LIMIT 1`)
	if !found {
		e.Number = 1
	}
	return e, err
}

func (s store) insertReset(ctx context.Context, r ResetOrder) error {
	return s.db.In(ctx).Exec(`INSERT INTO sessions.resets (id, incident_id, scope, tenant_id, platform, version, issued_before, signing_key,
		at_once, starts_at, reason, previewed, ordered_by, ordered_name, ordered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.IncidentID, r.Kind, r.Tenant, r.Platform, r.Version, r.IssuedBefore, r.SigningKey,
		r.AtOnce, r.StartsAt, r.Reason, r.Previewed, r.OrderedBy, r.OrderedName, r.OrderedAt).Error
}

func (s store) lockReset(ctx context.Context, id uuid.UUID) (ResetOrder, bool, error) {
	return one[ResetOrder](ctx, s, `SELECT * FROM sessions.resets WHERE id = ? FOR UPDATE`, id)
}

func (s store) reset(ctx context.Context, id uuid.UUID) (ResetOrder, bool, error) {
	return one[ResetOrder](ctx, s, `SELECT * FROM sessions.resets WHERE id = ?`, id)
}

func (s store) resets(ctx context.Context, incident uuid.UUID, limit int) (list []ResetOrder, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM sessions.resets WHERE (? OR incident_id = ?) ORDER BY id DESC LIMIT ?`,
		incident == uuid.Nil, incident, limit).Scan(&list).Error
	return list, err
}

// claimReset takes the oldest running order whose time has come, unless another
// server has it.
func (s store) claimReset(ctx context.Context, now time.Time) (ResetOrder, bool, error) {
	return one[ResetOrder](ctx, s, `SELECT * FROM sessions.resets WHERE state = 'running' AND coalesce(starts_at, approved_at) <= ?
		ORDER BY approved_at LIMIT 1 FOR UPDATE SKIP LOCKED`, now)
}

func (s store) saveReset(ctx context.Context, r ResetOrder) error {
	return s.db.In(ctx).Exec(`UPDATE sessions.resets SET approved_by = ?, approved_name = ?, approved_at = ?, state = ?, epoch = ?,
		cursor = ?, ended = ?, tried_at = ?, finished_at = ? WHERE id = ?`,
		r.ApprovedBy, r.ApprovedName, r.ApprovedAt, r.State, r.Epoch, r.Cursor, r.Ended, r.TriedAt, r.FinishedAt, r.ID).Error
}

func (s store) addOutcomes(ctx context.Context, id uuid.UUID, resumed, failed int) error {
	return s.db.In(ctx).Exec(`UPDATE sessions.resets SET resumed = resumed + ?, failed = failed + ? WHERE id = ?`, resumed, failed, id).Error
}

// chosen is which sessions a scope means; those that begin after a moment are
// none of them. members are a municipality's citizens.
func (c Scope) chosen(until time.Time, members []uuid.UUID) (condition string, values []any) {
	condition, values = `s.state = 'active' AND s.began_at <= ?`, []any{until}
	add := func(more string, value any) { condition, values = condition+" AND "+more, append(values, value) }
	switch c.Kind {
	case ScopeAll:
	case ScopeTenant:
		add(`s.citizen_id IN ?`, members)
	case ScopePlatform, ScopeVersion:
		add(`lower(d.platform) = lower(?)`, *c.Platform)
		if c.Version != nil {
			add(`d.version = ?`, *c.Version)
		}
	case ScopeIssuedBefore:
		add(`s.seen_at < ?`, *c.IssuedBefore)
	case ScopeSigningKey:
		add(`s.signed_by = ?`, *c.SigningKey)
	}
	return condition, values
}

const ofDevices = ` FROM sessions.sessions s JOIN sessions.devices d ON d.id = s.device_id WHERE `

func (s store) countScope(ctx context.Context, c Scope, until time.Time, members []uuid.UUID) (number int, err error) {
	condition, values := c.chosen(until, members)
	err = s.db.In(ctx).Raw(`SELECT count(*)`+ofDevices+condition, values...).Scan(&number).Error
	return number, err
}

// resetBatch ends the next sessions of an order after one, in one statement
// with their events, whose ids are given: as many as may be ended.
func (s store) resetBatch(ctx context.Context, r ResetOrder, now time.Time, after uuid.UUID, members, ids []uuid.UUID) (ended int, last uuid.UUID, err error) {
	condition, values := r.chosen(r.begins(), members)
	if members == nil {
		condition, values = condition+` AND s.id > ?`, append(values, after)
	}
	values = append(values, len(ids), now, r.IncidentID, r.ID, now, Reset, idList(ids))
	var row struct {
		Number int
		Last   uuid.UUID
	}
	err = s.db.In(ctx).Raw(`WITH picked AS (SELECT s.id`+ofDevices+condition+` ORDER BY s.id LIMIT ? FOR UPDATE OF s),
		ended AS (UPDATE sessions.sessions AS s SET state = 'session-reset', ended_at = ?, initiator = 'system', incident_id = ?, reset_id = ?,
			reset_approved = true, ended_xid = pg_current_xact_id() FROM picked WHERE s.id = picked.id RETURNING s.id, s.citizen_id, s.device_id),
		numbered AS (SELECT *, row_number() OVER (ORDER BY id) AS place FROM ended),
		told AS (INSERT INTO sessions.events (citizen_id, id, at, kind, session_id, device_id)
			SELECT n.citizen_id, i.id, ?, ?, n.id, n.device_id FROM numbered n JOIN unnest(?::uuid[]) WITH ORDINALITY AS i(id, place) USING (place))
		SELECT count(*) AS number, coalesce((array_agg(id ORDER BY id DESC))[1], '00000000-0000-0000-0000-000000000000') AS last FROM ended`,
		values...).Scan(&row).Error
	return row.Number, row.Last, err
}

// idList writes ids as PostgreSQL reads an array.
func idList(ids []uuid.UUID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}
