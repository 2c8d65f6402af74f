package settlement

import (
	"context"

	"jangteo/app/calendar"
	"jangteo/app/money"
)

// DayReport is a closed day with what became of its settlements.
type DayReport struct {
	Day
	PayoutDay calendar.Day
	Net       money.Amount // owed to shops
	States    []StateSum   // in the order of a settlement's life, without empty ones
}

// StateSum counts a day's settlements in one state.
type StateSum struct {
	State State
	Count int
	Net   money.Amount
}

// Report lists closed days before one (the zero Day: from the latest), the
// latest first; limit is 1 to 200.
func (s *Service) Report(ctx context.Context, before calendar.Day, limit int) (list []DayReport, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.report(ctx, before, min(max(limit, 1), 200))
		return err
	})
	return list, err
}

// Count tells how many settlements the municipality has.
func (s *Service) Count(ctx context.Context) (n int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		n, err = s.store.count(ctx)
		return err
	})
	return n, err
}
