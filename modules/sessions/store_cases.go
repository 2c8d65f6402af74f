package sessions

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// openCase keeps a case; the account's case number opens one only.
func (s store) openCase(ctx context.Context, c Case) error {
	return s.db.In(ctx).Exec(`INSERT INTO sessions.cases (id, case_no, citizen_id, kind, opened_at, session_id, suspect_id, address)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_no) DO NOTHING`,
		c.ID, c.CaseNo, c.CitizenID, c.Kind, c.OpenedAt, c.SessionID, c.SuspectID, c.Address).Error
}

func (s store) cases(ctx context.Context, limit int) (list []Case, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM sessions.cases ORDER BY opened_at DESC LIMIT ?`, limit).Scan(&list).Error
	return list, err
}

func (s store) caseByID(ctx context.Context, id uuid.UUID) (Case, bool, error) {
	return one[Case](ctx, s, `SELECT * FROM sessions.cases WHERE id = ?`, id)
}

func (s store) closeCase(ctx context.Context, id uuid.UUID, at time.Time, by uuid.UUID, name, outcome string) (bool, error) {
	tx := s.db.In(ctx).Exec(`UPDATE sessions.cases SET closed_at = ?, closed_by = ?, closed_name = ?, outcome = ? WHERE id = ? AND closed_at IS NULL`,
		at, by, name, outcome, id)
	return tx.RowsAffected == 1, tx.Error
}
