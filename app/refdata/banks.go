package refdata

import (
	_ "embed"
	"errors"
	"slices"
	"sync"
)

// TestBank is the clearing institute's own bank for trials; no citizen has an
// account there.
const TestBank = "097"

// Bank is an institution that keeps accounts.
type Bank struct {
	// Code is the clearing institute's 3-digit code, 004.
	Code string
	// Name is Korean, KB국민은행.
	Name string
}

// CardIssuer is a company that issues payment cards.
type CardIssuer struct {
	// Code has two characters, 11 or W1.
	Code string
	// Name is Korean, 신한카드.
	Name string
	// Acquirer says whether it also signs merchants up.
	Acquirer bool
}

//go:embed banks.csv
var banksCSV string

//go:embed card_issuers.csv
var cardIssuersCSV string

var banks = sync.OnceValue(func() []Bank {
	return mustRead("banks.csv", banksCSV, "code,name,note", func(fields []string) (Bank, error) {
		if len(fields[0]) != 3 || fields[1] == "" {
			return Bank{}, errors.New("no 3-digit code or no name")
		}
		return Bank{Code: fields[0], Name: fields[1]}, nil
	})
})

var cardIssuers = sync.OnceValue(func() []CardIssuer {
	return mustRead("card_issuers.csv", cardIssuersCSV, "code2,name,note", func(fields []string) (CardIssuer, error) {
		if len(fields[0]) != 2 || fields[1] == "" {
			return CardIssuer{}, errors.New("no 2-character code or no name")
		}
		return CardIssuer{Code: fields[0], Name: fields[1], Acquirer: fields[2] == "acquirer"}, nil
	})
})

var (
	bankByCode       = sync.OnceValue(func() map[string]Bank { return index(banks(), func(b Bank) string { return b.Code }) })
	cardIssuerByCode = sync.OnceValue(func() map[string]CardIssuer {
		return index(cardIssuers(), func(c CardIssuer) string { return c.Code })
	})
)

// Banks lists all institutions by code, TestBank among them.
func Banks() []Bank { return slices.Clone(banks()) }

// BankOf finds a bank by its 3-digit code.
func BankOf(code string) (Bank, bool) {
	b, ok := bankByCode()[code]
	return b, ok
}

// CardIssuers lists all issuers by code.
func CardIssuers() []CardIssuer { return slices.Clone(cardIssuers()) }

// CardIssuerOf finds an issuer by its 2-character code.
func CardIssuerOf(code string) (CardIssuer, bool) {
	c, ok := cardIssuerByCode()[code]
	return c, ok
}
