package staff

import "jangteo/app/fault"

// What staff answers with; how a sign-in is refused is package signin's.
var ErrLoginTaken = fault.Declare(fault.Conflict, "staff-login-taken")
