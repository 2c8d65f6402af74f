package ledger

import (
	"context"
	"errors"
)

// HasBooks reports whether the municipality has accounts of its own yet. Unlike
// House it opens none, so it can be asked where nothing may be written.
func (s *Service) HasBooks(ctx context.Context) (has bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		_, err := s.store.house(ctx)
		if errors.Is(err, errNoHouse) {
			return nil
		}
		has = err == nil
		return err
	})
	return has, err
}
