package notifications

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/outbox"
)

// Topics are the events that citizens are told of; app wires OnEvents to them.
// payments.captured is none of them: they pressed the button and saw the answer,
// and it stands in their history. An inbox is for what happened without them.
var Topics = []string{
	"vouchers.purchase-completed", "vouchers.purchase-failed", "vouchers.wallet-corrected",
	"payments.charged", "payments.cancelled", "sessions.ended",
	"cards.declined", "cards.offered", "cards.claimed", "cards.fell-through", "cards.swapped",
}

// happened is what the events of several modules say, as far as a notice needs it.
type happened struct {
	CitizenID    uuid.UUID    `json:"citizen_id"`
	PurchaseID   uuid.UUID    `json:"purchase_id"`
	CorrectionID uuid.UUID    `json:"correction_id"`
	Takes        bool         `json:"takes"`
	PaymentID    uuid.UUID    `json:"payment_id"`
	SwapID       uuid.UUID    `json:"fall_through_id"`
	Rest         money.Amount `json:"rest"`
	MerchantID   uuid.UUID    `json:"merchant_id"`
	Amount       money.Amount `json:"amount"`
	Paid         money.Amount `json:"paid"`
	Reason       string       `json:"reason"`
	Code         string       `json:"code"`
	At           time.Time    `json:"at"`
}

// noticeOf writes the notice of an event; told is false for an event that
// citizens do not hear of.
func noticeOf(e outbox.Event, h happened) (n Notice, told bool) {
	n = Notice{CitizenID: h.CitizenID, TenantID: e.Tenant, HappenedAt: h.At, Params: Params{Amount: h.Amount}}
	if n.HappenedAt.IsZero() {
		n.HappenedAt = e.At
	}
	switch e.Topic {
	case "vouchers.purchase-completed":
		n.Kind, n.Params.Paid = PurchaseCompleted, h.Paid
		n.Link = "/my/purchases/" + e.Tenant.String() + "/" + h.PurchaseID.String()
	case "vouchers.purchase-failed":
		n.Kind, n.Params.Reason = PurchaseFailed, h.Reason
		n.Link = "/my/purchases/" + e.Tenant.String() + "/" + h.PurchaseID.String()
	case "vouchers.wallet-corrected":
		n.Kind, n.Link = WalletCredited, "/my/corrections/"+e.Tenant.String()+"/"+h.CorrectionID.String()
		if h.Takes {
			n.Kind = WalletDebited
		}
	case "payments.charged":
		n.Kind = PaymentCaptured
		n.Link = "/my/payments/" + e.Tenant.String() + "/" + h.PaymentID.String()
	case "payments.cancelled":
		n.Kind = PaymentCancelled
		n.Link = "/my/payments/" + e.Tenant.String() + "/" + h.PaymentID.String()
	case "sessions.ended":
		n.Kind, n.Params = SessionEnded, Params{Reason: h.Code}
		n.Link = "/my/security"
	case "cards.declined":
		n.Kind, n.Link, n.Params.Reason = CardDeclined, "/my/cards", h.Code
	case "cards.offered":
		n.Kind, n.Link, n.Params.Amount = CardOffered, "/my/cards", h.Rest
	case "cards.claimed":
		n.Kind, n.Link = CardClaimed, "/my/cards/claims"
	case "cards.fell-through", "cards.swapped":
		n.Kind, n.Link = CardFellThrough, "/my/cards/swaps/"+e.Tenant.String()+"/"+h.SwapID.String()
		if e.Topic == "cards.swapped" {
			n.Kind = CardSwapped
		}
	default:
		return Notice{}, false
	}
	return n, h.CitizenID != uuid.Nil
}
