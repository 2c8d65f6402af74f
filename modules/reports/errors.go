package reports

import "jangteo/app/fault"

// ErrTooMuch refuses a download that would leave rows out.
var ErrTooMuch = fault.Declare(fault.Invalid, "download-too-large") // param most

func isUnknown(err error) bool {
	f, ok := fault.Of(err)
	return ok && f.Kind == fault.NotFound
}
