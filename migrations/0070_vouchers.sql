-- +goose Up
CREATE SCHEMA vouchers;

-- A voucher product of a municipality.
CREATE TABLE vouchers.programmes (
    tenant_id  integer     NOT NULL,
    id         uuid        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('discount', 'cashback', 'allowance')),
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    name_en    text        NOT NULL CHECK (length(name_en) BETWEEN 1 AND 80),
    opens_at   timestamptz NOT NULL, -- buying; what was bought is spent until it expires
    closes_at  timestamptz CHECK (closes_at > opens_at),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CALL app.guard('vouchers.programmes', 'SELECT, INSERT, UPDATE (closes_at)');
CALL app.lane('vouchers.programmes', 'SELECT');

-- The rules of a programme, version after version. A version is never changed:
-- purchases and refusals name it. In force is the newest that has begun and
-- has not ended.
CREATE TABLE vouchers.policies (
    tenant_id              integer     NOT NULL,
    programme_id           uuid        NOT NULL,
    version                integer     NOT NULL CHECK (version >= 1),
    clause                 text        NOT NULL CHECK (length(clause) BETWEEN 2 AND 120), -- of the ordinance that it rests on
    effective_from         timestamptz NOT NULL,
    effective_to           timestamptz CHECK (effective_to > effective_from),
    author                 text        NOT NULL CHECK (length(author) BETWEEN 1 AND 60),
    discount_bp            integer     NOT NULL CHECK (discount_bp BETWEEN 0 AND 5000),
    purchase_min           bigint      NOT NULL CHECK (purchase_min > 0),
    purchase_step          bigint      NOT NULL CHECK (purchase_step > 0),
    -- National ceilings since June 2025: buy 2,000,000 won a month, hold
    -- 2,000,000 won. Each municipality picks its own below these.
    purchase_month_max     bigint      NOT NULL CHECK (purchase_month_max BETWEEN 1 AND 2000000),
    hold_max               bigint      NOT NULL CHECK (hold_max BETWEEN 1 AND 2000000),
    per_payment_max        bigint      NOT NULL CHECK (per_payment_max >= 0), -- 0: none
    per_day_max            bigint      NOT NULL CHECK (per_day_max >= 0),     -- 0: none
    validity_years         smallint    NOT NULL CHECK (validity_years BETWEEN 1 AND 10),
    -- The law lets the balance be refunded once 60 to 80 % of a lot is used, as the ordinance says.
    refund_used_bp         integer     NOT NULL CHECK (refund_used_bp BETWEEN 6000 AND 8000),
    excluded_trades        jsonb       NOT NULL CHECK (jsonb_typeof(excluded_trades) = 'array'), -- 5-digit KSIC codes
    excludes_large_sellers boolean     NOT NULL, -- more than 3 billion won of yearly sales
    created_at             timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, programme_id, version),
    CHECK (purchase_min <= purchase_month_max AND purchase_min <= hold_max)
);
ALTER TABLE vouchers.policies ADD FOREIGN KEY (tenant_id, programme_id) REFERENCES vouchers.programmes (tenant_id, id);
CALL app.guard('vouchers.policies', 'SELECT, INSERT');
CALL app.lane('vouchers.policies', 'SELECT');

-- A citizen's balance in one programme. The id is that of its account in the ledger.
CREATE TABLE vouchers.wallets (
    tenant_id    integer     NOT NULL,
    id           uuid        NOT NULL,
    citizen_id   uuid        NOT NULL,
    programme_id uuid        NOT NULL,
    lots         integer     NOT NULL DEFAULT 0 CHECK (lots >= 0), -- how many there are
    opened_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, citizen_id, programme_id)
);
ALTER TABLE vouchers.wallets ADD FOREIGN KEY (tenant_id, programme_id) REFERENCES vouchers.programmes (tenant_id, id);
CALL app.guard('vouchers.wallets', 'SELECT, INSERT, UPDATE (lots)');

-- Where a citizen has wallets, platform-wide: one account for all municipalities.
CREATE TABLE vouchers.memberships (
    citizen_id uuid    NOT NULL,
    wallet_id  uuid    NOT NULL,
    tenant_id  integer NOT NULL,
    PRIMARY KEY (citizen_id, wallet_id)
);
CALL app.share('vouchers.memberships', 'SELECT, INSERT');

CREATE TABLE vouchers.purchases (
    tenant_id        integer     NOT NULL,
    id               uuid        NOT NULL,
    citizen_id       uuid        NOT NULL,
    wallet_id        uuid        NOT NULL,
    programme_id     uuid        NOT NULL,
    policy_version   integer     NOT NULL,
    clause           text        NOT NULL,
    amount           bigint      NOT NULL CHECK (amount > 0),
    paid             bigint      NOT NULL CHECK (paid > 0),
    subsidy          bigint      NOT NULL CHECK (subsidy >= 0),
    state            text        NOT NULL CHECK (state IN ('requested', 'pending', 'completed', 'failed')),
    failure          text        NOT NULL DEFAULT '' CHECK (length(failure) <= 40), -- the bank's reason
    bank_account_id  uuid,
    transfer_id      uuid, -- at the bank; null for what was imported
    reserve_entry_id uuid, -- null when there was no subsidy to reserve
    settle_entry_id  uuid, -- completed or released the reservation
    requested_at     timestamptz NOT NULL,
    settled_at       timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, reserve_entry_id), -- an entry is of one purchase
    UNIQUE (tenant_id, settle_entry_id),
    CONSTRAINT amount_adds_up   CHECK (amount = paid + subsidy),
    CONSTRAINT state_settled    CHECK ((state IN ('completed', 'failed')) = (settled_at IS NOT NULL)),
    CONSTRAINT state_completed  CHECK (state <> 'completed' OR settle_entry_id IS NOT NULL),
    CONSTRAINT state_failed     CHECK ((state = 'failed') = (failure <> '')),
    CONSTRAINT subsidy_reserved CHECK (subsidy = 0 OR transfer_id IS NULL OR reserve_entry_id IS NOT NULL)
);
ALTER TABLE vouchers.purchases ADD FOREIGN KEY (tenant_id, wallet_id) REFERENCES vouchers.wallets (tenant_id, id);
ALTER TABLE vouchers.purchases ADD FOREIGN KEY (tenant_id, programme_id, policy_version)
    REFERENCES vouchers.policies (tenant_id, programme_id, version);
CREATE INDEX purchases_of_wallet ON vouchers.purchases (tenant_id, wallet_id, requested_at);
CREATE INDEX purchases_of_citizen ON vouchers.purchases (tenant_id, citizen_id, id);
CREATE INDEX purchases_settled ON vouchers.purchases (tenant_id, settled_at) WHERE state = 'completed';
CREATE INDEX purchases_under_way ON vouchers.purchases (tenant_id, requested_at) WHERE settled_at IS NULL;
CALL app.guard('vouchers.purchases', 'SELECT, INSERT, UPDATE (state, failure, settle_entry_id, settled_at)');
CALL app.lane('vouchers.purchases', 'SELECT');

-- What was put into a wallet, and until when it is good. Immutable: what is
-- left of each follows from what the wallet has spent, first in, first out.
CREATE TABLE vouchers.lots (
    tenant_id   integer     NOT NULL,
    wallet_id   uuid        NOT NULL,
    seq         integer     NOT NULL CHECK (seq >= 1),
    purchase_id uuid,
    face        bigint      NOT NULL CHECK (face > 0),
    paid        bigint      NOT NULL CHECK (paid >= 0),
    subsidy     bigint      NOT NULL CHECK (subsidy >= 0),
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > issued_at),
    PRIMARY KEY (tenant_id, wallet_id, seq),
    UNIQUE (tenant_id, purchase_id),
    CHECK (face = paid + subsidy)
);
ALTER TABLE vouchers.lots ADD FOREIGN KEY (tenant_id, wallet_id) REFERENCES vouchers.wallets (tenant_id, id);
ALTER TABLE vouchers.lots ADD FOREIGN KEY (tenant_id, purchase_id) REFERENCES vouchers.purchases (tenant_id, id);
CALL app.guard('vouchers.lots', 'SELECT, INSERT');
