package citizens

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"jangteo/app/auth"
)

// API serves becoming known and one's own account as JSON.
type API struct{ service *Service }

// NewAPI serves s.
func NewAPI(s *Service) *API { return &API{s} }

// StartCheckRequest says who somebody is.
type StartCheckRequest struct {
	Body struct {
		Name      string `json:"name" minLength:"1" maxLength:"50" doc:"As on the person's identity document"`
		BirthDate string `json:"birth_date" minLength:"8" maxLength:"10" doc:"yyyy-mm-dd (yyyymmdd is read too)" example:"1990-01-31"`
		Phone     string `json:"phone" minLength:"10" maxLength:"20" doc:"Mobile number, with or without hyphens" example:"010-1234-5678"`
	}
}

// CheckReply is the check that waits for its code.
type CheckReply struct {
	Body struct {
		ID        uuid.UUID `json:"id"`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

// StartCheck sends a code to a person's phone.
func (a *API) StartCheck(ctx context.Context, in *StartCheckRequest) (*CheckReply, error) {
	check, err := a.service.StartCheck(ctx, Person{Name: in.Body.Name, BirthDate: in.Body.BirthDate, Phone: in.Body.Phone})
	if err != nil {
		return nil, err
	}
	reply := &CheckReply{}
	reply.Body.ID, reply.Body.ExpiresAt = check.ID, check.ExpiresAt
	return reply, nil
}

// ConfirmCheckRequest carries the code that arrived on the phone.
type ConfirmCheckRequest struct {
	ID   uuid.UUID `path:"id" doc:"Of the check"`
	Body struct {
		Code string `json:"code" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"Six digits"`
	}
}

// ConfirmCheckReply carries the token that stands for the person.
type ConfirmCheckReply struct {
	Body struct {
		IdentityToken string    `json:"identity_token" doc:"Good for joining and one sign-in, for ten minutes"`
		ExpiresAt     time.Time `json:"expires_at"`
	}
}

// ConfirmCheck compares the code.
func (a *API) ConfirmCheck(ctx context.Context, in *ConfirmCheckRequest) (*ConfirmCheckReply, error) {
	token, err := a.service.ConfirmCheck(ctx, in.ID, in.Body.Code)
	if err != nil {
		return nil, err
	}
	reply := &ConfirmCheckReply{}
	reply.Body.IdentityToken, reply.Body.ExpiresAt = token, a.service.now().Add(TokenLives)
	return reply, nil
}

// Agreements are the names agreed to: a list of them, or each with true.
type Agreements []string

// Schema describes both forms.
func (Agreements) Schema(huma.Registry) *huma.Schema {
	limit := 10
	length := 40
	s := &huma.Schema{
		Description: "What the person agrees to: terms, privacy and e-finance are required. A list of names, or an object of name and true.",
		OneOf: []*huma.Schema{
			{Type: huma.TypeArray, MaxItems: &limit, Items: &huma.Schema{Type: huma.TypeString, MaxLength: &length}},
			{Type: huma.TypeObject, MaxProperties: &limit, AdditionalProperties: &huma.Schema{Type: huma.TypeBoolean}},
		},
		Examples: []any{Required},
	}
	s.PrecomputeMessages()
	return s
}

// UnmarshalJSON reads both forms.
func (a *Agreements) UnmarshalJSON(data []byte) error {
	var names []string
	if json.Unmarshal(data, &names) == nil {
		*a = spelled(names)
		return nil
	}
	var answers map[string]bool
	if err := json.Unmarshal(data, &answers); err != nil {
		return err
	}
	for name, agreed := range answers {
		if agreed {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	*a = spelled(names)
	return nil
}

// spelled takes e_finance, as a key of JSON would have it, for e-finance.
func spelled(names []string) Agreements {
	for i, name := range names {
		names[i] = strings.ReplaceAll(name, "_", "-")
	}
	return names
}

// JoinRequest opens an account.
type JoinRequest struct {
	Body struct {
		IdentityToken string     `json:"identity_token" minLength:"1" maxLength:"100"`
		Agreements    Agreements `json:"agreements"`
	}
}

// JoinReply names the account; 200 if the person had it already.
type JoinReply struct {
	Status int
	Body   struct {
		ID       uuid.UUID `json:"id"`
		JoinedAt time.Time `json:"joined_at"`
	}
}

// Join makes an account for whom the token stands for.
func (a *API) Join(ctx context.Context, in *JoinRequest) (*JoinReply, error) {
	c, joined, err := a.service.Join(ctx, in.Body.IdentityToken, in.Body.Agreements)
	if err != nil {
		return nil, err
	}
	reply := &JoinReply{Status: http.StatusOK}
	if joined {
		reply.Status = http.StatusCreated
	}
	reply.Body.ID, reply.Body.JoinedAt = c.ID, c.JoinedAt
	return reply, nil
}

// MeReply is a citizen's own account; what it shows is masked.
type MeReply struct {
	Body struct {
		ID         uuid.UUID      `json:"id"`
		Name       string         `json:"name" doc:"Masked"`
		Phone      string         `json:"phone" doc:"Masked"`
		BirthDate  string         `json:"birth_date" doc:"Masked"`
		JoinedAt   time.Time      `json:"joined_at"`
		Agreements []AgreementOut `json:"agreements"`
	}
}

// AgreementOut is one agreement.
type AgreementOut struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	AgreedAt time.Time `json:"agreed_at"`
}

// Me answers who is asking.
func (a *API) Me(ctx context.Context, _ *struct{}) (*MeReply, error) {
	id := auth.From(ctx).ID
	c, err := a.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	agreed, err := a.service.Agreements(ctx, id)
	if err != nil {
		return nil, err
	}
	reply := &MeReply{}
	b := &reply.Body
	b.ID, b.Name, b.Phone, b.BirthDate, b.JoinedAt = c.ID, c.NameMasked, c.PhoneMasked, c.BirthMasked, c.JoinedAt
	b.Agreements = []AgreementOut{}
	for _, each := range agreed {
		b.Agreements = append(b.Agreements, AgreementOut(each))
	}
	return reply, nil
}
