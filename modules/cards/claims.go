package cards

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/payments"
)

// Claim is what a citizen owes because a stand-in took more than the wallet
// held. Its id is its ledger account's.
type Claim struct {
	TenantID  tenant.ID    `json:"tenant"`
	ID        uuid.UUID    `json:"id"`
	CitizenID uuid.UUID    `json:"-"`
	WalletID  uuid.UUID    `json:"wallet_id"`
	PaymentID uuid.UUID    `json:"payment_id"`
	Amount    money.Amount `json:"amount"`
	Owed      money.Amount `json:"owed" gorm:"-"` // now
	At        time.Time    `json:"at"`
}

// claim keeps what was lent for a payment.
func (s *Service) claim(ctx context.Context, b payments.CardBooked) error {
	if b.Lent == 0 {
		return nil
	}
	c := Claim{TenantID: tenant.From(ctx), ID: b.Claim, CitizenID: b.CitizenID, WalletID: b.WalletID, PaymentID: b.ID, Amount: b.Lent, At: b.At}
	if err := s.store.insertClaim(ctx, c); err != nil {
		return err
	}
	return s.outbox.Put(ctx, TopicClaimed, ClaimedEvent{
		CitizenID: b.CitizenID, ClaimID: b.Claim, MerchantID: b.MerchantID, Amount: b.Lent, At: b.At,
	})
}
