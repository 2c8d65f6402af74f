package payments

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// insertPast keeps payments in one statement.
func (s store) insertPast(ctx context.Context, past []Past) error {
	n := len(past)
	ids, citizens, wallets := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	programmes, merchants := make([]uuid.UUID, n), make([]uuid.UUID, n)
	amounts, cancelled, balances := make([]int64, n), make([]int64, n), make([]int64, n)
	methods, versions, ats, days := make([]string, n), make([]int32, n), make([]time.Time, n), make([]string, n)
	for i, p := range past {
		ids[i], citizens[i], wallets[i], programmes[i], merchants[i] = p.ID, p.CitizenID, p.WalletID, p.ProgrammeID, p.MerchantID
		amounts[i], cancelled[i], balances[i] = int64(p.Amount), int64(p.CancelledAmount), int64(p.BalanceAfter)
		methods[i], versions[i], ats[i], days[i] = string(p.Method), int32(p.PolicyVersion), p.At, p.Day.String()
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO payments.payments (tenant_id, id, citizen_id, wallet_id, programme_id, merchant_id, amount, cancelled_amount,
			balance_after, method, policy_version, at, day)
		SELECT $1, p.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::text[], $11::integer[], $12::timestamptz[], $13::date[]) AS p`,
		tenant.From(ctx), ids, citizens, wallets, programmes, merchants, amounts, cancelled, balances, methods, versions, ats, days)
	return err
}

// insertCancellations keeps cancellations whose payments know of them already.
func (s store) insertCancellations(ctx context.Context, list []Cancellation) error {
	if len(list) == 0 {
		return nil
	}
	n := len(list)
	ids, payments, merchants, byIDs := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	amounts, kinds, ats, days := make([]int64, n), make([]string, n), make([]time.Time, n), make([]string, n)
	afters := make([]int64, n)
	for i, c := range list {
		ids[i], payments[i], merchants[i], byIDs[i] = c.ID, c.PaymentID, c.MerchantID, c.ByID
		amounts[i], kinds[i], ats[i], days[i] = int64(c.Amount), c.ByKind, c.At, c.Day.String()
		afters[i] = int64(c.CancelledAfter)
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO payments.cancellations (tenant_id, id, payment_id, merchant_id, amount, cancelled_after, by_kind, by_id, at, day)
		SELECT $1, c.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[], $8::uuid[],
			$9::timestamptz[], $10::date[]) AS c`,
		tenant.From(ctx), ids, payments, merchants, amounts, afters, kinds, byIDs, ats, days)
	return err
}
