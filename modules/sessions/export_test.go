package sessions

import "time"

// InitiatorsOf is what the graph says of a way to end.
func InitiatorsOf(code string) []Initiator { return graph[State(code)].initiators }

// TryEnd is what the service itself refuses, before the table would.
func TryEnd(s Session, e Ending) error { return s.end(e, time.Time{}) }
