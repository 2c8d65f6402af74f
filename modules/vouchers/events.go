package vouchers

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// What this module announces.
const (
	TopicPurchaseCompleted = "vouchers.purchase-completed"
	TopicPurchaseFailed    = "vouchers.purchase-failed"
	TopicCorrected         = "vouchers.wallet-corrected"
)

// PurchaseSettled is the payload of both topics. Reason is banking's, of a
// failed purchase only.
type PurchaseSettled struct {
	PurchaseID uuid.UUID    `json:"purchase_id"`
	CitizenID  uuid.UUID    `json:"citizen_id"`
	WalletID   uuid.UUID    `json:"wallet_id"`
	Amount     money.Amount `json:"amount"`
	Paid       money.Amount `json:"paid"`
	Subsidy    money.Amount `json:"subsidy"`
	Reason     string       `json:"reason,omitempty"`
	At         time.Time    `json:"at"`
}

// CorrectionMade is the payload of TopicCorrected.
type CorrectionMade struct {
	CorrectionID uuid.UUID    `json:"correction_id"`
	CitizenID    uuid.UUID    `json:"citizen_id"`
	WalletID     uuid.UUID    `json:"wallet_id"`
	Takes        bool         `json:"takes"` // out of the wallet; else into it
	Amount       money.Amount `json:"amount"`
	At           time.Time    `json:"at"`
}
