// Package notifications tells citizens what has happened: the inbox in the app
// and the open page, later push, SMS and mail.
//
// It owns schema notifications. It listens to the outbox and asks nobody: what
// a notice says stood in the event.
//
// It holds these to be true, always:
//   - a notice carries the time of what happened, not only of its telling, and
//     one told late says so;
//   - a notice is the citizen's own; nobody else reads or marks it;
//   - the reason of an ended session is told by its code and by no other words.
package notifications

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Kind of notice; its words stand under "notifications.<kind>.title" and ".text".
type Kind string

// The kinds.
const (
	PurchaseCompleted Kind = "purchase-completed"
	PurchaseFailed    Kind = "purchase-failed"
	PaymentCaptured   Kind = "payment-captured"
	PaymentCancelled  Kind = "payment-cancelled"
	SessionEnded      Kind = "session-ended"
	CardDeclined      Kind = "card-declined"
	CardOffered       Kind = "card-offered"
	CardClaimed       Kind = "card-claimed"
	CardFellThrough   Kind = "card-fell-through"
	CardSwapped       Kind = "card-swapped"
	WalletCredited    Kind = "wallet-credited"
	WalletDebited     Kind = "wallet-debited"
)

// lateAfter is how long after the event a notice may come without saying so.
const lateAfter = time.Minute

// Notice is one thing that a citizen was told.
type Notice struct {
	ID         uuid.UUID
	CitizenID  uuid.UUID
	TenantID   tenant.ID // Platform: of no municipality
	Kind       Kind
	Params     Params
	Link       string // the page that tells more; may be empty
	HappenedAt time.Time
	CreatedAt  time.Time
	ReadAt     *time.Time
}

// Params are the parts of a notice's words.
type Params struct {
	Amount money.Amount `json:"amount,omitempty"` // what was bought, paid or given back
	Paid   money.Amount `json:"paid,omitempty"`   // what left the bank account
	Shop   string       `json:"shop,omitempty"`
	Reason string       `json:"reason,omitempty"` // a stable code: why it failed or ended
}

// Late says that the notice came more than a minute after what it tells.
func (n Notice) Late() bool { return n.CreatedAt.Sub(n.HappenedAt) > lateAfter }

// Topic is the live topic on which a citizen's open pages hear that something
// of theirs has changed.
func Topic(citizen uuid.UUID) string { return "citizen:" + citizen.String() }
