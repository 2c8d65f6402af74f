package ledger

import (
	"context"
	"hash/maphash"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// Scale tells whether two sides say the same of many things without keeping
// either: each thing has a random weight, and Add on one side is answered by
// Take on the other. It stays level if for every thing what was added is what
// was taken; if not, the chance that it does all the same is about one in 2^64.
// Whoever finds it tipped looks again, thing by thing. The zero Scale is ready.
type Scale struct{ sum uint64 }

var weights = maphash.MakeSeed()

// Add puts amount of a thing on one side.
func (s *Scale) Add(id uuid.UUID, amount money.Amount) { s.sum += weightOf(id) * uint64(amount) }

// Take puts amount of a thing on the other side.
func (s *Scale) Take(id uuid.UUID, amount money.Amount) { s.sum -= weightOf(id) * uint64(amount) }

// Level reports whether both sides say the same.
func (s *Scale) Level() bool { return s.sum == 0 }

// weightOf is odd, so that a difference in one thing alone always tips.
func weightOf(id uuid.UUID) uint64 { return maphash.Bytes(weights, id[:]) | 1 }

// WeighWallets takes off the scale what every wallet of the tenant in ctx holds
// and has spent together, and one more: all that was ever put into it.
func (s *Service) WeighWallets(ctx context.Context, scale *Scale) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		return s.store.guardedAccounts(ctx, func(id uuid.UUID, kind Kind, balance, spent money.Amount) {
			if kind == Wallet {
				scale.Take(id, balance+spent+1)
			}
		})
	})
}
