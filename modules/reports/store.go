package reports

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

type store struct{ db *db.DB }

type verificationRow struct {
	TenantID    tenant.ID
	ID          uuid.UUID
	At          time.Time
	TookMs      int64
	Accounts    int64
	Entries     int64
	Transfers   int64
	Days        int64
	Payments    int64
	Purchases   int64
	Settlements int64
	Differences []byte
}

func (s store) keep(ctx context.Context, v Verification) error {
	found := v.Differences
	if found == nil {
		found = []ledger.Difference{}
	}
	differences, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`INSERT INTO reports.verifications
			(tenant_id, id, at, took_ms, accounts, entries, transfers, days, payments, purchases, settlements, differences)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb)`,
		v.Tenant, v.ID, v.At, v.Took.Milliseconds(), v.Accounts, v.Entries, v.Transfers, v.Days, v.Payments, v.Purchases, v.Settlements, string(differences)).Error
}

// want notes that the municipality in ctx is to be verified; once is enough.
func (s store) want(ctx context.Context, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO reports.verifications_wanted (asked_at, tenant_id) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		at, tenant.From(ctx)).Error
}

// wanted is since when a verification is awaited; zero when none is.
func (s store) wanted(ctx context.Context) (since time.Time, err error) {
	var found []time.Time
	err = s.db.In(ctx).Raw(`SELECT asked_at FROM reports.verifications_wanted WHERE tenant_id = ?`, tenant.From(ctx)).Scan(&found).Error
	if len(found) == 1 {
		since = found[0]
	}
	return since, err
}

// takeWanted takes whom nobody has taken, or somebody who has died since.
func (s store) takeWanted(ctx context.Context, at, diedBefore time.Time) (taken []tenant.ID, err error) {
	err = s.db.In(ctx).Raw(`UPDATE reports.verifications_wanted SET begun_at = ? WHERE begun_at IS NULL OR begun_at < ? RETURNING tenant_id`,
		at, diedBefore).Scan(&taken).Error
	return taken, err
}

func (s store) forgetWanted(ctx context.Context) error {
	return s.db.In(ctx).Exec(`DELETE FROM reports.verifications_wanted WHERE tenant_id = ?`, tenant.From(ctx)).Error
}

func (s store) verifications(ctx context.Context, limit int) (list []Verification, err error) {
	var rows []verificationRow
	err = s.db.In(ctx).Raw(`SELECT * FROM reports.verifications WHERE tenant_id = ? ORDER BY id DESC LIMIT ?`,
		tenant.From(ctx), limit).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		v := Verification{
			Tenant: r.TenantID, ID: r.ID, At: r.At, Took: time.Duration(r.TookMs) * time.Millisecond, Accounts: r.Accounts,
			Entries: r.Entries, Transfers: r.Transfers, Days: r.Days, Payments: r.Payments, Purchases: r.Purchases, Settlements: r.Settlements,
		}
		if err := json.Unmarshal(r.Differences, &v.Differences); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
