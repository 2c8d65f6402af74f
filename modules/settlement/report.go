package settlement

import (
	"context"

	"jangteo/app/calendar"
	"jangteo/app/db"
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

const reportMost = 10_000

// Report lists closed days and tells whether there are others before and after
// them. They sort by day or sales; the key is the day, the limit 1 to 10,000.
func (s *Service) Report(ctx context.Context, w db.Window) (list []DayReport, before, after bool, err error) {
	w.Limit = min(max(w.Limit, 1), reportMost)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, before, after, err = s.store.report(ctx, w)
		return err
	})
	return list, before, after, err
}

// ReportFilter narrows the settlements that staff look at; zero values do not.
type ReportFilter struct {
	Day       calendar.Day
	State     State
	db.Window // by day, net or sales; its limit is 1 to 10,000
}

// ReportEach lists settlements for staff and for downloads, and tells whether
// there are others before and after them.
func (s *Service) ReportEach(ctx context.Context, f ReportFilter) (list []Settlement, before, after bool, err error) {
	f.Limit = min(max(f.Limit, 1), reportMost)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err := s.store.reportEach(ctx, f)
		rows, before, after = db.Page(f.Window, rows)
		list = make([]Settlement, len(rows))
		for i, r := range rows {
			list[i] = r.settlement()
		}
		return err
	})
	return list, before, after, err
}

// Count tells how many settlements the municipality has.
func (s *Service) Count(ctx context.Context) (n int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		n, err = s.store.count(ctx)
		return err
	})
	return n, err
}
