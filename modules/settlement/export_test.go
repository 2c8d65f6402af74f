package settlement

import (
	"context"
	"testing"

	"github.com/google/uuid"
)

// InterruptBeforeSend does what a server does that dies between keeping the
// instructions and calling the bank.
func InterruptBeforeSend(t *testing.T, s *Service, ctx context.Context) {
	t.Helper()
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		ids, err := s.store.due(ctx, s.today().AddYears(1), uuid.Nil, 100)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := s.instruct(ctx, id, Closed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
