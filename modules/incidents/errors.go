package incidents

import "jangteo/app/fault"

// What people are told.
var (
	ErrUnknown = fault.Declare(fault.NotFound, "incident-unknown")
	ErrOver    = fault.Declare(fault.Conflict, "incident-over")
	ErrChanged = fault.Declare(fault.Conflict, "incident-changed") // somebody else said something meanwhile
)
