package settlement

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/modules/ledger"
)

// CorrectionMost is the most that one correction may move, in won.
const CorrectionMost money.Amount = 10_000_000

// CorrectionOrder moves what a shop is owed, between it and the fund account:
// an entry of its own, since nothing that moved value is ever changed.
type CorrectionOrder struct {
	EntryID    uuid.UUID    `json:"entry_id"` // what will be posted
	MerchantID uuid.UUID    `json:"merchant_id"`
	Takes      bool         `json:"takes"` // from the shop; else it is given
	Amount     money.Amount `json:"amount"`
}

// ProposeCorrection asks for a shop to be given an amount or, with takes, for it
// to be taken from what it is owed; somebody else approves.
func (s *Service) ProposeCorrection(ctx context.Context, merchant uuid.UUID, takes bool, amount money.Amount, reason string) (p approvals.Proposal, err error) {
	switch {
	case amount < 1:
		return p, fault.On("amount", fault.TooSmall).Limit(1)
	case amount > CorrectionMost:
		return p, fault.On("amount", fault.TooLarge).Limit(CorrectionMost)
	}
	if _, err := s.merchants.Get(ctx, merchant); err != nil {
		return p, err
	}
	return s.propose.correct.Propose(ctx, CorrectionOrder{uuid.Must(uuid.NewV7()), merchant, takes, amount}, reason)
}

func (s *Service) correctionFacts(ctx context.Context, o CorrectionOrder) ([]approvals.Fact, error) {
	m, err := s.merchants.Get(ctx, o.MerchantID)
	if err != nil {
		return nil, err
	}
	owed, err := s.ledger.Balance(ctx, m.PayableID)
	direction := "settlement.correction.gives"
	if o.Takes {
		direction = "settlement.correction.takes"
	}
	return []approvals.Fact{
		{Key: "settlement.proposal.merchant", Value: m.Name},
		{Key: direction, Value: o.Amount},
		{Key: "settlement.correction.owed", Value: owed},
	}, err
}

// correctAsApproved posts in the transaction of the approval.
func (s *Service) correctAsApproved(ctx context.Context, p approvals.Proposal, o CorrectionOrder) (any, error) {
	m, err := s.merchants.Get(ctx, o.MerchantID)
	if err != nil {
		return nil, err
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return nil, err
	}
	move := ledger.Transfer{Debit: house.Fund, Credit: m.PayableID, Amount: o.Amount}
	if o.Takes {
		move.Debit, move.Credit = move.Credit, move.Debit
	}
	posted, err := s.ledger.PostTx(ctx, ledger.Entry{ID: o.EntryID, Kind: ledger.Correction, Transfers: []ledger.Transfer{move}})
	if err != nil {
		return nil, err
	}
	err = s.audit.Changed(ctx, audit.Change{
		Action: "ledger.corrected", Object: "merchant", ObjectID: o.MerchantID.String(), Reason: p.Reason, After: o,
	})
	return map[string]string{"entry_id": posted.ID.String(), "day": posted.Day.String()}, err
}
