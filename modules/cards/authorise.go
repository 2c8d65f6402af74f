package cards

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

// sender is who an issuer is to the keys of what it sends.
func sender(issuer string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("card issuer "+issuer))
}

// asked is what may not differ between a message and its repeat.
type asked struct {
	Token, MerchantNumber, Terminal string
	Amount                          money.Amount
}

func (r Request) key() (idem.Key, error) {
	return idem.New(sender(r.Issuer), r.Key, "card", asked{r.Token, r.MerchantNumber, r.Terminal, r.Amount})
}

func (r Request) validate() error {
	switch {
	case r.Amount <= 0:
		return fault.On("amount", fault.TooSmall).Limit(1)
	case r.Amount > AmountMax:
		return fault.On("amount", fault.TooLarge).Limit(int64(AmountMax))
	}
	return r.Message.validate(1)
}

// AmountMax bounds what one message may ask for: a card may pay more than a
// voucher can, and the rest may be the bank account's.
const AmountMax money.Amount = 100_000_000

// verdict is what is kept under the key of a message that moved no value, so
// that its repeat is answered alike and it can never move any.
type verdict struct {
	Refused string         `json:"refused,omitempty"` // code of a fault
	Params  map[string]any `json:"params,omitempty"`
	Account money.Amount   `json:"account,omitempty"` // the bank account pays it all
	Number  string         `json:"number,omitempty"`
}

// Authorise decides a request, once for each key. What it needs to know is in
// memory: an approval costs no query but its batch. It refuses with
// ErrNotLinked, ErrPaused, ErrLost, ErrNotMain, ErrTerminalUnknown, ErrReversed,
// ErrSuperseded, what payments.PayByCard refuses, and fault.ErrUnavailable when
// it cannot know; what was booked nevertheless is then undone.
func (s *Service) Authorise(ctx context.Context, r Request) (Decision, error) {
	if err := r.validate(); err != nil {
		return Decision{}, err
	}
	key, err := r.key()
	if err != nil {
		return Decision{}, err
	}
	if s.inDoubt(r.Issuer, r.Key) {
		return Decision{}, fault.ErrUnavailable
	}
	link, err := s.link(ctx, r.Issuer, r.Token)
	if err != nil {
		return Decision{}, err // nobody's card: there is nobody to tell
	}
	at, err := s.place(ctx, r.Message)
	if errors.Is(err, ErrTerminalUnknown) {
		return Decision{}, s.stray(ctx, r, link, err)
	}
	if err != nil {
		return Decision{}, err
	}
	ctx = tenant.With(ctx, at.TenantID)
	d, err := s.decide(ctx, r, key, link, at)
	switch f, refused := fault.Of(err); {
	case err == nil:
		return d, nil
	case errors.Is(err, idem.ErrKeyReused):
		return s.decidedBefore(ctx, key, err)
	case !refused || f.Kind == fault.Unavailable:
		s.doubt(Reversal{Message: r.Message, Original: r.Key})
		if ctx.Err() != nil { // whoever asked has gone
			err = fault.ErrUnavailable.Because(err)
		}
		return Decision{}, err
	}
	return s.refuse(ctx, r, key, link, at.MerchantID, err)
}

func (s *Service) decide(ctx context.Context, r Request, key idem.Key, link Link, at Place) (Decision, error) {
	option := link.In(at.TenantID)
	switch {
	case link.State == Paused:
		return Decision{}, ErrPaused
	case link.State == Lost:
		return Decision{}, ErrLost
	case link.State != Active:
		return Decision{}, ErrNotLinked
	case !option.Main:
		return Decision{}, ErrNotMain
	}
	in := payments.CardInput{
		Key: key, CitizenID: link.CitizenID, MerchantID: at.MerchantID, Amount: r.Amount,
		Partial: r.Partial || option.Mode == Allow, Rest: option.Mode == Allow, Card: use(r, link),
	}
	paid, replayed, err := s.payments.PayByCard(ctx, in)
	if option.Mode == Ask && voucherCannot(err) {
		allowed, lookErr := s.takeOffer(ctx, link, at, r.Amount)
		if lookErr != nil {
			return Decision{}, lookErr
		}
		if in.Rest = allowed; allowed {
			in.Partial = true
			paid, replayed, err = s.payments.PayByCard(ctx, in)
		}
	}
	if in.Rest && voucherCannot(err) {
		return s.byAccount(ctx, r, key, link, at)
	}
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Approved: paid.Amount, Number: number(paid.ID), Left: paid.BalanceAfter, Replayed: replayed}
	if in.Rest {
		d.Account = r.Amount - paid.Amount
	}
	if replayed {
		d.Account, err = s.accountBeside(ctx, paid.ID, d.Account)
	}
	return d, err
}

// accountBeside is what the bank account was allowed to pay beside a payment. A
// record that is about to be kept says the same as the mode does.
func (s *Service) accountBeside(ctx context.Context, payment uuid.UUID, otherwise money.Amount) (account money.Amount, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		kept, known, err := s.store.accountOf(ctx, payment)
		if account = kept; !known {
			account = otherwise
		}
		return err
	})
	return account, err
}

func use(r Request, link Link) payments.CardUse {
	return payments.CardUse{
		LinkID: link.ID, Issuer: r.Issuer, Key: r.Key, Retrieval: r.Retrieval, MerchantNumber: r.MerchantNumber, Terminal: r.Terminal,
		Source: "authorisation", Requested: r.Amount,
	}
}

// number is what people read to each other: the last six signs of the payment's.
func number(id uuid.UUID) string {
	text := id.String()
	return strings.ToUpper(text[len(text)-6:])
}

// voucherCannot tells refusals that another way to pay would answer.
func voucherCannot(err error) bool {
	for _, can := range []error{
		ledger.ErrInsufficientBalance, ledger.ErrDayLimit, ledger.ErrAccountNotOpen, payments.ErrTradeExcluded,
		vouchers.ErrWalletUnknown, vouchers.ErrWalletExpired, vouchers.ErrProgrammeNotOpen,
	} {
		if errors.Is(err, can) {
			return true
		}
	}
	return false
}

// byAccount lets the bank account pay all, as the citizen has allowed.
func (s *Service) byAccount(ctx context.Context, r Request, key idem.Key, link Link, at Place) (Decision, error) {
	id := uuid.Must(uuid.NewV7())
	v := verdict{Account: r.Amount, Number: number(id)}
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		marked, err := s.keys.Mark(ctx, key, v)
		if err != nil || !marked {
			return errors.Join(err, taken(marked))
		}
		return s.keep(ctx, Authorisation{ID: id, Account: r.Amount}, r, link, at.MerchantID)
	})
	return Decision{Account: v.Account, Number: v.Number}, err
}

// taken says that another message has the key.
func taken(marked bool) error {
	if marked {
		return nil
	}
	return idem.ErrKeyReused
}

// refuse keeps a refusal, so that the repeat of its message is refused alike,
// and tells the citizen. If the message was decided before, that stands.
func (s *Service) refuse(ctx context.Context, r Request, key idem.Key, link Link, shop uuid.UUID, refusal error) (Decision, error) {
	f, _ := fault.Of(refusal)
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		marked, err := s.keys.Mark(ctx, key, verdict{Refused: f.Code, Params: f.Params})
		if err != nil || !marked {
			return errors.Join(err, taken(marked))
		}
		a := Authorisation{ID: uuid.Must(uuid.NewV7()), Refusal: f.Code}
		if err := s.keep(ctx, a, r, link, shop); err != nil {
			return err
		}
		return s.declined(ctx, r, link, shop, f)
	})
	switch {
	case errors.Is(err, idem.ErrKeyReused):
		return s.decidedBefore(ctx, key, err)
	case err != nil:
		return Decision{}, err
	}
	return Decision{}, refusal
}

// decidedBefore finds what was decided under a key.
func (s *Service) decidedBefore(ctx context.Context, key idem.Key, otherwise error) (Decision, error) {
	found, known, err := s.keys.Look(ctx, key.ID)
	switch {
	case err != nil:
		return Decision{}, err
	case !known, found.Digest != key.Digest && !marker(found.Digest):
		return Decision{}, otherwise
	case found.Entry != uuid.Nil:
		return s.approvedBefore(ctx, found.Entry)
	}
	var v verdict
	if err := json.Unmarshal(found.Answer, &v); err != nil {
		return Decision{}, err
	}
	if v.Refused == "" {
		return Decision{Account: v.Account, Number: v.Number, Replayed: true}, nil
	}
	f, ok := fault.Lookup(v.Refused)
	if !ok {
		return Decision{}, otherwise
	}
	for name, value := range v.Params {
		f = f.With(name, value)
	}
	return Decision{Replayed: true}, f
}

func (s *Service) approvedBefore(ctx context.Context, id uuid.UUID) (Decision, error) {
	p, err := s.payments.Get(asSystem(ctx), id)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Approved: p.Amount, Number: number(p.ID), Left: p.BalanceAfter, Replayed: true}
	d.Account, err = s.accountBeside(ctx, id, 0)
	return d, err
}
