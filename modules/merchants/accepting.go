package merchants

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/gather"
	"jangteo/app/tenant"
)

const (
	cachedMost   = 100_000 // of each generation; an entry is about 200 bytes
	pollEvery    = 2 * time.Second
	trustedFor   = 10 * time.Second // without a successful poll the memory is not believed
	changesKept  = time.Hour
	changesMost  = 5_000
	changesTopic = "merchants"
)

// shop is what the memory keeps: little, since there are two million nationally.
type shop struct {
	Accepting
	State State
}

// memory remembers shops that payments asked for. It has two generations: when
// the young one is full it becomes the old one, and what nobody asked for in
// the meantime is forgotten with the generation before.
type memory struct {
	mu         sync.Mutex
	young, old map[tenant.Key]shop
	payees     map[tenant.Key]uuid.UUID // the shop of an account in the ledger, which never changes
	most       int
	polledAt   time.Time
	forgotten  uint64 // counts evictions, so that a load that one overtook is not kept
}

func newMemory(most int) *memory {
	return &memory{young: map[tenant.Key]shop{}, old: map[tenant.Key]shop{}, payees: map[tenant.Key]uuid.UUID{}, most: most}
}

// get returns a remembered shop, and the count to hand to put.
func (m *memory) get(key tenant.Key, now time.Time) (found shop, ok bool, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.polledAt) > trustedFor {
		return shop{}, false, m.forgotten
	}
	if found, ok = m.young[key]; ok {
		return found, true, 0
	}
	if found, ok = m.old[key]; ok {
		m.keep(key, found)
	}
	return found, ok, m.forgotten
}

// put remembers what was loaded, unless something was forgotten meanwhile.
func (m *memory) put(key tenant.Key, loaded shop, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if count == m.forgotten {
		m.keep(key, loaded)
	}
}

func (m *memory) keep(key tenant.Key, s shop) {
	if len(m.young) >= m.most {
		m.old, m.young = m.young, make(map[tenant.Key]shop, m.most/4)
	}
	m.young[key] = s
	if len(m.payees) >= 2*m.most {
		clear(m.payees)
	}
	m.payees[tenant.Key{Tenant: key.Tenant, ID: s.PayableID}] = key.ID
}

// payee is the shop of an account, if it is known.
func (m *memory) payee(account tenant.Key) (shop uuid.UUID, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	shop, ok = m.payees[account]
	return shop, ok
}

func (m *memory) forget(keys ...tenant.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.young, key)
		delete(m.old, key)
	}
	m.forgotten++
}

// polled says until when the memory is believed. After a gap nobody knows what
// was missed, so everything is forgotten.
func (m *memory) polled(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.Sub(m.polledAt) > trustedFor {
		m.reset()
	}
	m.polledAt = at
}

func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset()
}

func (m *memory) reset() {
	m.young, m.old = map[tenant.Key]shop{}, map[tenant.Key]shop{}
	m.forgotten++
}

// Accepting returns a shop that may take a payment now, or ErrUnknown or
// ErrNotAccepting. When the shop was asked for lately it asks no database.
func (s *Service) Accepting(ctx context.Context, id uuid.UUID) (Accepting, error) {
	key := tenant.Key{Tenant: tenant.From(ctx), ID: id}
	found, ok, count := s.memory.get(key, s.now())
	if !ok {
		var err error
		if found, err = s.load(ctx, key); err != nil {
			return Accepting{}, err
		}
		s.memory.put(key, found, count)
	}
	if found.State != Approved {
		return Accepting{}, ErrNotAccepting.With("merchant_id", id)
	}
	return found.Accepting, nil
}

// Payees tells whose the accounts in the ledger are; those of no shop are left
// out. What was asked for lately asks no database.
func (s *Service) Payees(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]Payee, error) {
	shops, err := s.shopsOf(ctx, accounts)
	if err != nil {
		return nil, err
	}
	found := make(map[uuid.UUID]Payee, len(accounts))
	var unknown []tenant.Key
	_, _, count := s.memory.get(tenant.Key{}, s.now())
	for account, id := range shops {
		key := tenant.Key{Tenant: tenant.From(ctx), ID: id}
		if known, ok, _ := s.memory.get(key, s.now()); ok {
			found[account] = Payee{id, known.Name}
			continue
		}
		unknown = append(unknown, key)
	}
	loaded, err := s.shops.AskAll(ctx, unknown)
	for key, one := range loaded {
		s.memory.put(key, one, count)
		found[one.PayableID] = Payee{key.ID, one.Name}
	}
	return found, db.Unavailable(err)
}

// shopsOf finds the shops of accounts.
func (s *Service) shopsOf(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	shops := make(map[uuid.UUID]uuid.UUID, len(accounts))
	var unknown []uuid.UUID
	for _, account := range accounts {
		if id, ok := s.memory.payee(tenant.Key{Tenant: tenant.From(ctx), ID: account}); ok {
			shops[account] = id
			continue
		}
		unknown = append(unknown, account)
	}
	if len(unknown) == 0 {
		return shops, nil
	}
	return shops, s.db.Tx(ctx, func(ctx context.Context) error {
		found, err := s.store.ofPayables(ctx, unknown)
		for _, f := range found {
			shops[f.PayableID] = f.ID
		}
		return err
	})
}

// load reads a shop; those who ask at the same time ask together.
func (s *Service) load(ctx context.Context, key tenant.Key) (shop, error) {
	found, err := s.shops.Ask(ctx, key)
	if errors.Is(err, gather.ErrNotFound) {
		return shop{}, ErrUnknown.With("merchant_id", key.ID)
	}
	return found, db.Unavailable(err)
}

// Run keeps the memory fresh until ctx ends: by news within milliseconds, by a
// poll behind it.
func (s *Service) Run(ctx context.Context) {
	news, cancel := s.live.Subscribe(changesTopic)
	defer cancel()
	timer := time.NewTicker(pollEvery)
	defer timer.Stop()
	for {
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("merchants' changes were not read", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case m := <-news:
			var c change
			if json.Unmarshal(m.Data, &c) == nil {
				s.memory.forget(tenant.Key{Tenant: c.TenantID, ID: c.MerchantID})
			}
		}
	}
}

// Refresh forgets the shops that changed lately. A change commits after its
// time was taken, so each poll looks back over the longest transaction.
func (s *Service) Refresh(ctx context.Context) error {
	const longestTransaction = 30 * time.Second
	began := s.now()
	since := began.Add(-trustedFor - longestTransaction)
	var changed []change
	err := s.db.Aside(ctx, func(ctx context.Context) (err error) {
		changed, err = s.store.changes(ctx, since)
		return err
	})
	if err != nil {
		return err
	}
	if len(changed) == changesMost { // more than one looks through: start anew
		s.memory.clear()
	}
	keys := make([]tenant.Key, 0, len(changed))
	for _, c := range changed {
		if !s.seen.add(c.ID, c.At) {
			keys = append(keys, tenant.Key{Tenant: c.TenantID, ID: c.MerchantID})
		}
	}
	if len(keys) > 0 {
		s.memory.forget(keys...)
	}
	s.seen.dropBefore(since)
	s.memory.polled(began)
	return nil
}

// change is a row of merchants.changes.
type change struct {
	ID         uuid.UUID `json:"id"`
	TenantID   tenant.ID `json:"tenant_id"`
	MerchantID uuid.UUID `json:"merchant_id"`
	At         time.Time `json:"at"`
}

// seenChanges remembers which changes were handled, so that looking back does
// not forget a shop again and again.
type seenChanges struct {
	mu sync.Mutex
	at map[uuid.UUID]time.Time
}

func (s *seenChanges) add(id uuid.UUID, at time.Time) (already bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, already = s.at[id]
	s.at[id] = at
	return already
}

func (s *seenChanges) dropBefore(when time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range s.at {
		if at.Before(when) {
			delete(s.at, id)
		}
	}
}

// changed tells every server, inside the transaction of a change; this one
// knows as soon as it has committed.
func (s *Service) changed(ctx context.Context, id uuid.UUID) error {
	c := change{uuid.Must(uuid.NewV7()), tenant.From(ctx), id, s.now()}
	if err := s.store.insertChange(ctx, c, s.now().Add(-changesKept)); err != nil {
		return err
	}
	db.AfterCommit(ctx, func() { s.memory.forget(tenant.Key{Tenant: c.TenantID, ID: c.MerchantID}) })
	return s.live.Publish(ctx, changesTopic, "changed", c)
}
