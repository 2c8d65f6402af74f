// Package clock is the only place that asks the machine for the time. Everything
// else is handed a Now, so that tests and demonstrations choose theirs.
package clock

import "time"

// Now tells the current moment, in microseconds as PostgreSQL keeps them.
type Now = func() time.Time

// System is the machine's own clock.
func System() time.Time { return time.Now().Truncate(time.Microsecond) }
