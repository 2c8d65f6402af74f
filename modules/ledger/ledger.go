// Package ledger is the one place where value moves.
//
// It owns schema ledger. What a movement means (a purchase, a payment, a
// payout) is for the module that asks.
//
// It holds these to be true, always:
//   - every entry is made of transfers, each from one account to another, so it
//     balances by construction, and none is zero;
//   - no account that can run out is ever below zero;
//   - an account's balance is what was credited to it less what was debited;
//   - no entry is changed or removed; what undoes it is another that names it;
//   - once a business day is closed, no entry falls on it.
//
// There are two ways in with one meaning: PostTx inside the caller's
// transaction, and Post, the fast lane, for what citizens wait for.
package ledger

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Kind of account.
type Kind string

// The kinds of account. Guarded ones keep a balance that cannot go below zero;
// the others are summed from their transfers, so that a rush locks no row.
const (
	Fund     Kind = "fund"     // 금고: its balance is minus the money that the bank holds
	Subsidy  Kind = "subsidy"  // 할인 재원: guarded
	Reserved Kind = "reserved" // subsidy promised to purchases under way
	Wallet   Kind = "wallet"   // what a citizen can spend: guarded
	Payable  Kind = "payable"  // what a merchant is owed; below zero after a cancellation of what was paid out
	Transit  Kind = "transit"  // payouts instructed and not yet confirmed
)

// Guarded reports whether the balance is kept and can run out.
func (k Kind) Guarded() bool { return k == Wallet || k == Subsidy }

// EntryKind says what an entry means.
type EntryKind string

// What moves value, and from where to where.
const (
	Funding           EntryKind = "funding"            // fund → subsidy
	PurchaseReserved  EntryKind = "purchase-reserved"  // subsidy → reserved
	PurchaseCompleted EntryKind = "purchase-completed" // fund → wallet, reserved → wallet
	PurchaseReleased  EntryKind = "purchase-released"  // reserved → subsidy
	Payment           EntryKind = "payment"            // wallet → payable
	Cancellation      EntryKind = "cancellation"       // payable → wallet
	PayoutSent        EntryKind = "payout-sent"        // payable → transit
	PayoutSettled     EntryKind = "payout-settled"     // transit → fund
	PayoutReturned    EntryKind = "payout-returned"    // transit → payable
	Correction        EntryKind = "correction"         // between any two, with a reason and two people
	WalletCredited    EntryKind = "wallet-credited"    // fund or subsidy → wallet: staff put right what was missing
	WalletDebited     EntryKind = "wallet-debited"     // wallet → fund or subsidy: what was too much; it counts as spent
	FundingReturned   EntryKind = "funding-returned"   // subsidy → fund
)

// Account is one account. Balance and Spent speak of guarded accounts only;
// Service.Balance answers for both.
type Account struct {
	TenantID tenant.ID
	ID       uuid.UUID
	Kind     Kind
	OwnerID  *uuid.UUID
	State    string
	Balance  money.Amount
	Spent    money.Amount // payments less cancellations, since it was opened
	OpenedAt time.Time
}

// House is a municipality's own accounts.
type House struct {
	Fund, Subsidy, Reserved, Transit uuid.UUID
	ClosedThrough                    calendar.Day
}

// Transfer moves Amount from Debit to Credit.
type Transfer struct {
	Debit  uuid.UUID
	Credit uuid.UUID
	Amount money.Amount
}

// Entry is a movement to be posted. ID is a UUIDv7 made before the work began.
type Entry struct {
	ID        uuid.UUID
	Kind      EntryKind
	Transfers []Transfer
	Answers   uuid.UUID // the entry that this one cancels, completes or corrects
	At        time.Time // zero: now. PostMany alone takes another time, for history
}

// Total is the sum of an entry's transfers.
func (e Entry) Total() (sum money.Amount) {
	for _, t := range e.Transfers {
		sum += t.Amount
	}
	return sum
}

// Posted tells where an entry fell.
type Posted struct {
	ID  uuid.UUID
	Day calendar.Day
	At  time.Time
}

// Order is an entry of one transfer for the fast lane, with everything that is
// decided in the statement that books it: a payment, or the cancellation of one.
type Order struct {
	Tenant tenant.ID
	ID     uuid.UUID
	Key    idem.Key
	Wallet uuid.UUID // guarded; is debited, or credited by a cancellation
	Payee  uuid.UUID // summed; is credited, or debited by a cancellation
	Amount money.Amount
	DayMax money.Amount // what the wallet may spend a day; 0 is no limit
	// Answers is the payment that a cancellation undoes; a payment has none.
	Answers uuid.UUID
	// Event is told on Topic and kept as the record, in one commit.
	Topic string
	Event json.RawMessage
}

// entry is what the order becomes.
func (o Order) entry() Entry {
	if o.Answers == uuid.Nil {
		return Entry{ID: o.ID, Kind: Payment, Transfers: []Transfer{{o.Wallet, o.Payee, o.Amount}}}
	}
	return Entry{ID: o.ID, Kind: Cancellation, Answers: o.Answers, Transfers: []Transfer{{o.Payee, o.Wallet, o.Amount}}}
}

// Outcome is what became of an order.
type Outcome struct {
	Posted
	Fresh    bool         // this call booked it and knows Balance
	Replayed bool         // the same key and content came before; this is its entry
	Balance  money.Amount // of the wallet afterwards
	Answered money.Amount // how much of the payment is cancelled afterwards
}

// Line is one transfer as its account sees it.
type Line struct {
	EntryID uuid.UUID
	Kind    EntryKind
	Other   uuid.UUID    // the account on the other side
	Amount  money.Amount // what came in; below zero, what went out
	At      time.Time
	Day     calendar.Day
	Answers uuid.UUID
}

// Holding is what a guarded account's row says at one moment.
type Holding struct {
	Balance money.Amount
	Spent   money.Amount // in all, since it was opened
}

// Recorded is an entry as it stands in the books.
type Recorded struct {
	Entry
	Day      calendar.Day
	Answered money.Amount // how much of it later entries have cancelled
}

// Movement is what a business day brought to one payable account.
type Movement struct {
	Account   uuid.UUID
	Owner     uuid.UUID
	Sales     money.Amount // credited by payments and corrections
	Cancelled money.Amount // debited by cancellations and corrections
	Count     int64        // payments
}

// Difference is something that does not add up.
type Difference struct {
	Tenant tenant.ID
	Check  string // which rule
	Object string // what kind of thing, and its id
	Want   string
	Got    string
}
