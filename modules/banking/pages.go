package banking

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/refdata"
	"jangteo/app/web"
)

// Holder tells a citizen's name and birth date as the identity check found
// them; an account is linked only if the bank knows its holder by these.
type Holder func(ctx context.Context, citizen uuid.UUID) (name string, birthDate calendar.Day, err error)

// Pages are the citizen's screens of bank accounts.
type Pages struct {
	service *Service
	holder  Holder
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, holder Holder, pages *web.Pages) *Pages {
	return &Pages{service, holder, pages}
}

type accountsView struct {
	web.Frame
	Form     *web.Form
	Accounts []accountLine
	Full     bool
}

type accountLine struct {
	ID           uuid.UUID
	Bank, Number string
	LinkedAt     time.Time
}

type linkView struct {
	web.Frame
	Form       *web.Form
	Banks      []refdata.Bank
	Next       string
	Elsewhere  bool // the bank says that the account is not the citizen's own
	NotAnswers bool
}

type unlinkView struct {
	web.Frame
	Form    *web.Form
	Account accountLine
}

var (
	accountsPage = web.NewPage[accountsView](web.Phone, "banking/accounts")
	linkPage     = web.NewPage[linkView](web.Phone, "banking/link")
	unlinkPage   = web.NewPage[unlinkView](web.Phone, "banking/unlink")
)

func lineOf(a Account) accountLine {
	return accountLine{a.ID, BankName(a.BankCode), a.NumberMasked, a.LinkedAt}
}

// BankName is a bank's name on screens, or its code if it has none here.
func BankName(code string) string {
	if bank, known := refdata.BankOf(code); known {
		return bank.Name
	}
	return code
}

// Accounts lists a citizen's linked accounts: GET /my/bank-accounts.
func (p *Pages) Accounts(c echo.Context) error {
	ctx := c.Request().Context()
	accounts, err := p.service.Accounts(ctx, auth.From(ctx).ID)
	if err != nil {
		return err
	}
	view := accountsView{Form: web.EmptyForm(), Full: len(accounts) >= accountsMost}
	for _, account := range accounts {
		view.Accounts = append(view.Accounts, lineOf(account))
	}
	return accountsPage.Show(c, p.pages, view)
}

// LinkForm asks for the account: GET /my/bank-accounts/new?next=.
func (p *Pages) LinkForm(c echo.Context) error {
	return linkPage.Show(c, p.pages, linkView{Form: web.EmptyForm(), Banks: citizensBanks(), Next: c.QueryParam("next")})
}

// citizensBanks are the banks at which a citizen can have an account.
func citizensBanks() (banks []refdata.Bank) {
	for _, bank := range refdata.Banks() {
		switch bank.Code {
		case "001", "008", refdata.TestBank: // the central bank and the export-import bank keep none for citizens
		default:
			banks = append(banks, bank)
		}
	}
	return banks
}

// Link links the account after the bank has confirmed its holder:
// POST /my/bank-accounts.
func (p *Pages) Link(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	const typedMost = 40 // 16 digits with room for hyphens and spaces
	in := LinkInput{BankCode: form.Text("bank_code", 3), AccountNumber: form.Text("account_number", typedMost)}
	next := form.Optional("next", 300)
	err = form.Err()
	if err == nil {
		err = p.link(c.Request().Context(), in)
	}
	if err != nil {
		view := linkView{
			Form: form, Banks: citizensBanks(), Next: next,
			Elsewhere: errors.Is(err, ErrHolderDiffers), NotAnswers: errors.Is(err, ErrBankUnavailable),
		}
		return linkPage.Refuse(c, p.pages, form, shownHere(err), view)
	}
	return web.Redirect(c, web.LocalPath(next, "/my/bank-accounts"))
}

func (p *Pages) link(ctx context.Context, in LinkInput) (err error) {
	in.CitizenID = auth.From(ctx).ID
	if in.Name, in.BirthDate, err = p.holder(ctx, in.CitizenID); err != nil {
		return err
	}
	_, err = p.service.Link(ctx, in)
	return err
}

// shownHere lets the form itself say that the bank does not answer, so that
// nothing that was typed is lost.
func shownHere(err error) error {
	if f, ok := fault.Of(err); ok && errors.Is(err, ErrBankUnavailable) {
		g := *f
		g.Kind = fault.Conflict
		return &g
	}
	return err
}

// UnlinkForm asks before an account is unlinked: GET /my/bank-accounts/{id}/unlink.
func (p *Pages) UnlinkForm(c echo.Context) error {
	account, err := p.accountOf(c)
	if err != nil {
		return err
	}
	return unlinkPage.Show(c, p.pages, unlinkView{Form: web.EmptyForm(), Account: lineOf(account)})
}

// Unlink forgets an account: POST /my/bank-accounts/{id}/unlink.
func (p *Pages) Unlink(c echo.Context) error {
	account, err := p.accountOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := p.service.Unlink(ctx, account.CitizenID, account.ID); err != nil {
		return err
	}
	return web.Redirect(c, "/my/bank-accounts")
}

func (p *Pages) accountOf(c echo.Context) (Account, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return Account{}, ErrAccountUnknown
	}
	ctx := c.Request().Context()
	return p.service.Account(ctx, auth.From(ctx).ID, id)
}
