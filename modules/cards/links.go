package cards

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

const (
	linksMost = 20 // of a citizen
	nameMost  = 40
)

// Links lists a citizen's cards, oldest first, without those unlinked.
func (s *Service) Links(ctx context.Context, citizen uuid.UUID) (links []Link, err error) {
	err = s.db.Platform(tenant.With(ctx, tenant.Platform), func(ctx context.Context) error {
		links, err = s.linked(ctx, citizen)
		return err
	})
	return links, err
}

func (s *Service) linked(ctx context.Context, citizen uuid.UUID) ([]Link, error) {
	links, err := s.store.linksOfCitizen(ctx, citizen)
	return slices.DeleteFunc(links, func(l Link) bool { return l.State == Unlinked }), err
}

// Link returns one of a citizen's cards; another's is not linked.
func (s *Service) Link(ctx context.Context, citizen, id uuid.UUID) (Link, error) {
	links, err := s.Links(ctx, citizen)
	if err != nil {
		return Link{}, err
	}
	return pick(links, id)
}

func pick(links []Link, id uuid.UUID) (Link, error) {
	for _, l := range links {
		if l.ID == id {
			return l, nil
		}
	}
	return Link{}, ErrNotLinked
}

// Available lists the cards that an issuer says are the citizen's and that are
// not linked yet. It refuses with ErrIssuerUnknown and ErrIssuerSilent.
func (s *Service) Available(ctx context.Context, citizen uuid.UUID, issuer string) ([]IssuerCard, error) {
	if _, known := s.Issuer(issuer); !known {
		return nil, ErrIssuerUnknown.With("issuer", issuer)
	}
	name, birthDate, err := s.citizens.Holder(ctx, citizen)
	if err != nil {
		return nil, err
	}
	list, err := s.desk.Cards(ctx, issuer, name, birthDate)
	if err != nil {
		return nil, ErrIssuerSilent.Because(err)
	}
	links, err := s.Links(ctx, citizen)
	return slices.DeleteFunc(list, func(c IssuerCard) bool {
		return slices.ContainsFunc(links, func(l Link) bool { return l.Issuer == issuer && l.Token == c.Token })
	}), err
}

// LinkInput links one of the cards that Available lists.
type LinkInput struct {
	CitizenID uuid.UUID
	Issuer    string
	Token     string
	Name      string // empty: as the issuer calls it
}

// Connect links a card after its issuer has confirmed that it is the citizen's.
// The first of an issuer is its main card everywhere; a new card may touch no
// bank account. It refuses with ErrIssuerUnknown, ErrIssuerSilent, ErrNotYours,
// ErrLinkedElsewhere and ErrTooMany.
func (s *Service) Connect(ctx context.Context, in LinkInput) (l Link, err error) {
	if in.Name, err = cardName(in.Name, true); err != nil {
		return l, err
	}
	offered, err := s.Available(ctx, in.CitizenID, in.Issuer)
	if err != nil {
		return l, err
	}
	i := slices.IndexFunc(offered, func(c IssuerCard) bool { return c.Token == in.Token })
	err = s.db.Platform(tenant.With(ctx, tenant.Platform), func(ctx context.Context) error {
		links, err := s.linked(ctx, in.CitizenID)
		if err != nil {
			return err
		}
		if known := slices.IndexFunc(links, func(l Link) bool { return l.Issuer == in.Issuer && l.Token == in.Token }); known >= 0 {
			l = links[known]
			return nil
		}
		switch {
		case i < 0:
			return ErrNotYours
		case len(links) >= linksMost:
			return ErrTooManyCards.With("limit", linksMost)
		}
		l = Link{
			ID: uuid.Must(uuid.NewV7()), CitizenID: in.CitizenID, Issuer: in.Issuer, Token: in.Token, Product: offered[i].Product,
			Name: in.Name, State: Active, LinkedAt: s.now(),
			Main: !slices.ContainsFunc(links, func(l Link) bool { return l.Issuer == in.Issuer }),
		}
		if l.Name == "" {
			l.Name = shorten(l.Product)
		}
		l, err = s.keepLink(ctx, l)
		return err
	})
	return l, err
}

func shorten(product string) string {
	if r := []rune(strings.TrimSpace(product)); len(r) > nameMost {
		return string(r[:nameMost])
	} else if len(r) > 0 {
		return string(r)
	}
	return "카드"
}

// cardName checks what a citizen calls a card. Eight digits or more in it could
// be its number, which is nowhere kept.
func cardName(name string, optional bool) (string, error) {
	name = strings.TrimSpace(name)
	digits := 0
	for _, c := range name {
		if '0' <= c && c <= '9' {
			digits++
		}
		if c < ' ' {
			return "", fault.On("name", fault.WrongFormat)
		}
	}
	const numberLike = 8
	switch {
	case name == "" && !optional:
		return "", fault.On("name", fault.Required)
	case utf8.RuneCountInString(name) > nameMost:
		return "", fault.On("name", fault.TooLong).Limit(nameMost)
	case digits >= numberLike:
		return "", fault.On("name", fault.NotAllowed)
	}
	return name, nil
}

// keepLink writes a link that was proven to be the citizen's, or brings one
// back that the same citizen had.
func (s *Service) keepLink(ctx context.Context, l Link) (Link, error) {
	err := s.db.Platform(tenant.With(ctx, tenant.Platform), func(ctx context.Context) (err error) {
		if l.ID, err = s.store.upsertLink(ctx, l, s.now()); err != nil {
			return err
		}
		if l.ID == uuid.Nil {
			return ErrLinkedElsewhere
		}
		return s.linkChanged(ctx, "card.linked", l, nil)
	})
	return l, err
}

// linkChanged tells every server and the audit log what became of a link.
func (s *Service) linkChanged(ctx context.Context, action string, l Link, before any) error {
	if err := s.changed(ctx, "link", l.Issuer+l.Token); err != nil {
		return err
	}
	return s.audit.Changed(ctx, audit.Change{
		Action: action, Object: "card", ObjectID: l.ID.String(), Before: before,
		After: map[string]any{"issuer": l.Issuer, "name": l.Name, "state": l.State},
	})
}

// Rename gives a card another name.
func (s *Service) Rename(ctx context.Context, citizen, id uuid.UUID, name string) (Link, error) {
	name, err := cardName(name, false)
	if err != nil {
		return Link{}, err
	}
	return s.alter(ctx, citizen, id, func(l *Link) (string, error) {
		l.Name = name
		return "card.renamed", nil
	})
}

// SetState pauses a card, goes on with it, reports it lost or unlinks it. It
// holds for the next payment: at once here, within moments on every server. A
// lost card is only unlinked any more. It refuses with ErrLost.
func (s *Service) SetState(ctx context.Context, citizen, id uuid.UUID, to State) (Link, error) {
	return s.alter(ctx, citizen, id, func(l *Link) (string, error) {
		if l.State == Lost && to != Unlinked && to != Lost {
			return "", ErrLost
		}
		l.State = to
		return "card." + map[State]string{Active: "resumed", Paused: "paused", Lost: "lost", Unlinked: "unlinked"}[to], nil
	})
}

func (s *Service) alter(ctx context.Context, citizen, id uuid.UUID, change func(*Link) (string, error)) (l Link, err error) {
	err = s.db.Platform(tenant.With(ctx, tenant.Platform), func(ctx context.Context) error {
		links, err := s.linked(ctx, citizen)
		if err != nil {
			return err
		}
		if l, err = pick(links, id); err != nil {
			return err
		}
		before := map[string]any{"name": l.Name, "state": l.State}
		action, err := change(&l)
		if err != nil {
			return err
		}
		if err := s.store.updateLink(ctx, l, s.now()); err != nil {
			return err
		}
		if l.State == Unlinked || l.State == Lost {
			if err := s.succeed(ctx, links, l); err != nil {
				return err
			}
		}
		return s.linkChanged(ctx, action, l, before)
	})
	return l, err
}

// succeed makes the issuer's next card the main one wherever this one was.
func (s *Service) succeed(ctx context.Context, links []Link, gone Link) error {
	i := slices.IndexFunc(links, func(l Link) bool {
		return l.ID != gone.ID && l.Issuer == gone.Issuer && (l.State == Active || l.State == Paused)
	})
	if i < 0 {
		return nil
	}
	next := links[i]
	places := map[tenant.ID]bool{}
	for _, o := range append(slices.Clone(gone.Options), next.Options...) {
		places[o.TenantID] = true
	}
	for id := range places {
		if gone.In(id).Main && !next.In(id).Main {
			o := next.In(id)
			o.Main = true
			if err := s.store.upsertOption(ctx, next.ID, o, s.now()); err != nil {
				return err
			}
		}
	}
	next.Main = next.Main || gone.Main
	if err := s.store.updateLink(ctx, next, s.now()); err != nil {
		return err
	}
	return s.changed(ctx, "link", next.Issuer+next.Token)
}

// SetOption says what a citizen's card may do in a municipality. A card that
// becomes the main one takes the place of the issuer's other; that a card is not
// the main one any more is said by choosing another.
func (s *Service) SetOption(ctx context.Context, citizen, id uuid.UUID, o Option) (l Link, err error) {
	switch o.Mode {
	case VoucherOnly, Ask, Allow:
	default:
		return l, fault.On("mode", fault.Unknown)
	}
	err = s.db.Platform(tenant.With(ctx, tenant.Platform), func(ctx context.Context) error {
		links, err := s.linked(ctx, citizen)
		if err != nil {
			return err
		}
		if l, err = pick(links, id); err != nil {
			return err
		}
		before := l.In(o.TenantID)
		for _, other := range links { // one of the issuer's cards draws on the voucher here
			if was := other.In(o.TenantID); o.Main && other.ID != id && other.Issuer == l.Issuer && was.Main {
				was.Main = false
				if err := s.setOption(ctx, other, was); err != nil {
					return err
				}
			}
		}
		o.Main = o.Main || before.Main
		if err := s.setOption(ctx, l, o); err != nil {
			return err
		}
		if l, err = s.store.link(ctx, id); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{Action: "card.option-set", Object: "card", ObjectID: id.String(), Before: before, After: o})
	})
	return l, err
}

func (s *Service) setOption(ctx context.Context, l Link, o Option) error {
	if err := s.store.upsertOption(ctx, l.ID, o, s.now()); err != nil {
		return err
	}
	return s.changed(ctx, "link", l.Issuer+l.Token)
}

// History lists what was decided of a citizen's card payments in all
// municipalities, newest first; with a card (not uuid.Nil), of that card.
func (s *Service) History(ctx context.Context, citizen, link uuid.UUID, limit int) (list []Authorisation, err error) {
	homes, err := s.homes(ctx, citizen)
	if err != nil {
		return nil, err
	}
	for _, id := range homes {
		ctx := tenant.With(ctx, id)
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			here, err := s.store.authorisationsOf(ctx, citizen, link, limit)
			list = append(list, here...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b Authorisation) int { return b.At.Compare(a.At) })
	return list[:min(len(list), limit)], nil
}
