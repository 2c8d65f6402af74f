package ledger_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/testkit"
	"jangteo/modules/ledger"
)

var today = calendar.DayOf(testkit.Noon)

// payOn books n payments of 1 won on a day that is still open.
func (b *bundle) payOn(t testing.TB, ctx context.Context, day calendar.Day, n int) (ids []uuid.UUID) {
	t.Helper()
	entries := make([]ledger.Entry, n)
	for i := range entries {
		entries[i] = entry(ledger.Payment, b.wallet, b.shop, 1)
		entries[i].At = day.Start().Add(time.Duration(i) * time.Millisecond)
		ids = append(ids, entries[i].ID)
	}
	must(t, b.PostMany(ctx, entries))
	return ids
}

func (b *bundle) seal(t testing.TB, ctx context.Context, want int) {
	t.Helper()
	sealed, err := b.SealDays(ctx)
	must(t, err)
	equal(t, sealed, want)
}

func TestSealDays(t *testing.T) {
	t.Parallel()

	t.Run("seals nothing while no day is closed", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		b.seal(t, ctx, 0)
	})

	t.Run("seals nothing before the first entry", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 0)
		must(t, b.CloseDay(ctx, today))
		b.seal(t, ctx, 0)
		b.kit.Clock.Advance(48 * time.Hour)
		b.sound(t, ctx)
	})

	t.Run("chains every day, those without entries too", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		b.payOn(t, ctx, today.AddDays(-4), 3)
		must(t, b.CloseDay(ctx, today.AddDays(-1)))
		b.seal(t, ctx, 4)
		b.seal(t, ctx, 0)
		must(t, b.CloseDay(ctx, today))
		b.seal(t, ctx, 1)
		days, err := b.SealedDays(ctx, calendar.Day{}, 10)
		must(t, err)
		equal(t, len(days), 5)
		var before ledger.Hash
		for i := range days {
			d := days[len(days)-1-i]
			equal(t, d.Day, today.AddDays(i-4))
			equal(t, d.Entries, []int64{3, 0, 0, 0, 1}[i])
			equal(t, d.Previous, before)
			equal(t, d.Chain, d.Link())
			if d.Entries == 0 && d.Root != sha256.Sum256(nil) {
				t.Errorf("the root of an empty day is %s", d.Root)
			}
			before = d.Chain
		}
		earlier, err := b.SealedDays(ctx, days[1].Day, 1)
		must(t, err)
		equal(t, earlier[0].Day, days[2].Day)
		b.sound(t, ctx)
	})

	t.Run("two servers seal a day once", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		b.payOn(t, ctx, today.AddDays(-3), 2)
		must(t, b.CloseDay(ctx, today))
		var together sync.WaitGroup
		for range 4 {
			together.Go(func() {
				if _, err := b.SealDays(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		days, err := b.SealedDays(ctx, calendar.Day{}, 10)
		must(t, err)
		equal(t, len(days), 4)
		b.sound(t, ctx)
	})

	t.Run("nothing is booked on a closed day", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		must(t, b.CloseDay(ctx, today))
		late := entry(ledger.Payment, b.wallet, b.shop, 1)
		late.At = testkit.Noon
		is(t, b.PostMany(ctx, []ledger.Entry{late}), ledger.ErrDayClosed)
		b.holds(t, ctx, 1000, 0)
	})

	t.Run("a day of several parts is proved entry by entry", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 10_000)
		ids := b.payOn(t, ctx, today, 2100) // three parts, the last one small; the filling is the first entry
		must(t, b.CloseDay(ctx, today))
		b.seal(t, ctx, 1)
		for _, i := range []int{0, 1, 1021, 1022, 1023, 1024, 2045, 2046, 2047, 2098, 2099} {
			p, err := b.Prove(ctx, ids[i])
			must(t, err)
			if p.Day == nil || !ledger.Leads(p.Leaf, uint64(p.Index), uint64(p.Day.Entries), p.Path, p.Day.Root) || p.Entry.Leaf() != p.Leaf {
				t.Fatalf("payment %d is not proved: %+v", i, p)
			}
		}
		b.sound(t, ctx)
	})
}

func TestProve(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 1000)
	out, err := b.Post(ctx, b.order(t, "k", 300))
	must(t, err)
	open, err := b.Prove(ctx, out.ID)
	must(t, err)
	if open.Day != nil || open.Path != nil {
		t.Errorf("a day that is open proves something: %+v", open)
	}
	must(t, b.CloseDay(ctx, today))
	waiting, err := b.Prove(ctx, out.ID)
	must(t, err)
	equal(t, waiting.Day == nil, true)
	b.seal(t, ctx, 1)
	sealed, err := b.Prove(ctx, out.ID)
	must(t, err)
	equal(t, sealed.Leaf, open.Leaf)
	equal(t, sealed.Day.Day, today)
	_, err = b.Prove(ctx, id())
	is(t, err, ledger.ErrEntryUnknown)
	neighbour, other := setup(t, 0)
	_, err = other.Prove(neighbour, out.ID)
	is(t, err, ledger.ErrEntryUnknown)
}

// What a leaf is made of is written down, and receipts of years ago depend on it.
func TestLeafIsAsDocumented(t *testing.T) {
	t.Parallel()
	e := ledger.SealedEntry{
		Tenant: 11560, ID: uuid.MustParse("019a9508-3a80-7c4e-9d5f-2b1c0a9e8d7f"), Kind: ledger.Payment, At: testkit.Noon.Add(1500 * time.Nanosecond),
		Day: today, Amount: 12500, Transfers: []ledger.Transfer{{
			Debit: uuid.MustParse("019a9507-0000-7000-8000-000000000001"), Credit: uuid.MustParse("019a9507-0000-7000-8000-000000000002"), Amount: 12500,
		}},
	}
	text := "\x00jangteo ledger entry 1\nmunicipality 11560\nentry 019a9508-3a80-7c4e-9d5f-2b1c0a9e8d7f\nkind payment\nat 2026-11-18T03:00:00.000001Z\n" +
		"day 2026-11-18\namount 12500\nanswers -\ntransfer 0 019a9507-0000-7000-8000-000000000001 019a9507-0000-7000-8000-000000000002 12500\n"
	equal(t, e.Leaf(), ledger.Hash(sha256.Sum256([]byte(text))))
	e.Answers = e.ID
	text = strings.Replace(text, "answers -", "answers "+e.ID.String(), 1)
	equal(t, e.Leaf(), ledger.Hash(sha256.Sum256([]byte(text))))
	d := ledger.SealedDay{Tenant: 11560, Day: today, Entries: 2, Root: e.Leaf()}
	chain := fmt.Sprintf("jangteo ledger day 1\nmunicipality 11560\nday 2026-11-18\nentries 2\nroot %s\nprevious %s\n", e.Leaf(), strings.Repeat("0", 64))
	equal(t, d.Link(), ledger.Hash(sha256.Sum256([]byte(chain))))
}

// Any change of an entry changes its leaf.
func TestLeafProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) ledger.SealedEntry {
			e := ledger.SealedEntry{
				Tenant: 11560, ID: uuid.UUID{15: rapid.Byte().Draw(t, name)}, Kind: rapid.SampledFrom([]ledger.EntryKind{ledger.Payment, ledger.Cancellation}).Draw(t, name),
				At: testkit.Noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, name)) * time.Microsecond), Day: today.AddDays(rapid.IntRange(0, 1).Draw(t, name)),
				Amount: money.Amount(rapid.IntRange(1, 3).Draw(t, name)), Answers: uuid.UUID{15: rapid.ByteRange(0, 1).Draw(t, name)},
			}
			for range rapid.IntRange(0, 2).Draw(t, name) {
				e.Transfers = append(e.Transfers, ledger.Transfer{
					Debit: uuid.UUID{15: rapid.ByteRange(0, 1).Draw(t, name)}, Credit: uuid.UUID{15: rapid.ByteRange(0, 1).Draw(t, name)}, Amount: money.Amount(rapid.IntRange(1, 2).Draw(t, name)),
				})
			}
			return e
		}
		a, b := draw("a"), draw("b")
		if same := fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b); same != (a.Leaf() == b.Leaf()) {
			t.Fatalf("same: %v, but the leaves say otherwise: %+v %+v", same, a, b)
		}
	})
}

// Whatever is changed of a sealed history is found and named.
func TestVerifyFindsRewrittenHistory(t *testing.T) {
	t.Parallel()
	const (
		one  = `(SELECT id FROM ledger.entries WHERE tenant_id = $1 AND kind = 'payment' ORDER BY id LIMIT 1)`
		day  = `day = '2026-11-17'`
		last = `day = '2026-11-18'`
	)
	for _, c := range []struct{ name, check, object, sql string }{
		{"an entry's time", "sealed-entry-is-unchanged", "entry", `UPDATE ledger.entries SET at = at + interval '1 microsecond' WHERE tenant_id = $1 AND id = ` + one},
		{"an entry's amount and its transfer's", "sealed-entry-is-unchanged", "entry", `WITH t AS (UPDATE ledger.transfers SET amount = amount + 1 WHERE tenant_id = $1 AND entry_id = ` + one + `)
			UPDATE ledger.entries SET amount = amount + 1 WHERE tenant_id = $1 AND id = ` + one},
		{"to whom it went", "sealed-entry-is-unchanged", "entry", `UPDATE ledger.transfers SET credit_id = '019a9507-0000-7000-8000-000000000001' WHERE tenant_id = $1 AND entry_id = ` + one},
		{"a transfer less", "sealed-entry-is-unchanged", "entry", `DELETE FROM ledger.transfers WHERE tenant_id = $1 AND entry_id = ` + one},
		{"an entry less", "sealed-entry-is-there", "entry", `DELETE FROM ledger.entries WHERE tenant_id = $1 AND id = ` + one},
		{"an entry more", "entry-was-sealed-with-its-day", "entry 019a9507-0000-7000-8000-000000000001", `INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
			VALUES ($1, '019a9507-0000-7000-8000-000000000001', 'correction', '2026-11-17 03:00Z', '2026-11-17', 5)`},
		{"an entry more, after all others", "entry-was-sealed-with-its-day", "entry ffffffff-0000-7000-8000-000000000001", `INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
			VALUES ($1, 'ffffffff-0000-7000-8000-000000000001', 'correction', '2026-11-17 03:00Z', '2026-11-17', 5)`},
		{"an entry before the first day", "entry-was-sealed-with-its-day", "entry 019a9507-0000-7000-8000-000000000001", `INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
			VALUES ($1, '019a9507-0000-7000-8000-000000000001', 'correction', '2026-11-01 03:00Z', '2026-11-01', 5)`},
		{"an entry moved to another day", "sealed-entry-is-there", "entry", `WITH t AS (UPDATE ledger.transfers SET day = day + 1 WHERE tenant_id = $1 AND entry_id = ` + one + `)
			UPDATE ledger.entries SET day = day + 1 WHERE tenant_id = $1 AND id = ` + one},
		{"a root", "day-root-is-its-entries", "day 2026-11-17", `UPDATE ledger.days SET root = sha256('x') WHERE tenant_id = $1 AND ` + day},
		{"a root without its chain", "day-chain-covers-its-root", "day 2026-11-17", `UPDATE ledger.days SET root = sha256('x') WHERE tenant_id = $1 AND ` + day},
		{"a count", "day-root-is-its-entries", "day 2026-11-17", `UPDATE ledger.days SET entries = entries + 1 WHERE tenant_id = $1 AND ` + day},
		{"a chain", "day-chain-covers-its-root", "day 2026-11-17", `UPDATE ledger.days SET chain = sha256('x') WHERE tenant_id = $1 AND ` + day},
		{"a chain that the next day does not know", "day-follows-the-day-before", "day 2026-11-18", `UPDATE ledger.days SET chain = sha256('x') WHERE tenant_id = $1 AND ` + day},
		{"a root less", "day-has-its-root", "day 2026-11-17", `DELETE FROM ledger.days WHERE tenant_id = $1 AND ` + day},
		{"the last root less", "day-has-its-root", "day 2026-11-18", `DELETE FROM ledger.days WHERE tenant_id = $1 AND ` + last},
		{"all roots less", "day-has-its-root", "day 2026-11-17", `WITH p AS (DELETE FROM ledger.day_parts WHERE tenant_id = $1) DELETE FROM ledger.days WHERE tenant_id = $1`},
		{"a leaf", "day-leaves-are-its-root", "day 2026-11-17 part 0", `UPDATE ledger.day_parts SET leaves = set_byte(leaves, 20, 255 - get_byte(leaves, 20)) WHERE tenant_id = $1 AND ` + day},
		{"whose leaf it is", "sealed-entry-is-there", "entry", `UPDATE ledger.day_parts SET leaves = set_byte(leaves, 15, 255 - get_byte(leaves, 15)) WHERE tenant_id = $1 AND ` + day},
		{"the leaves less", "entry-was-sealed-with-its-day", "entry", `DELETE FROM ledger.day_parts WHERE tenant_id = $1 AND ` + day},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, b := setup(t, 1000)
			b.payOn(t, ctx, today.AddDays(-1), 3)
			must(t, b.CloseDay(ctx, today))
			b.seal(t, ctx, 2)
			b.kit.Clock.Advance(25 * time.Hour)
			b.sound(t, ctx)
			owner, err := db.Open(ctx, db.Options{URL: testkit.URL(t), Role: "postgres", MaxConnections: 1})
			must(t, err)
			defer func() { _ = owner.Close() }()
			changed, err := owner.Pgx().Exec(ctx, c.sql, int(b.kit.Tenant))
			must(t, err)
			if changed.RowsAffected() == 0 {
				t.Fatal("nothing was planted")
			}
			report, err := b.Verify(ctx)
			must(t, err)
			for _, d := range report.Differences {
				if d.Check == c.check && strings.HasPrefix(d.Object, c.object) {
					return
				}
			}
			t.Errorf("not found; found %v", report.Differences)
		})
	}
}

// A day that was just closed may wait for its root; a day later it is missed.
func TestVerifyMissesARootAfterADay(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 1000)
	must(t, b.CloseDay(ctx, today))
	b.kit.Clock.Advance(12 * time.Hour)
	must(t, b.CloseDay(ctx, today)) // closing again is not closing later
	b.sound(t, ctx)
	b.kit.Clock.Advance(13 * time.Hour)
	report, err := b.Verify(ctx)
	must(t, err)
	if len(report.Differences) != 1 || report.Differences[0].Check != "day-has-its-root" {
		t.Errorf("found %v", report.Differences)
	}
	b.seal(t, ctx, 1)
	b.sound(t, ctx)
}
