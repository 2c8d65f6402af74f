// Package money holds amounts of Korean won. The won has no smaller unit, so
// an Amount is a whole number and no code here or above ever meets a float.
package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Amount is a number of whole won. It may be negative (a difference, a
// correction); what may not be negative says so where it is stored.
type Amount int64

// MaxPerEntry is the most that one entry may move, in won. It bounds what is
// read from outside; sums of entries may be larger.
const MaxPerEntry Amount = 1_000_000_000_000

// MaxBasisPoints is the whole of an amount, in basis points (1/100 of a per cent).
const MaxBasisPoints = 10_000

var (
	// ErrFormat answers a text that is not an amount in whole won.
	ErrFormat = errors.New("money: not a whole amount in won")
	// ErrRange answers an amount above MaxPerEntry.
	ErrRange = errors.New("money: amount above the limit of an entry")
	// ErrOverflow answers a sum that does not fit.
	ErrOverflow = errors.New("money: sum overflows")
)

// String writes the amount with a comma between thousands: "-1,234,567".
func (a Amount) String() string {
	digits := strconv.FormatInt(int64(a), 10)
	sign := ""
	if a < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// Won writes the amount as Korean screens show it: "10,000원".
func (a Amount) Won() string { return a.String() + "원" }

// In writes the amount for a reader of lang: "₩10,000" in English ("en"),
// "10,000원" in every other language.
func (a Amount) In(lang string) string {
	if lang != "en" {
		return a.Won()
	}
	if a < 0 {
		return "-₩" + a.String()[1:]
	}
	return "₩" + a.String()
}

// Parse reads what a person typed into a form: "100000", "100,000" or
// "100,000원", with spaces around. The result is between 0 and MaxPerEntry.
// A comma in the wrong place is refused (ErrFormat) and not repaired: in
// "10,00" nobody can know which amount was meant. Only ASCII digits count.
func Parse(text string) (Amount, error) {
	text = strings.TrimSpace(text)
	text = strings.TrimSpace(strings.TrimSuffix(text, "원"))
	if len(text) > 32 {
		return 0, ErrRange
	}
	groups := strings.Split(text, ",")
	for i, group := range groups {
		grouped := len(groups) > 1
		switch {
		case group == "" || strings.Trim(group, "0123456789") != "":
			return 0, ErrFormat
		case grouped && i == 0 && len(group) > 3, grouped && i > 0 && len(group) != 3:
			return 0, ErrFormat
		}
	}
	value, err := strconv.ParseInt(strings.Join(groups, ""), 10, 64)
	if err != nil || Amount(value) > MaxPerEntry {
		return 0, ErrRange
	}
	return Amount(value), nil
}

// Add returns a + b, or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, fmt.Errorf("%w: %s + %s", ErrOverflow, a, b)
	}
	return a + b, nil
}

// Sum adds all amounts up, from left to right, or returns ErrOverflow.
func Sum(amounts ...Amount) (Amount, error) {
	var total Amount
	for _, amount := range amounts {
		next, err := total.Add(amount)
		if err != nil {
			return 0, err
		}
		total = next
	}
	return total, nil
}

// Percent returns a share of amount in basis points (10 % is 1,000), rounded
// down to whole won: what is left of a won stays with whoever grants the
// share. An amount below zero or a share outside 0 to MaxBasisPoints is a bug
// and panics; policies are checked when they are written.
func Percent(amount Amount, basisPoints int64) Amount {
	if amount < 0 || basisPoints < 0 || basisPoints > MaxBasisPoints {
		panic(fmt.Sprintf("money: %d basis points of %d won", basisPoints, amount))
	}
	share := Amount(basisPoints)
	// In two parts, so that no product overflows whatever the amount.
	return amount/MaxBasisPoints*share + amount%MaxBasisPoints*share/MaxBasisPoints
}
