package cards

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

// SwapState is how far a swap has come.
type SwapState string

// The states.
const (
	SwapOpen    SwapState = "open"    // offered → paying, when the citizen taps
	SwapPaying  SwapState = "paying"  // → asking, when the voucher has paid; → open, when it cannot
	SwapAsking  SwapState = "asking"  // → swapped or refused, as the issuer says
	SwapDone    SwapState = "swapped" // the voucher has paid, and the bank account has its money back
	SwapRefused SwapState = "refused" // the issuer gives nothing back, and the voucher has its money back
)

// FallThrough is a payment at one of our shops that took the bank account
// although the voucher could have paid.
type FallThrough struct {
	TenantID     tenant.ID    `json:"tenant"`
	ID           uuid.UUID    `json:"id"`
	CitizenID    uuid.UUID    `json:"-"`
	LinkID       uuid.UUID    `json:"card_id"`
	MerchantID   uuid.UUID    `json:"merchant_id"`
	MerchantName string       `json:"merchant_name" gorm:"-"`
	Issuer       string       `json:"issuer"`
	Retrieval    string       `json:"-"`
	Amount       money.Amount `json:"amount"`
	Held         money.Amount `json:"-"` // in the wallet then
	Source       string       `json:"-"` // advice or clearing
	State        SwapState    `json:"state"`
	PaymentID    *uuid.UUID   `json:"payment_id,omitempty"`
	At           time.Time    `json:"at"`
	FoundAt      time.Time    `json:"found_at"`
	ChangedAt    time.Time    `json:"-"`
}

// Step is one step of a swap.
type Step struct {
	Seq    int       `json:"-"`
	Step   string    `json:"step"`
	Detail string    `json:"detail,omitempty"`
	At     time.Time `json:"at"`
}

// What is announced of them.
const (
	TopicFellThrough = "cards.fell-through"
	TopicSwapped     = "cards.swapped"
)

// FallThroughEvent is told when one is found, and when it is swapped.
type FallThroughEvent struct {
	CitizenID     uuid.UUID    `json:"citizen_id"`
	FallThroughID uuid.UUID    `json:"fall_through_id"`
	MerchantID    uuid.UUID    `json:"merchant_id"`
	Amount        money.Amount `json:"amount"`
	At            time.Time    `json:"at"`
}

// debit is a purchase of which the bank account paid something.
type debit struct {
	Message
	account money.Amount
	source  string
}

// fellThrough lists a bank debit to its citizen if the wallet could have paid
// it then, once for each purchase, inside the caller's transaction or its own.
func (s *Service) fellThrough(ctx context.Context, d debit, link Link, shop uuid.UUID) error {
	held, could, err := s.couldPay(ctx, link.CitizenID, shop, d.account, d.At)
	if err != nil || !could {
		return err
	}
	f := FallThrough{
		TenantID: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), CitizenID: link.CitizenID, LinkID: link.ID, MerchantID: shop, Issuer: d.Issuer,
		Retrieval: d.Retrieval, Amount: d.account, Held: held, Source: d.source, State: SwapOpen, At: d.At, FoundAt: s.now(), ChangedAt: s.now(),
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		added, err := s.store.insertFallThrough(ctx, f)
		if err != nil || !added {
			return err
		}
		if err := s.step(ctx, f.ID, "found", ""); err != nil {
			return err
		}
		return s.outbox.Put(ctx, TopicFellThrough, FallThroughEvent{
			CitizenID: f.CitizenID, FallThroughID: f.ID, MerchantID: shop, Amount: f.Amount, At: f.At,
		})
	})
}

// couldPay tells whether the wallet that would have paid held the amount at a
// moment, and whether its policy allows the shop.
func (s *Service) couldPay(ctx context.Context, citizen, shop uuid.UUID, amount money.Amount, at time.Time) (held money.Amount, could bool, err error) {
	from, err := s.vouchers.Spendable(ctx, citizen, uuid.Nil)
	if voucherCannot(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	to, err := s.merchants.Accepting(ctx, shop)
	if errors.Is(err, merchants.ErrNotAccepting) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	p := from.Policy
	if slices.Contains(p.ExcludedTrades, to.Trade) || p.ExcludesLargeSellers && to.YearlySalesOver3bn || p.PerPaymentMax > 0 && amount > p.PerPaymentMax {
		return 0, false, nil
	}
	held, err = s.heldAt(ctx, from, at)
	return held, held >= amount, err
}

// heldAt is what a wallet held at a moment: what it holds now less what has
// moved since. Of a wallet that moved more often than one looks through, it is
// what it held at the last moment looked at.
func (s *Service) heldAt(ctx context.Context, from vouchers.Spendable, at time.Time) (held money.Amount, err error) {
	const pages = 5
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if held, err = s.ledger.Balance(ctx, from.WalletID); err != nil {
			return err
		}
		place := ledger.Newest
		for range pages {
			lines, err := s.ledger.EntriesBefore(ctx, from.WalletID, place, 200)
			if err != nil {
				return err
			}
			for _, l := range lines {
				if !l.At.After(at) {
					return nil
				}
				held -= l.Amount
				place = ledger.Place{Day: l.Day, Entry: l.EntryID}
			}
			if len(lines) == 0 {
				return nil
			}
		}
		return nil
	})
	return max(held, 0), err
}

func (s *Service) step(ctx context.Context, id uuid.UUID, step, detail string) error {
	return s.store.insertStep(ctx, id, Step{Step: step, Detail: detail, At: s.now()})
}

// FallThroughs lists a citizen's in all municipalities, newest first.
func (s *Service) FallThroughs(ctx context.Context, citizen uuid.UUID) (list []FallThrough, err error) {
	homes, err := s.homes(ctx, citizen)
	if err != nil {
		return nil, err
	}
	for _, id := range homes {
		here, err := s.fallThroughs(tenant.With(ctx, id), fallThroughFilter{citizen: citizen})
		if err != nil {
			return nil, err
		}
		list = append(list, here...)
	}
	slices.SortFunc(list, func(a, b FallThrough) int { return b.At.Compare(a.At) })
	return list, nil
}

type fallThroughFilter struct {
	citizen uuid.UUID
	id      uuid.UUID
	states  []SwapState
}

func (s *Service) fallThroughs(ctx context.Context, f fallThroughFilter) (list []FallThrough, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.fallThroughs(ctx, f)
		return err
	})
	ids := make([]uuid.UUID, len(list))
	for i, f := range list {
		ids[i] = f.MerchantID
	}
	if err != nil || len(list) == 0 {
		return nil, err
	}
	names, err := s.merchants.Names(ctx, ids)
	for i := range list {
		list[i].MerchantName = names[list[i].MerchantID]
	}
	return list, err
}

// FallThrough returns one of a citizen's in the municipality of ctx, with the
// steps of its swap.
func (s *Service) FallThrough(ctx context.Context, citizen, id uuid.UUID) (f FallThrough, steps []Step, err error) {
	list, err := s.fallThroughs(ctx, fallThroughFilter{citizen: citizen, id: id})
	if err == nil && len(list) == 0 {
		err = ErrFallThroughUnknown
	}
	if err != nil {
		return f, nil, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		steps, err = s.store.steps(ctx, id)
		return err
	})
	return list[0], steps, err
}

// Swap lets the voucher pay what the bank account has paid: the voucher is
// debited, then the issuer gives the bank debit back or, if it refuses, the
// voucher has its money back. Both or neither; however often it is tapped, once.
// While the issuer does not decide, the swap stands at SwapAsking and ResolveSwaps
// goes on with it. It refuses as payments.PayByCard does, and is then open again.
func (s *Service) Swap(ctx context.Context, citizen, id uuid.UUID) (FallThrough, error) {
	f, _, err := s.FallThrough(ctx, citizen, id)
	if err != nil {
		return f, err
	}
	if f.State == SwapOpen {
		if err := s.move(ctx, &f, SwapPaying, nil, "", "asked"); err != nil {
			return f, err
		}
	}
	err = s.carryOn(ctx, &f)
	return f, err
}

// errMoved says that somebody else has moved a swap on meanwhile.
var errMoved = errors.New("cards: the swap has moved on")

// move takes a swap from its state to another with the steps that did it; the
// first has a detail.
func (s *Service) move(ctx context.Context, f *FallThrough, to SwapState, payment *uuid.UUID, detail string, steps ...string) error {
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		moved, err := s.store.moveSwap(ctx, f.ID, f.State, to, payment, s.now())
		if err != nil {
			return err
		}
		if !moved {
			return errMoved
		}
		if to == SwapDone {
			event := FallThroughEvent{CitizenID: f.CitizenID, FallThroughID: f.ID, MerchantID: f.MerchantID, Amount: f.Amount, At: s.now()}
			if err := s.outbox.Put(ctx, TopicSwapped, event); err != nil {
				return err
			}
		}
		for i, step := range steps {
			if i > 0 {
				detail = ""
			}
			if err := s.step(ctx, f.ID, step, detail); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errMoved) { // whoever it was goes on with it
		return nil
	}
	if err == nil {
		f.State = to
		if payment != nil {
			f.PaymentID = payment
		}
	}
	return err
}

// carryOn goes on with a swap from where it stands.
func (s *Service) carryOn(ctx context.Context, f *FallThrough) error {
	if f.State == SwapPaying {
		if err := s.payForSwap(ctx, f); err != nil {
			return err
		}
	}
	if f.State != SwapAsking {
		return nil
	}
	link, err := s.linkByID(ctx, f.LinkID)
	if err != nil {
		return err
	}
	answer, err := s.desk.Reversal(ctx, f.Issuer, f.ID.String())
	if errors.Is(err, errNeverArrived) {
		ask := BankReversal{Token: link.Token, Retrieval: f.Retrieval, Amount: f.Amount, Key: f.ID.String()}
		answer, err = s.desk.Reverse(ctx, f.Issuer, ask)
	}
	if err != nil {
		answer = ReversalAnswer{State: "unknown"} // asked again by ResolveSwaps
	}
	return s.heard(ctx, f, answer)
}

// payForSwap debits the voucher, once for the swap.
func (s *Service) payForSwap(ctx context.Context, f *FallThrough) error {
	key, err := idem.New(f.CitizenID, "swap-"+f.ID.String(), "swap", f.Amount)
	if err != nil {
		return err
	}
	paid, _, err := s.payments.PayByCard(ctx, payments.CardInput{
		Key: key, CitizenID: f.CitizenID, MerchantID: f.MerchantID, Amount: f.Amount,
		Card: payments.CardUse{LinkID: f.LinkID, Issuer: f.Issuer, Key: "swap-" + f.ID.String(), Retrieval: f.Retrieval, Source: "swap"},
	})
	refusal, refused := fault.Of(err)
	switch {
	case err == nil:
		return s.move(ctx, f, SwapAsking, &paid.ID, "", "voucher-paid")
	case !refused || refusal.Kind == fault.Unavailable:
		return err // unknown: the key tells the next time
	}
	id, lookErr := s.keys.Entry(ctx, key) // it had been paid before it would be refused
	switch {
	case lookErr != nil:
		return lookErr
	case id != uuid.Nil:
		return s.move(ctx, f, SwapAsking, &id, "", "voucher-paid")
	}
	return errors.Join(err, s.move(ctx, f, SwapOpen, nil, refusal.Code, "voucher-refused"))
}

// heard acts on what the issuer says.
func (s *Service) heard(ctx context.Context, f *FallThrough, answer ReversalAnswer) error {
	switch answer.State {
	case "done":
		return s.move(ctx, f, SwapDone, nil, "", "issuer-done")
	case "refused":
		_, _, err := s.cancel(ctx, "swap-back-"+f.ID.String(), *f.PaymentID, 0)
		if err != nil && !errors.Is(err, payments.ErrNothingToCancel) {
			return err
		}
		return s.move(ctx, f, SwapRefused, nil, answer.Reason, "issuer-refused", "voucher-returned")
	}
	return s.stillAsking(ctx, f.ID)
}

// stillAsking keeps that the issuer does not decide, once, unless it has been
// heard meanwhile.
func (s *Service) stillAsking(ctx context.Context, id uuid.UUID) error {
	const step = "issuer-pending"
	return s.db.Tx(ctx, func(ctx context.Context) error {
		held, err := s.store.moveSwap(ctx, id, SwapAsking, SwapAsking, nil, s.now())
		if err != nil || !held {
			return err
		}
		steps, err := s.store.steps(ctx, id)
		if err != nil || len(steps) > 0 && steps[len(steps)-1].Step == step {
			return err
		}
		return s.step(ctx, id, step, "")
	})
}

// ResolveSwaps goes on with the swaps of the municipality in ctx that wait for
// an answer, and returns how many still do.
func (s *Service) ResolveSwaps(ctx context.Context) (waiting int, err error) {
	list, err := s.fallThroughs(ctx, fallThroughFilter{states: []SwapState{SwapPaying, SwapAsking}})
	for i := range list {
		if failed := s.carryOn(ctx, &list[i]); failed != nil {
			if _, refused := fault.Of(failed); !refused {
				err = errors.Join(err, failed)
			}
		}
		if list[i].State == SwapAsking || list[i].State == SwapPaying {
			waiting++
		}
	}
	return waiting, err
}

func (s *Service) linkByID(ctx context.Context, id uuid.UUID) (l Link, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		l, err = s.store.link(ctx, id)
		return err
	})
	return l, err
}
