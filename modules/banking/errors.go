package banking

import (
	"errors"
	"fmt"
	"time"

	"jangteo/app/fault"
)

// What people are told.
var (
	ErrAccountUnknown    = fault.Declare(fault.NotFound, "bank-account-unknown")        // no such linked account
	ErrAccountNotFound   = fault.Declare(fault.Conflict, "bank-account-not-found")      // the bank has no such account
	ErrHolderDiffers     = fault.Declare(fault.Conflict, "bank-account-holder-differs") // it is somebody else's
	ErrTooManyAccounts   = fault.Declare(fault.Conflict, "bank-accounts-too-many")
	ErrBankRefused       = fault.Declare(fault.Conflict, "bank-refused") // any other word of the bank; param reason
	ErrBankUnavailable   = fault.DeclareWait(fault.Unavailable, "bank-unavailable", 10*time.Second)
	ErrTransferUnknown   = fault.Declare(fault.NotFound, "bank-transfer-unknown")
	ErrAlreadyInstructed = fault.Declare(fault.Conflict, "bank-transfer-exists") // the subject has one that moved money or may
)

// RefusedError means that the bank said no: no money has moved, and none will.
type RefusedError struct {
	RspCode     string
	BankRspCode string
	Message     string // in the bank's words
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the bank refused: %s %s %s", e.RspCode, e.BankRspCode, e.Message)
}

// UnknownError means that nobody knows yet: the bank did not answer, not in
// words that decide, or it is still at it.
type UnknownError struct {
	RspCode     string
	BankRspCode string
	Cause       error
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("the bank did not tell: %s %s: %v", e.RspCode, e.BankRspCode, e.Cause)
}

func (e *UnknownError) Unwrap() error { return e.Cause }

// NotSentError means that the request has certainly not left this machine.
type NotSentError struct{ Cause error }

func (e *NotSentError) Error() string { return "the bank was not called: " + e.Cause.Error() }

func (e *NotSentError) Unwrap() error { return e.Cause }

// ErrNeverArrived is the answer to an inquiry after a number that the bank has not seen.
var ErrNeverArrived = errors.New("the bank has not seen this instruction")

// told turns what the bank said to a question without money into what people
// are told.
func told(err error) error {
	var refused *RefusedError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return ErrBankUnavailable.Because(err)
	}
	switch reason := reasonOf(refused.BankRspCode); reason {
	case AccountUnknown:
		return ErrAccountNotFound.Because(err)
	case HolderDiffers:
		return ErrHolderDiffers.Because(err)
	default:
		return ErrBankRefused.With("reason", reason).Because(err)
	}
}
