package vouchers

import (
	"context"

	"github.com/google/uuid"

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

func (s store) reportPurchases(ctx context.Context, f PurchaseReport) ([]Purchase, error) {
	query := s.db.In(ctx).Table("vouchers.purchases").Select(purchaseColumns).Where("tenant_id = ?", tenant.From(ctx))
	if f.Object != uuid.Nil {
		query = query.Where("(id = @o OR wallet_id = @o OR citizen_id = @o)", map[string]any{"o": f.Object})
	}
	if f.Number != "" {
		query = query.Where("right(id::text, 8) = ?", f.Number)
	}
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	if !f.From.IsZero() {
		query = query.Where("requested_at >= ?", f.From)
	}
	if !f.To.IsZero() {
		query = query.Where("requested_at < ?", f.To)
	}
	var rows []purchaseRow
	err := f.Cut(query, "vouchers.purchases", "id", "amount").Find(&rows).Error
	list := make([]Purchase, len(rows))
	for i, r := range rows {
		list[i] = r.purchase()
	}
	return list, err
}

func (s store) countPurchases(ctx context.Context) (n int64, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM vouchers.purchases WHERE tenant_id = ?`, tenant.From(ctx)).Scan(&n).Error
	return n, err
}
