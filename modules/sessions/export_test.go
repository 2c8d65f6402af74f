package sessions

import (
	"context"
	"time"
)

// InitiatorsOf is what the graph says of a way to end.
func InitiatorsOf(code string) []Initiator { return graph[State(code)].initiators }

// TryEnd is what the service itself refuses, before the table would.
func TryEnd(s Session, e Ending) error { return s.end(e, time.Time{}) }

// KeepOutcomes writes down how devices fared, as the running program does.
func (s *Service) KeepOutcomes(ctx context.Context) error { return s.keepOutcomes(ctx) }
