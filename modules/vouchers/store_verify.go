package vouchers

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

const differencesMost = 1000

// verify finds rows that disagree inside this module.
func (s store) verify(ctx context.Context) (list []ledger.Difference, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT p.tenant_id AS tenant, 'completed-purchase-has-its-lot' AS "check", 'purchase ' || p.id AS object,
			CASE p.state WHEN 'completed' THEN p.amount || ' = ' || p.paid || ' + ' || p.subsidy ELSE 'no lot' END AS want,
			coalesce(l.face || ' = ' || l.paid || ' + ' || l.subsidy, 'no lot') AS got
		FROM vouchers.purchases p
		LEFT JOIN vouchers.lots l ON l.tenant_id = p.tenant_id AND l.purchase_id = p.id
		WHERE p.tenant_id = ? AND CASE p.state
			WHEN 'completed' THEN (l.wallet_id, l.face, l.paid, l.subsidy) IS DISTINCT FROM (p.wallet_id, p.amount, p.paid, p.subsidy)
			ELSE l.face IS NOT NULL END
		UNION ALL
		SELECT c.tenant_id, 'correction-has-its-lot', 'correction ' || c.id,
			CASE WHEN c.takes THEN 'no lot' ELSE c.amount || ' in ' || c.wallet_id END, coalesce(l.face || ' in ' || l.wallet_id, 'no lot')
		FROM vouchers.corrections c
		LEFT JOIN vouchers.lots l ON l.tenant_id = c.tenant_id AND l.correction_id = c.id
		WHERE c.tenant_id = ? AND CASE WHEN c.takes THEN l.face IS NOT NULL ELSE (l.wallet_id, l.face) IS DISTINCT FROM (c.wallet_id, c.amount) END
		UNION ALL
		SELECT w.tenant_id, 'wallet-counts-its-lots', 'wallet ' || w.id, w.lots::text, count(l.seq) || ' up to ' || coalesce(max(l.seq), 0)
		FROM vouchers.wallets w
		LEFT JOIN vouchers.lots l ON l.tenant_id = w.tenant_id AND l.wallet_id = w.id
		WHERE w.tenant_id = ? GROUP BY w.tenant_id, w.id, w.lots
		HAVING w.lots <> count(l.seq) OR w.lots <> coalesce(max(l.seq), 0)
		LIMIT ?`, tenant.From(ctx), tenant.From(ctx), tenant.From(ctx), differencesMost).Scan(&list).Error
	return list, err
}

// claims lists what purchases say of their entries, in the order of the entries' ids.
func (s store) claims(ctx context.Context, after uuid.UUID, limit int) ([]ledger.Claim, error) {
	return s.readClaims(ctx, fmt.Sprintf(`
		SELECT * FROM (
			(SELECT reserve_entry_id AS entry_id, 'purchase ' || id, '%[1]s', subsidy, '%[4]s'::uuid FROM vouchers.purchases
			 WHERE tenant_id = $1 AND reserve_entry_id > $2 ORDER BY reserve_entry_id LIMIT $3)
			UNION ALL
			(SELECT settle_entry_id, 'purchase ' || id, CASE state WHEN 'completed' THEN '%[2]s' ELSE '%[3]s' END,
				CASE state WHEN 'completed' THEN amount ELSE subsidy END, coalesce(reserve_entry_id, '%[4]s') FROM vouchers.purchases
			 WHERE tenant_id = $1 AND settle_entry_id > $2 ORDER BY settle_entry_id LIMIT $3)
		) c ORDER BY entry_id LIMIT $3`, ledger.PurchaseReserved, ledger.PurchaseCompleted, ledger.PurchaseReleased, uuid.Nil),
		tenant.From(ctx), after, limit)
}

// readClaims reads a page of claims: entry, object, kind, amount and what it answers.
func (s store) readClaims(ctx context.Context, sql string, args ...any) (list []ledger.Claim, err error) {
	rows, err := s.db.SQL(ctx).QueryContext(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c ledger.Claim
		if err := rows.Scan(&c.EntryID, &c.Object, &c.Kind, &c.Amount, &c.Answers); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// walletFaces is what was put into a wallet in all.
type walletFaces struct {
	ID   uuid.UUID
	Face money.Amount
}

func (s store) faces(ctx context.Context, after uuid.UUID, limit int) (list []walletFaces, err error) {
	err = s.db.In(ctx).Raw(`
		SELECT w.id, coalesce(sum(l.face), 0) AS face
		FROM (SELECT id FROM vouchers.wallets WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?) w
		LEFT JOIN vouchers.lots l ON l.tenant_id = ? AND l.wallet_id = w.id
		GROUP BY w.id ORDER BY w.id`, tenant.From(ctx), after, limit, tenant.From(ctx)).Scan(&list).Error
	return list, err
}

// eachClaim hands over what purchases say of their entries.
func (s store) eachClaim(ctx context.Context, claim func(ledger.Claim)) error {
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT reserve_entry_id, settle_entry_id, state, amount, subsidy FROM vouchers.purchases WHERE tenant_id = %d`,
		tenant.From(ctx)), nil, func(columns [][]byte) error {
		var reserved uuid.UUID
		amount, subsidy := money.Amount(db.Int64(columns[3])), money.Amount(db.Int64(columns[4]))
		if columns[0] != nil {
			reserved = uuid.UUID(columns[0])
			claim(ledger.Claim{EntryID: reserved, Kind: ledger.PurchaseReserved, Amount: subsidy})
		}
		if columns[1] != nil {
			c := ledger.Claim{EntryID: uuid.UUID(columns[1]), Kind: ledger.PurchaseReleased, Amount: subsidy, Answers: reserved}
			if State(columns[2]) == Completed {
				c.Kind, c.Amount = ledger.PurchaseCompleted, amount
			}
			claim(c)
		}
		return nil
	})
}

// weighLots puts what was put into each wallet on the scale, and one more for
// the wallet itself.
func (s store) weighLots(ctx context.Context, scale *ledger.Scale) error {
	err := s.db.Stream(ctx, fmt.Sprintf(`SELECT id FROM vouchers.wallets WHERE tenant_id = %d`, tenant.From(ctx)), nil, func(columns [][]byte) error {
		scale.Add(uuid.UUID(columns[0]), 1)
		return nil
	})
	if err != nil {
		return err
	}
	return s.db.Stream(ctx, fmt.Sprintf(`SELECT wallet_id, face FROM vouchers.lots WHERE tenant_id = %d`, tenant.From(ctx)), nil, func(columns [][]byte) error {
		scale.Add(uuid.UUID(columns[0]), money.Amount(db.Int64(columns[1])))
		return nil
	})
}
