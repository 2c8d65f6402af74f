package issuer

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mistake is an error that a clearing file can be given.
type Mistake string

// The mistakes.
const (
	DuplicateRow Mistake = "duplicate" // the first row comes twice
	MissingRow   Mistake = "missing"   // the first row is left out
	AlteredRow   Mistake = "altered"   // the first row has 100 won more
	ReversedRow  Mistake = "reversed"  // the first purchase is taken back, which nobody was told
	UnknownRow   Mistake = "unknown"   // a purchase that nobody made
	WrongSum     Mistake = "sum"       // the trailer does not add up
	CutShort     Mistake = "cut"       // the file ends in the middle of a row
)

// Mistakes lists them.
var Mistakes = []Mistake{DuplicateRow, MissingRow, AlteredRow, ReversedRow, UnknownRow, WrongSum, CutShort}

const takenBack Kind = "R"

type row struct {
	kind                            Kind
	p                               Purchase
	swiped                          time.Time
	amount, voucher, account, signs int64
}

// Clearing makes the file of a Korean day (yyyymmdd): CSV, or lines of fixed
// width.
func (i *Issuer) Clearing(day string, number int, fixedWidth bool, mistakes ...Mistake) string {
	rows := i.spoiled(i.rows(day), mistakes)
	var lines []string
	var sum int64
	for n, r := range rows {
		sum += r.amount * r.signs
		lines = append(lines, r.line(n+1, fixedWidth))
	}
	if slices.Contains(mistakes, WrongSum) {
		sum++
	}
	head, tail := fmt.Sprintf("H,%s,%s,%d", i.Code, day, number), fmt.Sprintf("T,%d,%d", len(rows), sum)
	if fixedWidth {
		head, tail = fmt.Sprintf("%-160s", fmt.Sprintf("H%2s%s%04d", i.Code, day, number)), fmt.Sprintf("%-160s", fmt.Sprintf("T%08d%015d", len(rows), sum))
	}
	file := strings.Join(append(append([]string{head}, lines...), tail), "\n") + "\n"
	if slices.Contains(mistakes, CutShort) && len(lines) > 0 {
		file = file[:len(head)+1+len(lines[0])/2]
	}
	return file
}

// rows are the day's purchases and what was taken back on it.
func (i *Issuer) rows(day string) (rows []row) {
	on := func(t time.Time) bool { return t.In(seoul).Format("20060102") == day }
	const all = 1 << 20
	mine := i.all.records.latest(all, func(p Purchase) bool {
		return p.Issuer == i.Code && p.State != Declined && (on(p.Swiped) || on(p.BackAt))
	})
	slices.Reverse(mine)
	for _, p := range mine {
		if on(p.Swiped) {
			rows = append(rows, row{p.Kind, p, p.Swiped, p.Voucher + p.Account, p.Voucher, p.Account, 1})
		}
		if back := p.VoucherBack + p.AccountBack; back > 0 && on(p.BackAt) {
			rows = append(rows, row{takenBack, p, p.BackAt, back, p.VoucherBack, p.AccountBack, -1})
		}
	}
	return rows
}

func (i *Issuer) spoiled(rows []row, mistakes []Mistake) []row {
	at := slices.IndexFunc(rows, func(r row) bool { return r.kind != takenBack })
	for _, m := range mistakes {
		if at < 0 && m != UnknownRow {
			continue
		}
		switch m {
		case DuplicateRow:
			rows = append(rows, rows[at])
		case AlteredRow:
			rows[at].amount += 100
			if rows[at].account > 0 {
				rows[at].account += 100
			} else {
				rows[at].voucher += 100
			}
		case ReversedRow:
			r := rows[at]
			r.kind, r.signs = takenBack, -1
			rows = append(rows, r)
		case UnknownRow:
			s := i.stamp()
			rows = append(rows, row{Online, Purchase{
				Retrieval: s.retrieval(), Number: "ZZZZZZ", Trace: s.trace(), Transmitted: s.at, Token: "nobody-has-this-card", Merchant: "0", Terminal: "0",
			}, s.at, 7700, 7700, 0, 1})
		case MissingRow:
			rows = slices.Delete(rows, at, at+1)
			at = slices.IndexFunc(rows, func(r row) bool { return r.kind != takenBack })
		case WrongSum, CutShort: // of the file, not of a row
		}
	}
	return rows
}

func (r row) line(number int, fixedWidth bool) string {
	const layout = "20060102150405"
	sent, swiped := r.p.Transmitted.UTC().Format(layout), r.swiped.In(seoul).Format(layout)
	if !fixedWidth {
		return fmt.Sprintf("D,%d,%s,%s,%s,%s,%s,%s,%s,%s,%s,%d,%d,%d", number, r.kind, r.p.Retrieval, r.p.Number, r.p.Trace, sent, swiped,
			r.p.Merchant, r.p.Terminal, r.p.Token, r.amount, r.voucher, r.account)
	}
	return fmt.Sprintf("D%08d%s%-12s%-6s%-6s%s%s%-15s%-8s%-36s%012d%012d%012d   ", number, r.kind, r.p.Retrieval, r.p.Number, r.p.Trace, sent, swiped,
		r.p.Merchant, r.p.Terminal, r.p.Token, r.amount, r.voucher, r.account)
}

// Spoil gives the next clearing file mistakes.
func (i *Issuer) Spoil(mistakes ...Mistake) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mistakes = append(i.mistakes, mistakes...)
}

func (i *Issuer) spoiling() []Mistake {
	i.mu.Lock()
	defer i.mu.Unlock()
	ordered := i.mistakes
	i.mistakes = nil
	return ordered
}
