package approvals_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
)

type wish struct {
	Name string `json:"name"`
	Sum  int    `json:"sum"`
}

// bench is an office of people who may decide, with a kind that is carried out
// in the approval and one that is carried out after it.
type bench struct {
	*testkit.Kit
	approvals  *approvals.Approvals
	now, later *approvals.Kind[wish]
	executed   atomic.Int32
	ran        atomic.Int32
	fail       atomic.Pointer[error] // what carrying out answers
	stale      atomic.Bool
}

func open(t *testing.T) (*bench, context.Context) {
	t.Helper()
	k, ctx := testkit.Open(t)
	b := &bench{Kit: k, approvals: approvals.New(k.DB, k.Audit, k.Clock.Now, k.Log)}
	answer := func() error {
		if err := b.fail.Load(); err != nil {
			return *err
		}
		return nil
	}
	b.now = approvals.Register(b.approvals, "now", approvals.Options[wish]{
		Permission: "wishes", Life: time.Hour,
		About: func(w wish) (object, id string) { return "wish", w.Name },
		Check: func(context.Context, wish) error {
			if b.stale.Load() {
				return approvals.ErrStale
			}
			return nil
		},
		Execute: func(ctx context.Context, _ approvals.Proposal, w wish) (any, error) {
			b.executed.Add(1)
			return w.Sum, errors.Join(b.Audit.Changed(ctx, audit.Change{Action: "wish.granted", Object: "wish", ObjectID: w.Name}), answer())
		},
	})
	b.later = approvals.Register(b.approvals, "later", approvals.Options[wish]{
		Permission: "wishes",
		Later: func(context.Context, approvals.Proposal, wish) (any, error) {
			b.ran.Add(1)
			return "done", answer()
		},
	})
	return b, ctx
}

func (b *bench) person(ctx context.Context, permissions ...string) context.Context {
	return auth.With(ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "김주무", Tenant: b.Tenant, Permissions: permissions})
}

func (b *bench) propose(t *testing.T, maker context.Context, kind *approvals.Kind[wish]) approvals.Proposal {
	t.Helper()
	p, err := kind.Propose(maker, wish{uuid.NewString(), 7}, "민원 처리")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) state(t *testing.T, ctx context.Context, id uuid.UUID) approvals.Proposal {
	t.Helper()
	p, _, err := b.approvals.Get(b.person(ctx, "wishes"), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFourEyes(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	maker, other := b.person(ctx, "wishes"), b.person(ctx, "wishes")

	t.Run("another person approves, and it is carried out once, in the same transaction", func(t *testing.T) {
		p := b.propose(t, maker, b.now)
		before := b.executed.Load()
		done, err := b.approvals.Approve(other, p.ID, "")
		if err != nil || done.State != approvals.Done || string(done.Outcome) != "7" || b.executed.Load() != before+1 {
			t.Fatalf("%+v, %v", done, err)
		}
		if _, err := b.approvals.Approve(b.person(ctx, "wishes"), p.ID, ""); !errors.Is(err, approvals.ErrDecided) {
			t.Errorf("a second time: %v", err)
		}
		changes, err := b.Audit.Changes(ctx, audit.Filter{Object: "approval", ObjectID: p.ID.String()})
		if err != nil || len(changes) != 2 || changes[0].Action != "approval.approved" || changes[1].Action != "approval.proposed" || changes[1].Reason != "민원 처리" {
			t.Errorf("the audit log has %+v, %v", changes, err)
		}
	})

	t.Run("the maker never decides, whatever they may do", func(t *testing.T) {
		p := b.propose(t, maker, b.now)
		if _, err := b.approvals.Approve(maker, p.ID, ""); !errors.Is(err, approvals.ErrOwn) {
			t.Errorf("approving: %v", err)
		}
		if _, err := b.approvals.Reject(maker, p.ID, "아니요"); !errors.Is(err, approvals.ErrOwn) {
			t.Errorf("rejecting: %v", err)
		}
		if _, err := b.approvals.Withdraw(other, p.ID); !errors.Is(err, approvals.ErrNotOwn) {
			t.Errorf("somebody else withdrew: %v", err)
		}
		if got, err := b.approvals.Withdraw(maker, p.ID); err != nil || got.State != approvals.Withdrawn {
			t.Errorf("withdrawing: %v", err)
		}
	})

	t.Run("nor does who lacks the permission", func(t *testing.T) {
		p := b.propose(t, maker, b.now)
		if _, err := b.approvals.Approve(b.person(ctx, "audit.read"), p.ID, ""); !errors.Is(err, fault.ErrForbidden) {
			t.Errorf("approving: %v", err)
		}
		if _, err := b.now.Propose(b.person(ctx), wish{"x", 1}, "민원"); !errors.Is(err, fault.ErrForbidden) {
			t.Errorf("proposing: %v", err)
		}
		if _, _, err := b.approvals.Get(b.person(ctx), p.ID); !errors.Is(err, approvals.ErrUnknown) {
			t.Errorf("looking: %v", err)
		}
		if _, _, err := b.approvals.Get(b.person(ctx, "audit.read"), p.ID); err != nil {
			t.Errorf("auditors look: %v", err)
		}
	})

	t.Run("another municipality sees and decides nothing", func(t *testing.T) {
		p := b.propose(t, maker, b.now)
		k, _ := testkit.Open(t)
		neighbour := auth.With(tenant.With(t.Context(), k.Tenant), auth.Principal{Kind: auth.Staff, ID: uuid.New(), Tenant: k.Tenant, Permissions: []string{"wishes"}})
		operator := auth.With(t.Context(), auth.Principal{Kind: auth.Operator, ID: uuid.New(), Permissions: []string{"wishes"}})
		for _, stranger := range []context.Context{neighbour, operator} {
			if _, err := b.approvals.Approve(stranger, p.ID, ""); !errors.Is(err, approvals.ErrUnknown) {
				t.Errorf("approving: %v", err)
			}
			if list, _, err := b.approvals.List(stranger, approvals.Filter{Limit: 200}); err != nil || len(list) != 0 {
				t.Errorf("sees %d, %v", len(list), err)
			}
		}
	})

	t.Run("operators decide among themselves, on the platform", func(t *testing.T) {
		operator := func() context.Context {
			return auth.With(t.Context(), auth.Principal{Kind: auth.Operator, ID: uuid.New(), Name: "운영", Permissions: []string{"wishes"}})
		}
		p := b.propose(t, operator(), b.now)
		if p.TenantID != tenant.Platform {
			t.Errorf("it belongs to %s", p.TenantID)
		}
		if _, err := b.approvals.Approve(other, p.ID, ""); !errors.Is(err, approvals.ErrUnknown) {
			t.Errorf("municipal staff: %v", err)
		}
		if done, err := b.approvals.Approve(operator(), p.ID, ""); err != nil || done.State != approvals.Done {
			t.Errorf("approving: %v", err)
		}
	})

	t.Run("a rejection says why and ends it", func(t *testing.T) {
		p := b.propose(t, maker, b.now)
		if _, err := b.approvals.Reject(other, p.ID, ""); !refuses(err, "remark") {
			t.Errorf("without a word: %v", err)
		}
		if got, err := b.approvals.Reject(other, p.ID, "금액 확인 필요"); err != nil || got.State != approvals.Rejected || got.Remark != "금액 확인 필요" {
			t.Errorf("rejecting: %+v, %v", got, err)
		}
		if _, err := b.approvals.Approve(other, p.ID, ""); !errors.Is(err, approvals.ErrDecided) {
			t.Errorf("approving after it: %v", err)
		}
	})

	t.Run("nobody decides too late", func(t *testing.T) {
		b, ctx := open(t)
		p := b.propose(t, b.person(ctx, "wishes"), b.now)
		b.Clock.Advance(time.Hour)
		if _, err := b.approvals.Approve(b.person(ctx, "wishes"), p.ID, ""); !errors.Is(err, approvals.ErrLapsed) {
			t.Errorf("an hour later: %v", err)
		}
		if err := b.approvals.Work(ctx); err != nil || b.state(t, ctx, p.ID).State != approvals.Lapsed {
			t.Errorf("it did not lapse: %v", err)
		}
	})

	t.Run("the same is proposed once at a time, and again after it lapsed", func(t *testing.T) {
		b, ctx := open(t)
		maker, w := b.person(ctx, "wishes"), wish{"one", 1}
		for _, want := range []error{nil, approvals.ErrOpen} {
			if _, err := b.now.Propose(maker, w, "민원"); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		b.Clock.Advance(2 * time.Hour)
		if _, err := b.now.Propose(maker, w, "민원"); err != nil {
			t.Errorf("after it lapsed: %v", err)
		}
	})

	t.Run("what has changed since is not carried out", func(t *testing.T) {
		b, ctx := open(t)
		p := b.propose(t, b.person(ctx, "wishes"), b.now)
		b.stale.Store(true)
		if _, err := b.approvals.Approve(b.person(ctx, "wishes"), p.ID, ""); !errors.Is(err, approvals.ErrStale) {
			t.Errorf("approving: %v", err)
		}
		if got := b.state(t, ctx, p.ID); got.State != approvals.Proposed || b.executed.Load() != 0 {
			t.Errorf("it is %s", got.State)
		}
	})

	t.Run("what fails was not approved, and leaves nothing behind", func(t *testing.T) {
		b, ctx := open(t)
		p := b.propose(t, b.person(ctx, "wishes"), b.now)
		failure := errors.New("no")
		b.fail.Store(&failure)
		if _, err := b.approvals.Approve(b.person(ctx, "wishes"), p.ID, ""); err == nil {
			t.Error("approved")
		}
		changes, err := b.Audit.Changes(ctx, audit.Filter{Object: "wish"})
		if got := b.state(t, ctx, p.ID); got.State != approvals.Proposed || err != nil || len(changes) != 0 {
			t.Errorf("it is %s, and the log has %v (%v)", got.State, changes, err)
		}
	})

	t.Run("a reason is asked for", func(t *testing.T) {
		for _, reason := range []string{"", " ", "a", strings.Repeat("가", 501), "a\x00b"} {
			if _, err := b.now.Propose(maker, wish{uuid.NewString(), 1}, reason); !refuses(err, "reason") {
				t.Errorf("%.5q: %v", reason, err)
			}
		}
	})
}

func refuses(err error, field string) bool {
	f, ok := fault.Of(err)
	return ok && len(f.Fields) == 1 && f.Fields[0].Name == field
}

func TestManyApproveAtOnce(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	p := b.propose(t, b.person(ctx, "wishes"), b.now)
	var crowd sync.WaitGroup
	var approved atomic.Int32
	for range 10 {
		crowd.Go(func() {
			if _, err := b.approvals.Approve(b.person(ctx, "wishes"), p.ID, ""); err == nil {
				approved.Add(1)
			} else if !errors.Is(err, approvals.ErrDecided) {
				t.Error(err)
			}
		})
	}
	crowd.Wait()
	if approved.Load() != 1 || b.executed.Load() != 1 {
		t.Errorf("approved %d times, carried out %d times", approved.Load(), b.executed.Load())
	}
}

func TestCarriedOutLater(t *testing.T) {
	t.Parallel()
	approve := func(t *testing.T, b *bench, ctx context.Context) uuid.UUID {
		t.Helper()
		p := b.propose(t, b.person(ctx, "wishes"), b.later)
		got, err := b.approvals.Approve(b.person(ctx, "wishes"), p.ID, "")
		if err != nil || got.State != approvals.Approved || b.ran.Load() != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		return p.ID
	}

	t.Run("after the commit, by the server that approved", func(t *testing.T) {
		t.Parallel()
		b, ctx := open(t)
		running, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() { b.approvals.Run(running) })
		id := approve(t, b, ctx)
		for deadline := time.Now().Add(20 * time.Second); b.state(t, ctx, id).State != approvals.Done; {
			if time.Now().After(deadline) {
				t.Fatal("nobody carried it out")
			}
		}
		stop()
		work.Wait()
	})
	t.Run("once, though several servers look at once", func(t *testing.T) {
		t.Parallel()
		b, ctx := open(t)
		id := approve(t, b, ctx)
		var servers sync.WaitGroup
		for range 5 {
			servers.Go(func() {
				if err := b.approvals.Work(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		servers.Wait()
		if got := b.state(t, ctx, id); got.State != approvals.Done || string(got.Outcome) != `"done"` || b.ran.Load() != 1 {
			t.Errorf("it is %s, ran %d times", got.State, b.ran.Load())
		}
	})
	t.Run("again when it broke, with growing waits, until somebody must look", func(t *testing.T) {
		t.Parallel()
		b, ctx := open(t)
		failure := errors.New("the bank is away")
		b.fail.Store(&failure)
		id := approve(t, b, ctx)
		waits := []time.Duration{}
		for state := approvals.Approved; state == approvals.Approved; state = b.state(t, ctx, id).State {
			before := b.ran.Load()
			wait := time.Duration(0)
			for ; b.ran.Load() == before; wait += time.Minute {
				if err := b.approvals.Work(ctx); err == nil && b.ran.Load() != before {
					t.Fatal("nobody was told")
				}
				b.Clock.Advance(time.Minute)
			}
			waits = append(waits, wait)
		}
		if got := b.state(t, ctx, id); got.State != approvals.Failed || got.Failure != "internal" || b.ran.Load() != 10 || waits[5] <= waits[2] {
			t.Errorf("it is %s (%s) after %d tries, waited %v", got.State, got.Failure, b.ran.Load(), waits)
		}
	})
	t.Run("a refusal ends it with its reason", func(t *testing.T) {
		t.Parallel()
		b, ctx := open(t)
		var refusal error = fault.ErrNotFound
		b.fail.Store(&refusal)
		id := approve(t, b, ctx)
		if err := b.approvals.Work(ctx); err != nil {
			t.Error(err)
		}
		if got := b.state(t, ctx, id); got.State != approvals.Failed || got.Failure != "not-found" {
			t.Errorf("it is %s: %s", got.State, got.Failure)
		}
	})
}

// What the service refuses, the database refuses again; and what was proposed
// cannot be changed, by nobody's statement.
func TestTheDatabaseHoldsIt(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	p := b.propose(t, b.person(ctx, "wishes"), b.later)
	conn, err := pgx.Connect(ctx, testkit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	as := func(role, set string, args ...any) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, statement := range []string{fmt.Sprintf("SET LOCAL app.tenant_id = '%d'", b.Tenant), "SET LOCAL ROLE " + role} {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return err
				}
			}
			tag, err := tx.Exec(ctx, set, args...)
			if err == nil && tag.RowsAffected() == 0 {
				return errors.New("no row")
			}
			if err == nil {
				return errors.Join(tx.Rollback(ctx), errRolledBack)
			}
			return err
		})
	}
	const where = ` WHERE id = $1`
	if err := as("jangteo_service", `UPDATE app.approvals SET state = 'approved', decider_id = $2, decided_at = created_at, not_before = created_at`+where, p.ID, uuid.New()); !errors.Is(err, errRolledBack) {
		t.Fatalf("what is right is refused: %v", err)
	}
	for what, c := range map[string]struct{ sql, says string }{
		"the maker approves":        {`UPDATE app.approvals SET state = 'approved', decider_id = maker_id, decided_at = created_at, not_before = created_at`, "another_person"},
		"the maker rejects":         {`UPDATE app.approvals SET state = 'rejected', decider_id = maker_id, decided_at = created_at`, "another_person"},
		"nobody approves":           {`UPDATE app.approvals SET state = 'approved', not_before = created_at`, "decided_whole"},
		"it is approved too late":   {`UPDATE app.approvals SET state = 'rejected', decider_id = gen_random_uuid(), decided_at = expires_at`, "decided_in_time"},
		"the payload is changed":    {`UPDATE app.approvals SET payload = '{}'`, "permission denied"},
		"the maker is changed":      {`UPDATE app.approvals SET maker_id = gen_random_uuid()`, "permission denied"},
		"the expiry is put off":     {`UPDATE app.approvals SET expires_at = expires_at + interval '1 day'`, "permission denied"},
		"the proposal is taken out": {`DELETE FROM app.approvals`, "permission denied"},
	} {
		if err := as("jangteo_service", c.sql+where, p.ID); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

var errRolledBack = errors.New("it would have been done")
