package cards

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

func (s store) terminal(ctx context.Context, issuer, merchantNumber, terminal string) (*Place, error) {
	var found []Place
	err := s.db.In(ctx).Raw(`SELECT tenant_id, merchant_id, mapped_at FROM cards.terminals
		WHERE issuer = ? AND merchant_number = ? AND terminal = ?`, issuer, merchantNumber, terminal).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func (s store) mapTerminal(ctx context.Context, m Message, merchant uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.terminals (issuer, merchant_number, terminal, tenant_id, merchant_id, mapped_at)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (issuer, merchant_number, terminal) DO UPDATE
			SET tenant_id = excluded.tenant_id, merchant_id = excluded.merchant_id, mapped_at = excluded.mapped_at`,
		m.Issuer, m.MerchantNumber, m.Terminal, tenant.From(ctx), merchant, at).Error
}

func (s store) unmapTerminal(ctx context.Context, issuer, merchantNumber, terminal string) (gone bool, err error) {
	tx := s.db.In(ctx).Exec(`DELETE FROM cards.terminals WHERE issuer = ? AND merchant_number = ? AND terminal = ? AND tenant_id = ?`,
		issuer, merchantNumber, terminal, tenant.From(ctx))
	return tx.RowsAffected == 1, tx.Error
}

func (s store) terminalsOf(ctx context.Context, merchant uuid.UUID) (list []Terminal, err error) {
	err = s.db.In(ctx).Raw(`SELECT issuer, merchant_number, terminal, merchant_id, mapped_at FROM cards.terminals
		WHERE tenant_id = ? AND merchant_id = ? ORDER BY issuer, merchant_number, terminal LIMIT 200`, tenant.From(ctx), merchant).Scan(&list).Error
	return list, err
}

// neighbours lists the shops with another terminal of the same merchant number.
func (s store) neighbours(ctx context.Context, t Stray) (ids []uuid.UUID, err error) {
	err = s.db.In(ctx).Raw(`SELECT DISTINCT merchant_id FROM cards.terminals
		WHERE issuer = ? AND merchant_number = ? AND tenant_id = ? LIMIT 5`, t.Issuer, t.MerchantNumber, tenant.From(ctx)).Scan(&ids).Error
	return ids, err
}

// tenantsOf lists where an issuer has terminals.
func (s store) tenantsOf(ctx context.Context, issuer string) (ids []tenant.ID, err error) {
	err = s.db.In(ctx).Raw(`SELECT DISTINCT tenant_id FROM cards.terminals WHERE issuer = ? ORDER BY tenant_id`, issuer).Scan(&ids).Error
	return ids, err
}

func (s store) upsertStray(ctx context.Context, t Stray) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.strays
			(tenant_id, id, issuer, merchant_number, terminal, biz_no, name, address, cause, declined, state, first_at, last_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, issuer, merchant_number, terminal) DO UPDATE SET last_at = excluded.last_at,
			declined = cards.strays.declined + excluded.declined, state = 'open',
			biz_no = CASE WHEN excluded.biz_no = '' THEN cards.strays.biz_no ELSE excluded.biz_no END,
			name = CASE WHEN excluded.name = '' THEN cards.strays.name ELSE excluded.name END,
			address = CASE WHEN excluded.address = '' THEN cards.strays.address ELSE excluded.address END`,
		t.TenantID, t.ID, t.Issuer, t.MerchantNumber, t.Terminal, t.BizNo, t.Name, t.Address, t.Cause, t.Declined, t.State, t.FirstAt, t.LastAt).Error
}

func (s store) strays(ctx context.Context, state string, limit, offset int) (list []Stray, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM cards.strays WHERE tenant_id = ? AND state = ?
		ORDER BY declined DESC, last_at DESC, id LIMIT ? OFFSET ?`, tenant.From(ctx), state, limit, offset).Scan(&list).Error
	return list, err
}

func (s store) straysOf(ctx context.Context, bizNo string) (list []Stray, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM cards.strays WHERE tenant_id = ? AND state = 'open' AND biz_no = ?
		ORDER BY last_at DESC, id LIMIT 50`, tenant.From(ctx), bizNo).Scan(&list).Error
	return list, err
}

func (s store) stray(ctx context.Context, id uuid.UUID) (t Stray, err error) {
	var found []Stray
	err = s.db.In(ctx).Raw(`SELECT * FROM cards.strays WHERE tenant_id = ? AND id = ?`, tenant.From(ctx), id).Scan(&found).Error
	if err == nil && len(found) == 0 {
		err = ErrStrayUnknown
	}
	if err != nil {
		return t, err
	}
	return found[0], nil
}

func (s store) strayMapped(ctx context.Context, m Message, merchant uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE cards.strays SET state = 'mapped', merchant_id = ?, last_at = ?
		WHERE tenant_id = ? AND issuer = ? AND merchant_number = ? AND terminal = ?`,
		merchant, at, tenant.From(ctx), m.Issuer, m.MerchantNumber, m.Terminal).Error
}

func (s store) dismissStray(ctx context.Context, id uuid.UUID, at time.Time) (done bool, err error) {
	tx := s.db.In(ctx).Exec(`UPDATE cards.strays SET state = 'dismissed', last_at = ? WHERE tenant_id = ? AND id = ? AND state = 'open'`,
		at, tenant.From(ctx), id)
	return tx.RowsAffected == 1, tx.Error
}
