package cards

import (
	"context"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// keepLink writes a link that was proven to be the citizen's, or brings one
// back that the same citizen had.
func (s *Service) keepLink(ctx context.Context, l Link) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		if err := s.store.upsertLink(ctx, l, s.now()); err != nil {
			return err
		}
		return s.changed(ctx, "link", l.Issuer+l.Token)
	})
}

// SetOption says what a citizen's card may do in a municipality.
func (s *Service) SetOption(ctx context.Context, citizen, id uuid.UUID, o Option) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		links, err := s.store.linksOfCitizen(ctx, citizen)
		if err != nil {
			return err
		}
		link, err := pick(links, id)
		if err != nil {
			return err
		}
		for _, other := range links { // one of the issuer's cards draws on the voucher here
			if o.Main && other.ID != id && other.Issuer == link.Issuer {
				was := other.In(o.TenantID)
				was.Main = false
				if err := s.setOption(ctx, other, was); err != nil {
					return err
				}
			}
		}
		return s.setOption(ctx, link, o)
	})
}

func (s *Service) setOption(ctx context.Context, l Link, o Option) error {
	if err := s.store.upsertOption(ctx, l.ID, o, s.now()); err != nil {
		return err
	}
	return s.changed(ctx, "link", l.Issuer+l.Token)
}

func pick(links []Link, id uuid.UUID) (Link, error) {
	for _, l := range links {
		if l.ID == id && l.State != Unlinked {
			return l, nil
		}
	}
	return Link{}, ErrNotLinked
}

// mainElsewhere reports whether another of the citizen's cards of the issuer is
// the main one in a municipality.
func mainElsewhere(links []Link, l Link, at tenant.ID) bool {
	for _, other := range links {
		if other.ID != l.ID && other.Issuer == l.Issuer && other.State != Unlinked && other.In(at).Main {
			return true
		}
	}
	return false
}
