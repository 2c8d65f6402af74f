package emvco

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestCustomerCodes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 2_000 {
		code := NewCPM(rand.Reader)
		if len(code) != 17 || code[0] != '8' || !ValidCPM(code) || seen[code] {
			t.Fatalf("drew %q", code)
		}
		seen[code] = true
	}
}

func TestASlipInACustomerCodeIsSeen(t *testing.T) {
	t.Parallel()
	const code = "80123456789012349"
	if !ValidCPM(code) {
		t.Fatalf("%s is refused", code)
	}
	for at := range len(code) {
		for digit := byte('0'); digit <= '9'; digit++ {
			if digit != code[at] && ValidCPM(code[:at]+string(digit)+code[at+1:]) {
				t.Errorf("%s with %c at %d is still valid", code, digit, at)
			}
		}
	}
	for _, text := range []string{"", "8", code[:16], code + "0", "8012 3456 7890 1234 9", "9" + code[1:], strings.Replace(code, "49", "４9", 1), "8012345678901234x"} {
		if ValidCPM(text) {
			t.Errorf("%q is valid", text)
		}
	}
}

// Known answers: the card networks' published test numbers.
func TestLuhn(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"4111111111111111", "378282246310005", "79927398713"} {
		if got := luhn(number[:len(number)-1]); got != number[len(number)-1] {
			t.Errorf("check digit of %s is %c", number, got)
		}
	}
}

func TestFormatCPM(t *testing.T) {
	t.Parallel()
	if got := FormatCPM("80123456789012349"); got != "8012 3456 7890 1234 9" {
		t.Errorf("got %q", got)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestNoRandomnessIsABug(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a code was made without randomness")
		}
	}()
	NewCPM(broken{})
}
