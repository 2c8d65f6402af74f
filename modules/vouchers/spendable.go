package vouchers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/gather"
	"jangteo/app/tenant"
)

// facts remembers what payments ask about wallets, so that a payment costs no
// query once its wallet is known. Of a wallet nothing that is kept here ever
// changes, but that a later lot may outlive the last one.
type facts struct {
	mu      *sync.RWMutex
	wallets map[tenant.Key]walletFact
	only    map[owner]onlyFact
}

type walletFact struct {
	citizen    uuid.UUID
	programme  uuid.UUID
	lastExpiry time.Time
}

type owner struct {
	tenant  tenant.ID
	citizen uuid.UUID
}

// onlyFact is the single wallet of a citizen in a municipality. Another server
// may open a second one, so it is believed for a while only.
type onlyFact struct {
	wallet uuid.UUID
	until  time.Time
}

const (
	factsMost = 200_000 // about 40 MB; full, it is emptied and fills again
	onlyFor   = 30 * time.Second
)

func newFacts() facts {
	return facts{mu: new(sync.RWMutex), wallets: map[tenant.Key]walletFact{}, only: map[owner]onlyFact{}}
}

func (f facts) wallet(key tenant.Key) (walletFact, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fact, ok := f.wallets[key]
	return fact, ok
}

func (f facts) keepWallet(key tenant.Key, fact walletFact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.wallets) >= factsMost {
		clear(f.wallets)
	}
	f.wallets[key] = fact
}

func (f facts) onlyWallet(of owner, now time.Time) (uuid.UUID, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fact, ok := f.only[of]
	return fact.wallet, ok && now.Before(fact.until)
}

func (f facts) keepOnly(of owner, fact onlyFact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.only) >= factsMost {
		clear(f.only)
	}
	f.only[of] = fact
}

func (f facts) forget(of owner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.only, of)
}

// forgetAfterCommit is called where a wallet is opened.
func (s *Service) forgetAfterCommit(ctx context.Context, citizen uuid.UUID) {
	of := owner{tenant.From(ctx), citizen}
	db.AfterCommit(ctx, func() { s.known.forget(of) })
}

// Spendable tells a payment what it must know of a citizen's wallet. Without a
// wallet (uuid.Nil) it is the one that the order of spending names: allowances before
// bought voucher, and what expires first; an empty one only if all are empty.
// It refuses with ErrWalletUnknown, another citizen's or municipality's wallet
// included, and ErrWalletExpired.
func (s *Service) Spendable(ctx context.Context, citizen, wallet uuid.UUID) (Spendable, error) {
	now := s.now()
	if wallet == uuid.Nil {
		var err error
		if wallet, err = s.choose(ctx, citizen, now); err != nil {
			return Spendable{}, err
		}
	}
	fact, err := s.walletFact(ctx, wallet, now)
	if err != nil {
		return Spendable{}, err
	}
	if fact.citizen != citizen {
		return Spendable{}, ErrWalletUnknown
	}
	if !fact.lastExpiry.IsZero() && now.After(fact.lastExpiry) {
		return Spendable{}, ErrWalletExpired.With("expired_at", fact.lastExpiry)
	}
	p, err := s.Programme(ctx, fact.programme)
	if err != nil {
		return Spendable{}, err
	}
	policy, ok := p.spending(now)
	if !ok {
		return Spendable{}, ErrProgrammeNotOpen.With("programme", p.ID)
	}
	return Spendable{wallet, p.ID, citizen, p.Kind, policy}, nil
}

// walletFact reads a wallet once, and again when its last lot seems over. Those
// who ask at the same time ask together.
func (s *Service) walletFact(ctx context.Context, id uuid.UUID, now time.Time) (walletFact, error) {
	key := tenant.Key{Tenant: tenant.From(ctx), ID: id}
	if fact, ok := s.known.wallet(key); ok && !now.After(fact.lastExpiry) {
		return fact, nil
	}
	fact, err := s.facts.Ask(ctx, key)
	if errors.Is(err, gather.ErrNotFound) {
		return walletFact{}, ErrWalletUnknown
	}
	if err == nil && !fact.lastExpiry.IsZero() {
		s.known.keepWallet(key, fact)
	}
	return fact, db.Unavailable(err)
}

// purse is one of a citizen's wallets in a municipality, and how many there are.
type purse struct {
	wallet  uuid.UUID
	wallets int
	walletFact
}

// choose finds the wallet that a payment draws on when the citizen named none.
// Nearly everybody has one, and those who ask at the same time ask together.
func (s *Service) choose(ctx context.Context, citizen uuid.UUID, now time.Time) (uuid.UUID, error) {
	of := owner{tenant.From(ctx), citizen}
	if id, ok := s.known.onlyWallet(of, now); ok {
		return id, nil
	}
	one, err := s.purses.Ask(ctx, tenant.Key{Tenant: of.tenant, ID: citizen})
	switch {
	case errors.Is(err, gather.ErrNotFound):
		return uuid.Nil, ErrWalletUnknown
	case err != nil:
		return uuid.Nil, db.Unavailable(err)
	case one.wallets == 1:
		if !one.lastExpiry.IsZero() {
			s.known.keepWallet(tenant.Key{Tenant: of.tenant, ID: one.wallet}, one.walletFact)
		}
		s.known.keepOnly(of, onlyFact{one.wallet, now.Add(onlyFor)})
		return one.wallet, nil
	}
	all, err := s.Wallets(ctx, citizen)
	here := slices.DeleteFunc(all, func(w Wallet) bool { return w.TenantID != of.tenant })
	if err != nil || len(here) == 0 {
		return uuid.Nil, firstOf(err, ErrWalletUnknown)
	}
	return slices.MinFunc(here, func(a, b Wallet) int { return spendingOrder(a, b, now) }).ID, nil
}

// spendingOrder puts first what is spent first.
func spendingOrder(a, b Wallet, now time.Time) int {
	later := func(w Wallet) int { // first what has something to spend, last what has nothing
		switch {
		case w.Balance == 0 || w.ExpiresAt == nil || now.After(*w.ExpiresAt):
			return 2
		case w.Programme.Kind != Allowance:
			return 1
		}
		return 0
	}
	if order := cmp.Compare(later(a), later(b)); order != 0 {
		return order
	}
	if a.ExpiresAt != nil && b.ExpiresAt != nil {
		if order := a.ExpiresAt.Compare(*b.ExpiresAt); order != 0 {
			return order
		}
	}
	return slices.Compare(a.ID[:], b.ID[:])
}
