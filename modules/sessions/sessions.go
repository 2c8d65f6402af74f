// Package sessions knows who is logged in on which device, and tells the truth
// about why a session ended.
//
// It owns schema sessions: devices, sessions, refresh tokens, security events.
// They are platform-wide, as citizens are.
//
// It holds these to be true, always:
//   - a citizen has at most one active session, unless the operator allows
//     several devices, and a device never more than one;
//   - a session ends once, for exactly one recorded reason, and everyone is told
//     that reason and no other: there is no catch-all;
//   - "superseded" points to another session of the same citizen, on another
//     device, begun by an identity check; a "reset" names its incident, and two
//     people ordered it;
//   - an unread database is "cannot check", never "logged out".
package sessions

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// State of a session. What is not active is final, and is also the code that
// is answered for it.
type State string

// The states. session-record-missing is no state but the lack of one: a token
// that we signed, without a row.
const (
	Active            State = "active"
	Superseded        State = "session-superseded"
	Reset             State = "session-reset"
	Revoked           State = "session-revoked"
	RevokedByStaff    State = "session-revoked-by-staff"
	ExpiredIdle       State = "session-expired-idle"
	Expired           State = "session-expired"
	ReuseDetected     State = "session-reuse-detected"
	CredentialChanged State = "session-credential-changed"
	AccountLocked     State = "account-locked"
)

// Initiator is whose doing an ending was (OpenID CAEP, initiating_entity).
type Initiator string

// Whose doing.
const (
	ByUser   Initiator = "user"
	ByAdmin  Initiator = "admin"
	BySystem Initiator = "system"
	ByPolicy Initiator = "policy"
)

// edge is one way out of the active state.
type edge struct {
	event      string // what happens
	initiators []Initiator
	resumable  bool // may the device go on by its key, without a new identity check?
	security   bool // should the citizen be on their guard?
}

// graph is the state machine: every way in which a session ends. The table's
// constraints hold the same.
var graph = map[State]edge{
	Superseded:        {event: "a login by identity check on another device", initiators: []Initiator{ByUser}},
	Reset:             {event: "a reset under an incident", initiators: []Initiator{BySystem}, resumable: true},
	Revoked:           {event: "the citizen signed the device out", initiators: []Initiator{ByUser}},
	RevokedByStaff:    {event: "staff signed the device out, under a case", initiators: []Initiator{ByAdmin}},
	ExpiredIdle:       {event: "nothing was heard of the device for too long", initiators: []Initiator{ByPolicy}, resumable: true},
	Expired:           {event: "the last identity check is too long ago", initiators: []Initiator{ByPolicy}},
	ReuseDetected:     {event: "an old refresh token came back without the device's proof", initiators: []Initiator{ByPolicy}, security: true},
	CredentialChanged: {event: "a new login by identity check on the same device", initiators: []Initiator{ByUser}},
	AccountLocked:     {event: "the account was restricted", initiators: []Initiator{ByUser, ByAdmin, ByPolicy}, security: true},
}

// Method is how a session began.
type Method string

// The methods.
const (
	ByIdentityCheck Method = "identity-check"
	ByDeviceKey     Method = "device-key"
)

// Device is a citizen's device, told again by its key.
type Device struct {
	ID         uuid.UUID
	CitizenID  uuid.UUID
	Thumbprint string
	PublicKey  []byte // JWK
	Name       string
	Platform   string
	Version    string
	BoundAt    time.Time
}

// Session is a login on a device, and how it ended.
type Session struct {
	ID        uuid.UUID
	CitizenID uuid.UUID
	DeviceID  uuid.UUID
	Method    Method
	Resumes   *uuid.UUID
	Epoch     int
	State     State
	BeganAt   time.Time
	ProvedAt  time.Time // when the person last proved who they are
	SeenAt    time.Time // the last renewal
	Address   string
	SignedBy  string // the key of its newest access token
	Exclusive bool   // begun where a citizen has one device at a time
	Bound     bool   // its tokens need the device key's proof (RFC 9449)

	EndedAt           *time.Time
	Initiator         *Initiator
	SupersededBy      *uuid.UUID
	SupersedingDevice *uuid.UUID
	SupersedingMethod *Method
	EndedByDevice     *uuid.UUID
	EndedBy           *uuid.UUID
	Office            *string
	CaseNo            *string
	Reason            *string
	IncidentID        *uuid.UUID
	ResetID           *uuid.UUID
	CutAt             *time.Time // when the access token of a planned reset stopped counting too
}

// Ending says how a session ends. Make one with the functions below: each
// takes what its reason must be able to show.
type Ending struct {
	State      State
	Initiator  Initiator
	Superseder *Session
	ByDevice   uuid.UUID
	Staff      *StaffCause
	CaseNo     string
	Reset      *ResetCause
}

// StaffCause is what an ending by staff shows the citizen; see StaffEnding.
type StaffCause struct {
	Member uuid.UUID
	Office string
	Reason string
	CaseNo string
}

// ResetCause is the order that an ending by reset belongs to.
type ResetCause struct{ ID, Incident uuid.UUID }

func supersededBy(login Session) Ending {
	return Ending{State: Superseded, Initiator: ByUser, Superseder: &login}
}

func renewed() Ending { return Ending{State: CredentialChanged, Initiator: ByUser} }

func revokedFrom(device uuid.UUID) Ending {
	return Ending{State: Revoked, Initiator: ByUser, ByDevice: device}
}

func expired(state State) Ending { return Ending{State: state, Initiator: ByPolicy} }

func reused() Ending { return Ending{State: ReuseDetected, Initiator: ByPolicy} }

func resetUnder(order ResetCause) Ending {
	return Ending{State: Reset, Initiator: BySystem, Reset: &order}
}

func revokedByStaff(c StaffCause) Ending {
	return Ending{State: RevokedByStaff, Initiator: ByAdmin, Staff: &c, CaseNo: c.CaseNo}
}

func locked(by Initiator, caseNo string) Ending {
	return Ending{State: AccountLocked, Initiator: by, CaseNo: caseNo}
}

// end applies an ending to an active session, or refuses what it cannot show.
func (s *Session) end(e Ending, at time.Time) error {
	way, known := graph[e.State]
	switch {
	case !known:
		return fmt.Errorf("sessions: %q is no ending", e.State)
	case s.State != Active:
		return fmt.Errorf("sessions: %s ended before as %s", s.ID, s.State)
	case !slices.Contains(way.initiators, e.Initiator):
		return fmt.Errorf("sessions: %s is not for %s to do", e.State, e.Initiator)
	case (e.State == Superseded) != (e.Superseder != nil),
		(e.State == Revoked) != (e.ByDevice != uuid.Nil),
		(e.State == Reset) != (e.Reset != nil),
		(e.State == RevokedByStaff) != (e.Staff != nil),
		(e.State == AccountLocked || e.State == RevokedByStaff) != (e.CaseNo != ""):
		return fmt.Errorf("sessions: %s cannot show its cause", e.State)
	}
	if by := e.Superseder; by != nil {
		if by.CitizenID != s.CitizenID || by.DeviceID == s.DeviceID || by.Method != ByIdentityCheck {
			return errors.New("sessions: superseded only by the same citizen's login on another device")
		}
		s.SupersededBy, s.SupersedingDevice, s.SupersedingMethod = &by.ID, &by.DeviceID, &by.Method
	}
	if e.ByDevice != uuid.Nil {
		s.EndedByDevice = &e.ByDevice
	}
	if e.CaseNo != "" {
		s.CaseNo = &e.CaseNo
	}
	if by := e.Staff; by != nil {
		s.EndedBy, s.Office, s.Reason = &by.Member, &by.Office, &by.Reason
	}
	if order := e.Reset; order != nil {
		s.ResetID, s.IncidentID = &order.ID, &order.Incident
	}
	s.State, s.EndedAt, s.Initiator = e.State, &at, &e.Initiator
	return nil
}

// Event is something that happened around an account's security.
type Event struct {
	ID        uuid.UUID
	At        time.Time
	Kind      string // a State, or one of the kinds below
	SessionID *uuid.UUID
	DeviceID  *uuid.UUID
	Device    string // its name
	Address   string
}

// Kinds of events that are not endings.
const (
	eventBegan    = "session-began"
	eventResumed  = "session-resumed"
	eventLocked   = "account-restricted"
	eventUnlocked = "account-restored"
)

// Codes lists every way in which a session ends.
func Codes() (codes []string) {
	for state := range graph {
		codes = append(codes, string(state))
	}
	slices.Sort(codes)
	return codes
}
