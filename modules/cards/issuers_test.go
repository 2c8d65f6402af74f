package cards_test

import (
	"context"
	"errors"
	"sync"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/modules/cards"
)

// issuers are back offices that do what tests tell them.
type issuers struct {
	mu     sync.Mutex
	tokens []string
	silent bool
	says   string // of reversals: done, refused, pending or unknown
	heard  map[string]cards.BankReversal
	files  map[string][]byte
}

func newIssuers() *issuers {
	return &issuers{says: "done", heard: map[string]cards.BankReversal{}, files: map[string][]byte{}}
}

func (i *issuers) give(token string) { i.set(func() { i.tokens = append(i.tokens, token) }) }

func (i *issuers) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

var errSilent = errors.New("nobody answers")

func (i *issuers) Cards(context.Context, string, string, calendar.Day) (list []cards.IssuerCard, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.silent {
		return nil, errSilent
	}
	for _, token := range i.tokens {
		list = append(list, cards.IssuerCard{Token: token, Product: "노리체크카드"})
	}
	return list, nil
}

func (i *issuers) Reverse(_ context.Context, _ string, r cards.BankReversal) (cards.ReversalAnswer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.silent {
		return cards.ReversalAnswer{}, errSilent
	}
	i.heard[r.Key] = r
	return cards.ReversalAnswer{State: i.says, Reason: "말한 대로"}, nil
}

func (i *issuers) Reversal(_ context.Context, _, key string) (cards.ReversalAnswer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.silent {
		return cards.ReversalAnswer{}, errSilent
	}
	if _, known := i.heard[key]; !known {
		return cards.ReversalAnswer{}, cards.ErrNeverArrived
	}
	return cards.ReversalAnswer{State: i.says}, nil
}

func (i *issuers) ClearingFile(_ context.Context, issuer string, _ calendar.Day) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.files[issuer], nil
}

func (i *issuers) returned() (sum money.Amount) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.heard {
		sum += r.Amount
	}
	return sum
}
