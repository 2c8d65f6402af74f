package merchants_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/fault"
	"jangteo/modules/merchants"
)

const clerkPassword = "correct-horse-2026"

// owner signs a new owner of a shop in.
func (b *bench) owner(t *testing.T, ctx context.Context, shop merchants.Merchant, login string) context.Context {
	t.Helper()
	_, err := b.merchants.AddClerk(ctx, merchants.ClerkInput{MerchantID: shop.ID, Login: login, Password: clerkPassword, Name: "김점주", Role: merchants.Owner})
	if err != nil {
		t.Fatal(err)
	}
	in, err := b.merchants.SignIn(ctx, login, clerkPassword)
	if err != nil {
		t.Fatal(err)
	}
	who, err := b.merchants.Identify(ctx, in.Token)
	if err != nil {
		t.Fatal(err)
	}
	return auth.With(ctx, who)
}

func unique(prefix string) string { return prefix + uuid.NewString()[24:] }

func TestTeam(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	shop := b.shop(t, ctx)
	owner := b.owner(t, ctx, shop, unique("owner"))
	is := func(t *testing.T, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	hire := func(t *testing.T, role merchants.Role) (merchants.Clerk, signin.SignedIn) {
		t.Helper()
		c, password, err := b.merchants.Hire(owner, merchants.ClerkInput{Login: unique("clerk"), Name: "이점원", Role: role})
		if err != nil {
			t.Fatal(err)
		}
		in, err := b.merchants.SignIn(ctx, c.Login, password)
		if err != nil {
			t.Fatalf("the first password does not let them in: %v", err)
		}
		return c, in
	}

	t.Run("each role does what its work needs, and only owners manage people", func(t *testing.T) {
		for role, want := range map[merchants.Role][]string{
			merchants.Manager:    {"payments.cancel", "qr.make", "sales.read"},
			merchants.Bookkeeper: {"sales.read", "settlements.read"},
			merchants.Seller:     {"qr.make", "sales.read"},
		} {
			_, in := hire(t, role)
			who, err := b.merchants.Identify(ctx, in.Token)
			if err != nil || !slices.Equal(slices.Sorted(slices.Values(who.Permissions)), want) || who.Merchant != shop.ID {
				t.Errorf("%s may %v (%v), want %v", role, who.Permissions, err, want)
			}
		}
	})
	t.Run("a role counts from the next request on", func(t *testing.T) {
		c, in := hire(t, merchants.Seller)
		if err := b.merchants.SetRole(owner, c.ID, merchants.Bookkeeper); err != nil {
			t.Fatal(err)
		}
		if who, err := b.merchants.Identify(ctx, in.Token); err != nil || !who.May("settlements.read") || who.May("qr.make") {
			t.Errorf("%v %v", who.Permissions, err)
		}
		err := b.merchants.SetRole(owner, c.ID, "king")
		if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != "role" {
			t.Errorf("a role that is none: %v", err)
		}
	})
	t.Run("who is suspended is out at once, and in again when let", func(t *testing.T) {
		c, password, err := b.merchants.Hire(owner, merchants.ClerkInput{Login: unique("clerk"), Name: "이점원", Role: merchants.Seller})
		if err != nil {
			t.Fatal(err)
		}
		in, err := b.merchants.SignIn(ctx, c.Login, password)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.merchants.SuspendClerk(owner, c.ID, " "); err == nil {
			t.Error("without a reason")
		}
		if err := b.merchants.SuspendClerk(owner, c.ID, "휴직"); err != nil {
			t.Fatal(err)
		}
		_, err = b.merchants.Identify(ctx, in.Token)
		if f, ok := fault.Of(err); !ok || !errors.Is(err, auth.ErrWebSessionEnded) || f.Params["reason"] != auth.EndedSuspended {
			t.Errorf("their session: %v", err)
		}
		_, err = b.merchants.SignIn(ctx, c.Login, password)
		is(t, err, signin.ErrSuspended)
		if err := b.merchants.ResumeClerk(owner, c.ID); err != nil {
			t.Fatal(err)
		}
		if _, err = b.merchants.SignIn(ctx, c.Login, password); err != nil {
			t.Errorf("let in again: %v", err)
		}
	})
	t.Run("an owner ends somebody's sign-ins, who is told so", func(t *testing.T) {
		c, in := hire(t, merchants.Seller)
		if err := b.merchants.EndSessions(owner, c.ID); err != nil {
			t.Fatal(err)
		}
		_, err := b.merchants.Identify(ctx, in.Token)
		if f, ok := fault.Of(err); !ok || f.Params["reason"] != auth.EndedRevokedByStaff {
			t.Errorf("%v", err)
		}
	})
	t.Run("who has left is nobody", func(t *testing.T) {
		c, password, err := b.merchants.Hire(owner, merchants.ClerkInput{Login: unique("clerk"), Name: "이점원", Role: merchants.Seller})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.merchants.Dismiss(owner, c.ID); err != nil {
			t.Fatal(err)
		}
		_, err = b.merchants.SignIn(ctx, c.Login, password)
		is(t, err, auth.ErrWrongLogin)
		is(t, b.merchants.ResumeClerk(owner, c.ID), merchants.ErrClerkUnknown)
		team, err := b.merchants.Team(owner)
		if err != nil || slices.ContainsFunc(team, func(other merchants.Clerk) bool { return other.ID == c.ID }) {
			t.Errorf("is still on the list (%v)", err)
		}
	})
	t.Run("another shop's people are none of theirs", func(t *testing.T) {
		second, err := b.merchants.Register(ctx, func() merchants.RegisterInput {
			in := application()
			in.BizNo = "220-81-62517"
			return in
		}())
		if err != nil {
			t.Fatal(err)
		}
		stranger := b.owner(t, ctx, second, unique("other"))
		c, in := hire(t, merchants.Seller)
		for name, did := range map[string]error{
			"role": b.merchants.SetRole(stranger, c.ID, merchants.Owner), "suspend": b.merchants.SuspendClerk(stranger, c.ID, "x"),
			"resume": b.merchants.ResumeClerk(stranger, c.ID), "end": b.merchants.EndSessions(stranger, c.ID),
			"factors": b.merchants.ReleaseClerk(stranger, c.ID), "leave": b.merchants.Dismiss(stranger, c.ID),
		} {
			if !errors.Is(did, merchants.ErrClerkUnknown) {
				t.Errorf("%s: %v", name, did)
			}
		}
		_, _, err = b.merchants.Colleague(stranger, c.ID)
		is(t, err, merchants.ErrClerkUnknown)
		if _, err := b.merchants.Identify(ctx, in.Token); err != nil {
			t.Errorf("a stranger signed them out: %v", err)
		}
	})
	t.Run("nobody changes themselves", func(t *testing.T) {
		me := auth.From(owner).ID
		is(t, b.merchants.SetRole(owner, me, merchants.Seller), merchants.ErrClerkOwn)
		is(t, b.merchants.Dismiss(owner, me), merchants.ErrClerkOwn)
	})
	t.Run("of two owners who suspend each other at once one stays", func(t *testing.T) {
		for range 5 {
			one, two := b.owner(t, ctx, shop, unique("one")), b.owner(t, ctx, shop, unique("two"))
			var errs [2]error
			var both sync.WaitGroup
			both.Go(func() { errs[0] = b.merchants.SuspendClerk(one, auth.From(two).ID, "분쟁") })
			both.Go(func() { errs[1] = b.merchants.SuspendClerk(two, auth.From(one).ID, "분쟁") })
			both.Wait()
			if (errs[0] == nil) == (errs[1] == nil) || errs[0] != nil && !errors.Is(errs[0], fault.ErrForbidden) || errs[1] != nil && !errors.Is(errs[1], fault.ErrForbidden) {
				t.Fatalf("%v, %v", errs[0], errs[1])
			}
		}
	})
}
