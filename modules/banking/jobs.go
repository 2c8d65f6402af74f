package banking

import (
	"context"
	"errors"
	"fmt"

	"jangteo/app/tenant"
)

// Resolve takes up to limit instructions whose time has come, of all tenants:
// it sends what was interrupted before sending and inquires about what is
// unknown. It returns how many it took up. Several servers may run it at once.
func (s *Service) Resolve(ctx context.Context, limit int) (taken int, err error) {
	tenants, err := s.store.tenantsDue(ctx, s.now())
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, id := range tenants {
		if taken >= limit || ctx.Err() != nil {
			break
		}
		n, err := s.ResolveOf(tenant.With(ctx, id), limit-taken)
		taken += n
		failures = append(failures, err)
	}
	return taken, errors.Join(failures...)
}

// ResolveOf is Resolve for the tenant in ctx alone.
func (s *Service) ResolveOf(ctx context.Context, limit int) (int, error) {
	var due []transferRow
	err := s.db.Tx(ctx, func(ctx context.Context) (err error) {
		now := s.now()
		// Taking one up moves its next turn, so that no other server asks meanwhile.
		due, err = s.store.takeDue(ctx, now, now.Add(s.cfg.TakeUpAfter), limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, row := range due {
		if err := s.resolve(ctx, row); err != nil {
			failures = append(failures, fmt.Errorf("transfer %s: %w", row.ID, err))
		}
	}
	return len(due), errors.Join(failures...)
}

func (s *Service) resolve(ctx context.Context, row transferRow) error {
	if row.State == Requested {
		if row.Direction == Withdraw && s.now().Sub(row.RequestedAt) >= s.cfg.StaleAfter {
			_, err := s.record(ctx, row, fmt.Errorf("%w in time", errNotCalled))
			return err
		}
		_, err := s.Send(ctx, row.ID)
		return err
	}
	call := Call{row.BankTranID, s.now()}
	transfer, err := s.record(ctx, row, s.bank.Result(ctx, call, row.Direction, row.Amount, row.BankTranDate))
	if err == nil && !transfer.State.Final() {
		s.log.WarnContext(ctx, "the bank has not told yet", "transfer", row.ID, "bank_tran_id", row.BankTranID, "inquiries", row.Inquiries)
	}
	return err
}
