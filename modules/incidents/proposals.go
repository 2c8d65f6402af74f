package incidents

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/auth"
	"jangteo/modules/sessions"
)

// ResetWish is a reset that somebody wants, as it stood when they said so.
type ResetWish struct {
	Incident uuid.UUID      `json:"incident_id"`
	Number   string         `json:"incident"`
	Scope    sessions.Scope `json:"scope"`
	AtOnce   bool           `json:"at_once"`
	StartsAt *time.Time     `json:"starts_at,omitempty"` // planned for
	Sessions int            `json:"sessions"`            // that it would have ended then
}

// register lets resets be proposed: one person does, another decides.
func (s *Service) register(a *approvals.Approvals) {
	s.resets = approvals.Register(a, "session-reset", approvals.Options[ResetWish]{
		Permission: "sessions.reset",
		About:      func(w ResetWish) (object, id string) { return "incident", w.Incident.String() },
		Facts:      s.facts, Check: s.goesOn, Execute: s.start,
	})
}

// ProposeReset asks for sessions to be ended under an incident; somebody else
// approves.
func (s *Service) ProposeReset(ctx context.Context, incident uuid.UUID, in sessions.ResetInput) (p approvals.Proposal, err error) {
	in.Incident = incident
	if err := s.sessions.CheckReset(&in); err != nil {
		return p, err
	}
	i, _, err := s.Get(ctx, incident)
	if err != nil {
		return p, err
	}
	count, err := s.sessions.PreviewReset(ctx, in.Scope)
	if err != nil {
		return p, err
	}
	return s.resets.Propose(ctx, ResetWish{incident, i.Number, in.Scope, in.AtOnce, in.StartsAt, count}, in.Reason)
}

// goesOn refuses a reset under an incident that is over.
func (s *Service) goesOn(ctx context.Context, w ResetWish) error {
	i, _, err := s.Get(ctx, w.Incident)
	if err == nil && i.Over() {
		err = ErrOver
	}
	return err
}

func (s *Service) facts(ctx context.Context, w ResetWish) ([]approvals.Fact, error) {
	now, err := s.sessions.PreviewReset(ctx, w.Scope)
	pace := "incidents.reset.gradually"
	if w.AtOnce {
		pace = "incidents.reset.at-once"
	}
	facts := []approvals.Fact{
		{Key: "incidents.fact.incident", Value: w.Number},
		{Key: "incidents.fact.scope." + string(w.Scope.Kind), Value: cmp.Or(w.Scope.Text(), "✓")},
		{Key: pace, Value: "✓"},
		{Key: "incidents.fact.sessions", Value: w.Sessions},
		{Key: "incidents.fact.sessions-now", Value: now},
	}
	if w.StartsAt != nil {
		facts = append(facts, approvals.Fact{Key: "incidents.fact.starts", Value: *w.StartsAt})
	}
	return facts, err
}

// start gives the order in the transaction of the approval: in the name of who
// proposed it, approved by who decided.
func (s *Service) start(ctx context.Context, p approvals.Proposal, w ResetWish) (any, error) {
	maker := auth.With(ctx, auth.Principal{Kind: auth.Operator, ID: p.MakerID, Name: p.MakerName})
	r, err := s.OrderReset(maker, w.Incident, sessions.ResetInput{Scope: w.Scope, AtOnce: w.AtOnce, Reason: p.Reason, StartsAt: w.StartsAt})
	if err != nil {
		return nil, err
	}
	_, err = s.Approve(ctx, r.ID)
	return map[string]uuid.UUID{"reset_id": r.ID}, err
}
