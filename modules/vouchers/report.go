package vouchers

import (
	"context"

	"jangteo/app/calendar"
)

// DayIssue is what was sold on a day in Seoul.
type DayIssue struct {
	Day calendar.Day
	Issue
}

// IssueByDay sums what was sold on the days from one to another, both included,
// in their order; a day on which nothing was sold is left out.
func (s *Service) IssueByDay(ctx context.Context, from, to calendar.Day) (days []DayIssue, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		days, err = s.store.issueByDay(ctx, from, to)
		return err
	})
	return days, err
}

// CountPurchases tells how many purchases the municipality has, of any state.
func (s *Service) CountPurchases(ctx context.Context) (n int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		n, err = s.store.countPurchases(ctx)
		return err
	})
	return n, err
}
