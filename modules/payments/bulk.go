package payments

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// Past is a payment that was made before: what another operator hands over, or
// a demonstration's history. Its day follows from its time.
type Past struct {
	Payment
	PayableID uuid.UUID // the merchant's account
	Undone    []PastCancellation
}

// PastCancellation is one of its cancellations, in their order.
type PastCancellation struct {
	ID     uuid.UUID
	Amount money.Amount
	ByKind string // citizen, clerk, staff or system
	ByID   uuid.UUID
	At     time.Time
}

// PostMany keeps payments of the past with their ledger entries, set by set. No
// event is told of them and no limit asked; what the wallets hold in the end
// may not be below zero.
func (s *Service) PostMany(ctx context.Context, past []Past) error {
	if len(past) == 0 {
		return nil
	}
	var entries []ledger.Entry
	var undone []Cancellation
	for i := range past {
		p := &past[i]
		if err := p.check(); err != nil {
			return err
		}
		p.TenantID, p.Day, p.CancelledAmount = tenant.From(ctx), calendar.DayOf(p.At), 0
		entries = append(entries, ledger.Entry{
			ID: p.ID, Kind: ledger.Payment, At: p.At,
			Transfers: []ledger.Transfer{{Debit: p.WalletID, Credit: p.PayableID, Amount: p.Amount}},
		})
		for _, u := range p.Undone {
			p.CancelledAmount += u.Amount
			entries = append(entries, ledger.Entry{
				ID: u.ID, Kind: ledger.Cancellation, Answers: p.ID, At: u.At,
				Transfers: []ledger.Transfer{{Debit: p.PayableID, Credit: p.WalletID, Amount: u.Amount}},
			})
			undone = append(undone, Cancellation{
				TenantID: p.TenantID, ID: u.ID, PaymentID: p.ID, MerchantID: p.MerchantID, Amount: u.Amount, CancelledAfter: p.CancelledAmount,
				ByKind: u.ByKind, ByID: u.ByID, At: u.At, Day: calendar.DayOf(u.At),
			})
		}
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.ledger.PostMany(ctx, entries); err != nil {
			return err
		}
		if err := s.store.insertPast(ctx, past); err != nil {
			return err
		}
		return s.store.insertCancellations(ctx, undone)
	})
}

func (p Past) check() error {
	var sum money.Amount
	for _, u := range p.Undone {
		if sum += u.Amount; u.Amount <= 0 || u.At.Before(p.At) {
			return fmt.Errorf("payments: a cancellation of the past payment %s cannot be", p.ID)
		}
	}
	if p.Amount <= 0 || p.Amount > AmountMax || sum > p.Amount || p.BalanceAfter < 0 {
		return fmt.Errorf("payments: the past payment %s of %d won, %d cancelled, cannot be", p.ID, p.Amount, sum)
	}
	return nil
}
