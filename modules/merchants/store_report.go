package merchants

import (
	"context"

	"jangteo/app/tenant"
)

func (s store) report(ctx context.Context, f ReportFilter) (rows []row, err error) {
	query := s.db.In(ctx).Where("tenant_id = ?", tenant.From(ctx))
	if f.State != "" {
		query = query.Where("state = ?", f.State)
	}
	if f.Query != "" {
		query = query.Where("(name ILIKE ? OR biz_no = ?)", "%"+escapeLike(f.Query)+"%", f.Query)
	}
	err = f.Cut(query, "merchants.shops", "id", "name", "state").Find(&rows).Error
	return rows, err
}
