package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
)

// statement asks for the newest lines of an account before a place.
type statement struct {
	account tenant.Key
	before  Place
	limit   int
}

// statements reads many accounts' lines in one round trip.
func (s laneStore) statements(ctx context.Context, asked []statement) (map[statement][]Line, error) {
	n := len(asked)
	found := make(map[statement][]Line, n)
	tenants, accounts := make([]int32, n), make([][16]byte, n)
	days, entries, limits := make([]time.Time, n), make([][16]byte, n), make([]int32, n)
	for i, a := range asked {
		found[a] = nil
		tenants[i], accounts[i] = int32(a.account.Tenant), a.account.ID
		days[i] = time.Date(a.before.Day.Year(), a.before.Day.Month(), a.before.Day.DayOfMonth(), 0, 0, 0, 0, time.UTC)
		entries[i], limits[i] = a.before.Entry, int32(a.limit)
	}
	rows, err := s.pool.Query(ctx, `
		SELECT a.nth, l.entry_id, e.kind, l.other, l.amount, e.at, e.day, coalesce(e.answers, '00000000-0000-0000-0000-000000000000')
		FROM unnest($1::int[], $2::uuid[], $3::date[], $4::uuid[], $5::int[]) WITH ORDINALITY AS a (tenant_id, account, day, entry, most, nth)
		CROSS JOIN LATERAL (
			(SELECT entry_id, day, credit_id AS other, -amount AS amount FROM ledger.transfers t
			 WHERE t.tenant_id = a.tenant_id AND t.debit_id = a.account AND (t.day, t.entry_id) < (a.day, a.entry)
			 ORDER BY day DESC, entry_id DESC LIMIT a.most)
			UNION ALL
			(SELECT entry_id, day, debit_id, amount FROM ledger.transfers t
			 WHERE t.tenant_id = a.tenant_id AND t.credit_id = a.account AND (t.day, t.entry_id) < (a.day, a.entry)
			 ORDER BY day DESC, entry_id DESC LIMIT a.most)
			ORDER BY day DESC, entry_id DESC LIMIT a.most
		) l
		JOIN ledger.entries e ON e.tenant_id = a.tenant_id AND e.id = l.entry_id
		ORDER BY a.nth, l.day DESC, l.entry_id DESC`, tenants, accounts, days, entries, limits)
	if err != nil {
		return nil, err
	}
	var (
		nth  int64
		line Line
		day  time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&nth, &line.EntryID, (*string)(&line.Kind), &line.Other, (*int64)(&line.Amount), &line.At, &day, &line.Answers}, func() error {
		line.Day = calendar.Date(day.Year(), day.Month(), day.Day())
		found[asked[nth-1]] = append(found[asked[nth-1]], line)
		return nil
	})
	return found, err
}

func (s laneStore) held(ctx context.Context, accounts []tenant.Key) (map[tenant.Key]Holding, error) {
	tenants, ids := tenant.Columns(accounts)
	rows, err := s.pool.Query(ctx, `
		SELECT w.tenant_id, w.id, w.balance, w.spent
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN ledger.accounts w ON w.tenant_id = a.tenant_id AND w.id = a.id AND w.guarded`, tenants, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key]Holding, len(accounts))
	var (
		key  tenant.Key
		held Holding
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&key.Tenant), &key.ID, (*int64)(&held.Balance), (*int64)(&held.Spent)}, func() error {
		found[key] = held
		return nil
	})
	return found, err
}

func (s laneStore) transfersOf(ctx context.Context, entries []tenant.Key) (map[tenant.Key][]Transfer, error) {
	tenants, ids := tenant.Columns(entries)
	rows, err := s.pool.Query(ctx, `
		SELECT t.tenant_id, t.entry_id, t.debit_id, t.credit_id, t.amount
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN ledger.transfers t ON t.tenant_id = a.tenant_id AND t.entry_id = a.id
		ORDER BY t.tenant_id, t.entry_id, t.line`, tenants, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key][]Transfer, len(entries))
	var (
		key tenant.Key
		one Transfer
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&key.Tenant), &key.ID, &one.Debit, &one.Credit, (*int64)(&one.Amount)}, func() error {
		found[key] = append(found[key], one)
		return nil
	})
	return found, err
}
