package payments

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// What payments announces.
const (
	TopicCaptured  = "payments.captured" // the citizen pressed the button
	TopicCharged   = "payments.charged"  // somebody else did: by card, or by the citizen's own code
	TopicCancelled = "payments.cancelled"
)

// SaleTopics are what changes what a shop has taken in.
var SaleTopics = []string{TopicCaptured, TopicCharged, TopicCancelled}

// CapturedEvent is told of every payment; its record is kept from it.
type CapturedEvent struct {
	PaymentID     uuid.UUID    `json:"payment_id"`
	CitizenID     uuid.UUID    `json:"citizen_id"`
	WalletID      uuid.UUID    `json:"wallet_id"`
	ProgrammeID   uuid.UUID    `json:"programme_id"`
	MerchantID    uuid.UUID    `json:"merchant_id"`
	Amount        money.Amount `json:"amount"`
	Method        Method       `json:"method"`
	PolicyVersion int          `json:"policy_version"`
	At            time.Time    `json:"at"`
	Card          *CardUse     `json:"card,omitempty"` // of a payment by card
}

// CancelledEvent is told of every cancellation; its record is kept from it.
type CancelledEvent struct {
	PaymentID      uuid.UUID    `json:"payment_id"`
	CancellationID uuid.UUID    `json:"cancellation_id"`
	CitizenID      uuid.UUID    `json:"citizen_id"`
	WalletID       uuid.UUID    `json:"wallet_id"`
	MerchantID     uuid.UUID    `json:"merchant_id"`
	Amount         money.Amount `json:"amount"`
	ByKind         string       `json:"by_kind"` // citizen, clerk or system
	ByID           uuid.UUID    `json:"by_id"`
	At             time.Time    `json:"at"`
}
