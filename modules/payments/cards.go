package payments

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
	"jangteo/modules/vouchers"
)

// ByCard is a card at the shop's terminal.
const ByCard Method = "card"

// CardUse is what a payment by card tells beside what every payment does.
type CardUse struct {
	LinkID         uuid.UUID    `json:"link_id"`
	Issuer         string       `json:"issuer"`
	Key            string       `json:"key"` // of the issuer's message
	Retrieval      string       `json:"retrieval"`
	MerchantNumber string       `json:"merchant_number"`
	Terminal       string       `json:"terminal"`
	Source         string       `json:"source"` // authorisation, advice or swap
	Requested      money.Amount `json:"requested"`
	Account        money.Amount `json:"account"` // what the bank account was allowed to pay
}

// CardInput is a payment by card.
type CardInput struct {
	Key        idem.Key
	CitizenID  uuid.UUID
	MerchantID uuid.UUID
	Amount     money.Amount
	// Partial takes what the voucher can pay when it cannot pay all.
	Partial bool
	// Rest lets the bank account pay what the voucher cannot.
	Rest bool
	Card CardUse
}

// PayByCard takes an amount, or the part that can be paid of it, once for each
// key, like Pay. It refuses as Pay does.
func (s *Service) PayByCard(ctx context.Context, in CardInput) (p Payment, replayed bool, err error) {
	to, err := s.merchants.Accepting(ctx, in.MerchantID)
	if err != nil {
		return p, false, err
	}
	from, err := s.vouchers.Spendable(ctx, in.CitizenID, uuid.Nil)
	if err != nil {
		return p, false, err
	}
	policy, amount := from.Policy, in.Amount
	if slices.Contains(policy.ExcludedTrades, to.Trade) || policy.ExcludesLargeSellers && to.YearlySalesOver3bn {
		return p, false, ErrTradeExcluded.With("merchant", to.Name).With("policy_version", policy.Version).With("clause", policy.Clause)
	}
	if highest := policy.PerPaymentMax; highest > 0 && amount > highest {
		if !in.Partial {
			return p, false, explain(ledger.ErrDayLimit.With("rule", "per-payment").With("limit", highest), policy)
		}
		amount = highest
	}
	const tries = 4 // other payments may empty the wallet between two of them
	for range tries {
		id := uuid.Must(uuid.NewV7())
		use := in.Card
		if use.Requested = in.Amount; in.Rest {
			use.Account = in.Amount - amount
		}
		event, err := json.Marshal(CapturedEvent{
			PaymentID: id, CitizenID: in.CitizenID, WalletID: from.WalletID, ProgrammeID: from.ProgrammeID, MerchantID: to.ID,
			Amount: amount, Method: ByCard, PolicyVersion: policy.Version, At: s.now(), Card: &use,
		})
		if err != nil {
			return p, false, err
		}
		outcome, err := s.ledger.Post(ctx, ledger.Order{
			Tenant: tenant.From(ctx), ID: id, Key: in.Key, Wallet: from.WalletID, Payee: to.PayableID,
			Amount: amount, DayMax: policy.PerDayMax, Topic: TopicCharged, Event: event,
		})
		if left := coverable(err); err != nil && in.Partial && 0 < left && left < amount {
			amount = left
			continue
		}
		if err != nil {
			return p, false, explain(err, policy)
		}
		if outcome.ID != id || !outcome.Fresh {
			p, err = s.get(ctx, outcome.ID)
			return p, outcome.Replayed, err
		}
		return Payment{
			TenantID: tenant.From(ctx), ID: id, CitizenID: in.CitizenID, WalletID: from.WalletID, ProgrammeID: from.ProgrammeID,
			MerchantID: to.ID, MerchantName: to.Name, Amount: amount, BalanceAfter: outcome.Balance,
			Method: ByCard, PolicyVersion: policy.Version, At: outcome.At, Day: outcome.Day,
		}, false, nil
	}
	return p, false, fault.ErrUnavailable
}

// coverable is what a refusal says could still be paid.
func coverable(err error) money.Amount {
	f, ok := fault.Of(err)
	if !ok {
		return 0
	}
	for _, name := range []string{"balance", "remaining"} {
		if left, ok := f.Params[name].(money.Amount); ok {
			return left
		}
	}
	return 0
}

// CardBooking is what an issuer has decided for us already.
type CardBooking struct {
	Wallet     vouchers.Wallet
	MerchantID uuid.UUID
	PayableID  uuid.UUID
	Amount     money.Amount
	// PolicyVersion is the one in force.
	PolicyVersion int
	Card          CardUse
}

// CardBooked is the payment, and what the wallet did not hold: Lent is owed by
// the citizen, on the ledger account Claim.
type CardBooked struct {
	Payment
	Lent  money.Amount
	Claim uuid.UUID
}

// BookCard takes what an issuer has promised for the voucher, inside the
// caller's transaction. No limit is asked any more; what the wallet does not
// hold is lent on a claim.
func (s *Service) BookCard(ctx context.Context, o *outbox.Outbox, in CardBooking) (b CardBooked, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		taken, err := s.ledger.TakeTx(ctx, ledger.Taking{
			ID: uuid.Must(uuid.NewV7()), Wallet: in.Wallet.ID, Payee: in.PayableID, Owner: in.Wallet.CitizenID, Amount: in.Amount,
		})
		if err != nil {
			return err
		}
		b = CardBooked{Lent: taken.Lent, Claim: taken.Claim, Payment: Payment{
			TenantID: tenant.From(ctx), ID: taken.ID, CitizenID: in.Wallet.CitizenID, WalletID: in.Wallet.ID, ProgrammeID: in.Wallet.ProgrammeID,
			MerchantID: in.MerchantID, Amount: in.Amount, BalanceAfter: taken.Balance, Method: ByCard,
			PolicyVersion: in.PolicyVersion, At: taken.At, Day: taken.Day,
		}}
		if err := s.store.insertPast(ctx, []Past{{Payment: b.Payment}}); err != nil {
			return err
		}
		return o.Put(ctx, TopicCharged, CapturedEvent{
			PaymentID: b.ID, CitizenID: b.CitizenID, WalletID: b.WalletID, ProgrammeID: b.ProgrammeID, MerchantID: b.MerchantID,
			Amount: b.Amount, Method: ByCard, PolicyVersion: b.PolicyVersion, At: b.At, Card: &in.Card,
		})
	})
	return b, err
}

// onClaim tells a payment that the wallet did not pay alone.
func (p booked) onClaim() (claim uuid.UUID, lent bool) {
	for _, t := range p.transfers {
		if t.Debit != p.WalletID {
			return t.Debit, true
		}
	}
	return uuid.Nil, false
}

// undoOnClaim gives back a payment that a claim paid in part: first what is
// still owed, then to the wallet. The key, the entry and the record commit
// together.
func (s *Service) undoOnClaim(ctx context.Context, key idem.Key, p Payment, u Cancellation, claim, payable uuid.UUID) (Undone, bool, error) {
	return idem.Once(ctx, s.keys, key, func(ctx context.Context) (done Undone, err error) {
		if p, err = s.store.lock(ctx, p.ID); err != nil {
			return done, err
		}
		if u.Amount == 0 {
			u.Amount = p.Left()
		}
		switch {
		case p.Left() == 0:
			return done, ErrNothingToCancel
		case u.Amount > p.Left():
			return done, ErrCancelTooLarge.With("left", p.Left())
		}
		posted, err := s.ledger.GiveBackTx(ctx, ledger.GivingBack{
			ID: u.ID, Payment: p.ID, Payee: payable, Wallet: p.WalletID, Claim: claim, Amount: u.Amount,
		})
		if err != nil {
			return done, err
		}
		p.CancelledAmount += u.Amount
		u.TenantID, u.CancelledAfter, u.At, u.Day = p.TenantID, p.CancelledAmount, posted.At, posted.Day
		if err := errors.Join(s.store.insertCancellations(ctx, []Cancellation{u}), s.store.cancelled(ctx, p)); err != nil {
			return done, err
		}
		return Undone{u, p}, s.outbox.Put(ctx, TopicCancelled, CancelledEvent{
			PaymentID: p.ID, CancellationID: u.ID, CitizenID: p.CitizenID, WalletID: p.WalletID, MerchantID: p.MerchantID,
			Amount: u.Amount, ByKind: u.ByKind, ByID: u.ByID, At: u.At,
		})
	})
}
