package payments

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
)

// ShopAPI is the JSON face for shops' tills.
type ShopAPI struct{ service *Service }

// NewShopAPI answers from service.
func NewShopAPI(service *Service) *ShopAPI { return &ShopAPI{service} }

// SalesRequest asks for what a shop was paid.
type SalesRequest struct {
	Day    string `query:"day" format:"date" maxLength:"10" doc:"Only that business day"`
	Cursor string `query:"cursor" maxLength:"36" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"30"`
}

// SaleReply is a payment as the shop sees it: nothing of who paid.
type SaleReply struct {
	ID              uuid.UUID    `json:"id"`
	ApprovalNumber  string       `json:"approval_number"`
	Amount          money.Amount `json:"amount"`
	CancelledAmount money.Amount `json:"cancelled_amount"`
	State           State        `json:"state" enum:"captured,partially-cancelled,cancelled"`
	Method          Method       `json:"method" enum:"merchant,static-qr,dynamic-qr,customer-qr,card"`
	At              time.Time    `json:"at"`
	BusinessDay     calendar.Day `json:"business_day" format:"date"`
}

// SalesReply is a page of sales, newest first.
type SalesReply struct {
	Body struct {
		Items      []SaleReply `json:"items"`
		NextCursor string      `json:"next_cursor,omitempty"`
	}
}

// Sales answers GET /merchant/sales.
func (a *ShopAPI) Sales(ctx context.Context, in *SalesRequest) (*SalesReply, error) {
	f := Filter{Limit: in.Limit + 1}
	var err error
	if in.Day != "" {
		if f.Day, err = calendar.ParseDay(in.Day); err != nil {
			return nil, fault.On("day", fault.WrongFormat)
		}
	}
	if in.Cursor != "" {
		if f.Before, err = uuid.Parse(in.Cursor); err != nil {
			return nil, fault.On("cursor", fault.WrongFormat)
		}
	}
	list, err := a.service.ListByMerchant(ctx, auth.From(ctx).Merchant, f)
	if err != nil {
		return nil, err
	}
	out := &SalesReply{}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = list[in.Limit-1].ID.String()
	}
	out.Body.Items = make([]SaleReply, len(list))
	for i, p := range list {
		out.Body.Items[i] = SaleReply{
			ID: p.ID, ApprovalNumber: p.ApprovalNumber(), Amount: p.Amount, CancelledAmount: p.CancelledAmount,
			State: p.State(), Method: p.Method, At: p.At, BusinessDay: p.Day,
		}
	}
	return out, nil
}
