package payments

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/modules/ledger"
)

// API serves the citizens' apps.
type API struct{ service *Service }

// NewAPI serves s.
func NewAPI(s *Service) *API { return &API{s} }

// PaymentView is a payment as the apps see it.
type PaymentView struct {
	Tenant          string            `json:"tenant" example:"11560"`
	ID              uuid.UUID         `json:"id"`
	State           State             `json:"state" enum:"captured,partially-cancelled,cancelled"`
	ApprovalNumber  string            `json:"approval_number" doc:"What people read to each other"`
	MerchantID      uuid.UUID         `json:"merchant_id"`
	MerchantName    string            `json:"merchant_name"`
	WalletID        uuid.UUID         `json:"wallet_id"`
	ProgrammeID     uuid.UUID         `json:"programme_id"`
	Amount          money.Amount      `json:"amount"`
	CancelledAmount money.Amount      `json:"cancelled_amount"`
	BalanceAfter    money.Amount      `json:"balance_after" doc:"Of the wallet, just after the payment"`
	Method          Method            `json:"method" enum:"merchant,static-qr,dynamic-qr,customer-qr,card"`
	PolicyVersion   int               `json:"policy_version"`
	At              time.Time         `json:"at"`
	BusinessDay     calendar.Day      `json:"business_day" format:"date"`
	Cancellations   []CancelledAmount `json:"cancellations,omitempty"`
}

// CancelledAmount is one cancellation of a payment.
type CancelledAmount struct {
	ID     uuid.UUID    `json:"id"`
	Amount money.Amount `json:"amount"`
	By     string       `json:"by" enum:"citizen,clerk,staff,system"`
	At     time.Time    `json:"at"`
}

func viewOf(p Payment, cancellations []Cancellation) PaymentView {
	v := PaymentView{
		Tenant: p.TenantID.String(), ID: p.ID, State: p.State(), ApprovalNumber: p.ApprovalNumber(),
		MerchantID: p.MerchantID, MerchantName: p.MerchantName, WalletID: p.WalletID, ProgrammeID: p.ProgrammeID,
		Amount: p.Amount, CancelledAmount: p.CancelledAmount, BalanceAfter: p.BalanceAfter, Method: p.Method,
		PolicyVersion: p.PolicyVersion, At: p.At, BusinessDay: p.Day,
	}
	for _, c := range cancellations {
		v.Cancellations = append(v.Cancellations, CancelledAmount{c.ID, c.Amount, c.ByKind, c.At})
	}
	return v
}

// PayRequest pays at a merchant, named by its id or by its code.
type PayRequest struct {
	Tenant string `path:"tenant" maxLength:"5"`
	Key    string `header:"Idempotency-Key" maxLength:"200" doc:"Made and kept by the client before it first sends; the same on every retry"`
	Body   struct {
		MerchantID *uuid.UUID `json:"merchant_id,omitempty" format:"uuid" doc:"The merchant; or qr"`
		QR         string     `json:"qr,omitempty" maxLength:"512" doc:"The payload of the merchant's code (EMVCo); or merchant_id"`
		Amount     int64      `json:"amount,omitempty" minimum:"1" maximum:"2000000" doc:"Won; may be left out with the code of one sale"`
		WalletID   *uuid.UUID `json:"wallet_id,omitempty" format:"uuid" doc:"Left out: the wallet that expires first"`
	}
}

// PaymentReply is a payment, perhaps one of before.
type PaymentReply struct {
	Replayed string `header:"Idempotent-Replayed"`
	Body     PaymentView
}

// Pay is POST /tenants/{tenant}/payments.
func (a *API) Pay(ctx context.Context, in *PayRequest) (*PaymentReply, error) {
	input := PayInput{
		Key: in.Key, CitizenID: auth.From(ctx).ID, MerchantID: orNil(in.Body.MerchantID), QR: in.Body.QR,
		WalletID: orNil(in.Body.WalletID), Amount: money.Amount(in.Body.Amount),
	}
	p, replayed, err := a.service.Pay(ctx, input)
	if err != nil {
		return nil, err
	}
	return &PaymentReply{Replayed: replayedHeader(replayed), Body: viewOf(p, nil)}, nil
}

// GetRequest names a payment.
type GetRequest struct {
	Tenant string    `path:"tenant" maxLength:"5"`
	ID     uuid.UUID `path:"id" format:"uuid"`
}

// Get is GET /tenants/{tenant}/payments/{id}.
func (a *API) Get(ctx context.Context, in *GetRequest) (*PaymentReply, error) {
	p, err := a.service.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	cancellations, err := a.service.Cancellations(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return &PaymentReply{Body: viewOf(p, cancellations)}, nil
}

// CancelRequest undoes a payment.
type CancelRequest struct {
	Tenant string    `path:"tenant" maxLength:"5"`
	ID     uuid.UUID `path:"id" format:"uuid"`
	Key    string    `header:"Idempotency-Key" maxLength:"200"`
	Body   *struct {
		Amount int64 `json:"amount,omitempty" minimum:"1" maximum:"2000000" doc:"Won; left out: all that is left"`
	} `required:"false"`
}

// CancelReply is a cancellation with the payment as it stands after it.
type CancelReply struct {
	Replayed string `header:"Idempotent-Replayed"`
	Body     struct {
		ID        uuid.UUID    `json:"id"`
		PaymentID uuid.UUID    `json:"payment_id"`
		Amount    money.Amount `json:"amount"`
		At        time.Time    `json:"at"`
		Payment   PaymentView  `json:"payment"`
	}
}

// Cancel is POST /tenants/{tenant}/payments/{id}/cancellations.
func (a *API) Cancel(ctx context.Context, in *CancelRequest) (*CancelReply, error) {
	input := CancelInput{Key: in.Key, PaymentID: in.ID}
	if in.Body != nil {
		input.Amount = money.Amount(in.Body.Amount)
	}
	c, replayed, err := a.service.Cancel(ctx, input)
	if err != nil {
		return nil, err
	}
	out := &CancelReply{Replayed: replayedHeader(replayed)}
	out.Body.ID, out.Body.PaymentID, out.Body.Amount, out.Body.At = c.Cancellation.ID, c.Payment.ID, c.Cancellation.Amount, c.Cancellation.At
	out.Body.Payment = viewOf(c.Payment, nil)
	return out, nil
}

// ClerkCancelRequest undoes a payment at the clerk's own shop.
type ClerkCancelRequest struct {
	ID   uuid.UUID `path:"id" format:"uuid"`
	Key  string    `header:"Idempotency-Key" maxLength:"200"`
	Body *struct {
		Amount int64 `json:"amount,omitempty" minimum:"1" maximum:"2000000" doc:"Won; left out: all that is left"`
	} `required:"false"`
}

// CancelAsClerk is POST /merchant/payments/{id}/cancellations.
func (a *API) CancelAsClerk(ctx context.Context, in *ClerkCancelRequest) (*CancelReply, error) {
	return a.Cancel(ctx, &CancelRequest{ID: in.ID, Key: in.Key, Body: in.Body})
}

// HistoryRequest asks for a page of history.
type HistoryRequest struct {
	Cursor string `query:"cursor" maxLength:"2000"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"30"`
}

// HistoryReply is what moved in all of a citizen's wallets, newest first.
type HistoryReply struct {
	Body struct {
		Items      []HistoryItem `json:"items"`
		NextCursor string        `json:"next_cursor"`
	}
}

// HistoryItem is one movement. Amount is below zero for what went out.
type HistoryItem struct {
	Tenant       string           `json:"tenant"`
	WalletID     uuid.UUID        `json:"wallet_id"`
	EntryID      uuid.UUID        `json:"entry_id"`
	Kind         ledger.EntryKind `json:"kind"`
	Amount       money.Amount     `json:"amount"`
	At           time.Time        `json:"at"`
	MerchantID   *uuid.UUID       `json:"merchant_id,omitempty"`
	MerchantName string           `json:"merchant_name,omitempty"`
	PaymentID    *uuid.UUID       `json:"payment_id,omitempty"`
	PurchaseID   *uuid.UUID       `json:"purchase_id,omitempty"`
}

// History is GET /me/history.
func (a *API) History(ctx context.Context, in *HistoryRequest) (*HistoryReply, error) {
	list, next, err := a.service.History(ctx, auth.From(ctx).ID, HistoryFilter{After: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := &HistoryReply{}
	out.Body.NextCursor, out.Body.Items = next, make([]HistoryItem, len(list))
	for i, m := range list {
		out.Body.Items[i] = HistoryItem{
			Tenant: m.TenantID.String(), WalletID: m.WalletID, EntryID: m.EntryID, Kind: m.Kind, Amount: m.Amount, At: m.At,
			MerchantID: orOmit(m.MerchantID), MerchantName: m.MerchantName, PaymentID: orOmit(m.PaymentID), PurchaseID: orOmit(m.PurchaseID),
		}
	}
	return out, nil
}

func orNil(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

func orOmit(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// replayedHeader is the value of Idempotent-Replayed; empty leaves it out.
func replayedHeader(replayed bool) string {
	if replayed {
		return "true"
	}
	return ""
}
