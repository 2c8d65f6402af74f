// Package payments takes a citizen's voucher at a merchant's till.
//
// It owns schema payments. It asks vouchers what may be spent, merchants who
// may be paid, and ledger to move the value.
//
// It holds these to be true, always:
//   - a payment is one ledger entry of the same id and amount;
//   - what was cancelled of a payment is the sum of its cancellations, each an
//     entry of its own that names the payment's, and never more than was paid.
package payments

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Method is how the citizen and the merchant met.
type Method string

// The ways to pay.
const (
	ByMerchant   Method = "merchant"    // chosen from a list
	ByStaticQR   Method = "static-qr"   // the code on the counter
	ByDynamicQR  Method = "dynamic-qr"  // the code of one sale
	ByCustomerQR Method = "customer-qr" // the citizen's own code
)

// State is what has become of a payment.
type State string

// The states, from the amounts; nothing is stored that could disagree.
const (
	Captured           State = "captured"
	PartiallyCancelled State = "partially-cancelled"
	Cancelled          State = "cancelled"
)

// Payment is one payment as it stands now. Its id is its ledger entry's.
type Payment struct {
	TenantID        tenant.ID    `json:"tenant"`
	ID              uuid.UUID    `json:"id"`
	CitizenID       uuid.UUID    `json:"-"`
	WalletID        uuid.UUID    `json:"wallet_id"`
	ProgrammeID     uuid.UUID    `json:"programme_id"`
	MerchantID      uuid.UUID    `json:"merchant_id"`
	MerchantName    string       `json:"merchant_name" gorm:"-"`
	Amount          money.Amount `json:"amount"`
	CancelledAmount money.Amount `json:"cancelled_amount"`
	BalanceAfter    money.Amount `json:"balance_after"` // of the wallet, just after the payment
	Method          Method       `json:"method"`
	PolicyVersion   int          `json:"policy_version"`
	At              time.Time    `json:"at"`
	Day             calendar.Day `json:"business_day"`
}

// State follows from the amounts.
func (p Payment) State() State {
	switch {
	case p.CancelledAmount == 0:
		return Captured
	case p.CancelledAmount < p.Amount:
		return PartiallyCancelled
	}
	return Cancelled
}

// Left is what could still be cancelled, and what the merchant keeps.
func (p Payment) Left() money.Amount { return p.Amount - p.CancelledAmount }

// ApprovalNumber is what people read to each other: the last eight signs of the id.
func (p Payment) ApprovalNumber() string {
	text := p.ID.String()
	return text[len(text)-8:]
}

// Cancellation undoes a payment, whole or in part. Its id is its ledger entry's.
type Cancellation struct {
	TenantID   tenant.ID    `json:"-"`
	ID         uuid.UUID    `json:"id"`
	PaymentID  uuid.UUID    `json:"payment_id"`
	MerchantID uuid.UUID    `json:"-"`
	Amount     money.Amount `json:"amount"`
	// CancelledAfter is how much of the payment was undone just after this.
	CancelledAfter money.Amount `json:"-"`
	ByKind         string       `json:"by"`
	ByID           uuid.UUID    `json:"-"`
	At             time.Time    `json:"at"`
	Day            calendar.Day `json:"business_day"`
}

// Filter narrows a listing of payments, newest first; zero values do not.
type Filter struct {
	Day    calendar.Day
	From   calendar.Day
	To     calendar.Day
	Before uuid.UUID // the last payment of the page before
	Limit  int       // 1 to 200, else 50
}
