package bench

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/tenant"
)

// history is one municipality's citizens and what they paid before.
type history struct {
	tenant          tenant.ID
	programme, fund uuid.UUID
	shops, payables []uuid.UUID
	citizens        int
	months          int
	now             time.Time
}

// write makes it in a few statements: a wallet filled by one entry for each
// citizen, and payments spread evenly over the days before today. What it makes
// obeys verify.
func (h history) write(ctx context.Context, owner *pgx.Conn) error {
	payments := h.months * paymentsAMonth
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		for _, s := range []struct {
			sql  string
			args []any
		}{
			{`CREATE TEMP TABLE people ON COMMIT DROP AS
				SELECT gen_random_uuid() AS citizen, uuid_in(overlay(md5(random()::text || n) placing '7' from 13)::cstring) AS wallet,
					uuid_in(overlay(md5(random()::text || n || 'e') placing '7' from 13)::cstring) AS entry FROM generate_series(1, $1::int) n`, []any{h.citizens}},
			{`INSERT INTO ledger.accounts (tenant_id, id, kind, owner_id, guarded, balance, spent, opened_at)
				SELECT $1::int, wallet, 'wallet', citizen, true, $2::bigint - $3::bigint * 1000, $3::bigint * 1000, $4::timestamptz FROM people`,
				[]any{h.tenant, filled, payments, h.now}},
			{`INSERT INTO vouchers.wallets (tenant_id, id, citizen_id, programme_id, lots, opened_at)
				SELECT $1::int, wallet, citizen, $2::uuid, 1, $3::timestamptz FROM people`, []any{h.tenant, h.programme, h.now}},
			{`INSERT INTO vouchers.memberships (citizen_id, wallet_id, tenant_id) SELECT citizen, wallet, $1::int FROM people`, []any{h.tenant}},
			{`INSERT INTO vouchers.lots (tenant_id, wallet_id, seq, face, paid, subsidy, issued_at, expires_at)
				SELECT $1::int, wallet, 1, $2::bigint, $2::bigint, 0, $3::timestamptz, $3::timestamptz + interval '5 years' FROM people`, []any{h.tenant, filled, h.now}},
			{`INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
				SELECT $1::int, entry, 'correction', $3::timestamptz, ($3::timestamptz AT TIME ZONE 'Asia/Seoul')::date, $2::bigint FROM people`, []any{h.tenant, filled, h.now}},
			{`INSERT INTO ledger.transfers (tenant_id, entry_id, line, debit_id, credit_id, amount, day)
				SELECT $1::int, entry, 0, $4::uuid, wallet, $2::bigint, ($3::timestamptz AT TIME ZONE 'Asia/Seoul')::date FROM people`, []any{h.tenant, filled, h.now, h.fund}},
			{`CREATE TEMP TABLE past ON COMMIT DROP AS
				SELECT citizen, wallet, at, (at AT TIME ZONE 'Asia/Seoul')::date AS day, ($2::uuid[])[1 + k] AS shop, ($3::uuid[])[1 + k] AS payable,
					uuid_in((lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text || m), 1, 3) || '8' || substr(md5(random()::text || m || 'x'), 1, 15))::cstring) AS id
				FROM (SELECT citizen, wallet, m, $4::timestamptz - interval '1 day' * $5::int * 30 * (m::float / ($1::int + 1)) AS at,
						(hashtext(wallet::text || m) & 2147483647) % array_length($2::uuid[], 1) AS k
					FROM people, generate_series(1, $1::int) m) x`, []any{payments, h.shops, h.payables, h.now, h.months}},
			{`INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount) SELECT $1::int, id, 'payment', at, day, 1000 FROM past ORDER BY id`, []any{h.tenant}},
			{`INSERT INTO ledger.transfers (tenant_id, entry_id, line, debit_id, credit_id, amount, day)
				SELECT $1::int, id, 0, wallet, payable, 1000, day FROM past ORDER BY id`, []any{h.tenant}},
			{`INSERT INTO payments.payments (tenant_id, id, citizen_id, wallet_id, programme_id, merchant_id, amount, balance_after, method, policy_version, at, day)
				SELECT $1::int, id, citizen, wallet, $2::uuid, shop, 1000, 0, 'static-qr', 1, at, day FROM past ORDER BY id`, []any{h.tenant, h.programme}},
		} {
			if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// linkCard gives a citizen a card of the issuer that is played.
func linkCard(ctx context.Context, owner *pgx.Conn, citizen uuid.UUID, token string, now time.Time) error {
	_, err := owner.Exec(ctx, `INSERT INTO cards.links (id, citizen_id, issuer, token, product, name, state, main, linked_at, changed_at)
		VALUES ($1, $2, $3, $4, '', 'card', 'active', true, $5, $5)`, uuid.Must(uuid.NewV7()), citizen, cardIssuer, token, now)
	return err
}

// placeTerminals puts one terminal into each shop.
func placeTerminals(ctx context.Context, owner *pgx.Conn, id tenant.ID, shops []uuid.UUID, now time.Time) error {
	for i, shop := range shops {
		_, err := owner.Exec(ctx, `INSERT INTO cards.terminals (issuer, merchant_number, terminal, tenant_id, merchant_id, mapped_at)
			VALUES ($1, $2, $3, $4, $5, $6)`, cardIssuer, merchantNumber(id, i), terminalOf(i), id, shop, now)
		if err != nil {
			return err
		}
	}
	return nil
}
