package payments

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

type store struct{ db, lane *db.DB }

// PaidRecord and UndoneRecord are what the fast lane keeps of payments and
// cancellations, from their events and inside its own statement.
var (
	PaidRecord   = ledger.LaneRecord{Keep: []string{keepPayment}}
	UndoneRecord = ledger.LaneRecord{Keep: []string{keepCancellation, countCancelled}}
)

const keepPayment = `INSERT INTO payments.payments
		(tenant_id, id, citizen_id, wallet_id, programme_id, merchant_id, amount, balance_after, method, policy_version, at, day)
	SELECT tenant_id, id, e.citizen_id, wallet, e.programme_id, e.merchant_id, amount, balance, e.method, e.policy_version, at, day
	FROM taken, json_to_record(event) AS e (citizen_id uuid, programme_id uuid, merchant_id uuid, method text, policy_version int)`

const keepCancellation = `INSERT INTO payments.cancellations
		(tenant_id, id, payment_id, merchant_id, amount, cancelled_after, by_kind, by_id, at, day)
	SELECT tenant_id, id, answers, e.merchant_id, amount, answered, e.by_kind, e.by_id, at, day
	FROM taken, json_to_record(event) AS e (merchant_id uuid, by_kind text, by_id uuid)`

const countCancelled = `UPDATE payments.payments p SET cancelled_amount = t.answered FROM taken t
	WHERE p.tenant_id = t.tenant_id AND p.id = t.answers`

func (s store) get(ctx context.Context, id uuid.UUID) (Payment, error) {
	return s.one(ctx, `SELECT * FROM payments.payments WHERE tenant_id = ? AND id = ?`, id)
}

func (s store) one(ctx context.Context, query string, id uuid.UUID) (Payment, error) {
	var found []Payment
	err := s.db.In(ctx).Raw(query, tenant.From(ctx), id).Scan(&found).Error
	if err == nil && len(found) == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return Payment{}, err
	}
	return found[0], nil
}

// payments reads many municipalities' payments in one round trip.
func (s store) payments(ctx context.Context, keys []tenant.Key) (map[tenant.Key]Payment, error) {
	tenants, ids := tenant.Columns(keys)
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT p.tenant_id, p.id, p.citizen_id, p.wallet_id, p.programme_id, p.merchant_id, p.amount, p.cancelled_amount, p.balance_after,
			p.method, p.policy_version, p.at, p.day
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN payments.payments p ON p.tenant_id = a.tenant_id AND p.id = a.id`, tenants, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key]Payment, len(keys))
	var (
		p   Payment
		day time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{
		(*int32)(&p.TenantID), &p.ID, &p.CitizenID, &p.WalletID, &p.ProgrammeID, &p.MerchantID, (*int64)(&p.Amount), (*int64)(&p.CancelledAmount),
		(*int64)(&p.BalanceAfter), (*string)(&p.Method), &p.PolicyVersion, &p.At, &day,
	}, func() error {
		p.Day = calendar.Date(day.Year(), day.Month(), day.Day())
		found[tenant.Key{Tenant: p.TenantID, ID: p.ID}] = p
		return nil
	})
	return found, err
}

func (s store) cancellation(ctx context.Context, id uuid.UUID) (c Cancellation, err error) {
	var found []Cancellation
	err = s.db.In(ctx).Raw(`SELECT * FROM payments.cancellations WHERE tenant_id = ? AND id = ?`, tenant.From(ctx), id).Scan(&found).Error
	if err == nil && len(found) == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return c, err
	}
	return found[0], nil
}

func (s store) cancellations(ctx context.Context, payment uuid.UUID) (list []Cancellation, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM payments.cancellations WHERE tenant_id = ? AND payment_id = ? ORDER BY id LIMIT 200`,
		tenant.From(ctx), payment).Scan(&list).Error
	return list, err
}

func (f Filter) limit() int {
	if f.Limit < 1 || f.Limit > 200 {
		return 50
	}
	return f.Limit
}

func (f Filter) before() uuid.UUID {
	if f.Before == uuid.Nil {
		return uuid.Max
	}
	return f.Before
}

// days turns the filter into a range that an index serves.
func (f Filter) days() (from, to calendar.Day) {
	from, to = f.From, f.To
	if !f.Day.IsZero() {
		from, to = f.Day, f.Day
	}
	if from.IsZero() {
		from = calendar.Date(2000, 1, 1)
	}
	if to.IsZero() {
		to = calendar.Date(2999, 12, 31)
	}
	return from, to
}

func (s store) byMerchant(ctx context.Context, merchant uuid.UUID, f Filter) (list []Payment, err error) {
	from, to := f.days()
	err = s.db.In(ctx).Raw(`SELECT * FROM payments.payments
		WHERE tenant_id = ? AND merchant_id = ? AND day BETWEEN ? AND ? AND id < ?
		ORDER BY day DESC, id DESC LIMIT ?`, tenant.From(ctx), merchant, from, to, f.before(), f.limit()).Scan(&list).Error
	return list, err
}

// these reads payments, newest first; some of ids may be of other entries.
func (s store) these(ctx context.Context, ids []uuid.UUID) (list []Payment, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM payments.payments WHERE tenant_id = ? AND id IN ?
		ORDER BY id DESC`, tenant.From(ctx), ids).Scan(&list).Error
	return list, err
}

func (s store) list(ctx context.Context, f Filter) (list []Payment, err error) {
	from, to := f.days()
	err = s.db.In(ctx).Raw(`SELECT * FROM payments.payments WHERE tenant_id = ? AND day BETWEEN ? AND ? AND id < ?
		ORDER BY id DESC LIMIT ?`, tenant.From(ctx), from, to, f.before(), f.limit()).Scan(&list).Error
	return list, err
}

func (s store) totals(ctx context.Context, merchant uuid.UUID, f Filter) (t Totals, err error) {
	from, to := f.days()
	err = s.db.In(ctx).Raw(`SELECT
			coalesce((SELECT sum(amount) FROM payments.payments WHERE tenant_id = @t AND merchant_id = @m AND day BETWEEN @from AND @to), 0) AS sales,
			(SELECT count(*) FROM payments.payments WHERE tenant_id = @t AND merchant_id = @m AND day BETWEEN @from AND @to) AS count,
			coalesce((SELECT sum(amount) FROM payments.cancellations WHERE tenant_id = @t AND merchant_id = @m AND day BETWEEN @from AND @to), 0) AS cancelled`,
		map[string]any{"t": tenant.From(ctx), "m": merchant, "from": from, "to": to}).Scan(&t).Error
	return t, err
}

// verify finds payments that their cancellations do not bear out.
func (s store) verify(ctx context.Context) (list []ledger.Difference, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT CAST(@t AS int) AS tenant, 'payment-cancelled-is-its-cancellations' AS "check", 'payment ' || p.id AS object,
			coalesce(c.amount, 0)::text AS want, p.cancelled_amount::text AS got
		FROM payments.payments p
		LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM payments.cancellations WHERE tenant_id = @t GROUP BY 1) c ON c.payment_id = p.id
		WHERE p.tenant_id = @t AND p.cancelled_amount <> coalesce(c.amount, 0)
		LIMIT 100`, map[string]any{"t": tenant.From(ctx)}).Scan(&list).Error
	return list, err
}

// claims reads what payments and cancellations say of their entries, whose ids
// are their own.
func (s store) claims(ctx context.Context, after uuid.UUID, limit int) (list []ledger.Claim, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT * FROM (
			(SELECT 'payment ' || id AS object, id AS entry_id, 'payment' AS kind, amount, '00000000-0000-0000-0000-000000000000'::uuid AS answers
			 FROM payments.payments WHERE tenant_id = @t AND id > @after ORDER BY id LIMIT @limit)
			UNION ALL
			(SELECT 'cancellation ' || id, id, 'cancellation', amount, payment_id
			 FROM payments.cancellations WHERE tenant_id = @t AND id > @after ORDER BY id LIMIT @limit)
		) c ORDER BY entry_id LIMIT @limit`, map[string]any{"t": tenant.From(ctx), "after": after, "limit": limit}).Scan(&list).Error
	return list, err
}
