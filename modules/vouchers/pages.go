package vouchers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/banking"
)

// Pages are the citizen's screens of buying and of what was bought.
type Pages struct {
	service *Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages) *Pages { return &Pages{service, pages} }

type buyView struct {
	web.Frame
	Query        string
	Mine, Others []programmeLine
}

type programmeLine struct {
	URL              string
	Accent           int
	Voucher, Place   string
	Name             string
	Percent          string // "10%", or empty without a discount
	PurchaseMonthMax money.Amount
}

// offer is a programme that is being bought.
type offer struct {
	URL     string
	Face    Face
	Name    string
	Percent string
	Policy  Policy
}

type amountView struct {
	web.Frame
	Form     *web.Form
	Refusal  *Refusal
	Offer    offer
	Quick    []money.Amount
	Accounts []accountChoice
	Key      uuid.UUID // of this purchase, on every try
}

type accountChoice struct {
	ID           uuid.UUID
	Bank, Number string
	Chosen       bool
}

type confirmView struct {
	web.Frame
	Form          *web.Form
	Refusal       *Refusal
	Offer         offer
	Amount        money.Amount
	Paid, Subsidy money.Amount
	Account       accountChoice
	Until         calendar.Day
	Key           string
	BackURL       string
}

type purchaseView struct {
	web.Frame
	Purchase Purchase
	Outcome  string // completed, pending or failed
	Reason   string // why it failed, in words
	Face     Face
	Name     string
	Account  string
	Until    calendar.Day
	AgainURL string
}

type walletView struct {
	web.Frame
	Accent  int
	Face    Face
	Name    string
	Wallet  Ticket
	Policy  *Policy
	Lots    []lotLine
	MoreURL string
	History string
}

type lotLine struct {
	Lot
	Until   calendar.Day
	Expired bool
}

var (
	buyPage      = web.NewPage[buyView](web.Phone, "vouchers/buy")
	amountPage   = web.NewPage[amountView](web.Phone, "vouchers/amount")
	confirmPage  = web.NewPage[confirmView](web.Phone, "vouchers/confirm")
	purchasePage = web.NewPage[purchaseView](web.Phone, "vouchers/purchase")
	walletPage   = web.NewPage[walletView](web.Phone, "vouchers/wallet")
)

// Buy lists what is on sale: GET /my/buy?q=&tenant=.
func (p *Pages) Buy(c echo.Context) error {
	query := web.ReadQuery(c)
	view := buyView{Query: query.Optional("q", 40)}
	only := query.Optional("tenant", 5)
	if err := query.Err(); err != nil {
		return err
	}
	ctx, lang := c.Request().Context(), web.Lang(c)
	wallets, err := p.service.Wallets(ctx, auth.From(ctx).ID)
	if err != nil {
		return err
	}
	live, err := p.service.tenants.Live(ctx)
	if err != nil {
		return err
	}
	for _, t := range live {
		if only != "" && t.ID.String() != only {
			continue
		}
		programmes, err := p.service.Programmes(tenant.With(ctx, t.ID))
		if err != nil {
			return err
		}
		for _, programme := range programmes {
			policy, open := programme.OnSale(p.service.now())
			if !open {
				continue
			}
			line := programmeLine{
				URL: buyURL(programme), Accent: t.Accent, Voucher: t.VoucherNameIn(lang), Place: t.NameIn(lang),
				Name: Face{Voucher: t.VoucherNameIn(lang)}.Beside(programme, lang), Percent: percent(policy.DiscountBP), PurchaseMonthMax: policy.PurchaseMonthMax,
			}
			mine := slices.ContainsFunc(wallets, func(w Wallet) bool { return w.ProgrammeID == programme.ID })
			switch {
			case !line.matches(view.Query):
			case mine:
				view.Mine = append(view.Mine, line)
			default:
				view.Others = append(view.Others, line)
			}
		}
	}
	return buyPage.Show(c, p.pages, view)
}

func (l programmeLine) matches(query string) bool {
	plain := func(text string) string { return strings.ToLower(strings.ReplaceAll(text, " ", "")) }
	return strings.Contains(plain(l.Voucher+l.Place+l.Name), plain(query))
}

func buyURL(p Programme) string { return "/my/buy/" + p.TenantID.String() + "/" + p.ID.String() }

// percent writes basis points as people say them: 1000 is "10%", 750 "7.5%".
func percent(bp int64) string {
	if bp == 0 {
		return ""
	}
	text := fmt.Sprintf("%d.%02d", bp/100, bp%100)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// offer finds the programme in the address and the policy it is sold under.
func (p *Pages) offer(c echo.Context) (o offer, err error) {
	ctx, lang := c.Request().Context(), web.Lang(c)
	id, err := uuid.Parse(c.Param("programme"))
	if err != nil {
		return o, ErrProgrammeUnknown
	}
	policy, programme, _, err := p.service.onSale(ctx, id, p.service.now())
	if err != nil {
		return o, err
	}
	face, err := p.service.Face(ctx, tenant.From(ctx), lang)
	return offer{buyURL(programme), face, face.Beside(programme, lang), percent(policy.DiscountBP), policy}, err
}

func (p *Pages) accounts(ctx context.Context, chosen string) (choices []accountChoice, err error) {
	accounts, err := p.service.banking.Accounts(ctx, auth.From(ctx).ID)
	for i, a := range accounts {
		choices = append(choices, accountChoice{
			a.ID, banking.BankName(a.BankCode), a.NumberMasked, a.ID.String() == chosen || chosen == "" && i == 0,
		})
	}
	return choices, err
}

// Amount asks how much to buy: GET /my/buy/{tenant}/{programme}.
func (p *Pages) Amount(c echo.Context) error {
	view, err := p.amountView(c, &web.Form{Values: c.QueryParams()})
	if err != nil {
		return err
	}
	return amountPage.Show(c, p.pages, view)
}

func (p *Pages) amountView(c echo.Context, form *web.Form) (view amountView, err error) {
	view = amountView{Form: form, Key: uuid.Must(uuid.NewV7())}
	if view.Offer, err = p.offer(c); err != nil {
		return view, err
	}
	step := view.Offer.Policy.PurchaseStep
	view.Quick = []money.Amount{step, 5 * step, 10 * step}
	view.Accounts, err = p.accounts(c.Request().Context(), form.Value("bank_account_id"))
	return view, err
}

// Confirm shows what will happen before it does: GET
// /my/buy/{tenant}/{programme}/confirm?amount=&bank_account_id=&key=.
func (p *Pages) Confirm(c echo.Context) error {
	form := web.ReadQuery(c)
	in, err := p.readPurchase(c, form)
	if err != nil {
		return p.refuseAmount(c, form, err)
	}
	view, err := p.confirmView(c, form, in)
	if err != nil {
		return p.refuseAmount(c, form, err)
	}
	return confirmPage.Show(c, p.pages, view)
}

func (p *Pages) refuseAmount(c echo.Context, form *web.Form, err error) error {
	view, err2 := p.amountView(c, form)
	if err2 != nil {
		return err2
	}
	view.Refusal = RefusalOf(p.pages.Words, web.Lang(c), err, "")
	return amountPage.Refuse(c, p.pages, form, err, view)
}

func (p *Pages) readPurchase(c echo.Context, form *web.Form) (in PurchaseInput, err error) {
	in = PurchaseInput{
		Key: form.UUID("key").String(), CitizenID: auth.From(c.Request().Context()).ID,
		Amount: form.Amount("amount"), BankAccountID: form.UUID("bank_account_id"),
	}
	if err := form.Err(); err != nil {
		return in, err
	}
	in.ProgrammeID, err = uuid.Parse(c.Param("programme"))
	if err != nil {
		return in, ErrProgrammeUnknown
	}
	return in, nil
}

func (p *Pages) confirmView(c echo.Context, form *web.Form, in PurchaseInput) (view confirmView, err error) {
	ctx := c.Request().Context()
	o, err := p.offer(c)
	if err != nil {
		return view, err
	}
	if err := checkAmount(in.Amount, o.Policy.PurchaseMin, o.Policy.PurchaseStep, o.Policy.PurchaseMonthMax); err != nil {
		return view, err
	}
	account, err := p.service.banking.Account(ctx, in.CitizenID, in.BankAccountID)
	if err != nil {
		return view, err
	}
	view = confirmView{
		Form: form, Offer: o, Amount: in.Amount, Key: in.Key,
		Account: accountChoice{account.ID, banking.BankName(account.BankCode), account.NumberMasked, true},
		Until:   calendar.DayOf(o.Policy.expiry(p.service.now())),
		BackURL: o.URL + "?" + url.Values{"amount": {in.Amount.String()}, "bank_account_id": {in.BankAccountID.String()}}.Encode(),
	}
	view.Paid, view.Subsidy = o.Policy.Price(in.Amount)
	return view, nil
}

// Purchase buys, once for the key that the amount's page made: POST
// /my/buy/{tenant}/{programme}.
func (p *Pages) Purchase(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in, err := p.readPurchase(c, form)
	if err != nil {
		return p.refuseAmount(c, form, err)
	}
	ctx := c.Request().Context()
	purchase, _, err := p.service.Purchase(ctx, in)
	if purchase.ID != uuid.Nil && (err == nil || errors.Is(err, banking.ErrBankRefused)) {
		return web.Redirect(c, "/my/purchases/"+tenant.From(ctx).String()+"/"+purchase.ID.String())
	}
	if _, refused := fault.Of(err); !refused {
		return err
	}
	view, err2 := p.confirmView(c, form, in)
	if err2 != nil {
		return p.refuseAmount(c, form, err)
	}
	view.Refusal = RefusalOf(p.pages.Words, web.Lang(c), err, "")
	return confirmPage.Refuse(c, p.pages, form, err, view)
}

// Result tells truthfully what came of a purchase: GET /my/purchases/{tenant}/{id}.
func (p *Pages) Result(c echo.Context) error {
	ctx, lang := c.Request().Context(), web.Lang(c)
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrPurchaseUnknown
	}
	purchase, err := p.service.PurchaseOf(ctx, auth.From(ctx).ID, id)
	if err != nil {
		return err
	}
	programme, err := p.service.Programme(ctx, purchase.ProgrammeID)
	if err != nil {
		return err
	}
	view := purchaseView{Purchase: purchase, Outcome: string(purchase.State), AgainURL: buyURL(programme)}
	if !purchase.State.Final() {
		view.Outcome = string(Pending)
	}
	if key := "banking.reason." + purchase.Failure; p.pages.Words.Has(lang, key) {
		view.Reason = p.pages.Words.T(lang, key)
	}
	if purchase.Lot != nil {
		view.Until = calendar.DayOf(purchase.Lot.ExpiresAt)
	}
	if view.Account, err = p.accountOf(ctx, purchase); err != nil {
		return err
	}
	if view.Face, err = p.service.Face(ctx, purchase.TenantID, lang); err != nil {
		return err
	}
	view.Name = view.Face.Beside(programme, lang)
	return purchasePage.Show(c, p.pages, view)
}

// accountOf names the account that a purchase was paid from, as the instruction
// to the bank kept it: the link may be gone.
func (p *Pages) accountOf(ctx context.Context, purchase Purchase) (string, error) {
	if purchase.TransferID == nil {
		return "", nil
	}
	transfer, err := p.service.banking.Transfer(ctx, *purchase.TransferID)
	return strings.TrimSpace(banking.BankName(transfer.BankCode) + " " + transfer.NumberMasked), err
}

const lotRows = 50

// Wallet shows a wallet and what is left of each lot: GET
// /my/wallets/{tenant}/{id}?after=.
func (p *Pages) Wallet(c echo.Context) error {
	ctx, lang := c.Request().Context(), web.Lang(c)
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrWalletUnknown
	}
	query := web.ReadQuery(c)
	after := 0
	if query.Value("after") != "" {
		after = int(min(query.Amount("after"), 1<<30))
	}
	if err := query.Err(); err != nil {
		return err
	}
	citizen := auth.From(ctx).ID
	w, err := p.service.Wallet(ctx, citizen, id)
	if err == nil && w.TenantID != tenant.From(ctx) {
		err = ErrWalletUnknown
	}
	if err != nil {
		return err
	}
	lots, err := p.service.Lots(ctx, citizen, id, after, lotRows+1)
	if err != nil {
		return err
	}
	face, err := p.service.Face(ctx, w.TenantID, lang)
	if err != nil {
		return err
	}
	view := walletView{
		Face: face, Name: face.Beside(w.Programme, lang), Wallet: p.service.ticket(w, face, lang),
		History: "/my/history?wallet=" + id.String(),
	}
	now := p.service.now()
	if policy, ok := w.Programme.InForce(now); ok {
		view.Policy = &policy
	}
	if len(lots) > lotRows {
		lots = lots[:lotRows]
		view.MoreURL = fmt.Sprintf("/my/wallets/%s/%s?after=%d", w.TenantID, id, lots[lotRows-1].Seq)
	}
	for _, lot := range lots {
		view.Lots = append(view.Lots, lotLine{lot, calendar.DayOf(lot.ExpiresAt), lot.Expired(now)})
	}
	return walletPage.Show(c, p.pages, view)
}
