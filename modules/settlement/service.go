package settlement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/live"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
)

// Purpose is under what the bank's word on payouts comes back.
const Purpose = "payout"

// Service is what other modules call.
type Service struct {
	db        *db.DB
	store     store
	ledger    *ledger.Service
	merchants *merchants.Service
	banking   *banking.Service
	outbox    *outbox.Outbox
	audit     *audit.Log
	live      *live.Hub
	propose   propositions
	terms     func(context.Context) (Terms, error)
	now       clock.Now
	log       *slog.Logger
}

// New keeps settlements in d and listens for the bank's word on payouts. Terms
// tells what the municipality in ctx has agreed.
func New(d *db.DB, l *ledger.Service, m *merchants.Service, b *banking.Service, o *outbox.Outbox, a *audit.Log, four *approvals.Approvals, hub *live.Hub,
	terms func(context.Context) (Terms, error), now clock.Now, log *slog.Logger,
) *Service {
	s := &Service{
		db: d, store: store{d}, ledger: l, merchants: m, banking: b, outbox: o, audit: a, live: hub,
		terms: terms, now: now, log: log,
	}
	b.OnSettled(Purpose, s.settled)
	s.register(four)
	return s
}

// CloseDay closes the business days of the tenant in ctx up to day and settles
// each, so that none is left out. Closing the day that is still going on ends
// it early: what comes later falls into the next one. Closing a closed day
// returns it as it is.
func (s *Service) CloseDay(ctx context.Context, day calendar.Day) (closed Day, err error) {
	if day.After(s.today()) {
		return closed, ErrDayAhead.With("day", day)
	}
	closed, done, err := s.closedBefore(ctx, day)
	if done || err != nil {
		return closed, err
	}
	if err := s.ledger.CloseDay(ctx, day); err != nil {
		return closed, fmt.Errorf("close %s in the ledger: %w", day, err)
	}
	next, err := s.firstOpen(ctx, day)
	for ; err == nil && !next.After(day); next = next.Next() {
		closed, err = s.closeOne(ctx, next)
	}
	return closed, err
}

// closedBefore spares a closed day what closing costs.
func (s *Service) closedBefore(ctx context.Context, day calendar.Day) (closed Day, done bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		closed, done, err = s.store.day(ctx, day)
		return err
	})
	return closed, done, err
}

// firstOpen is the first day that is not settled, or day itself if it is. The
// first time it looks back a month for what moved.
func (s *Service) firstOpen(ctx context.Context, day calendar.Day) (first calendar.Day, err error) {
	const lookBack = 31
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		last, err := s.store.lastDay(ctx)
		if err != nil || !last.IsZero() {
			first = last.Next()
			return err
		}
		for first = day.AddDays(-lookBack); first.Before(day); first = first.Next() {
			moved, err := s.ledger.PayableMovements(ctx, first)
			if err != nil || len(moved) > 0 {
				return err
			}
		}
		return nil
	})
	if first.After(day) {
		first = day
	}
	return first, err
}

// closeOne settles one day in one transaction.
func (s *Service) closeOne(ctx context.Context, day calendar.Day) (closed Day, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		claimed, err := s.store.claimDay(ctx, day, s.now())
		if err != nil {
			return err
		}
		if !claimed {
			closed, _, err = s.store.day(ctx, day)
			return err
		}
		if closed, err = s.settle(ctx, day); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "business-day.closed", Object: "business-day", ObjectID: day.String(), After: closed})
	})
	return closed, err
}

// settle makes the settlements of a day from what the ledger says moved.
func (s *Service) settle(ctx context.Context, day calendar.Day) (closed Day, err error) {
	terms, err := s.terms(ctx)
	if err != nil {
		return closed, err
	}
	moved, err := s.ledger.PayableMovements(ctx, day)
	if err != nil {
		return closed, err
	}
	owed, err := s.toCarry(ctx, day)
	if err != nil {
		return closed, err
	}
	closed = Day{Day: day, ClosedAt: s.now(), Settlements: len(moved)}
	payoutDay := calendar.NextBusiness(day, terms.Days)
	rows := make([]row, len(moved))
	for i, m := range moved {
		closed.Sales += m.Sales
		closed.Cancellations += m.Cancelled
		r := row{
			TenantID: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), MerchantID: m.Owner, AccountID: m.Account, Day: day,
			Payments: m.Count, Sales: m.Sales, Cancellations: m.Cancelled, Carried: owed[m.Owner],
			PayoutDay: payoutDay, State: Closed, CreatedAt: s.now(),
		}
		r.Net = r.Sales - r.Cancellations + r.Carried
		if r.Net <= 0 {
			r.State = Carried
		}
		rows[i] = r
	}
	if err := s.store.insert(ctx, rows); err != nil {
		return closed, err
	}
	return closed, s.store.finishDay(ctx, closed)
}

func (s *Service) toCarry(ctx context.Context, day calendar.Day) (map[uuid.UUID]money.Amount, error) {
	list, err := s.store.toCarry(ctx, day)
	owed := make(map[uuid.UUID]money.Amount, len(list))
	for _, c := range list {
		owed[c.MerchantID] = c.Net
	}
	return owed, err
}

// Outcome counts what PayOut did.
type Outcome struct {
	Instructed int `json:"instructed"` // handed to the bank now
	Paid       int `json:"paid"`       // of these, confirmed at once
	Returned   int `json:"returned"`   // of these, refused at once
}

func (o Outcome) plus(p Outcome) Outcome {
	return Outcome{o.Instructed + p.Instructed, o.Paid + p.Paid, o.Returned + p.Returned}
}

// PayOut instructs the bank to pay what is due. Which settlements those are
// says the payout day; All takes every closed one. A settlement whose shop
// cannot be paid does not hold up the others.
func (s *Service) PayOut(ctx context.Context, which Which) (done Outcome, err error) {
	const batch, atOnce = 100, 5 // the bank takes its time; a few wait for it together
	until := s.until(which)
	var failures []error
	for after := uuid.Nil; ctx.Err() == nil; {
		var ids []uuid.UUID
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			ids, err = s.store.due(ctx, until, after, batch)
			return err
		})
		if err != nil || len(ids) == 0 {
			return done, errors.Join(append(failures, err)...)
		}
		after = ids[len(ids)-1]
		var together sync.WaitGroup
		var mu sync.Mutex // guards done and failures
		for part := range slices.Chunk(ids, (len(ids)+atOnce-1)/atOnce) {
			together.Go(func() {
				for _, id := range part {
					one, err := s.pay(ctx, id, Closed)
					mu.Lock()
					done = done.plus(one)
					if err != nil {
						failures = append(failures, fmt.Errorf("settlement %s: %w", id, err))
					}
					mu.Unlock()
				}
			})
		}
		together.Wait()
	}
	return done, errors.Join(append(failures, ctx.Err())...)
}

// Retry pays a settlement again that came back. A person decides it, after the
// shop's account was put right.
func (s *Service) Retry(ctx context.Context, id uuid.UUID) (Settlement, error) {
	done, err := s.pay(ctx, id, Returned)
	if err != nil {
		return Settlement{}, err
	}
	if done.Instructed == 0 {
		found, err := s.Get(ctx, id)
		if err != nil {
			return Settlement{}, err
		}
		return found, ErrNotPayable.With("state", found.State)
	}
	return s.Get(ctx, id)
}

// pay instructs in one transaction and calls the bank after it. If nobody gets
// to call, banking.Resolve does.
func (s *Service) pay(ctx context.Context, id uuid.UUID, from State) (done Outcome, err error) {
	var transfer uuid.UUID
	err = s.db.Tx(ctx, func(ctx context.Context) (err error) {
		transfer, err = s.instruct(ctx, id, from)
		return err
	})
	if err != nil || transfer == uuid.Nil {
		return done, err
	}
	done.Instructed++
	sent, err := s.banking.Send(ctx, transfer)
	if err != nil {
		return done, err
	}
	switch sent.State {
	case banking.Succeeded:
		done.Paid++
	case banking.Refused:
		done.Returned++
	default: // on its way; the bank's word comes later
	}
	return done, nil
}

// instruct moves the shop's money on its way and keeps the instruction. It
// answers uuid.Nil when another server was here first.
func (s *Service) instruct(ctx context.Context, id uuid.UUID, from State) (uuid.UUID, error) {
	r, err := s.store.lock(ctx, id)
	if err != nil || r.State != from || !from.mayBecome(Sent) {
		return uuid.Nil, err
	}
	terms, err := s.terms(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	to, account, err := s.merchants.PayoutDestination(ctx, r.MerchantID)
	if err != nil {
		return uuid.Nil, err
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	// One id names the instruction and its entry, so each leads to the other.
	transfer := uuid.Must(uuid.NewV7())
	_, err = s.ledger.PostTx(ctx, ledger.Entry{
		ID: transfer, Kind: ledger.PayoutSent,
		Transfers: []ledger.Transfer{{Debit: account, Credit: house.Transit, Amount: r.Net}},
	})
	if err != nil {
		return uuid.Nil, err
	}
	prepared, err := s.banking.Prepare(ctx, banking.Instruction{
		ID: transfer, Direction: banking.Deposit, Amount: r.Net, Purpose: Purpose, SubjectID: r.ID,
		FundAccount: terms.FundAccount, To: banking.Destination{BankCode: to.BankCode, Number: to.Number, Holder: to.Holder},
		PrintContent: "지역상품권 " + r.Day.String(),
	})
	if err != nil {
		return uuid.Nil, err
	}
	now := s.now()
	r.State, r.TransferID, r.SentAt, r.Reason = Sent, &transfer, &now, ""
	r.BankCode, r.NumberMasked, r.Attempts = prepared.BankCode, prepared.NumberMasked, r.Attempts+1
	return transfer, s.store.update(ctx, r)
}

// settled hears the bank's word, in the transaction that records it.
func (s *Service) settled(ctx context.Context, t banking.Transfer) error {
	r, err := s.store.lock(ctx, t.SubjectID)
	if err != nil {
		return err
	}
	if r.State != Sent || r.TransferID == nil || *r.TransferID != t.ID {
		return fmt.Errorf("settlement %s is %s and was not waiting for transfer %s", r.ID, r.State, t.ID)
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	entry := ledger.Entry{ID: uuid.Must(uuid.NewV7()), Answers: t.ID}
	topic := TopicPaidOut
	if t.State == banking.Succeeded {
		r.State, r.PaidAt = Paid, &now
		entry.Kind, entry.Transfers = ledger.PayoutSettled, []ledger.Transfer{{Debit: house.Transit, Credit: house.Fund, Amount: r.Net}}
	} else {
		topic = TopicReturned
		r.State, r.Reason = Returned, string(t.Reason())
		entry.Kind, entry.Transfers = ledger.PayoutReturned, []ledger.Transfer{{Debit: house.Transit, Credit: r.AccountID, Amount: r.Net}}
	}
	if _, err := s.ledger.PostTx(ctx, entry); err != nil {
		return err
	}
	if err := s.store.update(ctx, r); err != nil {
		return err
	}
	event := PaidOut{r.ID, r.MerchantID, r.Net, r.Reason, now}
	if err := s.outbox.Put(ctx, topic, event); err != nil {
		return err
	}
	return s.live.Publish(ctx, "merchant:"+r.MerchantID.String(), topic, event)
}

// Get returns a settlement of the tenant in ctx, or ErrUnknown.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (found Settlement, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		r, err := s.store.find(ctx, id)
		found = r.settlement()
		return err
	})
	return found, err
}

// List returns settlements, the latest day first; next is nil on the last page.
func (s *Service) List(ctx context.Context, f Filter) (list []Settlement, next *Cursor, err error) {
	most := min(max(f.Limit, 1), 200)
	f.Limit = most + 1
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list = nil
		rows, err := s.store.list(ctx, f)
		for _, r := range rows {
			list = append(list, r.settlement())
		}
		return err
	})
	if len(list) > most {
		list = list[:most]
		next = &Cursor{list[most-1].Day, list[most-1].ID}
	}
	return list, next, err
}

// Days lists the closed days, the latest first; limit is 1 to 200.
func (s *Service) Days(ctx context.Context, limit int) (list []Day, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list = nil
		rows, err := s.store.days(ctx, min(max(limit, 1), 200))
		for _, r := range rows {
			list = append(list, r.day())
		}
		return err
	})
	return list, err
}

// until is the last payout day that is taken.
func (s *Service) until(which Which) calendar.Day {
	if which == All {
		return calendar.Date(9999, 12, 31)
	}
	return s.today()
}

func (s *Service) today() calendar.Day { return calendar.DayOf(s.now()) }
