package citizens

import (
	"time"

	"jangteo/app/fault"
)

// What people are told.
var (
	ErrCheckUnknown        = fault.Declare(fault.NotFound, "identity-check-unknown")
	ErrCheckExpired        = fault.Declare(fault.Conflict, "identity-check-expired")
	ErrCheckUsed           = fault.Declare(fault.Conflict, "identity-check-used")
	ErrCheckSpent          = fault.Declare(fault.Conflict, "identity-check-attempts-exceeded")
	ErrCodeWrong           = fault.Declare(fault.Invalid, "identity-code-wrong") // param attempts_left
	ErrProviderUnavailable = fault.DeclareWait(fault.Unavailable, "identity-provider-unavailable", 10*time.Second)
	ErrPersonRefused       = fault.Declare(fault.Invalid, "identity-person-refused") // the provider cannot take what was written
	ErrTokenInvalid        = fault.Declare(fault.Unauthenticated, "identity-token-invalid")
	ErrTooYoung            = fault.Declare(fault.Forbidden, "citizen-too-young") // param age_min
	ErrNotJoined           = fault.Declare(fault.Conflict, "citizen-not-joined")
	ErrAgreementMissing    = fault.Declare(fault.Invalid, "agreement-missing") // param missing
	ErrUnknown             = fault.Declare(fault.NotFound, "citizen-unknown")
	ErrLocked              = fault.Declare(fault.Forbidden, "account-locked") // params no, since
)
