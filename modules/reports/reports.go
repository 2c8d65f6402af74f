// Package reports is what staff, auditors and the public read: figures, lists,
// objects with their history, and the verification of the books.
//
// It owns schema reports, where the results of verifications are kept. All else
// it asks of the other modules, and of one municipality at a time.
//
// It holds these to be true, always:
//   - a citizen who holds nothing in a municipality does not exist for its staff;
//   - personal data is masked, unless somebody gives a reason that is kept;
//   - what is downloaded is bounded, and the audit log says by whom.
package reports

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/tenant"
	"jangteo/modules/cards"
	"jangteo/modules/citizens"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/settlement"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

// Services are what there is to read, and the kits that it takes.
type Services struct {
	DB         *db.DB
	Audit      *audit.Log
	Now        clock.Now
	Tenants    *tenants.Service
	Ledger     *ledger.Service
	Citizens   *citizens.Service
	Merchants  *merchants.Service
	Vouchers   *vouchers.Service
	Payments   *payments.Service
	Cards      *cards.Service // nil: no cards are linked
	Settlement *settlement.Service
	Approvals  *approvals.Approvals
}

// Service puts together what several modules know.
type Service struct {
	Services
	store store
}

// New reads from what it is given.
func New(from Services) *Service { return &Service{from, store{from.DB}} }

// WalletsHere lists a citizen's wallets in the municipality of ctx, or answers
// citizens.ErrUnknown: its staff know nobody else.
func (s *Service) WalletsHere(ctx context.Context, citizen uuid.UUID) (here []vouchers.Wallet, err error) {
	all, err := s.Vouchers.Wallets(ctx, citizen)
	for _, w := range all {
		if w.TenantID == tenant.From(ctx) {
			here = append(here, w)
		}
	}
	if err == nil && len(here) == 0 {
		err = citizens.ErrUnknown
	}
	return here, err
}

// citizensMost bounds what a search for people returns.
const citizensMost = 50

// FindCitizens looks people of this municipality up by exact telephone number,
// exact name, id or the id of a wallet.
func (s *Service) FindCitizens(ctx context.Context, query string) (found []citizens.Citizen, err error) {
	var candidates []citizens.Citizen
	if id, err := uuid.Parse(query); err == nil {
		candidates, err = s.citizenByID(ctx, id)
		if err != nil {
			return nil, err
		}
	} else if candidates, err = s.Citizens.Find(ctx, query, citizensMost); err != nil {
		return nil, err
	}
	for _, c := range candidates {
		if _, err := s.WalletsHere(ctx, c.ID); err == nil {
			found = append(found, c)
		} else if !isUnknown(err) {
			return nil, err
		}
	}
	return found, nil
}

func (s *Service) citizenByID(ctx context.Context, id uuid.UUID) ([]citizens.Citizen, error) {
	account, err := s.Ledger.Account(ctx, id)
	if err == nil && account.Kind == ledger.Wallet && account.OwnerID != nil {
		id = *account.OwnerID
	} else if err != nil && !isUnknown(err) {
		return nil, err
	}
	c, err := s.Citizens.Get(ctx, id)
	if isUnknown(err) {
		return nil, nil
	}
	return []citizens.Citizen{c}, err
}

// Reveal shows a citizen of this municipality in the clear, for a reason that
// is kept with who looked.
func (s *Service) Reveal(ctx context.Context, citizen uuid.UUID, reason string) (citizens.Personal, error) {
	if _, err := s.WalletsHere(ctx, citizen); err != nil {
		return citizens.Personal{}, err
	}
	return s.Citizens.Reveal(ctx, citizen, reason)
}

// record keeps in the audit log what somebody did here.
func (s *Service) record(ctx context.Context, change audit.Change) error {
	return s.DB.Tx(ctx, func(ctx context.Context) error { return s.Audit.Changed(ctx, change) })
}
