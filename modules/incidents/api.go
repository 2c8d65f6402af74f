package incidents

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// API serves what the public is told as JSON.
type API struct{ service *Service }

// NewAPI serves s.
func NewAPI(s *Service) *API { return &API{s} }

// IncidentOut is an incident as the public is told it.
type IncidentOut struct {
	ID        uuid.UUID    `json:"id"`
	Number    string       `json:"number" doc:"As people call it" example:"I-3F9A21C0"`
	State     string       `json:"state" enum:"investigating,identified,monitoring,resolved"`
	Title     Translated   `json:"title"`
	Text      Translated   `json:"text"`
	Affected  AffectedOut  `json:"affected"`
	StartedAt time.Time    `json:"started_at"`
	EndedAt   *time.Time   `json:"ended_at"`
	UpdatedAt time.Time    `json:"updated_at"`
	Version   int          `json:"version" doc:"Of its words"`
	Versions  []VersionOut `json:"versions,omitempty" doc:"Everything that was said, the newest first"`
}

// Translated is a text in both languages.
type Translated struct {
	Ko string `json:"ko"`
	En string `json:"en"`
}

// AffectedOut says what and who is affected.
type AffectedOut struct {
	Parts   []string `json:"parts"`
	Tenants []string `json:"tenants" doc:"Codes of municipalities; empty: everywhere"`
}

// VersionOut is what was said at one time.
type VersionOut struct {
	Version int        `json:"version"`
	State   string     `json:"state"`
	At      time.Time  `json:"at"`
	Title   Translated `json:"title"`
	Text    Translated `json:"text"`
}

func incidentOut(i Incident, said []Version) IncidentOut {
	out := IncidentOut{
		ID: i.ID, Number: i.Number, State: string(i.State), Title: Translated{i.Words.TitleKo, i.Words.TitleEn}, Text: Translated{i.Words.TextKo, i.Words.TextEn},
		Affected: AffectedOut{Parts: i.Parts, Tenants: []string{}}, StartedAt: i.StartedAt, EndedAt: i.EndedAt, UpdatedAt: i.SaidAt, Version: i.Version,
	}
	for _, id := range i.Tenants {
		out.Affected.Tenants = append(out.Affected.Tenants, id.String())
	}
	for _, v := range said {
		out.Versions = append(out.Versions, VersionOut{
			v.Version, string(v.State), v.At, Translated{v.Words.TitleKo, v.Words.TitleEn}, Translated{v.Words.TextKo, v.Words.TextEn},
		})
	}
	return out
}

// ListReply lists incidents, those that go on first.
type ListReply struct {
	Body struct {
		Items      []IncidentOut `json:"items"`
		NextCursor *string       `json:"next_cursor"`
	}
}

// List returns what goes on and what ended within 90 days.
func (a *API) List(ctx context.Context, _ *struct{}) (*ListReply, error) {
	list, err := a.service.Public(ctx)
	if err != nil {
		return nil, err
	}
	reply := &ListReply{}
	reply.Body.Items = []IncidentOut{}
	for _, i := range list {
		reply.Body.Items = append(reply.Body.Items, incidentOut(i, nil))
	}
	return reply, nil
}

// GetRequest names an incident.
type GetRequest struct {
	ID uuid.UUID `path:"id"`
}

// GetReply is an incident with everything that was said of it.
type GetReply struct{ Body IncidentOut }

// Get returns one incident.
func (a *API) Get(ctx context.Context, in *GetRequest) (*GetReply, error) {
	i, said, err := a.service.PublicGet(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &GetReply{incidentOut(i, said)}, nil
}
