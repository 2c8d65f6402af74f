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
	ErrClerkUnknown = fault.Declare(fault.NotFound, "clerk-unknown")
	ErrClerkOwn     = fault.Declare(fault.Forbidden, "clerk-own")  // nobody changes what they themselves may do
	ErrTeamFull     = fault.Declare(fault.Conflict, "clerks-full") // param most
	ErrLoginTaken   = fault.Declare(fault.Conflict, "login-taken")
)
