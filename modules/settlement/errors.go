package settlement

import "jangteo/app/fault"

// What settlement answers with.
var (
	ErrUnknown    = fault.Declare(fault.NotFound, "settlement-unknown")
	ErrDayAhead   = fault.Declare(fault.Conflict, "business-day-not-begun")
	ErrNothingDue = fault.Declare(fault.Conflict, "settlement-nothing-due")
	ErrNotPayable = fault.Declare(fault.Conflict, "settlement-not-payable") // param state
)
