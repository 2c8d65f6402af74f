package payments

import "jangteo/app/fault"

// What payments refuses, beside what ledger, merchants and vouchers do.
var (
	ErrUnknown          = fault.Declare(fault.NotFound, "payment-unknown")
	ErrTradeExcluded    = fault.Declare(fault.Conflict, "trade-excluded")
	ErrNothingToCancel  = fault.Declare(fault.Conflict, "payment-already-cancelled")
	ErrCancelTooLarge   = fault.Declare(fault.Conflict, "cancellation-exceeds-payment")
	ErrMerchantMismatch = fault.Declare(fault.Invalid, "qr-of-another-municipality")
)
