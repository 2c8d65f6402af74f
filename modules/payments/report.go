package payments

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
)

// ReportFilter narrows what staff look at; zero values do not.
type ReportFilter struct {
	From, To  calendar.Day // business days, both included
	State     State
	Merchants []uuid.UUID // any of these
	Approval  string      // an approval number, eight signs
	db.Window             // by time or amount; its limit is 1 to 10,000
}

const reportMost = 10_000

// Report lists the payments of the tenant in ctx for staff and for downloads,
// and tells whether there are others before and after them. Sorted by amount,
// it reads all payments of the days asked for.
func (s *Service) Report(ctx context.Context, f ReportFilter) (list []Payment, before, after bool, err error) {
	f.Limit = min(max(f.Limit, 1), reportMost)
	list, err = s.list(ctx, func(ctx context.Context) ([]Payment, error) { return s.store.report(ctx, f) })
	list, before, after = db.Page(f.Window, list)
	return list, before, after, err
}

// DaySpending is what was paid and cancelled on a business day.
type DaySpending struct {
	Day           calendar.Day
	Payments      int64
	Spent         money.Amount
	Cancellations int64
	Cancelled     money.Amount
}

// SpendingByDay sums the business days from one on, in their order; a day on
// which nothing moved is left out.
func (s *Service) SpendingByDay(ctx context.Context, from calendar.Day) (days []DaySpending, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		days, err = s.store.spendingByDay(ctx, from)
		return err
	})
	return days, err
}

// Count tells how many payments the municipality has.
func (s *Service) Count(ctx context.Context) (n int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		n, err = s.store.count(ctx)
		return err
	})
	return n, err
}
