package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

// errNoHouse is a bug of the caller: the accounts that it posts to come from House.
var errNoHouse = errors.New("ledger: the municipality has no accounts yet")

func (s store) open(ctx context.Context, accounts []Account) error {
	ids, owners := make([]uuid.UUID, len(accounts)), make([]*uuid.UUID, len(accounts))
	for i, a := range accounts {
		ids[i], owners[i] = a.ID, a.OwnerID
	}
	kind := accounts[0].Kind
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO ledger.accounts (tenant_id, id, kind, owner_id, guarded, opened_at)
		SELECT $1, id, $2, owner, $3, $4 FROM unnest($5::uuid[], $6::uuid[]) AS a (id, owner)`,
		tenant.From(ctx), kind, kind.Guarded(), accounts[0].OpenedAt, ids, owners)
	return err
}

func (s store) house(ctx context.Context) (h House, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `
		SELECT fund_id, subsidy_id, reserved_id, transit_id, closed_through FROM ledger.books WHERE tenant_id = $1`,
		tenant.From(ctx)).Scan(&h.Fund, &h.Subsidy, &h.Reserved, &h.Transit, &h.ClosedThrough)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoHouse
	}
	return h, err
}

func (s store) lockHouse(ctx context.Context) error {
	_, err := s.db.SQL(ctx).ExecContext(ctx, `SELECT pg_advisory_xact_lock(72619, $1::int)`, tenant.From(ctx))
	return err
}

func (s store) insertHouse(ctx context.Context, h House, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO ledger.books (tenant_id, fund_id, subsidy_id, reserved_id, transit_id, opened_at)
		VALUES (?, ?, ?, ?, ?, ?)`, tenant.From(ctx), h.Fund, h.Subsidy, h.Reserved, h.Transit, at).Error
}

const accountColumns = `tenant_id, id, kind, owner_id, state, balance, spent, opened_at`

// lock reads accounts for update, in the order of their ids, so that two
// transactions over the same accounts cannot deadlock. Summed accounts are read
// and not locked: nothing of theirs is changed.
func (s store) lock(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Account, error) {
	var list []Account
	err := s.db.In(ctx).Raw(`SELECT `+accountColumns+` FROM ledger.accounts
			WHERE tenant_id = ? AND id IN ? AND guarded ORDER BY id FOR NO KEY UPDATE`, tenant.From(ctx), ids).Scan(&list).Error
	if err != nil {
		return nil, err
	}
	var summed []Account
	err = s.db.In(ctx).Raw(`SELECT `+accountColumns+` FROM ledger.accounts
			WHERE tenant_id = ? AND id IN ? AND NOT guarded`, tenant.From(ctx), ids).Scan(&summed).Error
	byID := make(map[uuid.UUID]Account, len(ids))
	for _, a := range append(list, summed...) {
		byID[a.ID] = a
	}
	return byID, err
}

// move changes a guarded balance, by what was spent in all, and today.
func (s store) move(ctx context.Context, id uuid.UUID, change, spent, today money.Amount, day calendar.Day) error {
	return s.db.In(ctx).Exec(`UPDATE ledger.accounts SET balance = balance + ?, spent = spent + ?,
			day_spent = CASE WHEN ?::bigint = 0 THEN day_spent
				ELSE greatest(0, CASE WHEN day = ?::date THEN day_spent ELSE 0 END + ?::bigint) END,
			day = CASE WHEN ?::bigint = 0 THEN day ELSE ?::date END
		WHERE tenant_id = ? AND id = ?`, change, spent, today, day, today, today, day, tenant.From(ctx), id).Error
}

// answer counts up how much of an entry is answered, and refuses too much.
func (s store) answer(ctx context.Context, id uuid.UUID, amount money.Amount) error {
	tx := s.db.In(ctx).Exec(`UPDATE ledger.entries SET answered = answered + ?
		WHERE tenant_id = ? AND id = ? AND answered + ? <= amount`, amount, tenant.From(ctx), id, amount)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return ErrAnsweredInFull.With("entry", id)
	}
	return tx.Error
}

// insert writes entries and their transfers, a statement each.
func (s store) insert(ctx context.Context, entries []Entry, days []calendar.Day) error {
	n := len(entries)
	ids, kinds, ats, dates := make([]uuid.UUID, n), make([]string, n), make([]time.Time, n), make([]string, n)
	amounts, answers := make([]int64, n), make([]*uuid.UUID, n)
	var of, debits, credits []uuid.UUID
	var lines []int16
	var moved []int64
	var on []string
	for i, e := range entries {
		ids[i], kinds[i], ats[i], dates[i], amounts[i] = e.ID, string(e.Kind), e.At, days[i].String(), int64(e.Total())
		if e.Answers != uuid.Nil {
			answers[i] = &e.Answers
		}
		for line, t := range e.Transfers {
			of, lines, on = append(of, e.ID), append(lines, int16(line)), append(on, dates[i])
			debits, credits, moved = append(debits, t.Debit), append(credits, t.Credit), append(moved, int64(t.Amount))
		}
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount, answers)
		SELECT $1, id, kind, at, day, amount, answers
		FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::date[], $6::bigint[], $7::uuid[]) AS e (id, kind, at, day, amount, answers)`,
		tenant.From(ctx), ids, kinds, ats, dates, amounts, answers)
	if db.IsDuplicate(err) {
		return ErrEntryExists.With("entry", ids[0])
	}
	if err != nil {
		return err
	}
	_, err = s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO ledger.transfers (tenant_id, entry_id, line, debit_id, credit_id, amount, day)
		SELECT $1, entry_id, line, debit_id, credit_id, amount, day
		FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::uuid[], $6::bigint[], $7::date[]) AS t (entry_id, line, debit_id, credit_id, amount, day)`,
		tenant.From(ctx), of, lines, debits, credits, moved, on)
	return err
}

// moved is what a bulk of entries did to one account.
type moved struct {
	change, spent money.Amount
	day           calendar.Day // the last on which something was spent
	daySpent      money.Amount
}

func (m *moved) spend(amount money.Amount, on calendar.Day) {
	m.spent += amount
	switch {
	case on.After(m.day):
		m.day, m.daySpent = on, amount
	case on == m.day:
		m.daySpent += amount
	}
}

// moveMany brings guarded balances up to what a bulk of entries moved.
func (s store) moveMany(ctx context.Context, entries []Entry, days []calendar.Day) error {
	sums, answered := map[uuid.UUID]*moved{}, map[uuid.UUID]money.Amount{}
	of := func(id uuid.UUID) *moved {
		if sums[id] == nil {
			sums[id] = &moved{}
		}
		return sums[id]
	}
	for i, e := range entries {
		for _, t := range e.Transfers {
			of(t.Debit).change -= t.Amount
			of(t.Credit).change += t.Amount
			switch e.Kind {
			case Payment:
				of(t.Debit).spend(t.Amount, days[i])
			case Cancellation:
				of(t.Credit).spend(-t.Amount, days[i])
			case WalletDebited:
				of(t.Debit).spent += t.Amount
			default: // no other is spending
			}
		}
		if e.Kind == Cancellation {
			answered[e.Answers] += e.Total()
		}
	}
	n := len(sums)
	ids, changes, spents := make([]uuid.UUID, 0, n), make([]int64, 0, n), make([]int64, 0, n)
	on, daySpents := make([]*string, 0, n), make([]int64, 0, n)
	for id, m := range sums {
		ids, changes, spents = append(ids, id), append(changes, int64(m.change)), append(spents, int64(m.spent))
		var day *string
		if text := m.day.String(); !m.day.IsZero() {
			day = &text
		}
		on, daySpents = append(on, day), append(daySpents, int64(m.daySpent))
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		UPDATE ledger.accounts a SET balance = a.balance + m.change, spent = a.spent + m.spent, day = greatest(a.day, m.day),
			day_spent = greatest(0, CASE WHEN a.day > m.day OR m.day IS NULL THEN a.day_spent
				WHEN a.day = m.day THEN a.day_spent + m.day_spent ELSE m.day_spent END)
		FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::date[], $6::bigint[]) AS m (id, change, spent, day, day_spent)
		WHERE a.tenant_id = $1 AND a.id = m.id AND a.guarded`, tenant.From(ctx), ids, changes, spents, on, daySpents)
	if err != nil || len(answered) == 0 {
		return err
	}
	ids, changes = ids[:0], changes[:0]
	for id, amount := range answered {
		ids, changes = append(ids, id), append(changes, int64(amount))
	}
	_, err = s.db.SQL(ctx).ExecContext(ctx, `
		UPDATE ledger.entries e SET answered = e.answered + m.amount FROM unnest($2::uuid[], $3::bigint[]) AS m (id, amount)
		WHERE e.tenant_id = $1 AND e.id = m.id`, tenant.From(ctx), ids, changes)
	return err
}

func (s store) account(ctx context.Context, id uuid.UUID) (Account, error) {
	list, err := s.accounts(ctx, []uuid.UUID{id})
	if err == nil && len(list) == 0 {
		err = ErrAccountUnknown
	}
	if err != nil {
		return Account{}, err
	}
	return list[0], nil
}

func (s store) accounts(ctx context.Context, ids []uuid.UUID) (list []Account, err error) {
	err = s.db.In(ctx).Raw(`SELECT `+accountColumns+` FROM ledger.accounts WHERE tenant_id = ? AND id IN ?`,
		tenant.From(ctx), ids).Scan(&list).Error
	return list, err
}

// summed adds what moved since the last roll-up to it.
func (s store) summed(ctx context.Context, id uuid.UUID) (balance money.Amount, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `
		WITH base AS (
			SELECT coalesce(max(day), '2000-01-01') AS day, coalesce((array_agg(balance ORDER BY day DESC))[1], 0) AS balance
			FROM (SELECT day, balance FROM ledger.rollups WHERE tenant_id = $1 AND account_id = $2 ORDER BY day DESC LIMIT 1) r
		)
		SELECT base.balance
			+ coalesce((SELECT sum(amount) FROM ledger.transfers WHERE tenant_id = $1 AND credit_id = $2 AND day > base.day), 0)
			- coalesce((SELECT sum(amount) FROM ledger.transfers WHERE tenant_id = $1 AND debit_id = $2 AND day > base.day), 0)
		FROM base`, tenant.From(ctx), id).Scan(&balance)
	return balance, err
}

// lines reads both sides of an account before a place in (day, entry) order.
func (s store) lines(ctx context.Context, account uuid.UUID, before Place, limit int) (lines []Line, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		SELECT l.entry_id, e.kind, l.other, l.amount, e.at, e.day, coalesce(e.answers, '00000000-0000-0000-0000-000000000000')
		FROM (
			(SELECT entry_id, day, credit_id AS other, -amount AS amount FROM ledger.transfers
			 WHERE tenant_id = $1 AND debit_id = $2 AND (day, entry_id) < ($3::date, $4::uuid)
			 ORDER BY day DESC, entry_id DESC LIMIT $5)
			UNION ALL
			(SELECT entry_id, day, debit_id, amount FROM ledger.transfers
			 WHERE tenant_id = $1 AND credit_id = $2 AND (day, entry_id) < ($3::date, $4::uuid)
			 ORDER BY day DESC, entry_id DESC LIMIT $5)
		) l JOIN ledger.entries e ON e.tenant_id = $1 AND e.id = l.entry_id
		ORDER BY l.day DESC, l.entry_id DESC LIMIT $5`, tenant.From(ctx), account, before.Day, before.Entry, limit)
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

func (s store) entry(ctx context.Context, id uuid.UUID) (r Recorded, err error) {
	var found []struct {
		ID       uuid.UUID
		Kind     EntryKind
		At       time.Time
		Day      calendar.Day
		Answers  *uuid.UUID
		Answered money.Amount
	}
	err = s.db.In(ctx).Raw(`SELECT id, kind, at, day, answers, answered FROM ledger.entries WHERE tenant_id = ? AND id = ?`,
		tenant.From(ctx), id).Scan(&found).Error
	if err != nil {
		return r, err
	}
	if len(found) == 0 {
		return r, ErrEntryUnknown
	}
	e := found[0]
	r = Recorded{Entry: Entry{ID: e.ID, Kind: e.Kind, At: e.At}, Day: e.Day, Answered: e.Answered}
	if e.Answers != nil {
		r.Answers = *e.Answers
	}
	err = s.db.In(ctx).Raw(`SELECT debit_id AS debit, credit_id AS credit, amount FROM ledger.transfers
		WHERE tenant_id = ? AND entry_id = ? ORDER BY line`, tenant.From(ctx), id).Scan(&r.Transfers).Error
	return r, err
}

func (s store) answering(ctx context.Context, id uuid.UUID) (ids []uuid.UUID, err error) {
	err = s.db.In(ctx).Raw(`SELECT id FROM ledger.entries WHERE tenant_id = ? AND answers = ? ORDER BY id LIMIT 200`,
		tenant.From(ctx), id).Scan(&ids).Error
	return ids, err
}

// shareBooks reads the last closed day and holds it until the transaction ends,
// so that the day of an entry cannot be closed before the entry is seen.
func (s store) shareBooks(ctx context.Context) (closed calendar.Day, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT closed_through FROM ledger.books WHERE tenant_id = $1 FOR SHARE`,
		tenant.From(ctx)).Scan(&closed)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoHouse
	}
	return closed, err
}

func (s store) close(ctx context.Context, day calendar.Day, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE ledger.books SET closed_through = greatest(closed_through, ?::date),
			closed_at = CASE WHEN closed_through < ?::date THEN ?::timestamptz ELSE closed_at END
		WHERE tenant_id = ?`, day, day, at, tenant.From(ctx)).Error
}

// rollUp keeps what every summed account held at the end of a day, from its
// roll-up before and what moved since.
func (s store) rollUp(ctx context.Context, day calendar.Day) error {
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO ledger.rollups (tenant_id, account_id, day, balance)
		SELECT $1, a.id, $2::date, coalesce(r.balance, 0)
			+ coalesce((SELECT sum(amount) FROM ledger.transfers WHERE tenant_id = $1 AND credit_id = a.id
				AND day > coalesce(r.day, '2000-01-01') AND day <= $2::date), 0)
			- coalesce((SELECT sum(amount) FROM ledger.transfers WHERE tenant_id = $1 AND debit_id = a.id
				AND day > coalesce(r.day, '2000-01-01') AND day <= $2::date), 0)
		FROM ledger.accounts a
		LEFT JOIN LATERAL (SELECT day, balance FROM ledger.rollups
			WHERE tenant_id = $1 AND account_id = a.id AND day < $2::date ORDER BY day DESC LIMIT 1) r ON true
		WHERE a.tenant_id = $1 AND NOT a.guarded
		ON CONFLICT DO NOTHING`, tenant.From(ctx), day)
	return err
}

func (s store) movements(ctx context.Context, day calendar.Day) (list []Movement, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT a.id AS account, a.owner_id AS owner, coalesce(c.amount, 0) AS sales, coalesce(c.count, 0) AS count, coalesce(d.amount, 0) AS cancelled
		FROM ledger.accounts a
		LEFT JOIN LATERAL (SELECT sum(t.amount) AS amount, count(DISTINCT t.entry_id) FILTER (WHERE e.kind = 'payment') FROM ledger.transfers t
			JOIN ledger.entries e ON e.tenant_id = t.tenant_id AND e.id = t.entry_id AND e.kind IN ('payment', 'correction')
			WHERE t.tenant_id = ? AND t.credit_id = a.id AND t.day = ?) c ON true
		LEFT JOIN LATERAL (SELECT sum(t.amount) AS amount FROM ledger.transfers t
			JOIN ledger.entries e ON e.tenant_id = t.tenant_id AND e.id = t.entry_id AND e.kind IN ('cancellation', 'correction')
			WHERE t.tenant_id = ? AND t.debit_id = a.id AND t.day = ?) d ON true
		WHERE a.tenant_id = ? AND a.kind = 'payable' AND (c.amount > 0 OR d.amount > 0)
		ORDER BY a.id`, tenant.From(ctx), day, tenant.From(ctx), day, tenant.From(ctx)).Scan(&list).Error
	return list, err
}
