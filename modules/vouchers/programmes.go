package vouchers

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// rules are all programmes with their policies, in memory: few, small, rarely
// changed, and needed by every payment.
type rules struct {
	all atomic.Pointer[map[tenant.ID][]Programme]
}

// ProgrammeInput begins a programme.
type ProgrammeInput struct {
	ID                       uuid.UUID // zero makes one
	Kind                     Kind
	Name                     string
	NameEn                   string
	OpensAt                  time.Time  // zero: now
	ClosesAt                 *time.Time // nil: never by itself
	BuyerAgeMin, BuyerAgeMax int        // full years; 0: no bound
	Policy                   Policy     // its first; Version 0 makes it 1
}

// Open begins a programme under its first policy.
func (s *Service) Open(ctx context.Context, in ProgrammeInput) (p Programme, err error) {
	if in.ID == uuid.Nil {
		in.ID = uuid.Must(uuid.NewV7())
	}
	if in.OpensAt.IsZero() {
		in.OpensAt = s.now()
	}
	in.Policy.complete(1, in.OpensAt)
	p = in.programme(tenant.From(ctx))
	if err := p.check(in.Policy); err != nil {
		return Programme{}, err
	}
	if err := s.db.Tx(ctx, func(ctx context.Context) error { return s.keepProgramme(ctx, p, "") }); err != nil {
		return Programme{}, err
	}
	return p, s.Refresh(ctx)
}

// programme is what it becomes.
func (in ProgrammeInput) programme(id tenant.ID) Programme {
	return Programme{
		TenantID: id, ID: in.ID, Kind: in.Kind, Name: strings.TrimSpace(in.Name), NameEn: strings.TrimSpace(in.NameEn),
		OpensAt: in.OpensAt, ClosesAt: in.ClosesAt, BuyerAgeMin: in.BuyerAgeMin, BuyerAgeMax: in.BuyerAgeMax, Policies: []Policy{in.Policy},
	}
}

// keepProgramme keeps a programme with its first policy, inside a transaction.
func (s *Service) keepProgramme(ctx context.Context, p Programme, reason string) error {
	if err := s.store.insertProgramme(ctx, p, s.now()); err != nil {
		return err
	}
	if err := s.store.insertPolicy(ctx, p.ID, p.Policies[0], s.now()); err != nil {
		return err
	}
	return s.audit.Changed(ctx, audit.Change{Action: "programme.opened", Object: "programme", ObjectID: p.ID.String(), Reason: reason, After: p})
}

// Amend adds the next version of a programme's policy. The versions before it
// stay as they are; from its first moment on the new one is in force.
func (s *Service) Amend(ctx context.Context, programme uuid.UUID, policy Policy) (Policy, error) {
	p, err := s.Programme(ctx, programme)
	if err != nil {
		return Policy{}, err
	}
	policy.complete(len(p.Policies)+1, s.now())
	if err := p.check(policy); err != nil {
		return Policy{}, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.store.insertPolicy(ctx, programme, policy, s.now()); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "policy.added", Object: "programme", ObjectID: programme.String(), After: policy})
	})
	if err != nil {
		return Policy{}, err
	}
	return policy, s.Refresh(ctx)
}

// complete fills in what may be left open.
func (p *Policy) complete(version int, from time.Time) {
	if p.Version == 0 {
		p.Version = version
	}
	if p.EffectiveFrom.IsZero() {
		p.EffectiveFrom = from
	}
}

// Bounds of a programme and its policies; the tables have the same.
const (
	nameMax       = 60
	nameEnMax     = 80
	clauseMin     = 2
	clauseMax     = 120
	validityMax   = 10
	discountMax   = 5_000
	refundUsedMin = 6_000
	refundUsedMax = 8_000
	tradesMost    = 200
	tradeDigits   = 5
	agesMost      = 120
)

// check names everything that is not acceptable about a programme and a policy
// that is to be added to it.
func (p Programme) check(policy Policy) error {
	var wrong *fault.Fault
	refuse := func(bad bool, field string, reason fault.Reason) {
		if bad {
			wrong = wrong.And(field, reason)
		}
	}
	text := func(field, value string, longest int) {
		refuse(value == "", field, fault.Required)
		refuse(utf8.RuneCountInString(value) > longest, field, fault.TooLong)
		refuse(!utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl), field, fault.WrongFormat)
	}
	above := func(field string, value, most money.Amount) { refuse(value > most, field, fault.TooLarge) }
	refuse(!slices.Contains([]Kind{Discount, Cashback, Allowance}, p.Kind), "kind", fault.NotAllowed)
	text("name", p.Name, nameMax)
	text("name_en", p.NameEn, nameEnMax)
	refuse(p.ClosesAt != nil && !p.ClosesAt.After(p.OpensAt), "closes_at", fault.TooSmall)
	refuse(p.BuyerAgeMin < 0 || p.BuyerAgeMin > agesMost, "buyer_age_min", fault.NotAllowed)
	refuse(p.BuyerAgeMax < 0 || p.BuyerAgeMax > agesMost, "buyer_age_max", fault.NotAllowed)
	refuse(p.BuyerAgeMax > 0 && p.BuyerAgeMax < p.BuyerAgeMin, "buyer_age_max", fault.TooSmall)
	text("clause", policy.Clause, clauseMax)
	refuse(policy.Clause != "" && utf8.RuneCountInString(policy.Clause) < clauseMin, "clause", fault.TooShort)
	text("author", policy.Author, nameMax)
	refuse(policy.EffectiveTo != nil && !policy.EffectiveTo.After(policy.EffectiveFrom), "effective_to", fault.TooSmall)
	refuse(policy.DiscountBP < 0 || policy.DiscountBP > discountMax, "discount_bp", fault.NotAllowed)
	refuse((p.Kind == Cashback || p.Kind == Allowance) && policy.DiscountBP != 0, "discount_bp", fault.NotAllowed)
	refuse(policy.PurchaseStep < 1, "purchase_step", fault.TooSmall)
	refuse(policy.PurchaseMin < 1, "purchase_min", fault.TooSmall)
	above("purchase_min", policy.PurchaseMin, min(policy.PurchaseMonthMax, policy.HoldMax))
	above("purchase_month_max", policy.PurchaseMonthMax, nationalMonthMax)
	above("hold_max", policy.HoldMax, nationalHoldMax)
	refuse(policy.PerPaymentMax < 0, "per_payment_max", fault.TooSmall)
	refuse(policy.PerDayMax < 0, "per_day_max", fault.TooSmall)
	refuse(policy.ValidityYears < 1 || policy.ValidityYears > validityMax, "validity_years", fault.NotAllowed)
	refuse(policy.RefundUsedBP < refundUsedMin || policy.RefundUsedBP > refundUsedMax, "refund_used_bp", fault.NotAllowed)
	refuse(len(policy.ExcludedTrades) > tradesMost, "excluded_trades", fault.TooLong)
	for _, trade := range policy.ExcludedTrades {
		if len(trade) != tradeDigits || strings.Trim(trade, "0123456789") != "" {
			wrong = wrong.And("excluded_trades", fault.WrongFormat)
			break
		}
	}
	return wrong.OrNil()
}

// Refresh reads all programmes and policies into memory.
func (s *Service) Refresh(ctx context.Context) error {
	all, err := s.store.programmes(ctx)
	if err != nil {
		return err
	}
	byTenant := map[tenant.ID][]Programme{}
	for _, p := range all {
		byTenant[p.TenantID] = append(byTenant[p.TenantID], p)
	}
	s.rules.all.Store(&byTenant)
	return nil
}

// Run refreshes until ctx ends. While the database is away, what is known stays.
func (s *Service) Run(ctx context.Context, poll time.Duration) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "programmes not refreshed", "error", err)
			}
		}
	}
}

// Programmes lists the municipality's programmes in the order of their opening.
func (s *Service) Programmes(ctx context.Context) ([]Programme, error) {
	all := s.rules.all.Load()
	if all == nil {
		if err := s.Refresh(ctx); err != nil {
			return nil, err
		}
		all = s.rules.all.Load()
	}
	return slices.Clone((*all)[tenant.From(ctx)]), nil
}

// Programme returns one of the municipality's programmes, or ErrProgrammeUnknown.
// One that another server has just opened is found within a poll.
func (s *Service) Programme(ctx context.Context, id uuid.UUID) (Programme, error) {
	list, err := s.Programmes(ctx)
	if err != nil {
		return Programme{}, err
	}
	for _, p := range list {
		if p.ID == id {
			return p, nil
		}
	}
	return Programme{}, ErrProgrammeUnknown
}

// policy returns one version of a programme's policy, if need be from the
// database: another server may have sold under it a moment ago.
func (s *Service) policy(ctx context.Context, programme uuid.UUID, version int) (Policy, error) {
	p, err := s.Programme(ctx, programme)
	if err == nil {
		for _, policy := range p.Policies {
			if policy.Version == version {
				return policy, nil
			}
		}
	}
	return s.store.policy(ctx, programme, version)
}
