package vouchers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/db"
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

// PurchaseReport narrows what staff look at; zero values do not.
type PurchaseReport struct {
	Object    uuid.UUID // a purchase, or a wallet or citizen with purchases
	Number    string    // the last eight signs of a purchase's id
	State     State
	From, To  time.Time // of the request, To excluded
	db.Window           // by time or amount; its limit is 1 to 10,000
}

const reportMost = 10_000

// ReportPurchases lists the municipality's purchases for staff and for
// downloads, without their lots, and tells whether there are others before and
// after them. Sorted by amount, it reads all purchases of the time asked for.
func (s *Service) ReportPurchases(ctx context.Context, f PurchaseReport) (list []Purchase, before, after bool, err error) {
	f.Limit = min(max(f.Limit, 1), reportMost)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.reportPurchases(ctx, f)
		return err
	})
	list, before, after = db.Page(f.Window, list)
	return list, before, after, err
}

// CountPurchases tells how many purchases the municipality has, of any state.
func (s *Service) CountPurchases(ctx context.Context) (n int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		n, err = s.store.countPurchases(ctx)
		return err
	})
	return n, err
}
