package cards

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// API serves the citizens' apps.
type API struct{ service *Service }

// NewAPI serves s.
func NewAPI(s *Service) *API { return &API{s} }

// OptionView is what a card may do in a municipality.
type OptionView struct {
	Tenant string `json:"tenant" example:"11560"`
	Mode   Mode   `json:"mode" enum:"voucher-only,ask,allow" doc:"When the voucher does not cover a payment: never the bank account; ask on the phone; the bank account pays the rest"`
	Main   bool   `json:"main" doc:"Of the issuer's cards, the one that draws on the voucher here"`
}

// CardView is a linked card as the apps see it. Its number is not known here.
type CardView struct {
	ID         uuid.UUID    `json:"id"`
	Issuer     string       `json:"issuer" example:"31"`
	IssuerName string       `json:"issuer_name" example:"BC카드"`
	Product    string       `json:"product"`
	Name       string       `json:"name"`
	State      State        `json:"state" enum:"active,paused,lost,unlinked"`
	LinkedAt   time.Time    `json:"linked_at"`
	Options    []OptionView `json:"options"`
}

// view tells a card and what it may do where its citizen has a wallet.
func (a *API) view(ctx context.Context, l Link) (CardView, error) {
	issuer, _ := a.service.Issuer(l.Issuer)
	v := CardView{
		ID: l.ID, Issuer: l.Issuer, IssuerName: issuer.Name, Product: l.Product, Name: l.Name, State: l.State, LinkedAt: l.LinkedAt,
		Options: []OptionView{},
	}
	homes, err := a.service.homes(ctx, l.CitizenID)
	for _, id := range homes {
		o := l.In(id)
		v.Options = append(v.Options, OptionView{id.String(), o.Mode, o.Main})
	}
	return v, err
}

// CardsReply lists a citizen's cards.
type CardsReply struct {
	Body struct {
		Items      []CardView `json:"items"`
		NextCursor string     `json:"next_cursor,omitempty"`
	}
}

// List is GET /me/cards.
func (a *API) List(ctx context.Context, _ *struct{}) (*CardsReply, error) {
	links, err := a.service.Links(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	out := &CardsReply{}
	out.Body.Items = []CardView{}
	for _, l := range links {
		v, err := a.view(ctx, l)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, v)
	}
	return out, nil
}

// AvailableRequest names an issuer.
type AvailableRequest struct {
	Issuer string `query:"issuer" maxLength:"2" example:"31" doc:"Left out: nobody is asked"`
}

// AvailableReply lists the cards that an issuer knows the citizen to have.
type AvailableReply struct {
	Body struct {
		Items      []IssuerCard `json:"items"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

// Available is GET /me/cards/available.
func (a *API) Available(ctx context.Context, in *AvailableRequest) (*AvailableReply, error) {
	out := &AvailableReply{}
	out.Body.Items = []IssuerCard{}
	if in.Issuer == "" {
		return out, nil
	}
	list, err := a.service.Available(ctx, auth.From(ctx).ID, in.Issuer)
	out.Body.Items = append(out.Body.Items, list...)
	return out, err
}

// LinkRequest links one of the cards that /me/cards/available lists.
type LinkRequest struct {
	Body struct {
		Issuer string `json:"issuer" minLength:"2" maxLength:"2" example:"31"`
		Token  string `json:"token" minLength:"8" maxLength:"64" doc:"The issuer's name for the card, never its number"`
		Name   string `json:"name,omitempty" maxLength:"40" doc:"Left out: as the issuer calls it"`
	}
}

// CardReply is one card.
type CardReply struct{ Body CardView }

func (a *API) reply(ctx context.Context, l Link, err error) (*CardReply, error) {
	if err != nil {
		return nil, err
	}
	v, err := a.view(ctx, l)
	return &CardReply{v}, err
}

// Link is POST /me/cards.
func (a *API) Link(ctx context.Context, in *LinkRequest) (*CardReply, error) {
	l, err := a.service.Connect(ctx, LinkInput{CitizenID: auth.From(ctx).ID, Issuer: in.Body.Issuer, Token: in.Body.Token, Name: in.Body.Name})
	return a.reply(ctx, l, err)
}

// ChangeRequest changes one card; what is left out stays. A mode needs its municipality.
type ChangeRequest struct {
	ID   uuid.UUID `path:"id" format:"uuid"`
	Body struct {
		Name   string `json:"name,omitempty" maxLength:"40"`
		State  string `json:"state,omitempty" enum:"active,paused,lost,unlinked" doc:"A lost card stops at once and does not come back"`
		Tenant string `json:"tenant,omitempty" maxLength:"5" doc:"Where mode and main hold"`
		Mode   string `json:"mode,omitempty" enum:"voucher-only,ask,allow"`
		Main   bool   `json:"main,omitempty"`
	}
}

// Change is PATCH /me/cards/{id}.
func (a *API) Change(ctx context.Context, in *ChangeRequest) (*CardReply, error) {
	me, b := auth.From(ctx).ID, in.Body
	l, err := a.service.Link(ctx, me, in.ID)
	if err == nil && (b.Mode != "" || b.Main) {
		l, err = a.setOption(ctx, me, l, b.Tenant, Mode(b.Mode), b.Main)
	}
	if err == nil && b.Name != "" {
		l, err = a.service.Rename(ctx, me, in.ID, b.Name)
	}
	if err == nil && b.State != "" {
		l, err = a.service.SetState(ctx, me, in.ID, State(b.State))
	}
	return a.reply(ctx, l, err)
}

func (a *API) setOption(ctx context.Context, me uuid.UUID, l Link, at string, mode Mode, main bool) (Link, error) {
	id, err := a.service.home(ctx, me, at)
	if err != nil {
		return l, err
	}
	if mode == "" {
		mode = l.In(id).Mode
	}
	return a.service.SetOption(ctx, me, l.ID, Option{TenantID: id, Mode: mode, Main: main})
}

// home checks that a citizen has a wallet in a municipality.
func (s *Service) home(ctx context.Context, citizen uuid.UUID, at string) (tenant.ID, error) {
	homes, err := s.homes(ctx, citizen)
	if err != nil {
		return 0, err
	}
	for _, id := range homes {
		if id.String() == at {
			return id, nil
		}
	}
	return 0, fault.On("tenant", fault.Unknown)
}

// OfferView is the rest of a payment that the citizen is asked about.
type OfferView struct {
	Tenant string `json:"tenant"`
	Offer
}

// OffersReply lists what the citizen is asked about now.
type OffersReply struct {
	Body struct {
		Items      []OfferView `json:"items"`
		NextCursor string      `json:"next_cursor,omitempty"`
	}
}

// Offers is GET /me/card-offers.
func (a *API) Offers(ctx context.Context, _ *struct{}) (*OffersReply, error) {
	list, err := a.service.Offers(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	out := &OffersReply{}
	out.Body.Items = make([]OfferView, len(list))
	for i, o := range list {
		out.Body.Items[i] = OfferView{o.TenantID.String(), o}
	}
	return out, nil
}

// AnswerRequest answers an offer.
type AnswerRequest struct {
	Tenant string    `path:"tenant" maxLength:"5"`
	ID     uuid.UUID `path:"id" format:"uuid"`
	Body   struct {
		Allow bool `json:"allow" doc:"The bank account may pay the rest: swipe the card again within five minutes"`
	}
}

// OfferReply is an offer as it stands.
type OfferReply struct{ Body OfferView }

// Answer is POST /tenants/{tenant}/card-offers/{id}/answer.
func (a *API) Answer(ctx context.Context, in *AnswerRequest) (*OfferReply, error) {
	o, err := a.service.Answer(ctx, auth.From(ctx).ID, in.ID, in.Body.Allow)
	return &OfferReply{OfferView{o.TenantID.String(), o}}, err
}

// SwapView is a bank debit that the voucher could have paid.
type SwapView struct {
	Tenant       string       `json:"tenant"`
	ID           uuid.UUID    `json:"id"`
	CardID       uuid.UUID    `json:"card_id"`
	MerchantID   uuid.UUID    `json:"merchant_id"`
	MerchantName string       `json:"merchant_name"`
	Amount       money.Amount `json:"amount"`
	State        SwapState    `json:"state" enum:"open,paying,asking,swapped,refused"`
	PaymentID    *uuid.UUID   `json:"payment_id,omitempty" doc:"The voucher's payment"`
	At           time.Time    `json:"at" doc:"Of the purchase"`
	Steps        []Step       `json:"steps,omitempty"`
}

func swapView(f FallThrough, steps []Step) SwapView {
	return SwapView{f.TenantID.String(), f.ID, f.LinkID, f.MerchantID, f.MerchantName, f.Amount, f.State, f.PaymentID, f.At, steps}
}

// SwapsReply lists them, newest first.
type SwapsReply struct {
	Body struct {
		Items      []SwapView `json:"items"`
		NextCursor string     `json:"next_cursor,omitempty"`
	}
}

// Swaps is GET /me/card-swaps.
func (a *API) Swaps(ctx context.Context, _ *struct{}) (*SwapsReply, error) {
	list, err := a.service.FallThroughs(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	out := &SwapsReply{}
	out.Body.Items = make([]SwapView, len(list))
	for i, f := range list {
		out.Body.Items[i] = swapView(f, nil)
	}
	return out, nil
}

// SwapRequest names one.
type SwapRequest struct {
	Tenant string    `path:"tenant" maxLength:"5"`
	ID     uuid.UUID `path:"id" format:"uuid"`
}

// SwapReply is one with its steps.
type SwapReply struct{ Body SwapView }

// Swap is POST /tenants/{tenant}/card-swaps/{id}. The path names the swap, so
// that sending it again is the same swap.
func (a *API) Swap(ctx context.Context, in *SwapRequest) (*SwapReply, error) {
	if _, err := a.service.Swap(ctx, auth.From(ctx).ID, in.ID); err != nil {
		return nil, err
	}
	return a.GetSwap(ctx, in)
}

// GetSwap is GET /tenants/{tenant}/card-swaps/{id}.
func (a *API) GetSwap(ctx context.Context, in *SwapRequest) (*SwapReply, error) {
	f, steps, err := a.service.FallThrough(ctx, auth.From(ctx).ID, in.ID)
	return &SwapReply{swapView(f, steps)}, err
}

// ClaimView is what a citizen owes.
type ClaimView struct {
	Tenant string `json:"tenant"`
	Claim
}

// ClaimsReply lists what a citizen owes or owed.
type ClaimsReply struct {
	Body struct {
		Items      []ClaimView `json:"items"`
		NextCursor string      `json:"next_cursor,omitempty"`
	}
}

// Claims is GET /me/card-claims.
func (a *API) Claims(ctx context.Context, _ *struct{}) (*ClaimsReply, error) {
	list, err := a.service.ClaimsOf(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	out := &ClaimsReply{}
	out.Body.Items = make([]ClaimView, len(list))
	for i, c := range list {
		out.Body.Items[i] = ClaimView{c.TenantID.String(), c}
	}
	return out, nil
}

// RepayRequest repays a claim out of its wallet.
type RepayRequest struct {
	Tenant string    `path:"tenant" maxLength:"5"`
	ID     uuid.UUID `path:"id" format:"uuid"`
	Key    string    `header:"Idempotency-Key" maxLength:"200" doc:"Made and kept by the client before it first sends; the same on every retry"`
	Body   struct {
		Amount int64 `json:"amount,omitempty" minimum:"1" maximum:"2000000" doc:"Won; left out: all that is owed"`
	}
}

// RepaymentReply is what was taken.
type RepaymentReply struct {
	Replayed string `header:"Idempotent-Replayed"`
	Body     Repayment
}

// Repay is POST /tenants/{tenant}/card-claims/{id}/repayments.
func (a *API) Repay(ctx context.Context, in *RepayRequest) (*RepaymentReply, error) {
	r, replayed, err := a.service.Repay(ctx, RepayInput{
		Key: in.Key, CitizenID: auth.From(ctx).ID, ClaimID: in.ID, Amount: money.Amount(in.Body.Amount),
	})
	if err != nil {
		return nil, err
	}
	out := &RepaymentReply{Body: r}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}
