package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// check finds rows that break one rule; each returns object, want and got.
type check struct{ name, sql string }

var checks = []check{
	{"transfer-has-its-entry", `
		SELECT 'transfer ' || t.entry_id || '/' || t.line, 'an entry', 'none'
		FROM ledger.transfers t LEFT JOIN ledger.entries e ON e.tenant_id = $1 AND e.id = t.entry_id
		WHERE t.tenant_id = $1 AND e.id IS NULL`},
	{"transfer-between-known-accounts", `
		SELECT 'transfer ' || t.entry_id || '/' || t.line, 'two accounts', 'an unknown one'
		FROM ledger.transfers t
		LEFT JOIN ledger.accounts d ON d.tenant_id = $1 AND d.id = t.debit_id
		LEFT JOIN ledger.accounts c ON c.tenant_id = $1 AND c.id = t.credit_id
		WHERE t.tenant_id = $1 AND (d.id IS NULL OR c.id IS NULL)`},
	{"guarded-balance-is-its-transfers", `
		SELECT a.kind || ' ' || a.id, coalesce(m.amount, 0)::text, a.balance::text
		FROM ledger.accounts a
		LEFT JOIN (SELECT id, sum(amount) AS amount FROM (
			SELECT credit_id AS id, amount FROM ledger.transfers WHERE tenant_id = $1
			UNION ALL SELECT debit_id, -amount FROM ledger.transfers WHERE tenant_id = $1) x GROUP BY 1) m ON m.id = a.id
		WHERE a.tenant_id = $1 AND a.guarded AND a.balance <> coalesce(m.amount, 0)`},
	{"wallet-spent-is-its-payments", `
		SELECT 'wallet ' || a.id, coalesce(m.amount, 0)::text, a.spent::text
		FROM ledger.accounts a
		LEFT JOIN (SELECT CASE e.kind WHEN 'cancellation' THEN t.credit_id ELSE t.debit_id END AS id,
				sum(CASE e.kind WHEN 'cancellation' THEN -t.amount ELSE t.amount END) AS amount
			FROM ledger.transfers t JOIN ledger.entries e ON e.tenant_id = $1 AND e.id = t.entry_id AND e.kind IN ('payment', 'cancellation', 'claim-repaid', 'wallet-debited')
			WHERE t.tenant_id = $1 GROUP BY 1) m ON m.id = a.id
		WHERE a.tenant_id = $1 AND a.kind = 'wallet' AND a.spent <> coalesce(m.amount, 0)`},
	{"answered-is-its-cancellations", `
		SELECT 'entry ' || e.id, coalesce(c.amount, 0)::text, e.answered::text
		FROM ledger.entries e
		LEFT JOIN (SELECT answers, sum(amount) AS amount FROM ledger.entries WHERE tenant_id = $1 AND kind = 'cancellation' GROUP BY 1) c ON c.answers = e.id
		WHERE e.tenant_id = $1 AND e.answered <> coalesce(c.amount, 0)`},
	{"answers-a-known-entry", `
		SELECT 'entry ' || e.id, 'the entry ' || e.answers, 'none'
		FROM ledger.entries e LEFT JOIN ledger.entries o ON o.tenant_id = $1 AND o.id = e.answers
		WHERE e.tenant_id = $1 AND e.answers IS NOT NULL AND o.id IS NULL`},
	{"rollup-is-its-transfers", `
		SELECT 'roll-up ' || r.account_id || ' of ' || r.day, coalesce(m.amount, 0)::text, r.balance::text
		FROM (SELECT DISTINCT ON (account_id) account_id, day, balance FROM ledger.rollups WHERE tenant_id = $1 ORDER BY account_id, day DESC) r
		LEFT JOIN LATERAL (SELECT
			coalesce((SELECT sum(amount) FROM ledger.transfers WHERE tenant_id = $1 AND credit_id = r.account_id AND day <= r.day), 0)
			- coalesce((SELECT sum(amount) FROM ledger.transfers WHERE tenant_id = $1 AND debit_id = r.account_id AND day <= r.day), 0) AS amount) m ON true
		WHERE r.balance <> m.amount`},
	claimsAboveZero,
}

func (s store) counts(ctx context.Context) (accounts, transfers int64, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM ledger.accounts WHERE tenant_id = $1),
		(SELECT count(*) FROM ledger.transfers WHERE tenant_id = $1)`, tenant.From(ctx)).Scan(&accounts, &transfers)
	return accounts, transfers, err
}

func (s store) check(ctx context.Context, c check) (list []Difference, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, fmt.Sprintf("%s LIMIT %d", c.sql, differencesMost), tenant.From(ctx))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		d := Difference{Tenant: tenant.From(ctx), Check: c.name}
		if err := rows.Scan(&d.Object, &d.Want, &d.Got); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// summedAccounts hands over the accounts that keep no balance, with their last
// roll-up.
func (s store) summedAccounts(ctx context.Context, each func(uuid.UUID, rolledUp)) error {
	return s.db.Stream(ctx, fmt.Sprintf(`
		SELECT a.id, r.day, r.balance FROM ledger.accounts a
		LEFT JOIN LATERAL (SELECT day, balance FROM ledger.rollups
			WHERE tenant_id = %[1]d AND account_id = a.id ORDER BY day DESC LIMIT 1) r ON true
		WHERE a.tenant_id = %[1]d AND NOT a.guarded`, tenant.From(ctx)), nil, func(columns [][]byte) error {
		account := rolledUp{}
		if columns[1] != nil {
			account = rolledUp{rolled: true, through: db.Int32(columns[1]), balance: amountOf(columns[2])}
		}
		each(uuid.UUID(columns[0]), account)
		return nil
	})
}

// guardedAccounts hands over the accounts that keep a balance.
func (s store) guardedAccounts(ctx context.Context, each func(id uuid.UUID, kind Kind, balance, spent money.Amount)) error {
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT id, kind, balance, spent FROM ledger.accounts WHERE tenant_id = %d AND guarded`, tenant.From(ctx)), nil,
		func(columns [][]byte) error {
			kind := Subsidy
			if string(columns[1]) == string(Wallet) {
				kind = Wallet
			}
			each(uuid.UUID(columns[0]), kind, amountOf(columns[2]), amountOf(columns[3]))
			return nil
		})
}

// claims hands over what entries of some kinds say of themselves.
func (s store) claims(ctx context.Context, kinds []EntryKind, each func(Claim)) error {
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT id, kind, amount, answers FROM ledger.entries WHERE tenant_id = %d AND kind = ANY($1)`, tenant.From(ctx)),
		[]any{kinds}, func(columns [][]byte) error {
			c := Claim{EntryID: uuid.UUID(columns[0]), Kind: kindOf(columns[1]), Amount: amountOf(columns[2])}
			if columns[3] != nil {
				c.Answers = uuid.UUID(columns[3])
			}
			each(c)
			return nil
		})
}
