package merchants

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

// API is the JSON face, for apps and tills.
type API struct{ service *Service }

// NewAPI answers from service.
func NewAPI(service *Service) *API { return &API{service} }

// SignInRequest is a clerk's login.
type SignInRequest struct {
	Body struct {
		Login    string `json:"login" minLength:"1" maxLength:"40"`
		Password string `json:"password" minLength:"1" maxLength:"128"`
		Code     string `json:"code,omitempty" maxLength:"30" doc:"Of an app, or a recovery code, where a second factor was made"`
	}
}

// SignInReply carries the token that a till sends as its bearer token.
type SignInReply struct {
	Body struct {
		Token     string    `json:"token" doc:"Send it as Authorization: Bearer …"`
		ExpiresAt time.Time `json:"expires_at" doc:"When it ends at the latest; it ends earlier when it is not used"`
		Clerk     struct {
			ID   uuid.UUID `json:"id"`
			Name string    `json:"name"`
			Role Role      `json:"role" enum:"owner,clerk"`
		} `json:"clerk"`
		Merchant struct {
			ID     uuid.UUID `json:"id"`
			Name   string    `json:"name"`
			Tenant string    `json:"tenant" doc:"The municipality's five-digit code"`
		} `json:"merchant"`
	}
}

// SignIn answers POST /merchant/sessions.
func (a *API) SignIn(ctx context.Context, in *SignInRequest) (*SignInReply, error) {
	signed, err := a.service.SignInWithCode(ctx, in.Body.Login, in.Body.Password, in.Body.Code)
	if err != nil {
		return nil, err
	}
	shop, err := a.service.Get(tenant.With(ctx, signed.Tenant), signed.Principal.Merchant)
	if err != nil {
		return nil, err
	}
	clerk, err := a.service.Clerk(ctx, signed.ID)
	if err != nil {
		return nil, err
	}
	out := &SignInReply{}
	b := &out.Body
	b.Token, b.ExpiresAt = signed.Token, a.service.sessionEnd(signed.Session)
	b.Clerk.ID, b.Clerk.Name, b.Clerk.Role = clerk.ID, clerk.Name, clerk.Role
	b.Merchant.ID, b.Merchant.Name, b.Merchant.Tenant = shop.ID, shop.Name, signed.Tenant.String()
	return out, nil
}

// QRRequest asks for a code for one sale.
type QRRequest struct {
	Body struct {
		Amount int64 `json:"amount" minimum:"1" maximum:"100000000" doc:"In won"`
	}
}

// QRReply is a code for one sale.
type QRReply struct {
	Body struct {
		ID        uuid.UUID    `json:"id"`
		Payload   string       `json:"payload" doc:"EMVCo merchant-presented payload, to be drawn as a QR code"`
		Amount    money.Amount `json:"amount"`
		ExpiresAt time.Time    `json:"expires_at"`
	}
}

// MakeQR answers POST /merchant/qr.
func (a *API) MakeQR(ctx context.Context, in *QRRequest) (*QRReply, error) {
	code, err := a.service.NewDynamicQR(ctx, money.Amount(in.Body.Amount))
	if err != nil {
		return nil, err
	}
	out := &QRReply{}
	out.Body.ID, out.Body.Payload, out.Body.Amount, out.Body.ExpiresAt = code.ID, code.Payload, code.Amount, code.ExpiresAt
	return out, nil
}

// ListRequest searches the shops that take a municipality's voucher.
type ListRequest struct {
	Tenant string `path:"tenant" maxLength:"5" doc:"The municipality's five-digit code"`
	Query  string `query:"q" maxLength:"40" doc:"A part of the name"`
	Trade  string `query:"trade" pattern:"^[0-9]{2,5}$" maxLength:"5" doc:"KSIC trade, two to five digits"`
	Near   string `query:"near" maxLength:"40" doc:"Degrees north and east, 37.5264,126.8962: the nearest first"`
	Cursor string `query:"cursor" maxLength:"400" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

// MerchantReply is a shop as everybody may see it.
type MerchantReply struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	Trade     string    `json:"trade" doc:"KSIC, five digits"`
	TradeName string    `json:"trade_name"`
	Address   string    `json:"address"`
	Latitude  string    `json:"latitude,omitempty" doc:"Degrees north, as a decimal text"`
	Longitude string    `json:"longitude,omitempty" doc:"Degrees east, as a decimal text"`
}

// ListReply is a page of shops.
type ListReply struct {
	Body struct {
		Items      []MerchantReply `json:"items"`
		NextCursor string          `json:"next_cursor,omitempty"`
	}
}

// List answers GET /tenants/{tenant}/merchants.
func (a *API) List(ctx context.Context, in *ListRequest) (*ListReply, error) {
	near, err := parsePlace(in.Near)
	if err != nil {
		return nil, err
	}
	after, err := parseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	list, next, err := a.service.Search(ctx, Filter{
		Query: in.Query, Trade: in.Trade, Near: near, State: Approved, After: after, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &ListReply{}
	out.Body.Items, out.Body.NextCursor = make([]MerchantReply, len(list)), next.String()
	for i, m := range list {
		out.Body.Items[i] = MerchantReply{ID: m.ID, Name: m.Name, Trade: m.Trade, TradeName: m.TradeName(), Address: m.Address}
		if m.Place != nil {
			out.Body.Items[i].Latitude, out.Body.Items[i].Longitude = degrees(m.Place.LatitudeE6), degrees(m.Place.LongitudeE6)
		}
	}
	return out, nil
}
