package payments

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// weigh hands over what every payment and cancellation says of its entry, and
// weighs what payments say was cancelled of them against the cancellations.
func (s store) weigh(ctx context.Context, cancelled *ledger.Scale, claim func(ledger.Claim)) error {
	err := s.db.Stream(ctx, fmt.Sprintf(`SELECT id, amount, cancelled_amount FROM payments.payments WHERE tenant_id = %d`, tenant.From(ctx)), nil,
		func(columns [][]byte) error {
			id := uuid.UUID(columns[0])
			cancelled.Add(id, money.Amount(db.Int64(columns[2])))
			claim(ledger.Claim{EntryID: id, Kind: ledger.Payment, Amount: money.Amount(db.Int64(columns[1]))})
			return nil
		})
	if err != nil {
		return err
	}
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT id, payment_id, amount FROM payments.cancellations WHERE tenant_id = %d`, tenant.From(ctx)), nil,
		func(columns [][]byte) error {
			of, amount := uuid.UUID(columns[1]), money.Amount(db.Int64(columns[2]))
			cancelled.Take(of, amount)
			claim(ledger.Claim{EntryID: uuid.UUID(columns[0]), Kind: ledger.Cancellation, Amount: amount, Answers: of})
			return nil
		})
}
