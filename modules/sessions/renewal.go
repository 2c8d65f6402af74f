package sessions

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/throttle"
	"jangteo/modules/citizens"
)

const (
	refreshGrace    = 10 * time.Second
	challengeLives  = 2 * time.Minute
	refreshTokenLen = 64 // base64url of 48 bytes
)

// A refresh token is the session's id, 16 bytes, and a seal over both. The
// seal tells a token that we made from one that somebody made up: only the
// first may be told that its record is missing.

func (s *Service) rootToken(session uuid.UUID) string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	return s.sealToken(session, nonce)
}

// nextToken is the only successor of a token: whoever presents it twice within
// the grace gets the same one, and nothing but its hash is stored.
func (s *Service) nextToken(session uuid.UUID, token string) string {
	return s.sealToken(session, s.index("sessions.refresh.next", token))
}

func (s *Service) sealToken(session uuid.UUID, nonce []byte) string {
	body := slices.Concat(session[:], nonce)
	return base64.RawURLEncoding.EncodeToString(append(body, s.index("sessions.refresh", string(body))...))
}

func (s *Service) index(field, value string) []byte {
	made, err := s.box.Index(field, value)
	if err != nil {
		panic(err) // an HMAC in memory does not fail
	}
	return made
}

func (s *Service) readToken(token string) (session uuid.UUID, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) != refreshTokenLen {
		return session, false
	}
	return uuid.UUID(raw[:16]), bytes.Equal(raw[32:], s.index("sessions.refresh", string(raw[:32])))
}

func hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// issue makes refresh the session's current token and mints an access token.
func (s *Service) issue(ctx context.Context, t Tokens, refresh string) (Tokens, error) {
	t, signedBy, err := s.sign(ctx, t)
	if err != nil {
		return t, err
	}
	t.Refresh = refresh
	return t, s.store.issue(ctx, t.Session.ID, s.now(), auth.Info(ctx).Address, signedBy, hash(refresh))
}

// again mints an access token beside a refresh token that was issued before.
func (s *Service) again(ctx context.Context, t Tokens, refresh string) (Tokens, error) {
	t, signedBy, err := s.sign(ctx, t)
	if err != nil {
		return t, err
	}
	t.Refresh = refresh
	return t, s.store.seen(ctx, t.Session.ID, s.now(), auth.Info(ctx).Address, signedBy)
}

// sign mints an access token, and tells by which key.
func (s *Service) sign(ctx context.Context, t Tokens) (_ Tokens, signedBy string, err error) {
	c := auth.Claims{Citizen: t.Session.CitizenID, Session: t.Session.ID, Device: t.Session.DeviceID, Epoch: t.Session.Epoch, Life: s.watch.life(s.now())}
	if t.Session.Bound {
		if t.Device.ID == uuid.Nil {
			if t.Device, _, err = s.store.device(ctx, t.Session.DeviceID); err != nil {
				return t, "", err
			}
		}
		c.Proof = t.Device.Thumbprint
	}
	access, minted, err := s.tokens.Mint(c)
	if err != nil {
		return t, "", err
	}
	t.Access, t.AccessExpires = access, minted.ExpiresAt
	return t, minted.Key, nil
}

// RefreshInput is a refresh token as it comes back.
type RefreshInput struct {
	Token string
	// AskProof answers an old token with step-up-required instead of taking it
	// for stolen: the caller will have the device prove its key. Only our own
	// pages may say so, whose tokens no script can read.
	AskProof bool
	ProofUse
}

// Refresh exchanges a refresh token for its successor. The immediate
// predecessor gets the same successor again for 10 seconds; any other old
// token with the device key's proof is a lost answer, and without it means that
// somebody else has one: the session ends and the account is
// restricted until its owner proves who they are.
func (s *Service) Refresh(ctx context.Context, in RefreshInput) (t Tokens, err error) {
	id, ours := s.readToken(in.Token)
	if !ours {
		return t, auth.ErrSignInRequired
	}
	if err := s.renewals.Take(from(ctx, id)); err != nil {
		return t, err
	}
	var refused error // what is refused is still recorded
	err = s.db.Platform(ctx, func(ctx context.Context) (err error) {
		t, refused, err = s.refresh(ctx, id, in)
		return err
	})
	if lockTimedOut(err) {
		return Tokens{}, ErrRefreshInProgress
	}
	return given(t, refused, err)
}

func (s *Service) refresh(ctx context.Context, id uuid.UUID, in RefreshInput) (t Tokens, refused, err error) {
	t.Session, refused, err = s.lockLive(ctx, id)
	if refused != nil || err != nil {
		return t, refused, err
	}
	if t.Device, _, err = s.store.device(ctx, t.Session.DeviceID); err != nil {
		return t, nil, err
	}
	proven := in.Proof != ""
	if proven {
		if refused, err := s.prove(ctx, t.Device.Thumbprint, in.ProofUse); refused != nil || err != nil {
			return t, refused, err
		}
	}
	row, found, err := s.store.refresh(ctx, hash(in.Token))
	if err != nil {
		return t, nil, err
	}
	if found && t.Session.Bound && !proven && (row.UsedAt == nil || s.now().Sub(*row.UsedAt) <= refreshGrace) {
		return t, ErrProofRequired, nil // an older one is stolen: see below
	}
	if found && row.UsedAt == nil {
		t, err = s.issue(ctx, t, s.nextToken(id, in.Token))
		return t, nil, err
	}
	if !found { // we made it, and have no record of it: our loss, never a theft
		refused, err = s.recordMissing(ctx, t.Session)
		return t, refused, err
	}
	next := s.nextToken(id, in.Token)
	if bytes.Equal(row.Successor, hash(next)) && s.now().Sub(*row.UsedAt) <= refreshGrace {
		current, found, err := s.store.refresh(ctx, row.Successor)
		if err != nil {
			return t, nil, err
		}
		if found && current.UsedAt == nil { // the answer was lost, or two tabs asked at once
			t, err = s.again(ctx, t, next)
			return t, nil, err
		}
	}
	switch {
	case proven: // an answer was lost, longer ago
		t, err = s.issue(ctx, t, s.rootToken(id))
		return t, nil, err
	case in.AskProof:
		return t, auth.ErrStepUp, nil
	}
	refused, err = s.reuse(ctx, &t.Session)
	return t, refused, err
}

// reuse ends the session of a token that somebody used again.
func (s *Service) reuse(ctx context.Context, session *Session) (refused, err error) {
	c, err := s.citizens.Lock(ctx, session.CitizenID, citizens.LockedForReuse)
	if err != nil {
		return nil, err
	}
	if err := s.cut(ctx, session.CitizenID); err != nil {
		return nil, err
	}
	if err := s.end(ctx, session, reused()); err != nil {
		return nil, err
	}
	others, err := s.store.lockActive(ctx, session.CitizenID)
	for _, other := range others {
		if err == nil {
			err = s.end(ctx, &other, reused())
		}
	}
	if err == nil && c.LockCase != nil {
		err = s.store.openCase(ctx, Case{
			ID: uuid.Must(uuid.NewV7()), CaseNo: *c.LockCase, CitizenID: c.ID, Kind: CaseReuse, OpenedAt: s.now(),
			SessionID: &session.ID, Address: auth.Info(ctx).Address,
		})
	}
	return s.fault(*session), err
}

// recordMissing tells that a record of ours is lost; somebody will look into it.
func (s *Service) recordMissing(ctx context.Context, session Session) (refused, err error) {
	s.log.ErrorContext(ctx, "session record missing", "session", session.ID)
	return recordMissing(), s.outbox.Put(ctx, TopicRecordMissing, RecordMissingEvent{SessionID: session.ID, At: s.now()})
}

func recordMissing() *fault.Fault {
	return ErrRecordMissing.With("initiator", string(BySystem)).With("security_incident", false).With("actions", []string{"resume", "sign-in"})
}

// lockLive reads a session that must be live. One that has been idle or is old
// ends here, and is told so.
func (s *Service) lockLive(ctx context.Context, id uuid.UUID) (session Session, refused, err error) {
	session, found, err := s.store.lock(ctx, id)
	switch {
	case err != nil:
		return session, nil, err
	case !found: // our seal, and no row: our loss
		session.ID = id
		refused, err = s.recordMissing(ctx, session)
		return session, refused, err
	}
	refused, err = s.expire(ctx, &session)
	return session, refused, err
}

func (s *Service) expire(ctx context.Context, session *Session) (refused, err error) {
	now := s.now()
	if session.State == Active {
		current := s.watch.epoch.Load()
		switch {
		case session.Epoch < current.Number: // the reset will come by this row, or came by before it was
			err = s.end(ctx, session, resetUnder(current.Cause))
		case now.Sub(session.ProvedAt) > s.cfg.Absolute:
			err = s.end(ctx, session, expired(Expired))
		case now.Sub(session.SeenAt) > s.cfg.Idle:
			err = s.end(ctx, session, expired(ExpiredIdle))
		default:
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return s.fault(*session), nil
}

// Challenge is what a device must sign.
type Challenge struct {
	Text      string
	ExpiresAt time.Time
}

// A challenge is the moment at which it ends, 8 bytes, 16 random ones, and a seal
// over both and its device. Nothing is kept of it until it is used: whoever asks
// for thousands has the database write nothing.
func (s *Service) sealChallenge(device uuid.UUID, until time.Time) string {
	body := binary.BigEndian.AppendUint64(nil, uint64(until.UnixMilli()))
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	body = append(body, nonce...)
	return base64.RawURLEncoding.EncodeToString(append(body, s.index("sessions.challenge", string(device[:])+string(body))...))
}

// openChallenge tells until when a challenge is good, if we made it for the device.
func (s *Service) openChallenge(device uuid.UUID, text string) (until time.Time, ours bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != 40 {
		return until, false
	}
	body, seal := raw[:24], raw[24:]
	until = time.UnixMilli(int64(binary.BigEndian.Uint64(body)))
	return until, hmac.Equal(seal, s.index("sessions.challenge", string(device[:])+string(body)))
}

// from is who asks for something of a device or session: whoever knows its id
// does not use up what its owner may ask.
func from(ctx context.Context, id uuid.UUID) string {
	return id.String() + " " + throttle.Line(auth.Info(ctx).Address)
}

// Challenge makes a text for a device to sign, good once and for two minutes.
// A device that is not known gets one too, which will never do.
func (s *Service) Challenge(ctx context.Context, device uuid.UUID) (c Challenge, err error) {
	if err := s.challenges.Take(from(ctx, device)); err != nil {
		return c, err
	}
	if err := s.admit(ctx); err != nil {
		return c, err
	}
	until := s.now().Add(challengeLives)
	return Challenge{s.sealChallenge(device, until), until}, nil
}

// ResumeInput is a device's proof.
type ResumeInput struct {
	DeviceID  uuid.UUID
	Challenge string
	Signature string // base64url; see Device.signed
	ProofUse         // checked where there is one
}

// Resume lets a device go on by its key: with new tokens while its session is
// active, with a new session after a reset or an idle expiry. Any other ending
// is told as it is, with what the owner of the device may know.
func (s *Service) Resume(ctx context.Context, in ResumeInput) (t Tokens, err error) {
	leave, err := s.pace.enter(ctx)
	if err != nil {
		return t, err
	}
	defer leave()
	var refused error // the challenge is used up all the same
	var went resumed
	err = s.db.Platform(ctx, func(ctx context.Context) (err error) {
		t, went, refused, err = s.resume(ctx, in)
		return err
	})
	if went.reset != uuid.Nil {
		s.outcomes.count(went.reset, err == nil && refused == nil, errors.Is(refused, ErrProofInvalid) || err != nil)
	}
	return given(t, refused, err)
}

// resumed is what a resume meets: the reset that ended the session before it, if one did.
type resumed struct{ reset uuid.UUID }

// given gives no token with a refusal, and no refusal that did not commit.
func given(t Tokens, refused, err error) (Tokens, error) {
	if err == nil {
		err = refused
	}
	if err != nil {
		return Tokens{}, err
	}
	return t, nil
}

func (s *Service) resume(ctx context.Context, in ResumeInput) (t Tokens, went resumed, refused, err error) {
	until, ours := s.openChallenge(in.DeviceID, in.Challenge)
	if !ours || !s.now().Before(until) {
		return t, went, ErrProofInvalid, nil
	}
	var found bool
	if t.Device, found, err = s.store.device(ctx, in.DeviceID); err != nil || !found {
		return t, went, ErrProofInvalid, err
	}
	if fresh, err := s.store.useChallenge(ctx, hash(in.Challenge), in.DeviceID, until); err != nil || !fresh {
		return t, went, ErrProofInvalid, err
	}
	proven := t.Device.signed(in.Challenge, in.Signature)
	if proven && in.Proof != "" {
		if refused, err = s.prove(ctx, t.Device.Thumbprint, in.ProofUse); refused != nil || err != nil {
			return t, went, refused, err
		}
	}
	if err := s.store.alone(ctx, t.Device.CitizenID); err != nil {
		return t, went, nil, err
	}
	if t.Session, found, err = s.store.lockLatest(ctx, in.DeviceID); err != nil {
		return t, went, nil, err
	}
	if found && t.Session.ResetID != nil {
		went.reset = *t.Session.ResetID
	}
	if !proven {
		return t, went, ErrProofInvalid, nil
	}
	if !found { // the device was bound by a login: its record is our loss
		t.Session = Session{CitizenID: t.Device.CitizenID, DeviceID: t.Device.ID, State: Reset, ProvedAt: t.Device.BoundAt}
		refused = recordMissing()
	} else if refused, err = s.expire(ctx, &t.Session); err != nil {
		return t, went, nil, err
	}
	if refused != nil {
		var free bool
		if free, err = s.mayGoOn(ctx, t.Session); err != nil {
			return t, went, nil, err
		}
		if !free {
			if found {
				refused, err = s.details(ctx, t.Session)
			}
			return t, went, refused, err
		}
		if t.Session.ResetID != nil { // it may just have been ended
			went.reset = *t.Session.ResetID
		}
		if t.Session, err = s.goOn(ctx, t.Session); err != nil {
			return t, went, nil, err
		}
	}
	if err := s.record(ctx, eventResumed, t.Session); err != nil {
		return t, went, nil, err
	}
	t.AfterReset = went.reset != uuid.Nil
	t, err = s.issue(ctx, t, s.rootToken(t.Session.ID))
	return t, went, nil, err
}

// mayGoOn tells whether an ended session may be continued by the device's key
// alone: nobody's decision ended it, the person proved who they are recently
// enough, and they have not logged in elsewhere since.
func (s *Service) mayGoOn(ctx context.Context, ended Session) (bool, error) {
	if !graph[ended.State].resumable || s.now().Sub(ended.ProvedAt) > s.cfg.Absolute {
		return false, nil
	}
	c, err := s.citizens.Get(ctx, ended.CitizenID)
	if err != nil || c.Locked() {
		return false, err
	}
	if s.cfg.SeveralDevices {
		return true, nil
	}
	elsewhere, err := s.store.lockActive(ctx, ended.CitizenID)
	return len(elsewhere) == 0, err
}

func (s *Service) goOn(ctx context.Context, ended Session) (Session, error) {
	now := s.now()
	epoch, err := s.store.epoch(ctx)
	if err != nil {
		return Session{}, err
	}
	n := Session{
		ID: uuid.Must(uuid.NewV7()), CitizenID: ended.CitizenID, DeviceID: ended.DeviceID, Method: ByDeviceKey, Bound: ended.Bound,
		Epoch: epoch.Number, State: Active, BeganAt: now, ProvedAt: ended.ProvedAt, SeenAt: now, Address: auth.Info(ctx).Address, Exclusive: !s.cfg.SeveralDevices,
	}
	if ended.ID != uuid.Nil {
		n.Resumes = &ended.ID
	}
	return n, s.store.insert(ctx, n)
}

// details tells the owner of a device, who has just proven its key, why its
// session ended and which of their devices did it.
func (s *Service) details(ctx context.Context, ended Session) (refused, err error) {
	f := s.fault(ended)
	other := ended.SupersedingDevice
	if other == nil {
		other = ended.EndedByDevice
	}
	if other == nil {
		return f, nil
	}
	d, found, err := s.store.device(ctx, *other)
	if found {
		f = f.With("by_device", d.Name)
	}
	if err != nil || ended.SupersededBy == nil {
		return f, err
	}
	login, found, err := s.store.session(ctx, *ended.SupersededBy)
	if found {
		f = f.With("near", near(login.Address)).With("method", string(login.Method))
	}
	return f, err
}

// near is roughly where an address belongs: the network, not the line.
func near(address string) string {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	bits := 48
	if at = at.Unmap(); at.Is4() {
		bits = 16
	}
	prefix, err := at.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// EndingOf tells the bearer of a refresh token whether its session ended and
// why, as a fault; nil if it is live. Nothing changes by asking.
func (s *Service) EndingOf(ctx context.Context, refreshToken string) (told error, err error) {
	id, ours := s.readToken(refreshToken)
	if !ours {
		return nil, nil
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		session, found, err := s.store.session(ctx, id)
		switch {
		case err != nil:
			return err
		case !found:
			told = recordMissing()
		case session.State != Active:
			told = s.fault(session)
		}
		return nil
	})
	return told, err
}
