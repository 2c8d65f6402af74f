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
	fixedWidth = 160
	rowsMost   = 200_000
)

// columns are the fields of a row: where they stand in fixed width, from 0.
var columns = []struct{ from, width int }{
	{0, 1}, {1, 8}, {9, 1}, {10, 12}, {22, 6}, {28, 6}, {34, 14}, {48, 14}, {62, 15}, {77, 8}, {85, 36}, {121, 12}, {133, 12}, {145, 12},
}

// readClearing reads a file in either form. A file that is cut, counted wrongly
// or wrong in any line is refused whole: ErrClearingInvalid names the line.
func readClearing(file []byte) (f clearingFile, err error) {
	if len(file) > clearingMost {
		return f, fault.On("file", fault.TooLarge).Limit(clearingMost)
	}
	f.digest, f.format = sha256.Sum256(file), "fixed"
	if bytes.HasPrefix(file, []byte("H,")) {
		f.format = "csv"
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(file), "\r\n", "\n"), "\n"), "\n")
	if len(lines) < 2 || len(lines)-2 > rowsMost {
		return f, ErrClearingInvalid.With("line", min(len(lines), rowsMost+2))
	}
	var sum money.Amount
	for i, line := range lines {
		var ok bool
		switch fields := f.split(line); {
		case i == 0:
			ok = f.head(fields)
		case i == len(lines)-1:
			ok = f.tail(fields, len(f.rows), sum)
		default:
			var row ClearingRow
			if row, ok = f.row(fields, i); ok {
				f.rows = append(f.rows, row)
				sum += row.signed()
			}
		}
		if !ok {
			return f, ErrClearingInvalid.With("line", i+1)
		}
	}
	return f, nil
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
		return strings.Split(line, ",")
	}
	if len(line) != fixedWidth {
		return nil
	}
	cut := func(from, width int) string { return strings.TrimRight(line[from:from+width], " ") }
	switch line[0] {
	case 'H':
		return []string{"H", cut(1, 2), cut(3, 8), cut(11, 4)}
	case 'T':
		return []string{"T", cut(1, 8), strings.TrimLeft(cut(9, 15), " ")}
	}
	fields := make([]string, len(columns))
	for i, c := range columns {
		fields[i] = cut(c.from, c.width)
	}
	return fields
}

func (f *clearingFile) head(fields []string) bool {
	if len(fields) != 4 || fields[0] != "H" || len(fields[2]) != 8 {
		return false
	}
	day, err := calendar.ParseDay(fields[2][:4] + "-" + fields[2][4:6] + "-" + fields[2][6:])
	if err != nil {
		return false
	}
	number, ok := count(fields[3], 9999)
	_, known := refdata.CardIssuerOf(fields[1])
	f.issuer, f.day, f.number = fields[1], day, int(number)
	return ok && known && number > 0
}

func (f *clearingFile) tail(fields []string, rows int, sum money.Amount) bool {
	if len(fields) != 3 || fields[0] != "T" {
		return false
	}
	counted, ok := count(fields[1], rowsMost)
	total, err := strconv.ParseInt(fields[2], 10, 64)
	return ok && err == nil && int(counted) == rows && money.Amount(total) == sum
}

const fieldsOfRow = 14

func (f *clearingFile) row(fields []string, number int) (r ClearingRow, ok bool) {
	if len(fields) != fieldsOfRow || fields[0] != "D" {
		return r, false
	}
	counted, numbered := count(fields[1], rowsMost)
	r = ClearingRow{
		Issuer: f.issuer, Day: f.day, Number: f.number, Line: number, Kind: fields[2], Retrieval: fields[3], Approval: fields[4], Trace: fields[5],
		MerchantNumber: fields[8], Terminal: fields[9], Token: fields[10],
	}
	var times, amounts [3]bool
	r.TransmittedAt, times[0] = moment(fields[6], time.UTC)
	r.SwipedAt, times[1] = moment(fields[7], calendar.Seoul)
	times[2] = numbered && int(counted) == number
	for i, to := range []*money.Amount{&r.Amount, &r.Voucher, &r.Account} {
		var n int64
		n, amounts[i] = count(fields[11+i], int64(AmountMax))
		*to = money.Amount(n)
	}
	sound := slices.Contains([]string{"P", "S", "B", "R"}, r.Kind) && r.Retrieval != "" && len(r.Retrieval) <= retrievalMost &&
		len(r.Approval) <= 6 && len(r.Trace) <= 6 && r.MerchantNumber != "" && len(r.MerchantNumber) <= merchantMost &&
		r.Terminal != "" && len(r.Terminal) <= terminalMost && soundToken(r.Token) && r.Amount > 0 && r.Voucher+r.Account <= r.Amount
	return r, sound && times == [3]bool{true, true, true} && amounts == [3]bool{true, true, true}
}

func count(text string, most int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && 0 <= n && n <= most
}

func moment(text string, zone *time.Location) (time.Time, bool) {
	t, err := time.ParseInLocation("20060102150405", text, zone)
	return t, err == nil
}
