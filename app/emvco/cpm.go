package emvco

import (
	"crypto/rand"
	"io"
	"math/big"
	"strings"
)

// A customer-presented code is a number that says nothing without the server:
// "8", fifteen random digits and a Luhn check digit, which catches a clerk's
// slip before the server is asked. Seventeen digits are no card number's
// length, and no card number starts with 8.
const (
	cpmPrefix = "8"
	cpmRandom = 15
	cpmLength = len(cpmPrefix) + cpmRandom + 1
)

// NewCPM draws a customer-presented code: 10^15 are possible, so one that
// lives for minutes cannot be guessed. random is crypto/rand.Reader but in
// tests; that it fails is a bug and panics.
func NewCPM(random io.Reader) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(cpmRandom), nil)
	drawn, err := rand.Int(random, limit)
	if err != nil {
		panic("emvco: no randomness: " + err.Error())
	}
	text := drawn.String()
	body := cpmPrefix + strings.Repeat("0", cpmRandom-len(text)) + text
	return body + string(luhn(body))
}

// ValidCPM says whether s has the form of a customer-presented code and its
// check digit fits. Spaces, as FormatCPM puts them, are not taken.
func ValidCPM(s string) bool {
	return len(s) == cpmLength && digits(s) && strings.HasPrefix(s, cpmPrefix) && luhn(s[:cpmLength-1]) == s[cpmLength-1]
}

// FormatCPM puts a space behind every fourth digit, for reading aloud.
func FormatCPM(code string) string {
	var b strings.Builder
	for i, digit := range code {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// luhn is the check digit of ISO/IEC 7812-1, annex B.
func luhn(body string) byte {
	sum := 0
	for i := range len(body) {
		digit := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			digit *= 2
			if digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return byte('0' + (10-sum%10)%10)
}
