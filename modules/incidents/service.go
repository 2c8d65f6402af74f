package incidents

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/outbox"
	"jangteo/modules/sessions"
	"jangteo/modules/tenants"
)

const (
	publicMost = 50
	staffMost  = 200
	publicFor  = 90 * 24 * time.Hour // after its end
)

// Service is what pages and events call.
type Service struct {
	db       *db.DB
	store    store
	sessions *sessions.Service
	tenants  *tenants.Service
	audit    *audit.Log
	resets   *approvals.Kind[ResetWish]
	now      clock.Now
}

// New keeps incidents in d.
func New(d *db.DB, s *sessions.Service, t *tenants.Service, a *audit.Log, four *approvals.Approvals, now clock.Now) *Service {
	made := &Service{db: d, store: store{d}, sessions: s, tenants: t, audit: a, now: now}
	made.register(four)
	return made
}

// Open records an incident, by the member of staff in ctx.
func (s *Service) Open(ctx context.Context, in Input) (i Incident, err error) {
	if err := s.check(ctx, &in); err != nil {
		return i, err
	}
	return s.open(ctx, in)
}

func (s *Service) check(ctx context.Context, in *Input) error {
	if err := in.validate(s.now()); err != nil {
		return err
	}
	for _, id := range in.Tenants {
		if err := s.tenants.Known(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) open(ctx context.Context, in Input) (i Incident, err error) {
	who, named := auth.Lookup(ctx)
	if !named {
		who.Name = "jangteo"
	}
	i = newIncident(in, s.now(), who.Name)
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if err := s.store.insert(ctx, i, who.ID); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "incident.opened", Object: "incident", ObjectID: i.ID.String(), After: told(i)})
	})
	return i, err
}

// say is what the audit log keeps of an incident's words.
type say struct {
	State     State  `json:"state"`
	Title     string `json:"title"`
	Published bool   `json:"published"`
	Version   int    `json:"version"`
}

func told(i Incident) say { return say{i.State, i.Words.TitleKo, i.Published, i.Version} }

// Say adds a version to what was said: seen is the version that its author had
// before them. Resolved ends the incident; nothing follows that.
func (s *Service) Say(ctx context.Context, id uuid.UUID, seen int, in Input) (i Incident, err error) {
	if err := s.check(ctx, &in); err != nil {
		return i, err
	}
	who := auth.From(ctx)
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		before, err := s.store.lock(ctx, id)
		switch {
		case err != nil:
			return err
		case before.Over():
			return ErrOver
		case before.Version != seen:
			return ErrChanged
		}
		i = before
		i.State, i.Parts, i.Tenants, i.Words, i.Version, i.SaidAt = in.State, in.Parts, in.Tenants, in.Words, before.Version+1, s.now()
		i.Published = in.Published || before.Published // what was told stays told
		if i.Over() {
			i.EndedAt = &i.SaidAt
		}
		if err := s.store.say(ctx, i, who.ID, who.Name); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "incident.told", Object: "incident", ObjectID: id.String(), Before: told(before), After: told(i),
		})
	})
	return i, err
}

// Public lists what the public is told: what goes on, and what ended within 90
// days, the newest first, at most 50.
func (s *Service) Public(ctx context.Context) (list []Incident, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		list, err = s.store.public(ctx, s.now().Add(-publicFor), publicMost)
		return err
	})
	return list, err
}

// List returns all incidents, the newest first, at most 200.
func (s *Service) List(ctx context.Context) (list []Incident, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		list, err = s.store.list(ctx, staffMost)
		return err
	})
	return list, err
}

// Get returns an incident and everything that was said of it, the newest first.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (i Incident, said []Version, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if i, err = s.store.get(ctx, id); err != nil {
			return err
		}
		said, err = s.store.versions(ctx, id)
		return err
	})
	return i, said, err
}

// PublicGet returns an incident as the public is told it, or ErrUnknown.
func (s *Service) PublicGet(ctx context.Context, id uuid.UUID) (i Incident, said []Version, err error) {
	i, all, err := s.Get(ctx, id)
	if err == nil && !i.Published {
		err = ErrUnknown
	}
	for _, v := range all {
		if v.Published {
			said = append(said, v)
		}
	}
	return i, said, err
}

// OrderReset orders that sessions be ended under an incident, which is not over.
func (s *Service) OrderReset(ctx context.Context, incident uuid.UUID, in sessions.ResetInput) (r sessions.ResetOrder, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		i, err := s.store.lock(ctx, incident)
		switch {
		case err != nil:
			return err
		case i.Over():
			return ErrOver
		}
		in.Incident = incident
		if r, err = s.sessions.OrderReset(ctx, in); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "reset.ordered", Object: "reset", ObjectID: r.ID.String(), Reason: r.Reason, After: r})
	})
	return r, err
}

// Approve lets a reset run; see sessions.ApproveReset.
func (s *Service) Approve(ctx context.Context, reset uuid.UUID) (r sessions.ResetOrder, err error) {
	return s.decide(ctx, reset, "reset.approved", s.sessions.ApproveReset)
}

// Decline puts a reset aside.
func (s *Service) Decline(ctx context.Context, reset uuid.UUID) (r sessions.ResetOrder, err error) {
	return s.decide(ctx, reset, "reset.declined", s.sessions.DeclineReset)
}

func (s *Service) decide(ctx context.Context, reset uuid.UUID, action string, decide func(context.Context, uuid.UUID) (sessions.ResetOrder, error)) (r sessions.ResetOrder, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if r, err = decide(ctx, reset); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: action, Object: "reset", ObjectID: r.ID.String(), Reason: r.Reason, After: r})
	})
	return r, err
}

// lost is what is said when records of sign-ins are missing, until somebody
// finds out more.
var lost = Words{
	TitleKo: "일부 로그인 기록을 읽지 못하고 있어요",
	TextKo:  "저희 쪽 문제로 일부 기기의 로그인 기록을 읽지 못했어요. 기기는 자동으로 다시 연결돼요. 다른 기기에서 접속한 것이 아니에요. 원인을 확인하고 있어요.",
	TitleEn: "Some sign-in records cannot be read",
	TextEn:  "Because of a problem on our side, the sign-in records of some devices could not be read. They reconnect by themselves. No other device signed in. We are looking for the cause.",
}

// OnRecordMissing opens an incident when a session's record is lost, unless one
// about signing in is open already. Operators decide whether to publish it.
func (s *Service) OnRecordMissing(ctx context.Context, _ []outbox.Event) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		open, err := s.store.openAbout(ctx, "sign-in")
		if err != nil || open {
			return err
		}
		_, err = s.open(ctx, Input{State: Investigating, Parts: []string{"sign-in"}, StartedAt: s.now(), Words: lost})
		return err
	})
}

// HasReset tells whether sign-ins were reset because of an incident.
func (s *Service) HasReset(ctx context.Context, incident uuid.UUID) (bool, error) {
	orders, err := s.sessions.Resets(ctx, incident)
	for _, r := range orders {
		if r.ApprovedAt != nil {
			return true, err
		}
	}
	return false, err
}
