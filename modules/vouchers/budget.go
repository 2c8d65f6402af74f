package vouchers

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// The budget for discounts is the municipality's own money in its fund account.
// It grows and shrinks by two people.

// FundingOrder is what somebody wants put into the budget, or taken out.
type FundingOrder struct {
	EntryID uuid.UUID    `json:"entry_id"` // what will be posted
	Returns bool         `json:"returns"`  // out of the budget; else into it
	Amount  money.Amount `json:"amount"`
}

// aboutBudget names the one budget that a municipality has.
const aboutBudget = "subsidy"

// Funding is what was put into the budget, or taken out of it.
type Funding struct {
	TenantID   tenant.ID
	ID         uuid.UUID // also of its entry
	Returned   bool
	Amount     money.Amount
	Reason     string     // empty for what it began with
	ProposalID *uuid.UUID // nil for what it began with
	At         time.Time
}

// Fund adds to the municipality's budget for discounts what it has paid into
// the fund account before anybody works here. An id that was used is refused
// with ledger.ErrEntryExists.
func (s *Service) Fund(ctx context.Context, id uuid.UUID, amount money.Amount) error {
	if err := checkAmount(amount, 1, 1, money.MaxPerEntry); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		_, err := s.fund(ctx, Funding{TenantID: tenant.From(ctx), ID: id, Amount: amount, At: s.now()})
		return err
	})
}

// fund moves an amount between the fund account and the budget, and keeps why.
func (s *Service) fund(ctx context.Context, f Funding) (posted ledger.Posted, err error) {
	house, err := s.ledger.House(ctx)
	if err != nil {
		return posted, err
	}
	e := ledger.Entry{ID: f.ID, Kind: ledger.Funding, Transfers: []ledger.Transfer{{Debit: house.Fund, Credit: house.Subsidy, Amount: f.Amount}}}
	action := "subsidy.funded"
	if f.Returned {
		e.Kind, e.Transfers[0].Debit, e.Transfers[0].Credit = ledger.FundingReturned, house.Subsidy, house.Fund
		action = "subsidy.returned"
	}
	if posted, err = s.ledger.PostTx(ctx, e); err != nil {
		return posted, err
	}
	if err := s.store.insertFunding(ctx, f); err != nil {
		return posted, err
	}
	return posted, s.audit.Changed(ctx, audit.Change{Action: action, Object: "subsidy", ObjectID: f.ID.String(), Reason: f.Reason, After: f.Amount})
}

// ProposeFunding asks for an amount to be put into the budget or, with returns,
// to be taken out of it; somebody else approves.
func (s *Service) ProposeFunding(ctx context.Context, returns bool, amount money.Amount, reason string) (p approvals.Proposal, err error) {
	if err := checkAmount(amount, 1, 1, money.MaxPerEntry); err != nil {
		return p, err
	}
	if returns {
		left, err := s.SubsidyLeft(ctx)
		if err != nil {
			return p, err
		}
		if amount > left {
			return p, fault.On("amount", fault.TooLarge).Limit(int64(left))
		}
	}
	return s.budget.Propose(ctx, FundingOrder{uuid.Must(uuid.NewV7()), returns, amount}, reason)
}

// stillFundable refuses to take more out than is left now.
func (s *Service) stillFundable(ctx context.Context, o FundingOrder) error {
	if !o.Returns {
		return nil
	}
	left, err := s.SubsidyLeft(ctx)
	if err == nil && o.Amount > left {
		err = ErrBeyondBalance.With("balance", left).With("amount", o.Amount)
	}
	return err
}

func (s *Service) fundingFacts(ctx context.Context, o FundingOrder) ([]approvals.Fact, error) {
	left, err := s.SubsidyLeft(ctx)
	direction := "vouchers.budget.adds"
	if o.Returns {
		direction = "vouchers.budget.returns"
	}
	return []approvals.Fact{{Key: direction, Value: o.Amount}, {Key: "vouchers.budget.left", Value: left}}, err
}

// fundAsApproved moves it in the transaction of the approval.
func (s *Service) fundAsApproved(ctx context.Context, p approvals.Proposal, o FundingOrder) (any, error) {
	posted, err := s.fund(ctx, Funding{
		TenantID: tenant.From(ctx), ID: o.EntryID, Returned: o.Returns, Amount: o.Amount, Reason: p.Reason, ProposalID: &p.ID, At: s.now(),
	})
	if errors.Is(err, ledger.ErrInsufficientBalance) { // between the check and here
		err = ErrBeyondBalance.With("amount", o.Amount)
	}
	return map[string]string{"entry_id": posted.ID.String(), "day": posted.Day.String()}, err
}

// SubsidyLeft is what the municipality's budget for discounts still holds.
func (s *Service) SubsidyLeft(ctx context.Context) (left money.Amount, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		house, err := s.ledger.House(ctx)
		if err != nil {
			return err
		}
		left, err = s.ledger.Balance(ctx, house.Subsidy)
		return err
	})
	return left, err
}

// Fundings lists what was put into the budget and taken out of it, newest first.
func (s *Service) Fundings(ctx context.Context, page Page) (list []Funding, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.fundings(ctx, page)
		return err
	})
	return list, err
}
