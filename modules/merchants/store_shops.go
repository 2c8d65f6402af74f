package merchants

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/tenant"
)

// shops reads what payments need to know and no more, of many municipalities in
// one round trip.
func (s store) shops(ctx context.Context, keys []tenant.Key) (map[tenant.Key]shop, error) {
	tenants, ids := tenant.Columns(keys)
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT s.tenant_id, s.id, s.name, s.payable_id, s.trade, s.yearly_sales_over_3bn, s.state
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN merchants.shops s ON s.tenant_id = a.tenant_id AND s.id = a.id`, tenants, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key]shop, len(keys))
	var (
		in  tenant.ID
		one shop
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&in), &one.ID, &one.Name, &one.PayableID, &one.Trade, &one.YearlySalesOver3bn, (*string)(&one.State)}, func() error {
		found[tenant.Key{Tenant: in, ID: one.ID}] = one
		return nil
	})
	return found, err
}

// owners reads whose the accounts in the ledger are.
func (s store) owners(ctx context.Context, accounts []tenant.Key) (map[tenant.Key]uuid.UUID, error) {
	tenants, ids := tenant.Columns(accounts)
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT s.tenant_id, s.payable_id, s.id
		FROM unnest($1::int[], $2::uuid[]) AS a (tenant_id, id)
		JOIN merchants.shops s ON s.tenant_id = a.tenant_id AND s.payable_id = a.id`, tenants, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[tenant.Key]uuid.UUID, len(accounts))
	var (
		account tenant.Key
		id      uuid.UUID
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&account.Tenant), &account.ID, &id}, func() error {
		found[account] = id
		return nil
	})
	return found, err
}
