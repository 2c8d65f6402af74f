package vouchers

import (
	"context"

	"jangteo/app/idem"
)

// BeginOnly does a purchase's first transaction and no more, as a server that
// is killed after it.
func (s *Service) BeginOnly(ctx context.Context, in PurchaseInput) error {
	key, err := in.key()
	if err != nil {
		return err
	}
	_, _, err = idem.Once(ctx, s.keys, key, func(ctx context.Context) (begun, error) { return s.begin(ctx, in) })
	return err
}
