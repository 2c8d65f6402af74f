package staff

import "jangteo/app/fault"

// What staff answers with; how a sign-in is refused is package signin's.
var (
	ErrLoginTaken = fault.Declare(fault.Conflict, "staff-login-taken")
	ErrUnknown    = fault.Declare(fault.NotFound, "staff-unknown")
	ErrBeyondOwn  = fault.Declare(fault.Forbidden, "staff-role-beyond-own") // param permission
	ErrLastChief  = fault.Declare(fault.Conflict, "staff-last-chief")
	ErrAppointed  = fault.Declare(fault.Conflict, "staff-appointed") // somebody can manage them already
	ErrOwnFactors = fault.Declare(fault.Forbidden, "staff-own-factors")
)
