// Package vouchers is what a municipality issues and a citizen holds:
// programmes, the rules they live under, wallets, and what was bought into them.
//
// It owns schema vouchers; the value itself is in the ledger, and the money
// that pays for it moves through banking.
//
// It holds these to be true, always:
//   - a policy and a lot are never changed once written;
//   - a purchase is paid at the bank, or the subsidy reserved for it goes back:
//     both follow from the outcome that the bank told, in one transaction;
//   - a completed purchase has one lot of its amount;
//   - what a wallet holds and what it has spent are together its lots;
//   - what staff put right took two people, and the citizen is told why.
//
// A citizen is refused with the version and clause of the policy that refuses.
package vouchers

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Kind of programme.
type Kind string

// The kinds of programme.
const (
	Discount  Kind = "discount"  // 선할인: the municipality pays a share when it is bought
	Cashback  Kind = "cashback"  // 캐시백: it gives a share back after a payment
	Allowance Kind = "allowance" // 정책수당: it is granted, not bought
)

// Programme is a voucher product of a municipality.
type Programme struct {
	TenantID tenant.ID
	ID       uuid.UUID
	Kind     Kind
	Name     string // Korean
	NameEn   string
	OpensAt  time.Time  // from when it is sold
	ClosesAt *time.Time // until when it is sold; what was bought lives on
	// Who may buy it, in full years of age; 0 is no bound.
	BuyerAgeMin, BuyerAgeMax int
	CloseReason              string   // why selling ended early, as citizens are told; else empty
	Policies                 []Policy // by version
}

// NameIn is the programme's name for a reader of lang.
func (p Programme) NameIn(lang string) string {
	if lang == "en" {
		return p.NameEn
	}
	return p.Name
}

// OnSale reports whether it can be bought at a moment, and under which policy.
func (p Programme) OnSale(at time.Time) (Policy, bool) {
	if p.Kind == Allowance || at.Before(p.OpensAt) || p.ClosesAt != nil && !at.Before(*p.ClosesAt) {
		return Policy{}, false
	}
	return p.InForce(at)
}

// InForce returns the policy of a moment: the newest that has begun and has
// not ended.
func (p Programme) InForce(at time.Time) (Policy, bool) {
	for _, policy := range slices.Backward(p.Policies) {
		if !at.Before(policy.EffectiveFrom) && (policy.EffectiveTo == nil || at.Before(*policy.EffectiveTo)) {
			return policy, true
		}
	}
	return Policy{}, false
}

// spending returns the policy under which it is spent: what was bought can be
// spent when its policy has ended and none has followed, under the last one.
func (p Programme) spending(at time.Time) (Policy, bool) {
	if policy, ok := p.InForce(at); ok {
		return policy, true
	}
	for _, policy := range slices.Backward(p.Policies) {
		if !at.Before(policy.EffectiveFrom) {
			return policy, true
		}
	}
	return Policy{}, false
}

// Policy is one version of a programme's rules.
type Policy struct {
	Version              int
	Clause               string // 영등포구 지역사랑상품권 관리 조례 제7조
	EffectiveFrom        time.Time
	EffectiveTo          *time.Time
	Author               string
	DiscountBP           int64 // the municipality's share in basis points: 1,000 is 10 %
	PurchaseMin          money.Amount
	PurchaseStep         money.Amount
	PurchaseMonthMax     money.Amount // a citizen, a calendar month in Seoul
	HoldMax              money.Amount
	PerPaymentMax        money.Amount // 0: none
	PerDayMax            money.Amount // 0: none
	ValidityYears        int
	RefundUsedBP         int64    // the share of a lot that must be used before the rest is refunded
	ExcludedTrades       []string // 5-digit KSIC codes
	ExcludesLargeSellers bool     // shops with more than 3 billion won of yearly sales
}

// National ceilings since June 2025; the table has them too.
const (
	nationalMonthMax money.Amount = 2_000_000
	nationalHoldMax  money.Amount = 2_000_000
)

// Price splits a face amount into what the citizen pays and what the
// municipality adds.
func (p Policy) Price(amount money.Amount) (paid, subsidy money.Amount) {
	subsidy = money.Percent(amount, p.DiscountBP)
	return amount - subsidy, subsidy
}

// expiry is the last moment of a lot: the end of the day in Seoul on which its
// years are over.
func (p Policy) expiry(issued time.Time) time.Time {
	return calendar.DayOf(issued).AddYears(p.ValidityYears).Next().Start().Add(-time.Microsecond).UTC()
}

// Wallet is a citizen's balance in one programme.
type Wallet struct {
	TenantID    tenant.ID
	ID          uuid.UUID // also of its account in the ledger
	CitizenID   uuid.UUID
	ProgrammeID uuid.UUID
	OpenedAt    time.Time
	Programme   Programme
	Balance     money.Amount
	ExpiresAt   *time.Time // of the first lot with something left
}

func (w Wallet) key() tenant.Key { return tenant.Key{Tenant: w.TenantID, ID: w.ID} }

// Lot is one purchase or grant in a wallet.
type Lot struct {
	WalletID     uuid.UUID
	Seq          int // from 1, in the order in which they are spent
	PurchaseID   *uuid.UUID
	CorrectionID *uuid.UUID
	Face         money.Amount
	Paid         money.Amount // by the citizen
	Subsidy      money.Amount // by the municipality
	IssuedAt     time.Time
	ExpiresAt    time.Time    // the last moment
	Remaining    money.Amount // of Face, as far as it was asked for
}

// Expired reports whether a lot can no longer be spent.
func (l Lot) Expired(at time.Time) bool { return at.After(l.ExpiresAt) }

// Used is what has been spent of a lot.
func (l Lot) Used() money.Amount { return l.Face - l.Remaining }

// State of a purchase.
type State string

// Requested and Pending are under way; Completed and Failed are final.
const (
	Requested State = "requested" // kept, the bank is being called
	Pending   State = "pending"   // the bank did not tell; it is being asked
	Completed State = "completed" // paid, and in the wallet
	Failed    State = "failed"    // not paid; nothing has moved
)

// transitions is the whole graph; whatever is not here cannot happen.
var transitions = map[State][]State{
	Requested: {Pending, Completed, Failed},
	Pending:   {Completed, Failed},
	Completed: {},
	Failed:    {},
}

// Final says that nothing will change any more.
func (s State) Final() bool { return len(transitions[s]) == 0 }

func (s State) mayBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Purchase is buying voucher with money from a bank account.
type Purchase struct {
	TenantID      tenant.ID
	ID            uuid.UUID
	CitizenID     uuid.UUID
	WalletID      uuid.UUID
	ProgrammeID   uuid.UUID
	PolicyVersion int
	Clause        string
	Amount        money.Amount // face: Paid + Subsidy
	Paid          money.Amount
	Subsidy       money.Amount
	State         State
	Failure       string     // banking's reason, of a failed one
	BankAccountID *uuid.UUID // nil for what was imported
	TransferID    *uuid.UUID // at the bank
	ReserveEntry  *uuid.UUID
	SettleEntry   *uuid.UUID
	RequestedAt   time.Time
	SettledAt     *time.Time
	Lot           *Lot // of a completed one
}

// PurchaseInput asks to buy.
type PurchaseInput struct {
	Key           string // the caller's own, made before the first try
	CitizenID     uuid.UUID
	ProgrammeID   uuid.UUID
	Amount        money.Amount // face
	BankAccountID uuid.UUID
}

// Spendable is what a payment must know of the wallet that it draws on.
type Spendable struct {
	WalletID    uuid.UUID
	ProgrammeID uuid.UUID
	CitizenID   uuid.UUID
	Kind        Kind
	Policy      Policy
}
