package vouchers

import (
	"errors"
	"fmt"

	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/money"
	"jangteo/app/web"
	"jangteo/modules/ledger"
)

// Refusal says on a screen why money did not move: in words, with the rule and
// clause that refused, and with what can be done about it.
type Refusal struct {
	Title, Text string
	Rule        string // the clause and version, if a policy refused
	URL, Action string
}

// RefusalOf puts a fault that names no field into words; nil for any other
// error, which the form itself or the page of errors explains. buyURL is where
// a wallet with too little in it can be filled.
func RefusalOf(words i18n.Words, lang string, err error, buyURL string) *Refusal {
	f, ok := fault.Of(err)
	if !ok || len(f.Fields) > 0 {
		return nil
	}
	problem := web.ProblemOf(words, lang, f, "")
	r := &Refusal{Title: problem.Title, Text: problem.Detail}
	if clause, ok := f.Params["clause"].(string); ok && clause != "" {
		version := f.Params["policy_version"]
		if version == nil {
			version = f.Params["version"]
		}
		r.Rule = words.T(lang, "money.rule", "clause", clause, "version", fmt.Sprint(version))
	}
	switch {
	case errors.Is(f, ledger.ErrInsufficientBalance):
		balance, known := amountOf(f.Params["balance"])
		amount, _ := amountOf(f.Params["amount"])
		if known {
			r.Text = words.T(lang, "money.short", "balance", balance.In(lang), "missing", (amount - balance).In(lang))
		}
		if buyURL != "" {
			r.URL, r.Action = buyURL, words.T(lang, "money.buy-now")
		}
	case errors.Is(f, ErrLimitExceeded):
		rule := "money.rule." + fmt.Sprint(f.Params["rule"])
		limit, _ := amountOf(f.Params["limit"])
		if words.Has(lang, rule) {
			r.Text = words.T(lang, rule, "limit", limit.In(lang))
		}
		if left, known := amountOf(f.Params["remaining"]); known {
			r.Text += " " + words.T(lang, "money.remaining", "left", left.In(lang))
		}
	}
	return r
}

// amountOf reads an amount among a fault's parameters, whatever integer it is.
func amountOf(value any) (amount money.Amount, ok bool) {
	switch v := value.(type) {
	case money.Amount:
		return v, true
	case int64:
		return money.Amount(v), true
	case int:
		return money.Amount(v), true
	}
	return 0, false
}
