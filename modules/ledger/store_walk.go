package ledger

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

// walk reads entries by id. Amount stands as one transfer without accounts.
func (s store) walk(ctx context.Context, kinds []EntryKind, after uuid.UUID, limit int) (list []Recorded, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		SELECT id, kind, at, day, amount, answered, coalesce(answers, '00000000-0000-0000-0000-000000000000')
		FROM ledger.entries WHERE tenant_id = $1 AND kind = ANY($2) AND id > $3 ORDER BY id LIMIT $4`,
		tenant.From(ctx), kinds, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r Recorded
		var amount money.Amount
		if err := rows.Scan(&r.ID, &r.Kind, &r.At, &r.Day, &amount, &r.Answered, &r.Answers); err != nil {
			return nil, err
		}
		r.Transfers = []Transfer{{Amount: amount}}
		list = append(list, r)
	}
	return list, rows.Err()
}
