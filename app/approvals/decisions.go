package approvals

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

const (
	wordsLeast   = 2
	wordsMost    = 500
	attemptsMost = 10
	firstWait    = time.Minute // between attempts, doubled each time
	longestWait  = time.Hour
	worksAtOnce  = 10
	listMost     = 200
)

// workspace is the municipality of who asks; operators work on the platform.
func workspace(ctx context.Context) context.Context {
	if _, ok := tenant.Lookup(ctx); ok {
		return ctx
	}
	return tenant.With(ctx, tenant.Platform)
}

func (a *Approvals) propose(ctx context.Context, p Proposal) (Proposal, error) {
	ctx = workspace(ctx)
	me, k := auth.From(ctx), a.kinds[p.Kind]
	if !me.May(k.permission) {
		return p, fault.ErrForbidden.With("permission", k.permission)
	}
	var err error
	if p.Reason, err = words("reason", p.Reason, wordsLeast); err != nil {
		return p, err
	}
	p.TenantID, p.State = tenant.From(ctx), Proposed
	p.MakerID, p.MakerName, p.CreatedAt = me.ID, me.Name, a.now()
	p.ExpiresAt = p.CreatedAt.Add(k.life)
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		if err := k.check(ctx, p.Payload); err != nil {
			return err
		}
		if err := a.store.lapse(ctx, a.now()); err != nil { // what lapsed does not stand in the way
			return err
		}
		if err := a.store.insert(ctx, p); err != nil {
			return err
		}
		return a.record(ctx, "approval.proposed", p, p.Reason)
	})
	return p, err
}

// Approve lets a proposal be carried out, by the person in ctx. It refuses with
// ErrOwn, ErrDecided, ErrLapsed, and with what the kind says.
func (a *Approvals) Approve(ctx context.Context, id uuid.UUID, remark string) (Proposal, error) {
	return a.decide(ctx, id, Approved, remark, 0)
}

// Reject ends a proposal, and says why.
func (a *Approvals) Reject(ctx context.Context, id uuid.UUID, remark string) (Proposal, error) {
	return a.decide(ctx, id, Rejected, remark, wordsLeast)
}

// Withdraw takes the proposal of the person in ctx back.
func (a *Approvals) Withdraw(ctx context.Context, id uuid.UUID) (Proposal, error) {
	return a.decide(ctx, id, Withdrawn, "", 0)
}

func (a *Approvals) decide(ctx context.Context, id uuid.UUID, into State, remark string, least int) (p Proposal, err error) {
	ctx = workspace(ctx)
	if remark, err = words("remark", remark, least); err != nil {
		return p, err
	}
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		if p, err = a.store.lock(ctx, id); err != nil {
			return err
		}
		if err := a.mayDecide(ctx, p, into); err != nil {
			return err
		}
		me, now := auth.From(ctx), a.now()
		p.State, p.DeciderID, p.DeciderName, p.DecidedAt, p.Remark = into, &me.ID, me.Name, &now, remark
		if into == Approved {
			if err := a.carryOut(ctx, &p); err != nil {
				return err
			}
		}
		if err := a.store.update(ctx, p); err != nil {
			return err
		}
		return a.record(ctx, "approval."+string(into), p, remark)
	})
	return p, err
}

// MayDecide reports whether somebody may approve or reject a proposal, as long
// as it waits.
func (a *Approvals) MayDecide(who auth.Principal, p Proposal) bool {
	return who.ID != p.MakerID && who.May(a.kinds[p.Kind].permission)
}

func (a *Approvals) mayDecide(ctx context.Context, p Proposal, into State) error {
	me := auth.From(ctx)
	permission := a.kinds[p.Kind].permission
	switch {
	case !me.May(permission):
		return fault.ErrForbidden.With("permission", permission)
	case into == Withdrawn && p.MakerID != me.ID:
		return ErrNotOwn
	case into != Withdrawn && p.MakerID == me.ID:
		return ErrOwn
	case p.State != Proposed && p.State != Lapsed:
		return ErrDecided.With("state", p.State)
	case p.State == Lapsed || !a.now().Before(p.ExpiresAt):
		return ErrLapsed
	}
	return nil
}

// carryOut does what was approved at once, or leaves it to be done after the
// commit.
func (a *Approvals) carryOut(ctx context.Context, p *Proposal) error {
	k, now := a.kinds[p.Kind], a.now()
	if err := k.check(ctx, p.Payload); err != nil {
		return err
	}
	if k.later != nil {
		p.NotBefore = &now
		db.AfterCommit(ctx, func() { a.wake(p.TenantID) })
		return nil
	}
	outcome, err := k.execute(ctx, *p)
	if err != nil {
		return err
	}
	p.State, p.FinishedAt = Done, &now
	p.Outcome, err = json.Marshal(outcome)
	return err
}

func (a *Approvals) wake(id tenant.ID) {
	select {
	case a.poke <- id:
	default:
	}
}

// Run carries out what is approved on this server as soon as it is, until ctx
// ends; Work behind a timer finds what was left.
func (a *Approvals) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-a.poke:
			if err := a.Work(tenant.With(ctx, id)); err != nil && ctx.Err() == nil {
				a.log.Warn("carrying out what was approved", "tenant", id, "error", err)
			}
		}
	}
}

// Work lets proposals of the tenant in ctx lapse and carries out what is
// approved. Several servers may call it at once.
func (a *Approvals) Work(ctx context.Context) error {
	var due []Proposal
	err := a.db.Tx(ctx, func(ctx context.Context) (err error) {
		if err = a.store.lapse(ctx, a.now()); err != nil {
			return err
		}
		due, err = a.store.claim(ctx, a.now(), worksAtOnce)
		return err
	})
	for _, p := range due {
		err = errors.Join(err, a.workOne(ctx, p))
	}
	return err
}

// workOne tries once. A fault ends the proposal; anything else is tried again.
func (a *Approvals) workOne(ctx context.Context, p Proposal) error {
	known := a.kinds[p.Kind]
	if known.later == nil {
		return errors.New("approvals: nobody carries out " + p.Kind)
	}
	outcome, failed := known.later(ctx, p)
	f, isFault := fault.Of(failed)
	final := isFault && f.Kind != fault.Unavailable && f.Kind != fault.TooMany
	if failed != nil && !final && p.Attempts < attemptsMost {
		return failed
	}
	now := a.now()
	p.State, p.FinishedAt, p.NotBefore = Done, &now, nil
	if failed != nil {
		p.State, p.Failure = Failed, "internal"
		if isFault {
			p.Failure = f.Code
		}
	} else {
		body, err := json.Marshal(outcome)
		if err != nil {
			return err
		}
		p.Outcome = body
	}
	err := a.db.Tx(ctx, func(ctx context.Context) error {
		if err := a.store.update(ctx, p); err != nil {
			return err
		}
		return a.record(ctx, "approval."+string(p.State), p, "")
	})
	if !isFault {
		err = errors.Join(failed, err)
	}
	return err
}

// waitAfter grows from a minute to an hour.
func waitAfter(attempts int) time.Duration {
	const doublingsMost = 6
	return min(firstWait<<min(max(attempts-1, 0), doublingsMost), longestWait)
}

func (a *Approvals) record(ctx context.Context, action string, p Proposal, reason string) error {
	return a.audit.Changed(ctx, audit.Change{
		Action: action, Object: "approval", ObjectID: p.ID.String(), Reason: reason,
		After: change{p.Kind, p.Object, p.ObjectID, p.State, p.Payload, p.Outcome, p.Failure},
	})
}

type change struct {
	Kind     string          `json:"kind"`
	Object   string          `json:"object"`
	ObjectID string          `json:"object_id"`
	State    State           `json:"state"`
	Payload  json.RawMessage `json:"payload"`
	Outcome  json.RawMessage `json:"outcome,omitempty"`
	Failure  string          `json:"failure,omitempty"`
}

// Get returns a proposal of the tenant in ctx that the person in ctx may see:
// one whose kind they may propose or decide, or any with "audit.read".
func (a *Approvals) Get(ctx context.Context, id uuid.UUID) (p Proposal, facts []Fact, err error) {
	ctx = workspace(ctx)
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		if p, err = a.store.find(ctx, id); err != nil {
			return err
		}
		if !slices.Contains(a.seen(ctx), p.Kind) {
			return ErrUnknown
		}
		facts, err = a.kinds[p.Kind].facts(ctx, p.Payload)
		return err
	})
	return p, facts, err
}

// Filter narrows a list; zero values do not.
type Filter struct {
	State  State
	Before uuid.UUID // the last of the page before
	Limit  int       // 1 to 200
}

// List returns the proposals that the person in ctx may see, the newest first.
func (a *Approvals) List(ctx context.Context, f Filter) (list []Proposal, more bool, err error) {
	ctx = workspace(ctx)
	f.Limit = min(max(f.Limit, 1), listMost)
	kinds := a.seen(ctx)
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		list, err = a.store.list(ctx, f, kinds, f.Limit+1)
		return err
	})
	if len(list) > f.Limit {
		list, more = list[:f.Limit], true
	}
	return list, more, err
}

// Waiting counts what waits for the decision of the person in ctx, up to 100.
func (a *Approvals) Waiting(ctx context.Context) (n int, err error) {
	ctx = workspace(ctx)
	kinds := a.kindsOf(func(k kind) bool { return auth.From(ctx).May(k.permission) })
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		n, err = a.store.waiting(ctx, auth.From(ctx).ID, kinds, a.now())
		return err
	})
	return n, err
}

// seen are the kinds that the person in ctx may look at.
func (a *Approvals) seen(ctx context.Context) []string {
	me := auth.From(ctx)
	return a.kindsOf(func(k kind) bool { return me.May(k.permission) || me.May("audit.read") })
}

func (a *Approvals) kindsOf(fits func(kind) bool) []string {
	names := []string{""} // a list in SQL is never empty
	for name, k := range a.kinds {
		if fits(k) {
			names = append(names, name)
		}
	}
	return names
}

// words checks a text that somebody wrote.
func words(field, text string, least int) (string, error) {
	text = strings.TrimSpace(text)
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "", fault.On(field, fault.WrongFormat)
	case n == 0 && least > 0:
		return "", fault.On(field, fault.Required)
	case n < least:
		return "", fault.On(field, fault.TooShort).Limit(least)
	case n > wordsMost:
		return "", fault.On(field, fault.TooLong).Limit(wordsMost)
	}
	return text, nil
}
