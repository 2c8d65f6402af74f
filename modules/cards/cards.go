// Package cards lets an ordinary card draw on a citizen's voucher.
//
// It owns schema cards: which card is whose, by the issuer's token and never by
// its number; which terminal stands in which shop; what was decided of each
// message of an issuer, and what went wrong and is put right.
//
// It holds these to be true, always:
//   - a message of an issuer has one decision, however often and in whatever
//     order it and its reversals come;
//   - what a card spends is a payment like any other, or nothing;
//   - no bank account is named as payer unless the citizen allowed it;
//   - no wallet goes below zero: what a stand-in took too much is a claim, with
//     an account of its own in the ledger.
package cards

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Message names one message of an issuer.
type Message struct {
	Issuer         string    `json:"issuer"`          // two signs of the issuers' list
	Key            string    `json:"key"`             // names the message for ever: STAN, transmission time and terminal as they came; at most 64 printable signs
	Retrieval      string    `json:"retrieval"`       // DE37, at most 12
	Token          string    `json:"token"`           // the issuer's name for the card, never its number
	MerchantNumber string    `json:"merchant_number"` // DE42
	Terminal       string    `json:"terminal"`        // DE41
	At             time.Time `json:"at"`
}

// Request asks for money: 0100, 0200.
type Request struct {
	Message
	Amount  money.Amount
	Partial bool // the issuer can take less than it asked for
}

// Reversal takes back what was asked: 0400, 0420.
type Reversal struct {
	Message
	Original string       // key of the message that it reverses
	Amount   money.Amount // of the voucher's part; 0: all of it
}

// Advice tells what the issuer decided while we could not be asked: 0120.
type Advice struct {
	Message
	Original string       `json:"original"` // key of the request that had no answer; may be empty
	Amount   money.Amount `json:"amount"`
	Voucher  money.Amount `json:"voucher"` // what the issuer promised for the voucher
	Account  money.Amount `json:"account"` // what it took from the bank account
}

// Decision is what the issuer is answered.
type Decision struct {
	Approved money.Amount // by the voucher
	Account  money.Amount // what may be taken from the bank account besides
	Number   string       // of the approval, six signs; empty if nothing was approved
	Left     money.Amount // in the wallet
	Replayed bool         // the message had come before
}

// Issuer is one that may connect.
type Issuer struct {
	Code string
	Name string // Korean
	// Partial says that its network carries partial approvals.
	Partial bool
}

// Mode says what a card may do in a municipality when the voucher does not
// cover a payment.
type Mode string

// The modes.
const (
	VoucherOnly Mode = "voucher-only" // the bank account is never touched
	Ask         Mode = "ask"          // the citizen is asked on the phone
	Allow       Mode = "allow"        // the bank account pays the rest
)

// State of a linked card.
type State string

// The states. What is unlinked or lost comes back only by linking anew.
const (
	Active   State = "active"
	Paused   State = "paused"
	Lost     State = "lost"
	Unlinked State = "unlinked"
)

// Option is what a card may do in one municipality.
type Option struct {
	TenantID tenant.ID `json:"tenant"`
	Mode     Mode      `json:"mode"`
	Main     bool      `json:"main"` // of the issuer's cards, the one that draws on the voucher here
}

// Link is a citizen's card.
type Link struct {
	ID        uuid.UUID `json:"id"`
	CitizenID uuid.UUID `json:"-"`
	Issuer    string    `json:"issuer"`
	Token     string    `json:"-"`
	Product   string    `json:"product"`
	Name      string    `json:"name"`
	State     State     `json:"state"`
	Main      bool      `json:"-"` // where its options do not say
	LinkedAt  time.Time `json:"linked_at"`
	Options   []Option  `json:"options" gorm:"-"`
}

// In returns what the card may do in a municipality.
func (l Link) In(id tenant.ID) Option {
	for _, o := range l.Options {
		if o.TenantID == id {
			return o
		}
	}
	return Option{TenantID: id, Mode: VoucherOnly, Main: l.Main}
}

// Place is where a terminal stands.
type Place struct {
	TenantID   tenant.ID
	MerchantID uuid.UUID
	MappedAt   time.Time
}
