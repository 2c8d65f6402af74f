package ledger

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
)

func (s store) linesOfDay(ctx context.Context, account uuid.UUID, day calendar.Day, after uuid.UUID, limit int) (lines []Line, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		SELECT l.entry_id, e.kind, l.other, l.amount, e.at, e.day, coalesce(e.answers, '00000000-0000-0000-0000-000000000000')
		FROM (
			SELECT entry_id, credit_id AS other, -amount AS amount FROM ledger.transfers
			 WHERE tenant_id = $1 AND debit_id = $2 AND day = $3 AND entry_id > $4
			UNION ALL
			SELECT entry_id, debit_id, amount FROM ledger.transfers
			 WHERE tenant_id = $1 AND credit_id = $2 AND day = $3 AND entry_id > $4
		) l JOIN ledger.entries e ON e.tenant_id = $1 AND e.id = l.entry_id AND e.kind IN ('payment', 'cancellation', 'correction')
		ORDER BY l.entry_id LIMIT $5`, tenant.From(ctx), account, day, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var l Line
		if err := rows.Scan(&l.EntryID, &l.Kind, &l.Other, &l.Amount, &l.At, &l.Day, &l.Answers); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, rows.Err()
}
