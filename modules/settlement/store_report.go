package settlement

import (
	"context"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

func (s store) report(ctx context.Context, w db.Window) (list []DayReport, before, after bool, err error) {
	var days []dayRow
	query := w.Cut(s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx)), "settlement.days", "day", "sales")
	if err := query.Find(&days).Error; err != nil || len(days) == 0 {
		return nil, false, false, err
	}
	days, before, after = db.Page(w, days)
	keys := make([]string, len(days))
	for i, d := range days {
		keys[i] = d.Day.String()
	}
	var sums []struct {
		Day       calendar.Day
		State     State
		Count     int
		Net       money.Amount
		PayoutDay calendar.Day
	}
	err = s.db.In(ctx).Raw(`SELECT day, state, count(*), sum(net)::bigint AS net, max(payout_day) AS payout_day
		FROM settlement.settlements WHERE tenant_id = ? AND day IN ? GROUP BY day, state`,
		tenant.From(ctx), keys).Scan(&sums).Error
	for _, d := range days {
		report := DayReport{Day: d.day()}
		for _, state := range States() {
			for _, sum := range sums {
				if sum.Day == d.Day && sum.State == state {
					report.States = append(report.States, StateSum{sum.State, sum.Count, sum.Net})
					report.PayoutDay, report.Net = sum.PayoutDay, report.Net+sum.Net
				}
			}
		}
		list = append(list, report)
	}
	return list, before, after, err
}

func (s store) reportEach(ctx context.Context, f ReportFilter) (rows []row, err error) {
	query := s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx))
	if !f.Day.IsZero() {
		query = query.Where("day = ?", f.Day)
	}
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	err = f.Cut(query, "settlement.settlements", "id", "day", "net", "sales").Find(&rows).Error
	return rows, err
}

func (s store) count(ctx context.Context) (n int64, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM settlement.settlements WHERE tenant_id = ?`, tenant.From(ctx)).Scan(&n).Error
	return n, err
}
