package settlement

import (
	"context"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

func (s store) report(ctx context.Context, before calendar.Day, limit int) (list []DayReport, err error) {
	if before.IsZero() {
		before = calendar.Date(9999, 12, 31)
	}
	var days []dayRow
	err = s.db.In(ctx).Where("tenant_id = ? AND day < ?", tenant.From(ctx), before).Order("day DESC").Limit(limit).Find(&days).Error
	if err != nil || len(days) == 0 {
		return nil, err
	}
	var sums []struct {
		Day       calendar.Day
		State     State
		Count     int
		Net       money.Amount
		PayoutDay calendar.Day
	}
	err = s.db.In(ctx).Raw(`SELECT day, state, count(*), sum(net)::bigint AS net, max(payout_day) AS payout_day
		FROM settlement.settlements WHERE tenant_id = ? AND day BETWEEN ? AND ? GROUP BY day, state`,
		tenant.From(ctx), days[len(days)-1].Day, days[0].Day).Scan(&sums).Error
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
	return list, err
}

func (s store) count(ctx context.Context) (n int64, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM settlement.settlements WHERE tenant_id = ?`, tenant.From(ctx)).Scan(&n).Error
	return n, err
}
