package reports

import "jangteo/app/fault"

func isUnknown(err error) bool {
	f, ok := fault.Of(err)
	return ok && f.Kind == fault.NotFound
}
