package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// SealedDay is a closed business day of a municipality whose entries can no
// longer be changed unseen: Root is the Merkle root (RFC 6962) over them in the
// order of their ids, and Chain covers it and the day before. A day on which
// nothing moved is sealed too, with no entries and the hash of nothing as its
// root, so that no day can be left out.
type SealedDay struct {
	Tenant   tenant.ID
	Day      calendar.Day
	Entries  int64
	Root     Hash
	Previous Hash // Chain of the day before; zero for the first
	Chain    Hash
	SealedAt time.Time
}

// IsFirst says whether no day was sealed before.
func (d SealedDay) IsFirst() bool { return d.Previous == Hash{} }

// Link is the hash that chains the day to the one before: SHA-256 of these
// lines, each ended by a line feed.
//
//	jangteo ledger day 1
//	municipality 11560
//	day 2026-11-18
//	entries 2
//	root <64 hexadecimal digits>
//	previous <64 hexadecimal digits>
func (d SealedDay) Link() Hash {
	return sha256.Sum256(fmt.Appendf(nil, "jangteo ledger day 1\nmunicipality %s\nday %s\nentries %d\nroot %s\nprevious %s\n",
		d.Tenant, d.Day, d.Entries, d.Root, d.Previous))
}

// SealedEntry is an entry as it is sealed: everything of it that never changes.
type SealedEntry struct {
	Tenant    tenant.ID
	ID        uuid.UUID
	Kind      EntryKind
	At        time.Time // whole microseconds
	Day       calendar.Day
	Amount    money.Amount
	Answers   uuid.UUID // uuid.Nil: none
	Transfers []Transfer
}

// Leaf is the entry's hash in the day's tree: SHA-256 of a zero byte and these
// lines, each ended by a line feed. Answers is "-" for an entry that answers
// none; transfers are numbered from 0: number, debit, credit, amount in won.
//
//	jangteo ledger entry 1
//	municipality 11560
//	entry 019a9508-3a80-7c4e-9d5f-2b1c0a9e8d7f
//	kind payment
//	at 2026-11-18T03:00:00.000000Z
//	day 2026-11-18
//	amount 12500
//	answers -
//	transfer 0 019a9508-… 019a9507-… 12500
func (e SealedEntry) Leaf() Hash { return sha256.Sum256(e.appendLeaf(nil)) }

func (e SealedEntry) appendLeaf(b []byte) []byte {
	b = append(b, leafPrefix)
	b = append(b, "jangteo ledger entry 1\nmunicipality "...)
	b = strconv.AppendInt(b, int64(e.Tenant), 10)
	b = appendID(append(b, "\nentry "...), e.ID)
	b = append(append(b, "\nkind "...), e.Kind...)
	b = e.At.UTC().AppendFormat(append(b, "\nat "...), "2006-01-02T15:04:05.000000Z")
	b = appendDay(append(b, "\nday "...), e.Day)
	b = strconv.AppendInt(append(b, "\namount "...), int64(e.Amount), 10)
	b = append(b, "\nanswers "...)
	if e.Answers == uuid.Nil {
		b = append(b, '-')
	} else {
		b = appendID(b, e.Answers)
	}
	for i, t := range e.Transfers {
		b = strconv.AppendInt(append(b, "\ntransfer "...), int64(i), 10)
		b = appendID(append(b, ' '), t.Debit)
		b = appendID(append(b, ' '), t.Credit)
		b = strconv.AppendInt(append(b, ' '), int64(t.Amount), 10)
	}
	return append(b, '\n')
}

func appendDay(b []byte, d calendar.Day) []byte {
	const digits = "0123456789"
	for _, n := range [...]int{d.Year() / 100, d.Year() % 100, -1, int(d.Month()), -1, d.DayOfMonth()} {
		if n < 0 {
			b = append(b, '-')
			continue
		}
		b = append(b, digits[n/10%10], digits[n%10])
	}
	return b
}

func appendID(b []byte, id uuid.UUID) []byte {
	b = append(hex.AppendEncode(b, id[0:4]), '-')
	b = append(hex.AppendEncode(b, id[4:6]), '-')
	b = append(hex.AppendEncode(b, id[6:8]), '-')
	b = append(hex.AppendEncode(b, id[8:10]), '-')
	return hex.AppendEncode(b, id[10:16])
}

// leavesInPart is how many leaves are kept together; a power of two, so that a
// part's root is a node of the day's tree.
const leavesInPart = 1024

// sealedLeaf is one leaf with the entry that it belongs to.
type sealedLeaf struct {
	Entry uuid.UUID
	Hash  Hash
}

const sealedLeafBytes = len(uuid.UUID{}) + len(Hash{})

// part is a run of a day's leaves.
type part struct {
	Number int
	Last   uuid.UUID // the greatest id in it
	Root   Hash
	Leaves []byte // sealedLeaf after sealedLeaf
}

func (p part) leaves() []sealedLeaf {
	list := make([]sealedLeaf, 0, leavesInPart)
	for rest := p.Leaves; len(rest) >= sealedLeafBytes; rest = rest[sealedLeafBytes:] {
		list = append(list, sealedLeaf{uuid.UUID(rest[:16]), Hash(rest[16:sealedLeafBytes])})
	}
	return list
}

func (p part) hashes() []Hash {
	list := make([]Hash, 0, leavesInPart)
	for _, leaf := range p.leaves() {
		list = append(list, leaf.Hash)
	}
	return list
}

// SealDays seals the closed days of the tenant in ctx that are not sealed yet,
// the oldest first, and tells how many. Each is read once, as a stream, and
// written in a transaction that locks nothing that anybody pays with. Several
// servers may call it at once: one works, the others wait and find it done.
func (s *Service) SealDays(ctx context.Context) (sealed int, err error) {
	for ctx.Err() == nil {
		done := false
		err := s.db.Tx(ctx, func(ctx context.Context) (err error) {
			done, err = s.sealNext(ctx)
			return err
		})
		if err != nil || !done {
			return sealed, err
		}
		sealed++
	}
	return sealed, ctx.Err()
}

// sealNext seals the first day that is closed and not sealed, if there is one.
func (s *Service) sealNext(ctx context.Context) (bool, error) {
	d, closed, err := s.nextToSeal(ctx)
	if err != nil || d.Day.IsZero() || d.Day.After(closed) {
		return false, err
	}
	if err := s.store.lockSealing(ctx); err != nil {
		return false, err
	}
	if again, _, err := s.nextToSeal(ctx); err != nil || again.Day != d.Day {
		return err == nil, err // another server was here; look once more
	}
	if d.Entries, d.Root, err = s.store.seal(ctx, d.Day); err != nil {
		return false, fmt.Errorf("seal %s: %w", d.Day, err)
	}
	d.Chain, d.SealedAt = d.Link(), s.now()
	return true, s.store.insertDay(ctx, d)
}

// nextToSeal is the day after the last sealed one, ready for its root; before
// the first, the day of the first entry, or no day if there is none.
func (s *Service) nextToSeal(ctx context.Context) (next SealedDay, closed calendar.Day, err error) {
	next.Tenant = tenant.From(ctx)
	if closed, _, err = s.store.closing(ctx); err != nil || closed.IsZero() {
		return next, closed, err
	}
	last, err := s.store.days(ctx, calendar.Day{}, 1)
	if err != nil {
		return next, closed, err
	}
	if len(last) == 1 {
		next.Day, next.Previous = last[0].Day.Next(), last[0].Chain
		return next, closed, nil
	}
	next.Day, err = s.store.firstDay(ctx)
	return next, closed, err
}

// SealedDays lists the days of the tenant in ctx that are sealed, the latest
// first, from before a day (zero: from the latest). Limit is 1 to 400.
func (s *Service) SealedDays(ctx context.Context, before calendar.Day, limit int) (list []SealedDay, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.days(ctx, before, min(max(limit, 1), 400))
		return err
	})
	return list, err
}

// daysPage is a page of sealed days, and whether there are earlier ones.
func (s *Service) daysPage(ctx context.Context, before calendar.Day, limit int) (list []SealedDay, more bool, err error) {
	list, err = s.SealedDays(ctx, before, limit+1)
	if len(list) > limit {
		return list[:limit], true, err
	}
	return list, false, err
}

// Proof shows that an entry is among those that its day was sealed with. Day is
// nil while the day is not sealed; the entry's leaf is then all there is.
type Proof struct {
	Entry  SealedEntry
	Leaf   Hash
	Closed bool // whether the entry's day is; its root follows within minutes
	Day    *SealedDay
	Index  int64  // of the leaf, from 0
	Path   []Hash // from the leaf to Day.Root (RFC 6962, section 2.1.1)
}

// Prove makes the proof of an entry of the tenant in ctx, or answers
// ErrEntryUnknown. It never hands out a proof that does not hold.
func (s *Service) Prove(ctx context.Context, id uuid.UUID) (p Proof, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		p, err = s.prove(ctx, id)
		return err
	})
	return p, err
}

func (s *Service) prove(ctx context.Context, id uuid.UUID) (p Proof, err error) {
	recorded, err := s.store.entry(ctx, id)
	if err != nil {
		return p, err
	}
	p.Entry = SealedEntry{
		Tenant: tenant.From(ctx), ID: id, Kind: recorded.Kind, At: recorded.At, Day: recorded.Day, Amount: recorded.Total(),
		Answers: recorded.Answers, Transfers: recorded.Transfers,
	}
	p.Leaf = p.Entry.Leaf()
	closed, _, err := s.store.closing(ctx)
	if err != nil {
		return p, err
	}
	p.Closed = !closed.IsZero() && !recorded.Day.After(closed)
	days, err := s.store.days(ctx, recorded.Day.Next(), 1)
	if err != nil || len(days) == 0 || days[0].Day != recorded.Day {
		return p, err
	}
	p.Day = &days[0]
	found, roots, err := s.store.partOf(ctx, recorded.Day, id)
	if err != nil {
		return p, err
	}
	within := 0
	leaves := found.leaves()
	for within < len(leaves) && leaves[within].Entry != id {
		within++
	}
	if within < len(leaves) {
		p.Index = int64(found.Number)*leavesInPart + int64(within)
		p.Path = append(pathOf(found.hashes(), within), pathOf(roots, found.Number)...)
	}
	if !Leads(p.Leaf, uint64(p.Index), uint64(p.Day.Entries), p.Path, p.Day.Root) {
		return p, fmt.Errorf("ledger: entry %s is not what %s was sealed with; verify says more", id, recorded.Day)
	}
	return p, nil
}
