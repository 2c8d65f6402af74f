package merchants

import (
	"context"

	"jangteo/app/db"
)

// ReportFilter narrows the shops that staff look at; zero values do not.
type ReportFilter struct {
	Query     string // a part of the name, or a business registration number
	State     State
	db.Window // by id, name or state; its limit is 1 to 10,000
}

const reportMost = 10_000

// Report lists the shops of the tenant in ctx for staff and for downloads, and
// tells whether there are others before and after them.
func (s *Service) Report(ctx context.Context, f ReportFilter) (list []Merchant, before, after bool, err error) {
	f.Limit = min(max(f.Limit, 1), reportMost)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err := s.store.report(ctx, f)
		rows, before, after = db.Page(f.Window, rows)
		list = make([]Merchant, len(rows))
		for i, r := range rows {
			list[i] = r.merchant()
		}
		return err
	})
	return list, before, after, err
}
