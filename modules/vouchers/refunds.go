package vouchers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
)

// An unused lot is refunded in full for seven days (standard terms). Small lots,
// up to 10,000 won, need four fifths used whatever the ordinance says (the act).
const (
	withdrawWithin              = 7 * 24 * time.Hour
	smallFaceMax   money.Amount = 10_000
	smallUsedBP    int64        = 8_000
)

// RefundReason says why a lot would be refunded or would not.
type RefundReason string

// The reasons, as apps are told them.
const (
	RefundUnused    RefundReason = "unused-within-7-days" // in full
	RefundUsed      RefundReason = "used-enough"          // what is left, without the discount that belongs to it
	RefundUsedLess  RefundReason = "not-used-enough"      // StillToUse tells how much is missing
	RefundExpired   RefundReason = "expired"
	RefundNothing   RefundReason = "nothing-left"
	RefundAllowance RefundReason = "allowance" // it was given, not bought
)

// LotQuote is what a refund of one lot would come to now.
type LotQuote struct {
	Lot
	Refundable bool
	Amount     money.Amount // back to the citizen
	Forgone    money.Amount // the municipality's share of what is left
	StillToUse money.Amount // before it is refunded
	Reason     RefundReason
}

// Quote is what a refund of a wallet would come to now. Nothing is moved.
type Quote struct {
	WalletID uuid.UUID
	Policy   Policy
	At       time.Time
	Amount   money.Amount
	Lots     []LotQuote // those with something left
}

// RefundQuote works out what a citizen would get back for a wallet now.
func (s *Service) RefundQuote(ctx context.Context, citizen, wallet uuid.UUID) (Quote, error) {
	w, err := s.Wallet(ctx, citizen, wallet)
	if err != nil {
		return Quote{}, err
	}
	lots, err := s.lotsOf(ctx, citizen, wallet, lotFilter{unspent: true, limit: pageMost})
	if err != nil {
		return Quote{}, err
	}
	now := s.now()
	policy, ok := w.Programme.spending(now)
	if !ok {
		return Quote{}, ErrProgrammeNotOpen.With("programme", w.ProgrammeID)
	}
	q := Quote{WalletID: wallet, Policy: policy, At: now}
	for _, lot := range lots {
		one := quote(lot, w.Programme.Kind, policy, now)
		q.Amount += one.Amount
		q.Lots = append(q.Lots, one)
	}
	return q, nil
}

// quote decides on one lot.
func quote(lot Lot, kind Kind, policy Policy, now time.Time) LotQuote {
	q := LotQuote{Lot: lot}
	share := policy.RefundUsedBP
	if lot.Face <= smallFaceMax {
		share = smallUsedBP
	}
	// At least this much must be used: the share of the face, rounded up.
	mustUse := lot.Face - money.Percent(lot.Face, money.MaxBasisPoints-share)
	switch {
	case kind == Allowance:
		q.Reason = RefundAllowance
	case lot.Remaining == 0:
		q.Reason = RefundNothing
	case lot.Expired(now):
		q.Reason = RefundExpired
	case lot.Used() == 0 && now.Before(lot.IssuedAt.Add(withdrawWithin)):
		q.Refundable, q.Reason = true, RefundUnused
	case lot.Used() >= mustUse:
		q.Refundable, q.Reason = true, RefundUsed
	default:
		q.Reason, q.StillToUse = RefundUsedLess, mustUse-lot.Used()
	}
	if q.Refundable {
		// What a won of discount is left over stays with the municipality's side
		// of the sum, as it did when the lot was bought.
		q.Forgone = lot.Remaining * lot.Subsidy / lot.Face
		q.Amount = lot.Remaining - q.Forgone
	}
	return q
}
