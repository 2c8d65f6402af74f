// Package approvals is four eyes: what one person may not do alone is proposed
// by one and decided by another.
//
// It holds these to be true, always:
//   - who proposed something never approves or rejects it;
//   - what is carried out is what was proposed: a proposal is never changed;
//   - a proposal is decided once, before it lapses, and carried out once.
//
// A module registers each kind of action that needs it, and proposes through
// the handle that it gets:
//
//	s.payouts = approvals.Register(a, "payout", approvals.Options[PayoutOrder]{…})
//	proposal, err := s.payouts.Propose(ctx, order, reason)
package approvals

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// What a proposal or a decision can be refused with.
var (
	ErrUnknown = fault.Declare(fault.NotFound, "approval-unknown")
	ErrOwn     = fault.Declare(fault.Forbidden, "approval-own")     // the maker would decide
	ErrNotOwn  = fault.Declare(fault.Forbidden, "approval-not-own") // somebody else would withdraw
	ErrDecided = fault.Declare(fault.Conflict, "approval-decided")  // param state
	ErrLapsed  = fault.Declare(fault.Conflict, "approval-lapsed")
	ErrOpen    = fault.Declare(fault.Conflict, "approval-open") // the same is proposed already
	ErrStale   = fault.Declare(fault.Conflict, "approval-stale")
)

// State of a proposal.
type State string

// The states. Approved waits to be carried out; the others but Proposed are final.
const (
	Proposed  State = "proposed"
	Approved  State = "approved"
	Done      State = "done"
	Failed    State = "failed"
	Rejected  State = "rejected"
	Withdrawn State = "withdrawn"
	Lapsed    State = "lapsed"
)

// States lists them in the order in which they can be met.
func States() []State { return []State{Proposed, Approved, Done, Failed, Rejected, Withdrawn, Lapsed} }

// Proposal is something that somebody wants done, and what became of it.
type Proposal struct {
	TenantID    tenant.ID
	ID          uuid.UUID
	Kind        string
	Object      string // as in the audit log
	ObjectID    string
	Payload     json.RawMessage
	Reason      string
	MakerID     uuid.UUID
	MakerName   string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	State       State
	DeciderID   *uuid.UUID
	DeciderName string
	DecidedAt   *time.Time
	Remark      string
	Attempts    int
	NotBefore   *time.Time // when carrying out is tried next
	FinishedAt  *time.Time
	Outcome     json.RawMessage
	Failure     string // the problem's code
}

// Fact is something that who decides should know. Value is a text, a whole
// number, an amount, a day, a time or a Link.
type Fact struct {
	Key   string // words key
	Value any
}

// Link is a text that leads to a page.
type Link struct{ Text, Path string }

// Options say how one kind of action is proposed, decided and carried out.
type Options[T any] struct {
	Permission string        // to propose and to decide
	Life       time.Duration // until a proposal lapses; 0 means 24 hours
	// About names what is acted on, so that it is proposed once at a time;
	// nil lets proposals stand side by side.
	About func(T) (object, id string)
	// Facts tell who decides what would be done.
	Facts func(ctx context.Context, payload T) ([]Fact, error)
	// Check refuses what cannot be done, when it is proposed and again when it
	// is approved; it may be nil.
	Check func(ctx context.Context, payload T) error
	// Execute carries it out in the transaction of the approval: if it fails,
	// nothing was approved. Its outcome is kept as JSON.
	Execute func(ctx context.Context, p Proposal, payload T) (outcome any, err error)
	// Later carries it out after the approval has committed, for work of many
	// transactions or with the outside world. It is tried again until it ends
	// in a success or a fault, so it must do nothing twice. Exactly one of
	// Execute and Later is set.
	Later func(ctx context.Context, p Proposal, payload T) (outcome any, err error)
}

// Approvals keeps proposals and knows every kind.
type Approvals struct {
	db    *db.DB
	store store
	audit *audit.Log
	now   clock.Now
	log   *slog.Logger
	kinds map[string]kind
	poke  chan tenant.ID
}

// New keeps proposals in d.
func New(d *db.DB, a *audit.Log, now clock.Now, log *slog.Logger) *Approvals {
	const pokesMost = 64 // more wait for the timer
	return &Approvals{d, store{d}, a, now, log, map[string]kind{}, make(chan tenant.ID, pokesMost)}
}

// kind is Options without its type.
type kind struct {
	permission string
	life       time.Duration
	facts      func(context.Context, json.RawMessage) ([]Fact, error)
	check      func(context.Context, json.RawMessage) error
	execute    func(context.Context, Proposal) (any, error)
	later      func(context.Context, Proposal) (any, error)
}

// Kind proposes one kind of action.
type Kind[T any] struct {
	approvals *Approvals
	name      string
	about     func(T) (object, id string)
}

// Register declares a kind; its title stands under "approvals.kind.<name>". A
// second one of the same name is a bug.
func Register[T any](a *Approvals, name string, o Options[T]) *Kind[T] {
	if _, twice := a.kinds[name]; twice || o.Permission == "" || (o.Execute == nil) == (o.Later == nil) {
		panic("approvals: kind " + name + " is registered twice or half")
	}
	read := func(raw json.RawMessage) (payload T, err error) {
		if err = json.Unmarshal(raw, &payload); err != nil {
			err = fmt.Errorf("payload of %s: %w", name, err)
		}
		return payload, err
	}
	carry := func(work func(context.Context, Proposal, T) (any, error)) func(context.Context, Proposal) (any, error) {
		if work == nil {
			return nil
		}
		return func(ctx context.Context, p Proposal) (any, error) {
			payload, err := read(p.Payload)
			if err != nil {
				return nil, err
			}
			return work(ctx, p, payload)
		}
	}
	k := kind{permission: o.Permission, life: o.Life, execute: carry(o.Execute), later: carry(o.Later)}
	if k.life == 0 {
		k.life = 24 * time.Hour
	}
	k.facts = func(ctx context.Context, raw json.RawMessage) ([]Fact, error) {
		payload, err := read(raw)
		if err != nil || o.Facts == nil {
			return nil, err
		}
		return o.Facts(ctx, payload)
	}
	k.check = func(ctx context.Context, raw json.RawMessage) error {
		payload, err := read(raw)
		if err != nil || o.Check == nil {
			return err
		}
		return o.Check(ctx, payload)
	}
	a.kinds[name] = k
	return &Kind[T]{a, name, o.About}
}

// Propose asks for payload to be carried out, by the person in ctx. Reason has
// 2 to 500 characters. It refuses with what the kind's Check says, and with
// ErrOpen while the same waits already.
func (k *Kind[T]) Propose(ctx context.Context, payload T, reason string) (Proposal, error) {
	raw, err := json.Marshal(payload)
	if err != nil {
		return Proposal{}, err
	}
	p := Proposal{ID: uuid.Must(uuid.NewV7()), Kind: k.name, Payload: raw, Reason: reason}
	p.Object, p.ObjectID = "approval", p.ID.String()
	if k.about != nil {
		p.Object, p.ObjectID = k.about(payload)
	}
	return k.approvals.propose(ctx, p)
}
