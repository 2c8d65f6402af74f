package payments

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/vouchers"
)

// Pages are the citizen's screens of paying, and the home that paying begins at.
type Pages struct {
	service *Service
	streams *web.Streams
	unread  Unread
	asks    Asks
	pages   *web.Pages
}

// Unread counts the notices that a citizen has not read; the home shows it.
type Unread func(ctx context.Context, citizen uuid.UUID) (int, error)

// Asks lists what a citizen is asked now while a shop waits; the home asks it.
type Asks func(ctx context.Context, citizen uuid.UUID) ([]Question, error)

// Question asks whether the bank account may pay what the voucher could not.
type Question struct {
	URL       string // to which the answer is posted
	Shop      string
	Requested money.Amount
	Voucher   money.Amount // that has paid, or can
	Rest      money.Amount
	State     string // offered, or allowed until ExpiresAt
	ExpiresAt time.Time
}

// NewPages shows what service knows; streams tell open pages what has changed.
func NewPages(service *Service, streams *web.Streams, unread Unread, asks Asks, pages *web.Pages) *Pages {
	return &Pages{service, streams, unread, asks, pages}
}

type shopHead struct{ Name, Trade, Address string }

type walletChoice struct {
	vouchers.Ticket
	ID     uuid.UUID
	Chosen bool
}

type choice struct {
	Value, Label string
	Chosen       bool
}

type payView struct {
	web.Frame
	Form     *web.Form
	Refusal  *vouchers.Refusal
	Places   []choice // where the citizen has a wallet
	Query    string
	Searched bool
	Shops    []shopLine
}

type shopLine struct {
	shopHead
	URL string
}

type amountView struct {
	web.Frame
	Form    *web.Form
	Refusal *vouchers.Refusal
	URL     string
	Tenant  string
	Place   string
	Shop    shopHead
	QR      string       // the code that was scanned, if one was
	Fixed   money.Amount // what the code asks for; 0 if the citizen types it in
	Quick   []money.Amount
	Wallets []walletChoice
	Key     uuid.UUID // of this payment, on every try
}

type confirmView struct {
	web.Frame
	Form         *web.Form
	Refusal      *vouchers.Refusal
	URL, BackURL string
	Shop         shopHead
	QR           string
	Amount       money.Amount
	After        money.Amount // what the wallet will hold; below zero: too little
	Wallet       walletChoice
	Key          string
}

type receiptView struct {
	web.Frame
	Payment
	URL           string
	Shop          shopHead
	Voucher       string
	Programme     string
	Cancellations []Cancellation
}

type cancelView struct {
	web.Frame
	Form    *web.Form
	Refusal *vouchers.Refusal
	Payment
	URL string
	Key uuid.UUID
}

var (
	payPage     = web.NewPage[payView](web.Phone, "payments/pay")
	amountPage  = web.NewPage[amountView](web.Phone, "payments/amount")
	confirmPage = web.NewPage[confirmView](web.Phone, "payments/confirm")
	receiptPage = web.NewPage[receiptView](web.Phone, "payments/receipt")
	cancelPage  = web.NewPage[cancelView](web.Phone, "payments/cancel")
)

const (
	qrMost    = 512 // the longest EMVCo payload
	queryMost = 40
	shopRows  = 20
)

// Enter asks where to pay: by code, or by the shop's name. GET /my/pay?tenant=&q=.
func (p *Pages) Enter(c echo.Context) error {
	query := web.ReadQuery(c)
	chosen, text := query.Optional("tenant", 5), query.Optional("q", queryMost)
	if err := query.Err(); err != nil {
		return err
	}
	view, err := p.payView(c, chosen)
	if err != nil {
		return err
	}
	if view.Query = text; text != "" {
		if err := p.search(c, &view); err != nil {
			return err
		}
	}
	return payPage.Show(c, p.pages, view)
}

func (p *Pages) payView(c echo.Context, chosen string) (view payView, err error) {
	ctx, lang := c.Request().Context(), web.Lang(c)
	view.Form = web.EmptyForm()
	wallets, err := p.service.vouchers.Wallets(ctx, auth.From(ctx).ID)
	for _, w := range wallets {
		code := w.TenantID.String()
		if slices.ContainsFunc(view.Places, func(o choice) bool { return o.Value == code }) {
			continue
		}
		face, err := p.service.vouchers.Face(ctx, w.TenantID, lang)
		if err != nil {
			return view, err
		}
		view.Places = append(view.Places, choice{code, face.Place, code == chosen})
	}
	return view, err
}

func (p *Pages) search(c echo.Context, view *payView) error {
	at := c.QueryParam("tenant")
	if at == "" && len(view.Places) > 0 {
		at = view.Places[0].Value
	}
	if !slices.ContainsFunc(view.Places, func(o choice) bool { return o.Value == at }) {
		return nil // no wallet there, so nothing to pay with
	}
	id, err := tenant.Parse(at)
	if err != nil {
		return err
	}
	shops, _, err := p.service.merchants.Search(tenant.With(c.Request().Context(), id),
		merchants.Filter{Query: view.Query, State: merchants.Approved, Limit: shopRows})
	for _, shop := range shops {
		view.Shops = append(view.Shops, shopLine{headOf(shop), payURL(id, shop.ID)})
	}
	view.Searched = true
	return err
}

func headOf(m merchants.Merchant) shopHead { return shopHead{m.Name, m.TradeName(), m.Address} }

func payURL(id tenant.ID, merchant uuid.UUID) string {
	return "/my/pay/" + id.String() + "/" + merchant.String()
}

// Scan reads a shop's code and goes on to the amount: POST /my/pay.
func (p *Pages) Scan(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	code := form.Text("qr", qrMost)
	err = form.Err()
	if err == nil {
		var found merchants.Scanned
		if found, err = p.service.merchants.Scan(c.Request().Context(), code); err == nil {
			return web.Redirect(c, payURL(found.Tenant, found.Merchant.ID)+"?"+url.Values{"qr": {code}}.Encode())
		}
	}
	view, err2 := p.payView(c, "")
	if err2 != nil {
		return err2
	}
	view.Form = form
	view.Refusal = vouchers.RefusalOf(p.pages.Words, web.Lang(c), err, "")
	return payPage.Refuse(c, p.pages, form, err, view)
}

// counter is the shop in the address, checked against the scanned code.
type counter struct {
	id    uuid.UUID
	shop  shopHead
	qr    string
	fixed money.Amount
}

func (p *Pages) counter(c echo.Context, form *web.Form) (t counter, err error) {
	ctx := c.Request().Context()
	if t.id, err = uuid.Parse(c.Param("merchant")); err != nil {
		return t, merchants.ErrUnknown
	}
	t.qr = form.Optional("qr", qrMost)
	if err := form.Err(); err != nil {
		return t, err
	}
	if t.qr != "" {
		found, err := p.service.merchants.Scan(ctx, t.qr)
		if err != nil {
			return t, err
		}
		if found.Tenant != tenant.From(ctx) || found.Merchant.ID != t.id {
			return t, merchants.ErrQRInvalid
		}
		t.fixed = found.Amount
	}
	if _, err := p.service.merchants.Accepting(ctx, t.id); err != nil {
		return t, err
	}
	shop, err := p.service.merchants.Get(ctx, t.id)
	t.shop = headOf(shop)
	return t, err
}

// Amount asks how much, and from which wallet: GET /my/pay/{tenant}/{merchant}?qr=.
func (p *Pages) Amount(c echo.Context) error {
	form := &web.Form{Values: c.QueryParams()}
	t, err := p.counter(c, form)
	if err != nil {
		return err
	}
	view, err := p.amountView(c, t, form)
	if err != nil {
		return err
	}
	return amountPage.Show(c, p.pages, view)
}

func (p *Pages) amountView(c echo.Context, t counter, form *web.Form) (view amountView, err error) {
	ctx, lang := c.Request().Context(), web.Lang(c)
	here := tenant.From(ctx)
	face, err := p.service.vouchers.Face(ctx, here, lang)
	if err != nil {
		return view, err
	}
	view = amountView{
		Form: form, URL: payURL(here, t.id), Tenant: here.String(), Place: face.Place, Shop: t.shop, QR: t.qr, Fixed: t.fixed,
		Quick: []money.Amount{1_000, 5_000, 10_000, 50_000}, Key: uuid.Must(uuid.NewV7()),
	}
	view.Wallets, err = p.wallets(ctx, lang, form.Value("wallet"))
	return view, err
}

// wallets lists what the citizen could pay with here, what expires first ahead.
func (p *Pages) wallets(ctx context.Context, lang, chosen string) (choices []walletChoice, err error) {
	all, err := p.service.vouchers.Wallets(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	here := slices.DeleteFunc(all, func(w vouchers.Wallet) bool { return w.TenantID != tenant.From(ctx) })
	slices.SortStableFunc(here, firstToSpend)
	tickets, _, err := p.service.vouchers.Tickets(ctx, here, lang)
	for i, ticket := range tickets {
		choices = append(choices, walletChoice{ticket, here[i].ID, here[i].ID.String() == chosen || chosen == "" && i == 0})
	}
	return choices, err
}

// firstToSpend is the order of spending when the citizen chooses none: not
// empty, allowances, what expires first.
func firstToSpend(a, b vouchers.Wallet) int {
	rank := func(w vouchers.Wallet) int {
		switch {
		case w.Balance == 0:
			return 2
		case w.Programme.Kind == vouchers.Allowance:
			return 0
		}
		return 1
	}
	if d := rank(a) - rank(b); d != 0 || a.ExpiresAt == nil || b.ExpiresAt == nil {
		return d
	}
	return a.ExpiresAt.Compare(*b.ExpiresAt)
}

// Confirm shows the payment before it is made: GET
// /my/pay/{tenant}/{merchant}/confirm?amount=&wallet=&key=&qr=.
func (p *Pages) Confirm(c echo.Context) error {
	form := web.ReadQuery(c)
	t, err := p.counter(c, form)
	if err != nil {
		return err
	}
	in, err := readPayment(c, form, t)
	if err != nil {
		return p.refuseAmount(c, t, form, err)
	}
	view, err := p.confirmView(c, t, form, in)
	if err != nil {
		return p.refuseAmount(c, t, form, err)
	}
	return confirmPage.Show(c, p.pages, view)
}

func (p *Pages) refuseAmount(c echo.Context, t counter, form *web.Form, err error) error {
	view, err2 := p.amountView(c, t, form)
	if err2 != nil {
		return err2
	}
	view.Refusal = vouchers.RefusalOf(p.pages.Words, web.Lang(c), err, "")
	return amountPage.Refuse(c, p.pages, form, err, view)
}

func readPayment(c echo.Context, form *web.Form, t counter) (in PayInput, err error) {
	in = PayInput{
		Key: form.UUID("key").String(), CitizenID: auth.From(c.Request().Context()).ID,
		Amount: form.Amount("amount"), WalletID: form.UUID("wallet"),
	}
	if in.QR = t.qr; in.QR == "" {
		in.MerchantID = t.id
	}
	if err := form.Err(); err != nil {
		return in, err
	}
	if in.Amount > AmountMax {
		return in, fault.On("amount", fault.TooLarge).Limit(int64(AmountMax))
	}
	return in, nil
}

func (p *Pages) confirmView(c echo.Context, t counter, form *web.Form, in PayInput) (view confirmView, err error) {
	ctx, lang := c.Request().Context(), web.Lang(c)
	choices, err := p.wallets(ctx, lang, in.WalletID.String())
	if err != nil {
		return view, err
	}
	i := slices.IndexFunc(choices, func(w walletChoice) bool { return w.Chosen })
	if i < 0 {
		return view, vouchers.ErrWalletUnknown
	}
	here := payURL(tenant.From(ctx), t.id)
	back := url.Values{"amount": {in.Amount.String()}, "wallet": {in.WalletID.String()}}
	if t.qr != "" {
		back.Set("qr", t.qr)
	}
	view = confirmView{
		Form: form, URL: here, BackURL: here + "?" + back.Encode(), Shop: t.shop, QR: t.qr,
		Amount: in.Amount, Wallet: choices[i], After: choices[i].Balance - in.Amount, Key: in.Key,
	}
	if view.After < 0 {
		short := ledger.ErrInsufficientBalance.With("balance", view.Wallet.Balance).With("amount", in.Amount)
		view.Refusal = vouchers.RefusalOf(p.pages.Words, lang, short, view.Wallet.BuyURL)
	}
	return view, nil
}

// Pay pays, once for the key that the amount's page made: POST
// /my/pay/{tenant}/{merchant}.
func (p *Pages) Pay(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	t, err := p.counter(c, form)
	if err != nil {
		return p.paidAlready(c, form, err)
	}
	in, err := readPayment(c, form, t)
	if err != nil {
		return p.refuseAmount(c, t, form, err)
	}
	ctx := c.Request().Context()
	paid, _, err := p.service.Pay(ctx, in)
	if err == nil {
		return web.Redirect(c, receiptURL(paid))
	}
	if _, refused := fault.Of(err); !refused {
		return err
	}
	view, err2 := p.confirmView(c, t, form, in)
	if err2 != nil {
		return p.refuseAmount(c, t, form, err)
	}
	view.Refusal = vouchers.RefusalOf(p.pages.Words, web.Lang(c), err, view.Wallet.BuyURL)
	return confirmPage.Refuse(c, p.pages, form, err, view)
}

// paidAlready finds the payment of a form that is sent again after its code was
// used up or its shop has closed; else the refusal stands.
func (p *Pages) paidAlready(c echo.Context, form *web.Form, refusal error) error {
	merchant, err := uuid.Parse(c.Param("merchant"))
	if err != nil || !errors.Is(refusal, merchants.ErrQRExpired) && !errors.Is(refusal, merchants.ErrNotAccepting) {
		return refusal
	}
	in, err := readPayment(c, form, counter{id: merchant, qr: form.Value("qr")})
	if err != nil {
		return refusal
	}
	paid, _, err := p.service.Pay(c.Request().Context(), in)
	if err != nil {
		return err
	}
	return web.Redirect(c, receiptURL(paid))
}

func receiptURL(p Payment) string { return "/my/payments/" + p.TenantID.String() + "/" + p.ID.String() }

func (p *Pages) payment(c echo.Context) (Payment, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return Payment{}, ErrUnknown
	}
	return p.service.Get(c.Request().Context(), id)
}

// Receipt shows a payment as it stands now: GET /my/payments/{tenant}/{id}.
func (p *Pages) Receipt(c echo.Context) error {
	payment, err := p.payment(c)
	if err != nil {
		return err
	}
	ctx, lang := c.Request().Context(), web.Lang(c)
	view := receiptView{Payment: payment, URL: receiptURL(payment)}
	shop, err := p.service.merchants.Get(ctx, payment.MerchantID)
	if err != nil {
		return err
	}
	view.Shop = headOf(shop)
	face, err := p.service.vouchers.Face(ctx, payment.TenantID, lang)
	if err != nil {
		return err
	}
	programme, err := p.service.vouchers.Programme(ctx, payment.ProgrammeID)
	if err != nil {
		return err
	}
	view.Voucher, view.Programme = face.Voucher, face.Beside(programme, lang)
	if view.Cancellations, err = p.service.Cancellations(ctx, payment.ID); err != nil {
		return err
	}
	return receiptPage.Show(c, p.pages, view)
}

// CancelForm asks how much to cancel: GET /my/payments/{tenant}/{id}/cancel.
func (p *Pages) CancelForm(c echo.Context) error {
	payment, err := p.payment(c)
	if err != nil {
		return err
	}
	if payment.Left() == 0 {
		return web.Redirect(c, receiptURL(payment))
	}
	view := cancelView{Form: web.EmptyForm(), Payment: payment, URL: receiptURL(payment), Key: uuid.Must(uuid.NewV7())}
	return cancelPage.Show(c, p.pages, view)
}

// Cancel gives back the whole of a payment or a part: POST
// /my/payments/{tenant}/{id}/cancel.
func (p *Pages) Cancel(c echo.Context) error {
	payment, err := p.payment(c)
	if err != nil {
		return err
	}
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in := CancelInput{Key: form.UUID("key").String(), PaymentID: payment.ID}
	if form.Choice("how", "whole", "part") == "part" {
		in.Amount = form.Amount("amount")
	}
	err = form.Err()
	if err == nil && in.Amount > payment.Amount {
		err = fault.On("amount", fault.TooLarge).Limit(payment.Left().String())
	}
	if err == nil {
		_, _, err = p.service.Cancel(c.Request().Context(), in)
	}
	if err == nil {
		return web.Redirect(c, receiptURL(payment))
	}
	view := cancelView{Form: form, Payment: payment, URL: receiptURL(payment), Key: uuid.Must(uuid.NewV7())}
	if errors.Is(err, ErrCancelTooLarge) {
		err = fault.On("amount", fault.TooLarge).Limit(payment.Left().String())
	}
	view.Refusal = vouchers.RefusalOf(p.pages.Words, web.Lang(c), err, "")
	return cancelPage.Refuse(c, p.pages, form, err, view)
}

// now is when a page looks at things; the service's clock, for tests.
func (p *Pages) now() time.Time { return p.service.now() }
