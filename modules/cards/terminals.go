package cards

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// Stray is a terminal that belongs to no shop, or to the wrong one.
type Stray struct {
	TenantID       tenant.ID
	ID             uuid.UUID
	Issuer         string
	MerchantNumber string
	Terminal       string
	BizNo          string
	Name           string
	Address        string
	Cause          string // import, declined or wrong-shop
	Declined       int64  // payments
	State          string // open, mapped or dismissed
	MerchantID     *uuid.UUID
	FirstAt        time.Time
	LastAt         time.Time
}

// noteStray puts a terminal before the staff, once however often it is seen.
func (s *Service) noteStray(ctx context.Context, t Stray) error {
	t.TenantID, t.ID, t.State, t.FirstAt, t.LastAt = tenant.From(ctx), uuid.Must(uuid.NewV7()), "open", s.now(), s.now()
	return s.store.upsertStray(ctx, t)
}

// Map says in which shop a terminal stands. A terminal of another shop moves.
func (s *Service) Map(ctx context.Context, issuer, merchantNumber, terminal string, merchant uuid.UUID) error {
	m := Message{Issuer: issuer, Key: "-", Token: "-", MerchantNumber: merchantNumber, Terminal: terminal}
	if err := m.validate(1); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.merchants.Get(ctx, merchant); err != nil {
			return err
		}
		if err := s.store.mapTerminal(ctx, m, merchant, s.now()); err != nil {
			return err
		}
		return s.changed(ctx, "terminal", placeKey(issuer, merchantNumber, terminal))
	})
}
