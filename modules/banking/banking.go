// Package banking is the outside world of accounts: citizens' bank accounts,
// the municipalities' own, and the money that moves between them.
//
// It owns schema banking. What a movement means (a purchase, a payout) is for
// the module that asks; it hears the outcome through the hook that it
// registered for its purpose.
//
// It holds these to be true, always:
//   - an instruction and its bank_tran_id are kept before the bank is called;
//   - an instruction is sent once: an unknown outcome is inquired about, and
//     never sent again, under this number or another;
//   - a subject (one purchase, one payout) has at most one instruction that
//     moved money or may still do so;
//   - an outcome is recorded once, in one transaction with what its hook does.
//
// A caller that moves value calls Prepare inside its own transaction and Send
// after the commit; what is interrupted in between, Resolve takes up.
package banking

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Account is a citizen's own bank account, linked by consent.
type Account struct {
	ID           uuid.UUID
	CitizenID    uuid.UUID
	BankCode     string // 3 digits
	NumberMasked string
	LinkedAt     time.Time
	UnlinkedAt   *time.Time
}

// Direction of the money, as the municipality sees its fund account.
type Direction string

// The two directions.
const (
	Withdraw Direction = "withdraw" // from a citizen's account into the fund account
	Deposit  Direction = "deposit"  // from the fund account to a merchant or citizen
)

// State of a transfer.
type State string

// Requested and Sent are on their way; Unknown is being inquired about;
// Succeeded and Refused are final.
const (
	Requested State = "requested" // kept, the bank has not been called
	Sent      State = "sent"      // the bank is being called, or the caller was interrupted
	Unknown   State = "unknown"   // the bank did not tell, or is still at it
	Succeeded State = "succeeded" // the money has moved
	Refused   State = "refused"   // no money has moved, and none will
)

// transitions is the whole graph; whatever is not here cannot happen.
var transitions = map[State][]State{
	Requested: {Sent, Refused},
	Sent:      {Unknown, Succeeded, Refused},
	Unknown:   {Succeeded, Refused},
	Succeeded: {},
	Refused:   {},
}

// Final says that nothing will change any more.
func (s State) Final() bool { return len(transitions[s]) == 0 }

func (s State) mayBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Transfer is one instruction to the bank.
type Transfer struct {
	TenantID     tenant.ID
	ID           uuid.UUID
	Direction    Direction
	Purpose      string    // who asked for it: purchase, payout, ...
	SubjectID    uuid.UUID // what it was asked for
	Amount       money.Amount
	BankCode     string // the counterparty's bank, for deposits and linked accounts
	NumberMasked string // the counterparty's account
	BankTranID   string
	BankTranDate calendar.Day // zero until sent
	State        State
	RspCode      string // the relay's last word
	BankRspCode  string // the bank's last word
	Message      string // the bank's last word in words; for staff
	Inquiries    int
	RequestedAt  time.Time
	SentAt       *time.Time
	SettledAt    *time.Time
}

// Reason is why money did not move, as far as people need to know it.
type Reason string

// Reasons that screens have words for, under "banking.reason.<reason>".
const (
	NoReason       Reason = ""
	BalanceTooLow  Reason = "balance-too-low"
	AccountUnknown Reason = "account-unknown"
	HolderDiffers  Reason = "holder-differs"
	ConsentMissing Reason = "consent-missing"
	NeverArrived   Reason = "never-arrived" // the bank has never seen the instruction
	NotCalled      Reason = "not-called"    // we did not call the bank: it was down, or too much time had gone by
	BankTrouble    Reason = "bank-trouble"  // any other word of the bank
)

// Codes of our own in rsp_code, for what no bank has said.
const (
	codeNotCalled    = "NOT-CALLED"
	codeNeverArrived = "NEVER-ARRIVED"
)

var reasons = map[string]Reason{
	"310": AccountUnknown, "311": HolderDiffers, "312": HolderDiffers, "320": BalanceTooLow, "330": ConsentMissing,
}

// Reason tells why a refused transfer was refused.
func (t Transfer) Reason() Reason {
	switch {
	case t.State != Refused:
		return NoReason
	case t.RspCode == codeNotCalled:
		return NotCalled
	case t.RspCode == codeNeverArrived:
		return NeverArrived
	}
	return reasonOf(t.BankRspCode)
}

func reasonOf(bankRspCode string) Reason {
	if reason, known := reasons[bankRspCode]; known {
		return reason
	}
	return BankTrouble
}

// Refusal is what people are told of a refused transfer; nil of any other.
func (t Transfer) Refusal() error {
	switch reason := t.Reason(); reason {
	case NoReason:
		return nil
	case NotCalled, NeverArrived:
		return ErrBankUnavailable
	default:
		return ErrBankRefused.With("reason", reason)
	}
}

// Hook hears of a final outcome inside the transaction that records it; its
// context carries the tenant. If it fails, nothing is recorded and it is
// called again later.
type Hook func(ctx context.Context, t Transfer) error

// Destination is an account that money is paid to.
type Destination struct {
	BankCode string // 3 digits
	Number   string // digits
	Holder   string // as the bank knows it; the bank refuses another
}

// Instruction is what a module asks the bank to do.
type Instruction struct {
	ID           uuid.UUID // made by the caller; zero makes one
	Direction    Direction
	Amount       money.Amount
	Purpose      string // registered with OnSettled
	SubjectID    uuid.UUID
	FundAccount  string      // the municipality's own account, digits
	CitizenID    uuid.UUID   // with AccountID: whose linked account
	AccountID    uuid.UUID   // a linked account; of a deposit, instead of To
	To           Destination // of a deposit, unless AccountID is given
	PrintContent string      // what the statement of the account says, at most 20 characters
}

// validate panics: instructions are made by modules, which checked what people
// typed; a wrong one is a bug.
func (in Instruction) validate() {
	linked := in.AccountID != uuid.Nil
	switch {
	case in.Amount <= 0 || in.Amount > money.MaxPerEntry:
		panic("banking: an instruction of " + in.Amount.String() + " won")
	case in.Purpose == "" || in.SubjectID == uuid.Nil:
		panic("banking: an instruction for nothing")
	case !isDigits(in.FundAccount, 1, 16):
		panic("banking: an instruction without fund account")
	case in.Direction == Withdraw && !linked:
		panic("banking: a withdrawal from no account")
	case in.Direction == Deposit && !linked && (!isDigits(in.To.BankCode, 3, 3) || !isDigits(in.To.Number, 1, 16) || in.To.Holder == ""):
		panic("banking: a deposit to nobody")
	case in.Direction != Withdraw && in.Direction != Deposit:
		panic("banking: direction " + string(in.Direction))
	}
}

// LinkInput asks for a citizen's own account to be linked. Name and BirthDate
// are those that the identity check found, never what the citizen typed.
type LinkInput struct {
	CitizenID     uuid.UUID
	BankCode      string // 3 digits
	AccountNumber string // digits; hyphens and spaces are dropped
	Name          string
	BirthDate     calendar.Day
}

// normalise drops hyphens and spaces and names the fields that are wrong.
func (in *LinkInput) normalise() error {
	in.AccountNumber = strings.NewReplacer("-", "", " ", "").Replace(in.AccountNumber)
	var wrong *fault.Fault
	switch {
	case in.BankCode == "":
		wrong = wrong.And("bank_code", fault.Required)
	case !isDigits(in.BankCode, 3, 3):
		wrong = wrong.And("bank_code", fault.WrongFormat)
	}
	switch {
	case in.AccountNumber == "":
		wrong = wrong.And("account_number", fault.Required)
	case !isDigits(in.AccountNumber, 1, 64):
		wrong = wrong.And("account_number", fault.WrongFormat)
	case len(in.AccountNumber) < accountDigitsMin:
		wrong = wrong.And("account_number", fault.TooShort).Limit(accountDigitsMin)
	case len(in.AccountNumber) > accountDigitsMax:
		wrong = wrong.And("account_number", fault.TooLong).Limit(accountDigitsMax)
	}
	return wrong.OrNil()
}

// Korean account numbers have 8 to 16 digits.
const (
	accountDigitsMin = 8
	accountDigitsMax = 16
)

func isDigits(text string, least, most int) bool {
	return len(text) >= least && len(text) <= most && strings.Trim(text, "0123456789") == ""
}
