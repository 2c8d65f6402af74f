package vouchers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/tenant"
)

// walletFacts reads what payments ask of wallets, of many municipalities in one
// round trip. A wallet without a lot has no last expiry.
func (s store) walletFacts(ctx context.Context, keys []walletAt) (map[walletAt]walletFact, error) {
	tenants, ids := make([]int32, len(keys)), make([][16]byte, len(keys))
	for i, key := range keys {
		tenants[i], ids[i] = int32(key.tenant), key.id
	}
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT w.tenant_id, w.id, w.citizen_id, w.programme_id, l.last
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN vouchers.wallets w ON w.tenant_id = a.tenant_id AND w.id = a.id
		LEFT JOIN LATERAL (SELECT max(expires_at) AS last FROM vouchers.lots WHERE tenant_id = w.tenant_id AND wallet_id = w.id) l ON true`,
		tenants, ids)
	if err != nil {
		return nil, err
	}
	facts := make(map[walletAt]walletFact, len(keys))
	var (
		in                     int32
		id, citizen, programme uuid.UUID
		last                   *time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&in, &id, &citizen, &programme, &last}, func() error {
		fact := walletFact{citizen: citizen, programme: programme}
		if last != nil {
			fact.lastExpiry = *last
		}
		facts[walletAt{tenant.ID(in), id}] = fact
		return nil
	})
	return facts, err
}
