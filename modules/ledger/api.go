package ledger

import (
	"context"
	"errors"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// API is what anyone may read of the books.
type API struct{ service *Service }

// NewAPI answers from s.
func NewAPI(s *Service) *API { return &API{s} }

// DaysRequest asks for the sealed days of a municipality.
type DaysRequest struct {
	Tenant string `path:"tenant" maxLength:"5"`
	Cursor string `query:"cursor" maxLength:"10" pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}$" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"366" default:"31"`
}

// DaysReply is a page of sealed days, the latest first.
type DaysReply struct {
	Body struct {
		Items      []DayView `json:"items"`
		NextCursor string    `json:"next_cursor"`
	}
}

// DayView is a sealed day as it is published.
type DayView struct {
	Tenant   string       `json:"tenant" example:"11560"`
	Day      calendar.Day `json:"day" format:"date" doc:"Business day, Asia/Seoul"`
	Entries  int64        `json:"entries" doc:"How many entries the root covers; 0 on a day when nothing moved"`
	Root     string       `json:"root" doc:"Merkle root over the entries in the order of their ids (RFC 6962, SHA-256), hexadecimal"`
	Previous string       `json:"previous" doc:"chain of the day before; zeros for the first day"`
	Chain    string       `json:"chain" doc:"SHA-256 over tenant, day, entries, root and previous"`
	SealedAt time.Time    `json:"sealed_at"`
}

// View is the day as it is published.
func (d SealedDay) View() DayView {
	return DayView{d.Tenant.String(), d.Day, d.Entries, d.Root.String(), d.Previous.String(), d.Chain.String(), d.SealedAt}
}

// Sealed reads the day as it was published.
func (v DayView) Sealed() (d SealedDay, err error) {
	if d.Tenant, err = tenant.Parse(v.Tenant); err != nil {
		return d, err
	}
	d.Day, d.Entries, d.SealedAt = v.Day, v.Entries, v.SealedAt
	return d, errors.Join(d.Root.UnmarshalText([]byte(v.Root)), d.Previous.UnmarshalText([]byte(v.Previous)), d.Chain.UnmarshalText([]byte(v.Chain)))
}

// Days answers GET /tenants/{tenant}/ledger-days.
func (a *API) Days(ctx context.Context, in *DaysRequest) (*DaysReply, error) {
	before := calendar.Day{}
	if in.Cursor != "" {
		var err error
		if before, err = calendar.ParseDay(in.Cursor); err != nil {
			return nil, fault.On("cursor", fault.WrongFormat)
		}
	}
	list, more, err := a.service.daysPage(ctx, before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &DaysReply{}
	out.Body.Items = make([]DayView, len(list))
	for i, d := range list {
		out.Body.Items[i] = d.View()
	}
	if more {
		out.Body.NextCursor = list[len(list)-1].Day.String()
	}
	return out, nil
}
