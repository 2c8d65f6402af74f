package staff

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

// Members lists who works where the person in ctx does, those who left aside:
// at most 500, by name.
func (s *Service) Members(ctx context.Context) (list []Member, err error) {
	me := auth.From(ctx)
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.ofTenant(ctx, me.Tenant, membersMost)
		for _, r := range rows {
			list = append(list, r.member())
		}
		return err
	})
	return list, err
}

// Member returns one of them, or ErrUnknown: another municipality's are none of
// theirs.
func (s *Service) Member(ctx context.Context, id uuid.UUID) (m Member, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		r, err := s.colleague(ctx, id)
		m = r.member()
		return err
	})
	return m, err
}

// colleague reads, for a change, who works where the person in ctx does.
func (s *Service) colleague(ctx context.Context, id uuid.UUID) (memberRow, error) {
	r, err := s.store.lock(ctx, id)
	if err == nil && r.TenantID != auth.From(ctx).Tenant {
		err = ErrUnknown
	}
	return r, err
}

// Hire gives somebody a login and a first password, which is told this once.
// Nobody gives a role that may do what they may not.
func (s *Service) Hire(ctx context.Context, in RegisterInput) (m Member, password string, err error) {
	me := auth.From(ctx)
	in.TenantID, in.Password = me.Tenant, strings.ToLower(rand.Text())
	if err := mayGive(me, in.Role); err != nil {
		return m, "", err
	}
	m, err = s.Register(ctx, in)
	return m, in.Password, err
}

// Appoint gives the first one who can manage the staff of a municipality, or
// the operator's with 0, a login and a password that is told this once. Where
// somebody can already, it refuses with ErrAppointed: they do it.
func (s *Service) Appoint(ctx context.Context, in RegisterInput) (m Member, password string, err error) {
	in.Role, in.Password = RolesIn(in.TenantID)[0], strings.ToLower(rand.Text())
	err = s.db.Tx(tenant.With(ctx, in.TenantID), func(ctx context.Context) error {
		if err := s.store.alone(ctx, in.TenantID); err != nil {
			return err
		}
		there, err := s.store.chiefs(ctx, in.TenantID)
		if err == nil && there > 0 {
			err = ErrAppointed
		}
		if err != nil {
			return err
		}
		m, err = s.Register(ctx, in)
		return err
	})
	return m, in.Password, err
}

// manages reports whether a role can manage staff.
func (r Role) manages() bool { return slices.Contains(permissions[r], StaffManage) }

// mayGive refuses a role with a permission that its giver lacks.
func mayGive(me auth.Principal, role Role) error {
	if permissions[role] == nil {
		return fault.On("role", fault.NotAllowed)
	}
	for _, permission := range role.Permissions() {
		if !me.May(permission) {
			return ErrBeyondOwn.With("permission", permission)
		}
	}
	return nil
}

// SetRole changes what a colleague may do, from their next request on.
func (s *Service) SetRole(ctx context.Context, id uuid.UUID, role Role) error {
	return s.change(ctx, id, "role-changed", "", func(_ context.Context, me auth.Principal, r *memberRow) error {
		if !slices.Contains(RolesIn(r.TenantID), role) {
			return fault.On("role", fault.NotAllowed)
		}
		r.Role = role
		return mayGive(me, role)
	})
}

// Suspend keeps a colleague out at once, and says why in the audit log.
func (s *Service) Suspend(ctx context.Context, id uuid.UUID, reason string) error {
	reason = strings.TrimSpace(reason)
	if why, ok := web.CheckText(reason, reasonMost); !ok {
		return fault.On("reason", why)
	} else if reason == "" {
		return fault.On("reason", fault.Required)
	}
	return s.change(ctx, id, "suspended", reason, func(ctx context.Context, _ auth.Principal, r *memberRow) error {
		r.State = Locked
		return s.EndAll(ctx, id, auth.EndedSuspended)
	})
}

// Resume lets a colleague in again.
func (s *Service) Resume(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, id, "resumed", "", func(_ context.Context, _ auth.Principal, r *memberRow) error {
		r.State = Active
		return nil
	})
}

// Release takes the second factors of a colleague away who lost them; they make
// new ones when they come in.
func (s *Service) Release(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, id, "factors-reset", "", func(_ context.Context, me auth.Principal, _ *memberRow) error {
		if me.ID == id {
			return ErrOwnFactors // a stolen session must not get rid of them
		}
		return nil
	})
}

// change makes one change to a colleague in one transaction. Nobody changes who
// may do what they may not, and a municipality keeps somebody who can manage it.
func (s *Service) change(ctx context.Context, id uuid.UUID, done, reason string, how func(context.Context, auth.Principal, *memberRow) error) error {
	me := auth.From(ctx)
	return s.db.Tx(tenant.With(ctx, me.Tenant), func(ctx context.Context) error {
		r, err := s.colleague(ctx, id)
		if err != nil {
			return err
		}
		if err := mayGive(me, r.Role); err != nil {
			return err
		}
		before := memberChange{Department: r.Department, Role: r.Role, State: r.State}
		if err := how(ctx, me, &r); err != nil {
			return err
		}
		if err := s.store.setRoleAndState(ctx, r); err != nil {
			return err
		}
		if done == "factors-reset" {
			if err := s.ResetFactors(ctx, id); err != nil {
				return err
			}
		}
		left, err := s.store.chiefs(ctx, r.TenantID)
		if err != nil {
			return err
		}
		if left == 0 && before.Role.manages() {
			return ErrLastChief
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "staff." + done, Object: "staff", ObjectID: id.String(), Reason: reason, Before: before,
			After: memberChange{Department: r.Department, Role: r.Role, State: r.State},
		})
	})
}
