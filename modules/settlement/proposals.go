package settlement

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/money"
)

// What staff order to be paid takes two people; what falls due by the calendar
// is paid without either.

// payoutLife is how long an order to pay may wait for the second person.
const payoutLife = 24 * time.Hour

// PayoutOrder is what somebody wants paid now, as it stood when they said so.
type PayoutOrder struct {
	All         bool         `json:"all"` // those too whose day has not come
	Settlements int          `json:"settlements"`
	Net         money.Amount `json:"net"` // what shops get in all
}

// RetryOrder is a payout that came back and is to be sent again.
type RetryOrder struct {
	SettlementID uuid.UUID    `json:"settlement_id"`
	MerchantID   uuid.UUID    `json:"merchant_id"`
	Day          calendar.Day `json:"day"`
	Net          money.Amount `json:"net"`
}

// propositions are the kinds of action that this module lets be proposed.
type propositions struct {
	payOut *approvals.Kind[PayoutOrder]
	retry  *approvals.Kind[RetryOrder]

	correct *approvals.Kind[CorrectionOrder]
}

func (s *Service) register(a *approvals.Approvals) {
	s.propose.payOut = approvals.Register(a, "payout", approvals.Options[PayoutOrder]{
		Permission: "settlement.close", Life: payoutLife,
		About: func(o PayoutOrder) (object, id string) { return "payouts", o.which().String() },
		Facts: s.payoutFacts, Check: s.stillOwed, Later: s.payAsOrdered,
	})
	s.propose.retry = approvals.Register(a, "payout-retry", approvals.Options[RetryOrder]{
		Permission: "settlement.close", Life: payoutLife,
		About: func(o RetryOrder) (object, id string) { return "settlement", o.SettlementID.String() },
		Facts: s.retryFacts, Check: s.stillReturned, Execute: s.retryAsOrdered,
	})
	s.propose.correct = approvals.Register(a, "ledger-correction", approvals.Options[CorrectionOrder]{
		Permission: "settlement.close", Life: payoutLife,
		About: func(o CorrectionOrder) (object, id string) { return "merchant", o.MerchantID.String() },
		Facts: s.correctionFacts, Execute: s.correctAsApproved,
	})
}

// ProposePayOut asks for settlements to be paid now; somebody else approves.
func (s *Service) ProposePayOut(ctx context.Context, which Which, reason string) (p approvals.Proposal, err error) {
	order := PayoutOrder{All: which == All}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		order.Settlements, order.Net, err = s.store.owed(ctx, s.until(which))
		return err
	})
	if err == nil && order.Settlements == 0 {
		err = ErrNothingDue
	}
	if err != nil {
		return p, err
	}
	return s.propose.payOut.Propose(ctx, order, reason)
}

func (o PayoutOrder) which() Which {
	if o.All {
		return All
	}
	return Due
}

// stillOwed refuses an order when something else would be paid than was said.
func (s *Service) stillOwed(ctx context.Context, o PayoutOrder) error {
	count, net, err := s.store.owed(ctx, s.until(o.which()))
	if err == nil && (count != o.Settlements || net != o.Net) {
		err = approvals.ErrStale
	}
	return err
}

func (s *Service) payoutFacts(_ context.Context, o PayoutOrder) ([]approvals.Fact, error) {
	return []approvals.Fact{
		{Key: "settlement.proposal.which." + o.which().String(), Value: o.Settlements},
		{Key: "settlement.proposal.net", Value: o.Net},
	}, nil
}

// payAsOrdered pays; a settlement that was sent is not sent again.
func (s *Service) payAsOrdered(ctx context.Context, _ approvals.Proposal, o PayoutOrder) (any, error) {
	return s.PayOut(ctx, o.which())
}

// ProposeRetry asks for a payout that came back to be sent again; somebody else
// approves.
func (s *Service) ProposeRetry(ctx context.Context, id uuid.UUID, reason string) (p approvals.Proposal, err error) {
	found, err := s.Get(ctx, id)
	if err != nil {
		return p, err
	}
	return s.propose.retry.Propose(ctx, RetryOrder{id, found.MerchantID, found.Day, found.Net}, reason)
}

func (s *Service) stillReturned(ctx context.Context, o RetryOrder) error {
	r, err := s.store.lock(ctx, o.SettlementID)
	if err == nil && r.State != Returned {
		err = ErrNotPayable.With("state", r.State)
	}
	return err
}

func (s *Service) retryFacts(ctx context.Context, o RetryOrder) ([]approvals.Fact, error) {
	names, err := s.merchants.Names(ctx, []uuid.UUID{o.MerchantID})
	return []approvals.Fact{
		{Key: "settlement.proposal.merchant", Value: names[o.MerchantID]},
		{Key: "settlement.proposal.day", Value: o.Day},
		{Key: "settlement.proposal.net", Value: o.Net},
	}, err
}

// retryAsOrdered instructs in the transaction of the approval; banking sends
// what is instructed.
func (s *Service) retryAsOrdered(ctx context.Context, p approvals.Proposal, o RetryOrder) (any, error) {
	transfer, err := s.instruct(ctx, o.SettlementID, Returned)
	if err != nil {
		return nil, err
	}
	err = s.audit.Changed(ctx, audit.Change{
		Action: "payout.retried", Object: "settlement", ObjectID: o.SettlementID.String(), Reason: p.Reason,
		After: map[string]uuid.UUID{"transfer_id": transfer},
	})
	return map[string]uuid.UUID{"transfer_id": transfer}, err
}
