package vouchers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
)

// How long a caller waits for a purchase that another call is making, and
// between two looks.
const (
	awaitMost  = 4 * time.Second
	awaitEvery = 50 * time.Millisecond
)

// begun is what stays of a purchase's first transaction under its key.
type begun struct {
	PurchaseID uuid.UUID `json:"purchase_id"`
	TransferID uuid.UUID `json:"transfer_id"`
}

// Purchase buys voucher with money from a citizen's bank account: it keeps the
// purchase and reserves the subsidy in one transaction, calls the bank, and
// answers with what the bank told. A purchase that is not final is under way:
// the bank did not tell, and is being asked.
//
// The same key and input answer the same purchase, replayed. It refuses with
// ErrProgrammeUnknown, ErrProgrammeNotOpen, ErrLimitExceeded,
// ErrNotForYou, ErrSubsidyExhausted, banking.ErrAccountUnknown and banking.ErrBankRefused;
// of these only the last one leaves anything behind.
func (s *Service) Purchase(ctx context.Context, in PurchaseInput) (p Purchase, replayed bool, err error) {
	key, err := in.key()
	if err != nil {
		return Purchase{}, false, err
	}
	if err := s.mayBuy(ctx, in.CitizenID, in.ProgrammeID); err != nil {
		return Purchase{}, false, err
	}
	kept, replayed, err := idem.Once(ctx, s.keys, key, func(ctx context.Context) (begun, error) { return s.begin(ctx, in) })
	if err != nil {
		return Purchase{}, false, err
	}
	// It is kept now, and goes on whether or not the caller waits for it.
	ctx = context.WithoutCancel(ctx)
	if err := s.send(ctx, kept); err != nil {
		// Nobody knows what came of it: it is under way, and banking takes it up.
		s.log.ErrorContext(ctx, "purchase not settled yet", "purchase", kept.PurchaseID, "error", err)
	}
	p, err = s.PurchaseOf(ctx, in.CitizenID, kept.PurchaseID)
	if err == nil && p.State == Failed {
		err = banking.ErrBankRefused.With("reason", p.Failure).With("purchase_id", p.ID)
	}
	return p, replayed, err
}

func (in PurchaseInput) key() (idem.Key, error) {
	return idem.New(in.CitizenID, in.Key, "purchase", []any{in.ProgrammeID, in.Amount, in.BankAccountID})
}

// begin decides and keeps: the wallet, the instruction to the bank, the
// purchase, and last, because everybody waits for that row in a sale, the
// subsidy.
func (s *Service) begin(ctx context.Context, in PurchaseInput) (begun, error) {
	now := s.now()
	policy, programme, fund, err := s.onSale(ctx, in.ProgrammeID, now)
	if err != nil {
		return begun{}, err
	}
	if err := checkAmount(in.Amount, policy.PurchaseMin, policy.PurchaseStep, money.MaxPerEntry); err != nil {
		return begun{}, err
	}
	wallet, err := s.lockWallet(ctx, in.CitizenID, in.ProgrammeID)
	if err != nil {
		return begun{}, err
	}
	if err := s.checkLimits(ctx, policy, wallet.ID, in.Amount, now); err != nil {
		return begun{}, err
	}
	p := Purchase{
		TenantID: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), CitizenID: in.CitizenID, WalletID: wallet.ID,
		ProgrammeID: in.ProgrammeID, PolicyVersion: policy.Version, Clause: policy.Clause,
		Amount: in.Amount, State: Requested, BankAccountID: &in.BankAccountID, RequestedAt: now,
	}
	p.Paid, p.Subsidy = policy.Price(in.Amount)
	transfer, err := s.banking.Prepare(ctx, banking.Instruction{
		Direction: banking.Withdraw, Amount: p.Paid, Purpose: purpose, SubjectID: p.ID, FundAccount: fund,
		CitizenID: in.CitizenID, AccountID: in.BankAccountID, PrintContent: programme.Name,
	})
	if err != nil {
		return begun{}, err
	}
	p.TransferID = &transfer.ID
	if p.Subsidy > 0 {
		reserve := uuid.Must(uuid.NewV7())
		p.ReserveEntry = &reserve
	}
	if err := s.store.insertPurchase(ctx, p); err != nil {
		return begun{}, err
	}
	return begun{p.ID, transfer.ID}, s.reserve(ctx, p)
}

// onSale returns the policy under which a programme is sold now, and the
// account that the money goes to.
func (s *Service) onSale(ctx context.Context, id uuid.UUID, now time.Time) (policy Policy, p Programme, fund string, err error) {
	t, err := s.tenants.Get(ctx, tenant.From(ctx))
	if err != nil {
		return policy, p, "", err
	}
	if p, err = s.Programme(ctx, id); err != nil {
		return policy, p, "", err
	}
	policy, open := p.OnSale(now)
	if !open || !t.Live {
		return policy, p, "", ErrProgrammeNotOpen.With("programme", p.ID)
	}
	return policy, p, t.FundAccount, nil
}

func checkAmount(amount, least, step, most money.Amount) error {
	switch {
	case amount < least:
		return fault.On("amount", fault.TooSmall).Limit(int64(least))
	case amount > most:
		return fault.On("amount", fault.TooLarge).Limit(int64(most))
	case amount%step != 0:
		return fault.On("amount", fault.WrongStep).Limit(int64(step))
	}
	return nil
}

// lockWallet returns a citizen's wallet, opened on first use, and holds its row
// until the end: limits are decided by one purchase at a time.
func (s *Service) lockWallet(ctx context.Context, citizen, programme uuid.UUID) (Wallet, error) {
	w, found, err := s.store.lockWallet(ctx, citizen, programme)
	if found || err != nil {
		return w, err
	}
	if err := s.store.lockOpening(ctx, citizen, programme); err != nil { // two first purchases at once open one wallet
		return w, err
	}
	if w, found, err = s.store.lockWallet(ctx, citizen, programme); found || err != nil {
		return w, err
	}
	account, err := s.ledger.Open(ctx, ledger.Wallet, citizen)
	if err != nil {
		return w, err
	}
	w = Wallet{TenantID: tenant.From(ctx), ID: account.ID, CitizenID: citizen, ProgrammeID: programme, OpenedAt: account.OpenedAt}
	s.forgetAfterCommit(ctx, citizen)
	return w, s.store.insertWallets(ctx, []Wallet{w})
}

// checkLimits refuses what would go above the month's or the holding limit.
// What is under way counts as if it were there.
func (s *Service) checkLimits(ctx context.Context, policy Policy, wallet uuid.UUID, amount money.Amount, now time.Time) error {
	month, underWay, err := s.store.bought(ctx, wallet, calendar.DayOf(now).FirstOfMonth().Start())
	if err != nil {
		return err
	}
	if left := policy.PurchaseMonthMax - month; amount > left {
		return policy.exceeded("purchase-month", policy.PurchaseMonthMax, left)
	}
	balance, err := s.ledger.Balance(ctx, wallet)
	if err != nil {
		return err
	}
	if left := policy.HoldMax - balance - underWay; amount > left {
		return policy.exceeded("hold", policy.HoldMax, left)
	}
	return nil
}

func (s *Service) reserve(ctx context.Context, p Purchase) error {
	if p.ReserveEntry == nil {
		return nil
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return err
	}
	_, err = s.ledger.PostTx(ctx, reservation(p, house))
	if errors.Is(err, ledger.ErrInsufficientBalance) {
		return ErrSubsidyExhausted.With("programme", p.ProgrammeID)
	}
	return err
}

// reservation is the entry by which the subsidy of a purchase is set aside.
func reservation(p Purchase, house ledger.House) ledger.Entry {
	return ledger.Entry{
		ID: *p.ReserveEntry, Kind: ledger.PurchaseReserved, At: p.RequestedAt,
		Transfers: []ledger.Transfer{{Debit: house.Subsidy, Credit: house.Reserved, Amount: p.Subsidy}},
	}
}

// send calls the bank, unless another call has done so, and waits for what
// that one is told.
func (s *Service) send(ctx context.Context, kept begun) error {
	transfer, err := s.banking.Send(ctx, kept.TransferID)
	if err != nil {
		return err
	}
	deadline := time.NewTimer(awaitMost)
	defer deadline.Stop()
	look := time.NewTicker(awaitEvery)
	defer look.Stop()
	for transfer.State == banking.Sent {
		select {
		case <-deadline.C:
			return nil
		case <-look.C:
		}
		if transfer, err = s.banking.Transfer(ctx, kept.TransferID); err != nil {
			return err
		}
	}
	if transfer.State != banking.Unknown {
		return nil
	}
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.store.markPending(ctx, kept.PurchaseID) })
}

// settle hears what came of a purchase at the bank, in the transaction that
// records it.
func (s *Service) settle(ctx context.Context, t banking.Transfer) error {
	p, err := s.store.lockPurchase(ctx, t.SubjectID)
	if err != nil {
		return err
	}
	next := Failed
	if t.State == banking.Succeeded {
		next = Completed
	}
	if !p.State.mayBecome(next) {
		return fmt.Errorf("purchase %s is %s and cannot become %s", p.ID, p.State, next)
	}
	now := s.now()
	p.State, p.SettledAt = next, &now
	topic := TopicPurchaseCompleted
	if next == Completed {
		err = s.complete(ctx, &p)
	} else {
		topic, p.Failure = TopicPurchaseFailed, string(t.Reason())
		err = s.release(ctx, &p)
	}
	if err != nil {
		return err
	}
	if err := s.store.settlePurchase(ctx, p); err != nil {
		return err
	}
	return s.outbox.Put(ctx, topic, PurchaseSettled{
		PurchaseID: p.ID, CitizenID: p.CitizenID, WalletID: p.WalletID,
		Amount: p.Amount, Paid: p.Paid, Subsidy: p.Subsidy, Reason: p.Failure, At: now,
	})
}

// complete puts what was paid and what was reserved into the wallet, as a lot.
func (s *Service) complete(ctx context.Context, p *Purchase) error {
	policy, err := s.policy(ctx, p.ProgrammeID, p.PolicyVersion)
	if err != nil {
		return err
	}
	seq, err := s.store.nextLot(ctx, p.WalletID)
	if err != nil {
		return err
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return err
	}
	entry := completion(*p, house, uuid.Must(uuid.NewV7()))
	if _, err = s.ledger.PostTx(ctx, entry); err != nil {
		return err
	}
	p.SettleEntry = &entry.ID
	return s.store.insertLots(ctx, []Lot{lotFor(*p, policy, seq)})
}

// completion is the entry by which a purchase arrives in its wallet.
func completion(p Purchase, house ledger.House, id uuid.UUID) ledger.Entry {
	e := ledger.Entry{
		ID: id, Kind: ledger.PurchaseCompleted,
		Transfers: []ledger.Transfer{{Debit: house.Fund, Credit: p.WalletID, Amount: p.Paid}},
	}
	if p.ReserveEntry != nil {
		e.Answers = *p.ReserveEntry
		e.Transfers = append(e.Transfers, ledger.Transfer{Debit: house.Reserved, Credit: p.WalletID, Amount: p.Subsidy})
	}
	return e
}

// lotFor is what a completed purchase puts into its wallet.
func lotFor(p Purchase, policy Policy, seq int) Lot {
	return Lot{
		WalletID: p.WalletID, Seq: seq, PurchaseID: &p.ID, Face: p.Amount, Paid: p.Paid, Subsidy: p.Subsidy,
		IssuedAt: *p.SettledAt, ExpiresAt: policy.expiry(*p.SettledAt),
	}
}

// release gives the reserved subsidy back to the budget.
func (s *Service) release(ctx context.Context, p *Purchase) error {
	if p.ReserveEntry == nil {
		return nil
	}
	house, err := s.ledger.House(ctx)
	if err != nil {
		return err
	}
	entry := ledger.Entry{
		ID: uuid.Must(uuid.NewV7()), Kind: ledger.PurchaseReleased, Answers: *p.ReserveEntry,
		Transfers: []ledger.Transfer{{Debit: house.Reserved, Credit: house.Subsidy, Amount: p.Subsidy}},
	}
	p.SettleEntry = &entry.ID
	_, err = s.ledger.PostTx(ctx, entry)
	return err
}
