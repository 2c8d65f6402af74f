// Package bizno reads and writes Korean business registration numbers
// (사업자등록번호): ten digits, the last of which checks the others.
package bizno

import (
	"errors"
	"fmt"
	"strings"
)

// Number is a valid registration number in its one written form,
// "124-81-00998". Only Parse and Make make one.
type Number string

var (
	// ErrFormat answers a text that is not ten digits, apart from hyphens and spaces.
	ErrFormat = errors.New("bizno: a registration number has ten digits")
	// ErrCheckDigit answers ten digits of which the last does not fit.
	ErrCheckDigit = errors.New("bizno: the check digit does not fit")
)

// maxLength bounds what Parse looks at, in bytes.
const maxLength = 32

// Parse reads a number as people write it: with hyphens, spaces or neither.
// It answers ErrFormat or ErrCheckDigit.
func Parse(s string) (Number, error) {
	if len(s) > maxLength {
		return "", ErrFormat
	}
	digits := strings.NewReplacer("-", "", " ", "").Replace(s)
	if len(digits) != 10 || strings.Trim(digits, "0123456789") != "" || digits == "0000000000" {
		return "", ErrFormat
	}
	if check(digits[:9]) != digits[9] {
		return "", ErrCheckDigit
	}
	return written(digits), nil
}

// Valid says whether Parse takes s.
func Valid(s string) bool {
	_, err := Parse(s)
	return err == nil
}

// Make puts the check digit behind the first nine digits. It serves made-up
// shops; prefix9 outside 1 to 999,999,999 is a bug and panics.
func Make(prefix9 int64) Number {
	if prefix9 < 1 || prefix9 > 999_999_999 {
		panic(fmt.Sprintf("bizno: %d is not the first nine digits of a number", prefix9))
	}
	digits := fmt.Sprintf("%09d", prefix9)
	return written(digits + string(check(digits)))
}

// String returns the written form, "124-81-00998".
func (n Number) String() string { return string(n) }

// Digits returns the ten digits alone, as transfer files want them.
func (n Number) Digits() string { return strings.ReplaceAll(string(n), "-", "") }

// UnmarshalText takes what Parse takes, so that JSON never carries a wrong number in.
func (n *Number) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}

func written(digits string) Number {
	return Number(digits[:3] + "-" + digits[3:5] + "-" + digits[5:])
}

// check works out the tenth digit: weights 1 3 7 1 3 7 1 3 5, the tens of the
// last product added, and what is missing to the next ten.
func check(nine string) byte {
	sum := 0
	for i, weight := range [9]int{1, 3, 7, 1, 3, 7, 1, 3, 5} {
		sum += int(nine[i]-'0') * weight
	}
	sum += int(nine[8]-'0') * 5 / 10
	// The outer remainder matters: a sum that ends in 0 checks with 0, not 10.
	return byte('0' + (10-sum%10)%10)
}
