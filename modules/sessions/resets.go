package sessions

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// ScopeKind is by what a reset chooses sessions.
type ScopeKind string

// The scopes.
const (
	ScopeAll          ScopeKind = "all"
	ScopeTenant       ScopeKind = "tenant"        // of citizens with a wallet there
	ScopePlatform     ScopeKind = "platform"      // on devices of a platform
	ScopeVersion      ScopeKind = "version"       // on those of one version of the app
	ScopeIssuedBefore ScopeKind = "issued-before" // whose newest tokens are older
	ScopeSigningKey   ScopeKind = "signing-key"   // whose newest access token it signed
)

// Scopes lists them.
var Scopes = []ScopeKind{ScopeAll, ScopeTenant, ScopePlatform, ScopeVersion, ScopeIssuedBefore, ScopeSigningKey}

// Scope chooses active sessions. Which of the other fields counts follows from
// Kind; the rest are empty.
type Scope struct {
	Kind         ScopeKind  `gorm:"column:scope"`
	Tenant       *tenant.ID `gorm:"column:tenant_id"`
	Platform     *string
	Version      *string
	IssuedBefore *time.Time
	SigningKey   *string
}

// validate names the field that its kind needs, and drops the others.
func (c *Scope) validate(now time.Time) error {
	kept := Scope{Kind: c.Kind}
	var wrong *fault.Fault
	text := func(field string, given *string, longest int) *string {
		if given == nil || strings.TrimSpace(*given) == "" {
			wrong = wrong.And(field, fault.Required)
			return nil
		}
		trimmed := strings.TrimSpace(*given)
		if utf8.RuneCountInString(trimmed) > longest {
			wrong = wrong.And(field, fault.TooLong).Limit(longest)
		}
		return &trimmed
	}
	switch c.Kind {
	case ScopeAll:
	case ScopeTenant:
		if kept.Tenant = c.Tenant; c.Tenant == nil {
			wrong = wrong.And("tenant", fault.Required)
		}
	case ScopePlatform:
		kept.Platform = text("platform", c.Platform, platformMax)
	case ScopeVersion:
		kept.Platform, kept.Version = text("platform", c.Platform, platformMax), text("version", c.Version, versionMax)
	case ScopeIssuedBefore:
		switch kept.IssuedBefore = c.IssuedBefore; {
		case c.IssuedBefore == nil:
			wrong = wrong.And("issued_before", fault.Required)
		case c.IssuedBefore.After(now):
			wrong = wrong.And("issued_before", fault.TooLarge)
		}
	case ScopeSigningKey:
		kept.SigningKey = text("signing_key", c.SigningKey, 64)
	default:
		wrong = wrong.And("scope", fault.NotAllowed)
	}
	*c = kept
	return wrong.OrNil()
}

// Text is the scope's value as people read it; empty for all.
func (c Scope) Text() string {
	switch {
	case c.Tenant != nil:
		return c.Tenant.String()
	case c.Version != nil:
		return *c.Platform + " " + *c.Version
	case c.Platform != nil:
		return *c.Platform
	case c.IssuedBefore != nil:
		return c.IssuedBefore.UTC().Format(time.RFC3339)
	case c.SigningKey != nil:
		return *c.SigningKey
	}
	return ""
}

// ResetState is where an order is.
type ResetState string

// The states. Stopped is one that stopped itself because too few devices came back.
const (
	ResetOrdered  ResetState = "ordered"
	ResetDeclined ResetState = "declined"
	ResetRunning  ResetState = "running"
	ResetDone     ResetState = "done"
	ResetStopped  ResetState = "stopped"
)

// ResetOrder ends many sessions because of something on our side.
type ResetOrder struct {
	ID         uuid.UUID
	IncidentID uuid.UUID
	Scope
	AtOnce       bool
	StartsAt     *time.Time // planned for; nil: when it is approved
	Reason       string
	Previewed    int // sessions, when it was ordered
	OrderedBy    uuid.UUID
	OrderedName  string
	OrderedAt    time.Time
	ApprovedBy   *uuid.UUID
	ApprovedName *string
	ApprovedAt   *time.Time
	State        ResetState
	Epoch        *int
	Cursor       *uuid.UUID
	Ended        int
	Resumed      int
	Failed       int // devices that came back and could not go on
	TriedAt      *time.Time
	FinishedAt   *time.Time
}

// begins is from when an approved order ends sessions.
func (r ResetOrder) begins() time.Time {
	if r.StartsAt != nil && r.StartsAt.After(*r.ApprovedAt) {
		return *r.StartsAt
	}
	return *r.ApprovedAt
}

// SuccessPerCent is how many of a hundred devices that came back could go on;
// 100 before the first.
func (r ResetOrder) SuccessPerCent() int {
	if r.Resumed+r.Failed == 0 {
		return 100
	}
	return 100 * r.Resumed / (r.Resumed + r.Failed)
}

const (
	batchMost       = 100              // locks are held no longer than a payment can wait
	trialMost       = 1000             // ended before it is known whether devices come back
	trialLeast      = 20               // outcomes that tell
	trialWait       = 30 * time.Second // for them
	successLeast    = 95               // of a hundred
	reasonMin       = 5
	reasonMax       = 500
	listResetsMost  = 50
	membersPerBatch = 2000

	plannedLeast = auth.LifeMost // so that every token in hand by then lives long
	plannedMost  = 7 * 24 * time.Hour
)

// Members lists citizens with a wallet in a municipality after one (uuid.Nil:
// from the first), in the order of their ids.
type Members func(ctx context.Context, id tenant.ID, after uuid.UUID, limit int) ([]uuid.UUID, error)

// KnowMembers says who a municipality's citizens are.
func (s *Service) KnowMembers(m Members) { s.members = m }

// PreviewReset counts the active sessions that a scope chooses now.
func (s *Service) PreviewReset(ctx context.Context, scope Scope) (sessions int, err error) {
	if err := scope.validate(s.now()); err != nil {
		return 0, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if scope.Kind != ScopeTenant {
			sessions, err = s.store.countScope(ctx, scope, s.now(), nil)
			return err
		}
		for after := uuid.Nil; ; {
			members, err := s.members(ctx, *scope.Tenant, after, membersPerBatch)
			if err != nil || len(members) == 0 {
				return err
			}
			found, err := s.store.countScope(ctx, scope, s.now(), members)
			if err != nil {
				return err
			}
			sessions, after = sessions+found, members[len(members)-1]
		}
	})
	return sessions, err
}

// ResetInput orders a reset under an incident.
type ResetInput struct {
	Incident uuid.UUID
	Scope    Scope
	AtOnce   bool   // without a trial with a few: the danger is greater than a mistake
	Reason   string // 5 to 500 characters

	// StartsAt plans it, 20 minutes to 7 days ahead: not for a key, nor at once.
	StartsAt *time.Time
}

// CheckReset names every field that cannot be taken, and drops those that do
// not belong to the scope.
func (s *Service) CheckReset(in *ResetInput) error {
	if err := in.Scope.validate(s.now()); err != nil {
		return err
	}
	if at := in.StartsAt; at != nil {
		switch ahead := at.Sub(s.now()); {
		case ahead < plannedLeast:
			return fault.On("starts_at", fault.TooSmall)
		case ahead > plannedMost:
			return fault.On("starts_at", fault.TooLarge)
		case in.AtOnce || in.Scope.Kind == ScopeSigningKey:
			return fault.On("starts_at", fault.NotAllowed)
		}
	}
	in.Reason = strings.TrimSpace(in.Reason)
	switch n := utf8.RuneCountInString(in.Reason); {
	case n < reasonMin:
		return fault.On("reason", fault.TooShort).Limit(reasonMin)
	case n > reasonMax:
		return fault.On("reason", fault.TooLong).Limit(reasonMax)
	}
	return nil
}

// SigningKeys lists the keys of access tokens that still count.
func (s *Service) SigningKeys(ctx context.Context) ([]auth.Key, error) { return s.tokens.Keys(ctx) }

// MinutesToResume is how long so many devices need to come back to one server.
func (s *Service) MinutesToResume(count int) int {
	return (count + 60*s.cfg.ResumesPerSecond - 1) / (60 * s.cfg.ResumesPerSecond)
}

// OrderReset keeps the order of the member of staff in ctx. Nothing ends before
// another person has approved it.
func (s *Service) OrderReset(ctx context.Context, in ResetInput) (r ResetOrder, err error) {
	if err := s.CheckReset(&in); err != nil {
		return r, err
	}
	sessions, err := s.PreviewReset(ctx, in.Scope)
	if err != nil {
		return r, err
	}
	who := auth.From(ctx)
	r = ResetOrder{
		ID: uuid.Must(uuid.NewV7()), IncidentID: in.Incident, Scope: in.Scope, AtOnce: in.AtOnce || in.Scope.Kind == ScopeSigningKey, Reason: in.Reason,
		StartsAt: in.StartsAt, Previewed: sessions, OrderedBy: who.ID, OrderedName: who.Name, OrderedAt: s.now(), State: ResetOrdered,
	}
	return r, s.db.Platform(ctx, func(ctx context.Context) error { return s.store.insertReset(ctx, r) })
}

// ApproveReset lets an order run, by another person than ordered it. An order
// for all that is to work at once raises the epoch: every server refuses every
// earlier token as soon as it has heard of it. One for a signing key makes a
// new key first.
func (s *Service) ApproveReset(ctx context.Context, id uuid.UUID) (r ResetOrder, err error) {
	err = s.decideReset(ctx, id, &r, func(ctx context.Context) error {
		who := auth.From(ctx)
		if who.ID == r.OrderedBy {
			return ErrResetOwn
		}
		r.ApprovedBy, r.ApprovedName, r.ApprovedAt, r.State = &who.ID, &who.Name, new(s.now()), ResetRunning
		if r.Kind == ScopeAll && r.AtOnce {
			last, err := s.store.epoch(ctx)
			if err != nil {
				return err
			}
			r.Epoch = new(last.Number + 1)
		}
		return nil
	})
	if err == nil && r.Kind == ScopeSigningKey && s.tokens.Signer() == *r.SigningKey {
		err = s.tokens.Rotate(ctx)
	}
	return r, err
}

// DeclineReset puts an order aside, by whoever has doubts: its maker too.
func (s *Service) DeclineReset(ctx context.Context, id uuid.UUID) (r ResetOrder, err error) {
	err = s.decideReset(ctx, id, &r, func(context.Context) error {
		r.State, r.FinishedAt = ResetDeclined, new(s.now())
		return nil
	})
	return r, err
}

func (s *Service) decideReset(ctx context.Context, id uuid.UUID, r *ResetOrder, decide func(context.Context) error) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		found, ok, err := s.store.lockReset(ctx, id)
		switch {
		case err != nil:
			return err
		case !ok:
			return ErrResetUnknown
		case found.State != ResetOrdered:
			return ErrResetDecided.With("state", string(found.State))
		}
		*r = found
		if err := decide(ctx); err != nil {
			return err
		}
		if err := s.store.saveReset(ctx, *r); err != nil {
			return err
		}
		return s.store.notify(ctx)
	})
}

// Resets lists the orders of an incident, or of all (uuid.Nil), the newest
// first, at most 50.
func (s *Service) Resets(ctx context.Context, incident uuid.UUID) (list []ResetOrder, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		list, err = s.store.resets(ctx, incident, listResetsMost)
		return err
	})
	return list, err
}

// ResetByID returns an order, or ErrResetUnknown.
func (s *Service) ResetByID(ctx context.Context, id uuid.UUID) (r ResetOrder, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		found, ok, err := s.store.reset(ctx, id)
		if err == nil && !ok {
			err = ErrResetUnknown
		}
		r = found
		return err
	})
	return r, err
}

// AdvanceResets carries the oldest running order one batch on, if no other
// server is at it, and reports whether there may be more to do now.
func (s *Service) AdvanceResets(ctx context.Context) (more bool, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, found, err := s.store.claimReset(ctx, s.now())
		if err != nil || !found {
			return err
		}
		more, err = s.advance(ctx, &r)
		if err == nil {
			err = s.store.saveReset(ctx, r)
		}
		return err
	})
	return more && err == nil, err
}

func (s *Service) advance(ctx context.Context, r *ResetOrder) (more bool, err error) {
	now := s.now()
	switch {
	case r.Epoch == nil && r.Resumed+r.Failed >= trialLeast && r.SuccessPerCent() < successLeast:
		r.State, r.FinishedAt = ResetStopped, &now
		s.log.ErrorContext(ctx, "a reset stopped itself: too few devices come back", "reset", r.ID, "resumed", r.Resumed, "failed", r.Failed)
		return true, nil
	case r.Kind == ScopeSigningKey && r.Cursor == nil:
		if ready, err := s.keyGone(ctx, r); err != nil || !ready {
			return false, err
		}
	case !r.AtOnce && r.TriedAt != nil && r.Resumed+r.Failed < trialLeast && now.Sub(*r.TriedAt) < trialWait:
		return false, nil // the first few were just ended
	}
	limit := batchMost
	if !r.AtOnce && r.TriedAt == nil {
		limit = min(trialMost, max(trialLeast, r.Previewed/100))
		r.TriedAt = &now
	}
	ended, finished, err := s.resetBatch(ctx, r, limit)
	if err != nil {
		return false, err
	}
	r.Ended += ended
	if finished {
		r.State, r.FinishedAt = ResetDone, &now
	}
	if err := s.announceReset(ctx, *r); err != nil {
		return false, err
	}
	return true, s.store.notify(ctx)
}

// keyGone withdraws the key of an order once another one signs.
func (s *Service) keyGone(ctx context.Context, r *ResetOrder) (bool, error) {
	if s.tokens.Signer() == *r.SigningKey {
		return false, nil // every server must have read the next one first
	}
	return true, s.tokens.Withdraw(ctx, *r.SigningKey, r.IncidentID)
}

// resetBatch ends the next sessions of an order and moves its cursor on.
func (s *Service) resetBatch(ctx context.Context, r *ResetOrder, limit int) (ended int, finished bool, err error) {
	after := uuid.Nil
	if r.Cursor != nil {
		after = *r.Cursor
	}
	var members []uuid.UUID
	if r.Kind == ScopeTenant {
		if members, err = s.members(ctx, *r.Tenant, after, min(limit, membersPerBatch)); err != nil || len(members) == 0 {
			return 0, err == nil, err
		}
	}
	ids := make([]uuid.UUID, limit)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	ended, last, err := s.store.resetBatch(ctx, *r, s.now(), after, members, ids)
	switch {
	case err != nil:
		return 0, false, err
	case members != nil:
		r.Cursor = &members[len(members)-1]
		return ended, false, nil
	case ended > 0:
		r.Cursor = &last
	}
	return ended, ended < limit, nil
}

// TopicReset is announced for every batch of a reset, instead of TopicEnded for
// every session in it.
const TopicReset = "sessions.reset"

// ResetEvent tells how far a reset is.
type ResetEvent struct {
	ResetID    uuid.UUID  `json:"reset_id"`
	IncidentID uuid.UUID  `json:"incident_id"`
	State      ResetState `json:"state"`
	Ended      int        `json:"ended"`
}

func (s *Service) announceReset(ctx context.Context, r ResetOrder) error {
	if r.State == ResetRunning {
		return nil
	}
	return s.outbox.Put(ctx, TopicReset, ResetEvent{r.ID, r.IncidentID, r.State, r.Ended})
}

// TopicRecordMissing is announced when a token of ours has no record: our loss,
// into which somebody must look.
const TopicRecordMissing = "sessions.record-missing"

// RecordMissingEvent names the session whose record is lost.
type RecordMissingEvent struct {
	SessionID uuid.UUID `json:"session_id"`
	At        time.Time `json:"at"`
}

// RunResets carries orders on until ctx ends, and writes down how devices fare.
func (s *Service) RunResets(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.watch.ordered:
		}
		asked, cancel := context.WithTimeout(ctx, time.Minute)
		err := s.keepOutcomes(asked)
		for more := err == nil; more; {
			began := time.Now() //nolint:forbidigo // a duration, not a moment
			if more, err = s.AdvanceResets(asked); more {
				rest(asked, restFor*time.Since(began)) //nolint:forbidigo // a duration
				more = asked.Err() == nil
			}
		}
		cancel()
		if err != nil && ctx.Err() == nil && !errors.Is(err, fault.ErrUnavailable) {
			s.log.ErrorContext(ctx, "carrying resets on", "error", err)
		}
	}
}

// restFor is how much longer the database is left to others than it was taken from them.
const restFor = 8

// rest waits between batches.
func rest(ctx context.Context, length time.Duration) {
	wait := time.NewTimer(length)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// keepOutcomes adds what this server saw since the last time to its orders.
func (s *Service) keepOutcomes(ctx context.Context) error {
	counts := s.outcomes.take()
	if len(counts) == 0 {
		return nil
	}
	err := s.db.Platform(ctx, func(ctx context.Context) error {
		for id, c := range counts {
			if err := s.store.addOutcomes(ctx, id, c.resumed, c.failed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.outcomes.giveBack(counts)
	}
	return err
}
