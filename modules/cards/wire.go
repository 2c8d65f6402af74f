package cards

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	wirefaults "github.com/moov-io/iso8583/errors"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"

	"jangteo/app/calendar"
	"jangteo/app/money"
)

// The data elements of docs/card-host.md.
const (
	deMTI         = 0
	deBitmap      = 1
	deProcessing  = 3
	deAmount      = 4
	deTransmitted = 7
	deTrace       = 11
	deSwipedTime  = 12
	deSwipedDay   = 13
	deIssuer      = 33
	deRetrieval   = 37
	deNumber      = 38
	deResponse    = 39
	deTerminal    = 41
	deMerchant    = 42
	dePrivate     = 48
	deCurrency    = 49
	deNetwork     = 70
	deOriginal    = 90
	deReplacement = 95
)

// charset is what the text of an element may be made of.
type charset func(r byte) bool

func numeric(r byte) bool      { return r >= '0' && r <= '9' }
func alphanumeric(r byte) bool { return numeric(r) || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }
func visible(r byte) bool      { return r >= ' ' && r <= '~' }

func (c charset) holds(text string) bool {
	for i := range len(text) {
		if !c(text[i]) {
			return false
		}
	}
	return true
}

// element is a row of the table of fields.
type element struct {
	length int // of a fixed one; at most, of one that has its length in front
	prefix prefix.Prefixer
	of     charset
}

var elements = map[int]element{
	deProcessing: {6, prefix.ASCII.Fixed, numeric}, deAmount: {12, prefix.ASCII.Fixed, numeric},
	deTransmitted: {10, prefix.ASCII.Fixed, numeric}, deTrace: {6, prefix.ASCII.Fixed, numeric},
	deSwipedTime: {6, prefix.ASCII.Fixed, numeric}, deSwipedDay: {4, prefix.ASCII.Fixed, numeric},
	15: {4, prefix.ASCII.Fixed, numeric}, 18: {4, prefix.ASCII.Fixed, numeric}, 22: {3, prefix.ASCII.Fixed, numeric}, 25: {2, prefix.ASCII.Fixed, numeric},
	32: {11, prefix.ASCII.LL, numeric}, 43: {40, prefix.ASCII.Fixed, visible},
	deIssuer: {11, prefix.ASCII.LL, alphanumeric}, deRetrieval: {12, prefix.ASCII.Fixed, alphanumeric}, deNumber: {6, prefix.ASCII.Fixed, alphanumeric},
	deResponse: {2, prefix.ASCII.Fixed, alphanumeric}, deTerminal: {8, prefix.ASCII.Fixed, visible}, deMerchant: {15, prefix.ASCII.Fixed, visible},
	dePrivate: {255, prefix.ASCII.LLL, visible}, deCurrency: {3, prefix.ASCII.Fixed, numeric}, deNetwork: {3, prefix.ASCII.Fixed, numeric},
	deOriginal: {42, prefix.ASCII.Fixed, numeric}, deReplacement: {42, prefix.ASCII.Fixed, numeric},
}

var wireSpec = func() *iso8583.MessageSpec {
	fields := map[int]field.Field{
		deMTI:    field.NewString(&field.Spec{Length: 4, Enc: encoding.ASCII, Pref: prefix.ASCII.Fixed}),
		deBitmap: field.NewBitmap(&field.Spec{Length: 8, Enc: encoding.Binary, Pref: prefix.Binary.Fixed}),
	}
	for number, e := range elements {
		fields[number] = field.NewString(&field.Spec{Length: e.length, Enc: encoding.ASCII, Pref: e.prefix})
	}
	return &iso8583.MessageSpec{Name: "card host", Fields: fields}
}()

// Tags of DE 48.
const (
	tagToken    = "01"
	tagPartial  = "02"
	tagAccount  = "03"
	tagFromBank = "04"
	tagVoucher  = "05"
	tagReason   = "06"
	tagLeft     = "07"
	tagReplayed = "08"
	tagField    = "09"
)

// subject is what a question is about: the second digit of its MTI, an advice
// being a subject of its own.
type subject byte

const (
	authorising subject = '1'
	financial   subject = '2'
	reversing   subject = '4'
	network     subject = '8'
	advising    subject = 'a'
)

// questions are the message types that an issuer may send.
var questions = map[string]struct {
	subject subject
	answer  string
}{
	"0100": {authorising, "0110"}, "0101": {authorising, "0110"}, "0200": {financial, "0210"}, "0201": {financial, "0210"},
	"0120": {advising, "0130"}, "0121": {advising, "0130"},
	"0400": {reversing, "0410"}, "0401": {reversing, "0410"}, "0420": {reversing, "0430"}, "0421": {reversing, "0430"},
	"0800": {network, "0810"}, "0801": {network, "0810"},
}

// needs says which elements a question must have, and which it may.
var needs = func() map[subject]struct{ must, may []int } {
	purchase := []int{deProcessing, deAmount, deTransmitted, deTrace, deRetrieval, deTerminal, deMerchant, deCurrency}
	extra := []int{deSwipedTime, deSwipedDay, 15, 18, 22, 25, 32, 43, deIssuer}
	asks := struct{ must, may []int }{append(slices.Clone(purchase), dePrivate), extra}
	return map[subject]struct{ must, may []int }{
		authorising: asks,
		financial:   asks,
		advising:    {asks.must, append(slices.Clone(extra), deNumber, deOriginal)},
		reversing:   {append(slices.Clone(asks.must), deOriginal), append(slices.Clone(extra), deNumber, deReplacement)},
		network:     {[]int{deTransmitted, deTrace, deIssuer, deNetwork}, nil},
	}
}()

// errGarbage tells that bytes are no message at all; who sends them is cut off.
var errGarbage = errors.New("not a message")

// formatError names the element that is wrong; empty when nobody can tell.
type formatError struct{ field string }

func (e *formatError) Error() string { return "wrong format: DE " + e.field }

func wrong(number int) error { return &formatError{strconv.Itoa(number)} }

// question is a message of an issuer: its text, and what it means.
type question struct {
	subject subject
	answers string         // the MTI of its answer
	text    map[int]string // as it came
	private map[string]string

	Message
	issuer           string // DE 33; empty where left out
	amount           money.Amount
	partial          bool
	original         string
	stays            money.Amount // of a reversal in part; 0: nothing
	voucher, account money.Amount
	network          string
}

// asks tells whether the question is for money.
func (q question) asks() bool { return q.subject == authorising || q.subject == financial }

// readQuestion reads the bytes of one frame, received at now. With a formatError
// it returns what could be read, for the answer.
func readQuestion(frame []byte, now time.Time) (question, error) {
	q := question{text: map[int]string{}}
	const mtiLength = 4
	if len(frame) < messageLeast || !charset(numeric).holds(string(frame[:mtiLength])) {
		return q, errGarbage
	}
	mti := string(frame[:mtiLength])
	kind, known := questions[mti]
	q.subject, q.answers = kind.subject, kind.answer
	err := q.unpack(frame)
	switch {
	case !known:
		q.answers = "0" + mti[1:2] + "10"
		return q, wrong(deMTI)
	case err != nil:
		return q, err
	}
	for _, check := range []func() error{q.complete, q.readPrivate, func() error { return q.readMessage(now) }, q.readMoney, q.readOriginal} {
		if err := check(); err != nil {
			return q, err
		}
	}
	return q, nil
}

// unpack fills q.text. The library is given bytes of strangers: should it ever
// panic on them, they are in the wrong format, and no more.
func (q *question) unpack(frame []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = &formatError{}
		}
	}()
	m := iso8583.NewMessage(wireSpec)
	failed := m.Unpack(frame)
	for number := range m.GetFields() {
		if number > deBitmap {
			q.text[number], _ = m.GetString(number)
		}
	}
	if failed != nil {
		var at *wirefaults.UnpackError
		if errors.As(failed, &at) {
			return &formatError{at.FieldID}
		}
		return &formatError{}
	}
	again, failed := m.Pack()
	if failed != nil || string(again) != string(frame) { // bytes behind the last element, or a length that is no number
		return &formatError{}
	}
	return nil
}

func (q *question) complete() error {
	need := needs[q.subject]
	for _, number := range need.must {
		if q.text[number] == "" {
			return wrong(number)
		}
	}
	for _, number := range slices.Sorted(keysOf(q.text)) {
		if !elements[number].of.holds(q.text[number]) || !slices.Contains(need.must, number) && !slices.Contains(need.may, number) {
			return wrong(number)
		}
	}
	return nil
}

func keysOf[V any](m map[int]V) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// readPrivate takes DE 48 apart: two digits of tag, two of length, the value.
func (q *question) readPrivate() error {
	const head = 4
	rest := q.text[dePrivate]
	q.private = map[string]string{}
	for last := ""; rest != ""; {
		if len(rest) < head || !charset(numeric).holds(rest[:head]) {
			return wrong(dePrivate)
		}
		tag, length := rest[:2], int(rest[2]-'0')*10+int(rest[3]-'0')
		if tag <= last || length == 0 || len(rest) < head+length {
			return &formatError{"48." + tag}
		}
		q.private[tag], rest, last = rest[head:head+length], rest[head+length:], tag
	}
	return nil
}

func (q *question) readMessage(now time.Time) error {
	sent, ok := nearest(q.text[deTransmitted], now, time.UTC)
	if !ok {
		return wrong(deTransmitted)
	}
	if q.subject == network {
		q.issuer, q.network = q.text[deIssuer], q.text[deNetwork]
		return nil
	}
	q.issuer = q.text[deIssuer]
	q.At = sent
	if day, clock := q.text[deSwipedDay], q.text[deSwipedTime]; day != "" || clock != "" {
		if q.At, ok = nearest(day+clock, now, calendar.Seoul); !ok {
			return wrong(deSwipedTime)
		}
	}
	q.Terminal, q.MerchantNumber = strings.TrimRight(q.text[deTerminal], " "), strings.TrimRight(q.text[deMerchant], " ")
	q.Retrieval, q.Token = q.text[deRetrieval], q.private[tagToken]
	q.Key = messageKey(q.subject, sent, q.text[deTrace], q.Terminal)
	switch {
	case !printable(q.Terminal) || q.Terminal == "":
		return wrong(deTerminal)
	case !printable(q.MerchantNumber) || q.MerchantNumber == "":
		return wrong(deMerchant)
	case !soundToken(q.Token):
		return &formatError{"48." + tagToken}
	}
	return nil
}

const (
	shortest = 8
	longest  = 64
)

// soundToken refuses what is no token, or looks like the number of a card.
func soundToken(token string) bool {
	if len(token) < shortest || len(token) > longest {
		return false
	}
	of := charset(func(r byte) bool { return alphanumeric(r) || r == '-' || r == '_' })
	return of.holds(token) && !cardNumber(token)
}

// cardNumber tells 13 to 19 digits that pass the check of ISO/IEC 7812 (Luhn).
func cardNumber(text string) bool {
	if len(text) < 13 || len(text) > 19 || !charset(numeric).holds(text) {
		return false
	}
	sum := 0
	for i := range len(text) {
		d := int(text[len(text)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func (q *question) readMoney() error {
	if q.subject == network {
		return nil
	}
	const purchase, won410 = "000000", "410"
	q.amount = won(q.text[deAmount])
	switch {
	case q.amount <= 0:
		return wrong(deAmount)
	case q.text[deProcessing] != purchase:
		return wrong(deProcessing)
	case q.text[deCurrency] != won410:
		return wrong(deCurrency)
	}
	switch q.private[tagPartial] {
	case "", "0":
	case "1":
		q.partial = true
	default:
		return &formatError{"48." + tagPartial}
	}
	if q.subject != advising {
		return nil
	}
	for _, part := range []struct {
		tag  string
		into *money.Amount
	}{{tagFromBank, &q.account}, {tagVoucher, &q.voucher}} {
		text := q.private[part.tag]
		if text == "" || len(text) > elements[deAmount].length || !charset(numeric).holds(text) {
			return &formatError{"48." + part.tag}
		}
		*part.into = won(text)
	}
	if q.account+q.voucher != q.amount {
		return wrong(deAmount)
	}
	return nil
}

// won reads at most twelve numeric, or none.
func won(text string) money.Amount {
	n, _ := strconv.ParseInt(text, 10, 64)
	return money.Amount(n)
}

// readOriginal reads what a reversal or an advice is about.
func (q *question) readOriginal() error {
	const (
		mtiEnds, traceEnds, sentEnds = 4, 10, 20
		amountEnds                   = 12
	)
	if text := q.text[deOriginal]; text != "" {
		kind, known := questions[text[:mtiEnds]]
		sent, ok := nearest(text[traceEnds:sentEnds], q.At, time.UTC)
		if !known || !ok || kind.subject == network || kind.subject == reversing || strings.Trim(text[sentEnds:], "0") != "" {
			return wrong(deOriginal)
		}
		q.original = messageKey(kind.subject, sent, text[mtiEnds:traceEnds], q.Terminal)
	}
	if text := q.text[deReplacement]; text != "" {
		q.stays = won(text[:amountEnds])
		if q.stays >= q.amount || strings.Trim(text[amountEnds:], "0") != "" {
			return wrong(deReplacement)
		}
	}
	return nil
}

// reversed is the amount to take back; 0 for all of it.
func (q *question) reversed() money.Amount {
	if q.stays == 0 {
		return 0
	}
	return q.amount - q.stays
}

// messageKey names a message for ever within its issuer.
func messageKey(s subject, sent time.Time, trace, terminal string) string {
	return string(s) + "-" + sent.Format("20060102150405") + "-" + trace + "-" + terminal
}

// nearest reads MMDDhhmmss in the year that brings it closest to now, which is
// half a year away at most.
func nearest(text string, now time.Time, in *time.Location) (at time.Time, ok bool) {
	const (
		layout   = "20060102150405"
		halfYear = 184 * 24 * time.Hour
	)
	for year := now.In(in).Year() - 1; year <= now.In(in).Year()+1; year++ {
		t, err := time.ParseInLocation(layout, fmt.Sprintf("%04d%s", year, text), in)
		if err == nil && t.Sub(now).Abs() <= halfYear && (!ok || t.Sub(now).Abs() < at.Sub(now).Abs()) {
			at, ok = t, true
		}
	}
	return at, ok
}

// answer is what an issuer is told.
type answer struct {
	code     string // DE 39
	reason   string // of the catalogue, or one of the host's own; empty with 00
	field    string // which one is wrong, with codeFormat
	voucher  money.Amount
	account  money.Amount // what may be taken from the bank account
	number   string       // approval number
	left     money.Amount
	leftKnow bool
	replayed bool
}

func (a answer) approves() bool { return a.code == codeApproved || a.code == codePartial }

// frameOf makes the frame that answers q.
func frameOf(q question, a answer) ([]byte, error) {
	m := iso8583.NewMessage(wireSpec)
	m.MTI(q.answers)
	text := map[int]string{deResponse: a.code}
	for _, number := range []int{deProcessing, deAmount, deTransmitted, deTrace, deRetrieval, deTerminal, deMerchant, deCurrency, deNetwork} {
		if echo, there := q.text[number]; there {
			text[number] = echo
		}
	}
	if a.code == codePartial {
		text[deAmount] = fmt.Sprintf("%012d", a.voucher+a.account)
	}
	if len(a.number) == elements[deNumber].length {
		text[deNumber] = a.number
	}
	if q.subject != network {
		text[dePrivate] = a.private(q.subject)
	}
	if text[dePrivate] == "" {
		delete(text, dePrivate)
	}
	for number, value := range text {
		if err := m.Field(number, value); err != nil {
			return nil, fmt.Errorf("answer %s: %w", q.answers, err)
		}
	}
	body, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("answer %s: %w", q.answers, err)
	}
	return append([]byte{byte(len(body) >> 8), byte(len(body))}, body...), nil
}

func (a answer) private(s subject) string {
	var b strings.Builder
	put := func(tag, value string) {
		const most = 99
		value = value[:min(len(value), most)]
		fmt.Fprintf(&b, "%s%02d%s", tag, len(value), value)
	}
	switch {
	case a.approves() && a.account > 0 && s != reversing && s != advising:
		put(tagAccount, "Y")
		put(tagFromBank, strconv.FormatInt(int64(a.account), 10))
	case s != reversing && s != advising: // of what nobody can read, too
		put(tagAccount, "N")
	}
	if a.approves() && s != reversing {
		put(tagVoucher, strconv.FormatInt(int64(a.voucher), 10))
	}
	if a.reason != "" {
		put(tagReason, a.reason)
	}
	if a.leftKnow {
		put(tagLeft, strconv.FormatInt(int64(a.left), 10))
	}
	if a.replayed {
		put(tagReplayed, "1")
	}
	if a.field != "" {
		put(tagField, a.field)
	}
	return b.String()
}
