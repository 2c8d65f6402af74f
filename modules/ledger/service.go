package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Service posts entries and answers for balances.
type Service struct {
	db    *db.DB
	store store
	now   clock.Now
	lane  *Lane
}

// New keeps the books in d. The fast lane has its own connections.
func New(d *db.DB, lane *Lane, now clock.Now) *Service {
	return &Service{db: d, store: store{d}, now: now, lane: lane}
}

// Open adds an empty account for the tenant in ctx. Owner is the citizen or
// merchant it belongs to; uuid.Nil for the municipality's own.
func (s *Service) Open(ctx context.Context, kind Kind, owner uuid.UUID) (Account, error) {
	a := Account{TenantID: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), Kind: kind, State: "open", OpenedAt: s.now()}
	if owner != uuid.Nil {
		a.OwnerID = &owner
	}
	return a, s.db.Tx(ctx, func(ctx context.Context) error { return s.store.open(ctx, []Account{a}) })
}

// OpenMany adds many empty accounts of one kind, one for each owner, in order.
func (s *Service) OpenMany(ctx context.Context, kind Kind, owners []uuid.UUID, at time.Time) ([]Account, error) {
	accounts := make([]Account, len(owners))
	for i, owner := range owners {
		accounts[i] = Account{TenantID: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), Kind: kind, OwnerID: &owner, State: "open", OpenedAt: at}
	}
	return accounts, s.db.Tx(ctx, func(ctx context.Context) error { return s.store.open(ctx, accounts) })
}

// House returns the municipality's own accounts, opening them on first use.
func (s *Service) House(ctx context.Context) (h House, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		h, err = s.store.house(ctx)
		if !errors.Is(err, errNoHouse) {
			return err
		}
		if err := s.store.lockHouse(ctx); err != nil { // two first uses at once open one house
			return err
		}
		if h, err = s.store.house(ctx); !errors.Is(err, errNoHouse) {
			return err
		}
		ids := make([]uuid.UUID, 4)
		for i, kind := range []Kind{Fund, Subsidy, Reserved, Transit} {
			a, err := s.Open(ctx, kind, uuid.Nil)
			if err != nil {
				return err
			}
			ids[i] = a.ID
		}
		h = House{Fund: ids[0], Subsidy: ids[1], Reserved: ids[2], Transit: ids[3]}
		return s.store.insertHouse(ctx, h, s.now())
	})
	return h, err
}

// PostTx books an entry inside the caller's transaction, or refuses it whole:
// ErrInsufficientBalance, ErrAccountUnknown, ErrAccountNotOpen, ErrEntryExists,
// ErrAnsweredInFull. A refusal leaves the transaction unusable for anything but
// its end.
func (s *Service) PostTx(ctx context.Context, e Entry) (p Posted, err error) {
	mustBeSound(e)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		closed, err := s.store.shareBooks(ctx)
		if err != nil {
			return err
		}
		p = Posted{ID: e.ID, At: s.now()}
		p.Day = postingDay(p.At, closed)
		if err := s.settle(ctx, e, p.Day); err != nil {
			return err
		}
		e.At = p.At
		return s.store.insert(ctx, []Entry{e}, []calendar.Day{p.Day})
	})
	return p, err
}

// settle moves the guarded balances of an entry and checks what it answers.
func (s *Service) settle(ctx context.Context, e Entry, day calendar.Day) error {
	if e.Answers != uuid.Nil && e.Kind == Cancellation {
		if err := s.store.answer(ctx, e.Answers, e.Total()); err != nil {
			return err
		}
	}
	accounts, err := s.store.lock(ctx, touched(e))
	if err != nil {
		return err
	}
	for _, id := range touched(e) {
		a, known := accounts[id]
		if !known {
			return ErrAccountUnknown.With("account", id)
		}
		if a.State == "closed" {
			return ErrAccountNotOpen.With("account", id)
		}
		change := net(e, id)
		if !a.Kind.Guarded() || change == 0 {
			continue
		}
		if a.Balance+change < 0 {
			return ErrInsufficientBalance.With("balance", a.Balance).With("amount", -change)
		}
		var spent, today money.Amount
		switch {
		case e.Kind == Payment || e.Kind == Cancellation || e.Kind == ClaimRepaid:
			spent, today = -change, -change
		case e.Kind == WalletDebited && a.Kind == Wallet: // it was not the citizen who spent
			spent = -change
		}
		if err := s.store.move(ctx, id, change, spent, today, day); err != nil {
			return err
		}
	}
	return nil
}

// PostMany books history in bulk: entries with times of their own, on the
// business day of that time, which may not be closed: ErrDayClosed. Guarded
// balances may not end below zero; the caller answers for the order in between.
// For imports and demonstrations.
func (s *Service) PostMany(ctx context.Context, entries []Entry) error {
	days := make([]calendar.Day, len(entries))
	for i, e := range entries {
		mustBeSound(e)
		days[i] = calendar.DayOf(e.At)
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		closed, err := s.store.shareBooks(ctx)
		if err != nil {
			return err
		}
		for _, day := range days {
			if !day.After(closed) {
				return ErrDayClosed.With("day", day)
			}
		}
		if err := s.store.insert(ctx, entries, days); err != nil {
			return err
		}
		return s.store.moveMany(ctx, entries, days)
	})
}

// postingDay is the business day of a moment or, once that is closed, the first
// open one.
func postingDay(at time.Time, closed calendar.Day) calendar.Day {
	day := calendar.DayOf(at)
	if !day.After(closed) {
		return closed.Next()
	}
	return day
}

// Balance tells what an account holds now.
func (s *Service) Balance(ctx context.Context, account uuid.UUID) (balance money.Amount, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		a, err := s.store.account(ctx, account)
		if err != nil {
			return err
		}
		if a.Kind.Guarded() {
			balance = a.Balance
			return nil
		}
		balance, err = s.store.summed(ctx, account)
		return err
	})
	return balance, err
}

// Account returns one account of the tenant in ctx.
func (s *Service) Account(ctx context.Context, id uuid.UUID) (a Account, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		a, err = s.store.account(ctx, id)
		return err
	})
	return a, err
}

// Accounts returns those of ids that exist.
func (s *Service) Accounts(ctx context.Context, ids []uuid.UUID) (list []Account, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.accounts(ctx, ids)
		return err
	})
	return list, err
}

// Place is a point in the order of entries: business day, then id.
type Place struct {
	Day   calendar.Day
	Entry uuid.UUID
}

// Newest is before nothing.
var Newest = Place{calendar.Date(9999, 12, 31), uuid.Max}

// EntriesOf lists what moved on an account, newest first, from before an entry
// (uuid.Nil: from the newest). Limit is 1 to 200.
func (s *Service) EntriesOf(ctx context.Context, account, before uuid.UUID, limit int) (lines []Line, err error) {
	place, err := s.PlaceOf(ctx, before)
	if err != nil {
		return nil, err
	}
	return s.EntriesBefore(ctx, account, place, limit)
}

// PlaceOf is where an entry stands in the lists; uuid.Nil stands after all.
func (s *Service) PlaceOf(ctx context.Context, entry uuid.UUID) (Place, error) {
	if entry == uuid.Nil {
		return Newest, nil
	}
	e, err := s.Entry(ctx, entry)
	return Place{e.Day, e.ID}, err
}

// EntriesBefore lists what moved on an account before a place, newest first.
func (s *Service) EntriesBefore(ctx context.Context, account uuid.UUID, before Place, limit int) (lines []Line, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		lines, err = s.store.lines(ctx, account, before, min(max(limit, 1), 200))
		return err
	})
	return lines, err
}

// Recent is EntriesBefore for what citizens look at: those who ask at the same
// time, of whatever municipality, ask together and outside any transaction.
func (s *Service) Recent(ctx context.Context, account uuid.UUID, before Place, limit int) ([]Line, error) {
	lines, err := s.lane.statements.Ask(ctx, statement{tenant.Key{Tenant: tenant.From(ctx), ID: account}, before, min(max(limit, 1), 200)})
	return lines, db.Unavailable(err)
}

// Held reads what accounts of any municipalities hold, in one round trip;
// one that does not exist is left out.
func (s *Service) Held(ctx context.Context, accounts []tenant.Key) (map[tenant.Key]Holding, error) {
	return s.lane.store.held(ctx, accounts)
}

// TransfersOf reads what entries of any municipalities moved, in one round trip.
func (s *Service) TransfersOf(ctx context.Context, entries []tenant.Key) (map[tenant.Key][]Transfer, error) {
	return s.lane.store.transfersOf(ctx, entries)
}

// Entry returns an entry with its transfers.
func (s *Service) Entry(ctx context.Context, id uuid.UUID) (r Recorded, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		r, err = s.store.entry(ctx, id)
		return err
	})
	return r, err
}

// Answering lists the entries that name id as what they answer.
func (s *Service) Answering(ctx context.Context, id uuid.UUID) (ids []uuid.UUID, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		ids, err = s.store.answering(ctx, id)
		return err
	})
	return ids, err
}

// CloseDay closes the tenant's business days up to day and rolls up what the
// summed accounts held. When it returns, no entry will ever fall on those days:
// whoever posts holds a share of the row that this moves, so the move waits for
// them and the sums see what they wrote. Closing again changes nothing. What
// was closed is for SealDays to seal, later and in nobody's way.
func (s *Service) CloseDay(ctx context.Context, day calendar.Day) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.House(ctx); err != nil {
			return err
		}
		if err := s.store.close(ctx, day, s.now()); err != nil {
			return err
		}
		return s.store.rollUp(ctx, day)
	})
}

// ClosedThrough is the last business day that is closed.
func (s *Service) ClosedThrough(ctx context.Context) (calendar.Day, error) {
	h, err := s.House(ctx)
	return h.ClosedThrough, err
}

// OpenDay is the business day that an entry made now would fall on.
func (s *Service) OpenDay(ctx context.Context) (calendar.Day, error) {
	h, err := s.House(ctx)
	return postingDay(s.now(), h.ClosedThrough), err
}

// PayableMovements tells what each merchant's account took in on a closed day.
func (s *Service) PayableMovements(ctx context.Context, day calendar.Day) (list []Movement, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.movements(ctx, day)
		return err
	})
	return list, err
}

// mustBeSound panics: entries are built by code, so an unsound one is a bug.
func mustBeSound(e Entry) {
	if e.ID == uuid.Nil || len(e.Transfers) == 0 {
		panic("ledger: an entry without id or transfers")
	}
	var total money.Amount
	for _, t := range e.Transfers {
		if t.Amount <= 0 || t.Debit == t.Credit || t.Debit == uuid.Nil || t.Credit == uuid.Nil {
			panic("ledger: a transfer that moves nothing")
		}
		if total += t.Amount; total > money.MaxPerEntry {
			panic("ledger: an entry above the most that one may move")
		}
	}
}

// touched lists an entry's accounts once each, in the order in which they are
// locked everywhere.
func touched(e Entry) []uuid.UUID {
	ids := make([]uuid.UUID, 0, 2*len(e.Transfers))
	for _, t := range e.Transfers {
		ids = append(ids, t.Debit, t.Credit)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

func net(e Entry, account uuid.UUID) (change money.Amount) {
	for _, t := range e.Transfers {
		if t.Credit == account {
			change += t.Amount
		}
		if t.Debit == account {
			change -= t.Amount
		}
	}
	return change
}
