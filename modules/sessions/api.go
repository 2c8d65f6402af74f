package sessions

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/modules/citizens"
)

// API serves logging in, going on and one's own sessions as JSON.
type API struct{ service *Service }

// NewAPI serves s.
func NewAPI(s *Service) *API { return &API{s} }

// JWK is a device's public key as JSON (RFC 7517).
type JWK json.RawMessage

// Schema describes it; what is inside is for the service to judge.
func (JWK) Schema(huma.Registry) *huma.Schema {
	most := 16
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, MaxProperties: &most,
		Description: "Public key as JWK: EC P-256 or OKP Ed25519, without its private part",
		Examples:    []any{map[string]string{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}},
	}
	s.PrecomputeMessages()
	return s
}

// UnmarshalJSON keeps the text as it came.
func (k *JWK) UnmarshalJSON(data []byte) error { return (*json.RawMessage)(k).UnmarshalJSON(data) }

// BeginRequest logs in.
type BeginRequest struct {
	Body struct {
		IdentityToken string `json:"identity_token" minLength:"1" maxLength:"100"`
		Device        struct {
			PublicKey JWK    `json:"public_key"`
			Name      string `json:"name" minLength:"1" maxLength:"60" doc:"What its owner will recognise" example:"Galaxy S25"`
			Platform  string `json:"platform" minLength:"1" maxLength:"30" example:"Android"`
			Version   string `json:"version,omitempty" maxLength:"30" doc:"Of the app" example:"3.2.1"`
			DPoP      bool   `json:"dpop,omitempty" doc:"Tokens are to need the device key's proof (RFC 9449) from now on; a proof with this request says the same"`
		} `json:"device"`
	}
	DPoP string `header:"DPoP" maxLength:"4096" doc:"Proof of the device key (RFC 9449); tokens are then bound to it"`
}

// TokensOut is what a device holds while it is logged in.
type TokensOut struct {
	AccessToken  string     `json:"access_token"`
	TokenType    string     `json:"token_type" enum:"Bearer,DPoP" doc:"The scheme of the Authorization header"`
	ExpiresIn    int        `json:"expires_in" doc:"Seconds until the access token ends"`
	RefreshToken string     `json:"refresh_token" doc:"Good once; keep the newest"`
	Session      SessionOut `json:"session"`
	Ended        *EndedOut  `json:"ended,omitempty" doc:"The newest session that this login ended"`
}

// SessionOut is a session as its owner sees it.
type SessionOut struct {
	ID        uuid.UUID  `json:"id"`
	DeviceID  uuid.UUID  `json:"device_id"`
	Device    *DeviceOut `json:"device,omitempty"`
	Current   bool       `json:"current" doc:"The one that is asking"`
	Active    bool       `json:"active"`
	Method    string     `json:"method" enum:"identity-check,device-key"`
	BeganAt   time.Time  `json:"began_at"`
	SeenAt    time.Time  `json:"seen_at"`
	Ended     *EndedOut  `json:"ended,omitempty"`
	ResumesID *uuid.UUID `json:"resumes_id,omitempty" doc:"The session that this one went on from"`
}

// DeviceOut is a device as its owner sees it.
type DeviceOut struct {
	Name     string `json:"name"`
	Platform string `json:"platform"`
}

// EndedOut says when, why and by whom a session ended.
type EndedOut struct {
	Code      string    `json:"code"`
	At        time.Time `json:"at"`
	Initiator string    `json:"initiator" enum:"user,admin,system,policy"`
	ByDevice  string    `json:"by_device,omitempty"`
	CaseNo    string    `json:"case_no,omitempty"`
}

func endedOut(s Session, byDevice string) *EndedOut {
	if s.EndedAt == nil {
		return nil
	}
	out := &EndedOut{Code: string(s.State), At: *s.EndedAt, Initiator: string(*s.Initiator), ByDevice: byDevice}
	if s.CaseNo != nil {
		out.CaseNo = *s.CaseNo
	}
	return out
}

func sessionOut(s Session, current uuid.UUID) SessionOut {
	return SessionOut{
		ID: s.ID, DeviceID: s.DeviceID, Current: s.ID == current, Active: s.State == Active, Method: string(s.Method),
		BeganAt: s.BeganAt, SeenAt: s.SeenAt, ResumesID: s.Resumes, Ended: endedOut(s, ""),
	}
}

func (a *API) tokensOut(t Tokens) TokensOut {
	out := TokensOut{
		AccessToken: t.Access, TokenType: tokenType(t.Session), RefreshToken: t.Refresh, Session: sessionOut(t.Session, t.Session.ID),
		ExpiresIn: int(t.AccessExpires.Sub(a.service.now()).Seconds()),
	}
	if len(t.Ended) > 0 {
		out.Ended = endedOut(t.Ended[0], "")
	}
	return out
}

func tokenType(s Session) string {
	if s.Bound {
		return "DPoP"
	}
	return "Bearer"
}

// TokensReply carries tokens.
type TokensReply struct{ Body TokensOut }

// Begin logs in by an identity token; a session on another device ends.
func (a *API) Begin(ctx context.Context, in *BeginRequest) (*TokensReply, error) {
	b := in.Body
	t, err := a.service.SignIn(ctx, b.IdentityToken, DeviceInput{
		PublicKey: b.Device.PublicKey, Name: b.Device.Name, Platform: b.Device.Platform, Version: b.Device.Version,
		Bound: b.Device.DPoP, Proof: ProofUse{Proof: in.DPoP},
	})
	if err != nil {
		return nil, err
	}
	return &TokensReply{a.tokensOut(t)}, nil
}

// RefreshRequest exchanges a refresh token.
type RefreshRequest struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"200"`
	}
	DPoP string `header:"DPoP" maxLength:"4096" doc:"Proof of the device key (RFC 9449); required where the session's tokens are bound to it"`
}

// Refresh returns new tokens for a refresh token.
func (a *API) Refresh(ctx context.Context, in *RefreshRequest) (*TokensReply, error) {
	t, err := a.service.Refresh(ctx, RefreshInput{Token: in.Body.RefreshToken, ProofUse: ProofUse{Proof: in.DPoP}})
	if err != nil {
		return nil, err
	}
	return &TokensReply{a.tokensOut(t)}, nil
}

// ChallengeRequest asks for a text to sign.
type ChallengeRequest struct {
	Body struct {
		DeviceID uuid.UUID `json:"device_id" format:"uuid"`
	}
}

// ChallengeReply is the text to sign.
type ChallengeReply struct {
	Body struct {
		Challenge string    `json:"challenge"`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

// Challenge makes a text for a device to sign.
func (a *API) Challenge(ctx context.Context, in *ChallengeRequest) (*ChallengeReply, error) {
	c, err := a.service.Challenge(ctx, in.Body.DeviceID)
	if err != nil {
		return nil, err
	}
	reply := &ChallengeReply{}
	reply.Body.Challenge, reply.Body.ExpiresAt = c.Text, c.ExpiresAt
	return reply, nil
}

// ResumeRequest is a device's proof of its key.
type ResumeRequest struct {
	Body struct {
		DeviceID  uuid.UUID `json:"device_id" format:"uuid"`
		Challenge string    `json:"challenge" minLength:"1" maxLength:"100"`
		Signature string    `json:"signature" minLength:"1" maxLength:"200" doc:"base64url over the challenge's UTF-8 bytes: ES256 as r and s of 32 bytes each or as ASN.1 DER, or Ed25519"`
	}
	DPoP string `header:"DPoP" maxLength:"4096" doc:"Proof of the device key (RFC 9449); checked where there is one"`
}

// Resume lets a known device go on.
func (a *API) Resume(ctx context.Context, in *ResumeRequest) (*TokensReply, error) {
	t, err := a.service.Resume(ctx, ResumeInput{DeviceID: in.Body.DeviceID, Challenge: in.Body.Challenge, Signature: in.Body.Signature, ProofUse: ProofUse{Proof: in.DPoP}})
	if err != nil {
		return nil, err
	}
	return &TokensReply{a.tokensOut(t)}, nil
}

// ListReply lists a citizen's sessions, the newest first.
type ListReply struct {
	Body struct {
		Items      []SessionOut `json:"items"`
		NextCursor *string      `json:"next_cursor"`
	}
}

// List returns the caller's sessions and how each ended.
func (a *API) List(ctx context.Context, _ *struct{}) (*ListReply, error) {
	who := auth.From(ctx)
	list, err := a.service.List(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	reply := &ListReply{}
	reply.Body.Items = []SessionOut{}
	for _, each := range list {
		out := sessionOut(each.Session, who.Session)
		out.Device = &DeviceOut{each.Device.Name, each.Device.Platform}
		out.Ended = endedOut(each.Session, each.OtherDevice)
		reply.Body.Items = append(reply.Body.Items, out)
	}
	return reply, nil
}

// EventsRequest pages through security events.
type EventsRequest struct {
	Cursor string `query:"cursor" maxLength:"36"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

// EventOut is one security event.
type EventOut struct {
	ID        uuid.UUID  `json:"id"`
	At        time.Time  `json:"at"`
	Kind      string     `json:"kind" doc:"A code of an ending, or session-began, session-resumed, account-restricted, account-restored"`
	SessionID *uuid.UUID `json:"session_id,omitempty"`
	Device    string     `json:"device,omitempty"`
	Address   string     `json:"address,omitempty"`
}

// EventsReply lists security events, the newest first.
type EventsReply struct {
	Body struct {
		Items      []EventOut `json:"items"`
		NextCursor *string    `json:"next_cursor"`
	}
}

// Events returns what happened around the caller's account.
func (a *API) Events(ctx context.Context, in *EventsRequest) (*EventsReply, error) {
	var before uuid.UUID
	if in.Cursor != "" {
		var err error
		if before, err = uuid.Parse(in.Cursor); err != nil {
			return nil, fault.On("cursor", fault.WrongFormat)
		}
	}
	list, err := a.service.Events(ctx, auth.From(ctx).ID, before, in.Limit)
	if err != nil {
		return nil, err
	}
	reply := &EventsReply{}
	reply.Body.Items = []EventOut{}
	for _, e := range list {
		reply.Body.Items = append(reply.Body.Items, EventOut{ID: e.ID, At: e.At, Kind: e.Kind, SessionID: e.SessionID, Device: e.Device, Address: e.Address})
	}
	if len(list) == in.Limit {
		last := list[len(list)-1].ID.String()
		reply.Body.NextCursor = &last
	}
	return reply, nil
}

// RevokeRequest names a session.
type RevokeRequest struct {
	ID uuid.UUID `path:"id"`
}

// Revoke signs one of the caller's sessions out.
func (a *API) Revoke(ctx context.Context, in *RevokeRequest) (*struct{}, error) {
	who := auth.From(ctx)
	return nil, a.service.End(ctx, who.ID, in.ID, who.Device)
}

// LockReply tells under which case the account is restricted.
type LockReply struct {
	Body struct {
		CaseNo   string    `json:"case_no"`
		LockedAt time.Time `json:"locked_at"`
	}
}

// LockRequest may say why.
type LockRequest struct {
	Body *struct {
		SessionID *uuid.UUID `json:"session_id,omitempty" doc:"A sign-in that was not the caller's: a case is opened, and somebody looks into it"`
	} `required:"false"`
}

// Lock restricts the caller's account and ends their sessions.
func (a *API) Lock(ctx context.Context, in *LockRequest) (*LockReply, error) {
	who := auth.From(ctx)
	var c citizens.Citizen
	var err error
	if in.Body != nil && in.Body.SessionID != nil {
		c, err = a.service.NotMine(ctx, who.ID, who.Session, *in.Body.SessionID)
	} else {
		c, err = a.service.Lock(ctx, who.ID, citizens.LockedByCitizen)
	}
	if err != nil {
		return nil, err
	}
	reply := &LockReply{}
	reply.Body.CaseNo, reply.Body.LockedAt = *c.LockCase, *c.LockedAt
	return reply, nil
}
