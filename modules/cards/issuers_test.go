package cards_test

import "sync"

// issuers are back offices that do what tests tell them.
type issuers struct {
	mu     sync.Mutex
	tokens map[string][]string
}

func newIssuers() *issuers { return &issuers{tokens: map[string][]string{}} }

func (i *issuers) give(issuer, token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens[issuer] = append(i.tokens[issuer], token)
}
