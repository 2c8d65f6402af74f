package merchants

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/gather"
	"jangteo/app/recall"
	"jangteo/app/tenant"
)

const (
	rememberedMost = 100_000 // of each generation; an entry is about 200 bytes
	changesTopic   = "merchants"
)

// shop is what the memory keeps: little, since there are two million nationally.
type shop struct {
	Accepting
	State State
}

// change is a row of merchants.changes.
type change struct {
	ID         uuid.UUID `json:"id"`
	TenantID   tenant.ID `json:"tenant_id"`
	MerchantID uuid.UUID `json:"merchant_id"`
	At         time.Time `json:"at"`
}

// ChangeID is its id.
func (c change) ChangeID() uuid.UUID { return c.ID }

// remember sets up what every server keeps of shops.
func (s *Service) remember(lane *db.DB) {
	s.shops = recall.New(gather.NewDesk(1, lane.Patience(), s.store.shops), rememberedMost, s.now)
	s.owners = recall.New(gather.NewDesk(1, lane.Patience(), s.store.owners), rememberedMost, s.now)
	s.changes = recall.Changes[change]{
		Topic: changesTopic, Hub: s.live, Now: s.now, Log: s.log, Memories: []recall.Kept{s.shops, s.owners},
		Forget: func(c change) { s.shops.Forget(tenant.Key{Tenant: c.TenantID, ID: c.MerchantID}) },
		Since: func(ctx context.Context, since time.Time, most int) (list []change, err error) {
			err = s.db.Aside(ctx, func(ctx context.Context) error {
				list, err = s.store.changes(ctx, since, most)
				return err
			})
			return list, err
		},
	}
}

// Run keeps what is remembered of shops fresh until ctx ends.
func (s *Service) Run(ctx context.Context) { s.changes.Run(ctx) }

// Refresh forgets the shops that changed lately; Run does so by itself.
func (s *Service) Refresh(ctx context.Context) error { return s.changes.Refresh(ctx) }

// changed tells every server, inside the transaction of a change; this one
// knows as soon as it has committed.
func (s *Service) changed(ctx context.Context, id uuid.UUID) error {
	c := change{uuid.Must(uuid.NewV7()), tenant.From(ctx), id, s.now()}
	if err := s.store.insertChange(ctx, c, s.now().Add(-recall.KeptFor)); err != nil {
		return err
	}
	db.AfterCommit(ctx, func() { s.changes.Forget(c) })
	return s.live.Publish(ctx, changesTopic, "changed", c)
}

// Accepting returns a shop that may take a payment now, or ErrUnknown or
// ErrNotAccepting. When the shop was asked for lately it asks no database.
func (s *Service) Accepting(ctx context.Context, id uuid.UUID) (Accepting, error) {
	found, err := s.shops.Of(ctx, tenant.Key{Tenant: tenant.From(ctx), ID: id})
	switch {
	case errors.Is(err, gather.ErrNotFound):
		return Accepting{}, ErrUnknown.With("merchant_id", id)
	case err != nil:
		return Accepting{}, db.Unavailable(err)
	case found.State != Approved:
		return Accepting{}, ErrNotAccepting.With("merchant_id", id)
	}
	return found.Accepting, nil
}

// Names returns the names of shops of the tenant in ctx; unknown ones are left out.
// What was asked for lately asks no database.
func (s *Service) Names(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	found, err := s.shops.All(ctx, tenant.Keys(ctx, ids))
	names := make(map[uuid.UUID]string, len(found))
	for key, one := range found {
		names[key.ID] = one.Name
	}
	return names, db.Unavailable(err)
}

// Payees tells whose the accounts in the ledger are; those of no shop are left
// out. What was asked for lately asks no database.
func (s *Service) Payees(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]Payee, error) {
	owners, err := s.owners.All(ctx, tenant.Keys(ctx, accounts))
	if err != nil {
		return nil, db.Unavailable(err)
	}
	ids := make([]uuid.UUID, 0, len(owners))
	for _, id := range owners {
		ids = append(ids, id)
	}
	names, err := s.Names(ctx, ids)
	payees := make(map[uuid.UUID]Payee, len(owners))
	for account, id := range owners {
		if name, ok := names[id]; ok {
			payees[account.ID] = Payee{id, name}
		}
	}
	return payees, err
}
