package payments

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/gather"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/vouchers"
)

// Service takes payments and undoes them.
type Service struct {
	db        *db.DB
	store     store
	keys      *idem.Keys
	ledger    *ledger.Service
	merchants *merchants.Service
	vouchers  *vouchers.Service
	now       clock.Now
	outbox    *outbox.Outbox
	booked    *gather.Desk[tenant.Key, booked]
}

// booked is a payment with what moved for it.
type booked struct {
	Payment
	transfers []ledger.Transfer
}

// New builds the service over its neighbours; lane is the pool that may look
// across municipalities.
func New(d, lane *db.DB, keys *idem.Keys, l *ledger.Service, m *merchants.Service, v *vouchers.Service, now clock.Now) *Service {
	s := &Service{db: d, store: store{d, lane}, keys: keys, ledger: l, merchants: m, vouchers: v, now: now}
	s.booked = gather.NewDesk(1, lane.Patience(), s.readBooked)
	return s
}

// Announce gives payments the outbox for what is not booked by the fast lane,
// which announces by itself.
func (s *Service) Announce(o *outbox.Outbox) { s.outbox = o }

// PayInput is one press of the pay button. Key is the same on every retry.
type PayInput struct {
	Key        string       `json:"-"`
	CitizenID  uuid.UUID    `json:"-"`
	MerchantID uuid.UUID    `json:"merchant_id"` // or QR
	QR         string       `json:"qr"`          // the payload of a merchant's code
	WalletID   uuid.UUID    `json:"wallet_id"`   // uuid.Nil: the one that expires first
	Amount     money.Amount `json:"amount"`      // of a code of one sale: as the code says, or 0
}

// AmountMax bounds one payment, whatever a policy allows: the most that a
// citizen may hold nationally (national ceiling since June 2025, as the press has it).
const AmountMax money.Amount = 2_000_000

func (in PayInput) validate() error {
	switch {
	case in.Amount > AmountMax:
		return fault.On("amount", fault.TooLarge).Limit(int64(AmountMax))
	case in.Amount < 0 || in.Amount == 0 && in.QR == "":
		return fault.On("amount", fault.TooSmall).Limit(1)
	case in.MerchantID == uuid.Nil && in.QR == "":
		return fault.On("merchant_id", fault.Required)
	case in.MerchantID != uuid.Nil && in.QR != "":
		return fault.On("qr", fault.NotAllowed)
	}
	return nil
}

// till is where a payment goes, as the merchant's code or the citizen's choice says.
type till struct {
	merchant merchants.Accepting
	amount   money.Amount
	method   Method
	code     uuid.UUID // of one sale; taken by the key, so that a retry finds it its own
}

// Pay moves the amount from the citizen's wallet to the merchant, once for each
// key, at the municipality in ctx. What it needs to know is in memory: it costs
// no query but its batch. It refuses with the codes of merchants.Accepting,
// vouchers.Spendable and ledger.Post, trade-excluded and limit-exceeded, which
// name the policy's version and clause.
func (s *Service) Pay(ctx context.Context, in PayInput) (p Payment, replayed bool, err error) {
	key, err := idem.New(in.CitizenID, in.Key, "pay", in)
	if err != nil {
		return Payment{}, false, err
	}
	if err := in.validate(); err != nil {
		return Payment{}, false, err
	}
	to, from, err := s.mayPay(ctx, in, key)
	if err != nil {
		return s.paidBefore(ctx, key, err)
	}
	id := uuid.Must(uuid.NewV7())
	event := CapturedEvent{
		PaymentID: id, CitizenID: in.CitizenID, WalletID: from.WalletID, ProgrammeID: from.ProgrammeID,
		MerchantID: to.merchant.ID, Amount: to.amount, Method: to.method, PolicyVersion: from.Policy.Version, At: s.now(),
	}
	body, err := json.Marshal(event)
	if err != nil {
		return Payment{}, false, err
	}
	if to.code != uuid.Nil {
		if err := s.merchants.UseCode(ctx, to.code, key.ID); err != nil {
			return s.paidBefore(ctx, key, err)
		}
	}
	outcome, err := s.ledger.Post(ctx, ledger.Order{
		Tenant: tenant.From(ctx), ID: id, Key: key, Wallet: from.WalletID, Payee: to.merchant.PayableID,
		Amount: to.amount, DayMax: from.Policy.PerDayMax, Topic: TopicCaptured, Event: body,
	})
	if err != nil {
		paid := errors.Is(err, idem.ErrKeyReused) // another request of this key has it
		if f, refused := fault.Of(err); refused && !paid && f.Kind != fault.Unavailable && to.code != uuid.Nil {
			err = errors.Join(explain(err, from.Policy), s.merchants.FreeCode(ctx, to.code, key.ID))
		}
		return Payment{}, false, explain(err, from.Policy)
	}
	if outcome.ID != id || !outcome.Fresh {
		p, err = s.get(ctx, outcome.ID) // what the books say, not what we hoped
		return p, outcome.Replayed, err
	}
	return Payment{
		TenantID: tenant.From(ctx), ID: id, CitizenID: in.CitizenID, WalletID: from.WalletID, ProgrammeID: from.ProgrammeID,
		MerchantID: to.merchant.ID, MerchantName: to.merchant.Name, Amount: to.amount, BalanceAfter: outcome.Balance,
		Method: to.method, PolicyVersion: from.Policy.Version, At: outcome.At, Day: outcome.Day,
	}, false, nil
}

// mayPay finds the merchant and the wallet and asks the policy in force.
func (s *Service) mayPay(ctx context.Context, in PayInput, key idem.Key) (to till, from vouchers.Spendable, err error) {
	if to, err = s.till(ctx, in, key); err != nil {
		return to, from, err
	}
	if from, err = s.vouchers.Spendable(ctx, in.CitizenID, in.WalletID); err != nil {
		return to, from, err
	}
	policy, m := from.Policy, to.merchant
	if slices.Contains(policy.ExcludedTrades, m.Trade) || policy.ExcludesLargeSellers && m.YearlySalesOver3bn {
		return to, from, ErrTradeExcluded.With("merchant", m.Name).With("policy_version", policy.Version).With("clause", policy.Clause)
	}
	if policy.PerPaymentMax > 0 && to.amount > policy.PerPaymentMax {
		return to, from, ledger.ErrDayLimit.With("rule", "per-payment").With("limit", policy.PerPaymentMax).
			With("policy_version", policy.Version).With("clause", policy.Clause)
	}
	return to, from, nil
}

func (s *Service) till(ctx context.Context, in PayInput, key idem.Key) (to till, err error) {
	if in.QR == "" {
		to = till{amount: in.Amount, method: ByMerchant}
		to.merchant, err = s.merchants.Accepting(ctx, in.MerchantID)
		return to, err
	}
	found, err := s.merchants.ScanAgain(ctx, in.QR, key.ID)
	if err != nil {
		return to, err
	}
	to = till{merchant: found.Merchant, amount: in.Amount, method: ByStaticQR, code: found.CodeID}
	if found.CodeID != uuid.Nil {
		to.method = ByDynamicQR
	}
	switch {
	case found.Tenant != tenant.From(ctx):
		return to, ErrMerchantMismatch.With("tenant", found.Tenant)
	case found.Amount > 0 && in.Amount > 0 && found.Amount != in.Amount:
		return to, fault.On("amount", fault.Mismatch)
	case found.Amount > 0:
		to.amount = found.Amount
	case in.Amount == 0:
		return to, fault.On("amount", fault.Required)
	}
	return to, nil
}

// explain names the rule behind a limit.
func explain(err error, policy vouchers.Policy) error {
	if f, ok := fault.Of(err); ok && errors.Is(err, ledger.ErrDayLimit) {
		return f.With("policy_version", policy.Version).With("clause", policy.Clause)
	}
	return err
}

// paidBefore lets a retry find its payment although it would be refused now:
// the shop has closed since, or the wallet was emptied by this very payment.
func (s *Service) paidBefore(ctx context.Context, key idem.Key, refusal error) (p Payment, replayed bool, err error) {
	if errors.Is(refusal, fault.ErrUnavailable) {
		return Payment{}, false, refusal // nor would the database tell this
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		id, err := s.keys.Entry(ctx, key)
		if err != nil {
			return err
		}
		if id == uuid.Nil {
			return refusal
		}
		p, err = s.store.get(ctx, id)
		return err
	})
	if err != nil {
		return Payment{}, false, err
	}
	p, err = s.named(ctx, p)
	return p, true, err
}

// CancelInput undoes a payment; Amount zero means all that is left of it.
type CancelInput struct {
	Key       string       `json:"-"`
	PaymentID uuid.UUID    `json:"payment_id"`
	Amount    money.Amount `json:"amount"`
}

// Undone is a cancellation and the payment as it stands after it.
type Undone struct {
	Cancellation Cancellation `json:"cancellation"`
	Payment      Payment      `json:"payment"`
}

// Cancel gives back what was paid, whole or in part, once for each key, through
// the fast lane. The principal in ctx is the citizen who paid or a clerk of the
// merchant who was paid; to anyone else the payment is unknown. A frozen wallet
// takes its money back, too.
func (s *Service) Cancel(ctx context.Context, in CancelInput) (c Undone, replayed bool, err error) {
	who := auth.From(ctx)
	key, err := idem.New(who.ID, in.Key, "cancel", in)
	if err != nil {
		return Undone{}, false, err
	}
	if in.Amount < 0 {
		return Undone{}, false, fault.On("amount", fault.TooSmall).Limit(1)
	}
	const others = 3 // cancellations of the same payment that may come between
	for range others {
		p, err := s.paid(ctx, in.PaymentID)
		if err == nil && !mayCancel(who, p.Payment) {
			err = ErrUnknown
		}
		if err != nil {
			return Undone{}, false, err
		}
		payable := p.transfers[0].Credit
		if claim, lent := p.onClaim(); lent {
			id := uuid.Must(uuid.NewV7())
			u := Cancellation{ID: id, PaymentID: p.ID, MerchantID: p.MerchantID, Amount: in.Amount, ByKind: string(who.Kind), ByID: who.ID}
			return s.undoOnClaim(ctx, key, p.Payment, u, claim, payable)
		}
		c, replayed, err = s.cancel(ctx, who, key, p.Payment, payable, in.Amount)
		if !errors.Is(err, ledger.ErrAnsweredInFull) {
			return c, replayed, err
		}
	}
	return Undone{}, false, fault.ErrUnavailable
}

func (s *Service) cancel(ctx context.Context, who auth.Principal, key idem.Key, p Payment, payable uuid.UUID, amount money.Amount) (Undone, bool, error) {
	if amount == 0 {
		amount = p.Left()
	}
	switch {
	case p.Left() == 0:
		return s.undoneBefore(ctx, key, p, ErrNothingToCancel)
	case amount > p.Left():
		return s.undoneBefore(ctx, key, p, ErrCancelTooLarge.With("left", p.Left()))
	}
	id := uuid.Must(uuid.NewV7())
	event, err := json.Marshal(CancelledEvent{
		PaymentID: p.ID, CancellationID: id, CitizenID: p.CitizenID, WalletID: p.WalletID,
		MerchantID: p.MerchantID, Amount: amount, ByKind: string(who.Kind), ByID: who.ID, At: s.now(),
	})
	if err != nil {
		return Undone{}, false, err
	}
	outcome, err := s.ledger.Post(ctx, ledger.Order{
		Tenant: p.TenantID, ID: id, Key: key, Wallet: p.WalletID, Payee: payable, Amount: amount, Answers: p.ID,
		Topic: TopicCancelled, Event: event,
	})
	if err != nil {
		return Undone{}, false, err
	}
	if outcome.ID != id || !outcome.Fresh {
		return s.undone(ctx, outcome.ID, p, outcome.Replayed)
	}
	p.CancelledAmount = outcome.Answered
	return Undone{Cancellation{
		TenantID: p.TenantID, ID: id, PaymentID: p.ID, MerchantID: p.MerchantID, Amount: amount, CancelledAfter: outcome.Answered,
		ByKind: string(who.Kind), ByID: who.ID, At: outcome.At, Day: outcome.Day,
	}, p}, false, nil
}

// undoneBefore lets a retry find its cancellation although it would be refused
// now, because of this very cancellation.
func (s *Service) undoneBefore(ctx context.Context, key idem.Key, p Payment, refusal error) (Undone, bool, error) {
	id, err := s.keys.Entry(ctx, key)
	switch {
	case err != nil:
		return Undone{}, false, err
	case id == uuid.Nil:
		return Undone{}, false, refusal
	}
	return s.undone(ctx, id, p, true)
}

// undone reads a cancellation, and tells the payment as it stood just after it.
func (s *Service) undone(ctx context.Context, id uuid.UUID, p Payment, replayed bool) (c Undone, _ bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		c.Cancellation, err = s.store.cancellation(ctx, id)
		return err
	})
	c.Payment = p
	c.Payment.CancelledAmount = c.Cancellation.CancelledAfter
	return c, replayed, err
}

// paid reads a payment and its entry, which names the account that it was
// credited to.
func (s *Service) paid(ctx context.Context, id uuid.UUID) (p booked, err error) {
	p, err = s.booked.Ask(ctx, tenant.Key{Tenant: tenant.From(ctx), ID: id})
	if errors.Is(err, gather.ErrNotFound) {
		return p, ErrUnknown
	}
	if err == nil {
		p.Payment, err = s.named(ctx, p.Payment)
	}
	return p, db.Unavailable(err)
}

func (s *Service) readBooked(ctx context.Context, keys []tenant.Key) (map[tenant.Key]booked, error) {
	payments, err := s.store.payments(ctx, keys)
	if err != nil {
		return nil, err
	}
	transfers, err := s.ledger.TransfersOf(ctx, keys)
	found := make(map[tenant.Key]booked, len(payments))
	for key, p := range payments {
		found[key] = booked{p, transfers[key]}
	}
	return found, err
}

func mayCancel(who auth.Principal, p Payment) bool {
	switch who.Kind {
	case auth.Citizen:
		return who.ID == p.CitizenID
	case auth.Clerk:
		return who.Merchant == p.MerchantID
	default:
		return who.Kind == auth.System
	}
}

// Get returns a payment of the tenant in ctx as the principal may see it.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Payment, error) {
	p, err := s.get(ctx, id)
	if who, ok := auth.Lookup(ctx); err == nil && ok && who.Kind != auth.Staff && !mayCancel(who, p) {
		return Payment{}, ErrUnknown
	}
	return p, err
}

func (s *Service) get(ctx context.Context, id uuid.UUID) (p Payment, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		p, err = s.store.get(ctx, id)
		return err
	})
	if err != nil {
		return Payment{}, err
	}
	return s.named(ctx, p)
}

// Cancellations lists what was cancelled of a payment, oldest first.
func (s *Service) Cancellations(ctx context.Context, payment uuid.UUID) (list []Cancellation, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.cancellations(ctx, payment)
		return err
	})
	return list, err
}

// ListByMerchant lists what a merchant was paid.
func (s *Service) ListByMerchant(ctx context.Context, merchant uuid.UUID, f Filter) ([]Payment, error) {
	return s.list(ctx, func(ctx context.Context) ([]Payment, error) { return s.store.byMerchant(ctx, merchant, f) })
}

// LatestOfWallet lists the payments among a wallet's last movements, of which
// most are looked at: the ledger knows whose they are, so that a payment needs
// no index of its own by wallet.
func (s *Service) LatestOfWallet(ctx context.Context, wallet uuid.UUID, most int) ([]Payment, error) {
	lines, err := s.ledger.EntriesOf(ctx, wallet, uuid.Nil, most)
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	ids := make([]uuid.UUID, len(lines))
	for i, line := range lines {
		ids[i] = line.EntryID
	}
	return s.list(ctx, func(ctx context.Context) ([]Payment, error) { return s.store.these(ctx, ids) })
}

// List lists the municipality's payments.
func (s *Service) List(ctx context.Context, f Filter) ([]Payment, error) {
	return s.list(ctx, func(ctx context.Context) ([]Payment, error) { return s.store.list(ctx, f) })
}

func (s *Service) list(ctx context.Context, read func(context.Context) ([]Payment, error)) (list []Payment, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = read(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(list))
	for i, p := range list {
		ids[i] = p.MerchantID
	}
	names, err := s.merchants.Names(ctx, ids)
	for i := range list {
		list[i].MerchantName = names[list[i].MerchantID]
	}
	return list, err
}

func (s *Service) named(ctx context.Context, p Payment) (Payment, error) {
	names, err := s.merchants.Names(tenant.With(ctx, p.TenantID), []uuid.UUID{p.MerchantID})
	p.MerchantName = names[p.MerchantID]
	return p, err
}

// Totals is what a merchant took in on a business day.
type Totals struct {
	Sales     money.Amount
	Cancelled money.Amount
	Count     int64
}

// Net is what the merchant will be owed for it.
func (t Totals) Net() money.Amount { return t.Sales - t.Cancelled }

// TotalsOf sums a merchant's payments and cancellations of a business day.
func (s *Service) TotalsOf(ctx context.Context, merchant uuid.UUID, f Filter) (t Totals, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		t, err = s.store.totals(ctx, merchant, f)
		return err
	})
	return t, err
}
