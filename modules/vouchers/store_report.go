package vouchers

import (
	"context"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
)

func (s store) issueByDay(ctx context.Context, from, to calendar.Day) (days []DayIssue, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT (settled_at AT TIME ZONE 'Asia/Seoul')::date AS day, count(*), sum(amount)::bigint AS amount,
			sum(paid)::bigint AS paid, sum(subsidy)::bigint AS subsidy
		FROM vouchers.purchases
		WHERE tenant_id = ? AND state = 'completed' AND settled_at >= ? AND settled_at < ?
		GROUP BY 1 ORDER BY 1`, tenant.From(ctx), from.Start(), to.Next().Start()).Scan(&days).Error
	return days, err
}

func (s store) countPurchases(ctx context.Context) (n int64, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM vouchers.purchases WHERE tenant_id = ?`, tenant.From(ctx)).Scan(&n).Error
	return n, err
}
