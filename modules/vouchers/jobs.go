package vouchers

import (
	"context"
	"errors"
	"time"

	"jangteo/app/tenant"
)

// requestedMost is how long a purchase counts as being made. After that its
// call has been interrupted, and it says so.
const requestedMost = 30 * time.Second

// Sweep marks purchases whose call was interrupted as pending, in all
// municipalities; banking.Resolve finds out what became of them and settles
// them. It returns how many it marked. Several servers may run it at once.
func (s *Service) Sweep(ctx context.Context) (marked int64, err error) {
	before := s.now().Add(-requestedMost)
	ids, err := s.store.tenantsWithRequested(ctx, before)
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, id := range ids {
		err := s.db.Tx(tenant.With(ctx, id), func(ctx context.Context) error {
			n, err := s.store.markPendingBefore(ctx, before)
			marked += n
			return err
		})
		failures = append(failures, err)
	}
	return marked, errors.Join(failures...)
}
