package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

// Claim is what a module's own record says of an entry.
type Claim struct {
	Object  string // kind and id of the record: payment 0199…
	EntryID uuid.UUID
	Kind    EntryKind
	Amount  money.Amount
	Answers uuid.UUID
}

// Claims are all that a module says of entries of some kinds. Each hands them
// over in any order, as a stream, without their objects; Page reads them with
// their objects in the order of their entries' ids, from after one on.
type Claims struct {
	Each func(ctx context.Context, claim func(Claim)) error
	Page func(ctx context.Context, after uuid.UUID, limit int) ([]Claim, error)
}

// weight is a random number for what is claimed: sums of them agree when the
// claims do, and else by one chance in 2^64.
func (c Claim) weight() uint64 {
	var b [64]byte
	text := append(append(append(b[:0], c.EntryID[:]...), c.Answers[:]...), c.Kind...)
	return maphash.Bytes(weights, binary.BigEndian.AppendUint64(text, uint64(c.Amount)))
}

const compareAtATime = 5_000

// Compare weighs what a module claims of the entries of some kinds against the
// entries themselves and, where these do not agree, walks them side by side and
// names what one has and the other has not, or has otherwise. The checks are
// called after what: what-has-its-entry, entry-has-its-what,
// what-agrees-with-its-entry.
func (s *Service) Compare(ctx context.Context, what string, kinds []EntryKind, claims Claims) (differences []Difference, err error) {
	var scale Scale
	if err := claims.Each(ctx, func(c Claim) { scale.sum += c.weight() }); err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		return s.store.claims(ctx, kinds, func(c Claim) { scale.sum -= c.weight() })
	})
	if err != nil || scale.Level() {
		return nil, err
	}
	return s.walkBeside(ctx, what, kinds, claims)
}

// walkBeside is what Compare does when it must name differences.
func (s *Service) walkBeside(ctx context.Context, what string, kinds []EntryKind, claims Claims) (differences []Difference, err error) {
	claimed := pages[Claim]{id: func(c Claim) uuid.UUID { return c.EntryID }, next: claims.Page}
	entries := pages[Recorded]{
		id: func(r Recorded) uuid.UUID { return r.ID },
		next: func(ctx context.Context, after uuid.UUID, limit int) ([]Recorded, error) {
			return s.Walk(ctx, kinds, after, limit)
		},
	}
	differ := func(check, object string, want, got any) {
		differences = append(differences, Difference{
			Tenant: tenant.From(ctx), Check: check, Object: object, Want: fmt.Sprint(want), Got: fmt.Sprint(got),
		})
	}
	for len(differences) < differencesMost {
		claim, more, err := claimed.peek(ctx)
		if err != nil {
			return nil, err
		}
		entry, moreEntries, err := entries.peek(ctx)
		if err != nil {
			return nil, err
		}
		switch order := slices.Compare(claim.EntryID[:], entry.ID[:]); {
		case !more && !moreEntries:
			return differences, nil
		case !moreEntries || more && order < 0:
			differ(what+"-has-its-entry", claim.Object, claim.EntryID, "none")
			claimed.take()
		case !more || order > 0:
			differ("entry-has-its-"+what, "entry "+entry.ID.String(), "a "+what, "none")
			entries.take()
		default:
			want := fmt.Sprint(claim.Kind, " of ", claim.Amount, " answering ", claim.Answers)
			if got := fmt.Sprint(entry.Kind, " of ", entry.Total(), " answering ", entry.Answers); got != want {
				differ(what+"-agrees-with-its-entry", claim.Object, want, got)
			}
			claimed.take()
			entries.take()
		}
	}
	return differences, nil
}

// pages hands out a long list one by one, reading a page at a time.
type pages[T any] struct {
	id    func(T) uuid.UUID
	next  func(ctx context.Context, after uuid.UUID, limit int) ([]T, error)
	page  []T
	last  uuid.UUID
	ended bool
}

func (p *pages[T]) peek(ctx context.Context) (one T, more bool, err error) {
	if len(p.page) == 0 && !p.ended {
		if p.page, err = p.next(ctx, p.last, compareAtATime); err != nil {
			return one, false, err
		}
		p.ended = len(p.page) < compareAtATime
	}
	if len(p.page) == 0 {
		return one, false, nil
	}
	return p.page[0], true, nil
}

func (p *pages[T]) take() {
	p.last = p.id(p.page[0])
	p.page = p.page[1:]
}
