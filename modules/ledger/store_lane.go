package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
)

type laneStore struct {
	pool      *pgxpool.Pool
	pay, undo string
}

func newLaneStore(d *db.DB, o LaneOptions) laneStore {
	return laneStore{d.Pgx(), paySQL(o.Payments), undoSQL(o.Cancellations)}
}

// paySQL decides and records a whole batch of payments. It finds the keys that
// came before, shares the books of the batch's municipalities, locks the wallets
// in key order, takes the amounts where balance and day limit allow, and writes
// key, entry, transfer, record and event for exactly those. Every order comes
// back with what was seen of its wallet under the lock, which is also what
// decides and is written: the statement's own view may be older than the lock,
// and would refuse what a cancellation has given back meanwhile. A key that
// another server wrote meanwhile violates its primary key and fails the batch
// whole.
func paySQL(r LaneRecord) string {
	return asked + `, locked AS (
	SELECT w.tenant_id, w.id, w.state, w.balance, w.spent, CASE WHEN w.day = b.day THEN w.day_spent ELSE 0 END AS day_spent, a.nth, b.day
	FROM asked a
	JOIN books b ON b.tenant_id = a.tenant_id
	JOIN ledger.accounts w ON w.tenant_id = a.tenant_id AND w.id = a.wallet AND w.kind = 'wallet'
	WHERE NOT EXISTS (SELECT FROM known k WHERE k.nth = a.nth)
	ORDER BY w.tenant_id, w.id FOR NO KEY UPDATE OF w
), taken AS (
	UPDATE ledger.accounts w SET balance = l.balance - a.amount, spent = l.spent + a.amount, day_spent = l.day_spent + a.amount, day = l.day
	FROM locked l JOIN asked a ON a.nth = l.nth
	WHERE w.tenant_id = l.tenant_id AND w.id = l.id AND l.state = 'open' AND l.balance >= a.amount
		AND (a.day_max = 0 OR l.day_spent + a.amount <= a.day_max)
	RETURNING a.nth, w.tenant_id, a.id, a.key, a.digest, a.wallet, a.payee, a.amount, a.topic, a.event, w.balance, l.day, $10::timestamptz AS at,
		a.answers, 0::bigint AS answered
), entered AS (
	INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
	SELECT tenant_id, id, 'payment', at, day, amount FROM taken
), transferred AS (
	INSERT INTO ledger.transfers (tenant_id, entry_id, line, debit_id, credit_id, amount, day)
	SELECT tenant_id, id, 0, wallet, payee, amount, day FROM taken
)` + kept(r) + outcomes
}

// undoSQL is paySQL for cancellations: it locks the payments' entries in key
// order, then their wallets, and gives back what the payment has left. A frozen
// wallet takes its money back, too.
func undoSQL(r LaneRecord) string {
	return asked + `, paid AS (
	SELECT e.tenant_id, e.id, e.amount, e.answered, a.nth
	FROM asked a
	JOIN ledger.entries e ON e.tenant_id = a.tenant_id AND e.id = a.answers AND e.kind = 'payment'
	WHERE NOT EXISTS (SELECT FROM known k WHERE k.nth = a.nth)
	ORDER BY e.tenant_id, e.id FOR NO KEY UPDATE OF e
), locked AS (
	SELECT w.tenant_id, w.id, w.state, w.balance, w.spent, CASE WHEN w.day = b.day THEN w.day_spent ELSE 0 END AS day_spent, a.nth, b.day,
		p.id AS payment_id, p.answered + a.amount AS answered, p.answered + a.amount <= p.amount AND w.state <> 'closed' AS good
	FROM paid p
	JOIN asked a ON a.nth = p.nth
	JOIN books b ON b.tenant_id = a.tenant_id
	JOIN ledger.accounts w ON w.tenant_id = a.tenant_id AND w.id = a.wallet AND w.kind = 'wallet'
	ORDER BY w.tenant_id, w.id FOR NO KEY UPDATE OF w
), taken AS (
	UPDATE ledger.accounts w SET balance = l.balance + a.amount, spent = l.spent - a.amount, day_spent = greatest(0, l.day_spent - a.amount), day = l.day
	FROM locked l JOIN asked a ON a.nth = l.nth
	WHERE w.tenant_id = l.tenant_id AND w.id = l.id AND l.good
	RETURNING a.nth, w.tenant_id, a.id, a.key, a.digest, a.wallet, a.payee, a.amount, a.topic, a.event, w.balance, l.day, $10::timestamptz AS at,
		a.answers, l.answered
), counted AS (
	UPDATE ledger.entries e SET answered = t.answered FROM taken t WHERE e.tenant_id = t.tenant_id AND e.id = t.answers
), entered AS (
	INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount, answers)
	SELECT tenant_id, id, 'cancellation', at, day, amount, answers FROM taken
), transferred AS (
	INSERT INTO ledger.transfers (tenant_id, entry_id, line, debit_id, credit_id, amount, day)
	SELECT tenant_id, id, 0, payee, wallet, amount, day FROM taken
)` + kept(r) + outcomes
}

// What both statements begin with: the orders, the keys that came before, and
// the books with the day on which the batch falls.
const asked = `
WITH asked AS (
	SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[], $9::json[], $12::uuid[], $13::text[])
		WITH ORDINALITY AS a (tenant_id, id, key, digest, wallet, payee, amount, day_max, event, answers, topic, nth)
), known AS (
	SELECT a.nth, a.tenant_id, k.entry_id, k.digest = a.digest AS same
	FROM asked a CROSS JOIN LATERAL (
		SELECT entry_id, digest FROM app.idempotency_keys WHERE tenant_id = a.tenant_id AND key = a.key LIMIT 1) k
), books AS (
	SELECT b.tenant_id, greatest($11::date, b.closed_through + 1) AS day
	FROM ledger.books b WHERE b.tenant_id IN (SELECT tenant_id FROM asked) ORDER BY b.tenant_id FOR SHARE
)`

// kept writes keys, events and the modules' records of what was taken.
func kept(r LaneRecord) string {
	var text strings.Builder
	text.WriteString(`, keyed AS (
	INSERT INTO app.idempotency_keys (tenant_id, key, digest, entry_id, created_at)
	SELECT tenant_id, key, digest, id, at FROM taken
), told AS (
	INSERT INTO app.outbox (tenant_id, topic, payload, created_at, bundle)
	SELECT tenant_id, topic, json_agg(event ORDER BY nth), at, true FROM taken GROUP BY tenant_id, topic, at
)`)
	for i, keep := range r.Keep {
		fmt.Fprintf(&text, ", record_%d AS (%s)", i, keep)
	}
	return text.String()
}

// outcomes is what both statements end with: a row for every order.
const outcomes = `
SELECT a.nth, t.id IS NOT NULL, k.nth IS NOT NULL, coalesce(k.same, false),
	coalesce(t.id, k.entry_id), coalesce(l.state, ''), coalesce(t.balance, l.balance, 0), coalesce(l.day_spent, 0),
	coalesce(t.day, e.day), coalesce(t.at, e.at), coalesce(t.answered, 0)
FROM asked a
LEFT JOIN taken t ON t.nth = a.nth
LEFT JOIN known k ON k.nth = a.nth
LEFT JOIN ledger.entries e ON e.tenant_id = k.tenant_id AND e.id = k.entry_id
LEFT JOIN locked l ON l.nth = a.nth`

// booked is what the statement says of one order.
type booked struct {
	taken, known, same bool
	entry              uuid.UUID
	state              string
	balance, daySpent  money.Amount
	answered           money.Amount
	day                calendar.Day
	at                 time.Time
}

// book sends orders of one kind.
func (s laneStore) book(ctx context.Context, batch []*waiting) (map[uuid.UUID]booked, error) {
	n := len(batch)
	tenants, amounts, dayMaxes := make([]int32, n), make([]int64, n), make([]int64, n)
	ids, keys, digests := make([][16]byte, n), make([][16]byte, n), make([][16]byte, n)
	wallets, payees, answers := make([][16]byte, n), make([][16]byte, n), make([][16]byte, n)
	topics, events := make([]string, n), make([]string, n)
	for i, w := range batch {
		tenants[i], ids[i], keys[i], digests[i] = int32(w.Tenant), w.ID, w.Key.ID, w.Key.Digest
		wallets[i], payees[i], amounts[i], dayMaxes[i], events[i] = w.Wallet, w.Payee, int64(w.Amount), int64(w.DayMax), string(w.Event)
		answers[i], topics[i] = w.Answers, w.Topic
	}
	sql := s.pay
	if batch[0].Answers != uuid.Nil {
		sql = s.undo
	}
	rows, err := s.pool.Query(ctx, sql, tenants, ids, keys, digests, wallets, payees, amounts, dayMaxes, events,
		batch[0].at, batch[0].day.String(), answers, topics)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	outcomes := make(map[uuid.UUID]booked, n)
	for rows.Next() {
		var (
			nth   int
			entry *[16]byte
			b     booked
			day   *time.Time
			at    *time.Time
		)
		if err := rows.Scan(&nth, &b.taken, &b.known, &b.same, &entry, &b.state, (*int64)(&b.balance), (*int64)(&b.daySpent), &day, &at, (*int64)(&b.answered)); err != nil {
			return nil, err
		}
		if entry != nil {
			b.entry = *entry
		}
		if day != nil {
			b.day = calendar.Date(day.Year(), day.Month(), day.Day())
		}
		if at != nil {
			b.at = *at
		}
		outcomes[batch[nth-1].ID] = b
	}
	return outcomes, rows.Err()
}
