package payments_test

import (
	"testing"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/db"
	"jangteo/app/testkit"
	"jangteo/modules/payments"
)

// What was planted wrong between payments and the books is found and named.
func TestVerifyFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	const (
		paid   = `kind = 'payment'`
		double = `INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
			SELECT tenant_id, gen_random_uuid(), kind, at, day, amount FROM ledger.entries WHERE tenant_id = $1 AND ` + paid
	)
	for _, c := range []struct{ name, check, sql string }{
		{"a payment without entry", "payment-has-its-entry", `DELETE FROM ledger.entries WHERE tenant_id = $1 AND ` + paid},
		{"a cancellation without entry", "payment-has-its-entry", `DELETE FROM ledger.entries WHERE tenant_id = $1 AND kind = 'cancellation'`},
		{"an entry without payment", "entry-has-its-payment", `WITH c AS (DELETE FROM payments.cancellations WHERE tenant_id = $1) DELETE FROM payments.payments WHERE tenant_id = $1`},
		{"a doubled entry", "entry-has-its-payment", double},
		{"another amount", "payment-agrees-with-its-entry", `UPDATE payments.payments SET amount = amount + 1 WHERE tenant_id = $1`},
		{"more cancelled than the cancellations say", "payment-cancelled-is-its-cancellations", `UPDATE payments.payments SET cancelled_amount = cancelled_amount + 1 WHERE tenant_id = $1`},
		{"less cancelled", "payment-cancelled-is-its-cancellations", `UPDATE payments.payments SET cancelled_amount = 0 WHERE tenant_id = $1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t)
			p.link().buy("100000")
			made, _, err := p.payments.Pay(p.ctx, payments.PayInput{Key: uuid.NewString(), CitizenID: p.citizen, MerchantID: p.shop.ID, Amount: 12_500})
			p.must(err)
			asCitizen := auth.With(p.ctx, auth.Principal{Kind: auth.Citizen, ID: p.citizen})
			_, _, err = p.payments.Cancel(asCitizen, payments.CancelInput{Key: uuid.NewString(), PaymentID: made.ID, Amount: 2_500})
			p.must(err)
			before, err := p.payments.Verify(p.ctx)
			p.must(err)
			if len(before) > 0 {
				t.Fatalf("before anything was planted: %v", before)
			}
			owner, err := db.Open(p.ctx, db.Options{URL: testkit.URL(t), Role: "postgres", MaxConnections: 1})
			p.must(err)
			defer func() { _ = owner.Close() }()
			changed, err := owner.Pgx().Exec(p.ctx, c.sql, int(p.kit.Tenant))
			p.must(err)
			if changed.RowsAffected() == 0 {
				t.Fatal("nothing was planted")
			}
			found, err := p.payments.Verify(p.ctx)
			p.must(err)
			for _, d := range found {
				if d.Check == c.check {
					return
				}
			}
			t.Errorf("not found; found %v", found)
		})
	}
}
