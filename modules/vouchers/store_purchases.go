package vouchers

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
)

const purchaseColumns = `tenant_id, id, citizen_id, wallet_id, programme_id, policy_version, clause, amount, paid, subsidy,
	state, failure, bank_account_id, transfer_id, reserve_entry_id, settle_entry_id, requested_at, settled_at`

type purchaseRow struct {
	TenantID       tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID             uuid.UUID `gorm:"primaryKey"`
	CitizenID      uuid.UUID
	WalletID       uuid.UUID
	ProgrammeID    uuid.UUID
	PolicyVersion  int
	Clause         string
	Amount         money.Amount
	Paid           money.Amount
	Subsidy        money.Amount
	State          State
	Failure        string
	BankAccountID  *uuid.UUID
	TransferID     *uuid.UUID
	ReserveEntryID *uuid.UUID
	SettleEntryID  *uuid.UUID
	RequestedAt    time.Time
	SettledAt      *time.Time
}

func (purchaseRow) TableName() string { return "vouchers.purchases" }

func rowOf(p Purchase) purchaseRow {
	return purchaseRow{
		p.TenantID, p.ID, p.CitizenID, p.WalletID, p.ProgrammeID, p.PolicyVersion, p.Clause, p.Amount, p.Paid, p.Subsidy,
		p.State, p.Failure, p.BankAccountID, p.TransferID, p.ReserveEntry, p.SettleEntry, p.RequestedAt, p.SettledAt,
	}
}

func (r purchaseRow) purchase() Purchase {
	return Purchase{
		r.TenantID, r.ID, r.CitizenID, r.WalletID, r.ProgrammeID, r.PolicyVersion, r.Clause, r.Amount, r.Paid, r.Subsidy,
		r.State, r.Failure, r.BankAccountID, r.TransferID, r.ReserveEntryID, r.SettleEntryID, r.RequestedAt, r.SettledAt, nil,
	}
}

func (s store) insertPurchase(ctx context.Context, p Purchase) error {
	row := rowOf(p)
	return s.db.In(ctx).Create(&row).Error
}

// insertPurchases keeps many, in steps that stay below what one statement may hold.
func (s store) insertPurchases(ctx context.Context, purchases []Purchase) error {
	const atATime = 1000
	rows := make([]purchaseRow, len(purchases))
	for i, p := range purchases {
		rows[i] = rowOf(p)
	}
	return s.db.In(ctx).CreateInBatches(&rows, atATime).Error
}

func (s store) purchase(ctx context.Context, id uuid.UUID) (Purchase, error) {
	return s.takePurchase(ctx, id, "")
}

// lockPurchase reads a purchase for update, so that it is settled once.
func (s store) lockPurchase(ctx context.Context, id uuid.UUID) (Purchase, error) {
	return s.takePurchase(ctx, id, " FOR NO KEY UPDATE")
}

func (s store) takePurchase(ctx context.Context, id uuid.UUID, lock string) (Purchase, error) {
	var rows []purchaseRow
	err := s.db.In(ctx).Raw(`SELECT `+purchaseColumns+` FROM vouchers.purchases WHERE tenant_id = ? AND id = ?`+lock,
		tenant.From(ctx), id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return Purchase{}, firstOf(err, ErrPurchaseUnknown)
	}
	return rows[0].purchase(), nil
}

func (s store) settlePurchase(ctx context.Context, p Purchase) error {
	return s.db.In(ctx).Exec(`UPDATE vouchers.purchases SET state = ?, failure = ?, settle_entry_id = ?, settled_at = ?
		WHERE tenant_id = ? AND id = ?`, p.State, p.Failure, p.SettleEntry, p.SettledAt, tenant.From(ctx), p.ID).Error
}

func (s store) markPending(ctx context.Context, id uuid.UUID) error {
	return s.db.In(ctx).Exec(`UPDATE vouchers.purchases SET state = 'pending'
		WHERE tenant_id = ? AND id = ? AND state = 'requested'`, tenant.From(ctx), id).Error
}

func (s store) markPendingBefore(ctx context.Context, before time.Time) (int64, error) {
	tx := s.db.In(ctx).Exec(`UPDATE vouchers.purchases SET state = 'pending'
		WHERE tenant_id = ? AND settled_at IS NULL AND state = 'requested' AND requested_at < ?`, tenant.From(ctx), before)
	return tx.RowsAffected, tx.Error
}

// tenantsWithRequested finds whose purchases were interrupted; the index holds
// only those under way.
func (s store) tenantsWithRequested(ctx context.Context, before time.Time) (ids []tenant.ID, err error) {
	err = s.lane.Platform(ctx, func(ctx context.Context) error {
		return s.lane.In(ctx).Raw(`SELECT DISTINCT tenant_id FROM vouchers.purchases
			WHERE settled_at IS NULL AND state = 'requested' AND requested_at < ? ORDER BY tenant_id LIMIT 1000`, before).Scan(&ids).Error
	})
	return ids, err
}

// bought sums what was bought into a wallet since a moment, and what is still
// under way, whenever it began. Failed purchases count for nothing.
func (s store) bought(ctx context.Context, wallet uuid.UUID, since time.Time) (sum, underWay money.Amount, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `
		SELECT coalesce((SELECT sum(amount) FROM vouchers.purchases
				WHERE tenant_id = $1 AND wallet_id = $2 AND requested_at >= $3 AND state <> 'failed'), 0),
			coalesce((SELECT sum(amount) FROM vouchers.purchases
				WHERE tenant_id = $1 AND wallet_id = $2 AND settled_at IS NULL), 0)`,
		tenant.From(ctx), wallet, since).Scan(&sum, &underWay)
	return sum, underWay, err
}

func (s store) purchases(ctx context.Context, f PurchaseFilter) ([]Purchase, error) {
	where, values := []string{"tenant_id = ?"}, []any{tenant.From(ctx)}
	and := func(given bool, condition string, value any) {
		if given {
			where, values = append(where, condition), append(values, value)
		}
	}
	and(f.Citizen != uuid.Nil, "citizen_id = ?", f.Citizen)
	and(f.Wallet != uuid.Nil, "wallet_id = ?", f.Wallet)
	and(f.Programme != uuid.Nil, "programme_id = ?", f.Programme)
	and(f.State != "", "state = ?", f.State)
	and(!f.From.IsZero(), "requested_at >= ?", f.From)
	and(!f.To.IsZero(), "requested_at < ?", f.To)
	and(f.Before != uuid.Nil, "id < ?", f.Before)
	var rows []purchaseRow
	err := s.db.In(ctx).Raw(`SELECT `+purchaseColumns+` FROM vouchers.purchases WHERE `+strings.Join(where, " AND ")+
		` ORDER BY id DESC LIMIT ?`, append(values, f.limit())...).Scan(&rows).Error
	list := make([]Purchase, len(rows))
	for i, r := range rows {
		list[i] = r.purchase()
	}
	return list, err
}

func (s store) issue(ctx context.Context, from, to time.Time) (i Issue, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `
		SELECT count(*), coalesce(sum(amount), 0), coalesce(sum(paid), 0), coalesce(sum(subsidy), 0)
		FROM vouchers.purchases WHERE tenant_id = $1 AND state = 'completed' AND settled_at >= $2 AND settled_at < $3`,
		tenant.From(ctx), from, to).Scan(&i.Count, &i.Amount, &i.Paid, &i.Subsidy)
	return i, err
}
