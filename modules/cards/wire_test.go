package cards

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moov-io/iso8583"

	"jangteo/app/fault"
	"jangteo/app/simulate/issuer"
)

var readAt = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func sampleTexts() map[string]issuer.Text {
	purchase := issuer.Text{
		MTI: "0100", Processing: "000000", Amount: "000000012000", Transmitted: "1122034010", Trace: "000101", SwipedTime: "124010", SwipedDay: "1122",
		Retrieval: "MWRAGRKG002T", Terminal: "T0000001", Merchant: "7700112233     ", Currency: "410",
		Private: &issuer.Private{Token: "tk31-5f0c2a9e7d41", Partial: "1"},
	}
	repeat := purchase.Repeated()
	reversal := purchase
	reversal.MTI, reversal.Trace, reversal.Transmitted = "0420", "000102", "1122034014"
	reversal.Private = &issuer.Private{Token: "tk31-5f0c2a9e7d41"}
	reversal = reversal.Answering(purchase)
	part := reversal
	part.MTI, part.Trace, part.Replacement = "0400", "000103", "000000005000"+strings.Repeat("0", 30)
	advice := purchase
	advice.MTI, advice.Trace, advice.Transmitted, advice.SwipedTime, advice.Retrieval = "0120", "000105", "1122034100", "124100", "MWRAHU5C002W"
	advice.Private = &issuer.Private{Token: "tk31-5f0c2a9e7d41", FromBank: "0", Voucher: "12000"}
	return map[string]issuer.Text{
		"0800 sign on": {MTI: "0800", Transmitted: "1122034000", Trace: "000100", Issuer: "31", Network: "001"},
		"0100":         purchase, "0101, its repeat": repeat, "0420, nobody answered": reversal, "0400, 5,000 won stay": part, "0120, decided in stand-in": advice,
	}
}

// answersOf are examples of what the host says.
var answersOf = map[string]struct {
	to string
	a  answer
}{
	"0810":            {"0800 sign on", answer{code: codeApproved}},
	"0110, approved":  {"0100", answer{code: codeApproved, voucher: 12000, number: "7B01AF", left: 38000, leftKnow: true}},
	"0410":            {"0400, 5,000 won stay", answer{code: codeApproved}},
	"0110, a part":    {"0100", answer{code: codePartial, voucher: 8000, number: "7B01AF", leftKnow: true}},
	"0110, refused":   {"0100", answer{code: "51", reason: "insufficient-balance"}},
	"0110, to repeat": {"0101, its repeat", answer{code: codeApproved, voucher: 12000, number: "7B01AF", left: 38000, leftKnow: true, replayed: true}},
	"0110, not known": {"0100", answer{code: codeUnknown, reason: reasonUnknown}},
	"0430":            {"0420, nobody answered", answer{code: codeApproved}},
	"0130":            {"0120, decided in stand-in", answer{code: codeApproved, voucher: 12000, left: 26000, leftKnow: true}},
	"0110, bank pays": {"0100", answer{code: codeApproved, voucher: 9000, account: 3000, number: "7B01AF", leftKnow: true}},
}

// The page's examples are what the program reads and writes.
func TestExamplesOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/card-host.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\*\\*(.+)\\*\\*\n\n```\n([0-9a-f\n]+)\n```$").FindAllStringSubmatch(string(page), -1) {
		shown[m[1]] = strings.ReplaceAll(m[2], "\n", "")
	}
	want := map[string][]byte{}
	for name, text := range sampleTexts() {
		want[name] = frame(t, text)
		if _, err := readQuestion(want[name][2:], readAt); err != nil {
			t.Errorf("%s cannot be read: %v", name, err)
		}
	}
	for name, example := range answersOf {
		q, _ := readQuestion(want[example.to][2:], readAt)
		if want[name], err = frameOf(q, example.a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bytes := range want {
		if shown[name] != hex.EncodeToString(bytes) {
			t.Errorf("docs/card-host.md should show\n\n**%s**\n\n```\n%s\n```\n", name, wrapped(hex.EncodeToString(bytes)))
		}
	}
}

func wrapped(text string) string {
	const width = 120
	var lines []string
	for ; len(text) > width; text = text[width:] {
		lines = append(lines, text[:width])
	}
	return strings.Join(append(lines, text), "\n")
}

// elsewhere are the modules whose faults no decision of a card gives: one opens
// no session, registers no shop, links no bank account.
var elsewhere = regexp.MustCompile(`^(login|sign-in|second-factor|passkey|password|proof|web-session|approval|access|identity|idempotency-key-(missing|invalid)|` +
	`qr-|merchant-(registered|state-wrong)|policy-|purchase-|subsidy-|agreement-|citizen-(too-young|not-joined)|method-|request-|media-|cross-site|other-workplace|` +
	`account-(holder|limit|linked)|bank-|claim-|swap-|clearing-|card-(link|exists|offer|not-yours|issuer-silent)|fall-through-|step-up-|clerk|` +
	`download-|correction-|buyer-|terminal-(mapped|import|list|task|of-another)|stray-)`)

// Every fault that a decision can give has a code of its own.
func TestEveryFaultHasAResponseCode(t *testing.T) {
	t.Parallel()
	two := regexp.MustCompile(`^[0-9]{2}$`)
	for code, response := range responseCodes {
		if _, ok := fault.Lookup(code); !ok && code != "internal" && code != "tenant-unknown" && code != "malformed-request" {
			t.Errorf("%s has a response code and is no fault", code)
		}
		if !two.MatchString(response) || response == codeApproved || response == codePartial {
			t.Errorf("%s answers %q", code, response)
		}
	}
	for _, f := range fault.Declared() {
		if _, known := responseCodes[f.Code]; !known && !elsewhere.MatchString(f.Code) {
			t.Errorf("%s has no response code", f.Code)
		}
	}
}

// The page's table and the program's are one.
func TestResponseCodesOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/card-host.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-9]{2}) \\|.*\\| (`.*`) \\|$").FindAllStringSubmatch(string(page), -1) {
		for reason := range strings.SplitSeq(row[2], ", ") {
			shown[strings.Trim(reason, "`")] = row[1]
		}
	}
	shownToo := map[string]string{"sign-in-required": codeSignOn}
	for code, response := range responseCodes {
		if shown[code] != response {
			t.Errorf("the page says %q of %s, not %s", shown[code], code, response)
		}
	}
	for code, response := range shown {
		if responseCodes[code] != response && shownToo[code] != response {
			t.Errorf("the page says %s of %s, the program does not", response, code)
		}
	}
}

// A field of a card's number, its track, its PIN or its chip is refused, and
// nothing of it is told back.
func TestCardNumbersAreNotRead(t *testing.T) {
	t.Parallel()
	const pan = "4111111111111111"
	for _, number := range []int{2, 14, 34, 35, 36, 45, 52, 55} {
		body := []byte("0100")
		bitmap := make([]byte, 8)
		bitmap[(number-1)/8] |= 0x80 >> ((number - 1) % 8)
		body = append(append(body, bitmap...), "16"+pan...)
		q, err := readQuestion(body, readAt)
		var format *formatError
		if !errors.As(err, &format) || format.field != strconv.Itoa(number) {
			t.Errorf("DE %d: %v", number, err)
		}
		back, err := frameOf(q, answer{code: codeFormat, reason: reasonFormat, field: format.field})
		if err != nil || bytes.Contains(back, []byte(pan[:6])) {
			t.Errorf("DE %d is answered with %q, %v", number, back, err)
		}
	}
	for token, sound := range map[string]bool{pan: false, "4111111111111112": true, "tk31-5f0c2a9e7d41": true, "short": false, "with space": false, "378282246310005": false} {
		if soundToken(token) != sound {
			t.Errorf("the token %q is taken for %v", token, !sound)
		}
	}
}

// FuzzFrame: no bytes bring the host down, what is read can be answered, and the
// answer can be read.
func FuzzFrame(f *testing.F) {
	for _, text := range sampleTexts() {
		body, err := text.Frame()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body[2:])
	}
	f.Add([]byte("0100\xff\xff\xff\xff\xff\xff\xff\xff999999"))
	f.Fuzz(func(t *testing.T, body []byte) { answered(t, body) })
}

// answered reads a frame as the host does, and checks what it makes of it.
func answered(t *testing.T, body []byte) {
	t.Helper()
	q, err := readQuestion(body, readAt)
	a := answer{code: codeApproved, voucher: q.amount, number: "ABC123", left: 1, leftKnow: true}
	var format *formatError
	switch {
	case errors.Is(err, errGarbage):
		return
	case errors.As(err, &format):
		a = answer{code: codeFormat, reason: reasonFormat, field: format.field}
	case err != nil:
		t.Fatal(err)
	case q.subject != network:
		if err := q.Message.validate(0); q.Issuer != "" && err != nil {
			t.Errorf("what was read is not sound: %v", err)
		}
		if q.amount <= 0 || q.Key == "" || len(q.Key) > keyMost || !printable(q.Key) || q.At.IsZero() || q.reversed() < 0 || cardNumber(q.Token) {
			t.Errorf("what was read is not sound: %+v", q)
		}
	}
	back, err := frameOf(q, a)
	if err != nil {
		t.Fatalf("there is no answer to %q: %v", body, err)
	}
	if err := iso8583.NewMessage(wireSpec).Unpack(back[2:]); err != nil {
		t.Fatalf("the answer %q cannot be read: %v", back, err)
	}
}

// FuzzFields: whatever stands in a field, it is taken or named.
func FuzzFields(f *testing.F) {
	f.Add("000000012000", "1122034010", "000101", "T0000001", "7700112233     ", "632612345678", "tk31-5f0c2a9e7d41", "0119tk31", strings.Repeat("0", 42))
	f.Fuzz(func(t *testing.T, won, sent, trace, terminal, merchant, retrieval, token, private, original string) {
		for _, mti := range []string{"0100", "0120", "0400", "0421"} {
			m := iso8583.NewMessage(wireSpec)
			m.MTI(mti)
			for number, value := range map[int]string{
				deProcessing: "000000", deAmount: won, deTransmitted: sent, deTrace: trace, deTerminal: terminal, deMerchant: merchant, deRetrieval: retrieval,
				deCurrency: "410", dePrivate: "01" + string(rune('0'+len(token)/10%10)) + string(rune('0'+len(token)%10)) + token + private, deOriginal: original,
			} {
				if err := m.Field(number, value); err != nil {
					t.Fatal(err)
				}
			}
			if body, err := m.Pack(); err == nil {
				answered(t, body)
			}
		}
	})
}
