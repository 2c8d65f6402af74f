package cards

import "jangteo/app/fault"

// What cards refuses, beside what payments, merchants, vouchers and ledger do.
var (
	ErrIssuerUnknown      = fault.Declare(fault.Invalid, "card-issuer-unknown")
	ErrNotLinked          = fault.Declare(fault.NotFound, "card-not-linked")
	ErrPaused             = fault.Declare(fault.Conflict, "card-paused")
	ErrLost               = fault.Declare(fault.Conflict, "card-lost")
	ErrNotMain            = fault.Declare(fault.Conflict, "card-not-main")
	ErrTerminalUnknown    = fault.Declare(fault.NotFound, "terminal-unknown")
	ErrTerminalElsewhere  = fault.Declare(fault.Conflict, "terminal-of-another-municipality")
	ErrStrayUnknown       = fault.Declare(fault.NotFound, "terminal-task-unknown")
	ErrListInvalid        = fault.Declare(fault.Invalid, "terminal-list-invalid")
	ErrReversed           = fault.Declare(fault.Conflict, "card-message-reversed")
	ErrNotYours           = fault.Declare(fault.Forbidden, "card-not-yours")
	ErrLinkedElsewhere    = fault.Declare(fault.Conflict, "card-linked-elsewhere")
	ErrTooManyCards       = fault.Declare(fault.Conflict, "card-links-full")
	ErrOfferOver          = fault.Declare(fault.Conflict, "card-offer-over")
	ErrFallThroughUnknown = fault.Declare(fault.NotFound, "fall-through-unknown")
	ErrClearingInvalid    = fault.Declare(fault.Invalid, "clearing-file-invalid")
	ErrClearingOther      = fault.Declare(fault.Conflict, "clearing-file-other")
	ErrRowUnknown         = fault.Declare(fault.NotFound, "clearing-row-unknown")
	ErrRowSettled         = fault.Declare(fault.Conflict, "clearing-row-settled")
	ErrRowCannot          = fault.Declare(fault.Conflict, "clearing-row-cannot")
	ErrClaimUnknown       = fault.Declare(fault.NotFound, "claim-unknown")
	ErrClaimSettled       = fault.Declare(fault.Conflict, "claim-settled")
	ErrSuperseded         = fault.Declare(fault.Conflict, "card-message-superseded")
)
