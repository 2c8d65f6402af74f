package payments

import (
	"context"
	"encoding/binary"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
)

// earliest is below the id of everything that can fall on a business day: ids
// begin with their time, and a day that is closed early begins the next one
// less than a day too soon.
func earliest(day calendar.Day) (id uuid.UUID) {
	if day.IsZero() {
		return uuid.Nil
	}
	milliseconds := uint64(max(0, day.AddDays(-1).Start().UnixMilli()))
	binary.BigEndian.PutUint64(id[:8], milliseconds<<16)
	return id
}

func (s store) report(ctx context.Context, f ReportFilter) (list []Payment, err error) {
	from, to := Filter{From: f.From, To: f.To}.days()
	query := s.db.In(ctx).Table("payments.payments").
		Where("tenant_id = ? AND id >= ? AND day BETWEEN ? AND ?", tenant.From(ctx), earliest(f.From), from, to)
	switch f.State {
	case Captured:
		query = query.Where("cancelled_amount = 0")
	case PartiallyCancelled:
		query = query.Where("cancelled_amount > 0 AND cancelled_amount < amount")
	case Cancelled:
		query = query.Where("cancelled_amount = amount")
	}
	if f.Merchants != nil {
		query = query.Where("merchant_id IN ?", f.Merchants)
	}
	if f.Approval != "" {
		query = query.Where("right(id::text, 8) = ?", f.Approval)
	}
	err = f.Cut(query, "payments.payments", "id", "amount").Find(&list).Error
	return list, err
}

func (s store) spendingByDay(ctx context.Context, from calendar.Day) (days []DaySpending, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT coalesce(p.day, c.day) AS day, coalesce(p.count, 0) AS payments, coalesce(p.amount, 0) AS spent,
			coalesce(c.count, 0) AS cancellations, coalesce(c.amount, 0) AS cancelled
		FROM (SELECT day, count(*), sum(amount)::bigint AS amount FROM payments.payments
			WHERE tenant_id = @t AND id >= @id AND day >= @from GROUP BY day) p
		FULL JOIN (SELECT day, count(*), sum(amount)::bigint AS amount FROM payments.cancellations
			WHERE tenant_id = @t AND id >= @id AND day >= @from GROUP BY day) c ON c.day = p.day
		ORDER BY 1`, map[string]any{"t": tenant.From(ctx), "id": earliest(from), "from": from}).Scan(&days).Error
	return days, err
}

func (s store) count(ctx context.Context) (n int64, err error) {
	err = s.db.In(ctx).Raw(`SELECT count(*) FROM payments.payments WHERE tenant_id = ?`, tenant.From(ctx)).Scan(&n).Error
	return n, err
}
