package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/testkit"
)

// The logs can be written and read, and nothing else, whoever the program's
// own login is made to ask.
func TestTheLogsCannotBeChanged(t *testing.T) {
	t.Parallel()
	k, ctx := testkit.Open(t)
	me := auth.With(ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "김주무", Tenant: k.Tenant})
	err := k.DB.Tx(me, func(ctx context.Context) error {
		if err := k.Audit.Changed(ctx, audit.Change{Action: "merchant.closed", Object: "merchant", ObjectID: "1"}); err != nil {
			return err
		}
		return k.Audit.Seen(ctx, audit.Access{Subject: "citizen", SubjectID: uuid.New(), Did: "citizen.personal", Reason: "민원 처리"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Audit.Review(me, "2026-10", "이상 없음"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, testkit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for table, column := range map[string]string{"app.audit_log": "reason", "app.access_log": "reason", "app.access_reviews": "remark"} {
		for _, role := range []string{"jangteo_service", "jangteo_lane"} {
			for _, statement := range []string{"UPDATE " + table + " SET " + column + " = 'x'", "DELETE FROM " + table, "TRUNCATE " + table} {
				err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL app.tenant_id = '%d'; SET LOCAL ROLE %s", k.Tenant, role))
					if err == nil {
						_, err = tx.Exec(ctx, statement)
					}
					return err
				})
				if err == nil || !strings.Contains(err.Error(), "permission denied") {
					t.Errorf("%s as %s: %v", statement, role, err)
				}
			}
		}
	}
}

func TestMonthlyReviews(t *testing.T) {
	t.Parallel()
	k, ctx := testkit.Open(t)
	me := auth.With(ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "박과장", Tenant: k.Tenant})
	look := func(at time.Time) {
		t.Helper()
		k.Clock.Set(at)
		err := k.DB.Tx(me, func(ctx context.Context) error {
			return k.Audit.Seen(ctx, audit.Access{Subject: "citizen", SubjectID: uuid.New(), Did: "citizen.personal", Reason: "민원 처리"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	seoul := time.FixedZone("KST", 9*60*60)
	look(time.Date(2026, 9, 30, 23, 59, 0, 0, seoul))
	look(time.Date(2026, 10, 1, 0, 1, 0, 0, seoul))
	look(time.Date(2026, 10, 31, 12, 0, 0, 0, seoul))
	look(time.Date(2026, 11, 18, 12, 0, 0, 0, seoul))
	months, err := k.Audit.Months(me)
	if err != nil || len(months) != 3 {
		t.Fatalf("%+v, %v", months, err)
	}
	for i, want := range []struct {
		month   string
		looks   int
		overdue bool
		open    bool
	}{{"2026-11", 1, false, false}, {"2026-10", 2, true, true}, {"2026-09", 1, true, true}} {
		if m := months[i]; m.Month != want.month || m.Looks != want.looks || m.Overdue != want.overdue || m.Open != want.open {
			t.Errorf("%+v, want %+v", m, want)
		}
	}
	for month, remark := range map[string]string{"2026-11": "이상 없음", "2026-13": "이상 없음", "october": "이상 없음", "2026-10": "", "2026-12": "이상 없음"} {
		if err := k.Audit.Review(me, month, remark); err == nil {
			t.Errorf("%s was reviewed with %q", month, remark)
		}
	}
	if err := k.Audit.Review(me, "2026-10", "2건 확인, 이상 없음"); err != nil {
		t.Fatal(err)
	}
	if err := k.Audit.Review(me, "2026-10", "다시"); err == nil {
		t.Error("a month was reviewed twice")
	}
	months, _ = k.Audit.Months(me)
	if m := months[1]; m.Overdue || m.Open || m.ReviewerName != "박과장" || m.Remark != "2건 확인, 이상 없음" {
		t.Errorf("after it: %+v", m)
	}
	other, elsewhere := testkit.Open(t)
	if months, err := other.Audit.Months(auth.With(elsewhere, auth.From(me))); err != nil || len(months) != 0 {
		t.Errorf("a neighbour sees %+v, %v", months, err)
	}
}
