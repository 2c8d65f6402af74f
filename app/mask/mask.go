// Package mask hides the telling part of personal data, so that a person
// knows their own again and nobody else learns it.
//
// Screens and exports show masked values unless someone gave a reason to see
// the clear one. What a function does not recognise it hides whole: a
// surprise must never show more than was meant.
package mask

import (
	"regexp"
	"strings"
	"unicode"
)

// hidden stands for a value of which nothing may be shown; its length says
// nothing about the value's.
const hidden = "***"

// Name keeps the first and the last character: 홍길동 becomes 홍*동, 남궁민수
// 남**수. Of two characters the first stays (홍*), of one none. Spaces stay.
func Name(name string) string {
	letters := []rune(strings.TrimSpace(name))
	last := len(letters) - 1
	for i, letter := range letters {
		first := i == 0 && last > 0
		if first || (i == last && last > 1) || letter == ' ' {
			continue
		}
		letters[i] = '*'
	}
	return string(letters)
}

var andOthers = regexp.MustCompile(`^(.+?)(\s+외\s+\d{1,3}\s*(?:명|인))$`)

// Owner masks a business owner as registers name them: "홍길동 외 2명" becomes
// "홍*동 외 2명".
func Owner(owner string) string {
	if parts := andOthers.FindStringSubmatch(strings.TrimSpace(owner)); parts != nil {
		return Name(parts[1]) + parts[2]
	}
	return Name(owner)
}

// Phone keeps the area or carrier code and the last four digits, in the usual
// groups: 010-1234-5678 and 01012345678 become 010-****-5678. Abroad's +82 is
// written as at home.
func Phone(phone string) string {
	number := strings.NewReplacer("-", "", " ", "", "(", "", ")", "").Replace(phone)
	if abroad, ok := strings.CutPrefix(number, "+82"); ok {
		number = "0" + strings.TrimPrefix(abroad, "0")
	}
	if strings.Trim(number, "0123456789") != "" || len(number) < 8 || len(number) > 12 {
		return hidden
	}
	code := 3
	switch {
	case len(number) == 8: // 1588-1234 has no code
		code = 0
	case strings.HasPrefix(number, "02"):
		code = 2
	case len(number) == 12: // 0505-1234-5678
		code = 4
	}
	masked := strings.Repeat("*", len(number)-code-4) + "-" + number[len(number)-4:]
	if code == 0 {
		return masked
	}
	return number[:code] + "-" + masked
}

// Account keeps the last four digits of a bank account, and hyphens and
// spaces where they stand: 110-123-456789 becomes ***-***-**6789. An account
// of four digits or fewer is hidden whole.
func Account(account string) string {
	digits := 0
	for _, r := range account {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	keep := 4
	if digits <= keep {
		keep = 0
	}
	var b strings.Builder
	for _, r := range account {
		switch {
		case r == '-' || r == ' ':
			b.WriteRune(r)
		case !unicode.IsDigit(r):
			b.WriteByte('*')
		case digits > keep:
			b.WriteByte('*')
			digits--
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Email keeps the first two characters before the @ (one of three, none of
// one) and the domain: hong@example.kr becomes ho***@example.kr.
func Email(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 {
		return hidden
	}
	local := []rune(address[:at])
	keep := min(2, len(local)/2)
	return string(local[:keep]) + hidden + address[at:]
}

var birthDate = regexp.MustCompile(`^(\d{4})-?\d{2}-?\d{2}$`)

// BirthDate keeps the year of 1990-01-31 or 19900131: 1990-**-**.
func BirthDate(date string) string {
	parts := birthDate.FindStringSubmatch(date)
	if parts == nil {
		return "****-**-**"
	}
	return parts[1] + "-**-**"
}
