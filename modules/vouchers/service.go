package vouchers

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/gather"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/tenants"
)

// Kits are what this module needs of the platform.
type Kits struct {
	DB        *db.DB
	Lane      *db.DB // may look across tenants
	Keys      *idem.Keys
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Approvals *approvals.Approvals
	Now       clock.Now
	Log       *slog.Logger
}

// Service is what other modules call.
type Service struct {
	db      *db.DB
	store   store
	keys    *idem.Keys
	outbox  *outbox.Outbox
	audit   *audit.Log
	now     clock.Now
	log     *slog.Logger
	ledger  *ledger.Service
	tenants *tenants.Service
	banking *banking.Service
	rules   rules
	known   facts
	facts   *gather.Desk[tenant.Key, walletFact]
	held    *gather.Desk[uuid.UUID, []Wallet] // by citizen
	purses  *gather.Desk[tenant.Key, purse]

	amendments  *approvals.Kind[Amendment]
	corrections *approvals.Kind[CorrectionOrder]
	budget      *approvals.Kind[FundingOrder]

	openings *approvals.Kind[OpeningOrder]
	closings *approvals.Kind[SaleClosing]

	people Names
	born   BirthDates
}

// purpose is what banking knows purchases by.
const purpose = "purchase"

// New sells vouchers. It registers with banking, so it is called once.
func New(kits Kits, l *ledger.Service, t *tenants.Service, b *banking.Service) *Service {
	s := &Service{
		db: kits.DB, store: store{kits.DB, kits.Lane}, keys: kits.Keys, outbox: kits.Outbox, audit: kits.Audit, now: kits.Now, log: kits.Log,
		ledger: l, tenants: t, banking: b, known: newFacts(),
	}
	s.facts = gather.NewDesk(1, kits.Lane.Patience(), s.store.walletFacts)
	s.held = gather.NewDesk(1, kits.Lane.Patience(), s.walletsHeld)
	s.purses = gather.NewDesk(1, kits.Lane.Patience(), s.store.purses)
	b.OnSettled(purpose, s.settle)
	s.register(kits.Approvals)
	return s
}

// Page asks for a part of a list, newest first; zero values begin it.
type Page struct {
	Before uuid.UUID // the last id of the page before
	Limit  int       // 1 to 200
}

const pageMost = 200

func (p Page) limit() int { return min(max(p.Limit, 1), pageMost) }

// Wallets lists a citizen's wallets in all municipalities, in the order in
// which they were opened.
func (s *Service) Wallets(ctx context.Context, citizen uuid.UUID) ([]Wallet, error) {
	held, err := s.held.AskAll(ctx, []uuid.UUID{citizen})
	if err != nil {
		return nil, db.Unavailable(err)
	}
	wallets := slices.Clone(held[citizen]) // others may have asked for the same
	for i := range wallets {
		w := &wallets[i]
		if w.Programme, err = s.Programme(tenant.With(ctx, w.TenantID), w.ProgrammeID); err != nil {
			return nil, err
		}
	}
	return wallets, nil
}

// walletsHeld reads the wallets of many citizens with what is in them. A lot
// that comes between the statements is one more that is not spent.
func (s *Service) walletsHeld(ctx context.Context, citizens []uuid.UUID) (map[uuid.UUID][]Wallet, error) {
	found, err := s.store.walletsHeld(ctx, citizens)
	if err != nil {
		return nil, err
	}
	var keys []tenant.Key
	for _, wallets := range found {
		for _, w := range wallets {
			keys = append(keys, w.key())
		}
	}
	holdings, err := s.ledger.Held(ctx, keys)
	if err != nil {
		return nil, err
	}
	expiries, err := s.store.nextExpiries(ctx, holdings)
	if err != nil {
		return nil, err
	}
	for _, wallets := range found {
		for i := range wallets {
			w := &wallets[i]
			w.Balance = holdings[w.key()].Balance
			if at, ok := expiries[w.key()]; ok {
				w.ExpiresAt = &at
			}
		}
	}
	return found, nil
}

// Members lists citizens with a wallet in a municipality after one (uuid.Nil:
// from the first), in the order of their ids.
func (s *Service) Members(ctx context.Context, id tenant.ID, after uuid.UUID, limit int) (citizens []uuid.UUID, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		citizens, err = s.store.members(ctx, id, after, limit)
		return err
	})
	return citizens, err
}

// fill adds to a wallet what other places know of it.
func (s *Service) fill(ctx context.Context, w *Wallet) error {
	account, err := s.ledger.Account(ctx, w.ID)
	if err != nil {
		return err
	}
	w.Balance = account.Balance
	if w.Programme, err = s.Programme(ctx, w.ProgrammeID); err != nil {
		return err
	}
	lots, err := s.store.lots(ctx, w.ID, account.Spent, lotFilter{unspent: true, limit: 1})
	if err == nil && len(lots) == 1 {
		w.ExpiresAt = &lots[0].ExpiresAt
	}
	return err
}

// Wallet returns one of a citizen's wallets, in whatever municipality it is.
// Another citizen's is unknown.
func (s *Service) Wallet(ctx context.Context, citizen, id uuid.UUID) (w Wallet, err error) {
	at, err := s.tenantOf(ctx, citizen, id)
	if err != nil {
		return w, err
	}
	ctx = tenant.With(ctx, at)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if w, err = s.store.wallet(ctx, id); err != nil {
			return err
		}
		return s.fill(ctx, &w)
	})
	return w, err
}

// tenantOf finds where a citizen's wallet is.
func (s *Service) tenantOf(ctx context.Context, citizen, wallet uuid.UUID) (id tenant.ID, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		id, err = s.store.tenantOf(ctx, citizen, wallet)
		return err
	})
	return id, err
}

// Lots lists what was put into a citizen's wallet in the order in which it is
// spent, with what is left of each; after is the Seq of the page before.
func (s *Service) Lots(ctx context.Context, citizen, wallet uuid.UUID, after, limit int) (lots []Lot, err error) {
	return s.lotsOf(ctx, citizen, wallet, lotFilter{after: after, limit: Page{Limit: limit}.limit()})
}

func (s *Service) lotsOf(ctx context.Context, citizen, wallet uuid.UUID, f lotFilter) (lots []Lot, err error) {
	at, err := s.tenantOf(ctx, citizen, wallet)
	if err != nil {
		return nil, err
	}
	err = s.db.Tx(tenant.With(ctx, at), func(ctx context.Context) error {
		account, err := s.ledger.Account(ctx, wallet)
		if err != nil {
			return err
		}
		lots, err = s.store.lots(ctx, wallet, account.Spent, f)
		return err
	})
	return lots, err
}

// Issue is what was sold on a day or of a programme.
type Issue struct {
	Count   int64
	Amount  money.Amount
	Paid    money.Amount
	Subsidy money.Amount
}

// IssueOf sums what was sold on a day in Seoul.
func (s *Service) IssueOf(ctx context.Context, day calendar.Day) (issue Issue, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		issue, err = s.store.issue(ctx, day.Start(), day.Next().Start())
		return err
	})
	return issue, err
}

// PurchaseFilter narrows a listing of purchases; zero values do not.
type PurchaseFilter struct {
	Citizen   uuid.UUID
	Wallet    uuid.UUID
	Programme uuid.UUID
	State     State
	From, To  time.Time // of the request, To excluded
	Page
}

// Purchases lists the municipality's purchases, newest first, without their lots.
func (s *Service) Purchases(ctx context.Context, f PurchaseFilter) (list []Purchase, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.purchases(ctx, f)
		return err
	})
	return list, err
}

// PurchaseOf returns a citizen's own purchase with its lot; another's is unknown.
func (s *Service) PurchaseOf(ctx context.Context, citizen, id uuid.UUID) (Purchase, error) {
	p, err := s.FindPurchase(ctx, id)
	if err == nil && p.CitizenID != citizen {
		return Purchase{}, ErrPurchaseUnknown
	}
	return p, err
}

// FindPurchase returns any purchase of the municipality with its lot.
func (s *Service) FindPurchase(ctx context.Context, id uuid.UUID) (p Purchase, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if p, err = s.store.purchase(ctx, id); err != nil || p.State != Completed {
			return err
		}
		lot, err := s.store.lotOf(ctx, id)
		p.Lot = &lot
		return err
	})
	return p, err
}
