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

// What is wrong in a citizen's wallet is put right by two people and a new
// entry: nothing that moved value is ever changed.

// CorrectionMost is the most that one correction of a wallet may move: what
// nobody may hold more of.
const CorrectionMost = nationalHoldMax

// Against is the municipality's account on the other side of a correction.
type Against string

// Fund stands for money that the bank holds or no longer holds: a citizen paid
// and got nothing, or was paid back. Subsidy stands for the municipality's own
// budget: it bears or gets back the amount.
const (
	AgainstFund    Against = "fund"
	AgainstSubsidy Against = "subsidy"
)

// CorrectionOrder is what somebody wants put right in a wallet.
type CorrectionOrder struct {
	EntryID   uuid.UUID    `json:"entry_id"` // what will be posted
	CitizenID uuid.UUID    `json:"citizen_id"`
	WalletID  uuid.UUID    `json:"wallet_id"`
	Takes     bool         `json:"takes"` // out of the wallet; else into it
	Against   Against      `json:"against"`
	Amount    money.Amount `json:"amount"`
	Answers   *uuid.UUID   `json:"answers,omitempty"` // the entry that was wrong
}

// Correction is one that was carried out.
type Correction struct {
	TenantID   tenant.ID
	ID         uuid.UUID // also of its entry
	WalletID   uuid.UUID
	CitizenID  uuid.UUID
	Takes      bool
	Against    Against
	Amount     money.Amount
	Answers    *uuid.UUID
	Reason     string // as the citizen is told
	ProposalID uuid.UUID
	At         time.Time
}

// CorrectionInput proposes a correction of a wallet of the municipality in ctx.
type CorrectionInput struct {
	WalletID uuid.UUID
	Takes    bool
	Against  Against
	Amount   money.Amount // 1 to CorrectionMost, and no more than the wallet holds if it takes
	Answers  uuid.UUID    // an entry of this wallet; uuid.Nil: none
	Reason   string       // 2 to 500 characters; the citizen is told
}

// ProposeCorrection asks for a wallet to be put right; somebody else approves.
func (s *Service) ProposeCorrection(ctx context.Context, in CorrectionInput) (p approvals.Proposal, err error) {
	w, err := s.WalletHere(ctx, in.WalletID)
	if err != nil {
		return p, err
	}
	o := CorrectionOrder{
		EntryID: uuid.Must(uuid.NewV7()), CitizenID: w.CitizenID, WalletID: w.ID, Takes: in.Takes, Against: in.Against, Amount: in.Amount,
	}
	if in.Answers != uuid.Nil {
		o.Answers = &in.Answers
	}
	if err := checkAmount(o.Amount, 1, 1, CorrectionMost); err != nil {
		return p, err
	}
	switch {
	case o.Against != AgainstFund && o.Against != AgainstSubsidy:
		return p, fault.On("against", fault.NotAllowed)
	case o.Takes && o.Amount > w.Balance:
		return p, fault.On("amount", fault.TooLarge).Limit(int64(w.Balance))
	}
	if err := s.checkAnswers(ctx, o); err != nil {
		return p, err
	}
	return s.corrections.Propose(ctx, o, in.Reason)
}

// checkAnswers refuses an entry that did not move this wallet.
func (s *Service) checkAnswers(ctx context.Context, o CorrectionOrder) error {
	if o.Answers == nil {
		return nil
	}
	e, err := s.ledger.Entry(ctx, *o.Answers)
	if f, ok := fault.Of(err); ok && f.Kind == fault.NotFound {
		return fault.On("answers", fault.NotAllowed)
	}
	if err != nil {
		return err
	}
	for _, t := range e.Transfers {
		if t.Debit == o.WalletID || t.Credit == o.WalletID {
			return nil
		}
	}
	return fault.On("answers", fault.NotAllowed)
}

// WalletHere returns any wallet of the municipality in ctx, for its staff.
func (s *Service) WalletHere(ctx context.Context, id uuid.UUID) (w Wallet, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if w, err = s.store.wallet(ctx, id); err != nil {
			return err
		}
		return s.fill(ctx, &w)
	})
	return w, err
}

// stillCorrectable refuses to take more than a wallet or the budget holds now.
func (s *Service) stillCorrectable(ctx context.Context, o CorrectionOrder) (err error) {
	var held money.Amount
	switch {
	case o.Takes:
		held, err = s.ledger.Balance(ctx, o.WalletID)
	case o.Against == AgainstFund:
		return nil
	default:
		held, err = s.SubsidyLeft(ctx)
	}
	if err == nil && o.Amount > held {
		err = ErrBeyondBalance.With("balance", held).With("amount", o.Amount)
	}
	return err
}

// correctionFacts tell who decides what would move, and what the wallet would
// hold then.
func (s *Service) correctionFacts(ctx context.Context, o CorrectionOrder) ([]approvals.Fact, error) {
	w, err := s.WalletHere(ctx, o.WalletID)
	if err != nil {
		return nil, err
	}
	who, err := s.nameOf(ctx, w.CitizenID)
	if err != nil {
		return nil, err
	}
	facts := []approvals.Fact{
		{Key: "vouchers.correction.citizen", Value: approvals.Link{Text: who, Path: "/office/citizens/" + w.CitizenID.String()}},
		{Key: "vouchers.policy.programme", Value: w.Programme.Name},
		{Key: "vouchers.correction." + o.direction() + "." + string(o.Against), Value: o.Amount},
		{Key: "vouchers.correction.balance", Value: w.Balance},
	}
	if o.Answers != nil {
		facts = append(facts, approvals.Fact{Key: "label.answers", Value: *o.Answers})
	}
	return facts, nil
}

func (o CorrectionOrder) direction() string {
	if o.Takes {
		return "takes"
	}
	return "gives"
}

// correctAsApproved moves the amount, keeps why and tells the citizen, in the
// transaction of the approval.
func (s *Service) correctAsApproved(ctx context.Context, p approvals.Proposal, o CorrectionOrder) (any, error) {
	c := Correction{
		TenantID: tenant.From(ctx), ID: o.EntryID, WalletID: o.WalletID, CitizenID: o.CitizenID, Takes: o.Takes, Against: o.Against,
		Amount: o.Amount, Answers: o.Answers, Reason: p.Reason, ProposalID: p.ID, At: s.now(),
	}
	if err := s.store.insertCorrection(ctx, c); err != nil {
		return nil, err
	}
	if !c.Takes {
		if err := s.correctionLot(ctx, c); err != nil {
			return nil, err
		}
	}
	posted, err := s.postCorrection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = s.outbox.Put(ctx, TopicCorrected, CorrectionMade{c.ID, c.CitizenID, c.WalletID, c.Takes, c.Amount, c.At})
	if err != nil {
		return nil, err
	}
	err = s.audit.Changed(ctx, audit.Change{Action: "wallet.corrected", Object: "citizen", ObjectID: c.CitizenID.String(), Reason: c.Reason, After: o})
	return map[string]string{"entry_id": posted.ID.String(), "day": posted.Day.String()}, err
}

func (s *Service) postCorrection(ctx context.Context, c Correction) (ledger.Posted, error) {
	house, err := s.ledger.House(ctx)
	if err != nil {
		return ledger.Posted{}, err
	}
	other := house.Fund
	if c.Against == AgainstSubsidy {
		other = house.Subsidy
	}
	e := ledger.Entry{ID: c.ID, Kind: ledger.WalletCredited, Transfers: []ledger.Transfer{{Debit: other, Credit: c.WalletID, Amount: c.Amount}}}
	if c.Takes {
		e.Kind, e.Transfers[0].Debit, e.Transfers[0].Credit = ledger.WalletDebited, c.WalletID, other
	}
	if c.Answers != nil {
		e.Answers = *c.Answers
	}
	posted, err := s.ledger.PostTx(ctx, e)
	if errors.Is(err, ledger.ErrInsufficientBalance) { // between the check and here
		err = ErrBeyondBalance.With("amount", c.Amount)
	}
	return posted, err
}

// correctionLot is what a correction puts into a wallet, under the rules of now:
// money of the fund account counts as the citizen's own, the budget's as the
// municipality's share.
func (s *Service) correctionLot(ctx context.Context, c Correction) error {
	w, err := s.store.wallet(ctx, c.WalletID)
	if err != nil {
		return err
	}
	programme, err := s.Programme(ctx, w.ProgrammeID)
	if err != nil {
		return err
	}
	policy, ok := programme.spending(c.At)
	if !ok {
		return ErrProgrammeNotOpen.With("programme", programme.ID)
	}
	seq, err := s.store.nextLot(ctx, c.WalletID)
	if err != nil {
		return err
	}
	lot := Lot{
		WalletID: c.WalletID, Seq: seq, CorrectionID: &c.ID, Face: c.Amount, Paid: c.Amount, IssuedAt: c.At, ExpiresAt: policy.expiry(c.At),
	}
	if c.Against == AgainstSubsidy {
		lot.Paid, lot.Subsidy = 0, c.Amount
	}
	return s.store.insertLots(ctx, []Lot{lot})
}

// CorrectionOf returns a correction of one of a citizen's wallets; another's is
// unknown.
func (s *Service) CorrectionOf(ctx context.Context, citizen, id uuid.UUID) (c Correction, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		c, err = s.store.correction(ctx, id)
		if err == nil && c.CitizenID != citizen {
			err = ErrCorrectionUnknown
		}
		return err
	})
	return c, err
}

// Names tells who people are, masked.
type Names func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]string, error)

// KnowPeople says how staff are told who somebody is.
func (s *Service) KnowPeople(names Names) { s.people = names }

func (s *Service) nameOf(ctx context.Context, citizen uuid.UUID) (string, error) {
	if s.people == nil {
		return citizen.String(), nil
	}
	names, err := s.people(ctx, []uuid.UUID{citizen})
	return names[citizen], err
}
