package sessions

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/app/throttle"
	"jangteo/modules/citizens"
)

const (
	listMost   = 50
	activeMost = 50 // sessions of one citizen that a login looks at
)

// Config is how long a session lasts, and how many devices a citizen may use.
// Zero takes the value beside it.
type Config struct {
	Idle     time.Duration // 30 days without a renewal
	Absolute time.Duration // 90 days since the last identity check

	SeveralDevices bool // otherwise a login ends the session on any other device

	PublicURL string // under which proofs of a device's key are made

	// ResumesPerSecond is how many devices this server takes back in a second
	// after a reset: 50.
	ResumesPerSecond int

	// What one server takes in a minute: renewals of one session (60) and
	// challenges for one device (20), each asked from one address, so that
	// nobody keeps another from renewing.
	RenewalsPerSession  int
	ChallengesPerDevice int
}

// Service is what other modules call.
type Service struct {
	db       *db.DB
	store    store
	citizens *citizens.Service
	tokens   *auth.Tokens
	box      *crypt.Box
	outbox   *outbox.Outbox
	audit    *audit.Log
	cfg      Config
	now      clock.Now
	log      *slog.Logger
	watch    *watch
	pace     *pace
	outcomes *outcomes
	proofs   *proofsSeen
	members  Members

	renewals, challenges *throttle.Throttle
}

// New keeps sessions in d. Verify answers once Run or Poll has read which
// sessions ended lately.
func New(d *db.DB, c *citizens.Service, tokens *auth.Tokens, box *crypt.Box, o *outbox.Outbox, a *audit.Log, cfg Config, now clock.Now, log *slog.Logger) *Service {
	if cfg.Idle == 0 {
		cfg.Idle = 30 * 24 * time.Hour
	}
	if cfg.Absolute == 0 {
		cfg.Absolute = 90 * 24 * time.Hour
	}
	if cfg.ResumesPerSecond == 0 {
		cfg.ResumesPerSecond = 50
	}
	if cfg.RenewalsPerSession == 0 {
		cfg.RenewalsPerSession = 60
	}
	if cfg.ChallengesPerDevice == 0 {
		cfg.ChallengesPerDevice = 20
	}
	return &Service{
		renewals: throttle.New(cfg.RenewalsPerSession, now), challenges: throttle.New(cfg.ChallengesPerDevice, now),
		pace: newPace(cfg.ResumesPerSecond), outcomes: &outcomes{counts: map[uuid.UUID]*outcome{}}, proofs: &proofsSeen{},
		db: d, store: store{d}, citizens: c, tokens: tokens, box: box, outbox: o, audit: a, cfg: cfg, now: now, log: log,
		watch: newWatch(),
	}
}

// Tokens is what a device holds while it is logged in.
type Tokens struct {
	Access        string
	AccessExpires time.Time
	Refresh       string
	Session       Session
	Device        Device
	Ended         []Session // what this login ended
	AfterReset    bool      // the device went on after a reset
}

// SignIn logs a citizen in by an identity token, which it uses up, on a device
// whose key it binds. It ends the session on any other device; pages ask first.
func (s *Service) SignIn(ctx context.Context, identityToken string, in DeviceInput) (t Tokens, err error) {
	key, err := in.validate()
	if err != nil {
		return t, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if in.Proof.Proof != "" { // whoever proves once promises to go on so
			in.Bound = true
			if refused, err := s.prove(ctx, key.thumbprint, in.Proof); refused != nil || err != nil {
				return errors.Join(refused, err)
			}
		}
		c, lifted, err := s.citizens.Identify(ctx, identityToken)
		if err != nil {
			return err
		}
		if t, err = s.begin(ctx, c.ID, key, in); err != nil {
			return err
		}
		if lifted {
			return s.record(ctx, eventUnlocked, t.Session)
		}
		return nil
	})
	return t, err
}

// Begin logs in a citizen whose identity is certain already.
func (s *Service) Begin(ctx context.Context, citizen uuid.UUID, in DeviceInput) (t Tokens, err error) {
	key, err := in.validate()
	if err != nil {
		return t, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		t, err = s.begin(ctx, citizen, key, in)
		return err
	})
	return t, err
}

func (s *Service) begin(ctx context.Context, citizen uuid.UUID, key deviceKey, in DeviceInput) (t Tokens, err error) {
	if err := s.store.alone(ctx, citizen); err != nil {
		return t, err
	}
	now := s.now()
	t.Device, err = s.store.bind(ctx, Device{
		ID: uuid.Must(uuid.NewV7()), CitizenID: citizen, Thumbprint: key.thumbprint, PublicKey: key.jwk,
		Name: in.Name, Platform: in.Platform, Version: in.Version, BoundAt: now,
	})
	if err != nil {
		return t, err
	}
	if err := s.cut(ctx, citizen); err != nil {
		return t, err
	}
	epoch, err := s.store.epoch(ctx)
	if err != nil {
		return t, err
	}
	t.Session = Session{
		ID: uuid.Must(uuid.NewV7()), CitizenID: citizen, DeviceID: t.Device.ID, Method: ByIdentityCheck, Epoch: epoch.Number, State: Active,
		BeganAt: now, ProvedAt: now, SeenAt: now, Address: auth.Info(ctx).Address, Exclusive: !s.cfg.SeveralDevices, Bound: in.Bound,
	}
	if t.Ended, err = s.replace(ctx, t.Session); err != nil {
		return t, err
	}
	if err := s.record(ctx, eventBegan, t.Session); err != nil {
		return t, err
	}
	return s.issue(ctx, t, s.rootToken(t.Session.ID))
}

// replace begins a session in place of those that it ends: the one on the same
// device and, where a citizen has one device at a time, all others.
func (s *Service) replace(ctx context.Context, n Session) (ended []Session, err error) {
	active, err := s.store.lockActive(ctx, n.CitizenID)
	if err != nil {
		return nil, err
	}
	var others []Session
	for _, old := range active {
		switch {
		case old.DeviceID == n.DeviceID:
			if err := s.end(ctx, &old, renewed()); err != nil {
				return nil, err
			}
			ended = append(ended, old)
		case n.Exclusive:
			if err := old.end(supersededBy(n), n.BeganAt); err != nil {
				return nil, err
			}
			others = append(others, old)
		}
	}
	if len(others) == 0 {
		return ended, s.store.insert(ctx, n)
	}
	if err := s.store.swap(ctx, others, n); err != nil {
		return nil, err
	}
	for _, old := range others {
		if err := s.told(ctx, old); err != nil {
			return nil, err
		}
	}
	return append(ended, others...), nil
}

// Others lists the devices that a login of a citizen elsewhere would sign out,
// so that it can ask before.
func (s *Service) Others(ctx context.Context, citizen uuid.UUID) (devices []Device, err error) {
	if s.cfg.SeveralDevices {
		return nil, nil
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		active, err := s.store.active(ctx, citizen)
		for _, session := range active {
			d, found, failed := s.store.device(ctx, session.DeviceID)
			if found {
				devices = append(devices, d)
			}
			err = errors.Join(err, failed)
		}
		return err
	})
	return devices, err
}

// End signs one of a citizen's devices out from another, or from itself. A
// session that ended before keeps its reason.
func (s *Service) End(ctx context.Context, citizen, session, from uuid.UUID) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		found, ok, err := s.store.lock(ctx, session)
		switch {
		case err != nil:
			return err
		case !ok || found.CitizenID != citizen:
			return ErrSessionUnknown
		case found.State != Active:
			return s.cut(ctx, citizen)
		}
		return s.end(ctx, &found, revokedFrom(from))
	})
}

// Lock restricts an account and ends its sessions, for a citizen who fears for
// it or for staff. It returns the account with its case number.
func (s *Service) Lock(ctx context.Context, citizen uuid.UUID, reason citizens.LockReason) (c citizens.Citizen, err error) {
	by := map[citizens.LockReason]Initiator{citizens.LockedByCitizen: ByUser, citizens.LockedByStaff: ByAdmin, citizens.LockedForReuse: ByPolicy}[reason]
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		if c, err = s.citizens.Lock(ctx, citizen, reason); err != nil {
			return err
		}
		if err := s.cut(ctx, citizen); err != nil {
			return err
		}
		active, err := s.store.lockActive(ctx, citizen)
		if err != nil {
			return err
		}
		for i, session := range active {
			if i == 0 {
				err = s.record(ctx, eventLocked, session)
			}
			if err == nil {
				err = s.end(ctx, &session, locked(by, *c.LockCase))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}

// NotMe is for the citizen whose session another login ended, and who did not
// log in there: it restricts the account. The ended session's refresh token is
// proof enough, since all that it can do is stop.
func (s *Service) NotMe(ctx context.Context, refreshToken string) error {
	id, ours := s.readToken(refreshToken)
	if !ours {
		return auth.ErrSignInRequired
	}
	return s.db.Platform(ctx, func(ctx context.Context) error {
		ended, found, err := s.store.session(ctx, id)
		switch {
		case err != nil:
			return err
		case !found || ended.State != Superseded:
			return ErrSessionUnknown
		}
		c, err := s.Lock(ctx, ended.CitizenID, citizens.LockedByCitizen)
		if err != nil {
			return err
		}
		return s.store.openCase(ctx, Case{
			ID: uuid.Must(uuid.NewV7()), CaseNo: *c.LockCase, CitizenID: c.ID, Kind: CaseNotMe, OpenedAt: s.now(),
			SessionID: &ended.ID, SuspectID: ended.SupersededBy, Address: auth.Info(ctx).Address,
		})
	})
}

// NotMine is NotMe for a citizen who is in, and sees among their sign-ins one
// that was not theirs. It returns the account with its case number.
func (s *Service) NotMine(ctx context.Context, citizen, here, suspect uuid.UUID) (c citizens.Citizen, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		found, ok, err := s.store.session(ctx, suspect)
		switch {
		case err != nil:
			return err
		case !ok || found.CitizenID != citizen || suspect == here:
			return ErrSessionUnknown
		}
		if c, err = s.Lock(ctx, citizen, citizens.LockedByCitizen); err != nil {
			return err
		}
		return s.store.openCase(ctx, Case{
			ID: uuid.Must(uuid.NewV7()), CaseNo: *c.LockCase, CitizenID: citizen, Kind: CaseNotMe, OpenedAt: s.now(),
			SessionID: &here, SuspectID: &suspect, Address: auth.Info(ctx).Address,
		})
	})
	return c, err
}

// end ends an active, locked session in the caller's transaction.
func (s *Service) end(ctx context.Context, session *Session, e Ending) error {
	if err := session.end(e, s.now()); err != nil {
		return err
	}
	if err := s.store.end(ctx, *session); err != nil {
		return err
	}
	return s.told(ctx, *session)
}

// cut stops what a citizen's devices may still do with the access token in hand
// after a planned reset: the citizen wants it ended, or logs in anew.
func (s *Service) cut(ctx context.Context, citizen uuid.UUID) error {
	cut, err := s.store.cut(ctx, citizen, s.now(), s.now().Add(-auth.LifeMost-rememberMore))
	if err != nil || len(cut) == 0 {
		return err
	}
	db.AfterCommit(ctx, func() { s.watch.add(cut...) })
	return s.store.notify(ctx)
}

// told tells of an ending: the owner's list of events, the other modules, the
// other servers, and this one once it is certain.
func (s *Service) told(ctx context.Context, ended Session) error {
	if err := s.record(ctx, string(ended.State), ended); err != nil {
		return err
	}
	announced := EndedEvent{SessionID: ended.ID, CitizenID: ended.CitizenID, Code: string(ended.State), At: *ended.EndedAt}
	if err := s.announce(ctx, announced); err != nil {
		return err
	}
	db.AfterCommit(ctx, func() { s.watch.add(ended) })
	return s.store.notify(ctx)
}

// announce tells other modules, in the name of the municipality whose staff
// act, if there is one, else of the platform.
func (s *Service) announce(ctx context.Context, e EndedEvent) error {
	put := func(ctx context.Context) error { return s.outbox.Put(ctx, TopicEnded, e) }
	if _, ok := tenant.Lookup(ctx); ok {
		return s.db.Tx(ctx, put)
	}
	return put(ctx)
}

// TopicEnded is announced for every session that ends, unless a reset ended it
// with many others.
const TopicEnded = "sessions.ended"

// EndedEvent is the payload of TopicEnded.
type EndedEvent struct {
	SessionID uuid.UUID `json:"session_id"`
	CitizenID uuid.UUID `json:"citizen_id"`
	Code      string    `json:"code"`
	At        time.Time `json:"at"`
}

func (s *Service) record(ctx context.Context, kind string, about Session) error {
	return s.store.record(ctx, about.CitizenID, Event{
		ID: uuid.Must(uuid.NewV7()), At: s.now(), Kind: kind, SessionID: &about.ID, DeviceID: &about.DeviceID, Address: auth.Info(ctx).Address,
	})
}

// Listed is a session as its owner sees it.
type Listed struct {
	Session
	Device      Device
	OtherDevice string // name of the device that replaced or ended it
}

// Case is the number under which the session's ending is kept, if it has one.
func (l Listed) Case() string {
	if l.CaseNo == nil {
		return ""
	}
	return *l.CaseNo
}

// List returns a citizen's sessions, the newest first, at most 50.
func (s *Service) List(ctx context.Context, citizen uuid.UUID) (list []Listed, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.list(ctx, citizen, listMost)
		for _, row := range rows {
			each := Listed{Session: row.Session, Device: Device{ID: row.DeviceID, CitizenID: row.CitizenID, Name: row.DeviceName, Platform: row.DevicePlatform}}
			if row.OtherName != nil {
				each.OtherDevice = *row.OtherName
			}
			list = append(list, each)
		}
		return err
	})
	return list, err
}

// Events returns a citizen's security events before one (uuid.Nil: the
// newest), newest first, at most limit (1 to 100).
func (s *Service) Events(ctx context.Context, citizen, before uuid.UUID, limit int) (list []Event, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		list, err = s.store.events(ctx, citizen, before, max(1, min(limit, 100)))
		return err
	})
	return list, err
}

// Forget removes refresh tokens of sessions that are certainly over, and old
// challenges; it returns how many rows went.
func (s *Service) Forget(ctx context.Context) (gone int64, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		gone, err = s.store.forget(ctx, s.now().Add(-s.cfg.Absolute-24*time.Hour), s.now().Add(-time.Hour))
		return err
	})
	return gone, err
}
