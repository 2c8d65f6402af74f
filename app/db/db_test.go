package db_test

import (
	"context"
	"errors"
	"testing"

	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
)

func TestTx(t *testing.T) {
	t.Parallel()
	k, ctx := testkit.Open(t)
	put := func(ctx context.Context) error {
		return k.DB.Tx(ctx, func(ctx context.Context) error {
			return k.DB.In(ctx).Exec(`INSERT INTO app.outbox (tenant_id, topic, payload, created_at) VALUES (?, 'x', '{}', ?)`,
				tenant.From(ctx), k.Clock.Now()).Error
		})
	}
	count := func(ctx context.Context, run func(context.Context, func(context.Context) error) error) (n int64) {
		t.Helper()
		err := run(ctx, func(ctx context.Context) error {
			return k.DB.In(ctx).Raw(`SELECT count(*) FROM app.outbox WHERE topic = 'x'`).Scan(&n).Error
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := put(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(ctx, k.DB.Tx); n != 1 {
		t.Errorf("own tenant sees %d rows, want 1", n)
	}
	other := tenant.With(ctx, k.Tenant+5000)
	if n := count(other, k.DB.Tx); n != 0 {
		t.Errorf("another tenant sees %d rows", n)
	}
	if n := count(ctx, k.DB.Platform); n != 0 {
		t.Errorf("no tenant sees %d rows", n)
	}
	err := k.DB.Tx(other, func(c context.Context) error {
		return k.DB.In(c).Exec(`INSERT INTO app.outbox (tenant_id, topic, payload, created_at) VALUES (?, 'x', '{}', now())`, k.Tenant).Error
	})
	if err == nil {
		t.Error("a row was written into another tenant")
	}
	err = k.DB.Tx(ctx, func(c context.Context) error { return k.DB.In(c).Exec(`DELETE FROM app.audit_log`).Error })
	if err == nil {
		t.Error("the audit log can be emptied")
	}
}

func TestGoneIsUnavailable(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), db.Options{URL: "postgres://nobody@127.0.0.1:1/none"})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Platform(t.Context(), func(context.Context) error { return nil })
	if !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// A connection that is lost in the middle of a transaction is not our fault,
// whatever is asked of it afterwards.
func TestATransactionWithoutConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	k, ctx := testkit.Open(t)
	owner, err := db.Open(ctx, db.Options{URL: testkit.URL(t), Role: "postgres", MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close() }()
	for later := range 3 {
		err := k.DB.Tx(ctx, func(ctx context.Context) (err error) {
			var pid int
			if err := k.DB.In(ctx).Raw(`SELECT pg_backend_pid()`).Scan(&pid).Error; err != nil {
				return err
			}
			if _, err := owner.Pgx().Exec(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid); err != nil {
				return err
			}
			for range later {
				err = k.DB.In(ctx).Exec(`SELECT 1`).Error
			}
			return err
		})
		if !errors.Is(err, fault.ErrUnavailable) {
			t.Errorf("after %d statements more: %v", later, err)
		}
	}
}
