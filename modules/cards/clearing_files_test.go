package cards

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
)

// write makes the file of a day as the page says; it shares nothing with the
// reader.
func (f clearingFile) write(format string) []byte {
	const layout = "20060102150405"
	var sum money.Amount
	var lines []string
	for i, r := range f.rows {
		if sum += r.Amount; r.Kind == "R" {
			sum -= 2 * r.Amount
		}
		pattern := "D,%d,%s,%s,%s,%s,%s,%s,%s,%s,%s,%d,%d,%d"
		if format == "fixed" {
			pattern = "D%08d%s%-12s%-6s%-6s%s%s%-15s%-8s%-36s%012d%012d%012d   "
		}
		lines = append(lines, fmt.Sprintf(pattern, i+1, r.Kind, r.Retrieval, r.Approval, r.Trace, r.TransmittedAt.UTC().Format(layout),
			r.SwipedAt.In(calendar.Seoul).Format(layout), r.MerchantNumber, r.Terminal, r.Token, r.Amount, r.Voucher, r.Account))
	}
	day := strings.ReplaceAll(f.day.String(), "-", "")
	head, tail := fmt.Sprintf("H,%s,%s,%d", f.issuer, day, f.number), fmt.Sprintf("T,%d,%d", len(f.rows), sum)
	if format == "fixed" {
		head, tail = fmt.Sprintf("H%s%s%04d%145s", f.issuer, day, f.number, ""), fmt.Sprintf("T%08d%015d%136s", len(f.rows), sum, "")
	}
	return []byte(strings.Join(slices.Concat([]string{head}, lines, []string{tail}), "\n") + "\n")
}

// exampleFile has a row of each kind.
func exampleFile() clearingFile {
	f := clearingFile{issuer: "31", day: calendar.Date(2026, time.November, 22), number: 1}
	at := time.Date(2026, time.November, 22, 3, 40, 9, 0, time.UTC)
	for i, kind := range []string{"P", "S", "B", "R"} {
		r := ClearingRow{
			Issuer: "31", Day: f.day, Number: 1, Line: i + 1, Kind: kind, Retrieval: fmt.Sprintf("63261234567%d", i), Approval: "A1B2C3", Trace: "000123",
			TransmittedAt: at, SwipedAt: at.In(calendar.Seoul), MerchantNumber: "7700112233", Terminal: "T0000001", Token: "tk31-5f0c2a9e7d41",
			Amount: 12_000, Voucher: 9_000, Account: 3_000,
		}
		if kind == "B" {
			r.Approval, r.Voucher, r.Account = "", 0, r.Amount
		}
		f.rows = append(f.rows, r)
	}
	return f
}

// The page's files are read, and both are the same.
func TestClearingFilesOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/card-host.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?m)^```\n(H[^`]+\n)```$").FindAllSubmatch(page, -1)
	if len(shown) != 2 {
		t.Fatalf("the page shows %d files", len(shown))
	}
	var rows [2][]ClearingRow
	for i, file := range shown {
		f, err := readClearing(file[1])
		if err != nil || f.format != []string{"csv", "fixed"}[i] || len(f.rows) != 1 {
			t.Fatalf("file %d is read as %+v, %v", i, f, err)
		}
		rows[i] = f.rows
	}
	if !slices.Equal(rows[0], rows[1]) {
		t.Errorf("%+v\n%+v", rows[0], rows[1])
	}
}

// What is wrong with a file is told by its line and field.
func TestWhatIsWrongWithAClearingFile(t *testing.T) {
	t.Parallel()
	good := map[string]string{"csv": string(exampleFile().write("csv")), "fixed": string(exampleFile().write("fixed"))}
	for format, file := range good {
		if f, err := readClearing([]byte(file)); err != nil || len(f.rows) != 4 {
			t.Fatalf("%s: %d rows, %v", format, len(f.rows), err)
		}
		if _, err := readClearing([]byte(strings.ReplaceAll(file, "\n", "\r\n"))); err != nil {
			t.Errorf("%s with CRLF: %v", format, err)
		}
	}
	for _, c := range []struct {
		format, old, new string
		line             int
		field            string
	}{
		{"csv", "H,31", "X,31", 1, "record"}, {"csv", "H,31", "H,99", 1, "issuer"}, {"csv", "H,31,20261122", "H,31,20261132", 1, "day"},
		{"csv", "H,31,20261122", "H,31,99991122", 1, "day"}, {"csv", "H,31,20261122,1", "H,31,20261122,0", 1, "number"},
		{"csv", "H,31,20261122,1", "H,31,20261122,+1", 1, "number"},
		{"csv", "D,3,B", "D,4,B", 4, "number"}, {"csv", "D,3,B", "D,3,Q", 4, "kind"}, {"csv", "632612345671", "6326123456711", 3, "retrieval"},
		{"csv", "632612345671", "6326 2345671", 3, "retrieval"}, {"csv", "A1B2C3", "A1B2C3D", 2, "approval"}, {"csv", "000123", "0001234", 2, "trace"},
		{"csv", "20261122034009", "20261122254009", 2, "transmitted"}, {"csv", "20261122034009", "00001122034009", 2, "transmitted"},
		{"csv", "20261122124009", "20281122124009", 2, "swiped"}, {"csv", "7700112233", "", 2, "merchant"}, {"csv", "T0000001", "T00000011", 2, "terminal"},
		{"csv", "tk31-5f0c2a9e7d41", "4111111111111111", 2, "token"}, {"csv", ",12000,9000,3000", ",-12000,9000,3000", 2, "amount"},
		{"csv", ",12000,9000,3000", ",12000,+9000,3000", 2, "voucher"}, {"csv", ",12000,9000,3000", ",12000,9000,3001", 2, "account"},
		{"csv", ",12000,9000,3000", ",12000,9000,2999", 2, "account"}, {"csv", ",12000,9000,3000", ",12000,9000,3000,", 2, "record"},
		{"csv", "T,4,24000", "T,5,24000", 6, "count"}, {"csv", "T,4,24000", "T,4,24001", 6, "sum"}, {"csv", "T,4,24000", "T,4,--24000", 6, "sum"},
		{"csv", "T,4,24000\n", "", 5, "record"}, {"csv", "T,4,24000\n", "T,4,24000\n\n", 6, "record"}, {"csv", "D,2,S", "\nD,2,S", 3, "record"},
		{"fixed", "A1B2C3", "A1B2C\xff", 2, "record"}, {"fixed", "000000012000", " 00000012000", 2, "amount"}, {"fixed", "000000003000   ", "000000003000  x", 2, "record"},
		{"fixed", "T00000004", "T0000004 ", 6, "count"}, {"fixed", "H31", "H 1", 1, "issuer"},
	} {
		if !strings.Contains(good[c.format], c.old) {
			t.Fatalf("the file has no %q", c.old)
		}
		_, err := readClearing([]byte(strings.Replace(good[c.format], c.old, c.new, 1)))
		f, refused := fault.Of(err)
		if !refused || !errors.Is(err, ErrClearingInvalid) || f.Params["line"] != c.line || f.Params["field"] != c.field {
			t.Errorf("%s, %q for %q: %v, want line %d and field %s", c.format, c.new, c.old, err, c.line, c.field)
		}
	}
}

// Whatever comes as a file is refused with its line and field, or read as it
// says: counted, summed, and the same when it is written again in either form.
func FuzzClearingFile(f *testing.F) {
	empty := exampleFile()
	empty.rows = nil
	for _, format := range []string{"csv", "fixed"} {
		f.Add(empty.write(format))
		f.Add(exampleFile().write(format))
		f.Add(bytes.ReplaceAll(exampleFile().write(format), []byte("\n"), []byte("\r\n")))
		f.Add(exampleFile().write(format)[:300])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		read, err := readClearing(file)
		if err != nil {
			wrong, _ := fault.Of(err)
			line, numbered := wrong.Params["line"].(int)
			field, named := wrong.Params["field"].(string)
			if !errors.Is(err, ErrClearingInvalid) || !numbered || line < 1 || line > bytes.Count(file, []byte("\n"))+1 || !named || field == "" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if count, sum := trailer(t, file); count != len(read.rows) || sum != summed(t, read.rows) {
			t.Fatalf("%d rows of %d won, and the file says %d and %d", len(read.rows), summed(t, read.rows), count, sum)
		}
		for _, format := range []string{"csv", "fixed"} {
			if format == "fixed" && slices.ContainsFunc(read.rows, func(r ClearingRow) bool { return len(r.Token) > 36 }) {
				continue
			}
			again, err := readClearing(read.write(format))
			if err != nil || again.issuer != read.issuer || again.day != read.day || again.number != read.number || !slices.Equal(again.rows, read.rows) {
				t.Fatalf("written again as %s it is %+v (%v), and was %+v", format, again, err, read)
			}
		}
	})
}

// trailer reads what the last line of a file says, by itself.
func trailer(t *testing.T, file []byte) (count int, sum int64) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(string(file), "\r\n"), "\n")
	last := lines[len(lines)-1]
	fields := strings.Split(last, ",")
	if !strings.HasPrefix(last, "T,") {
		fields = []string{"T", last[1:9], last[9:24]}
	}
	count, err := strconv.Atoi(fields[1])
	if err == nil {
		sum, err = strconv.ParseInt(fields[2], 10, 64)
	}
	if err != nil {
		t.Fatalf("a file with the last line %q was read: %v", last, err)
	}
	return count, sum
}

// summed adds rows up, and looks at each.
func summed(t *testing.T, rows []ClearingRow) (sum int64) {
	t.Helper()
	for i, r := range rows {
		if r.Line != i+1 || r.Amount <= 0 || r.Amount != r.Voucher+r.Account || r.Voucher < 0 || r.Account < 0 || cardNumber(r.Token) {
			t.Fatalf("row %d: %+v", i+1, r)
		}
		sum += int64(r.Amount)
		if r.Kind == "R" {
			sum -= 2 * int64(r.Amount)
		}
	}
	return sum
}
