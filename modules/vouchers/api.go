package vouchers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/money"
)

// API is the JSON face for the citizens' apps.
type API struct{ service *Service }

// NewAPI answers from service.
func NewAPI(service *Service) *API { return &API{service} }

// PolicyReply is the version of a programme's rules that is in force.
type PolicyReply struct {
	Version              int        `json:"version"`
	Clause               string     `json:"clause" doc:"Of the ordinance that the rules rest on"`
	EffectiveFrom        time.Time  `json:"effective_from"`
	EffectiveTo          *time.Time `json:"effective_to,omitempty"`
	DiscountBP           int64      `json:"discount_bp" doc:"The municipality's share in basis points: 1000 is 10 %"`
	PurchaseMin          int64      `json:"purchase_min" doc:"Won"`
	PurchaseStep         int64      `json:"purchase_step" doc:"Won; amounts are multiples of it"`
	PurchaseMonthMax     int64      `json:"purchase_month_max" doc:"Won a citizen can buy in a calendar month in Seoul"`
	HoldMax              int64      `json:"hold_max" doc:"Won a citizen can hold"`
	PerPaymentMax        int64      `json:"per_payment_max" doc:"Won; 0 is no limit"`
	PerDayMax            int64      `json:"per_day_max" doc:"Won; 0 is no limit"`
	ValidityYears        int        `json:"validity_years"`
	RefundUsedBP         int64      `json:"refund_used_bp" doc:"Share of a lot that must be used before the rest is refunded, in basis points"`
	ExcludedTrades       []string   `json:"excluded_trades" doc:"KSIC codes of trades where it cannot be spent"`
	ExcludesLargeSellers bool       `json:"excludes_large_sellers" doc:"Not at shops that sell for more than 3 billion won a year"`
}

func policyReply(p Policy) PolicyReply {
	trades := p.ExcludedTrades
	if trades == nil {
		trades = []string{}
	}
	return PolicyReply{
		Version: p.Version, Clause: p.Clause, EffectiveFrom: p.EffectiveFrom, EffectiveTo: p.EffectiveTo, DiscountBP: p.DiscountBP,
		PurchaseMin: int64(p.PurchaseMin), PurchaseStep: int64(p.PurchaseStep), PurchaseMonthMax: int64(p.PurchaseMonthMax),
		HoldMax: int64(p.HoldMax), PerPaymentMax: int64(p.PerPaymentMax), PerDayMax: int64(p.PerDayMax), ValidityYears: p.ValidityYears,
		RefundUsedBP: p.RefundUsedBP, ExcludedTrades: trades, ExcludesLargeSellers: p.ExcludesLargeSellers,
	}
}

// ProgrammeReply is a voucher product as everybody may see it.
type ProgrammeReply struct {
	ID          uuid.UUID    `json:"id"`
	Kind        Kind         `json:"kind" enum:"discount,cashback,allowance"`
	Name        string       `json:"name"`
	NameEn      string       `json:"name_en"`
	OpensAt     time.Time    `json:"opens_at"`
	ClosesAt    *time.Time   `json:"closes_at,omitempty"`
	OnSale      bool         `json:"on_sale" doc:"Whether it can be bought now"`
	SubsidyLeft bool         `json:"subsidy_left" doc:"Whether the municipality's budget still pays its share of the smallest purchase"`
	Policy      *PolicyReply `json:"policy,omitempty" doc:"In force now"`
}

// ProgrammesRequest names a municipality.
type ProgrammesRequest struct {
	Tenant string `path:"tenant" maxLength:"5" doc:"The municipality's five-digit code"`
}

// ProgrammesReply lists a municipality's programmes.
type ProgrammesReply struct {
	Body struct {
		Items      []ProgrammeReply `json:"items"`
		NextCursor string           `json:"next_cursor,omitempty"`
	}
}

// Programmes answers GET /tenants/{tenant}/programmes.
func (a *API) Programmes(ctx context.Context, _ *ProgrammesRequest) (*ProgrammesReply, error) {
	list, err := a.service.Programmes(ctx)
	if err != nil {
		return nil, err
	}
	out := &ProgrammesReply{}
	out.Body.Items = make([]ProgrammeReply, len(list))
	if len(list) == 0 {
		return out, nil
	}
	left, err := a.service.SubsidyLeft(ctx)
	if err != nil {
		return nil, err
	}
	now := a.service.now()
	for i, p := range list {
		r := ProgrammeReply{ID: p.ID, Kind: p.Kind, Name: p.Name, NameEn: p.NameEn, OpensAt: p.OpensAt, ClosesAt: p.ClosesAt}
		if policy, ok := p.InForce(now); ok {
			reply := policyReply(policy)
			r.Policy = &reply
			_, subsidy := policy.Price(policy.PurchaseMin)
			r.SubsidyLeft = left >= subsidy
		}
		_, r.OnSale = p.OnSale(now)
		out.Body.Items[i] = r
	}
	return out, nil
}

// LotReply is one purchase or grant in a wallet.
type LotReply struct {
	ID         string     `json:"id" doc:"Its number in the wallet, in the order in which lots are spent"`
	PurchaseID *uuid.UUID `json:"purchase_id,omitempty"`
	Face       int64      `json:"face" doc:"Won"`
	Paid       int64      `json:"paid" doc:"Won of it that the citizen paid"`
	Subsidy    int64      `json:"subsidy" doc:"Won of it that the municipality added"`
	Remaining  int64      `json:"remaining" doc:"Won of it that are not spent"`
	IssuedAt   time.Time  `json:"issued_at"`
	ExpiresAt  time.Time  `json:"expires_at" doc:"The last moment at which it can be spent"`
	Expired    bool       `json:"expired"`
}

func lotReply(l Lot, now time.Time) LotReply {
	return LotReply{
		ID: strconv.Itoa(l.Seq), PurchaseID: l.PurchaseID, Face: int64(l.Face), Paid: int64(l.Paid), Subsidy: int64(l.Subsidy),
		Remaining: int64(l.Remaining), IssuedAt: l.IssuedAt, ExpiresAt: l.ExpiresAt, Expired: l.Expired(now),
	}
}

// PurchaseReply is a purchase as its citizen sees it.
type PurchaseReply struct {
	ID            uuid.UUID  `json:"id"`
	Tenant        string     `json:"tenant"`
	State         State      `json:"state" enum:"requested,pending,completed,failed" doc:"requested and pending: the bank has not told yet; do not buy again"`
	ProgrammeID   uuid.UUID  `json:"programme_id"`
	WalletID      uuid.UUID  `json:"wallet_id"`
	BankAccountID *uuid.UUID `json:"bank_account_id,omitempty"`
	Amount        int64      `json:"amount" doc:"Won that come into the wallet"`
	Paid          int64      `json:"paid" doc:"Won that leave the bank account"`
	Subsidy       int64      `json:"subsidy" doc:"Won that the municipality adds"`
	PolicyVersion int        `json:"policy_version"`
	Clause        string     `json:"clause"`
	Reason        string     `json:"reason,omitempty" doc:"Why the bank did not pay, of a failed one"`
	RequestedAt   time.Time  `json:"requested_at"`
	SettledAt     *time.Time `json:"settled_at,omitempty"`
	Lot           *LotReply  `json:"lot,omitempty" doc:"What it put into the wallet, as it was issued"`
}

func purchaseReply(p Purchase, now time.Time) PurchaseReply {
	r := PurchaseReply{
		ID: p.ID, Tenant: p.TenantID.String(), State: p.State, ProgrammeID: p.ProgrammeID, WalletID: p.WalletID, BankAccountID: p.BankAccountID,
		Amount: int64(p.Amount), Paid: int64(p.Paid), Subsidy: int64(p.Subsidy), PolicyVersion: p.PolicyVersion, Clause: p.Clause,
		Reason: p.Failure, RequestedAt: p.RequestedAt, SettledAt: p.SettledAt,
	}
	if p.Lot != nil {
		lot := lotReply(*p.Lot, now)
		r.Lot = &lot
	}
	return r
}

// PurchaseRequest asks to buy.
type PurchaseRequest struct {
	Tenant string `path:"tenant" maxLength:"5" doc:"The municipality's five-digit code"`
	Key    string `header:"Idempotency-Key" maxLength:"200" doc:"Made and kept by the client before it first sends; the same on every retry"`
	Body   struct {
		ProgrammeID   uuid.UUID `json:"programme_id" format:"uuid"`
		Amount        int64     `json:"amount" minimum:"1" maximum:"2000000" doc:"Won that come into the wallet"`
		BankAccountID uuid.UUID `json:"bank_account_id" format:"uuid" doc:"The linked account that pays"`
	}
}

// PurchasedReply is a purchase, made now or before.
type PurchasedReply struct {
	Status   int
	Replayed string `header:"Idempotent-Replayed"`
	Body     PurchaseReply
}

// Purchase answers POST /tenants/{tenant}/purchases: 201 once it is in the
// wallet, 202 while the bank has not told.
func (a *API) Purchase(ctx context.Context, in *PurchaseRequest) (*PurchasedReply, error) {
	p, replayed, err := a.service.Purchase(ctx, PurchaseInput{
		Key: in.Key, CitizenID: auth.From(ctx).ID, ProgrammeID: in.Body.ProgrammeID,
		Amount: money.Amount(in.Body.Amount), BankAccountID: in.Body.BankAccountID,
	})
	if err != nil {
		return nil, err
	}
	out := &PurchasedReply{Status: http.StatusCreated, Body: purchaseReply(p, a.service.now())}
	if !p.State.Final() {
		out.Status = http.StatusAccepted
	}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// GetPurchaseRequest names a purchase.
type GetPurchaseRequest struct {
	Tenant string    `path:"tenant" maxLength:"5" doc:"The municipality's five-digit code"`
	ID     uuid.UUID `path:"id" format:"uuid"`
}

// GetPurchaseReply is one purchase.
type GetPurchaseReply struct{ Body PurchaseReply }

// GetPurchase answers GET /tenants/{tenant}/purchases/{id}.
func (a *API) GetPurchase(ctx context.Context, in *GetPurchaseRequest) (*GetPurchaseReply, error) {
	p, err := a.service.PurchaseOf(ctx, auth.From(ctx).ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &GetPurchaseReply{purchaseReply(p, a.service.now())}, nil
}

// WalletReply is a citizen's balance in one programme.
type WalletReply struct {
	ID            uuid.UUID  `json:"id"`
	Tenant        string     `json:"tenant" doc:"The municipality's five-digit code"`
	VoucherName   string     `json:"voucher_name"`
	ProgrammeID   uuid.UUID  `json:"programme_id"`
	ProgrammeName string     `json:"programme_name"`
	Kind          Kind       `json:"kind" enum:"discount,cashback,allowance"`
	Balance       int64      `json:"balance" doc:"Won"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty" doc:"When the first part of it expires"`
	OpenedAt      time.Time  `json:"opened_at"`
}

// WalletsRequest asks for one's own.
type WalletsRequest struct{}

// WalletsReply lists a citizen's wallets in all municipalities.
type WalletsReply struct {
	Body struct {
		Items      []WalletReply `json:"items"`
		NextCursor string        `json:"next_cursor,omitempty"`
	}
}

// Wallets answers GET /me/wallets.
func (a *API) Wallets(ctx context.Context, _ *WalletsRequest) (*WalletsReply, error) {
	me := auth.From(ctx)
	wallets, err := a.service.Wallets(ctx, me.ID)
	if err != nil {
		return nil, err
	}
	out := &WalletsReply{}
	out.Body.Items = make([]WalletReply, len(wallets))
	for i, w := range wallets {
		t, err := a.service.tenants.Get(ctx, w.TenantID)
		if err != nil {
			return nil, err
		}
		out.Body.Items[i] = WalletReply{
			ID: w.ID, Tenant: w.TenantID.String(), VoucherName: t.VoucherNameIn(me.Locale), ProgrammeID: w.ProgrammeID,
			ProgrammeName: w.Programme.NameIn(me.Locale), Kind: w.Programme.Kind, Balance: int64(w.Balance), ExpiresAt: w.ExpiresAt, OpenedAt: w.OpenedAt,
		}
	}
	return out, nil
}

// LotsRequest asks for a page of a wallet's lots.
type LotsRequest struct {
	ID     uuid.UUID `path:"id" format:"uuid" doc:"The wallet"`
	Cursor string    `query:"cursor" pattern:"^[1-9][0-9]{0,8}$" maxLength:"9" doc:"next_cursor of the page before"`
	Limit  int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// LotsReply is a page of lots in the order in which they are spent.
type LotsReply struct {
	Body struct {
		Items      []LotReply `json:"items"`
		NextCursor string     `json:"next_cursor,omitempty"`
	}
}

// Lots answers GET /me/wallets/{id}/lots.
func (a *API) Lots(ctx context.Context, in *LotsRequest) (*LotsReply, error) {
	after, err := strconv.Atoi("0" + in.Cursor) // validated digits, or none
	if err != nil {
		return nil, err
	}
	lots, err := a.service.Lots(ctx, auth.From(ctx).ID, in.ID, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &LotsReply{}
	out.Body.Items = make([]LotReply, len(lots))
	for i, l := range lots {
		out.Body.Items[i] = lotReply(l, a.service.now())
	}
	if len(lots) == in.Limit {
		out.Body.NextCursor = strconv.Itoa(lots[len(lots)-1].Seq)
	}
	return out, nil
}

// QuoteRequest names a wallet.
type QuoteRequest struct {
	ID uuid.UUID `path:"id" format:"uuid" doc:"The wallet"`
}

// QuoteLotReply is what a refund of one lot would come to.
type QuoteLotReply struct {
	LotReply
	Refundable bool         `json:"refundable"`
	Amount     int64        `json:"amount" doc:"Won back to the citizen"`
	Forgone    int64        `json:"forgone" doc:"The municipality's share of what is left; it is not refunded"`
	StillToUse int64        `json:"still_to_use,omitempty" doc:"Won that must be spent before the rest is refunded"`
	Reason     RefundReason `json:"reason" enum:"unused-within-7-days,used-enough,not-used-enough,expired,nothing-left,allowance"`
}

// QuoteReply is what a refund would come to now.
type QuoteReply struct {
	Body struct {
		WalletID      uuid.UUID       `json:"wallet_id"`
		At            time.Time       `json:"at"`
		Amount        int64           `json:"amount" doc:"Won back to the citizen in all"`
		PolicyVersion int             `json:"policy_version"`
		Clause        string          `json:"clause"`
		Lots          []QuoteLotReply `json:"lots"`
	}
}

// RefundQuote answers GET /me/wallets/{id}/refund-quote. Nothing is moved.
func (a *API) RefundQuote(ctx context.Context, in *QuoteRequest) (*QuoteReply, error) {
	q, err := a.service.RefundQuote(ctx, auth.From(ctx).ID, in.ID)
	if err != nil {
		return nil, err
	}
	out := &QuoteReply{}
	out.Body.WalletID, out.Body.At, out.Body.Amount = q.WalletID, q.At, int64(q.Amount)
	out.Body.PolicyVersion, out.Body.Clause = q.Policy.Version, q.Policy.Clause
	out.Body.Lots = make([]QuoteLotReply, len(q.Lots))
	for i, l := range q.Lots {
		out.Body.Lots[i] = QuoteLotReply{
			LotReply: lotReply(l.Lot, q.At), Refundable: l.Refundable, Amount: int64(l.Amount),
			Forgone: int64(l.Forgone), StillToUse: int64(l.StillToUse), Reason: l.Reason,
		}
	}
	return out, nil
}
