package cards_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/modules/cards"
)

// row is a line of a clearing file before it has a number.
type row struct {
	kind, retrieval          string
	merchant, terminal       string
	token                    string
	amount, voucher, account money.Amount
	at                       time.Time
}

func (b *buyer) row(kind, key string, voucher, account money.Amount) row {
	return row{
		kind: kind, retrieval: b.message(key, 0).Retrieval, merchant: b.w.number(0), terminal: terminal(0), token: b.token,
		amount: voucher + account, voucher: voucher, account: account, at: b.w.kit.Clock.Now(),
	}
}

// file writes a clearing file in one of its two forms.
func (w *town) file(format string, number int, rows ...row) []byte {
	day := strings.ReplaceAll(calendar.DayOf(w.kit.Clock.Now()).String(), "-", "")
	var sum money.Amount
	var lines []string
	for i, r := range rows {
		if sum += r.amount; r.kind == "R" {
			sum -= 2 * r.amount
		}
		sent, swiped := r.at.UTC().Format("20060102150405"), r.at.In(calendar.Seoul).Format("20060102150405")
		if format == "csv" {
			lines = append(lines, fmt.Sprintf("D,%d,%s,%s,,000123,%s,%s,%s,%s,%s,%d,%d,%d",
				i+1, r.kind, r.retrieval, sent, swiped, r.merchant, r.terminal, r.token, r.amount, r.voucher, r.account))
			continue
		}
		lines = append(lines, fmt.Sprintf("D%08d%s%-12s%-6s%06d%s%s%-15s%-8s%-36s%012d%012d%012d   ",
			i+1, r.kind, r.retrieval, "", 123, sent, swiped, r.merchant, r.terminal, r.token, r.amount, r.voucher, r.account))
	}
	head, tail := fmt.Sprintf("H,%s,%s,%d", issuer, day, number), fmt.Sprintf("T,%d,%d", len(rows), sum)
	if format != "csv" {
		head = fmt.Sprintf("%-160s", fmt.Sprintf("H%s%s%04d", issuer, day, number))
		tail = fmt.Sprintf("%-160s", fmt.Sprintf("T%08d%015d", len(rows), sum))
	}
	return []byte(head + "\n" + strings.Join(append(lines, tail), "\n") + "\n")
}

// Every way in which a file can agree or not is told apart, in both forms, and
// the staff settle what is open.
func TestClearing(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"csv", "fixed"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			b := w.buyer(100_000)
			b.token = b.token[:36]
			link, err := w.cards.KeepLink(w.ctx, b.citizen, issuer, b.token)
			w.must(err)
			b.card = link
			_, err = w.cards.SetOption(w.ctx, b.citizen, link.ID, cards.Option{TenantID: w.kit.Tenant, Mode: cards.VoucherOnly, Main: true})
			w.must(err)
			run := b.citizen.String()[30:]
			pay := func(key string) {
				t.Helper()
				_, err := b.pay(run+key, 1_000)
				w.must(err)
			}
			for _, key := range []string{"ok", "dup", "alt", "miss", "rev", "norev"} {
				pay(key)
			}
			_, err = b.reverse(run+"r", run+"rev", 0)
			w.must(err)
			w.relay()
			altered, unknown := b.row("P", run+"alt", 900, 0), b.row("P", run+"none", 700, 0)
			file := w.file(format, 1,
				b.row("P", run+"ok", 1_000, 0), b.row("P", run+"dup", 1_000, 0), b.row("P", run+"dup", 1_000, 0), altered, unknown,
				b.row("P", run+"rev", 1_000, 0), b.row("R", run+"rev", 1_000, 0),
				b.row("P", run+"norev", 1_000, 0), b.row("R", run+"norev", 1_000, 0),
				b.row("S", run+"stand", 2_000, 0), b.row("B", run+"bank", 0, 5_000))
			c, err := w.cards.Clear(w.ctx, file)
			w.must(err)
			want := map[cards.RowState]int{
				cards.RowMatched: 6, cards.RowDuplicate: 1, cards.RowAltered: 1, cards.RowUnknown: 2, cards.RowNotReversed: 1, cards.RowMissing: 1,
			}
			if fmt.Sprint(c.By) != fmt.Sprint(want) {
				t.Fatalf("%v, want %v", c.By, want)
			}
			if c, err := w.cards.Clear(w.ctx, file); err != nil || !c.Again {
				t.Errorf("again: %+v, %v", c, err)
			}
			if _, err := w.cards.Clear(w.ctx, w.file(format, 1, b.row("P", run+"ok", 1_000, 0))); !errors.Is(err, cards.ErrClearingOther) {
				t.Errorf("another file of the same number: %v", err)
			}
			found, err := w.cards.FallThroughs(w.ctx, b.citizen)
			w.must(err)
			if len(found) != 1 || found[0].Amount != 5_000 {
				t.Errorf("fall-throughs %+v", found)
			}
			w.settle(t)
			if left := b.balance(); left != 100_000-3_000-2_000 { // ok, dup and alt; the stand-in
				t.Errorf("%d left", left)
			}
			w.relay()
			w.sound()
		})
	}
}

// A row that differs in any one field is put before the staff with what we have
// instead, and moves nothing.
func TestEveryAlterationIsSeen(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(100_000)
	b.shortens()
	w.must(w.cards.Map(w.ctx, issuer, w.number(0), "T9", w.shops[0].ID)) // other terminals of the same shop
	w.must(w.cards.Map(w.ctx, issuer, w.number(0)+"B", terminal(0), w.shops[0].ID))
	alterations := map[string]func(*row){
		"voucher=1000":                   func(r *row) { r.voucher, r.amount = 1_100, 1_100 },
		"account=0":                      func(r *row) { r.account, r.amount = 500, 1_500 },
		"merchant_number=" + w.number(0): func(r *row) { r.merchant += "B" },
		"terminal=T0":                    func(r *row) { r.terminal = "T9" },
	}
	var rows []row
	want := map[string]string{}
	for differs, alter := range alterations {
		key := fmt.Sprintf("%s%d", b.citizen.String()[30:], len(rows))
		_, err := b.pay(key, 1_000)
		w.must(err)
		r := b.row("P", key, 1_000, 0)
		alter(&r)
		rows = append(rows, r)
		want[r.retrieval] = differs
	}
	w.relay()
	_, err := w.cards.Clear(w.ctx, w.file("csv", 1, rows...))
	w.must(err)
	found, _, err := w.cards.Rows(w.ctx, cards.RowFilter{})
	w.must(err)
	for _, r := range found {
		if r.State != cards.RowAltered || r.Differs != want[r.Retrieval] {
			t.Errorf("%s, %q, want %q", r.State, r.Differs, want[r.Retrieval])
		}
	}
	if len(found) != len(rows) || b.balance() != 96_000 {
		t.Errorf("%d rows, %d left", len(found), b.balance())
	}
	w.sound()
}

// settle closes every open row as its state asks.
func (w *town) settle(t *testing.T) {
	t.Helper()
	rows, _, err := w.cards.Rows(w.ctx, cards.RowFilter{States: cards.OpenRows})
	w.must(err)
	for _, r := range rows {
		in := cards.SettleInput{Row: r.ID, How: "accepted", Reason: "카드사와 확인함"}
		switch {
		case r.State == cards.RowUnknown && r.Kind == "S":
			in.How = "booked"
		case r.State == cards.RowMissing || r.State == cards.RowNotReversed:
			in.How = "cancelled"
		}
		if _, err := w.cards.Settle(w.ctx, cards.SettleInput{Row: r.ID, How: in.How}); err == nil {
			t.Error("settled without a reason")
		}
		if _, err := w.cards.Settle(w.ctx, in); err != nil {
			t.Errorf("%s %s: %v", r.State, r.Kind, err)
		}
		if _, err := w.cards.Settle(w.ctx, in); !errors.Is(err, cards.ErrRowSettled) {
			t.Errorf("settled twice: %v", err)
		}
	}
}

// A file that is cut, counted or summed wrongly is refused whole.
func TestBadClearingFiles(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(10_000)
	b.token = b.token[:36]
	for _, format := range []string{"csv", "fixed"} {
		good := w.file(format, 1, b.row("P", "a", 1_000, 0), b.row("B", "b", 0, 1_000))
		if n, err := cards.ReadClearing(good); err != nil || n != 2 {
			t.Fatalf("%s: %d rows, %v", format, n, err)
		}
		text := string(good)
		lines := strings.SplitAfter(text, "\n")
		for name, bad := range map[string]string{
			"empty": "", "head alone": lines[0], "cut": text[:len(text)-len(lines[3])], "half a line": text[:len(text)/2],
			"a row less": lines[0] + lines[1] + lines[3], "a row twice": lines[0] + lines[1] + lines[1] + lines[2] + lines[3],
			"another sum": text[:strings.LastIndex(text, "2000")] + "2001" + text[strings.LastIndex(text, "2000")+4:], "another kind": strings.Replace(text, "P", "Q", 1),
			"not ASCII": strings.Replace(text, "P", "\x01", 1), "another head": strings.Replace(text, "31", "99", 1),
		} {
			if _, err := cards.ReadClearing([]byte(bad)); !errors.Is(err, cards.ErrClearingInvalid) {
				t.Errorf("%s, %s: %v", format, name, err)
			}
		}
	}
}
