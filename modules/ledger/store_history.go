package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// closing is the last closed day and when it was closed; zero without books.
func (s store) closing(ctx context.Context) (through calendar.Day, at time.Time, err error) {
	var closedAt sql.NullTime
	err = s.db.SQL(ctx).QueryRowContext(ctx, `SELECT closed_through, closed_at FROM ledger.books WHERE tenant_id = $1`,
		tenant.From(ctx)).Scan(&through, &closedAt)
	if errors.Is(err, sql.ErrNoRows) {
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
const leafColumns = `SELECT e.id, e.kind, e.at, e.day, e.amount, e.answers, t.debit_id, t.credit_id, t.amount, t.day
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

func (w *partWriter) add(e *SealedEntry, leaf Hash) error {
	w.entries++
	w.leaves = append(w.leaves, sealedLeaf{e.ID, leaf})
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

// leafReader puts rows of leafColumns together to entries and hands each over
// with its leaf. The entry is good until the function returns.
type leafReader struct {
	tenant tenant.ID
	each   func(e *SealedEntry, leaf Hash) error
	entry  SealedEntry
	moved  []calendar.Day // the days that the entry's transfers name
	text   []byte
	days   dayCache
}

var errColumns = errors.New("ledger: a row of the books is not what it should be")

func (r *leafReader) row(columns [][]byte) error {
	if len(columns) != 10 || len(columns[0]) != 16 || len(columns[2]) != 8 || len(columns[3]) != 4 || len(columns[4]) != 8 {
		return errColumns
	}
	if id := uuid.UUID(columns[0]); id != r.entry.ID {
		if err := r.end(); err != nil {
			return err
		}
		r.entry = SealedEntry{
			Tenant: r.tenant, ID: id, Kind: kindOf(columns[1]), At: timeOf(columns[2]), Day: r.days.of(columns[3]),
			Amount: amountOf(columns[4]), Transfers: r.entry.Transfers[:0],
		}
		r.moved = r.moved[:0]
		if len(columns[5]) == 16 {
			r.entry.Answers = uuid.UUID(columns[5])
		}
	}
	if columns[6] == nil {
		return nil // no transfer: the checks of the books say so
	}
	if len(columns[6]) != 16 || len(columns[7]) != 16 || len(columns[8]) != 8 || len(columns[9]) != 4 {
		return errColumns
	}
	r.entry.Transfers = append(r.entry.Transfers, Transfer{uuid.UUID(columns[6]), uuid.UUID(columns[7]), amountOf(columns[8])})
	r.moved = append(r.moved, r.days.of(columns[9]))
	return nil
}

// end hands over the last entry.
func (r *leafReader) end() error {
	if r.entry.ID == uuid.Nil {
		return nil
	}
	r.text = r.entry.appendLeaf(r.text[:0])
	err := r.each(&r.entry, sha256.Sum256(r.text))
	r.entry.ID = uuid.Nil
	return err
}

var kinds = func() map[string]EntryKind {
	known := map[string]EntryKind{}
	for _, kind := range []EntryKind{
		Funding, PurchaseReserved, PurchaseCompleted, PurchaseReleased, Payment, Cancellation, PayoutSent, PayoutSettled, PayoutReturned, Correction,
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

func amountOf(column []byte) money.Amount { return money.Amount(binary.BigEndian.Uint64(column)) }

// PostgreSQL counts from here.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func timeOf(column []byte) time.Time {
	return time.UnixMicro(epoch.UnixMicro() + int64(binary.BigEndian.Uint64(column))).UTC()
}

// dayCache remembers days, which come in long runs.
type dayCache struct {
	number int32
	day    calendar.Day
}

func (c *dayCache) of(column []byte) calendar.Day {
	if number := int32(binary.BigEndian.Uint32(column)); c.day.IsZero() || number != c.number {
		c.number, c.day = number, calendar.Date(2000, 1, 1).AddDays(int(number))
	}
	return c.day
}

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

// entries streams entries with their leaves and the days that their transfers
// name, in the order of their ids. Each may not ask the database.
func (s store) entries(ctx context.Context, where string, each func(e *SealedEntry, moved []calendar.Day, leaf Hash) error) error {
	r := leafReader{tenant: tenant.From(ctx)}
	r.each = func(e *SealedEntry, leaf Hash) error { return each(e, r.moved, leaf) }
	if err := s.db.Stream(ctx, fmt.Sprintf(leafColumns+where+inOrder, r.tenant), nil, r.row); err != nil {
		return err
	}
	return r.end()
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
