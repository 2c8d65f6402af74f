package vouchers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/money"
)

// A municipality's rules change by two people: one writes the next version,
// another lets it come into force.

const (
	amendLife   = 7 * 24 * time.Hour
	correctLife = 3 * 24 * time.Hour
)

// Amendment is the next version of a programme's policy, as somebody wrote it.
type Amendment struct {
	Programme uuid.UUID `json:"programme_id"`
	Policy    Policy    `json:"policy"`
}

func (s *Service) register(a *approvals.Approvals) {
	s.amendments = approvals.Register(a, "policy-change", approvals.Options[Amendment]{
		Permission: "programmes.manage", Life: amendLife,
		About: func(m Amendment) (object, id string) { return "programme", m.Programme.String() },
		Facts: s.amendmentFacts, Check: s.stillNext, Execute: s.amendAsApproved,
	})
	s.openings = approvals.Register(a, "programme-opening", approvals.Options[OpeningOrder]{
		Permission: "programmes.manage", Life: amendLife,
		About: func(o OpeningOrder) (object, id string) { return "programme", o.Programme.ID.String() },
		Facts: s.openingFacts, Check: s.stillAhead, Execute: s.openAsApproved,
	})
	s.closings = approvals.Register(a, "sale-closing", approvals.Options[SaleClosing]{
		Permission: "programmes.manage", Life: correctLife,
		About: func(c SaleClosing) (object, id string) { return "programme", c.Programme.String() },
		Facts: s.closingFacts, Check: s.stillSelling, Execute: s.closeAsApproved,
	})
	s.corrections = approvals.Register(a, "wallet-correction", approvals.Options[CorrectionOrder]{
		Permission: "wallets.correct", Life: correctLife,
		About: func(o CorrectionOrder) (object, id string) { return "wallet", o.WalletID.String() },
		Facts: s.correctionFacts, Check: s.stillCorrectable, Execute: s.correctAsApproved,
	})
	s.budget = approvals.Register(a, "budget-change", approvals.Options[FundingOrder]{
		Permission: "budget.manage", Life: correctLife,
		About: func(FundingOrder) (object, id string) { return aboutBudget, aboutBudget },
		Facts: s.fundingFacts, Check: s.stillFundable, Execute: s.fundAsApproved,
	})
}

// ProposeAmend asks for the next version of a policy, which begins in the
// future; somebody else approves. Version and author are set here.
func (s *Service) ProposeAmend(ctx context.Context, programme uuid.UUID, policy Policy, reason string) (p approvals.Proposal, err error) {
	found, err := s.Programme(ctx, programme)
	if err != nil {
		return p, err
	}
	policy.Version, policy.Author = len(found.Policies)+1, auth.From(ctx).Name
	if err := found.check(policy); err != nil {
		return p, err
	}
	if !policy.EffectiveFrom.After(s.now()) {
		return p, fault.On("effective_from", fault.TooSmall)
	}
	return s.amendments.Propose(ctx, Amendment{programme, policy}, reason)
}

// stillNext refuses a version that is not the next one any more, and one whose
// beginning has passed: rules never reach back.
func (s *Service) stillNext(ctx context.Context, m Amendment) error {
	count, err := s.store.policyCount(ctx, m.Programme)
	if err == nil && (count+1 != m.Policy.Version || !m.Policy.EffectiveFrom.After(s.now())) {
		err = approvals.ErrStale
	}
	return err
}

// amendAsApproved adds the version in the transaction of the approval; every
// server reads it with its next poll.
func (s *Service) amendAsApproved(ctx context.Context, p approvals.Proposal, m Amendment) (any, error) {
	if err := s.store.insertPolicy(ctx, m.Programme, m.Policy, s.now()); err != nil {
		return nil, err
	}
	err := s.audit.Changed(ctx, audit.Change{
		Action: "policy.added", Object: "programme", ObjectID: m.Programme.String(), Reason: p.Reason, After: m.Policy,
	})
	return map[string]int{"version": m.Policy.Version}, err
}

// amendmentFacts tell who decides what would be other than now.
func (s *Service) amendmentFacts(ctx context.Context, m Amendment) ([]approvals.Fact, error) {
	programme, err := s.Programme(ctx, m.Programme)
	if err != nil {
		return nil, err
	}
	facts := []approvals.Fact{
		{Key: "vouchers.policy.programme", Value: programme.Name},
		{Key: "vouchers.policy.version", Value: m.Policy.Version},
		{Key: "label.clause", Value: m.Policy.Clause},
		{Key: "label.effective_from", Value: m.Policy.EffectiveFrom},
	}
	if to := m.Policy.EffectiveTo; to != nil {
		facts = append(facts, approvals.Fact{Key: "label.effective_to", Value: *to})
	}
	before := before(programme, m.Policy.Version)
	for i, now := range m.Policy.rules() {
		if was := before.rules()[i].value; was != now.value {
			facts = append(facts, approvals.Fact{Key: "label." + now.name, Value: was + " → " + now.value})
		}
	}
	return facts, nil
}

// before is the version that another one follows; empty before the first.
func before(p Programme, version int) Policy {
	i := slices.IndexFunc(p.Policies, func(policy Policy) bool { return policy.Version == version-1 })
	if i < 0 {
		return Policy{}
	}
	return p.Policies[i]
}

// rule is one line of a policy as the form has it.
type rule struct{ name, value string }

func (p Policy) rules() []rule {
	won := func(a money.Amount) string { return a.String() }
	return []rule{
		{"discount_bp", percentOf(p.DiscountBP)},
		{"purchase_min", won(p.PurchaseMin)},
		{"purchase_step", won(p.PurchaseStep)},
		{"purchase_month_max", won(p.PurchaseMonthMax)},
		{"hold_max", won(p.HoldMax)},
		{"per_payment_max", won(p.PerPaymentMax)},
		{"per_day_max", won(p.PerDayMax)},
		{"validity_years", strconv.Itoa(p.ValidityYears)},
		{"refund_used_bp", percentOf(p.RefundUsedBP)},
		{"excluded_trades", strings.Join(p.ExcludedTrades, " ")},
		{"excludes_large_sellers", map[bool]string{true: "✓", false: "–"}[p.ExcludesLargeSellers]},
	}
}

const oneBP = 100 // basis points in one per cent

func percentOf(bp int64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", bp/oneBP, bp%oneBP), "0"), ".")
}

// parsePercent reads 7 or 7.5 as basis points.
func parsePercent(text string) (bp int64, ok bool) {
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > 2 || len(whole) > 3 {
		return 0, false
	}
	part += strings.Repeat("0", 2-len(part))
	bp, err := strconv.ParseInt(whole+part, 10, 64)
	return bp, err == nil && bp >= 0
}
