package cards

import "jangteo/app/fault"

// What cards refuses, beside what payments, merchants, vouchers and ledger do.
var (
	ErrIssuerUnknown   = fault.Declare(fault.Invalid, "card-issuer-unknown")
	ErrNotLinked       = fault.Declare(fault.NotFound, "card-not-linked")
	ErrPaused          = fault.Declare(fault.Conflict, "card-paused")
	ErrLost            = fault.Declare(fault.Conflict, "card-lost")
	ErrNotMain         = fault.Declare(fault.Conflict, "card-not-main")
	ErrTerminalUnknown = fault.Declare(fault.NotFound, "terminal-unknown")
	ErrReversed        = fault.Declare(fault.Conflict, "card-message-reversed")
	ErrClaimUnknown    = fault.Declare(fault.NotFound, "claim-unknown")
	ErrClaimSettled    = fault.Declare(fault.Conflict, "claim-settled")
	ErrSuperseded      = fault.Declare(fault.Conflict, "card-message-superseded")
)
