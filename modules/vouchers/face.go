package vouchers

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Face is how a municipality's voucher is shown to citizens.
type Face struct {
	Tenant  tenant.ID
	Voucher string // 영등포사랑상품권
	Place   string // 서울특별시 영등포구
	Accent  int    // its colour, 1 to 12
}

// Face tells how the voucher of a municipality is shown to a reader of lang.
func (s *Service) Face(ctx context.Context, id tenant.ID, lang string) (Face, error) {
	t, err := s.tenants.Get(ctx, id)
	return Face{id, t.VoucherNameIn(lang), t.NameIn(lang), t.Accent}, err
}

// Beside is a programme's name where it stands beside its voucher's: empty if
// the two are the same.
func (f Face) Beside(p Programme, lang string) string {
	if name := p.NameIn(lang); name != f.Voucher {
		return name
	}
	return ""
}

// HasBankAccount tells whether a citizen has linked an account to buy from.
func (s *Service) HasBankAccount(ctx context.Context, citizen uuid.UUID) (bool, error) {
	accounts, err := s.banking.Accounts(ctx, citizen)
	return len(accounts) > 0, err
}

// Ticket is a wallet as citizens see it; the partial "wallet" draws it.
type Ticket struct {
	Accent             int
	Voucher, Programme string // Programme is empty if it is called as the voucher is
	Balance            money.Amount
	Until              string // when the first of it expires; empty if nothing is left
	URL, PayURL        string
	BuyURL             string // empty if it cannot be bought now
}

func (s *Service) ticket(w Wallet, face Face, lang string) Ticket {
	t := Ticket{
		Accent: face.Accent, Voucher: face.Voucher, Programme: face.Beside(w.Programme, lang), Balance: w.Balance,
		URL: "/my/wallets/" + w.TenantID.String() + "/" + w.ID.String(), PayURL: "/my/pay?tenant=" + w.TenantID.String(),
	}
	if w.ExpiresAt != nil && w.Balance > 0 {
		t.Until = calendar.DayOf(*w.ExpiresAt).Long(lang)
	}
	if _, open := w.Programme.OnSale(s.now()); open {
		t.BuyURL = buyURL(w.Programme)
	}
	return t
}

// Tickets lists a citizen's wallets as tickets for a reader of lang, together
// with the purchases that the bank has not decided yet.
func (s *Service) Tickets(ctx context.Context, wallets []Wallet, lang string) (tickets []Ticket, underWay []Purchase, err error) {
	for _, w := range wallets {
		face, err := s.Face(ctx, w.TenantID, lang)
		if err != nil {
			return nil, nil, err
		}
		tickets = append(tickets, s.ticket(w, face, lang))
	}
	for _, id := range placesOf(wallets) {
		ctx := tenant.With(ctx, id)
		for _, state := range []State{Requested, Pending} {
			const recent = 31 * 24 * time.Hour
			purchases, err := s.Purchases(ctx, PurchaseFilter{
				Citizen: wallets[0].CitizenID, State: state, From: s.now().Add(-recent), Page: Page{Limit: 5},
			})
			if err != nil {
				return nil, nil, err
			}
			underWay = append(underWay, purchases...)
		}
	}
	return tickets, underWay, nil
}

func placesOf(wallets []Wallet) (ids []tenant.ID) {
	for _, w := range wallets {
		if !slices.Contains(ids, w.TenantID) {
			ids = append(ids, w.TenantID)
		}
	}
	return ids
}
