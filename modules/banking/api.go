package banking

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/refdata"
)

// API is the JSON face for the citizens' apps.
type API struct {
	service *Service
	holder  Holder
}

// NewAPI answers from service; holder tells who a citizen is.
func NewAPI(service *Service, holder Holder) *API { return &API{service, holder} }

// AccountReply is a citizen's linked account.
type AccountReply struct {
	ID            uuid.UUID `json:"id"`
	BankCode      string    `json:"bank_code" example:"004"`
	BankName      string    `json:"bank_name" example:"KB국민은행"`
	AccountNumber string    `json:"account_number" doc:"Masked"`
	LinkedAt      time.Time `json:"linked_at"`
}

func accountReply(a Account) AccountReply {
	bank, _ := refdata.BankOf(a.BankCode)
	return AccountReply{ID: a.ID, BankCode: a.BankCode, BankName: bank.Name, AccountNumber: a.NumberMasked, LinkedAt: a.LinkedAt}
}

// AccountsRequest asks for one's own.
type AccountsRequest struct{}

// AccountsReply lists a citizen's linked accounts, the newest first.
type AccountsReply struct {
	Body struct {
		Items      []AccountReply `json:"items"`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

// Accounts answers GET /me/bank-accounts.
func (a *API) Accounts(ctx context.Context, _ *AccountsRequest) (*AccountsReply, error) {
	accounts, err := a.service.Accounts(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	out := &AccountsReply{}
	out.Body.Items = make([]AccountReply, len(accounts))
	for i, account := range accounts {
		out.Body.Items[i] = accountReply(account)
	}
	return out, nil
}

// LinkRequest links an account of one's own.
type LinkRequest struct {
	Body struct {
		BankCode      string `json:"bank_code" minLength:"1" maxLength:"3" example:"004" doc:"The clearing institute's three digits"`
		AccountNumber string `json:"account_number" minLength:"1" maxLength:"32" example:"123-456789-01" doc:"8 to 16 digits; hyphens and spaces are dropped"`
	}
}

// LinkReply is the linked account.
type LinkReply struct{ Body AccountReply }

// Link answers POST /me/bank-accounts. The bank confirms that its holder is the
// person that the identity check found. Linking it again answers the same one.
func (a *API) Link(ctx context.Context, in *LinkRequest) (*LinkReply, error) {
	me := auth.From(ctx).ID
	name, birthDate, err := a.holder(ctx, me)
	if err != nil {
		return nil, err
	}
	account, err := a.service.Link(ctx, LinkInput{
		CitizenID: me, BankCode: in.Body.BankCode, AccountNumber: in.Body.AccountNumber, Name: name, BirthDate: birthDate,
	})
	if err != nil {
		return nil, err
	}
	return &LinkReply{accountReply(account)}, nil
}
