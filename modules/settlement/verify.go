package settlement

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// Verify recomputes every settlement of the tenant in ctx from the ledger and
// names what differs.
func (s *Service) Verify(ctx context.Context) (found []ledger.Difference, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		found = nil
		for _, check := range []func(context.Context) ([]ledger.Difference, error){
			s.verifyDays, s.verifyChains, s.verifyTransit, s.verifyEntries,
		} {
			differences, err := check(ctx)
			if err != nil {
				return err
			}
			found = append(found, differences...)
		}
		return nil
	})
	return found, err
}

func difference(ctx context.Context, check, object string, want, got any) ledger.Difference {
	return ledger.Difference{
		Tenant: tenant.From(ctx), Check: check, Object: object, Want: fmt.Sprint(want), Got: fmt.Sprint(got),
	}
}

// verifyDays holds each closed day against what moved on the shops' accounts.
func (s *Service) verifyDays(ctx context.Context) (found []ledger.Difference, err error) {
	const most = 20 * 366 // twenty years
	days, err := s.store.days(ctx, most)
	if err != nil {
		return nil, err
	}
	for _, d := range days {
		differences, err := s.verifyDay(ctx, d.day())
		if err != nil {
			return nil, err
		}
		found = append(found, differences...)
	}
	return found, nil
}

func (s *Service) verifyDay(ctx context.Context, d Day) (found []ledger.Difference, err error) {
	rows, err := s.store.ofDay(ctx, d.Day)
	if err != nil {
		return nil, err
	}
	moved, err := s.ledger.PayableMovements(ctx, d.Day)
	if err != nil {
		return nil, err
	}
	want := make(map[uuid.UUID]ledger.Movement, len(moved))
	sum := Day{Day: d.Day, ClosedAt: d.ClosedAt, Settlements: len(moved)}
	for _, m := range moved {
		want[m.Account] = m
		sum.Sales += m.Sales
		sum.Cancellations += m.Cancelled
	}
	if sum != d {
		found = append(found, difference(ctx, "settlement-day", "day "+d.Day.String(), sum, d))
	}
	for _, r := range rows {
		got := ledger.Movement{Account: r.AccountID, Owner: r.MerchantID, Sales: r.Sales, Cancelled: r.Cancellations, Count: r.Payments}
		if want[r.AccountID] != got {
			found = append(found, difference(ctx, "settlement-sums", "settlement "+r.ID.String(), want[r.AccountID], got))
		}
		delete(want, r.AccountID)
	}
	for account, m := range want {
		found = append(found, difference(ctx, "settlement-missing", "account "+account.String()+" on "+d.Day.String(), m, "none"))
	}
	return found, nil
}

// verifyChains holds what is carried against the settlement before.
func (s *Service) verifyChains(ctx context.Context) (found []ledger.Difference, err error) {
	broken, err := s.store.brokenChains(ctx)
	for _, c := range broken {
		found = append(found, difference(ctx, "settlement-carried", "settlement "+c.ID.String(), c.Want, c.Got))
	}
	return found, err
}

// verifyTransit holds what is at the bank against the account that says so.
func (s *Service) verifyTransit(ctx context.Context) ([]ledger.Difference, error) {
	want, err := s.store.underWay(ctx)
	if err != nil {
		return nil, err
	}
	begun, err := s.ledger.HasBooks(ctx)
	switch {
	case err != nil:
		return nil, err
	case !begun && want == 0:
		return nil, nil // a municipality that has not joined
	case !begun:
		return []ledger.Difference{difference(ctx, "settlement-transit", "municipality", want, "no accounts")}, nil
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.ledger.Balance(ctx, house.Transit)
	if err != nil || got == want {
		return nil, err
	}
	return []ledger.Difference{difference(ctx, "settlement-transit", "account "+house.Transit.String(), want, got)}, nil
}

// verifyEntries holds each payout against its entry, walking both by the entry's
// id. Entries without a payout are attempts that the bank has returned.
func (s *Service) verifyEntries(ctx context.Context) (found []ledger.Difference, err error) {
	const page = 5_000
	var entries []ledger.Recorded
	for after, walked := uuid.Nil, uuid.Nil; ; {
		rows, err := s.store.atBank(ctx, after, page)
		if err != nil || len(rows) == 0 {
			return found, err
		}
		for _, r := range rows {
			after = *r.TransferID
			for len(entries) == 0 || slices.Compare(entries[0].ID[:], after[:]) < 0 {
				if len(entries) > 0 {
					entries = entries[1:]
					continue
				}
				if entries, err = s.ledger.Walk(ctx, []ledger.EntryKind{ledger.PayoutSent}, walked, page); err != nil {
					return nil, err
				}
				if len(entries) == 0 {
					break
				}
				walked = entries[len(entries)-1].ID
			}
			if got := amountOf(entries, after); got != r.Net {
				found = append(found, difference(ctx, "settlement-entry", "settlement "+r.ID.String(), r.Net, got))
			}
		}
	}
}

// amountOf is what the first of entries moves if it is the one, else 0.
func amountOf(entries []ledger.Recorded, id uuid.UUID) money.Amount {
	if len(entries) == 0 || entries[0].ID != id {
		return 0
	}
	return entries[0].Total()
}
