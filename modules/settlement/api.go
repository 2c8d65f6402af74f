package settlement

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
)

// API is the JSON face, for shops' tills.
type API struct{ service *Service }

// NewAPI answers from service.
func NewAPI(service *Service) *API { return &API{service} }

// ListRequest asks for a shop's settlements.
type ListRequest struct {
	Day    string `query:"day" format:"date" maxLength:"10" doc:"Only that business day"`
	State  string `query:"state" enum:"closed,carried,sent,paid,returned" maxLength:"10"`
	Cursor string `query:"cursor" maxLength:"200" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"30"`
}

// SettlementReply is one settlement as the shop sees it.
type SettlementReply struct {
	ID            uuid.UUID    `json:"id"`
	BusinessDay   calendar.Day `json:"business_day" format:"date"`
	Payments      int64        `json:"payments" doc:"How many"`
	Sales         money.Amount `json:"sales"`
	Cancellations money.Amount `json:"cancellations"`
	Carried       money.Amount `json:"carried" doc:"What the settlement before left below zero; zero or below"`
	Fee           money.Amount `json:"fee" doc:"Always 0"`
	Net           money.Amount `json:"net" doc:"What is paid out"`
	PayoutDay     calendar.Day `json:"payout_day" format:"date"`
	State         State        `json:"state" enum:"closed,carried,sent,paid,returned"`
	Reason        string       `json:"reason,omitempty" doc:"Why it was returned"`
	BankCode      string       `json:"bank_code,omitempty"`
	AccountMasked string       `json:"account_masked,omitempty"`
	PaidAt        *time.Time   `json:"paid_at,omitempty"`
}

func reply(s Settlement) SettlementReply {
	return SettlementReply{
		ID: s.ID, BusinessDay: s.Day, Payments: s.Payments, Sales: s.Sales, Cancellations: s.Cancellations, Carried: s.Carried,
		Net: s.Net, PayoutDay: s.PayoutDay, State: s.State, Reason: s.Reason, BankCode: s.BankCode, AccountMasked: s.NumberMasked, PaidAt: s.PaidAt,
	}
}

// ListReply is a page of settlements, the latest day first.
type ListReply struct {
	Body struct {
		Items      []SettlementReply `json:"items"`
		NextCursor string            `json:"next_cursor,omitempty"`
	}
}

// List answers GET /merchant/settlements.
func (a *API) List(ctx context.Context, in *ListRequest) (*ListReply, error) {
	f := Filter{Merchant: auth.From(ctx).Merchant, State: State(in.State), Limit: in.Limit}
	var err error
	if f.Before, err = parseCursor(in.Cursor); err != nil {
		return nil, err
	}
	if in.Day != "" {
		if f.Day, err = calendar.ParseDay(in.Day); err != nil {
			return nil, fault.On("day", fault.WrongFormat)
		}
	}
	list, next, err := a.service.List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &ListReply{}
	out.Body.Items, out.Body.NextCursor = make([]SettlementReply, len(list)), next.String()
	for i, s := range list {
		out.Body.Items[i] = reply(s)
	}
	return out, nil
}

// String is a cursor as it stands in an address.
func (c *Cursor) String() string {
	if c == nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(c.Day.String() + " " + c.ID.String()))
}

func parseCursor(text string) (c Cursor, err error) {
	if text == "" {
		return c, nil
	}
	wrong := fault.On("cursor", fault.WrongFormat)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return c, wrong
	}
	day, id, _ := strings.Cut(string(raw), " ")
	if c.Day, err = calendar.ParseDay(day); err != nil {
		return Cursor{}, wrong
	}
	if c.ID, err = uuid.Parse(id); err != nil {
		return Cursor{}, wrong
	}
	return c, nil
}
