package merchants

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/live"
	"jangteo/app/mask"
	"jangteo/app/recall"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// Service is what other modules call. How clerks come in is the embedded kit's.
type Service struct {
	*signin.SignIns
	db     *db.DB
	store  store
	ledger *ledger.Service
	box    *crypt.Box
	audit  *audit.Log
	live   *live.Hub
	life   time.Duration // of a clerk's session at most
	now    clock.Now
	log    *slog.Logger

	shops   *recall.Memory[tenant.Key, shop]
	owners  *recall.Memory[tenant.Key, uuid.UUID] // the shops of accounts in the ledger, which never change
	changes recall.Changes[change]
}

// New keeps shops in d; lane is the pool that may look across municipalities.
// Life is how long a clerk's session lasts at most.
func New(d, lane *db.DB, l *ledger.Service, box *crypt.Box, a *audit.Log, hub *live.Hub, kit *signin.Kit,
	life time.Duration, now clock.Now, log *slog.Logger,
) *Service {
	s := &Service{
		db: d, store: store{d, lane}, ledger: l, box: box, audit: a, live: hub,
		life: life, now: now, log: log,
	}
	s.remember(lane)
	s.SignIns = kit.Realm(s.realm())
	return s
}

// Register takes an application. The shop takes payments once it is approved.
func (s *Service) Register(ctx context.Context, in RegisterInput) (m Merchant, err error) {
	if err := in.normalise(); err != nil {
		return m, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		id := uuid.Must(uuid.NewV7())
		account, err := s.ledger.Open(ctx, ledger.Payable, id)
		if err != nil {
			return err
		}
		row, err := s.newRow(ctx, id, account.ID, in)
		if err != nil {
			return err
		}
		if err := s.store.insert(ctx, row); err != nil {
			return err
		}
		m = row.merchant()
		return s.audit.Changed(ctx, audit.Change{
			Action: "merchant.applied", Object: "merchant", ObjectID: m.ID.String(),
			After: map[string]string{"name": m.Name, "biz_no": m.BizNo, "trade": m.Trade},
		})
	})
	return m, err
}

// SeedMany registers approved shops at once, for demonstrations. The order of
// the answer is that of the input.
func (s *Service) SeedMany(ctx context.Context, in []RegisterInput) (seeded []Merchant, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		seeded = nil
		ids := make([]uuid.UUID, len(in))
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7())
		}
		accounts, err := s.ledger.OpenMany(ctx, ledger.Payable, ids, s.now())
		if err != nil {
			return err
		}
		rows := make([]row, len(in))
		for i := range in {
			if err := in[i].normalise(); err != nil {
				return err
			}
			if rows[i], err = s.newRow(ctx, ids[i], accounts[i].ID, in[i]); err != nil {
				return err
			}
			now := s.now()
			rows[i].State, rows[i].DecidedAt = Approved, &now
			seeded = append(seeded, rows[i].merchant())
		}
		return s.store.insert(ctx, rows...)
	})
	return seeded, err
}

// newRow seals what is personal.
func (s *Service) newRow(ctx context.Context, id, payable uuid.UUID, in RegisterInput) (row, error) {
	r := row{
		TenantID: tenant.From(ctx), ID: id, Name: in.Name, BizNo: in.BizNo, Trade: in.Trade, Address: in.Address,
		YearlySalesOver3bn: in.YearlySalesOver3bn, PayableID: payable, State: Applied, AppliedAt: s.now(),
		OwnerMasked: mask.Owner(in.Owner), PhoneMasked: mask.Phone(in.Phone),
		PayoutBank: in.Payout.BankCode, PayoutMasked: mask.Account(in.Payout.Number), HolderMasked: mask.Name(in.Payout.Holder),
	}
	if in.Place != nil {
		r.LatitudeE6, r.LongitudeE6 = &in.Place.LatitudeE6, &in.Place.LongitudeE6
	}
	var errs [4]error
	r.OwnerSealed, errs[0] = s.box.Seal(in.Owner, place("owner", id))
	r.PhoneSealed, errs[1] = s.box.Seal(in.Phone, place("phone", id))
	r.PayoutSealed, errs[2] = s.box.Seal(in.Payout.Number, place("payout", id))
	r.HolderSealed, errs[3] = s.box.Seal(in.Payout.Holder, place("holder", id))
	return r, errors.Join(errs[:]...)
}

// place binds sealed text to its column and row.
func place(column string, id uuid.UUID) string { return "merchants." + column + "/" + id.String() }

// Decide moves a shop to another state. The reason is told to the shop, which
// has a right to it (지역사랑상품권법 제7조); an approval needs none.
func (s *Service) Decide(ctx context.Context, id uuid.UUID, to State, reason string) (m Merchant, err error) {
	reason = strings.TrimSpace(reason)
	switch {
	case to != Approved && reason == "":
		return m, fault.On("reason", fault.Required)
	case !utf8.ValidString(reason) || strings.ContainsRune(reason, 0):
		return m, fault.On("reason", fault.WrongFormat)
	case utf8.RuneCountInString(reason) > reasonMost:
		return m, fault.On("reason", fault.TooLong).Limit(reasonMost)
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		r, err := s.store.lock(ctx, id)
		if err != nil {
			return err
		}
		before := r.State
		if !before.MayBecome(to) {
			return ErrTransition.With("from", before).With("to", to)
		}
		now := s.now()
		r.State, r.StateReason, r.DecidedAt, r.DecidedBy = to, reason, &now, nil
		if who, ok := auth.Lookup(ctx); ok {
			r.DecidedBy = &who.ID
		}
		if err := s.store.updateState(ctx, r); err != nil {
			return err
		}
		m = r.merchant()
		err = s.audit.Changed(ctx, audit.Change{
			Action: "merchant." + string(to), Object: "merchant", ObjectID: id.String(), Reason: reason,
			Before: map[string]State{"state": before}, After: map[string]State{"state": to},
		})
		if err != nil {
			return err
		}
		return s.changed(ctx, id)
	})
	return m, err
}

// Get returns a shop of the tenant in ctx, or ErrUnknown.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (m Merchant, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		r, err := s.store.find(ctx, id)
		m = r.merchant()
		return err
	})
	return m, err
}

// Search lists shops by name or, near a place, by distance; next is nil on the
// last page.
func (s *Service) Search(ctx context.Context, f Filter) (list []Merchant, next *Cursor, err error) {
	f.Limit = min(max(f.Limit, 1), 100)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, next = nil, nil
		rows, err := s.store.search(ctx, f, f.Limit+1)
		for _, r := range rows {
			list = append(list, r.merchant())
		}
		return err
	})
	if len(list) > f.Limit {
		list = list[:f.Limit]
		last := list[f.Limit-1]
		next = &Cursor{Name: last.Name, ID: last.ID, Skip: f.After.Skip + f.Limit}
	}
	return list, next, err
}

// PayoutDestination is where a shop's money goes, in the clear, for the
// instruction to the bank and nothing else.
func (s *Service) PayoutDestination(ctx context.Context, id uuid.UUID) (d Destination, payable uuid.UUID, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		r, err := s.store.find(ctx, id)
		if err != nil {
			return err
		}
		number, err1 := s.box.Open(r.PayoutSealed, place("payout", id))
		holder, err2 := s.box.Open(r.HolderSealed, place("holder", id))
		d, payable = Destination{r.PayoutBank, number, holder}, r.PayableID
		return errors.Join(err1, err2)
	})
	return d, payable, err
}

// Personal is what is sealed of a shop's owner.
type Personal struct{ Owner, Phone string }

// Reveal shows the owner's data in the clear, for a reason that is kept.
func (s *Service) Reveal(ctx context.Context, id uuid.UUID, reason string) (p Personal, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		r, err := s.store.find(ctx, id)
		if err != nil {
			return err
		}
		owner, err1 := s.box.Open(r.OwnerSealed, place("owner", id))
		phone, err2 := s.box.Open(r.PhoneSealed, place("phone", id))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		p = Personal{owner, phone}
		return s.audit.Seen(ctx, audit.Access{Subject: "merchant", SubjectID: id, Did: "merchant.owner", Reason: reason})
	})
	if err != nil {
		return Personal{}, err
	}
	return p, nil
}
