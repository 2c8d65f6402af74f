package issuer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
	"github.com/moov-io/iso8583/sort"
)

func fixed(length int) field.Field {
	return field.NewString(field.NewSpec(length, "", encoding.ASCII, prefix.ASCII.Fixed))
}

func upTo(length int, p prefix.Prefixer) field.Field {
	return field.NewString(field.NewSpec(length, "", encoding.ASCII, p))
}

// DE 48 of docs/card-host.md.
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

var spec = &iso8583.MessageSpec{Name: "docs/card-host.md", Fields: map[int]field.Field{
	0:  fixed(4),
	1:  field.NewBitmap(field.NewSpec(8, "", encoding.Binary, prefix.Binary.Fixed)),
	3:  fixed(6),
	4:  fixed(12),
	7:  fixed(10),
	11: fixed(6),
	12: fixed(6),
	13: fixed(4),
	33: upTo(11, prefix.ASCII.LL),
	37: fixed(12),
	38: fixed(6),
	39: fixed(2),
	41: fixed(8),
	42: fixed(15),
	48: field.NewComposite(&field.Spec{
		Length: 255, Pref: prefix.ASCII.LLL,
		Tag: &field.TagSpec{Length: 2, Enc: encoding.ASCII, Sort: sort.StringsByInt, SkipUnknownTLVTags: true, PrefUnknownTLV: prefix.ASCII.LL},
		Subfields: map[string]field.Field{
			tagToken: upTo(64, prefix.ASCII.LL), tagPartial: upTo(1, prefix.ASCII.LL), tagAccount: upTo(1, prefix.ASCII.LL),
			tagFromBank: upTo(12, prefix.ASCII.LL), tagVoucher: upTo(12, prefix.ASCII.LL), tagReason: upTo(48, prefix.ASCII.LL),
			tagLeft: upTo(12, prefix.ASCII.LL), tagReplayed: upTo(1, prefix.ASCII.LL), tagField: upTo(8, prefix.ASCII.LL),
		},
	}),
	49: fixed(3),
	70: fixed(3),
	90: fixed(42),
	95: fixed(42),
}}

// Private are the elements of DE 48.
type Private struct {
	Token    string `iso8583:"01"`
	Partial  string `iso8583:"02"`
	Account  string `iso8583:"03"`
	FromBank string `iso8583:"04"`
	Voucher  string `iso8583:"05"`
	Reason   string `iso8583:"06"`
	Left     string `iso8583:"07"`
	Replayed string `iso8583:"08"`
	Field    string `iso8583:"09"`
}

// Text is a whole message of docs/card-host.md, its fields as they stand on the wire.
type Text struct {
	MTI         string   `iso8583:"0"`
	Processing  string   `iso8583:"3"`
	Amount      string   `iso8583:"4"`
	Transmitted string   `iso8583:"7"`
	Trace       string   `iso8583:"11"`
	SwipedTime  string   `iso8583:"12"`
	SwipedDay   string   `iso8583:"13"`
	Issuer      string   `iso8583:"33"`
	Retrieval   string   `iso8583:"37"`
	Number      string   `iso8583:"38"`
	Response    string   `iso8583:"39"`
	Terminal    string   `iso8583:"41"`
	Merchant    string   `iso8583:"42"`
	Private     *Private `iso8583:"48"`
	Currency    string   `iso8583:"49"`
	Network     string   `iso8583:"70"`
	Original    string   `iso8583:"90"`
	Replacement string   `iso8583:"95"`
}

// matches tells which question an answer belongs to.
type matches struct{ transmitted, trace, terminal string }

func (t Text) matches() matches { return matches{t.Transmitted, t.Trace, t.Terminal} }

// Frame is a message with its length before it.
func (t Text) Frame() ([]byte, error) {
	m := iso8583.NewMessage(spec)
	if err := m.Marshal(&t); err != nil {
		return nil, err
	}
	body, err := m.Pack()
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...), nil
}

// read takes the next frame from a line.
func read(from *bufio.Reader) (t Text, err error) {
	var head [2]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return t, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(from, body); err != nil {
		return t, err
	}
	m := iso8583.NewMessage(spec)
	if err := m.Unpack(body); err != nil {
		return t, fmt.Errorf("an answer that cannot be read: %w", err)
	}
	return t, m.Unmarshal(&t)
}

func amount(won int64) string { return fmt.Sprintf("%012d", won) }

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
