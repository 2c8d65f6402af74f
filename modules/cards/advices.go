package cards

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

func (a Advice) validate() error {
	switch {
	case a.Amount <= 0:
		return fault.On("amount", fault.TooSmall).Limit(1)
	case a.Amount > AmountMax:
		return fault.On("amount", fault.TooLarge).Limit(int64(AmountMax))
	case a.Voucher < 0 || a.Account < 0 || a.Voucher+a.Account > a.Amount:
		return fault.On("voucher", fault.Mismatch)
	case a.Voucher > payments.AmountMax:
		return fault.On("voucher", fault.TooLarge).Limit(int64(payments.AmountMax))
	case len(a.Original) > keyMost:
		return fault.On("original", fault.TooLong).Limit(keyMost)
	case a.Original != "" && !printable(a.Original):
		return fault.On("original", fault.WrongFormat)
	}
	return a.Message.validate(1)
}

// Advise books what an issuer has decided in stand-in, whatever the wallet holds
// now: what is missing becomes a claim. If the request that had no answer was
// booked after all, only the difference is. An advice whose card or terminal
// nobody knows is kept, and booked when somebody does.
func (s *Service) Advise(ctx context.Context, a Advice) (Decision, error) {
	if err := a.validate(); err != nil {
		return Decision{}, err
	}
	key, err := idem.New(sender(a.Issuer), a.Key, "card advice", a)
	if err != nil {
		return Decision{}, err
	}
	link, err := s.link(ctx, a.Issuer, a.Token)
	if errors.Is(err, ErrNotLinked) {
		return Decision{}, s.park(ctx, a, err)
	}
	if err != nil {
		return Decision{}, err
	}
	at, err := s.place(ctx, a.Message)
	if errors.Is(err, ErrTerminalUnknown) {
		return Decision{}, s.park(ctx, a, err)
	}
	if err != nil {
		return Decision{}, err
	}
	ctx = tenant.With(ctx, at.TenantID)
	if d, known, err := s.advisedBefore(ctx, key); known || err != nil {
		return d, err
	}
	from, err := s.walletFor(ctx, link.CitizenID)
	if errors.Is(err, vouchers.ErrWalletUnknown) {
		return Decision{}, s.park(ctx, a, err)
	}
	if err != nil {
		return Decision{}, err
	}
	d, err := s.bookMissing(ctx, a, key, link, at, from)
	if errors.Is(err, idem.ErrKeyReused) {
		return s.decidedBefore(ctx, key, err)
	}
	return d, err
}

// errToldMeanwhile says that somebody else told of the same purchase, and was
// booked, between the look and the booking.
var errToldMeanwhile = errors.New("cards: the same purchase was booked meanwhile")

// bookMissing books what is not booked yet of an advice's purchase, and looks
// again when others tell of it at the same time.
func (s *Service) bookMissing(ctx context.Context, a Advice, key idem.Key, link Link, at Place, from payer) (d Decision, err error) {
	const looks = 3
	for range looks {
		paid, err := s.paidAlready(ctx, a)
		if err != nil {
			return d, err
		}
		missing, err := s.instead(ctx, a, paid)
		if err != nil {
			return d, err
		}
		if d, err = s.book(ctx, a, key, link, at, from, missing, paid); !errors.Is(err, errToldMeanwhile) {
			return d, err
		}
	}
	return d, fault.ErrUnavailable.Because(errToldMeanwhile)
}

// advisedBefore finds what was answered to an advice, or that it was reversed
// before it came.
func (s *Service) advisedBefore(ctx context.Context, key idem.Key) (d Decision, known bool, err error) {
	found, known, err := s.keys.Look(ctx, key.ID)
	switch {
	case err != nil || !known:
		return d, false, err
	case found.Digest != key.Digest:
		d, err = s.decidedBefore(ctx, key, idem.ErrKeyReused)
		return d, true, err
	}
	err = json.Unmarshal(found.Answer, &d)
	d.Replayed = true
	return d, true, err
}

// payer is the wallet that an advice is booked on.
type payer struct {
	vouchers.Wallet
	policyVersion int
}

// walletFor finds the wallet that would have paid; an expired one is better
// than none, since the shop has given the goods.
func (s *Service) walletFor(ctx context.Context, citizen uuid.UUID) (p payer, err error) {
	from, err := s.vouchers.Spendable(ctx, citizen, uuid.Nil)
	if err == nil {
		return payer{vouchers.Wallet{ID: from.WalletID, CitizenID: citizen, ProgrammeID: from.ProgrammeID}, from.Policy.Version}, nil
	}
	if !voucherCannot(err) {
		return p, err
	}
	wallets, err := s.vouchers.Wallets(ctx, citizen)
	for _, w := range wallets {
		if w.TenantID == tenant.From(ctx) {
			return payer{w, len(w.Programme.Policies)}, err
		}
	}
	return p, errors.Join(err, vouchers.ErrWalletUnknown)
}

// instead settles an advice with the payment that was booked of its purchase
// already (uuid.Nil: none), and returns what is still to be booked of the
// voucher's part.
func (s *Service) instead(ctx context.Context, a Advice, paid uuid.UUID) (missing money.Amount, err error) {
	if paid == uuid.Nil {
		return a.Voucher, nil
	}
	p, err := s.payments.Get(asSystem(ctx), paid)
	if err != nil {
		return 0, err
	}
	if over := p.Left() - a.Voucher; over > 0 {
		_, _, err = s.cancel(ctx, "advice-"+a.Issuer+"-"+a.Key, p.ID, over)
	}
	return max(0, a.Voucher-p.Left()), err
}

// paidAlready finds the payment of the request that an advice stands for, or of
// the same purchase under another name: of an issuer that does not say which
// request it was, or that the staff booked from a clearing file. The request, if
// it was not decided, is from now on refused.
func (s *Service) paidAlready(ctx context.Context, a Advice) (payment uuid.UUID, err error) {
	if a.Original != "" {
		key, err := original(a.Issuer, a.Original)
		if err != nil {
			return uuid.Nil, err
		}
		marked, err := s.keys.Mark(ctx, key, verdict{Refused: ErrSuperseded.Code})
		if err != nil {
			return uuid.Nil, err
		}
		if !marked {
			found, _, err := s.keys.Look(ctx, key.ID)
			if err != nil || found.Entry != uuid.Nil {
				return found.Entry, err
			}
		}
	}
	if a.Retrieval == "" {
		return uuid.Nil, nil
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		known, err := s.store.authorisationOf(ctx, a.Issuer, a.Retrieval)
		if err == nil && known != nil && known.PaymentID != nil {
			payment = *known.PaymentID
		}
		return err
	})
	return payment, err
}

// book books an advice, once for its key, if of its purchase nothing but paid
// was booked.
func (s *Service) book(ctx context.Context, a Advice, key idem.Key, link Link, at Place, from payer, missing money.Amount, paid uuid.UUID) (d Decision, err error) {
	m, err := s.merchants.Get(ctx, at.MerchantID)
	if err != nil {
		return d, err
	}
	d, replayed, err := idem.Once(ctx, s.keys, key, func(ctx context.Context) (d Decision, err error) {
		if err := s.aloneWith(ctx, a, paid); err != nil {
			return d, err
		}
		kept := Authorisation{ID: uuid.Must(uuid.NewV7()), Source: "advice", Voucher: missing, Account: a.Account}
		if missing > 0 {
			u := use(Request{Message: a.Message, Amount: a.Amount}, link)
			u.Source, u.Account = "advice", a.Account
			b, err := s.payments.BookCard(ctx, s.outbox, payments.CardBooking{
				Wallet: from.Wallet, MerchantID: m.ID, PayableID: m.PayableID, Amount: missing, PolicyVersion: from.policyVersion, Card: u,
			})
			if err != nil {
				return d, err
			}
			kept.ID, kept.PaymentID = b.ID, &b.ID
			d = Decision{Approved: missing, Number: number(b.ID), Left: b.BalanceAfter}
			if err := s.claim(ctx, b); err != nil {
				return d, err
			}
		}
		if missing+a.Account == 0 {
			return d, nil // the purchase is on record
		}
		return d, s.keep(ctx, kept, Request{Message: a.Message, Amount: a.Amount}, link, m.ID)
	})
	d.Replayed = replayed
	if err != nil || replayed || a.Account == 0 {
		return d, err
	}
	return d, s.fellThrough(ctx, debit{a.Message, a.Account, "advice"}, link, m.ID)
}

// aloneWith makes those who tell of one purchase take turns, and sees that
// nobody booked it since it was looked for.
func (s *Service) aloneWith(ctx context.Context, a Advice, paid uuid.UUID) error {
	if a.Retrieval == "" || paid != uuid.Nil {
		return nil
	}
	if err := s.store.lockPurchase(ctx, a.Issuer, a.Retrieval); err != nil {
		return err
	}
	known, err := s.store.authorisationOf(ctx, a.Issuer, a.Retrieval)
	if err == nil && known != nil && known.PaymentID != nil {
		err = errToldMeanwhile
	}
	return err
}

// park keeps an advice that cannot be booked yet.
func (s *Service) park(ctx context.Context, a Advice, reason error) error {
	f, _ := fault.Of(reason)
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.db.Platform(ctx, func(ctx context.Context) error {
		return s.store.parkAdvice(ctx, a, body, f.Code, s.now())
	})
}

// BookParked tries the advices that could not be booked when they came, and
// returns how many now are.
func (s *Service) BookParked(ctx context.Context) (booked int, err error) {
	var waiting []parkedAdvice
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		waiting, err = s.store.parkedAdvices(ctx)
		return err
	})
	for _, p := range waiting {
		var a Advice
		if err := json.Unmarshal(p.Advice, &a); err != nil {
			return booked, err
		}
		if _, err := s.link(ctx, a.Issuer, a.Token); errors.Is(err, ErrNotLinked) {
			continue
		}
		if _, err := s.place(ctx, a.Message); errors.Is(err, ErrTerminalUnknown) {
			continue
		}
		if _, err := s.Advise(ctx, a); err != nil {
			return booked, err
		}
		err := s.db.Platform(ctx, func(ctx context.Context) error { return s.store.unpark(ctx, p, s.now()) })
		if err != nil {
			return booked, err
		}
		booked++
	}
	return booked, err
}
