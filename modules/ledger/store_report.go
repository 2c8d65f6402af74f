package ledger

import (
	"context"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

func (s store) guardedSums(ctx context.Context) (wallets, subsidy money.Amount, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT
			coalesce(sum(balance) FILTER (WHERE kind = 'wallet'), 0)::bigint,
			coalesce(sum(balance) FILTER (WHERE kind = 'subsidy'), 0)::bigint
		FROM ledger.accounts WHERE tenant_id = $1 AND guarded`, tenant.From(ctx)).Scan(&wallets, &subsidy)
	return wallets, subsidy, err
}
