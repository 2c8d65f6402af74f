package mask

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   string
		mask func(string) string
		rows map[string]string
	}{
		{"name", Name, map[string]string{
			"홍길동": "홍*동", "남궁민수": "남**수", "홍길": "홍*", "홍": "*", "": "", " 홍길동 ": "홍*동",
			"황보하늘별": "황***별", "JOHN SMITH": "J*** ****H", "김 민수": "김 *수",
		}},
		{"owner", Owner, map[string]string{
			"홍길동": "홍*동", "홍길동 외 2명": "홍*동 외 2명", "홍길동 외 1인": "홍*동 외 1인", "외 2명": "외 *명", "홍길 외 2명 김철수": "홍* * ** **수",
		}},
		{"phone", Phone, map[string]string{
			"010-1234-5678": "010-****-5678", "01012345678": "010-****-5678", "011-123-4567": "011-***-4567",
			"02-123-4567": "02-***-4567", "02-1234-5678": "02-****-5678", "(031) 123-4567": "031-***-4567",
			"+82-10-1234-5678": "010-****-5678", "+82 (0)10 1234 5678": "010-****-5678", "0505-1234-5678": "0505-****-5678", "1588-1234": "****-1234",
			"": "***", "1234": "***", "010-1234-567a": "***", "홍길동": "***", "+1 212 555 0123": "***", "01012345678901": "***",
		}},
		{"account", Account, map[string]string{
			"110-123-456789": "***-***-**6789", "110123456789": "********6789", "1234": "****", "12345": "*2345",
			"": "", "12-34": "**-**", "AB 1234567": "** ***4567",
		}},
		{"e-mail", Email, map[string]string{
			"hong@example.kr": "ho***@example.kr", "abc@example.kr": "a***@example.kr", "ab@example.kr": "a***@example.kr",
			"a@example.kr": "***@example.kr", "홍길동@한국.kr": "홍***@한국.kr", "": "***", "nobody": "***", "@example.kr": "***", "a@": "***", "a@b@c.kr": "a***@c.kr",
		}},
		{"birth date", BirthDate, map[string]string{
			"1990-01-31": "1990-**-**", "19900131": "1990-**-**", "900131": "****-**-**", "": "****-**-**", "1990-01-31T00:00": "****-**-**",
		}},
	} {
		for value, want := range c.rows {
			if got := c.mask(value); got != want {
				t.Errorf("%s %q is shown as %q, want %q", c.of, value, got, want)
			}
		}
	}
}

// Each mask hides: of a value made of letters that occur once, no more than
// the allowed ones are left.
func TestMasksHideEnough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[가-힣]{1,12}`).Draw(t, "name")
		masked := Name(name)
		if utf8.RuneCountInString(masked) != utf8.RuneCountInString(name) {
			t.Fatalf("%s became %s", name, masked)
		}
		if shown := utf8.RuneCountInString(strings.ReplaceAll(masked, "*", "")); shown > 2 || shown >= utf8.RuneCountInString(name) {
			t.Fatalf("%s is shown as %s", name, masked)
		}
		account := rapid.StringMatching(`[0-9-]{1,20}`).Draw(t, "account")
		if shown := len(strings.NewReplacer("*", "", "-", "").Replace(Account(account))); shown > 4 {
			t.Fatalf("%s is shown as %s", account, Account(account))
		}
		phone := rapid.StringMatching(`0[0-9]{8,10}`).Draw(t, "phone")
		if hiddenDigits := strings.Count(Phone(phone), "*"); hiddenDigits < 2 {
			t.Fatalf("%s is shown as %s", phone, Phone(phone))
		}
	})
}

func FuzzMasks(f *testing.F) {
	f.Add("홍길동 외 2명")
	f.Add("+82-10-1234-5678")
	f.Add("\xff@")
	f.Fuzz(func(t *testing.T, value string) {
		for _, mask := range []func(string) string{Name, Owner, Phone, Account, Email, BirthDate} {
			if masked := mask(value); len(masked) > 3*len(value)+20 {
				t.Errorf("%q became %q", value, masked)
			}
		}
	})
}
