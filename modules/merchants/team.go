package merchants

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

// An owner manages who works at the shop. Everything here is of the shop of the
// person in ctx: another shop's people are none of theirs.

const (
	clerksMost      = 200 // of one shop, those who left aside
	clerkReasonMost = 500
)

// Team lists who works at the shop, by name.
func (s *Service) Team(ctx context.Context) (list []Clerk, err error) {
	me := auth.From(ctx)
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.team(ctx, me.Tenant, me.Merchant, clerksMost)
		for _, r := range rows {
			list = append(list, r.clerk())
		}
		return err
	})
	return list, err
}

// Colleague returns one of them with their sign-ins, or ErrClerkUnknown.
func (s *Service) Colleague(ctx context.Context, id uuid.UUID) (c Clerk, signIns []auth.WebSession, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, err := s.colleague(ctx, id)
		if err != nil {
			return err
		}
		c = r.clerk()
		signIns, err = s.SessionsOf(ctx, id)
		return err
	})
	return c, signIns, err
}

// colleague reads and locks who works at the shop of the person in ctx.
func (s *Service) colleague(ctx context.Context, id uuid.UUID) (clerkRow, error) {
	me := auth.From(ctx)
	return s.store.lockClerk(ctx, me.Tenant, me.Merchant, id)
}

// Hire gives somebody a login at the shop and a first password, which is told
// this once. It refuses with ErrTeamFull.
func (s *Service) Hire(ctx context.Context, in ClerkInput) (c Clerk, password string, err error) {
	me := auth.From(ctx)
	team, err := s.Team(ctx)
	if err == nil && len(team) >= clerksMost {
		err = ErrTeamFull.With("most", clerksMost)
	}
	if err != nil {
		return c, "", err
	}
	in.MerchantID, in.Password = me.Merchant, strings.ToLower(rand.Text())
	c, err = s.AddClerk(ctx, in)
	return c, in.Password, err
}

// SetRole changes what a colleague may do, from their next request on.
func (s *Service) SetRole(ctx context.Context, id uuid.UUID, role Role) error {
	if permissions[role] == nil {
		return fault.On("role", fault.NotAllowed)
	}
	return s.changeClerk(ctx, id, "role-changed", "", func(_ context.Context, r *clerkRow) error {
		r.Role = role
		return nil
	})
}

// SuspendClerk keeps a colleague out at once. Reason has 1 to 500 characters.
func (s *Service) SuspendClerk(ctx context.Context, id uuid.UUID, reason string) error {
	reason = strings.TrimSpace(reason)
	if why, ok := web.CheckText(reason, clerkReasonMost); !ok {
		return fault.On("reason", why)
	} else if reason == "" {
		return fault.On("reason", fault.Required)
	}
	return s.changeClerk(ctx, id, "suspended", reason, func(ctx context.Context, r *clerkRow) error {
		r.SuspendedAt = new(s.now())
		return s.EndAll(ctx, id, auth.EndedSuspended)
	})
}

// ResumeClerk lets a colleague in again.
func (s *Service) ResumeClerk(ctx context.Context, id uuid.UUID) error {
	return s.changeClerk(ctx, id, "resumed", "", func(_ context.Context, r *clerkRow) error {
		r.SuspendedAt = nil
		return nil
	})
}

// EndSessions signs a colleague out everywhere; they may come in again.
func (s *Service) EndSessions(ctx context.Context, id uuid.UUID) error {
	return s.changeClerk(ctx, id, "signed-out-by-owner", "", func(ctx context.Context, _ *clerkRow) error {
		return s.EndAll(ctx, id, auth.EndedRevokedByStaff)
	})
}

// ReleaseClerk takes the second factors of a colleague away who lost them.
func (s *Service) ReleaseClerk(ctx context.Context, id uuid.UUID) error {
	return s.changeClerk(ctx, id, "factors-reset", "", func(ctx context.Context, _ *clerkRow) error {
		return s.ResetFactors(ctx, id)
	})
}

// Dismiss ends a colleague's work here: their login is nobody's any more.
func (s *Service) Dismiss(ctx context.Context, id uuid.UUID) error {
	return s.changeClerk(ctx, id, "left", "", func(ctx context.Context, r *clerkRow) error {
		r.LeftAt = new(s.now())
		return s.EndAll(ctx, id, auth.EndedSuspended)
	})
}

// clerkChange is what the audit log keeps of a clerk.
type clerkChange struct {
	Role      Role `json:"role"`
	Suspended bool `json:"suspended,omitempty"`
	Left      bool `json:"left,omitempty"`
}

func (r clerkRow) change() clerkChange {
	return clerkChange{r.Role, r.SuspendedAt != nil, r.LeftAt != nil}
}

// changeClerk makes one change to a colleague in one transaction. Nobody
// changes themselves, so an owner stays: the one who changes.
func (s *Service) changeClerk(ctx context.Context, id uuid.UUID, done, reason string, how func(context.Context, *clerkRow) error) error {
	me := auth.From(ctx)
	if me.ID == id {
		return ErrClerkOwn
	}
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		if err := s.store.teamAlone(ctx, me.Merchant); err != nil {
			return err
		}
		if mine, err := s.colleague(ctx, me.ID); err != nil || mine.Role != Owner || mine.SuspendedAt != nil {
			return fault.ErrForbidden.With("permission", "clerks.manage").Because(err) // another owner was quicker
		}
		r, err := s.colleague(ctx, id)
		if err != nil {
			return err
		}
		before := r.change()
		if err := how(ctx, &r); err != nil {
			return err
		}
		if err := s.store.setClerk(ctx, r); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "clerk." + done, Object: "clerk", ObjectID: id.String(), Reason: reason, Before: before, After: r.change(),
		})
	})
}
