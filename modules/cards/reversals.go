package cards

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/payments"
)

// tombstone is the digest of a key whose message must not move value any more.
var tombstone = uuid.NewSHA1(uuid.NameSpaceOID, []byte("card message that came too late"))

func marker(digest uuid.UUID) bool { return digest == tombstone }

// original is the key of the message that another one speaks of.
func original(issuer, key string) (idem.Key, error) {
	k, err := idem.New(sender(issuer), key, "card", nil)
	k.Digest = tombstone
	return k, err
}

func (r Reversal) validate() error {
	switch {
	case r.Amount < 0 || r.Amount > AmountMax:
		return fault.On("amount", fault.TooLarge).Limit(int64(AmountMax))
	case r.Original == "":
		return fault.On("original", fault.Required)
	case len(r.Original) > keyMost:
		return fault.On("original", fault.TooLong).Limit(keyMost)
	case !printable(r.Original):
		return fault.On("original", fault.WrongFormat)
	}
	return r.Message.validate(0)
}

// Reverse undoes what an earlier message moved, or will not move any more: a
// reversal may come before, during or after its original, and be repeated. One
// of a message that nobody sent is accepted, too; it cannot be told from one
// that came first.
func (s *Service) Reverse(ctx context.Context, r Reversal) (Decision, error) {
	if err := r.validate(); err != nil {
		return Decision{}, err
	}
	key, err := original(r.Issuer, r.Original)
	if err != nil {
		return Decision{}, err
	}
	tenants, err := s.whereabouts(ctx, r.Message)
	if err != nil {
		return Decision{}, err
	}
	const overtakes = 3 // the original may commit between look and tombstone
	for range overtakes {
		for _, id := range tenants {
			ctx := tenant.With(ctx, id)
			found, known, err := s.keys.Look(ctx, key.ID)
			if err != nil {
				return Decision{}, err
			}
			if known {
				return s.undo(ctx, r, found)
			}
		}
		if len(tenants) == 0 {
			return Decision{}, nil // its original would be refused, too
		}
		buried, err := s.buryIn(ctx, tenants, r, key)
		if err != nil || buried {
			return Decision{}, err
		}
	}
	return Decision{}, fault.ErrUnavailable
}

// buryIn writes a tombstone wherever the original could still be booked.
func (s *Service) buryIn(ctx context.Context, tenants []tenant.ID, r Reversal, key idem.Key) (buried bool, err error) {
	for _, id := range tenants {
		if buried, err = s.bury(tenant.With(ctx, id), r, key); err != nil || !buried {
			return false, err
		}
	}
	return true, nil
}

// whereabouts lists where a message may have been booked: where its terminal
// stands now, and wherever its citizen has a wallet, should the terminal have
// been given to another shop meanwhile.
func (s *Service) whereabouts(ctx context.Context, m Message) (ids []tenant.ID, err error) {
	at, err := s.place(ctx, m)
	if err == nil {
		ids = append(ids, at.TenantID)
	} else if !errors.Is(err, ErrTerminalUnknown) {
		return nil, err
	}
	homes, err := s.homesOfCard(ctx, m)
	for _, id := range homes {
		if len(ids) == 0 || ids[0] != id {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// homesOfCard lists where a message's card may have paid: where its citizen has
// a wallet or, if the message does not name the card, where the issuer has
// terminals.
func (s *Service) homesOfCard(ctx context.Context, m Message) (ids []tenant.ID, err error) {
	if m.Token == "" {
		err := s.db.Platform(ctx, func(ctx context.Context) error {
			ids, err = s.store.tenantsOf(ctx, m.Issuer)
			return err
		})
		return ids, err
	}
	link, err := s.link(ctx, m.Issuer, m.Token)
	if errors.Is(err, ErrNotLinked) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.homes(ctx, link.CitizenID)
}

// homes lists where a citizen has a wallet.
func (s *Service) homes(ctx context.Context, citizen uuid.UUID) (ids []tenant.ID, err error) {
	wallets, err := s.vouchers.Wallets(ctx, citizen)
	for _, w := range wallets {
		if len(ids) == 0 || ids[len(ids)-1] != w.TenantID {
			ids = append(ids, w.TenantID)
		}
	}
	return ids, err
}

// undo cancels what came of the original.
func (s *Service) undo(ctx context.Context, r Reversal, found idem.Found) (Decision, error) {
	paid := found.Entry
	if paid == uuid.Nil { // refused, or an advice
		var err error
		if paid, err = s.paymentOf(ctx, r.Issuer, r.Original); err != nil {
			return Decision{}, err
		}
	}
	if paid == uuid.Nil {
		return Decision{}, s.keepReversal(ctx, r, uuid.Nil, 0) // nothing had moved
	}
	p, err := s.payments.Get(asSystem(ctx), paid)
	if err != nil {
		return Decision{}, err
	}
	amount := r.Amount
	if amount >= p.Amount {
		amount = 0
	}
	undone, replayed, err := s.cancel(ctx, "reversal-"+r.Issuer+"-"+r.Key, p.ID, amount)
	if errors.Is(err, payments.ErrNothingToCancel) {
		return Decision{Replayed: true}, s.keepReversal(ctx, r, p.ID, 0)
	}
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Approved: undone, Number: number(p.ID), Replayed: replayed}
	if replayed {
		return d, nil
	}
	return d, s.keepReversal(ctx, r, p.ID, undone)
}

// asSystem acts for nobody but the program.
func asSystem(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Principal{Kind: auth.System})
}

// cancel gives back what a payment has taken, once for each key; 0 is all that
// is left of it.
func (s *Service) cancel(ctx context.Context, key string, payment uuid.UUID, amount money.Amount) (undone money.Amount, replayed bool, err error) {
	u, replayed, err := s.payments.Cancel(asSystem(ctx), payments.CancelInput{Key: key, PaymentID: payment, Amount: amount})
	return u.Cancellation.Amount, replayed, err
}

// bury makes sure that the original will not move value if it comes later. It
// reports false if it has come meanwhile.
func (s *Service) bury(ctx context.Context, r Reversal, key idem.Key) (buried bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		buried, err = s.keys.Mark(ctx, key, verdict{Refused: ErrReversed.Code})
		if err != nil || !buried {
			return err
		}
		return s.store.insertReversal(ctx, s.reversalRow(r, uuid.Nil, 0))
	})
	return buried, err
}

func (s *Service) keepReversal(ctx context.Context, r Reversal, payment uuid.UUID, undone money.Amount) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		return s.store.insertReversal(ctx, s.reversalRow(r, payment, undone))
	})
}

func (s *Service) reversalRow(r Reversal, payment uuid.UUID, undone money.Amount) reversalRow {
	row := reversalRow{
		ID: uuid.Must(uuid.NewV7()), Issuer: r.Issuer, MessageKey: r.Key, OriginalKey: r.Original,
		Amount: r.Amount, Undone: undone, At: s.now(),
	}
	if payment != uuid.Nil {
		row.PaymentID = &payment
	}
	return row
}

// doubt remembers a request that was answered "we cannot know": if it was booked
// nevertheless, it is undone as soon as the database tells. If this server stops
// before, the issuer's clearing file brings it to light.
func (s *Service) doubt(r Reversal) {
	s.doubts.mu.Lock()
	defer s.doubts.mu.Unlock()
	const most = 100_000
	if len(s.doubts.keys) < most {
		s.doubts.keys[r.Issuer+r.Original] = r
	}
}

func (s *Service) inDoubt(issuer, key string) bool {
	s.doubts.mu.Lock()
	defer s.doubts.mu.Unlock()
	_, doubtful := s.doubts.keys[issuer+key]
	return doubtful
}

// settleDoubts reverses what is in doubt, until the database fails to answer.
func (s *Service) settleDoubts(ctx context.Context) {
	s.doubts.mu.Lock()
	waiting := make([]Reversal, 0, len(s.doubts.keys))
	for _, r := range s.doubts.keys {
		waiting = append(waiting, r)
	}
	s.doubts.mu.Unlock()
	for _, r := range waiting {
		own := r
		own.Key = fmt.Sprintf("doubt-%x", r.Original)
		if len(own.Key) > keyMost {
			own.Key = own.Key[len(own.Key)-keyMost:]
		}
		if _, err := s.Reverse(ctx, own); err != nil {
			if errors.Is(err, fault.ErrUnavailable) || ctx.Err() != nil {
				return
			}
			s.log.Error("a card payment in doubt was not undone", "issuer", r.Issuer, "error", err)
		}
		s.doubts.mu.Lock()
		delete(s.doubts.keys, r.Issuer+r.Original)
		s.doubts.mu.Unlock()
	}
}
