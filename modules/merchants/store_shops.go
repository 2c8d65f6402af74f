package merchants

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/tenant"
)

// shops reads what payments need to know and no more, of many municipalities in
// one round trip.
func (s store) shops(ctx context.Context, keys []shopKey) (map[shopKey]shop, error) {
	tenants, ids := make([]int32, len(keys)), make([][16]byte, len(keys))
	for i, key := range keys {
		tenants[i], ids[i] = int32(key.tenant), key.id
	}
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT s.tenant_id, s.id, s.name, s.payable_id, s.trade, s.yearly_sales_over_3bn, s.state
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN merchants.shops s ON s.tenant_id = a.tenant_id AND s.id = a.id`, tenants, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[shopKey]shop, len(keys))
	var (
		in          int32
		id, payable uuid.UUID
		one         shop
	)
	_, err = pgx.ForEachRow(rows, []any{&in, &id, &one.Name, &payable, &one.Trade, &one.YearlySalesOver3bn, (*string)(&one.State)}, func() error {
		one.ID, one.PayableID = id, payable
		found[shopKey{tenant.ID(in), id}] = one
		return nil
	})
	return found, err
}
