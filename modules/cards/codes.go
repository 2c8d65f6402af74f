package cards

import (
	"errors"

	"jangteo/app/fault"
	"jangteo/modules/ledger"
)

// Response codes of ISO 8583 (DE 39) that are spoken of by name.
const (
	codeApproved  = "00"
	codeFormat    = "30"
	codePartial   = "10"
	codeRefused   = "05"
	codeSignOn    = "63"
	codeForbidden = "58"
	codeUnknown   = "91" // nobody can know now
	codeTrouble   = "96"
)

// Reasons that are the host's own and no fault of the catalogue.
const (
	reasonFormat  = "malformed-request"
	reasonSignOn  = "sign-in-required"
	reasonIssuer  = "not-permitted"
	reasonUnknown = "temporarily-unavailable"
	reasonTrouble = "internal"
)

// responseCodes is what an issuer is told for each fault that a decision can
// give. What a terminal prints for a code is the acquirer's; the reason in DE 48
// says it exactly.
var responseCodes = map[string]string{
	// the shop
	"terminal-unknown": "03", "merchant-unknown": "03", "merchant-not-accepting": "03", "tenant-unknown": "03",
	// the card
	"card-not-linked": "14", "card-paused": "62", "card-not-main": "62", "card-lost": "41", "card-issuer-unknown": "58",
	// the wallet and its owner
	"insufficient-balance": "51", "wallet-unknown": "14", "wallet-expired": "54", "account-locked": "62", "account-not-open": "62", "account-unknown": "14",
	"citizen-unknown": "14",
	// the rules
	"limit-exceeded": "61", "trade-excluded": "57", "programme-unknown": "57", "programme-not-on-sale": "57",
	// the message
	"invalid-input": "30", "malformed-request": "30", "idempotency-key-reused": "94", "not-permitted": "58",
	"entry-exists": "94", "entry-unknown": "25", "payment-unknown": "25", "not-found": "25",
	"card-message-reversed": "79", "card-message-superseded": "94", "payment-already-cancelled": "79", "entry-answered-in-full": "79", "cancellation-exceeds-payment": "13",
	"business-day-closed": "91",
	// our trouble
	"temporarily-unavailable": "91", "lane-busy": "91", "too-many-requests": "91", "internal": "96",
}

// decided is the answer to an authorisation of amount.
func decided(q question, d Decision, err error) answer {
	if err != nil {
		return refused(err)
	}
	a := answer{code: codeApproved, voucher: d.Approved, account: d.Account, number: d.Number, left: d.Left, leftKnow: true, replayed: d.Replayed}
	if d.Approved+d.Account < q.amount {
		a.code = codePartial
	}
	return a
}

// done is the answer to a reversal or an advice.
func done(d Decision, err error) answer {
	if err != nil {
		return refused(err)
	}
	return answer{code: codeApproved, voucher: d.Approved, left: d.Left, leftKnow: true, replayed: d.Replayed}
}

// refused turns what went wrong into an answer; what is no fault says nothing but
// that it is ours.
func refused(err error) answer {
	f, ok := fault.Of(err)
	if !ok {
		return answer{code: codeTrouble, reason: reasonTrouble}
	}
	code, known := responseCodes[f.Code]
	switch {
	case known:
	case f.Kind == fault.Internal:
		code = codeTrouble
	case f.Kind == fault.Unavailable || f.Kind == fault.TooMany:
		code = codeUnknown
	default:
		code = codeRefused
	}
	return answer{code: code, reason: f.Code}
}

// unsure tells whether err leaves open what was done.
func unsure(err error) bool {
	f, ok := fault.Of(err)
	switch {
	case err == nil || errors.Is(err, ledger.ErrBusy):
		return false
	case !ok:
		return true
	}
	return f.Kind == fault.Unavailable || f.Kind == fault.Internal
}
