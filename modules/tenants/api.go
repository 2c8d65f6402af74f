package tenants

import (
	"context"

	"jangteo/app/tenant"
)

// API is the JSON face.
type API struct{ service *Service }

// NewAPI answers from service.
func NewAPI(service *Service) *API { return &API{service} }

// TenantReply is one municipality as everybody may see it.
type TenantReply struct {
	ID             string   `json:"id" doc:"The municipality's five-digit code" example:"11560"`
	Name           string   `json:"name" example:"서울특별시 영등포구"`
	NameEn         string   `json:"name_en" example:"Yeongdeungpo-gu, Seoul"`
	Sido           string   `json:"sido" example:"서울특별시"`
	Kind           string   `json:"kind" example:"자치구"`
	Live           bool     `json:"live" doc:"Whether its voucher can be bought and spent here"`
	VoucherName    string   `json:"voucher_name,omitempty" example:"영등포사랑상품권"`
	VoucherNameEn  string   `json:"voucher_name_en,omitempty"`
	Accent         int      `json:"accent" doc:"Its colour, 1 to 12"`
	SettlementDays int      `json:"settlement_days" doc:"Business days from a sale to its payout"`
	Departments    []string `json:"departments"`
	Contact        string   `json:"contact,omitempty"`
	Homepage       string   `json:"homepage,omitempty"`
}

func reply(t Tenant) TenantReply {
	departments := t.Departments
	if departments == nil {
		departments = []string{}
	}
	return TenantReply{
		ID: t.ID.String(), Name: t.FullName(), NameEn: t.NameEn, Sido: t.Sido, Kind: t.Kind, Live: t.Live,
		VoucherName: t.VoucherName, VoucherNameEn: t.VoucherNameEn, Accent: t.Accent, SettlementDays: t.SettlementDays,
		Departments: departments, Contact: t.Contact, Homepage: t.Homepage,
	}
}

// ListRequest searches municipalities.
type ListRequest struct {
	Query  string `query:"q" maxLength:"40" doc:"A code, or a part of a Korean or English name"`
	Live   bool   `query:"live" doc:"Only those whose voucher can be bought and spent here"`
	Cursor string `query:"cursor" pattern:"^[0-9]{5}$" maxLength:"5" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"300" default:"300"`
}

// ListReply is a page of municipalities by code.
type ListReply struct {
	Body struct {
		Items      []TenantReply `json:"items"`
		NextCursor string        `json:"next_cursor,omitempty"`
	}
}

// List answers GET /tenants.
func (a *API) List(ctx context.Context, in *ListRequest) (*ListReply, error) {
	f := Filter{Query: in.Query, Live: in.Live, Limit: in.Limit}
	if in.Cursor != "" {
		after, err := tenant.Parse(in.Cursor)
		if err != nil {
			return nil, err
		}
		f.After = after
	}
	list, more, err := a.service.Search(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &ListReply{}
	out.Body.Items = make([]TenantReply, len(list))
	for i, t := range list {
		out.Body.Items[i] = reply(t)
	}
	if more {
		out.Body.NextCursor = list[len(list)-1].ID.String()
	}
	return out, nil
}

// GetRequest names one municipality.
type GetRequest struct {
	Tenant string `path:"tenant" maxLength:"5" doc:"The municipality's five-digit code"`
}

// GetReply is one municipality.
type GetReply struct{ Body TenantReply }

// Get answers GET /tenants/{tenant}.
func (a *API) Get(ctx context.Context, _ *GetRequest) (*GetReply, error) {
	t, err := a.service.Get(ctx, tenant.From(ctx))
	if err != nil {
		return nil, err
	}
	return &GetReply{reply(t)}, nil
}
