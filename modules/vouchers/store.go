package vouchers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

type store struct{ db, lane *db.DB }

// A citizen has a wallet in at most so many programmes, far more than anybody has.
const walletsMost = 1000

func (s store) members(ctx context.Context, id tenant.ID, after uuid.UUID, limit int) (citizens []uuid.UUID, err error) {
	err = s.db.In(ctx).Raw(`SELECT DISTINCT citizen_id FROM vouchers.memberships WHERE tenant_id = ? AND citizen_id > ? ORDER BY citizen_id LIMIT ?`,
		id, after, limit).Scan(&citizens).Error
	return citizens, err
}

func (s store) tenantOf(ctx context.Context, citizen, wallet uuid.UUID) (tenant.ID, error) {
	var found []tenant.ID
	err := s.db.In(ctx).Raw(`SELECT tenant_id FROM vouchers.memberships WHERE citizen_id = ? AND wallet_id = ?`,
		citizen, wallet).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return 0, firstOf(err, ErrWalletUnknown)
	}
	return found[0], nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

const walletColumns = `tenant_id, id, citizen_id, programme_id, opened_at`

// walletRow leaves out what other places know of a wallet.
type walletRow struct {
	TenantID    tenant.ID
	ID          uuid.UUID
	CitizenID   uuid.UUID
	ProgrammeID uuid.UUID
	OpenedAt    time.Time
}

func (r walletRow) wallet() Wallet {
	return Wallet{TenantID: r.TenantID, ID: r.ID, CitizenID: r.CitizenID, ProgrammeID: r.ProgrammeID, OpenedAt: r.OpenedAt}
}

func (s store) wallet(ctx context.Context, id uuid.UUID) (Wallet, error) {
	var rows []walletRow
	err := s.db.In(ctx).Raw(`SELECT `+walletColumns+` FROM vouchers.wallets WHERE tenant_id = ? AND id = ?`,
		tenant.From(ctx), id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return Wallet{}, firstOf(err, ErrWalletUnknown)
	}
	return rows[0].wallet(), nil
}

// lockWallet holds a wallet's row until the end of the transaction.
func (s store) lockWallet(ctx context.Context, citizen, programme uuid.UUID) (Wallet, bool, error) {
	var rows []walletRow
	err := s.db.In(ctx).Raw(`SELECT `+walletColumns+` FROM vouchers.wallets
		WHERE tenant_id = ? AND citizen_id = ? AND programme_id = ? FOR NO KEY UPDATE`,
		tenant.From(ctx), citizen, programme).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return Wallet{}, false, err
	}
	return rows[0].wallet(), true, nil
}

// lockOpening lets one transaction at a time open a citizen's wallet: there is
// no row yet that could be locked.
func (s store) lockOpening(ctx context.Context, citizen, programme uuid.UUID) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(72620, hashtext(?))`, citizen.String()+programme.String()).Error
}

// lockWallets adds those of the named wallets that exist, and holds their rows.
func (s store) lockWallets(ctx context.Context, keys []walletKey, found map[walletKey]*countedWallet) error {
	citizens, programmes := make([]uuid.UUID, len(keys)), make([]uuid.UUID, len(keys))
	for i, k := range keys {
		citizens[i], programmes[i] = k.citizen, k.programme
	}
	rows, err := s.db.SQL(ctx).QueryContext(ctx, `
		SELECT w.citizen_id, w.programme_id, w.id, w.lots FROM vouchers.wallets w
		WHERE w.tenant_id = $1 AND (w.citizen_id, w.programme_id) IN (SELECT * FROM unnest($2::uuid[], $3::uuid[]))
		ORDER BY w.id FOR NO KEY UPDATE OF w`, tenant.From(ctx), citizens, programmes)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k walletKey
		w := &countedWallet{}
		if err := rows.Scan(&k.citizen, &k.programme, &w.ID, &w.Lots); err != nil {
			return err
		}
		found[k] = w
	}
	return rows.Err()
}

// setLots keeps how many lots wallets have.
func (s store) setLots(ctx context.Context, wallets map[walletKey]*countedWallet) error {
	ids, lots := make([]uuid.UUID, 0, len(wallets)), make([]int32, 0, len(wallets))
	for _, w := range wallets {
		ids, lots = append(ids, w.ID), append(lots, int32(w.Lots))
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		UPDATE vouchers.wallets w SET lots = c.lots FROM unnest($2::uuid[], $3::integer[]) AS c (id, lots)
		WHERE w.tenant_id = $1 AND w.id = c.id`, tenant.From(ctx), ids, lots)
	return err
}

// insertWallets keeps wallets and where their citizens find them.
func (s store) insertWallets(ctx context.Context, wallets []Wallet) error {
	n := len(wallets)
	ids, citizens, programmes, opened := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n), make([]time.Time, n)
	for i, w := range wallets {
		ids[i], citizens[i], programmes[i], opened[i] = w.ID, w.CitizenID, w.ProgrammeID, w.OpenedAt
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO vouchers.wallets (tenant_id, id, citizen_id, programme_id, opened_at)
		SELECT $1, id, citizen_id, programme_id, opened_at
		FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[]) AS w (id, citizen_id, programme_id, opened_at)`,
		tenant.From(ctx), ids, citizens, programmes, opened)
	if err != nil {
		return err
	}
	_, err = s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO vouchers.memberships (citizen_id, wallet_id, tenant_id)
		SELECT citizen_id, wallet_id, $1 FROM unnest($2::uuid[], $3::uuid[]) AS m (citizen_id, wallet_id)`,
		tenant.From(ctx), citizens, ids)
	return err
}

// nextLot counts a wallet's lots up.
func (s store) nextLot(ctx context.Context, wallet uuid.UUID) (seq int, err error) {
	err = s.db.SQL(ctx).QueryRowContext(ctx, `
		UPDATE vouchers.wallets SET lots = lots + 1 WHERE tenant_id = $1 AND id = $2 RETURNING lots`,
		tenant.From(ctx), wallet).Scan(&seq)
	return seq, err
}

func (s store) insertLots(ctx context.Context, lots []Lot) error {
	n := len(lots)
	wallets, seqs, purchases, corrections := make([]uuid.UUID, n), make([]int32, n), make([]*uuid.UUID, n), make([]*uuid.UUID, n)
	faces, paids, subsidies := make([]int64, n), make([]int64, n), make([]int64, n)
	issued, expires := make([]time.Time, n), make([]time.Time, n)
	for i, l := range lots {
		wallets[i], seqs[i], purchases[i], corrections[i] = l.WalletID, int32(l.Seq), l.PurchaseID, l.CorrectionID
		faces[i], paids[i], subsidies[i] = int64(l.Face), int64(l.Paid), int64(l.Subsidy)
		issued[i], expires[i] = l.IssuedAt, l.ExpiresAt
	}
	_, err := s.db.SQL(ctx).ExecContext(ctx, `
		INSERT INTO vouchers.lots (tenant_id, wallet_id, seq, purchase_id, correction_id, face, paid, subsidy, issued_at, expires_at)
		SELECT $1, l.* FROM unnest($2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::timestamptz[], $10::timestamptz[]) AS l`,
		tenant.From(ctx), wallets, seqs, purchases, corrections, faces, paids, subsidies, issued, expires)
	return err
}

type lotRow struct {
	WalletID     uuid.UUID
	Seq          int
	PurchaseID   *uuid.UUID
	CorrectionID *uuid.UUID
	Face         money.Amount
	Paid         money.Amount
	Subsidy      money.Amount
	IssuedAt     time.Time
	ExpiresAt    time.Time
	Remaining    money.Amount
}

type lotFilter struct {
	after   int  // the last seq of the page before
	unspent bool // only those with something left
	limit   int
}

// lots reads a wallet's lots in the order in which they are spent. What is left
// of each follows from what the wallet has spent in all: through is the sum of
// the faces up to and with a lot.
func (s store) lots(ctx context.Context, wallet uuid.UUID, spent money.Amount, f lotFilter) ([]Lot, error) {
	var rows []lotRow
	err := s.db.In(ctx).Raw(`
		SELECT * FROM (
			SELECT l.*, least(face, greatest(0, through - ?)) AS remaining
			FROM (SELECT wallet_id, seq, purchase_id, correction_id, face, paid, subsidy, issued_at, expires_at,
					sum(face) OVER (ORDER BY seq) AS through
				FROM vouchers.lots WHERE tenant_id = ? AND wallet_id = ?) l
		) r WHERE seq > ? AND (remaining > 0 OR NOT ?) ORDER BY seq LIMIT ?`,
		spent, tenant.From(ctx), wallet, f.after, f.unspent, f.limit).Scan(&rows).Error
	lots := make([]Lot, len(rows))
	for i, r := range rows {
		lots[i] = Lot(r)
	}
	return lots, err
}

// lotOf reads the lot of a completed purchase; what is left of it was not asked.
func (s store) lotOf(ctx context.Context, purchase uuid.UUID) (lot Lot, err error) {
	var row lotRow
	err = s.db.In(ctx).Raw(`SELECT wallet_id, seq, purchase_id, correction_id, face, paid, subsidy, issued_at, expires_at, face AS remaining
		FROM vouchers.lots WHERE tenant_id = ? AND purchase_id = ?`, tenant.From(ctx), purchase).Scan(&row).Error
	return Lot(row), err
}
