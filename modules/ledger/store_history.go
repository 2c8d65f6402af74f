package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// neverClosed is what books say before their first day is closed.
var neverClosed = calendar.Date(2000, 1, 1)

// closing is the last closed day and when it was closed; zero before the first.
func (s store) closing(ctx context.Context) (through calendar.Day, at time.Time, err error) {
	var closedAt sql.NullTime
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT closed_through, closed_at FROM ledger.books WHERE tenant_id = $1`,
		tenant.From(ctx)).Scan(&through, &closedAt)
	if errors.Is(err, sql.ErrNoRows) || err == nil && through == neverClosed {
		return calendar.Day{}, at, nil
	}
	return through, closedAt.Time, err
}

// firstDay is the day of the first entry; zero if there is none.
func (s store) firstDay(ctx context.Context) (day calendar.Day, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT min(day) FROM ledger.entries WHERE tenant_id = $1`, tenant.From(ctx)).Scan(&day)
	return day, err
}

// days reads sealed days before one (zero: before none), the latest first.
func (s store) days(ctx context.Context, before calendar.Day, limit int) (list []SealedDay, err error) {
	if before.IsZero() {
		before = Newest.Day
	}
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		SELECT day, entries, root, previous, chain, sealed_at FROM ledger.days
		WHERE tenant_id = $1 AND day < $2 ORDER BY day DESC LIMIT $3`, tenant.From(ctx), before, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		d := SealedDay{Tenant: tenant.From(ctx)}
		var root, previous, chain []byte
		if err := rows.Scan(&d.Day, &d.Entries, &root, &previous, &chain, &d.SealedAt); err != nil {
			return nil, err
		}
		d.Root, d.Previous, d.Chain = Hash(root), Hash(previous), Hash(chain)
		list = append(list, d)
	}
	return list, rows.Err()
}

// lockSealing lets one server at a time seal a municipality's days.
func (s store) lockSealing(ctx context.Context) error {
	_, err := s.db.SQL(ctx).ExecContext(ctx, `SET LOCAL lock_timeout = '2min'`)
	if err == nil {
		_, err = s.db.SQL(ctx).ExecContext(ctx, `SELECT pg_advisory_xact_lock(72620, $1::int)`, tenant.From(ctx))
	}
	return err
}

func (s store) insertDay(ctx context.Context, d SealedDay) error {
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO ledger.days (tenant_id, day, entries, root, previous, chain, sealed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		d.Tenant, d.Day, d.Entries, d.Root[:], d.Previous[:], d.Chain[:], d.SealedAt)
	return err
}

// leafColumns are what a leaf is made of, a row for each transfer, in the order
// of the entries' ids.
const leafColumns = `SELECT e.id, e.kind, e.at, e.day, e.amount, e.answers, e.answered, t.debit_id, t.credit_id, t.amount, t.day
	FROM ledger.entries e LEFT JOIN ledger.transfers t ON t.tenant_id = e.tenant_id AND t.entry_id = e.id
	WHERE e.tenant_id = %d`

const inOrder = ` ORDER BY e.id, t.line`

// seal reads a day's entries through a cursor and keeps their leaves, a part at
// a time, so that a day of millions takes no more memory than a quiet one.
func (s store) seal(ctx context.Context, day calendar.Day) (entries int64, root Hash, err error) {
	tx := s.db.SQL(ctx)
	for _, statement := range []string{
		`SET LOCAL statement_timeout = '10min'`,
		`SET LOCAL cursor_tuple_fraction = 1`, // all of it will be fetched
		fmt.Sprintf(`DECLARE sealing NO SCROLL CURSOR FOR `+leafColumns+` AND e.day = '%s'`+inOrder, tenant.From(ctx), day),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, root, err
		}
	}
	w := partWriter{store: s, day: day}
	r := leafReader{tenant: tenant.From(ctx), each: w.add}
	for fetched := -1; fetched != 0; {
		fetched = 0
		err := s.db.Stream(ctx, `FETCH 8192 FROM sealing`, nil, func(columns [][]byte) error {
			fetched++
			return r.row(columns)
		})
		if err == nil {
			err = w.write(ctx)
		}
		if err != nil {
			return 0, root, err
		}
	}
	if err := r.end(); err != nil {
		return 0, root, err
	}
	if err := w.end(ctx); err != nil {
		return 0, root, err
	}
	_, err = tx.ExecContext(ctx, `CLOSE sealing`)
	return w.entries, w.whole.root(), err
}

// partWriter gathers leaves and keeps the parts that are full.
type partWriter struct {
	store   store
	day     calendar.Day
	number  int
	entries int64
	leaves  []sealedLeaf
	whole   tree // of the parts' roots
}

func (w *partWriter) add(e *streamed) error {
	w.entries++
	w.leaves = append(w.leaves, sealedLeaf{e.ID, e.leaf()})
	return nil
}

func (w *partWriter) write(ctx context.Context) error {
	for len(w.leaves) >= leavesInPart {
		if err := w.keep(ctx, w.leaves[:leavesInPart]); err != nil {
			return err
		}
		w.leaves = append(w.leaves[:0], w.leaves[leavesInPart:]...)
	}
	return nil
}

func (w *partWriter) end(ctx context.Context) error {
	if err := w.write(ctx); err != nil || len(w.leaves) == 0 {
		return err
	}
	return w.keep(ctx, w.leaves)
}

func (w *partWriter) keep(ctx context.Context, leaves []sealedLeaf) error {
	var own tree
	packed := make([]byte, 0, len(leaves)*sealedLeafBytes)
	for _, leaf := range leaves {
		packed = append(append(packed, leaf.Entry[:]...), leaf.Hash[:]...)
		own.add(leaf.Hash)
	}
	root := own.root()
	w.whole.add(root)
	_, err := w.store.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO ledger.day_parts (tenant_id, day, part, last_id, root, leaves) VALUES ($1, $2, $3, $4, $5, $6)`,
		tenant.From(ctx), w.day, w.number, leaves[len(leaves)-1].Entry, root[:], packed)
	w.number++
	return err
}

// streamed is an entry as it comes by, good until the next one does. Days are
// PostgreSQL's numbers beside it: millions of them are compared.
type streamed struct {
	SealedEntry
	answered money.Amount
	day      int32
	moved    []int32 // the days that the transfers name
	text     []byte
}

func (e *streamed) leaf() Hash {
	e.text = e.appendLeaf(e.text[:0])
	return sha256.Sum256(e.text)
}

// leafReader puts rows of leafColumns together to entries.
type leafReader struct {
	tenant tenant.ID
	each   func(e *streamed) error
	entry  streamed
}

var errColumns = errors.New("ledger: a row of the books is not what it should be")

func (r *leafReader) row(columns [][]byte) error {
	if len(columns) != 11 || len(columns[0]) != 16 || len(columns[2]) != 8 || len(columns[3]) != 4 || len(columns[4]) != 8 || len(columns[6]) != 8 {
		return errColumns
	}
	e := &r.entry
	if id := uuid.UUID(columns[0]); id != e.ID {
		if err := r.end(); err != nil {
			return err
		}
		if number := db.Int32(columns[3]); number != e.day || e.Day.IsZero() { // days come in long runs
			e.day, e.Day = number, dayOf(number)
		}
		e.Tenant, e.ID, e.Kind, e.At, e.Amount = r.tenant, id, kindOf(columns[1]), timeOf(columns[2]), amountOf(columns[4])
		e.Answers, e.answered, e.Transfers, e.moved = uuid.Nil, amountOf(columns[6]), e.Transfers[:0], e.moved[:0]
		if len(columns[5]) == 16 {
			e.Answers = uuid.UUID(columns[5])
		}
	}
	if columns[7] == nil {
		return nil // no transfer
	}
	if len(columns[7]) != 16 || len(columns[8]) != 16 || len(columns[9]) != 8 || len(columns[10]) != 4 {
		return errColumns
	}
	e.Transfers = append(e.Transfers, Transfer{uuid.UUID(columns[7]), uuid.UUID(columns[8]), amountOf(columns[9])})
	e.moved = append(e.moved, db.Int32(columns[10]))
	return nil
}

// end hands over the last entry.
func (r *leafReader) end() error {
	if r.entry.ID == uuid.Nil {
		return nil
	}
	err := r.each(&r.entry)
	r.entry.ID = uuid.Nil
	return err
}

var kinds = func() map[string]EntryKind {
	known := map[string]EntryKind{}
	for _, kind := range []EntryKind{
		Funding, PurchaseReserved, PurchaseCompleted, PurchaseReleased, Payment, Cancellation, PayoutSent, PayoutSettled, PayoutReturned, Correction, ClaimRepaid,
		WalletCredited, WalletDebited, FundingReturned,
	} {
		known[string(kind)] = kind
	}
	return known
}()

// kindOf spares a string for every row.
func kindOf(text []byte) EntryKind {
	if kind, known := kinds[string(text)]; known {
		return kind
	}
	return EntryKind(text)
}

func amountOf(column []byte) money.Amount { return money.Amount(db.Int64(column)) }

// PostgreSQL counts from here.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func timeOf(column []byte) time.Time {
	return time.UnixMicro(epoch.UnixMicro() + db.Int64(column)).UTC()
}

func dayOf(number int32) calendar.Day { return calendar.Date(2000, 1, 1).AddDays(int(number)) }

func numberOf(day calendar.Day) int32 { return int32(calendar.Date(2000, 1, 1).DaysUntil(day)) }

// partOf finds the part of a day that an entry would be in, and the roots of
// all of the day's parts.
func (s store) partOf(ctx context.Context, day calendar.Day, id uuid.UUID) (found part, roots []Hash, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `SELECT part, last_id, root FROM ledger.day_parts
		WHERE tenant_id = $1 AND day = $2 ORDER BY part`, tenant.From(ctx), day)
	if err != nil {
		return found, nil, err
	}
	defer func() { _ = rows.Close() }()
	found.Number = -1
	for rows.Next() {
		var number int
		var last uuid.UUID
		var root []byte
		if err := rows.Scan(&number, &last, &root); err != nil {
			return found, nil, err
		}
		if found.Number < 0 && bytes.Compare(id[:], last[:]) <= 0 {
			found.Number = number
		}
		roots = append(roots, Hash(root))
	}
	if err := rows.Err(); err != nil || found.Number < 0 {
		return found, roots, err
	}
	found, err = s.part(ctx, day, found.Number)
	return found, roots, err
}

func (s store) part(ctx context.Context, day calendar.Day, number int) (p part, err error) {
	var root []byte
	p.Number = number
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT last_id, root, leaves FROM ledger.day_parts
		WHERE tenant_id = $1 AND day = $2 AND part = $3`, tenant.From(ctx), day, number).Scan(&p.Last, &root, &p.Leaves)
	if err == nil {
		p.Root = Hash(root)
	}
	return p, err
}

// entries streams entries in the order of their ids. Each may not ask the
// database.
func (s store) entries(ctx context.Context, where string, each func(e *streamed) error) error {
	r := leafReader{tenant: tenant.From(ctx), each: each}
	if err := s.db.Stream(ctx, fmt.Sprintf(leafColumns+where+inOrder, r.tenant), nil, r.row); err != nil {
		return err
	}
	return r.end()
}

// allEntries streams every entry by the two primary keys side by side: they are
// in order already and lie as they were written, which is a third of what it
// costs to sort or to hash them, and takes no memory.
func (s store) allEntries(ctx context.Context, each func(e *streamed) error) error {
	const plans = "enable_sort enable_bitmapscan enable_hashjoin enable_mergejoin"
	set := func(value, workers string) error {
		for name := range strings.FieldsSeq(plans) {
			if _, err := s.db.SQL(ctx).ExecContext(ctx, "SET LOCAL "+name+" = "+value); err != nil {
				return err
			}
		}
		_, err := s.db.SQL(ctx).ExecContext(ctx, "SET LOCAL max_parallel_workers_per_gather = "+workers)
		return err
	}
	if err := set("off", "0"); err != nil {
		return err
	}
	if err := s.entries(ctx, "", each); err != nil {
		return err
	}
	return set("on", "DEFAULT")
}

// keptParts reads the parts of all sealed days in order. PostgreSQL hashes the
// leaves, which are many.
func (s store) keptParts(ctx context.Context, each func(calendar.Day, keptPart)) error {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `SELECT day, root, sha256(leaves) FROM ledger.day_parts
		WHERE tenant_id = $1 ORDER BY day, part`, tenant.From(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var day calendar.Day
		var root, digest []byte
		if err := rows.Scan(&day, &root, &digest); err != nil {
			return err
		}
		each(day, keptPart{Hash(root), Hash(digest)})
	}
	return rows.Err()
}
