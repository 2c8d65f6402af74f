package settlement

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// Topics that settlement tells of. A payout that came back is news for the shop
// as much as one that arrived.
const (
	TopicPaidOut  = "settlement.paid-out"
	TopicReturned = "settlement.returned"
)

// PaidOut says that a shop's money has arrived or, under TopicReturned, that
// the bank sent it back.
type PaidOut struct {
	SettlementID uuid.UUID    `json:"settlement_id"`
	MerchantID   uuid.UUID    `json:"merchant_id"`
	Amount       money.Amount `json:"amount"`
	Reason       string       `json:"reason,omitempty"`
	At           time.Time    `json:"at"`
}
