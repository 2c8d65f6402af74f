package tenants

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"jangteo/app/audit"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
)

// Service is what other modules call.
type Service struct {
	db       *db.DB
	store    store
	audit    *audit.Log
	now      clock.Now
	log      *slog.Logger
	registry atomic.Pointer[registry]
}

type registry struct {
	byID map[tenant.ID]Tenant
	all  []Tenant // by id
}

// New keeps municipalities in d. Nothing is read until Refresh or the first question.
func New(d *db.DB, log *audit.Log, now clock.Now, logger *slog.Logger) *Service {
	return &Service{db: d, store: store{d}, audit: log, now: now, log: logger}
}

// Seed adds those of the 229 municipalities that are not there yet and leaves
// the others as they are.
func (s *Service) Seed(ctx context.Context) error {
	return s.Register(ctx, refdata.Municipalities()...)
}

// Register adds municipalities that are not there yet.
func (s *Service) Register(ctx context.Context, municipalities ...refdata.Municipality) error {
	list := make([]Tenant, len(municipalities))
	for i, m := range municipalities {
		list[i] = fresh(m)
		list[i].UpdatedAt = s.now()
	}
	err := s.db.Platform(ctx, func(ctx context.Context) error { return s.store.insertMissing(ctx, list) })
	return errors.Join(err, s.Refresh(ctx))
}

// Configure replaces a municipality's settings.
func (s *Service) Configure(ctx context.Context, id tenant.ID, settings Settings) error {
	if err := settings.check(); err != nil {
		return err
	}
	err := s.db.Tx(tenant.With(ctx, id), func(ctx context.Context) error {
		before, err := s.store.lock(ctx, id)
		if err != nil {
			return err
		}
		after := before
		after.Settings, after.UpdatedAt = settings, s.now()
		if err := s.store.update(ctx, after); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "tenant.configured", Object: "tenant", ObjectID: id.String(), Before: before.Settings, After: settings,
		})
	})
	if err != nil {
		return err
	}
	return s.Refresh(ctx)
}

// Refresh reads all municipalities into memory.
func (s *Service) Refresh(ctx context.Context) error {
	var all []Tenant
	err := s.db.Aside(ctx, func(ctx context.Context) (err error) {
		all, err = s.store.all(ctx)
		return err
	})
	if err != nil {
		return err
	}
	r := &registry{byID: make(map[tenant.ID]Tenant, len(all)), all: all}
	for _, t := range all {
		r.byID[t.ID] = t
	}
	s.registry.Store(r)
	return nil
}

// Run refreshes until ctx ends. While the database is away, what is known stays.
func (s *Service) Run(ctx context.Context, poll time.Duration) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "municipalities not refreshed", "error", err)
			}
		}
	}
}

func (s *Service) known(ctx context.Context) (*registry, error) {
	if r := s.registry.Load(); r != nil {
		return r, nil
	}
	if err := s.Refresh(ctx); err != nil {
		return nil, err
	}
	return s.registry.Load(), nil
}

// Get returns one municipality, or tenant.ErrUnknown.
func (s *Service) Get(ctx context.Context, id tenant.ID) (Tenant, error) {
	r, err := s.known(ctx)
	if err != nil {
		return Tenant{}, err
	}
	t, ok := r.byID[id]
	if !ok {
		return Tenant{}, tenant.ErrUnknown
	}
	t.Departments = slices.Clone(t.Departments)
	return t, nil
}

// Known refuses a code that is no municipality's, with tenant.ErrUnknown.
func (s *Service) Known(ctx context.Context, id tenant.ID) error {
	_, err := s.Get(ctx, id)
	return err
}

// Filter narrows a listing; zero values do not.
type Filter struct {
	Query string    // code, or a part of a Korean or English name
	Live  bool      // only those that issue
	After tenant.ID // the last of the page before
	Limit int
}

// Search lists municipalities by code, and tells whether there are more.
func (s *Service) Search(ctx context.Context, f Filter) (list []Tenant, more bool, err error) {
	r, err := s.known(ctx)
	if err != nil {
		return nil, false, err
	}
	query := plain(f.Query)
	for _, t := range r.all {
		if t.ID <= f.After || f.Live && !t.Live || query != "" && !t.matches(query) {
			continue
		}
		if f.Limit > 0 && len(list) == f.Limit {
			return list, true, nil
		}
		list = append(list, t)
	}
	return list, false, nil
}

// All lists every municipality by code.
func (s *Service) All(ctx context.Context) ([]Tenant, error) {
	list, _, err := s.Search(ctx, Filter{})
	return list, err
}

// Live lists those that issue a voucher, by code.
func (s *Service) Live(ctx context.Context) ([]Tenant, error) {
	list, _, err := s.Search(ctx, Filter{Live: true})
	return list, err
}
