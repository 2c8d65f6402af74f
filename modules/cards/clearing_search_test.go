package cards_test

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the owner's connection

	"jangteo/app/calendar"
	"jangteo/app/testkit"
	"jangteo/modules/cards"
)

// manyRows fills a municipality's clearing files: 1,000 rows a day for 100 days,
// of 500 shops which all have a terminal 1.
func (w *town) manyRows() {
	w.t.Helper()
	owner, err := sql.Open("pgx", testkit.URL(w.t))
	w.must(err)
	defer func() { _ = owner.Close() }()
	_, err = owner.ExecContext(w.ctx, `INSERT INTO cards.clearing_rows (tenant_id, id, issuer, day, number, line, kind, retrieval, approval, trace,
			transmitted_at, swiped_at, merchant_number, terminal, token, amount, voucher, account, state)
		SELECT $1, gen_random_uuid(), '31', date '2026-01-01' + n / 1000, 1, n % 1000 + 1, 'P', 'R' || lpad(n::text, 11, '0'), 'A1B2C3', '000123',
			timestamptz '2026-01-01 03:00+00', timestamptz '2026-01-01 03:00+00', '77' || lpad((n % 500)::text, 8, '0'), 'T0000001', 'tk31-5f0c2a9e7d41',
			1000, 1000, 0, CASE WHEN n % 100 = 0 THEN 'unknown' ELSE 'matched' END
		FROM generate_series(0, 99999) AS n`, int(w.kit.Tenant))
	w.must(err)
	_, err = owner.ExecContext(w.ctx, `ANALYZE cards.clearing_rows`)
	w.must(err)
}

// Rows are found by the beginning of each number, together with the other
// filters, and what is odd finds nothing.
func TestSearchOfClearingRows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.buyer(100_000)
	b.token = b.token[:36]
	_, err := w.cards.Clear(w.ctx, w.file("csv", 1, b.row("P", "alpha", 1_000, 0), b.row("P", "alps", 2_000, 0), b.row("P", "beta", 3_000, 0)))
	w.must(err)
	for query, want := range map[string]int{
		"al": 2, "alpha": 1, "alphabet": 0, "beta": 1, "BETA": 0, w.number(0): 3, w.number(0)[:3]: 3, "T0": 3, "0": 0, "%": 0, "_": 0, "\\": 0, "베타": 0, "'": 0,
	} {
		rows, _, err := w.cards.Rows(w.ctx, cards.RowFilter{States: cards.OpenRows, Query: query})
		w.must(err)
		if len(rows) != want {
			t.Errorf("%q finds %d rows, want %d", query, len(rows), want)
		}
	}
	if rows, _, err := w.cards.Rows(w.ctx, cards.RowFilter{States: []cards.RowState{cards.RowMatched}, Query: "al"}); err != nil || len(rows) != 0 {
		t.Errorf("another state has %d rows, %v", len(rows), err)
	}
	if rows, more, err := w.cards.AllRows(w.ctx, cards.RowFilter{Query: "al"}, 2); err != nil || len(rows) != 2 || more {
		t.Errorf("a download of all: %d rows, %v, %v", len(rows), more, err)
	}
	if rows, more, err := w.cards.AllRows(w.ctx, cards.RowFilter{}, 2); err != nil || len(rows) != 0 || !more {
		t.Errorf("a download that would leave rows out: %d rows, %v, %v", len(rows), more, err)
	}
}

var rowsRead = regexp.MustCompile(`actual time=[0-9.]+ rows=([0-9]+)|Rows Removed by Filter: ([0-9]+)`)

// Among 100,000 rows no search reads them all: what it reads is what an index
// hands over, or the days that the page shows.
func TestSearchOfClearingRowsIsServedByItsIndexes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.manyRows()
	for name, f := range map[string]cards.RowFilter{
		"a retrieval number":       {Query: "R00000050123"},
		"a few retrieval numbers":  {Query: "R0000005012", States: cards.OpenRows},
		"a shop":                   {Query: "7700000123"},
		"a shop, open rows":        {Query: "7700000100", States: cards.OpenRows},
		"every row, by terminal":   {Query: "T0000001"},
		"every row, open ones":     {Query: "T0", States: cards.OpenRows},
		"nothing":                  {Query: "nothing"},
		"a day's, by terminal":     {Query: "T0", Day: calendar.Date(2026, 2, 1)},
		"nothing, with all states": {Query: "nothing", States: []cards.RowState{cards.RowMatched}},
	} {
		plan := w.plan(f)
		var read int
		for _, found := range rowsRead.FindAllStringSubmatch(plan, -1) {
			n, err := strconv.Atoi(found[1] + found[2])
			w.must(err)
			read = max(read, n)
		}
		if read > 10_000 || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: %d rows are read\n%s", name, read, plan)
		}
	}
}

// plan is how the database reads rows.
func (w *town) plan(f cards.RowFilter) (plan string) {
	w.t.Helper()
	w.must(w.kit.DB.Tx(w.ctx, func(ctx context.Context) error {
		lines, err := w.cards.ExplainRows(ctx, f)
		plan = strings.Join(lines, "\n")
		return err
	}))
	return plan
}
