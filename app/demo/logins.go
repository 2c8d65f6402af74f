package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/modules/merchants"
	"jangteo/modules/staff"
)

// official is a member of staff who can be signed in as.
type official struct {
	tenant     tenant.ID
	login      string
	name       string
	department string
	role       staff.Role
}

var officials = []official{
	{flagship, "chief@yeongdeungpo.example", "한지수", "지역경제과", staff.Chief},
	{flagship, "officer@yeongdeungpo.example", "정다은", "지역경제과", staff.Officer},
	{flagship, "settlement@yeongdeungpo.example", "오세영", "지역경제과", staff.Settlement},
	{flagship, "audit@yeongdeungpo.example", "문정우", "감사담당관", staff.Auditor},
	{52110, "officer@jeonju.example", "백서진", "지역경제과", staff.Officer},
}

// operators are of the operator's own staff: two, since what they do takes two.
var operators = []official{
	{tenant.Platform, "operations@jangteo.example", "서은호", "운영실", staff.ChiefOfPlatform},
	{tenant.Platform, "security@jangteo.example", "남다정", "보안실", staff.OfPlatform},
}

// guarded signs in with a code of an app besides a password; the demonstration
// asks nobody else for a second factor.
var guarded = official{flagship, "guarded@yeongdeungpo.example", "고은비", "지역경제과", staff.Officer}

// guardedSecret is what an app makes the codes of guarded from.
const guardedSecret = "JANGTEOJANGTEOJANGTEOJANGTEO2345"

// clerk is somebody at a shop who can be signed in as.
type clerk struct {
	login string
	name  string
	role  merchants.Role
}

// clerksOf lists two for each of a municipality's named shops: the owner, then
// a seller.
func clerksOf(id tenant.ID) (list []clerk) {
	for _, shop := range namedShops {
		if tenant.ID(shop.tenant) == id {
			list = append(list,
				clerk{shop.login + ".owner", "사장님", merchants.Owner},
				clerk{shop.login + ".clerk", "점원", merchants.Seller})
		}
	}
	return list
}

// Logins is everybody who can be signed in as, for people and for scripts.
type Logins struct {
	Citizens     []CitizenLogin  `json:"citizens"`
	Guarded      []StaffLogin    `json:"staff_with_second_factor"`
	Merchants    []MerchantLogin `json:"merchants"`
	Staff        []StaffLogin    `json:"staff"`
	Operators    []StaffLogin    `json:"operators"` // of the platform; they sign in where staff do
	BankAccounts []BankAccount   `json:"bank_accounts"`
	URLs         URLs            `json:"urls"`
}

// CitizenLogin is proven by the code that goes to the telephone.
type CitizenLogin struct {
	Name       string       `json:"name"`
	BirthDate  string       `json:"birth_date"`
	Phone      string       `json:"phone"`
	Tenant     string       `json:"tenant"`
	TenantName string       `json:"tenant_name"`
	Balance    money.Amount `json:"balance"` // in their wallets
}

// MerchantLogin is of somebody at a shop.
type MerchantLogin struct {
	Login      string `json:"login"`
	Password   string `json:"password"`
	Role       string `json:"role"`
	Merchant   string `json:"merchant"`
	MerchantID string `json:"merchant_id"`
	Tenant     string `json:"tenant"`
	TenantName string `json:"tenant_name"`
	QR         string `json:"qr"` // what the code on the counter says
}

// StaffLogin is of somebody at an office.
type StaffLogin struct {
	Login      string `json:"login"`
	Password   string `json:"password"`
	Name       string `json:"name"`
	Role       string `json:"role"`
	Tenant     string `json:"tenant,omitempty"`
	TenantName string `json:"tenant_name,omitempty"`
	Secret     string `json:"totp_secret,omitempty"` // base32, SHA-1, six digits, 30 seconds
}

// BankAccount is a citizen's, at the simulated bank.
type BankAccount struct {
	BankCode      string       `json:"bank_code"`
	BankName      string       `json:"bank_name"`
	AccountNumber string       `json:"account_number"`
	Holder        string       `json:"holder"`
	Balance       money.Amount `json:"balance"`
}

// URLs are where everything is.
type URLs struct {
	Home     string `json:"home"`
	API      string `json:"api"`
	OpenAPI  string `json:"openapi"`
	Citizen  string `json:"citizen"`
	Merchant string `json:"merchant"`
	Staff    string `json:"staff"`
	Messages string `json:"messages"`
	Bank     string `json:"bank"`
	Identity string `json:"identity"`
}

// Logins looks up who can be signed in as, with what they hold now.
func (p *Pages) Logins(ctx context.Context) (l Logins, err error) {
	home := p.app.Config.Server.PublicURL
	l.URLs = URLs{
		Home: home + "/", API: home + "/api/v1", OpenAPI: home + "/api/v1/openapi.json", Citizen: home + "/sign-in",
		Merchant: home + "/shop/sign-in", Staff: home + "/office/sign-in", Messages: home + "/demo/messages.json",
		Bank: p.sims.BankURL, Identity: p.sims.IdentityURL,
	}
	for _, one := range namedPeople() {
		login := CitizenLogin{Name: one.Name, BirthDate: one.BirthDate, Phone: one.Phone, Tenant: flagship.String(), TenantName: nameOf(flagship)}
		if login.Balance, err = p.holds(ctx, one); err != nil {
			return l, err
		}
		l.Citizens = append(l.Citizens, login)
		account := BankAccount{BankCode: one.bank, AccountNumber: one.account, Holder: one.Name}
		if named, ok := refdata.BankOf(one.bank); ok {
			account.BankName = named.Name
		}
		if account.Balance, err = p.atBank(ctx, account); err != nil {
			return l, err
		}
		l.BankAccounts = append(l.BankAccounts, account)
	}
	for _, o := range operators {
		l.Operators = append(l.Operators, StaffLogin{Login: o.login, Password: password, Name: o.name, Role: string(o.role)})
	}
	l.Guarded = []StaffLogin{{
		Login: guarded.login, Password: password, Name: guarded.name, Role: string(guarded.role),
		Tenant: guarded.tenant.String(), TenantName: nameOf(guarded.tenant), Secret: guardedSecret,
	}}
	for _, o := range officials {
		l.Staff = append(l.Staff, StaffLogin{
			Login: o.login, Password: password, Name: o.name, Role: string(o.role), Tenant: o.tenant.String(), TenantName: nameOf(o.tenant),
		})
	}
	for _, shop := range namedShops {
		found, err := p.merchantLogins(ctx, shop)
		if err != nil {
			return l, err
		}
		l.Merchants = append(l.Merchants, found...)
	}
	return l, nil
}

func nameOf(id tenant.ID) string {
	m, _ := refdata.MunicipalityOf(int32(id))
	return m.Name()
}

// holds sums a person's wallets.
func (p *Pages) holds(ctx context.Context, one person) (sum money.Amount, err error) {
	found, err := p.app.Citizens.Find(ctx, one.Phone, 1)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	wallets, err := p.app.Vouchers.Wallets(ctx, found[0].ID)
	for _, w := range wallets {
		sum += w.Balance
	}
	return sum, err
}

// atBank is what an account holds.
func (p *Pages) atBank(ctx context.Context, account BankAccount) (balance money.Amount, err error) {
	const neighbours = 20 // numbers that begin alike
	list, err := p.sims.Bank.Accounts(ctx, account.AccountNumber[:len(account.AccountNumber)-1], neighbours)
	for _, a := range list {
		if a.BankCode == account.BankCode && a.Number == account.AccountNumber {
			balance = money.Amount(a.Balance)
		}
	}
	return balance, err
}

func (p *Pages) merchantLogins(ctx context.Context, shop namedShop) (logins []MerchantLogin, err error) {
	id := tenant.ID(shop.tenant)
	ctx = tenant.With(ctx, id)
	found, _, err := p.app.Merchants.Search(ctx, merchants.Filter{Query: shop.name, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	qr, _, err := p.app.Merchants.StaticQR(ctx, found[0].ID)
	if err != nil {
		return nil, err
	}
	for _, role := range []struct{ name, suffix string }{{string(merchants.Owner), ".owner"}, {string(merchants.Seller), ".clerk"}} {
		logins = append(logins, MerchantLogin{
			Login: shop.login + role.suffix, Password: password, Role: role.name, Merchant: found[0].Name, MerchantID: found[0].ID.String(),
			Tenant: id.String(), TenantName: nameOf(id), QR: qr,
		})
	}
	return logins, nil
}

// Welcome tells on a terminal where to begin.
func Welcome(out io.Writer, home string, took time.Duration) {
	_, _ = fmt.Fprintf(out, `
장터 Jangteo is ready after %s.

  Begin here            %[2]s/demo      who can sign in, and a story to try
  Citizens              %[2]s/sign-in
  Shops                 %[2]s/shop/sign-in       tteokbokki.owner / %[3]s
  Municipal offices     %[2]s/office/sign-in     chief@yeongdeungpo.example / %[3]s
  Messages "sent"       %[2]s/demo/messages
  For scripts           %[2]s/demo/logins.json   %[2]s/demo/messages.json?to=PHONE

Ctrl-C stops it; the data is kept.
`, took, home, password)
}
