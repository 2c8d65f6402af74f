package merchants

import (
	"context"

	"jangteo/app/tenant"
)

// OfBusiness lists the shops of a business number in the municipality of ctx,
// without those that are closed.
func (s *Service) OfBusiness(ctx context.Context, bizNo string) (list []Merchant, err error) {
	var rows []row
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err = s.store.ofBusiness(ctx, bizNo)
		return err
	})
	for _, r := range rows {
		list = append(list, r.merchant())
	}
	return list, err
}

func (s store) ofBusiness(ctx context.Context, bizNo string) (rows []row, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM merchants.shops WHERE tenant_id = ? AND biz_no = ? AND state <> 'closed'
		ORDER BY id LIMIT 20`, tenant.From(ctx), bizNo).Scan(&rows).Error
	return rows, err
}
