package ledger

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// ClaimAccount holds what a citizen owes; the balance is zero or below.
const ClaimAccount Kind = "claim"

// ClaimRepaid takes what is owed out of a wallet: wallet → claim. It counts as
// spending.
const ClaimRepaid EntryKind = "claim-repaid"

// Taking is a payment that must be booked whatever the wallet holds, because it
// was promised already.
type Taking struct {
	ID     uuid.UUID
	Wallet uuid.UUID
	Payee  uuid.UUID
	Owner  uuid.UUID // the citizen, who owes what the wallet does not hold
	Amount money.Amount
}

// Taken tells how it was paid.
type Taken struct {
	Posted
	Lent    money.Amount
	Claim   uuid.UUID    // of what was lent; uuid.Nil if nothing was
	Balance money.Amount // of the wallet afterwards
}

// TakeTx books a payment inside the caller's transaction. What the wallet does
// not hold comes from a claim account, opened for it: wallet → payee, claim →
// payee, in one entry.
func (s *Service) TakeTx(ctx context.Context, t Taking) (taken Taken, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.store.shareBooks(ctx); err != nil { // in the order of every posting: books, then wallets
			return err
		}
		accounts, err := s.store.lock(ctx, []uuid.UUID{t.Wallet})
		if err != nil {
			return err
		}
		wallet, known := accounts[t.Wallet]
		if !known || wallet.Kind != Wallet {
			return ErrAccountUnknown.With("account", t.Wallet)
		}
		held := min(wallet.Balance, t.Amount)
		taken = Taken{Lent: t.Amount - held, Balance: wallet.Balance - held}
		var transfers []Transfer
		if held > 0 {
			transfers = append(transfers, Transfer{t.Wallet, t.Payee, held})
		}
		if taken.Lent > 0 {
			claim, err := s.Open(ctx, ClaimAccount, t.Owner)
			if err != nil {
				return err
			}
			taken.Claim = claim.ID
			transfers = append(transfers, Transfer{claim.ID, t.Payee, taken.Lent})
		}
		taken.Posted, err = s.PostTx(ctx, Entry{ID: t.ID, Kind: Payment, Transfers: transfers})
		return err
	})
	return taken, err
}

// GivingBack undoes a payment that was booked by TakeTx, whole or in part.
type GivingBack struct {
	ID      uuid.UUID
	Payment uuid.UUID
	Payee   uuid.UUID
	Wallet  uuid.UUID
	Claim   uuid.UUID
	Amount  money.Amount
}

// GiveBackTx books a cancellation inside the caller's transaction: first what
// is still owed on the claim, the rest to the wallet.
func (s *Service) GiveBackTx(ctx context.Context, g GivingBack) (p Posted, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		owed, err := s.owedTx(ctx, g.Claim)
		if err != nil {
			return err
		}
		var transfers []Transfer
		if owed = min(owed, g.Amount); owed > 0 {
			transfers = append(transfers, Transfer{g.Payee, g.Claim, owed})
		}
		if rest := g.Amount - owed; rest > 0 {
			transfers = append(transfers, Transfer{g.Payee, g.Wallet, rest})
		}
		p, err = s.PostTx(ctx, Entry{ID: g.ID, Kind: Cancellation, Answers: g.Payment, Transfers: transfers})
		return err
	})
	return p, err
}

// RepayTx takes up to amount of what is owed on a claim out of a wallet, inside
// the caller's transaction; less if the claim or the wallet has less, and
// nothing at all if either is empty.
func (s *Service) RepayTx(ctx context.Context, id, wallet, claim uuid.UUID, amount money.Amount) (p Posted, repaid money.Amount, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		owed, err := s.owedTx(ctx, claim)
		if err != nil {
			return err
		}
		if _, err := s.store.shareBooks(ctx); err != nil {
			return err
		}
		accounts, err := s.store.lock(ctx, []uuid.UUID{wallet})
		if err != nil {
			return err
		}
		if accounts[wallet].State != "open" {
			return ErrAccountNotOpen.With("account", wallet)
		}
		if repaid = min(amount, owed, accounts[wallet].Balance); repaid <= 0 {
			repaid = 0
			return nil
		}
		p, err = s.PostTx(ctx, Entry{ID: id, Kind: ClaimRepaid, Transfers: []Transfer{{wallet, claim, repaid}}})
		return err
	})
	return p, repaid, err
}

// owedTx holds a claim account, so that two who give to it take turns, and
// tells what is owed on it.
func (s *Service) owedTx(ctx context.Context, claim uuid.UUID) (money.Amount, error) {
	if err := s.store.holdSummed(ctx, claim); err != nil {
		return 0, err
	}
	balance, err := s.store.summed(ctx, claim)
	return -balance, err
}

// Claims sums what citizens owe the municipality in ctx.
func (s *Service) Claims(ctx context.Context) (owed money.Amount, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		balance, err := s.store.claimSum(ctx)
		owed = -balance
		return err
	})
	return owed, err
}
