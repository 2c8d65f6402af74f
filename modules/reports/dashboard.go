package reports

import (
	"context"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/modules/ledger"
	"jangteo/modules/payments"
	"jangteo/modules/settlement"
	"jangteo/modules/vouchers"
)

// Dashboard is how a municipality stands at a moment.
type Dashboard struct {
	Today      calendar.Day
	Issued     vouchers.Issue
	Spent      payments.DaySpending
	Held       ledger.Holdings
	LastClosed *settlement.DayReport // nil before the first
	OnSale     []vouchers.Programme
	Days       []DayFigures // 30, the last is today

	SubsidyPerDay money.Amount // mean of the last seven whole days
	DaysToEmpty   int          // of the subsidy at that pace; -1 when none is used
}

// DayFigures are one day of the chart.
type DayFigures struct {
	Day       calendar.Day
	Issued    money.Amount
	Subsidy   money.Amount
	Spent     money.Amount
	Cancelled money.Amount
}

const (
	chartDays = 30
	paceDays  = 7
)

// Dashboard sums up the municipality of ctx. Business days that are closed come
// from their settlement, so that only those still open are counted anew.
func (s *Service) Dashboard(ctx context.Context) (d Dashboard, err error) {
	now := s.Now()
	programmes, err := s.Vouchers.Programmes(ctx)
	if err != nil {
		return d, err
	}
	for _, p := range programmes {
		if _, on := p.OnSale(now); on {
			d.OnSale = append(d.OnSale, p)
		}
	}
	d.Today = calendar.DayOf(now)
	err = s.DB.Tx(ctx, func(ctx context.Context) error { return s.figures(ctx, &d) })
	return d, err
}

func (s *Service) figures(ctx context.Context, d *Dashboard) (err error) {
	first := d.Today.AddDays(1 - chartDays)
	d.Days = make([]DayFigures, chartDays)
	for i := range d.Days {
		d.Days[i].Day = first.AddDays(i)
	}
	at := func(day calendar.Day) *DayFigures {
		if i := first.DaysUntil(day); i >= 0 && i < chartDays {
			return &d.Days[i]
		}
		return &DayFigures{}
	}
	if d.Held, err = s.Ledger.Holdings(ctx); err != nil {
		return err
	}
	issues, err := s.Vouchers.IssueByDay(ctx, first, d.Today)
	if err != nil {
		return err
	}
	for _, issue := range issues {
		figures := at(issue.Day)
		figures.Issued, figures.Subsidy = issue.Amount, issue.Subsidy
		if issue.Day == d.Today {
			d.Issued = issue.Issue
		}
	}
	closed, _, _, err := s.Settlement.Report(ctx, db.Window{Limit: chartDays})
	if err != nil {
		return err
	}
	open := first
	if len(closed) > 0 {
		d.LastClosed = &closed[0]
		if next := closed[0].Day.Day.Next(); next.After(open) {
			open = next
		}
	}
	for _, day := range closed {
		figures := at(day.Day.Day)
		figures.Spent, figures.Cancelled = day.Sales, day.Cancellations
	}
	if open.After(d.Today) { // today was closed early; its counts are wanted all the same
		open = d.Today
	}
	spending, err := s.Payments.SpendingByDay(ctx, open)
	if err != nil {
		return err
	}
	d.Spent.Day = d.Today
	for _, day := range spending {
		figures := at(day.Day)
		figures.Spent, figures.Cancelled = day.Spent, day.Cancelled
		if day.Day == d.Today {
			d.Spent = day
		}
	}
	d.pace()
	return nil
}

// pace works out how long the subsidy lasts.
func (d *Dashboard) pace() {
	var used money.Amount
	for _, day := range d.Days[chartDays-1-paceDays : chartDays-1] {
		used += day.Subsidy
	}
	d.SubsidyPerDay = used / paceDays
	d.DaysToEmpty = -1
	if d.SubsidyPerDay > 0 {
		d.DaysToEmpty = int(d.Held.Subsidy / d.SubsidyPerDay)
	}
}
