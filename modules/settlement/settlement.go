// Package settlement closes business days and pays shops what they are owed.
//
// It owns schema settlement. Each closed day gives every shop that sold or
// cancelled something one settlement, which is paid on its payout day through
// the bank. It holds these to be true, always:
//   - a closed day never changes, and closing it again changes nothing;
//   - the settlements of a day add up to what the ledger says moved;
//   - a settlement is paid once: what the bank has not told yet is neither paid
//     again nor called paid;
//   - what is below zero is carried into the shop's next settlement, never lost.
//
// Every step can be interrupted anywhere and run again.
package settlement

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
)

// State of a settlement.
type State string

// Closed waits for its payout day; Sent is at the bank; Returned came back and
// waits for a person; Carried owed nothing and is final, as is Paid.
const (
	Closed   State = "closed"
	Carried  State = "carried"
	Sent     State = "sent"
	Paid     State = "paid"
	Returned State = "returned"
)

// transitions is the whole graph; whatever is not here cannot happen.
var transitions = map[State][]State{
	Closed:   {Sent},           // PayOut
	Sent:     {Paid, Returned}, // the bank's word
	Returned: {Sent},           // Retry, after somebody put the account right
	Carried:  {},
	Paid:     {},
}

// States lists them in the order of a settlement's life.
func States() []State { return []State{Closed, Carried, Sent, Paid, Returned} }

func (s State) mayBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Settlement is what one shop is owed for one business day.
type Settlement struct {
	ID            uuid.UUID
	MerchantID    uuid.UUID
	AccountID     uuid.UUID // the shop's account in the ledger
	Day           calendar.Day
	Payments      int64
	Sales         money.Amount
	Cancellations money.Amount
	Carried       money.Amount // from the settlement before; zero or below
	Net           money.Amount // sales less cancellations and what was carried
	PayoutDay     calendar.Day
	State         State
	TransferID    *uuid.UUID // the last instruction to the bank, and its entry in the ledger
	BankCode      string     // where it was paid to
	NumberMasked  string
	Attempts      int
	Reason        string // why it came back, a banking.Reason
	CreatedAt     time.Time
	SentAt        *time.Time
	PaidAt        *time.Time
}

// Turnover is what the day itself brought, whatever was carried into it.
func (s Settlement) Turnover() money.Amount { return s.Sales - s.Cancellations }

// Day is a closed business day of a municipality.
type Day struct {
	Day           calendar.Day
	ClosedAt      time.Time
	Settlements   int
	Sales         money.Amount
	Cancellations money.Amount
}

// Terms are what a municipality has agreed with its shops and its bank.
type Terms struct {
	Days        int    // business days from a sale to its payout, 1 or 2
	FundAccount string // the municipality's own account, digits
}

// Which settlements PayOut takes.
type Which int

// Due ones are the rule; All also pays those whose payout day has not come, for
// demonstrations and by a person's order.
const (
	Due Which = iota
	All
)

func (w Which) String() string {
	if w == All {
		return "all"
	}
	return "due"
}

// Filter narrows a listing; zero values do not.
type Filter struct {
	Merchant uuid.UUID
	Day      calendar.Day
	State    State
	Before   Cursor // the last of the page before
	Limit    int    // 1 to 200
}

// Cursor is where a page ended.
type Cursor struct {
	Day calendar.Day
	ID  uuid.UUID
}
