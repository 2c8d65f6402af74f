package merchants

import "jangteo/app/fault"

// What merchants answers with.
var (
	ErrUnknown      = fault.Declare(fault.NotFound, "merchant-unknown")
	ErrNotAccepting = fault.Declare(fault.Conflict, "merchant-not-accepting") // closed, suspended or not yet approved
	ErrRegistered   = fault.Declare(fault.Conflict, "merchant-registered")    // the business has a shop here already
	ErrTransition   = fault.Declare(fault.Conflict, "merchant-state-wrong")   // params from, to
	ErrQRInvalid    = fault.Declare(fault.Invalid, "qr-invalid")
	ErrQRExpired    = fault.Declare(fault.Conflict, "qr-expired")
	ErrLoginTaken   = fault.Declare(fault.Conflict, "login-taken")
)
