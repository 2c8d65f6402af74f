package staff

import (
	"time"

	"jangteo/app/fault"
)

// What staff answers with; a wrong login or password is auth.ErrWrongLogin.
var (
	ErrLoginTaken     = fault.Declare(fault.Conflict, "staff-login-taken")
	ErrSignInWait     = fault.DeclareWait(fault.TooMany, "staff-sign-in-wait", time.Minute) // too many failures; with or without such a login
	ErrLocked         = fault.Declare(fault.Forbidden, "staff-locked")                      // told to those alone who know the password
	ErrNoSession      = fault.Declare(fault.NotFound, "staff-session-unknown")
	ErrPasswordWrong  = fault.Declare(fault.Conflict, "staff-password-wrong")
	ErrOtherWorkplace = fault.Declare(fault.Forbidden, "staff-other-workplace") // an operator in a municipality's office
)
