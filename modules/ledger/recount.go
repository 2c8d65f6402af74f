package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// recount goes over the entries once, in the order of their ids. What it keeps
// grows with the shops and the sealed days, not with entries or citizens: it
// weighs what entries say of wallets against what the wallets say (Scale), and
// where that is not level the checks of suspected are run to name what differs.
type recount struct {
	tenant    tenant.ID
	days      map[int32]*dayRecount
	last      calendar.Day // sealed
	summed    map[uuid.UUID]*rolledUp
	balance   Scale // of guarded accounts
	spent     Scale
	answered  Scale
	entries   int64
	transfers int64
	counts    map[string]int
	found     []Difference
}

// rolledUp is an account that is summed from its transfers, with its last roll-up.
type rolledUp struct {
	rolled  bool
	through int32 // day
	balance money.Amount
	moved   money.Amount // up to that day
}

func newRecount(ctx context.Context) *recount {
	return &recount{tenant: tenant.From(ctx), days: map[int32]*dayRecount{}, summed: map[uuid.UUID]*rolledUp{}, counts: map[string]int{}}
}

// differ names a difference, up to differencesMost of each check.
func (r *recount) differ(check, object string, want, got any) {
	if r.counts[check]++; r.counts[check] <= differencesMost {
		r.found = append(r.found, Difference{Tenant: r.tenant, Check: check, Object: object, Want: fmt.Sprint(want), Got: fmt.Sprint(got)})
	}
}

// recount recomputes amounts, balances, roll-ups and the roots of sealed days.
func (s *Service) recount(ctx context.Context, r *recount) error {
	if err := s.readDays(ctx, r); err != nil {
		return err
	}
	if err := s.store.summedAccounts(ctx, func(id uuid.UUID, account rolledUp) { r.summed[id] = &account }); err != nil {
		return err
	}
	if err := s.store.allEntries(ctx, r.entry); err != nil {
		return err
	}
	err := s.store.guardedAccounts(ctx, func(id uuid.UUID, kind Kind, balance, spent money.Amount) {
		r.balance.Take(id, balance)
		if kind == Wallet {
			r.spent.Take(id, spent)
		}
	})
	if err != nil {
		return err
	}
	for _, d := range sortedDays(r.days) {
		if d.end(); d.differs {
			if err := s.nameChanges(ctx, r, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry takes one entry into account.
func (r *recount) entry(e *streamed) error {
	r.entries++
	r.transfers += int64(len(e.Transfers))
	var total money.Amount
	for i, t := range e.Transfers {
		total += t.Amount
		r.move(t.Debit, -t.Amount, e.moved[i])
		r.move(t.Credit, t.Amount, e.moved[i])
		switch e.Kind {
		case Payment, ClaimRepaid, WalletDebited:
			if r.summed[t.Debit] == nil { // a wallet, not a claim
				r.spent.Add(t.Debit, t.Amount)
			}
		case Cancellation:
			if r.summed[t.Credit] == nil {
				r.spent.Take(t.Credit, t.Amount)
			}
		default: // no other is spending
		}
	}
	r.answered.Add(e.ID, e.answered)
	if e.Kind == Cancellation {
		r.answered.Take(e.Answers, e.Amount)
	}
	other := slices.ContainsFunc(e.moved, func(day int32) bool { return day != e.day })
	if total != e.Amount || other {
		got := total.String()
		if other {
			got += ", not all on " + e.Day.String()
		}
		r.differ("entry-amount-is-its-transfers", "entry "+e.ID.String(), e.Amount, got)
	}
	switch d := r.days[e.day]; {
	case d != nil:
		d.add(e.ID, e.leaf())
	case e.Day.Before(r.last): // of a day before the first, or without a root
		r.differ("entry-was-sealed-with-its-day", "entry "+e.ID.String(), "sealed with "+e.Day.String(), "never sealed")
	}
	return nil
}

// move counts what came to an account, or went.
func (r *recount) move(account uuid.UUID, change money.Amount, day int32) {
	a := r.summed[account]
	switch {
	case a == nil: // guarded; or unknown, and then nobody takes it off the scale
		r.balance.Add(account, change)
	case a.rolled && day <= a.through:
		a.moved += change
	}
}

// suspected reports whether a check has something to find. Those that the
// recount cannot answer for are always run.
func (r *recount) suspected(check string, transfers int64) bool {
	switch check {
	case "transfer-has-its-entry":
		return r.transfers != transfers
	case "guarded-balance-is-its-transfers", "transfer-between-known-accounts":
		return !r.balance.Level()
	case "wallet-spent-is-its-payments":
		return !r.spent.Level()
	case "answered-is-its-cancellations":
		return !r.answered.Level()
	case "rollup-is-its-transfers":
		for _, a := range r.summed {
			if a.rolled && a.balance != a.moved {
				return true
			}
		}
		return false
	}
	return true
}
