package vouchers

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// A programme is opened by two people, and its sale is ended early by two.

// OpeningOrder is a programme that somebody wants opened, with what is put into
// the budget for it in the same transaction.
type OpeningOrder struct {
	Programme ProgrammeInput `json:"programme"`
	Budget    money.Amount   `json:"budget"`   // 0: none
	EntryID   uuid.UUID      `json:"entry_id"` // what will be posted for it
}

// budgetManage is what putting something into the budget takes besides.
const budgetManage = "budget.manage"

// ProposeOpening asks for a programme to be opened, from a moment in the future
// on; somebody else approves. Ids, version and author are set here. A budget
// takes the permission for it.
func (s *Service) ProposeOpening(ctx context.Context, in ProgrammeInput, budget money.Amount, reason string) (p approvals.Proposal, err error) {
	in.ID = uuid.Must(uuid.NewV7())
	in.Policy.Version, in.Policy.Author, in.Policy.EffectiveFrom, in.Policy.EffectiveTo = 1, auth.From(ctx).Name, in.OpensAt, nil
	programme := in.programme(tenant.From(ctx))
	if err := programme.check(in.Policy); err != nil {
		return p, err
	}
	switch {
	case !in.OpensAt.After(s.now()):
		return p, fault.On("opens_at", fault.TooSmall)
	case budget < 0:
		return p, fault.On("budget", fault.TooSmall).Limit(0)
	case budget > money.MaxPerEntry:
		return p, fault.On("budget", fault.TooLarge).Limit(int64(money.MaxPerEntry))
	case budget > 0 && (in.Kind == Allowance || !auth.From(ctx).May(budgetManage)):
		return p, fault.On("budget", fault.NotAllowed)
	}
	o := OpeningOrder{Programme: in, Budget: budget}
	if budget > 0 {
		o.EntryID = uuid.Must(uuid.NewV7())
	}
	return s.openings.Propose(ctx, o, reason)
}

// stillAhead refuses a programme whose first day has come: selling never began
// before it was approved.
func (s *Service) stillAhead(_ context.Context, o OpeningOrder) error {
	if !o.Programme.OpensAt.After(s.now()) {
		return approvals.ErrStale
	}
	return nil
}

// openAsApproved opens it in the transaction of the approval; every server
// reads it with its next poll.
func (s *Service) openAsApproved(ctx context.Context, p approvals.Proposal, o OpeningOrder) (any, error) {
	if o.Budget > 0 {
		if !auth.From(ctx).May(budgetManage) {
			return nil, fault.ErrForbidden.With("permission", budgetManage)
		}
		_, err := s.fund(ctx, Funding{TenantID: tenant.From(ctx), ID: o.EntryID, Amount: o.Budget, Reason: p.Reason, ProposalID: &p.ID, At: s.now()})
		if err != nil {
			return nil, err
		}
	}
	programme := o.Programme.programme(tenant.From(ctx))
	return map[string]uuid.UUID{"programme_id": programme.ID}, s.keepProgramme(ctx, programme, p.Reason)
}

// openingFacts tell who decides everything that the programme would be.
func (s *Service) openingFacts(_ context.Context, o OpeningOrder) ([]approvals.Fact, error) {
	in := o.Programme
	facts := []approvals.Fact{
		{Key: "vouchers.opening.kind." + string(in.Kind), Value: in.Name + " / " + in.NameEn},
		{Key: "label.opens_at", Value: calendar.DayOf(in.OpensAt)},
	}
	if in.ClosesAt != nil {
		facts = append(facts, approvals.Fact{Key: "label.closes_at", Value: calendar.DayOf(in.ClosesAt.Add(-time.Second))})
	}
	facts = append(facts,
		approvals.Fact{Key: "vouchers.opening.buyers", Value: ages(in.BuyerAgeMin, in.BuyerAgeMax)},
		approvals.Fact{Key: "vouchers.opening.budget", Value: o.Budget},
		approvals.Fact{Key: "label.clause", Value: in.Policy.Clause},
	)
	for _, rule := range in.Policy.rules() {
		facts = append(facts, approvals.Fact{Key: "label." + rule.name, Value: rule.value})
	}
	return facts, nil
}

// Ages writes who may buy in figures: 19–34, 19–, –64, or nothing for anyone.
func (p Programme) Ages() string {
	if p.BuyerAgeMin == 0 && p.BuyerAgeMax == 0 {
		return ""
	}
	return ages(p.BuyerAgeMin, p.BuyerAgeMax)
}

// ages writes bounds in figures; – is anyone.
func ages(least, most int) string {
	text := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return text(least) + "–" + text(most)
}

// SaleClosing ends the sale of a programme before its time.
type SaleClosing struct {
	Programme uuid.UUID `json:"programme_id"`
}

// ProposeClosing asks for the sale of a programme to end at once; somebody else
// approves. Citizens are told the reason.
func (s *Service) ProposeClosing(ctx context.Context, programme uuid.UUID, reason string) (p approvals.Proposal, err error) {
	if _, err := s.Programme(ctx, programme); err != nil {
		return p, err
	}
	return s.closings.Propose(ctx, SaleClosing{programme}, reason)
}

// stillSelling refuses to close what is not open.
func (s *Service) stillSelling(ctx context.Context, c SaleClosing) error {
	p, err := s.Programme(ctx, c.Programme)
	now := s.now()
	if err == nil && (p.Kind == Allowance || now.Before(p.OpensAt) || p.ClosesAt != nil && !now.Before(*p.ClosesAt)) {
		err = ErrProgrammeNotOpen.With("programme", p.ID)
	}
	return err
}

func (s *Service) closingFacts(ctx context.Context, c SaleClosing) ([]approvals.Fact, error) {
	p, err := s.Programme(ctx, c.Programme)
	if err != nil {
		return nil, err
	}
	facts := []approvals.Fact{{Key: "vouchers.policy.programme", Value: approvals.Link{Text: p.Name, Path: officeProgrammes + p.ID.String()}}}
	if p.ClosesAt != nil {
		facts = append(facts, approvals.Fact{Key: "vouchers.closing.planned", Value: *p.ClosesAt})
	}
	return facts, nil
}

func (s *Service) closeAsApproved(ctx context.Context, p approvals.Proposal, c SaleClosing) (any, error) {
	return nil, s.closeSale(ctx, c.Programme, p.Reason)
}

// CloseSale ends the selling of a programme; what was bought can be spent on.
// The reason, 2 to 500 characters, is told to citizens.
func (s *Service) CloseSale(ctx context.Context, programme uuid.UUID, reason string) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(reason)); n < 2 || n > reasonTextMax {
		return fault.On("reason", fault.Required)
	}
	err := s.db.Tx(ctx, func(ctx context.Context) error { return s.closeSale(ctx, programme, reason) })
	if err != nil {
		return err
	}
	return s.Refresh(ctx)
}

func (s *Service) closeSale(ctx context.Context, programme uuid.UUID, reason string) error {
	if err := s.store.closeSale(ctx, programme, s.now(), reason); err != nil {
		return err
	}
	return s.audit.Changed(ctx, audit.Change{Action: "programme.closed", Object: "programme", ObjectID: programme.String(), Reason: reason})
}

// BirthDates tells when somebody was born.
type BirthDates func(ctx context.Context, citizen uuid.UUID) (calendar.Day, error)

// KnowBirthDates says how it is found out whether somebody may buy what is for
// some ages only.
func (s *Service) KnowBirthDates(born BirthDates) { s.born = born }

// mayBuy refuses who is too young or too old for a programme today.
func (s *Service) mayBuy(ctx context.Context, citizen, programme uuid.UUID) error {
	p, err := s.Programme(ctx, programme)
	if err != nil || p.BuyerAgeMin == 0 && p.BuyerAgeMax == 0 {
		return err
	}
	born, err := s.born(ctx, citizen)
	if err != nil {
		return err
	}
	today := calendar.DayOf(s.now())
	tooYoung := p.BuyerAgeMin > 0 && born.AddYears(p.BuyerAgeMin).After(today)
	tooOld := p.BuyerAgeMax > 0 && !born.AddYears(p.BuyerAgeMax+1).After(today)
	if tooYoung || tooOld {
		return ErrNotForYou.With("programme", p.ID).With("least", p.BuyerAgeMin).With("most", p.BuyerAgeMax)
	}
	return nil
}
