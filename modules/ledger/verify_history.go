package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
)

// sealingTakes is how long a closed day may wait for its root before verify
// misses it. SealDays comes by every minute; an outage may keep it away.
const sealingTakes = 24 * time.Hour

// dayRecount holds a sealed day against what its entries say now.
type dayRecount struct {
	SealedDay
	kept    []keptPart
	part    tree
	whole   tree      // of the parts' roots
	digest  hash.Hash // of the part's ids and leaves
	entries int64
	differs bool
}

// keptPart is what is kept of a part, without its leaves.
type keptPart struct {
	root   Hash
	digest Hash // of the leaves
}

func sortedDays(days map[int32]*dayRecount) []*dayRecount {
	list := make([]*dayRecount, 0, len(days))
	for _, d := range days {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *dayRecount) int { return a.Day.Compare(b.Day) })
	return list
}

// readDays reads what is kept of the sealed days and checks that each follows
// the one before, and that no closed day lacks its root.
func (s *Service) readDays(ctx context.Context, r *recount) error {
	const most = 100 * 366
	days, err := s.store.days(ctx, calendar.Day{}, most)
	if err != nil {
		return err
	}
	slices.Reverse(days)
	var before SealedDay
	for _, d := range days {
		if !before.Day.IsZero() {
			for missing := before.Day.Next(); missing.Before(d.Day); missing = missing.Next() {
				r.differ("day-has-its-root", "day "+missing.String(), "a root", "none")
			}
		}
		if d.Previous != before.Chain {
			r.differ("day-follows-the-day-before", "day "+d.Day.String(), before.Chain, d.Previous)
		}
		if link := d.Link(); link != d.Chain {
			r.differ("day-chain-covers-its-root", "day "+d.Day.String(), link, d.Chain)
		}
		r.days[numberOf(d.Day)], before, r.last = &dayRecount{SealedDay: d, digest: sha256.New()}, d, d.Day
	}
	closed, at, err := s.store.closing(ctx)
	if err != nil {
		return err
	}
	if !closed.IsZero() && s.now().Sub(at) > sealingTakes {
		if err := s.readUnsealed(ctx, r, closed); err != nil {
			return err
		}
	}
	return s.store.keptParts(ctx, func(day calendar.Day, kept keptPart) {
		if d := r.days[numberOf(day)]; d != nil {
			d.kept = append(d.kept, kept)
		} else {
			r.differ("day-has-its-root", "day "+day.String(), "a root", "leaves alone")
		}
	})
}

// readUnsealed names the closed days after the last sealed one.
func (s *Service) readUnsealed(ctx context.Context, r *recount, closed calendar.Day) error {
	first := r.last.Next()
	if r.last.IsZero() {
		var err error
		if first, err = s.store.firstDay(ctx); err != nil || first.IsZero() {
			return err
		}
	}
	for day := first; !day.After(closed); day = day.Next() {
		r.differ("day-has-its-root", "day "+day.String(), "a root", "none")
	}
	return nil
}

func (d *dayRecount) add(id uuid.UUID, leaf Hash) {
	d.entries++
	d.part.add(leaf)
	d.digest.Write(id[:])
	d.digest.Write(leaf[:])
	if d.part.size == leavesInPart {
		d.endPart()
	}
}

func (d *dayRecount) endPart() {
	got := keptPart{root: d.part.root(), digest: Hash(d.digest.Sum(nil))}
	if at := int(d.whole.size); at >= len(d.kept) || d.kept[at] != got {
		d.differs = true
	}
	d.whole.add(got.root)
	d.part.reset()
	d.digest.Reset()
}

func (d *dayRecount) end() {
	if d.part.size > 0 {
		d.endPart()
	}
	if d.entries != d.Entries || d.whole.root() != d.Root || int(d.whole.size) != len(d.kept) {
		d.differs = true
	}
}

// nameChanges finds out which entries of a day are not what it was sealed with,
// part by part.
func (s *Service) nameChanges(ctx context.Context, r *recount, d *dayRecount) error {
	object := "day " + d.Day.String()
	if root := d.whole.root(); root != d.Root || d.entries != d.Entries {
		r.differ("day-root-is-its-entries", object, fmt.Sprint(d.Entries, " entries under ", d.Root), fmt.Sprint(d.entries, " entries under ", root))
	}
	var roots []Hash
	after := uuid.Nil
	for number := range d.kept {
		p, err := s.store.part(ctx, d.Day, number)
		if err != nil {
			return fmt.Errorf("part %d of %s: %w", number, d.Day, err)
		}
		roots = append(roots, p.Root)
		if RootOf(p.hashes()) != p.Root {
			r.differ("day-leaves-are-its-root", fmt.Sprint(object, " part ", number), p.Root, RootOf(p.hashes()))
		}
		if err := s.nameBetween(ctx, r, d, p.leaves(), after, p.Last); err != nil {
			return err
		}
		after = p.Last
	}
	if root := RootOf(roots); root != d.Root {
		r.differ("day-leaves-are-its-root", object, d.Root, root)
	}
	return s.nameBetween(ctx, r, d, nil, after, uuid.Max)
}

// nameBetween compares what was sealed between two ids with what is there.
func (s *Service) nameBetween(ctx context.Context, r *recount, d *dayRecount, sealed []sealedLeaf, after, last uuid.UUID) error {
	gone := func(leaf sealedLeaf) {
		r.differ("sealed-entry-is-there", "entry "+leaf.Entry.String(), "sealed with "+d.Day.String()+" as "+leaf.Hash.String(), "none")
	}
	where := fmt.Sprintf(" AND e.day = '%s' AND e.id > '%s' AND e.id <= '%s'", d.Day, after, last)
	err := s.store.entries(ctx, where, func(e *streamed) error {
		for len(sealed) > 0 && bytes.Compare(sealed[0].Entry[:], e.ID[:]) < 0 {
			gone(sealed[0])
			sealed = sealed[1:]
		}
		if len(sealed) == 0 || sealed[0].Entry != e.ID {
			r.differ("entry-was-sealed-with-its-day", "entry "+e.ID.String(), "sealed with "+d.Day.String(), "added afterwards")
			return nil
		}
		if leaf := e.leaf(); sealed[0].Hash != leaf {
			r.differ("sealed-entry-is-unchanged", "entry "+e.ID.String(), sealed[0].Hash, leaf)
		}
		sealed = sealed[1:]
		return nil
	})
	for _, leaf := range sealed {
		gone(leaf)
	}
	return err
}
