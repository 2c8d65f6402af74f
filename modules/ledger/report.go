package ledger

import (
	"context"

	"jangteo/app/money"
)

// Holdings are what a municipality's accounts hold together, by kind. They add
// up to zero.
type Holdings struct {
	Fund     money.Amount // below zero: the money that the bank holds for the vouchers
	Subsidy  money.Amount
	Reserved money.Amount
	Transit  money.Amount
	Wallets  money.Amount // what citizens can still spend
	Payable  money.Amount // what merchants are owed
	Claims   money.Amount // what citizens owe for stand-in payments, below zero
}

// Holdings sums the accounts of the tenant in ctx. What merchants are owed
// follows from the rest, because every entry balances.
func (s *Service) Holdings(ctx context.Context) (h Holdings, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		house, err := s.House(ctx)
		if err != nil {
			return err
		}
		if h.Wallets, h.Subsidy, err = s.store.guardedSums(ctx); err != nil {
			return err
		}
		if h.Fund, err = s.store.summed(ctx, house.Fund); err != nil {
			return err
		}
		if h.Reserved, err = s.store.summed(ctx, house.Reserved); err != nil {
			return err
		}
		h.Transit, err = s.store.summed(ctx, house.Transit)
		if err != nil {
			return err
		}
		owed, err := s.Claims(ctx)
		h.Claims = -owed
		h.Payable = -(h.Fund + h.Subsidy + h.Reserved + h.Transit + h.Wallets + h.Claims)
		return err
	})
	return h, err
}
