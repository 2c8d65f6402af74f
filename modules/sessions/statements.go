package sessions

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// StatementKind is the type that a signed access statement says it is.
const StatementKind = "jangteo-access+jws"

const statementEvents = 1000

// AccessStatement is the record of who used a citizen's account from where, for
// them to keep.
type AccessStatement struct {
	ID       uuid.UUID       `json:"id"`
	Issuer   string          `json:"issuer"`
	IssuedAt time.Time       `json:"issued_at"`
	Citizen  uuid.UUID       `json:"citizen_id"`
	Name     string          `json:"name" doc:"Masked"`
	Sessions []StatedSession `json:"sessions" doc:"The newest first, at most 50"`
	Events   []StatedEvent   `json:"events" doc:"The newest first, at most 1000"`
}

// StatedSession is one sign-in.
type StatedSession struct {
	ID         uuid.UUID  `json:"id"`
	Device     string     `json:"device"`
	Platform   string     `json:"platform"`
	Method     string     `json:"method" enum:"identity-check,device-key"`
	BeganAt    time.Time  `json:"began_at"`
	SeenAt     time.Time  `json:"seen_at"`
	Address    string     `json:"address,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	Ending     string     `json:"ending,omitempty" doc:"Why it ended: a problem's code"`
	Initiator  string     `json:"initiator,omitempty" doc:"Who ended it: user, system, admin or policy"`
	ByDevice   string     `json:"by_device,omitempty"`
	IncidentID *uuid.UUID `json:"incident_id,omitempty"`
}

// StatedEvent is something that happened around the account's security.
type StatedEvent struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"`
}

// SignedStatement is a statement in the clear and signed. What counts is Signed.
type SignedStatement struct {
	Statement AccessStatement `json:"statement"`
	Signed    string          `json:"signed" doc:"Compact JWS (EdDSA) over the statement's JSON, of type jangteo-access+jws"`
	Keys      string          `json:"keys" doc:"Where the keys are published with which it can be checked"`
}

// Signer signs what people keep.
type Signer interface {
	Sign(kind string, statement []byte) (string, error)
}

// Statements makes signed access statements.
type Statements struct {
	service *Service
	signer  Signer
	issuer  string
}

// NewStatements signs in the name of issuer, the service's public address.
func NewStatements(s *Service, signer Signer, issuer string) *Statements {
	return &Statements{s, signer, issuer}
}

// Issue states the access record of a citizen as it is now.
func (s *Statements) Issue(ctx context.Context, citizen uuid.UUID) (signed SignedStatement, err error) {
	made := AccessStatement{
		ID: uuid.Must(uuid.NewV7()), Issuer: s.issuer, IssuedAt: s.service.now().UTC(), Citizen: citizen, Sessions: []StatedSession{}, Events: []StatedEvent{},
	}
	err = s.service.db.Platform(ctx, func(ctx context.Context) error {
		c, err := s.service.citizens.Get(ctx, citizen)
		if err != nil {
			return err
		}
		made.Name = c.NameMasked
		list, err := s.service.List(ctx, citizen)
		if err != nil {
			return err
		}
		for _, each := range list {
			made.Sessions = append(made.Sessions, stated(each))
		}
		events, err := s.service.store.events(ctx, citizen, uuid.Nil, statementEvents)
		for _, e := range events {
			made.Events = append(made.Events, StatedEvent{e.At.UTC(), e.Kind, e.Device, e.Address})
		}
		return err
	})
	if err != nil {
		return signed, err
	}
	body, err := json.Marshal(made)
	if err != nil {
		return signed, err
	}
	signed = SignedStatement{Statement: made, Keys: s.issuer + "/api/v1/signing-keys"}
	signed.Signed, err = s.signer.Sign(StatementKind, body)
	return signed, err
}

func stated(l Listed) StatedSession {
	s := StatedSession{
		ID: l.ID, Device: l.Device.Name, Platform: l.Device.Platform, Method: string(l.Method), BeganAt: l.BeganAt.UTC(), SeenAt: l.SeenAt.UTC(),
		Address: l.Address, ByDevice: l.OtherDevice, IncidentID: l.IncidentID,
	}
	if l.EndedAt != nil {
		at := l.EndedAt.UTC()
		s.EndedAt, s.Ending, s.Initiator = &at, string(l.State), string(*l.Initiator)
	}
	return s
}
