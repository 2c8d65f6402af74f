package vouchers

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/uuidv7"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
)

// PastPurchase is a purchase that was completed at a moment: what another
// operator hands over, or what a demonstration begins with.
type PastPurchase struct {
	ID            uuid.UUID // zero makes one
	CitizenID     uuid.UUID
	ProgrammeID   uuid.UUID
	Amount        money.Amount
	At            time.Time
	Held          money.Amount // what the wallet held just before, for the holding limit
	BankAccountID uuid.UUID
	From          banking.Destination // that account
}

// ImportPurchases keeps past purchases of the tenant in ctx with their bank
// transfers, entries and lots, set by set, and returns them in the same order,
// which must be that of their times. Each obeys the policy of its moment, or
// the whole is refused as Purchase would refuse it; nothing is announced. A few
// thousand at a time is right.
func (s *Service) ImportPurchases(ctx context.Context, past []PastPurchase) (purchases []Purchase, err error) {
	if len(past) == 0 {
		return nil, nil
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		wallets, err := s.walletsFor(ctx, past)
		if err != nil {
			return err
		}
		i := importing{s: s, wallets: wallets, bought: map[walletMonth]money.Amount{}}
		if i.house, err = s.ledger.House(ctx); err != nil {
			return err
		}
		for n, one := range past {
			if n > 0 && one.At.Before(past[n-1].At) {
				return fmt.Errorf("past purchase %d is earlier than the one before it", n)
			}
			if err := i.add(ctx, one); err != nil {
				return fmt.Errorf("past purchase %d: %w", n, err)
			}
		}
		purchases = i.purchases
		return i.keep(ctx)
	})
	return purchases, err
}

// walletKey names a wallet before it has an id.
type walletKey struct{ citizen, programme uuid.UUID }

type walletMonth struct {
	wallet uuid.UUID
	month  calendar.Day // its first day
}

// importing gathers what is written together.
type importing struct {
	s         *Service
	house     ledger.House
	wallets   map[walletKey]*countedWallet
	bought    map[walletMonth]money.Amount
	purchases []Purchase
	lots      []Lot
	entries   []ledger.Entry
	transfers []banking.PastTransfer
	subsidy   money.Amount
}

// countedWallet is a wallet with the number of its lots.
type countedWallet struct {
	ID    uuid.UUID
	Lots  int
	Fresh bool // opened by this import: nothing was bought into it before
}

func (i *importing) add(ctx context.Context, one PastPurchase) error {
	policy, programme, fund, err := i.s.onSale(ctx, one.ProgrammeID, one.At)
	if err != nil {
		return err
	}
	if err := checkAmount(one.Amount, policy.PurchaseMin, policy.PurchaseStep, money.MaxPerEntry); err != nil {
		return err
	}
	w := i.wallets[walletKey{one.CitizenID, one.ProgrammeID}]
	if err := i.checkLimits(ctx, policy, w, one); err != nil {
		return err
	}
	settled := one.At.Add(time.Second)
	settle := uuidv7.At(settled)
	p := Purchase{
		TenantID: tenant.From(ctx), ID: one.ID, CitizenID: one.CitizenID, WalletID: w.ID, ProgrammeID: one.ProgrammeID,
		PolicyVersion: policy.Version, Clause: policy.Clause, Amount: one.Amount, State: Completed,
		BankAccountID: &one.BankAccountID, SettleEntry: &settle, RequestedAt: one.At, SettledAt: &settled,
	}
	if p.ID == uuid.Nil {
		p.ID = uuidv7.At(one.At)
	}
	p.Paid, p.Subsidy = policy.Price(one.Amount)
	if p.Subsidy > 0 {
		reserve := uuidv7.At(one.At)
		p.ReserveEntry = &reserve
		i.entries = append(i.entries, reservation(p, i.house))
	}
	entry := completion(p, i.house, settle)
	entry.At = settled
	i.entries = append(i.entries, entry)
	i.transfers = append(i.transfers, banking.PastTransfer{At: one.At, Instruction: banking.Instruction{
		Direction: banking.Withdraw, Amount: p.Paid, Purpose: purpose, SubjectID: p.ID, FundAccount: fund,
		CitizenID: one.CitizenID, AccountID: one.BankAccountID, To: one.From, PrintContent: programme.Name,
	}})
	w.Lots++
	i.lots = append(i.lots, lotFor(p, policy, w.Lots))
	i.purchases = append(i.purchases, p)
	i.subsidy += p.Subsidy
	return nil
}

func (i *importing) checkLimits(ctx context.Context, policy Policy, w *countedWallet, one PastPurchase) error {
	month := walletMonth{w.ID, calendar.DayOf(one.At).FirstOfMonth()}
	before, known := i.bought[month]
	if !known && !w.Fresh {
		var err error
		if before, _, err = i.s.store.bought(ctx, w.ID, month.month.Start()); err != nil {
			return err
		}
	}
	if left := policy.PurchaseMonthMax - before; one.Amount > left {
		return policy.exceeded("purchase-month", policy.PurchaseMonthMax, left)
	}
	if left := policy.HoldMax - one.Held; one.Amount > left {
		return policy.exceeded("hold", policy.HoldMax, left)
	}
	i.bought[month] = before + one.Amount
	return nil
}

// keep writes what was gathered, each kind in one go.
func (i *importing) keep(ctx context.Context) error {
	left, err := i.s.ledger.Balance(ctx, i.house.Subsidy)
	if err != nil {
		return err
	}
	if i.subsidy > left {
		return ErrSubsidyExhausted.With("missing", i.subsidy-left)
	}
	transfers, err := i.s.banking.ImportTransfers(ctx, i.transfers)
	if err != nil {
		return err
	}
	for n := range transfers {
		i.purchases[n].TransferID = &transfers[n].ID
	}
	if err := i.s.store.insertPurchases(ctx, i.purchases); err != nil {
		return err
	}
	if err := i.s.ledger.PostMany(ctx, i.entries); err != nil {
		return err
	}
	if err := i.s.store.insertLots(ctx, i.lots); err != nil {
		return err
	}
	return i.s.store.setLots(ctx, i.wallets)
}

// walletsFor finds or opens the wallets of past purchases, at the time of the
// first into each.
func (s *Service) walletsFor(ctx context.Context, past []PastPurchase) (map[walletKey]*countedWallet, error) {
	wallets := make(map[walletKey]*countedWallet, len(past))
	var missing []PastPurchase
	keys := make([]walletKey, 0, len(past))
	for _, one := range past {
		keys = append(keys, walletKey{one.CitizenID, one.ProgrammeID})
	}
	if err := s.store.lockWallets(ctx, keys, wallets); err != nil {
		return nil, err
	}
	for n, one := range past {
		if wallets[keys[n]] == nil {
			wallets[keys[n]] = &countedWallet{Fresh: true}
			missing = append(missing, one)
		}
	}
	if len(missing) == 0 {
		return wallets, nil
	}
	owners := make([]uuid.UUID, len(missing))
	for n, one := range missing {
		owners[n] = one.CitizenID
	}
	accounts, err := s.ledger.OpenMany(ctx, ledger.Wallet, owners, missing[0].At)
	if err != nil {
		return nil, err
	}
	opened := make([]Wallet, len(missing))
	for n, one := range missing {
		opened[n] = Wallet{ID: accounts[n].ID, CitizenID: one.CitizenID, ProgrammeID: one.ProgrammeID, OpenedAt: one.At}
		wallets[walletKey{one.CitizenID, one.ProgrammeID}].ID = accounts[n].ID
		s.forgetAfterCommit(ctx, one.CitizenID)
	}
	return wallets, s.store.insertWallets(ctx, opened)
}
