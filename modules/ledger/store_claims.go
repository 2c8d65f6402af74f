package ledger

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

func (s store) holdSummed(ctx context.Context, id uuid.UUID) error {
	return s.db.In(ctx).Exec(`SELECT FROM ledger.accounts WHERE tenant_id = ? AND id = ? FOR NO KEY UPDATE`, tenant.From(ctx), id).Error
}

// claimSum adds the balances of all claims; there are few.
func (s store) claimSum(ctx context.Context) (balance money.Amount, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `
		SELECT coalesce(sum((SELECT coalesce(sum(amount), 0) FROM ledger.transfers WHERE tenant_id = $1 AND credit_id = a.id)
			- (SELECT coalesce(sum(amount), 0) FROM ledger.transfers WHERE tenant_id = $1 AND debit_id = a.id)), 0)::bigint
		FROM ledger.accounts a WHERE a.tenant_id = $1 AND a.kind = 'claim'`, tenant.From(ctx)).Scan(&balance)
	return balance, err
}

// claimsAboveZero are claims that were repaid more than was owed.
var claimsAboveZero = check{"claim-is-never-in-credit", `
	SELECT 'claim ' || c.id, 'zero or below', c.balance::text FROM (
		SELECT a.id, (SELECT coalesce(sum(amount), 0) FROM ledger.transfers WHERE tenant_id = $1 AND credit_id = a.id)
			- (SELECT coalesce(sum(amount), 0) FROM ledger.transfers WHERE tenant_id = $1 AND debit_id = a.id) AS balance
		FROM ledger.accounts a WHERE a.tenant_id = $1 AND a.kind = 'claim') c
	WHERE c.balance > 0`}
