package ledger

import (
	"context"

	"jangteo/app/tenant"
)

// Report is what a recomputation of one tenant's books found.
type Report struct {
	Tenant      tenant.ID
	Accounts    int64
	Entries     int64
	Transfers   int64
	Days        int64        // sealed
	Differences []Difference // at most differencesMost of each check
}

const differencesMost = 100

// Verify recomputes the books of the tenant in ctx from their transfers, and the
// roots of its sealed days from their entries, in one pass over them, and names
// every difference. It only reads, and its memory does not grow with the
// entries. Inside a snapshot it sees one moment.
func (s *Service) Verify(ctx context.Context) (r Report, err error) {
	r.Tenant = tenant.From(ctx)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if r.Accounts, r.Transfers, err = s.store.counts(ctx); err != nil {
			return err
		}
		recount := newRecount(ctx)
		if err := s.recount(ctx, recount); err != nil {
			return err
		}
		r.Entries, r.Days, r.Differences = recount.entries, int64(len(recount.days)), recount.found
		for _, c := range checks {
			if !recount.suspected(c.name, r.Transfers) {
				continue
			}
			found, err := s.store.check(ctx, c)
			if err != nil {
				return err
			}
			r.Differences = append(r.Differences, found...)
		}
		return nil
	})
	return r, err
}
