package emvco

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// example is the code that the specification itself prints. Its Chinese names
// settle two questions: lengths count characters, the checksum counts bytes.
const example = "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN" +
	"5914BEST TRANSPORT6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME" +
	"91320016A0112233449988770708123456786304A13A"

var until = time.Date(2026, 11, 22, 6, 7, 0, 0, time.UTC)

func staticCode() Code {
	return Code{
		Static: true, Network: Network, Tenant: "11560", Merchant: "0193a7c2-5b1e-7c4d-9f10-2b6f1d0c7e55",
		MCC: "5812", Name: "영등포 할매국수", City: "영등포구",
	}
}

func dynamicCode() Code {
	c := staticCode()
	c.Static, c.Amount, c.Reference, c.Nonce, c.ExpiresAt = false, 12_500, "T1-000042", "k3Jx9Q", until
	return c
}

func TestChecksum(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint16{"123456789": 0x29B1, "": 0xFFFF, "A": 0xB915, example[:len(example)-4]: 0xA13A} {
		if got := checksum(text); got != want {
			t.Errorf("checksum of %q is %04X, want %04X", text, got, want)
		}
	}
}

func TestTheSpecificationsExampleIsTakenApart(t *testing.T) {
	t.Parallel()
	if err := checkWhole(example); err != nil {
		t.Fatal(err)
	}
	fields, err := parse(example, "")
	if err != nil {
		t.Fatal(err)
	}
	language, err := parse(fields[64], "64")
	if err != nil {
		t.Fatal(err)
	}
	if fields[tagName] != "BEST TRANSPORT" || fields[tagAmount] != "23.72" || language[1] != "最佳运输" || language[2] != "北京" {
		t.Errorf("got %v and %v", fields, language)
	}
	// It asks for yuan in China, so it is no code to pay here.
	refused(t, example, ReasonForeign, "53")
}

func TestPayloadIsAsTheStandardSays(t *testing.T) {
	t.Parallel()
	for want, code := range map[string]Code{
		"000201" + "010211" + "2663" + "0010kr.jangteo" + "010511560" + "02360193a7c2-5b1e-7c4d-9f10-2b6f1d0c7e55" +
			"52045812" + "5303410" + "5802KR" + "5908영등포 할매국수" + "6004영등포구" + "6304": staticCode(),
		"000201" + "010212" + "2663" + "0010kr.jangteo" + "010511560" + "02360193a7c2-5b1e-7c4d-9f10-2b6f1d0c7e55" +
			"52045812" + "5303410" + "540512500" + "5802KR" + "5908영등포 할매국수" + "6004영등포구" + "62130509T1-000042" +
			"8038" + "0010kr.jangteo" + "01101795327620" + "0206k3Jx9Q" + "6304": dynamicCode(),
	} {
		got, err := Encode(code)
		if err != nil {
			t.Fatal(err)
		}
		if want += fmt.Sprintf("%04X", checksum(want)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if back, err := Decode(got); err != nil || back != code {
			t.Errorf("read back as %+v, %v", back, err)
		}
	}
}

func TestNamesAreCutAtACharacter(t *testing.T) {
	t.Parallel()
	c := staticCode()
	c.Name = "  서울특별시 영등포구\t여의도동 63빌딩 지하 1층 아주 오래된 국수집  "
	c.City = "서울특별시 영등포구 여의도동 일대"
	payload, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(payload)
	if err != nil || got.Name != "서울특별시 영등포구 여의도동 63빌딩 지하 1" || got.City != "서울특별시 영등포구 여의도동" {
		t.Errorf("got %q and %q, %v", got.Name, got.City, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Code)
		tag    string
	}{
		"no tenant":                   {func(c *Code) { c.Tenant = "" }, "26.01"},
		"no merchant":                 {func(c *Code) { c.Merchant = "" }, "26.02"},
		"a merchant with a space":     {func(c *Code) { c.Merchant = "a b" }, "26.02"},
		"an account that is too long": {func(c *Code) { c.Tenant, c.Merchant = strings.Repeat("1", 32), strings.Repeat("2", 64) }, "26"},
		"a short category":            {func(c *Code) { c.MCC = "581" }, "52"},
		"a category of letters":       {func(c *Code) { c.MCC = "58A2" }, "52"},
		"a negative amount":           {func(c *Code) { c.Amount = -1 }, "54"},
		"an amount over the bound":    {func(c *Code) { c.Amount = MaxAmount + 1 }, "54"},
		"no name":                     {func(c *Code) { c.Name = " " }, "59"},
		"a name with NUL":             {func(c *Code) { c.Name = "a\x00b" }, "59"},
		"a name that turns direction": {func(c *Code) { c.Name = "a\u202eb" }, "59"},
		"a name that is not UTF-8":    {func(c *Code) { c.Name = "a\xffb" }, "59"},
		"no city":                     {func(c *Code) { c.City = "" }, "60"},
		"a long reference":            {func(c *Code) { c.Reference = strings.Repeat("1", 26) }, "62.05"},
		"a Korean reference":          {func(c *Code) { c.Reference = "영수증" }, "62.05"},
		"a long nonce":                {func(c *Code) { c.Nonce = strings.Repeat("1", 33) }, "80.02"},
		"a dynamic code without end":  {func(c *Code) { c.ExpiresAt = time.Time{} }, "80.01"},
		"a static code with an end":   {func(c *Code) { c.Static, c.Nonce = true, "" }, "80"},
	} {
		code := dynamicCode()
		c.change(&code)
		payload, err := Encode(code)
		var e *Error
		if !errors.As(err, &e) || e.Tag != c.tag || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %q, %v; want a refusal of %s", name, payload, err, c.tag)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	payload, err := Encode(dynamicCode())
	if err != nil {
		t.Fatal(err)
	}
	// change edits the payload and puts a fitting checksum behind it.
	change := func(old, replacement string) string {
		if !strings.Contains(payload, old) {
			t.Fatalf("the payload has no %q", old)
		}
		body := strings.Replace(payload[:len(payload)-4], old, replacement, 1)
		return body + fmt.Sprintf("%04X", checksum(body))
	}
	for _, c := range []struct {
		name, payload string
		reason        Reason
		tag           string
	}{
		{"nothing", "", ReasonStructure, "00"},
		{"a link", "https://example.kr/pay?to=1", ReasonStructure, "00"},
		{"too much", payload + strings.Repeat("0", MaxBytes), ReasonLength, ""},
		{"other encoding", "000201\xff6304FFFF", ReasonEncoding, ""},
		{"only a start", "000201", ReasonMissing, "63"},
		{"a changed amount", strings.Replace(payload, "540512500", "540511500", 1), ReasonChecksum, "63"},
		{"a cut tail", payload[:len(payload)-1], ReasonMissing, "63"},
		{"something behind", payload + " ", ReasonMissing, "63"},
		{"letters for a tag", change("5303410", "5x03410"), ReasonStructure, ""},
		{"a length of nothing", change("5303410", "5300"), ReasonLength, "53"},
		{"a length beyond the end", change("6004영등포구", "6099영등포구"), ReasonLength, "60"},
		{"a tag twice", change("5802KR", "5802KR5802KR"), ReasonDuplicate, "58"},
		{"a sub-tag twice", change("2663"+"0010kr.jangteo", "2672"+"0105115600010kr.jangteo"), ReasonDuplicate, "26.01"},
		{"no currency", change("5303410", ""), ReasonMissing, "53"},
		{"dollars", change("5303410", "5303840"), ReasonForeign, "53"},
		{"no country", change("5802KR", ""), ReasonMissing, "58"},
		{"another country", change("5802KR", "5802JP"), ReasonForeign, "58"},
		{"no kind", change("010212", ""), ReasonValue, "01"},
		{"an unknown kind", change("010212", "010213"), ReasonValue, "01"},
		{"static with an end", change("010212", "010211"), ReasonValue, "80"},
		{"no account", change("2663", "0963"), ReasonForeign, "26"},
		{"a zero amount", change("540512500", "54010"), ReasonValue, "54"},
		{"a negative amount", change("540512500", "5402-1"), ReasonValue, "54"},
		{"a signed amount", change("540512500", "5402+1"), ReasonValue, "54"},
		{"part of a won", change("540512500", "540612500."), ReasonValue, "54"},
		{"decimals", change("540512500", "540812500.00"), ReasonValue, "54"},
		{"a leading zero", change("540512500", "5406012500"), ReasonValue, "54"},
		{"too much money", change("540512500", "54131000000000001"), ReasonValue, "54"},
		{"an overflow", change("540512500", "542099999999999999999999"), ReasonValue, "54"},
		{"an end that is no number", change("01101795327620", "0110soon-soon!"), ReasonValue, "80.01"},
		{"no end", change("80380010kr.jangteo01101795327620", "80240010kr.jangteo"), ReasonValue, "80.01"},
		{"no private fields", change("80380010kr.jangteo", "80380010kr.someone"), ReasonMissing, "80.01"},
		{"no name", change("5908영등포 할매국수", ""), ReasonValue, "59"},
		{"a blank name", change("5908영등포 할매국수", "5903   "), ReasonValue, "59"},
		{"a line break in the name", change("5908영등포 할매국수", "5908영등포\n할매국수"), ReasonValue, "59"},
		{"a long name", change("5908영등포 할매국수", "5926"+strings.Repeat("가", 26)), ReasonValue, "59"},
		{"lengths in bytes", change("5908영등포 할매국수", "5922영등포 할매국수"), ReasonStructure, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused(t, c.payload, c.reason, c.tag)
		})
	}
}

func refused(t *testing.T, payload string, reason Reason, tag string) {
	t.Helper()
	code, err := Decode(payload)
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrInvalid) || e.Reason != reason || e.Tag != tag {
		t.Errorf("%q gave %+v, %v; want %s of %q", payload, code, err, reason, tag)
	}
	if code != (Code{}) {
		t.Errorf("a refused payload still gave %+v", code)
	}
}

func TestDecodeSkipsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	payload, err := Encode(staticCode())
	if err != nil {
		t.Fatal(err)
	}
	ours := "26630010kr.jangteo"
	for name, replacement := range map[string]string{
		"another network's account":          "27240008com.else010200020201" + ours,
		"another network's account in front": "26240008com.else010211020212" + strings.Replace(ours, "26", "27", 1),
		"unknown tags":                       "0702ab" + "9902cd" + ours,
		"a foreign private template":         "85120008com.else" + ours,
	} {
		body := strings.Replace(payload[:len(payload)-4], ours, replacement, 1)
		got, err := Decode(body + fmt.Sprintf("%04X", checksum(body)))
		if err != nil || got != staticCode() {
			t.Errorf("with %s: %+v, %v", name, got, err)
		}
	}
}

func TestAnotherNetworksCodeSaysSo(t *testing.T) {
	t.Parallel()
	c := staticCode()
	c.Network = "com.zeropay"
	payload, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(payload); err != nil || got.Network != "com.zeropay" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOfOtherNetworksTheFirstCounts(t *testing.T) {
	t.Parallel()
	c := staticCode()
	c.Network, c.Tenant, c.Merchant = "com.first", "1", "2"
	payload, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	const first = "26230009com.first01011" + "02012"
	withFirst := func(replacement string) string {
		if !strings.Contains(payload, first) {
			t.Fatalf("no %s in %s", first, payload)
		}
		body := strings.Replace(payload[:len(payload)-4], first, replacement, 1)
		return body + fmt.Sprintf("%04X", checksum(body))
	}
	if got, err := Decode(withFirst(first + "27240010com.second01013" + "02014")); err != nil || got != c {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := Decode(withFirst("26130009com.first" + "27230009com.first01011" + "02012")); err != nil || got != c {
		t.Errorf("behind one that names nobody: %+v, %v", got, err)
	}
	// Ours without a merchant is broken, whatever stands beside it.
	refused(t, withFirst(first+"27190010kr.jangteo01013"), ReasonValue, "26.02")
}

func TestExpired(t *testing.T) {
	t.Parallel()
	c := dynamicCode()
	if c.Expired(until.Add(-time.Nanosecond)) || !c.Expired(until) || !c.Expired(until.Add(time.Hour)) {
		t.Error("a dynamic code ends at the wrong moment")
	}
	if staticCode().Expired(until.AddDate(100, 0, 0)) {
		t.Error("a static code ended")
	}
}

func anyCode(t *rapid.T) Code {
	word := rapid.StringMatching(`[A-Za-z0-9-]{1,20}`)
	name := func(n int) *rapid.Generator[string] {
		return rapid.StringMatching(fmt.Sprintf(`[가-힣A-Za-z0-9&()]{1,%d}`, n))
	}
	c := Code{
		Static:    rapid.Bool().Draw(t, "static"),
		Network:   rapid.SampledFrom([]string{Network, "com.example"}).Draw(t, "network"),
		Tenant:    rapid.StringMatching(`[0-9]{5}`).Draw(t, "tenant"),
		Merchant:  rapid.StringMatching(`[A-Za-z0-9-]{1,36}`).Draw(t, "merchant"),
		MCC:       rapid.StringMatching(`[0-9]{4}`).Draw(t, "mcc"),
		Amount:    rapid.Int64Range(0, MaxAmount).Draw(t, "amount"),
		Name:      name(MaxNameLength).Draw(t, "name"),
		City:      name(MaxCityLength).Draw(t, "city"),
		Reference: rapid.OneOf(rapid.Just(""), word).Draw(t, "reference"),
	}
	if !c.Static {
		c.ExpiresAt = time.Unix(rapid.Int64Range(1, maxUnixSeconds).Draw(t, "expires"), 0).UTC()
		c.Nonce = rapid.OneOf(rapid.Just(""), word).Draw(t, "nonce")
	}
	return c
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyCode(t)
		payload, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		if len(payload) > MaxBytes {
			t.Fatalf("%d bytes: %s", len(payload), payload)
		}
		if got, err := Decode(payload); err != nil || got != want {
			t.Fatalf("%s was read as %+v, %v", payload, got, err)
		}
	})
}

func TestTheLongestCodeFits(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("𠀀", 40) // four bytes each
	payload, err := Encode(Code{
		Network: Network, Tenant: strings.Repeat("T", 13), Merchant: strings.Repeat("M", 64), MCC: "5999", Amount: MaxAmount,
		Name: wide, City: wide, Reference: strings.Repeat("R", MaxReferenceLength), Nonce: strings.Repeat("N", 32),
		ExpiresAt: time.Unix(maxUnixSeconds, 0),
	})
	if err != nil || len(payload) > MaxBytes {
		t.Fatalf("%d bytes, %v", len(payload), err)
	}
	if _, err := Decode(payload); err != nil {
		t.Error(err)
	}
}

// One damaged byte anywhere is never read as another code.
func TestADamagedByteIsSeen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		payload, err := Encode(anyCode(t))
		if err != nil {
			t.Fatal(err)
		}
		damaged := []byte(payload)
		at := rapid.IntRange(0, len(damaged)-1).Draw(t, "at")
		damaged[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		if got, err := Decode(string(damaged)); err == nil {
			t.Fatalf("%s with byte %d changed was read as %+v", payload, at, got)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, code := range []Code{staticCode(), dynamicCode()} {
		payload, err := Encode(code)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload, false)
	}
	f.Add(example, false)
	f.Add("000201", true)
	f.Fuzz(func(t *testing.T, payload string, repair bool) {
		if repair { // most random payloads would stop at the checksum
			payload += checksumHead
			payload += fmt.Sprintf("%04X", checksum(payload))
		}
		code, err := Decode(payload)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || code != (Code{}) {
				t.Fatalf("%q gave %+v, %v", payload, code, err)
			}
			return
		}
		again, err := Encode(code)
		if err != nil {
			t.Fatalf("%q was read as %+v, which cannot be written: %v", payload, code, err)
		}
		if back, err := Decode(again); err != nil || back != code {
			t.Fatalf("%q was read as %+v, then as %+v, %v", payload, code, back, err)
		}
	})
}
