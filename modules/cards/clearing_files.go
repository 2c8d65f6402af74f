package cards

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/refdata"
)

// clearingFile is an issuer's file of a business day (docs/card-host.md).
type clearingFile struct {
	issuer string
	day    calendar.Day
	number int
	format string // csv or fixed
	digest [32]byte
	rows   []ClearingRow
}

const (
	fixedWidth    = 160
	rowsMost      = 200_000
	terminalWidth = 8
	yearsOfFiles  = 366 * 24 * time.Hour // what a row may be away from its day
)

// columns are the fields of a row in the page's words: where they stand in
// fixed width, from 0. Digits fill their width.
var columns = []struct {
	name        string
	from, width int
	digits      bool
}{
	{"record", 0, 1, false}, {"number", 1, 8, true}, {"kind", 9, 1, false}, {"retrieval", 10, 12, false}, {"approval", 22, 6, false},
	{"trace", 28, 6, false}, {"transmitted", 34, 14, true}, {"swiped", 48, 14, true}, {"merchant", 62, 15, false}, {"terminal", 77, 8, false},
	{"token", 85, 36, false}, {"amount", 121, 12, true}, {"voucher", 133, 12, true}, {"account", 145, 12, true},
}

const rowEnds = 157 // where spaces begin

// readClearing reads a file in either form. A file that is cut, counted wrongly
// or wrong in any line is refused whole: ErrClearingInvalid names the line, from
// 1, and the field of it that is wrong, in the page's words.
func readClearing(file []byte) (f clearingFile, err error) {
	if len(file) > clearingMost {
		return f, fault.On("file", fault.TooLarge).Limit(clearingMost)
	}
	if bytes.Count(file, []byte("\n")) > rowsMost+2 {
		return f, wrongIn(rowsMost+3, "count")
	}
	f.digest, f.format = sha256.Sum256(file), "fixed"
	if bytes.HasPrefix(file, []byte("H,")) {
		f.format = "csv"
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(file), "\r\n", "\n"), "\n"), "\n")
	last := len(lines) - 1
	if field := f.head(f.split(lines[0])); field != "" {
		return f, wrongIn(1, field)
	}
	if last == 0 {
		return f, wrongIn(1, "record") // the last line of a file is never its first
	}
	var sum money.Amount
	for i, line := range lines[1:last] {
		row, field := f.row(f.split(line), i+1)
		if field != "" {
			return f, wrongIn(i+2, field)
		}
		f.rows = append(f.rows, row)
		sum += row.signed()
	}
	if field := tail(f.split(lines[last]), len(f.rows), sum); field != "" {
		return f, wrongIn(last+1, field)
	}
	return f, nil
}

func wrongIn(line int, field string) error {
	return ErrClearingInvalid.With("line", line).With("field", field)
}

// signed is what a row adds to the file's sum.
func (r ClearingRow) signed() money.Amount {
	if r.Kind == "R" {
		return -r.Amount
	}
	return r.Amount
}

// split takes a line apart; nil if it cannot be one.
func (f *clearingFile) split(line string) []string {
	for _, c := range []byte(line) {
		if c < 0x20 || c > 0x7e {
			return nil
		}
	}
	if f.format == "csv" {
		return strings.SplitN(line, ",", len(columns)+1)
	}
	if len(line) != fixedWidth {
		return nil
	}
	ends, fields := rowEnds, []string(nil)
	switch line[0] {
	case 'H':
		ends, fields = 15, []string{"H", line[1:3], line[3:11], line[11:15]}
	case 'T':
		ends, fields = 24, []string{"T", line[1:9], line[9:24]}
	default:
		for _, c := range columns {
			field := line[c.from : c.from+c.width]
			if !c.digits {
				field = strings.TrimRight(field, " ")
			}
			fields = append(fields, field)
		}
	}
	if strings.Trim(line[ends:], " ") != "" {
		return nil
	}
	return fields
}

// head reads the first line, and names the field that is wrong.
func (f *clearingFile) head(fields []string) (wrong string) {
	if len(fields) != 4 || fields[0] != "H" {
		return "record"
	}
	f.issuer = fields[1]
	if _, known := refdata.CardIssuerOf(f.issuer); !known {
		return "issuer"
	}
	day, ok := moment(fields[2]+"000000", calendar.Seoul)
	if f.day = calendar.DayOf(day); !ok || f.day.Year() < 2000 || f.day.Year() > 2199 {
		return "day"
	}
	number, ok := count(fields[3], 9999)
	if f.number = int(number); !ok || number == 0 {
		return "number"
	}
	return ""
}

// tail reads the last line.
func tail(fields []string, rows int, sum money.Amount) (wrong string) {
	if len(fields) != 3 || fields[0] != "T" {
		return "record"
	}
	if counted, ok := count(fields[1], rowsMost); !ok || int(counted) != rows {
		return "count"
	}
	digits, below := strings.CutPrefix(fields[2], "-")
	total, ok := count(digits, int64(AmountMax)*rowsMost)
	if below {
		total = -total
	}
	if !ok || money.Amount(total) != sum {
		return "sum"
	}
	return ""
}

func (f *clearingFile) row(fields []string, number int) (r ClearingRow, wrong string) {
	if len(fields) != len(columns) || fields[0] != "D" {
		return r, "record"
	}
	r = ClearingRow{
		Issuer: f.issuer, Day: f.day, Number: f.number, Line: number, Kind: fields[2], Retrieval: fields[3], Approval: fields[4], Trace: fields[5],
		MerchantNumber: fields[8], Terminal: fields[9], Token: fields[10],
	}
	counted, ok := count(fields[1], rowsMost)
	sound := [...]bool{
		1:  ok && int(counted) == number,
		2:  slices.Contains([]string{"P", "S", "B", "R"}, r.Kind),
		3:  within(r.Retrieval, 1, retrievalMost),
		4:  within(r.Approval, 0, 6),
		5:  within(r.Trace, 0, 6),
		8:  within(r.MerchantNumber, 1, merchantMost),
		9:  within(r.Terminal, 1, terminalWidth),
		10: soundToken(r.Token),
		13: false,
	}
	r.TransmittedAt, sound[6] = f.near(fields[6], time.UTC)
	r.SwipedAt, sound[7] = f.near(fields[7], calendar.Seoul)
	for i, to := range map[int]*money.Amount{11: &r.Amount, 12: &r.Voucher, 13: &r.Account} {
		won, ok := count(fields[i], int64(AmountMax))
		*to, sound[i] = money.Amount(won), ok
	}
	if sound[11] = sound[11] && r.Amount > 0; sound[12] && sound[13] {
		sound[13] = r.Voucher+r.Account == r.Amount
	}
	for i := 1; i < len(sound); i++ {
		if !sound[i] {
			return r, columns[i].name
		}
	}
	return r, ""
}

// near reads a time of a row, which is about its day.
func (f *clearingFile) near(text string, zone *time.Location) (time.Time, bool) {
	t, ok := moment(text, zone)
	return t, ok && t.Sub(f.day.Start()).Abs() <= yearsOfFiles
}

// within tells printable text of a length, without spaces.
func within(text string, least, most int) bool {
	return least <= len(text) && len(text) <= most && printable(text)
}

// count reads digits, and nothing but digits.
func count(text string, most int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && charset(numeric).holds(text) && n <= most
}

func moment(text string, zone *time.Location) (time.Time, bool) {
	t, err := time.ParseInLocation("20060102150405", text, zone)
	return t, err == nil
}
