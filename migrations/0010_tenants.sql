-- +goose Up
CREATE SCHEMA tenants;

-- The municipalities that can issue a voucher, platform-wide: small, rarely
-- written, and in the memory of every server. The id is the MOIS code.
CREATE TABLE tenants.tenants (
    id              integer     PRIMARY KEY CHECK (id BETWEEN 10000 AND 99999),
    sido            text        NOT NULL,
    name            text        NOT NULL,
    name_en         text        NOT NULL,
    kind            text        NOT NULL,
    live            boolean     NOT NULL DEFAULT false,
    accent          smallint    NOT NULL DEFAULT 1 CHECK (accent BETWEEN 1 AND 12),
    voucher_name    text        NOT NULL DEFAULT '' CHECK (length(voucher_name) <= 40),
    voucher_name_en text        NOT NULL DEFAULT '' CHECK (length(voucher_name_en) <= 60),
    -- QR sales are paid within two business days.
    settlement_days smallint    NOT NULL DEFAULT 1 CHECK (settlement_days BETWEEN 1 AND 2),
    departments     jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(departments) <= 20),
    contact         text        NOT NULL DEFAULT '' CHECK (length(contact) <= 40),
    homepage        text        NOT NULL DEFAULT '' CHECK (length(homepage) <= 200),
    -- The municipality's own account, where members' money is kept apart.
    fund_account    text        NOT NULL DEFAULT '' CHECK (fund_account ~ '^([0-9]{8,16})?$'),
    updated_at      timestamptz NOT NULL,
    CONSTRAINT live_can_work CHECK (NOT live OR (voucher_name <> '' AND voucher_name_en <> '' AND fund_account <> ''))
);
CALL app.share('tenants.tenants', 'SELECT, INSERT, UPDATE');
