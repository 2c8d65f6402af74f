package vouchers

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"jangteo/app/tenant"
)

// walletFacts reads what payments ask of wallets, of many municipalities in one
// round trip. A wallet without a lot has no last expiry.
func (s store) walletFacts(ctx context.Context, keys []tenant.Key) (map[tenant.Key]walletFact, error) {
	tenants, ids := tenant.Columns(keys)
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT w.tenant_id, w.id, w.citizen_id, w.programme_id, l.last
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN vouchers.wallets w ON w.tenant_id = a.tenant_id AND w.id = a.id
		LEFT JOIN LATERAL (SELECT max(expires_at) AS last FROM vouchers.lots WHERE tenant_id = w.tenant_id AND wallet_id = w.id) l ON true`,
		tenants, ids)
	if err != nil {
		return nil, err
	}
	facts := make(map[tenant.Key]walletFact, len(keys))
	var (
		at   tenant.Key
		fact walletFact
		last *time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&at.Tenant), &at.ID, &fact.citizen, &fact.programme, &last}, func() error {
		fact.lastExpiry = time.Time{}
		if last != nil {
			fact.lastExpiry = *last
		}
		facts[at] = fact
		return nil
	})
	return facts, err
}

// purses reads, for citizens of any municipalities, one wallet of theirs there and
// how many they have.
func (s store) purses(ctx context.Context, keys []tenant.Key) (map[tenant.Key]purse, error) {
	tenants, citizens := tenant.Columns(keys)
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT w.tenant_id, w.citizen_id, count(*), (array_agg(w.id))[1], (array_agg(w.programme_id))[1], max(l.last)
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, citizen_id)
		JOIN vouchers.wallets w ON w.tenant_id = a.tenant_id AND w.citizen_id = a.citizen_id
		LEFT JOIN LATERAL (SELECT max(expires_at) AS last FROM vouchers.lots WHERE tenant_id = w.tenant_id AND wallet_id = w.id) l ON true
		GROUP BY w.tenant_id, w.citizen_id`,
		tenants, citizens)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key]purse, len(keys))
	var (
		at   tenant.Key
		one  purse
		last *time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&at.Tenant), &at.ID, &one.wallets, &one.wallet, &one.programme, &last}, func() error {
		one.citizen, one.lastExpiry = at.ID, time.Time{}
		if last != nil {
			one.lastExpiry = *last
		}
		found[at] = one
		return nil
	})
	return found, err
}
