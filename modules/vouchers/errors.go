package vouchers

import (
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/modules/ledger"
)

// What citizens are refused with. A refusal by a policy carries rule, clause
// and version.
var (
	ErrProgrammeUnknown  = fault.Declare(fault.NotFound, "programme-unknown")
	ErrProgrammeNotOpen  = fault.Declare(fault.Conflict, "programme-not-on-sale")
	ErrSubsidyExhausted  = fault.Declare(fault.Conflict, "subsidy-exhausted") // the municipality's budget for discounts is used up
	ErrPurchaseUnknown   = fault.Declare(fault.NotFound, "purchase-unknown")
	ErrWalletUnknown     = fault.Declare(fault.NotFound, "wallet-unknown")
	ErrWalletExpired     = fault.Declare(fault.Conflict, "wallet-expired")
	ErrPolicyExists      = fault.Declare(fault.Conflict, "policy-version-exists")
	ErrNotForYou         = fault.Declare(fault.Conflict, "buyer-not-eligible")        // params least and most, in years of age; 0: none
	ErrBeyondBalance     = fault.Declare(fault.Conflict, "correction-beyond-balance") // params balance, amount
	ErrCorrectionUnknown = fault.Declare(fault.NotFound, "correction-unknown")
	ErrLimitExceeded     = ledger.ErrDayLimit // one code for every limit of a policy
)

// exceeded refuses an amount by a limit: what the limit is, what is left under
// it, and where it is written.
func (p Policy) exceeded(rule string, limit, remaining money.Amount) error {
	return ErrLimitExceeded.With("rule", rule).With("clause", p.Clause).With("policy_version", p.Version).
		With("limit", limit).With("remaining", max(remaining, 0))
}
