package vouchers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/tenant"
	"jangteo/modules/ledger"
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

// walletsHeld reads many citizens' wallets in all municipalities, those of a
// municipality together, in the order in which they were opened.
func (s store) walletsHeld(ctx context.Context, citizens []uuid.UUID) (map[uuid.UUID][]Wallet, error) {
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT w.tenant_id, w.id, w.citizen_id, w.programme_id, w.opened_at
		FROM unnest($1::uuid[]) AS a (citizen_id)
		CROSS JOIN LATERAL (SELECT wallet_id, tenant_id FROM vouchers.memberships WHERE citizen_id = a.citizen_id ORDER BY wallet_id LIMIT $2) m
		JOIN vouchers.wallets w ON w.tenant_id = m.tenant_id AND w.id = m.wallet_id
		ORDER BY w.citizen_id, first_value(w.id) OVER (PARTITION BY w.citizen_id, w.tenant_id ORDER BY w.id), w.id`, citizens, walletsMost)
	if err != nil {
		return nil, err
	}
	found := make(map[uuid.UUID][]Wallet, len(citizens))
	var w Wallet
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&w.TenantID), &w.ID, &w.CitizenID, &w.ProgrammeID, &w.OpenedAt}, func() error {
		found[w.CitizenID] = append(found[w.CitizenID], w)
		return nil
	})
	return found, err
}

// nextExpiries reads when the first lot that is not spent expires; a wallet of
// which everything is spent has none.
func (s store) nextExpiries(ctx context.Context, holdings map[tenant.Key]ledger.Holding) (map[tenant.Key]time.Time, error) {
	keys, spent := make([]tenant.Key, 0, len(holdings)), make([]int64, 0, len(holdings))
	for key, held := range holdings {
		keys, spent = append(keys, key), append(spent, int64(held.Spent))
	}
	tenants, ids := tenant.Columns(keys)
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT a.tenant_id, a.id, l.expires_at
		FROM unnest($1::int[], $2::uuid[], $3::bigint[]) AS a (tenant_id, id, spent)
		CROSS JOIN LATERAL (
			SELECT expires_at FROM (
				SELECT seq, expires_at, sum(face) OVER (ORDER BY seq) AS through
				FROM vouchers.lots WHERE tenant_id = a.tenant_id AND wallet_id = a.id) o
			WHERE through > a.spent ORDER BY seq LIMIT 1) l`, tenants, ids, spent)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key]time.Time, len(keys))
	var (
		key tenant.Key
		at  time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&key.Tenant), &key.ID, &at}, func() error {
		found[key] = at
		return nil
	})
	return found, err
}
