package app

import (
	"context"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/tenant"
	"jangteo/app/throttle"
	"jangteo/app/web"
	"jangteo/modules/banking"
	"jangteo/modules/cards"
	"jangteo/modules/citizens"
	"jangteo/modules/incidents"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/notifications"
	"jangteo/modules/payments"
	"jangteo/modules/reports"
	"jangteo/modules/sessions"
	"jangteo/modules/settlement"
	"jangteo/modules/staff"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
	"jangteo/static"
)

const (
	get, post, patch, remove = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	created                  = http.StatusCreated
)

// routes says who may reach what, and what each route is worth when not
// everything can be served. testdata/routes.golden holds the whole table.
func (a *App) routes() {
	signIn := sessions.NewPages(a.Sessions, a.Pages, a.secure())
	shop := merchants.NewPages(a.Merchants, a.Tenants, a.Pages, signin.Cookie{Name: a.cookie("jangteo_shop"), Secure: a.secure()})
	office := staff.NewSignInPages(a.Staff, a.Pages, signin.Cookie{Name: a.cookie("jangteo_office"), Secure: a.secure()})
	prove := map[auth.Kind]func(echo.Context) (auth.Principal, error){
		auth.Citizen: signIn.Authenticate, auth.Clerk: shop.Authenticate,
		auth.Staff:    func(c echo.Context) (auth.Principal, error) { return office.Authenticate(c, auth.Staff) },
		auth.Operator: func(c echo.Context) (auth.Principal, error) { return office.Authenticate(c, auth.Operator) },
	}
	knocks := throttle.New(a.Config.Limits.KnocksPerAddress, a.Now)
	desks := map[auth.Kind]*signin.Pages{auth.Clerk: shop.Pages, auth.Staff: office, auth.Operator: office}
	a.Router = web.NewRouter(a.Echo, web.Gate{
		Authenticate: func(c echo.Context, kind auth.Kind) (auth.Principal, error) { return prove[kind](c) },
		Tenant:       a.Tenants.Known,
		Knock:        func(address string) error { return knocks.Take(throttle.Line(address)) },
		Fresh:        func(c echo.Context, who auth.Principal) (bool, error) { return desks[who.Kind].Fresh(c, who) },
		StepUp:       func(c echo.Context, who auth.Principal) error { return desks[who.Kind].StepUp(c) },
		SignIn:       map[auth.Kind]string{auth.Citizen: "/sign-in", auth.Clerk: "/shop/sign-in", auth.Staff: "/office/sign-in", auth.Operator: "/office/sign-in"},
	}, a.Words, Version)
	a.Echo.GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	a.api()
	a.publicPages(signIn)
	a.citizenPages(signIn)
	a.shopPages(shop)
	a.officePages(office)
	a.operatorPages(office)
}

// cookie names a cookie; by https the browser itself holds it to this host.
func (a *App) cookie(name string) string {
	if a.secure() {
		return "__Host-" + name
	}
	return name
}

// api is the contract that clients are built against, line by line.
func (a *App) api() {
	r := a.Router
	var (
		places   = tenants.NewAPI(a.Tenants)
		people   = citizens.NewAPI(a.Citizens)
		logins   = sessions.NewAPI(a.Sessions)
		accounts = banking.NewAPI(a.Banking, a.holder)
		voucher  = vouchers.NewAPI(a.Vouchers)
		paying   = payments.NewAPI(a.Payments)
		shops    = merchants.NewAPI(a.Merchants)
		tills    = payments.NewShopAPI(a.Payments)
		owed     = settlement.NewAPI(a.Settlement)
		troubles = incidents.NewAPI(a.Incidents)
		books    = ledger.NewAPI(a.Ledger)
		receipts = payments.NewReceiptAPI(a.receipts())
		card     = cards.NewAPI(a.Cards)
	)
	// anyone
	web.JSON(r, web.Route{Method: get, Path: "/status", Class: web.Read, Summary: "Whether everything works"}, a.status)
	web.JSON(r, web.Route{Method: get, Path: "/incidents", Class: web.Read, Summary: "What goes wrong on our side, and what did lately"}, troubles.List)
	web.JSON(r, web.Route{Method: get, Path: "/incidents/{id}", Class: web.Read, Summary: "One incident, with everything that was said of it"}, troubles.Get)
	web.JSON(r, web.Route{Method: get, Path: "/tenants", Class: web.Browse, Summary: "Municipalities"}, places.List)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}", Class: web.Browse, Summary: "One municipality"}, places.Get)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/programmes", Class: web.Browse, Summary: "Vouchers and the policies in force"}, voucher.Programmes)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/merchants", Class: web.Browse, Summary: "Where the voucher is taken"}, shops.List)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/ledger-days", Class: web.Browse, Summary: "The roots that closed days are sealed with"}, books.Days)
	web.JSON(r, web.Route{Method: get, Path: "/signing-keys", Class: web.Browse, Summary: "The public keys that receipts and access statements are signed with"}, a.signingKeys)
	// becoming known
	web.JSON(r, web.Route{Method: post, Path: "/identity-checks", Class: web.Login, Status: created, Summary: "Begin an identity check"}, people.StartCheck)
	web.JSON(r, web.Route{Method: post, Path: "/identity-checks/{id}/confirm", Class: web.Login, Summary: "Confirm it with the code that was sent"}, people.ConfirmCheck)
	web.JSON(r, web.Route{Method: post, Path: "/citizens", Class: web.Login, Status: created, Summary: "Join"}, people.Join)
	web.JSON(r, web.Route{Method: post, Path: "/sessions", Class: web.Login, Status: created, Summary: "Sign a device in"}, logins.Begin)
	web.JSON(r, web.Route{Method: post, Path: "/sessions/refresh", Class: web.Login, Summary: "Renew with the refresh token"}, logins.Refresh)
	web.JSON(r, web.Route{Method: post, Path: "/sessions/challenges", Class: web.Login, Status: created, Summary: "Ask for a challenge to sign"}, logins.Challenge)
	web.JSON(r, web.Route{Method: post, Path: "/sessions/resume", Class: web.Login, Summary: "Go on with the device key"}, logins.Resume)
	// citizens
	citizen := web.Citizens
	web.JSON(r, web.Route{Method: get, Path: "/me", Access: citizen, Class: web.Read, Summary: "Who I am"}, people.Me)
	web.JSON(r, web.Route{Method: get, Path: "/me/sessions", Access: citizen, Class: web.Read, Summary: "My devices and sign-ins, with true endings"}, logins.List)
	web.JSON(r, web.Route{Method: remove, Path: "/me/sessions/{id}", Access: citizen, Class: web.Login, Status: http.StatusNoContent, Summary: "Sign a device out"}, logins.Revoke)
	web.JSON(r, web.Route{Method: get, Path: "/me/security-events", Access: citizen, Class: web.Read, Summary: "What happened to my account"}, logins.Events)
	web.JSON(r, web.Route{Method: get, Path: "/me/access-statement", Access: citizen, Class: web.Read, Summary: "The signed record of who used my account from where"}, sessions.NewStatementAPI(a.statements()).Get)
	web.JSON(r, web.Route{Method: post, Path: "/me/lock", Access: citizen, Class: web.Pay, Summary: "Lock my account"}, logins.Lock)
	web.JSON(r, web.Route{Method: get, Path: "/me/bank-accounts", Access: citizen, Class: web.Read, Summary: "My linked bank accounts"}, accounts.Accounts)
	web.JSON(r, web.Route{Method: post, Path: "/me/bank-accounts", Access: citizen, Class: web.Buy, Status: created, Summary: "Link a bank account"}, accounts.Link)
	web.JSON(r, web.Route{Method: get, Path: "/me/wallets", Access: citizen, Class: web.Read, Summary: "My wallets in all municipalities"}, voucher.Wallets)
	web.JSON(r, web.Route{Method: get, Path: "/me/wallets/{id}/lots", Access: citizen, Class: web.Read, Summary: "What a wallet is made of, and until when"}, voucher.Lots)
	web.JSON(r, web.Route{Method: get, Path: "/me/wallets/{id}/refund-quote", Access: citizen, Class: web.Read, Summary: "What a refund would give now"}, voucher.RefundQuote)
	web.JSON(r, web.Route{Method: get, Path: "/me/history", Access: citizen, Class: web.Read, Summary: "What moved, newest first"}, paying.History)
	web.JSON(r, web.Route{Method: post, Path: "/tenants/{tenant}/purchases", Access: citizen, Class: web.Buy, Status: created, Summary: "Buy voucher from a bank account"}, voucher.Purchase)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/purchases/{id}", Access: citizen, Class: web.Read, Summary: "A purchase as it stands"}, voucher.GetPurchase)
	web.JSON(r, web.Route{Method: post, Path: "/tenants/{tenant}/payments", Access: citizen, Class: web.Pay, Status: created, Summary: "Pay at a merchant"}, paying.Pay)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/payments/{id}", Access: citizen, Class: web.Read, Summary: "A payment as it stands"}, paying.Get)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/payments/{id}/receipt", Access: citizen, Class: web.Read, Summary: "A signed receipt, with the proof that the payment is in the published books"}, receipts.Get)
	web.JSON(r, web.Route{Method: post, Path: "/tenants/{tenant}/payments/{id}/cancellations", Access: citizen, Class: web.Pay, Status: created, Summary: "Undo a payment, whole or in part"}, paying.Cancel)
	web.JSON(r, web.Route{Method: get, Path: "/me/cards", Access: citizen, Class: web.Read, Summary: "My linked cards and what each may do"}, card.List)
	web.JSON(r, web.Route{Method: get, Path: "/me/cards/available", Access: citizen, Class: web.Buy, Summary: "My cards of an issuer that can be linked"}, card.Available)
	web.JSON(r, web.Route{Method: post, Path: "/me/cards", Access: citizen, Class: web.Buy, Status: created, Summary: "Link a card"}, card.Link)
	web.JSON(r, web.Route{Method: patch, Path: "/me/cards/{id}", Access: citizen, Class: web.Pay, Summary: "Rename, pause, unlink a card, report it lost, or say what it may do"}, card.Change)
	web.JSON(r, web.Route{Method: get, Path: "/me/card-offers", Access: citizen, Class: web.Pay, Summary: "What my cards ask me now"}, card.Offers)
	web.JSON(r, web.Route{Method: post, Path: "/tenants/{tenant}/card-offers/{id}/answer", Access: citizen, Class: web.Pay, Summary: "Let the bank account pay the rest, or not"}, card.Answer)
	web.JSON(r, web.Route{Method: get, Path: "/me/card-swaps", Access: citizen, Class: web.Read, Summary: "What took my bank account although the voucher could have paid"}, card.Swaps)
	web.JSON(r, web.Route{Method: get, Path: "/tenants/{tenant}/card-swaps/{id}", Access: citizen, Class: web.Read, Summary: "One of them with every step of its swap"}, card.GetSwap)
	web.JSON(r, web.Route{Method: post, Path: "/tenants/{tenant}/card-swaps/{id}", Access: citizen, Class: web.Pay, Summary: "Let the voucher pay it instead"}, card.Swap)
	web.JSON(r, web.Route{Method: get, Path: "/me/card-claims", Access: citizen, Class: web.Read, Summary: "What I owe for stand-in payments"}, card.Claims)
	web.JSON(r, web.Route{Method: post, Path: "/tenants/{tenant}/card-claims/{id}/repayments", Access: citizen, Class: web.Pay, Status: created, Summary: "Repay a claim out of the wallet"}, card.Repay)
	// merchants
	web.JSON(r, web.Route{Method: post, Path: "/merchant/sessions", Class: web.Login, Status: created, Summary: "Sign a clerk in"}, shops.SignIn)
	web.JSON(r, web.Route{Method: get, Path: "/merchant/sales", Access: web.ClerksWho("sales.read"), Class: web.Read, Summary: "What the shop was paid"}, tills.Sales)
	web.JSON(r, web.Route{Method: get, Path: "/merchant/settlements", Access: web.ClerksWho("settlements.read"), Class: web.Read, Summary: "What the shop is owed and was paid out"}, owed.List)
	web.JSON(r, web.Route{Method: post, Path: "/merchant/qr", Access: web.ClerksWho("qr.make"), Class: web.Pay, Status: created, Summary: "A code for one sale"}, shops.MakeQR)
	web.JSON(r, web.Route{Method: post, Path: "/merchant/payments/{id}/cancellations", Access: web.ClerksWho("payments.cancel"), Class: web.Pay, Status: created, Summary: "The shop undoes a payment"}, paying.CancelAsClerk)
}

// statusReply is what anyone may know about how we are doing.
type statusReply struct {
	Body struct {
		State string `json:"state" enum:"working,impaired" doc:"As far as this server can tell"`
		Parts []part `json:"parts"`
		At    string `json:"at" format:"date-time"`
	}
}

type part struct {
	Name  string `json:"name" enum:"database,fast-lane"`
	State string `json:"state" enum:"working,impaired"`
}

// status asks, and repeats nothing that was written down before.
func (a *App) status(ctx context.Context, _ *struct{}) (*statusReply, error) {
	out := &statusReply{}
	out.Body.State, out.Body.At = "working", a.Now().Format("2006-01-02T15:04:05Z07:00")
	out.Body.Parts = []part{{"database", "working"}, {"fast-lane", "working"}}
	var asked sync.WaitGroup
	for i, ping := range []func(context.Context) error{a.DB.Ping, a.Lane.Ping} {
		asked.Go(func() {
			if ping(ctx) != nil {
				out.Body.Parts[i].State = "impaired"
			}
		})
	}
	asked.Wait()
	for _, p := range out.Body.Parts {
		if p.State != "working" {
			out.Body.State = p.State
		}
	}
	return out, nil
}

// page mounts one handler of a face.
func (a *App) page(access web.Access, class web.Class, method, path string, handler echo.HandlerFunc) {
	a.Router.Page(web.Route{Method: method, Path: path, Access: access, Class: class}, handler)
}

func (a *App) publicPages(signIn *sessions.Pages) {
	front, shops := vouchers.NewPublicPages(a.Vouchers, a.Pages), merchants.NewPublicPages(a.Merchants, a.Tenants, a.Pages)
	a.page(web.Anyone, web.Browse, get, "/", front.Front)
	a.page(web.Anyone, web.Browse, get, "/tenants", front.Places)
	a.page(web.Anyone, web.Browse, get, "/tenants/{tenant}", front.Place)
	a.page(web.Anyone, web.Browse, get, "/tenants/{tenant}/merchants", shops.List)
	troubles := incidents.NewPages(a.Incidents, a.Tenants, a.Pages)
	a.page(web.Anyone, web.Read, get, "/incidents", troubles.List)
	a.page(web.Anyone, web.Read, get, "/incidents/{id}", troubles.Incident)
	a.page(web.Anyone, web.Browse, get, "/tenants/{tenant}/ledger-days", ledger.NewPages(a.Ledger, a.Pages).Days)
	a.page(web.Anyone, web.Browse, get, "/problems", a.Pages.Problems)
	a.page(web.Anyone, web.Browse, get, "/problems/{code}", a.Pages.Problem)
	a.page(web.Anyone, web.Login, get, "/sign-in", signIn.SignIn)
	a.page(web.Anyone, web.Login, post, "/sign-in", signIn.Start)
	a.page(web.Anyone, web.Login, get, "/sign-in/code", signIn.Code)
	a.page(web.Anyone, web.Login, post, "/sign-in/code", signIn.Confirm)
	a.page(web.Anyone, web.Login, get, "/sign-in/agreements", signIn.Agreements)
	a.page(web.Anyone, web.Login, post, "/sign-in/agreements", signIn.Agree)
	a.page(web.Anyone, web.Login, get, "/sign-in/device", signIn.Device)
	a.page(web.Anyone, web.Login, post, "/sign-in/device", signIn.Bind)
	a.page(web.Anyone, web.Login, post, "/sign-in/not-me", signIn.NotMe)
	a.page(web.Anyone, web.Login, get, "/sign-in/locked", signIn.Locked)
	a.page(web.Anyone, web.Login, post, "/my/session/refresh", signIn.Refresh)
	a.page(web.Anyone, web.Login, post, "/my/session/challenge", signIn.Challenge)
	a.page(web.Anyone, web.Login, post, "/my/session/resume", signIn.Resume)
}

func (a *App) citizenPages(signIn *sessions.Pages) {
	var (
		accounts = banking.NewPages(a.Banking, a.holder, a.Pages)
		buying   = vouchers.NewPages(a.Vouchers, a.Pages)
		paying   = payments.NewPages(a.Payments, a.Streams, a.Notifications.Unread, a.Cards.Questions, a.Pages)
		inbox    = notifications.NewPages(a.Notifications, a.Pages)
		citizen  = web.Citizens
	)
	a.page(citizen, web.Read, get, "/my", paying.Home)
	a.page(citizen, web.Read, get, "/my/live", paying.Live)
	a.page(citizen, web.Pay, get, "/my/pay", paying.Enter)
	a.page(citizen, web.Pay, post, "/my/pay", paying.Scan)
	a.page(citizen, web.Pay, get, "/my/pay/{tenant}/{merchant}", paying.Amount)
	a.page(citizen, web.Pay, get, "/my/pay/{tenant}/{merchant}/confirm", paying.Confirm)
	a.page(citizen, web.Pay, post, "/my/pay/{tenant}/{merchant}", paying.Pay)
	a.page(citizen, web.Read, get, "/my/payments/{tenant}/{id}", paying.Receipt)
	a.page(citizen, web.Read, get, "/my/payments/{tenant}/{id}/receipt.signed", payments.NewReceiptPages(a.receipts()).Download)
	a.page(citizen, web.Pay, get, "/my/payments/{tenant}/{id}/cancel", paying.CancelForm)
	a.page(citizen, web.Pay, post, "/my/payments/{tenant}/{id}/cancel", paying.Cancel)
	a.page(citizen, web.Read, get, "/my/history", paying.History)
	a.page(citizen, web.Report, get, "/my/history.csv", paying.Export)
	a.page(citizen, web.Buy, get, "/my/buy", buying.Buy)
	a.page(citizen, web.Buy, get, "/my/buy/{tenant}/{programme}", buying.Amount)
	a.page(citizen, web.Buy, get, "/my/buy/{tenant}/{programme}/confirm", buying.Confirm)
	a.page(citizen, web.Buy, post, "/my/buy/{tenant}/{programme}", buying.Purchase)
	a.page(citizen, web.Read, get, "/my/purchases/{tenant}/{id}", buying.Result)
	a.page(citizen, web.Read, get, "/my/wallets/{tenant}/{id}", buying.Wallet)
	a.page(citizen, web.Read, get, "/my/corrections/{tenant}/{id}", buying.Correction)
	a.page(citizen, web.Read, get, "/my/bank-accounts", accounts.Accounts)
	a.page(citizen, web.Buy, get, "/my/bank-accounts/new", accounts.LinkForm)
	a.page(citizen, web.Buy, post, "/my/bank-accounts", accounts.Link)
	a.page(citizen, web.Buy, get, "/my/bank-accounts/{id}/unlink", accounts.UnlinkForm)
	a.page(citizen, web.Buy, post, "/my/bank-accounts/{id}/unlink", accounts.Unlink)
	card := cards.NewPages(a.Cards, a.Pages)
	a.page(citizen, web.Read, get, "/my/cards", card.List)
	a.page(citizen, web.Buy, post, "/my/cards", card.Link)
	a.page(citizen, web.Buy, get, "/my/cards/new", card.New)
	a.page(citizen, web.Read, get, "/my/cards/{id}", card.Card)
	a.page(citizen, web.Pay, post, "/my/cards/{id}/name", card.Rename)
	a.page(citizen, web.Pay, post, "/my/cards/{id}/option", card.SetOption)
	a.page(citizen, web.Pay, post, "/my/cards/{id}/state", card.SetState)
	a.page(citizen, web.Pay, post, "/my/cards/offers/{tenant}/{id}", card.Answer)
	a.page(citizen, web.Read, get, "/my/cards/swaps", card.Swaps)
	a.page(citizen, web.Read, get, "/my/cards/swaps/{tenant}/{id}", card.ShowSwap)
	a.page(citizen, web.Pay, post, "/my/cards/swaps/{tenant}/{id}", card.Swap)
	a.page(citizen, web.Read, get, "/my/cards/claims", card.Claims)
	a.page(citizen, web.Pay, post, "/my/cards/claims/{tenant}/wish", card.Wish)
	a.page(citizen, web.Pay, post, "/my/cards/claims/{tenant}/{id}", card.Repay)
	a.page(citizen, web.Read, get, "/my/inbox", inbox.Inbox)
	a.page(citizen, web.Read, post, "/my/inbox/read", inbox.Read)
	a.page(citizen, web.Read, get, "/my/security", signIn.Security)
	a.page(citizen, web.Read, get, "/my/security/statement.signed", sessions.NewStatementPages(a.statements()).Download)
	a.page(citizen, web.Login, post, "/my/security/sessions/{id}/end", signIn.Revoke)
	a.page(citizen, web.Read, get, "/my/security/lock", signIn.AskLock)
	a.page(citizen, web.Pay, post, "/my/security/lock", signIn.Lock)
	a.page(web.Anyone, web.Login, post, "/my/sign-out", signIn.SignOut)
}

// signInPages are how people with a desk come in; who may see which of their
// second factors' pages says the sign-in itself.
func (a *App) signInPages(p *signin.Pages, path string) {
	a.page(web.Anyone, web.Login, get, path, p.SignIn)
	a.page(web.Anyone, web.Login, post, path, p.Begin)
	a.page(web.Anyone, web.Login, post, path+"/passkey/ask", p.AskPasskey)
	a.page(web.Anyone, web.Login, post, path+"/passkey", p.WithPasskey)
	a.page(web.Anyone, web.Login, get, path+"/second", p.Second)
	a.page(web.Anyone, web.Login, post, path+"/second", p.GiveCode)
	a.page(web.Anyone, web.Login, get, path+"/factors", p.Factors)
	a.page(web.Anyone, web.Login, post, path+"/factors/passkey/ask", p.AskNewPasskey)
	a.page(web.Anyone, web.Login, post, path+"/factors/passkey", p.AddPasskey)
	a.page(web.Anyone, web.Login, post, path+"/factors/passkey/remove", p.RemovePasskey)
	a.page(web.Anyone, web.Login, post, path+"/factors/code-app", p.BeginCodeApp)
	a.page(web.Anyone, web.Login, get, path+"/factors/code-app.svg", p.CodeAppDrawing)
	a.page(web.Anyone, web.Login, post, path+"/factors/code-app/confirm", p.ConfirmCodeApp)
	a.page(web.Anyone, web.Login, post, path+"/factors/code-app/remove", p.RemoveCodeApp)
	a.page(web.Anyone, web.Login, post, path+"/factors/recovery-codes", p.NewRecoveryCodes)
}

// deskPages are what everybody with a desk may do with their own sign-ins.
func (a *App) deskPages(access web.Access, p *signin.Pages, home string) {
	a.page(access, web.Login, post, home+"/sign-out", p.SignOut)
	a.page(access, web.Read, get, home+"/security", p.Security)
	a.page(access, web.Login, post, home+"/security/revoke", p.Revoke)
	a.page(access, web.Login, post, home+"/security/password", p.ChangePassword)
}

func (a *App) shopPages(shop *merchants.Pages) {
	tills, owed := payments.NewShopPages(a.Payments, a.Live, a.Streams, a.Pages), settlement.NewPages(a.Settlement, a.Pages)
	a.tills = tills
	a.signInPages(shop.Pages, "/shop/sign-in")
	a.deskPages(web.Clerks, shop.Pages, "/shop")
	a.page(web.ClerksWho("sales.read"), web.Read, get, "/shop", tills.Today)
	a.page(web.ClerksWho("sales.read"), web.Read, get, "/shop/live", tills.Live)
	a.page(web.ClerksWho("sales.read"), web.Read, get, "/shop/sales", tills.Sales)
	a.page(web.ClerksWho("sales.read"), web.Report, get, "/shop/sales.csv", tills.Download)
	a.page(web.ClerksWho("settlements.read"), web.Read, get, "/shop/settlements", owed.List)
	a.page(web.ClerksWho("settlements.read"), web.Read, get, "/shop/settlements/{id}", owed.Statement)
	a.page(web.ClerksWho("settlements.read"), web.Report, get, "/shop/settlements/{id}/statement.csv", owed.Download)
	owner := web.ClerksWho("clerks.manage")
	a.page(owner, web.Read, get, "/shop/clerks", shop.Team)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks", shop.Hire)
	a.page(owner, web.Read, get, "/shop/clerks/{id}", shop.Member)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks/{id}/role", shop.SetRole)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks/{id}/suspend", shop.Suspend)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks/{id}/resume", shop.Resume)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks/{id}/end", shop.EndSessions)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks/{id}/factors", shop.Release)
	a.page(owner.Lately(), web.Login, post, "/shop/clerks/{id}/leave", shop.Dismiss)
	a.page(web.ClerksWho("qr.make"), web.Read, get, "/shop/qr", shop.QR)
	a.page(web.ClerksWho("qr.make"), web.Read, get, "/shop/qr.png", shop.QRPicture)
	a.page(web.ClerksWho("qr.make"), web.Read, get, "/shop/qr.svg", shop.QRDrawing)
	terminals := cards.NewShopPages(a.Cards, a.Pages)
	a.page(web.ClerksWho("sales.read"), web.Read, get, "/shop/terminals", terminals.Terminals)
	a.page(web.ClerksWho("qr.make"), web.Read, post, "/shop/terminals", terminals.Ask)
}

func (a *App) officePages(office *signin.Pages) {
	r := reports.NewPages(a.Reports, a.Pages)
	may := web.StaffWho
	a.signInPages(office, "/office/sign-in")
	a.deskPages(web.Staff, office, "/office")
	a.page(may("dashboard.read"), web.Report, get, "/office", r.Dashboard)
	a.page(may("payments.read"), web.Report, get, "/office/payments", r.Payments)
	a.page(may("payments.read"), web.Report, get, "/office/payments.csv", r.PaymentsCSV)
	a.page(may("payments.read"), web.Report, get, "/office/payments/{id}", r.Payment)
	a.page(may("payments.read"), web.Report, get, "/office/purchases", r.Purchases)
	a.page(may("payments.read"), web.Report, get, "/office/purchases.csv", r.PurchasesCSV)
	a.page(may("payments.read"), web.Report, get, "/office/purchases/{id}", r.Purchase)
	a.page(may("programmes.read"), web.Report, get, "/office/programmes", r.Programmes)
	a.page(may("programmes.read"), web.Report, get, "/office/programmes/{id}", r.Programme)
	rules := vouchers.NewOfficePages(a.Vouchers, a.Pages)
	a.page(may("programmes.manage"), web.Report, get, "/office/programmes/new", rules.NewProgramme)
	a.page(may("programmes.manage").Lately(), web.Report, post, "/office/programmes", rules.OpenProgramme)
	a.page(may("programmes.manage"), web.Report, get, "/office/programmes/{id}/close", rules.Close)
	a.page(may("programmes.manage").Lately(), web.Report, post, "/office/programmes/{id}/close", rules.ProposeClosing)
	a.page(may("programmes.manage"), web.Report, get, "/office/programmes/{id}/policies/new", rules.NextPolicy)
	a.page(may("programmes.manage").Lately(), web.Report, post, "/office/programmes/{id}/policies", rules.ProposePolicy)
	a.page(may("programmes.read"), web.Report, get, "/office/budget", rules.Budget)
	a.page(may("budget.manage").Lately(), web.Report, post, "/office/budget", rules.ProposeFunding)
	a.page(may("citizens.read"), web.Report, get, "/office/citizens", r.Citizens)
	a.page(may("citizens.read"), web.Report, get, "/office/citizens/{id}", r.Citizen)
	a.page(may("citizens.reveal"), web.Report, post, "/office/citizens/{id}/reveal", r.RevealCitizen)
	a.page(may("wallets.correct"), web.Report, get, "/office/citizens/{id}/wallets/{wallet}/correct", rules.Correct)
	a.page(may("wallets.correct").Lately(), web.Report, post, "/office/citizens/{id}/wallets/{wallet}/corrections", rules.ProposeCorrection)
	held := sessions.NewOfficePages(a.Sessions, a.office(), a.Pages)
	a.page(may("sessions.end"), web.Report, get, "/office/citizens/{id}/devices", held.Devices)
	a.page(may("sessions.end").Lately(), web.Report, post, "/office/citizens/{id}/devices/{session}/end", held.End)
	a.page(may("merchants.read"), web.Report, get, "/office/merchants", r.Merchants)
	a.page(may("merchants.read"), web.Report, get, "/office/merchants.csv", r.MerchantsCSV)
	a.page(may("merchants.read"), web.Report, get, "/office/merchants/{id}", r.Merchant)
	a.page(may("citizens.reveal"), web.Report, post, "/office/merchants/{id}/reveal", r.RevealMerchant)
	a.page(may("settlement.close").Lately(), web.Report, post, "/office/merchants/{id}/corrections", r.ProposeCorrection)
	a.page(may("settlement.read"), web.Report, get, "/office/settlements", r.Settlements)
	a.page(may("settlement.read"), web.Report, get, "/office/settlements.csv", r.SettlementsCSV)
	a.page(may("settlement.read"), web.Report, get, "/office/settlements/{id}", r.Settlement)
	a.page(may("settlement.close").Lately(), web.Report, post, "/office/settlements/close", r.CloseDays)
	a.page(may("settlement.close").Lately(), web.Report, post, "/office/settlements/pay-out", r.ProposePayOut)
	a.page(may("settlement.close").Lately(), web.Report, post, "/office/settlements/{id}/retry", r.ProposeRetry)
	card := cards.NewOfficePages(a.Cards, a.Pages)
	a.page(may("merchants.read"), web.Report, get, "/office/cards/terminals", card.Terminals)
	a.page(may("merchants.read"), web.Report, get, "/office/cards/terminals.csv", card.TerminalsCSV)
	a.page(may("merchants.manage"), web.Report, post, "/office/cards/terminals", card.Import)
	a.page(may("merchants.read"), web.Report, get, "/office/cards/terminals/{id}", card.Terminal)
	a.page(may("merchants.manage"), web.Report, post, "/office/cards/terminals/{id}/map", card.Map)
	a.page(may("merchants.manage"), web.Report, post, "/office/cards/terminals/{id}/dismiss", card.Dismiss)
	a.page(may("merchants.manage"), web.Report, post, "/office/cards/terminals/{id}/detach", card.Detach)
	a.page(may("settlement.read"), web.Report, get, "/office/cards/clearing", card.Clearing)
	a.page(may("settlement.read"), web.Report, get, "/office/cards/clearing.csv", card.ClearingCSV)
	a.page(may("settlement.close"), web.Report, post, "/office/cards/clearing", card.Upload)
	a.page(may("settlement.read"), web.Report, get, "/office/cards/clearing/{id}", card.Row)
	a.page(may("settlement.close"), web.Report, post, "/office/cards/clearing/{id}", card.Settle)
	a.page(may("payments.read"), web.Report, get, "/office/cards/claims", card.Claims)
	a.page(may("payments.read"), web.Report, get, "/office/cards/claims.csv", card.ClaimsCSV)
	four := staff.NewApprovalPages(a.Approvals, a.Pages, a.Now)
	a.page(web.Staff, web.Report, get, "/office/approvals", four.List)
	a.page(web.Staff, web.Report, get, "/office/approvals/{id}", four.Show)
	a.page(web.Staff.Lately(), web.Report, post, "/office/approvals/{id}/approve", four.Approve)
	a.page(web.Staff, web.Report, post, "/office/approvals/{id}/reject", four.Reject)
	a.page(web.Staff, web.Report, post, "/office/approvals/{id}/withdraw", four.Withdraw)
	a.memberPages(may("staff.manage"), "/office/staff")
	a.page(may("ledger.read"), web.Report, get, "/office/ledger", r.Ledger)
	a.page(may("ledger.read"), web.Report, get, "/office/ledger/accounts/{id}", r.Account)
	a.page(may("ledger.read"), web.Report, get, "/office/ledger/entries/{id}", r.Entry)
	a.page(may("audit.read"), web.Report, get, "/office/audit", r.Audit)
	a.page(may("audit.read"), web.Report, get, "/office/audit.csv", r.AuditCSV)
	a.page(may("audit.read"), web.Report, get, "/office/audit/{id}", r.Change)
	a.page(may("audit.read"), web.Report, get, "/office/access", r.Access)
	a.page(may("audit.read"), web.Report, get, "/office/access.csv", r.AccessCSV)
	a.page(may("audit.read"), web.Report, get, "/office/access/reviews", r.Reviews)
	a.page(may("audit.read"), web.Report, get, "/office/access/reviews/{month}", r.Review)
	a.page(may("access.review"), web.Report, post, "/office/access/reviews/{month}", r.FinishReview)
	a.page(may("verify.read"), web.Report, get, "/office/verify", r.Verifications)
	a.page(may("verify.read"), web.Report, post, "/office/verify", r.RunVerify)
}

// memberPages are where people are managed who work in an office.
func (a *App) memberPages(manage web.Access, path string) {
	people := staff.NewMemberPages(a.Staff, a.Pages)
	a.page(manage, web.Report, get, path, people.List)
	a.page(manage.Lately(), web.Report, post, path, people.Hire)
	a.page(manage.Lately(), web.Report, post, path+"/rule", people.SetRule)
	a.page(manage, web.Report, get, path+"/{id}", people.Show)
	a.page(manage.Lately(), web.Report, post, path+"/{id}/role", people.SetRole)
	a.page(manage.Lately(), web.Report, post, path+"/{id}/suspend", people.Suspend)
	a.page(manage.Lately(), web.Report, post, path+"/{id}/resume", people.Resume)
	a.page(manage.Lately(), web.Report, post, path+"/{id}/factors", people.Release)
}

// office says who signs citizens' devices out in a municipality's name, and whose.
func (a *App) office() sessions.Office {
	return sessions.Office{
		Name: func(ctx context.Context) (string, error) {
			t, err := a.Tenants.Get(ctx, tenant.From(ctx))
			return t.FullName(), err
		},
		Person: func(ctx context.Context, citizen uuid.UUID) (string, error) {
			if _, err := a.Reports.WalletsHere(ctx, citizen); err != nil {
				return "", err
			}
			c, err := a.Citizens.Get(ctx, citizen)
			return c.NameMasked, err
		},
	}
}

// operatorPages are of the operator's own staff, who see no municipality's rows.
func (a *App) operatorPages(office *signin.Pages) {
	four := staff.NewApprovalPages(a.Approvals, a.Pages, a.Now)
	troubles := incidents.NewPages(a.Incidents, a.Tenants, a.Pages)
	told, looked := web.OperatorsWho("incidents.manage"), web.OperatorsWho("sessions.reset")
	a.page(told, web.Report, get, "/operations/incidents", troubles.Desk)
	a.page(told, web.Report, get, "/operations/incidents/new", troubles.New)
	a.page(told, web.Report, post, "/operations/incidents", troubles.Open)
	a.page(told, web.Report, get, "/operations/incidents/{id}", troubles.Work)
	a.page(told, web.Report, post, "/operations/incidents/{id}/say", troubles.Say)
	a.page(looked, web.Report, post, "/operations/incidents/{id}/resets", troubles.Reset)
	a.page(looked, web.Report, get, "/operations/cases", troubles.Cases)
	a.page(looked, web.Report, get, "/operations/cases/{id}", troubles.Case)
	a.page(looked, web.Report, post, "/operations/cases/{id}/close", troubles.CloseCase)
	a.page(web.OperatorsWho("sessions.end").Lately(), web.Report, post, "/operations/cases/{id}/sessions/{session}/end", troubles.EndSession)
	a.deskPages(web.Operators, office, "/operations")
	a.memberPages(web.OperatorsWho("staff.manage"), "/operations/staff")
	a.page(web.Operators, web.Report, get, "/operations/approvals", four.List)
	a.page(web.Operators, web.Report, get, "/operations/approvals/{id}", four.Show)
	a.page(web.Operators.Lately(), web.Report, post, "/operations/approvals/{id}/approve", four.Approve)
	a.page(web.Operators, web.Report, post, "/operations/approvals/{id}/reject", four.Reject)
	a.page(web.Operators, web.Report, post, "/operations/approvals/{id}/withdraw", four.Withdraw)
}
