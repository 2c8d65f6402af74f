package ledger

import "jangteo/app/fault"

// What the ledger refuses.
var (
	ErrInsufficientBalance = fault.Declare(fault.Conflict, "insufficient-balance")
	ErrDayLimit            = fault.Declare(fault.Conflict, "limit-exceeded")
	ErrAccountUnknown      = fault.Declare(fault.NotFound, "account-unknown")
	ErrAccountNotOpen      = fault.Declare(fault.Conflict, "account-not-open")
	ErrEntryUnknown        = fault.Declare(fault.NotFound, "entry-unknown")
	ErrEntryExists         = fault.Declare(fault.Conflict, "entry-exists")
	ErrDayClosed           = fault.Declare(fault.Conflict, "business-day-closed")
	ErrAnsweredInFull      = fault.Declare(fault.Conflict, "entry-answered-in-full")
)
