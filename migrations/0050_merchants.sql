-- +goose Up
CREATE SCHEMA merchants;

-- Shops. What tells about a person (owner, telephone, account) is sealed, with
-- a masked copy for screens. Places are whole millionths of a degree.
CREATE TABLE merchants.shops (
    tenant_id            integer     NOT NULL,
    id                   uuid        NOT NULL,
    name                 text        NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    biz_no               text        NOT NULL CHECK (biz_no ~ '^[0-9]{3}-[0-9]{2}-[0-9]{5}$'),
    trade                text        NOT NULL CHECK (trade ~ '^[0-9]{5}$'),
    address              text        NOT NULL CHECK (length(address) BETWEEN 1 AND 200),
    latitude_e6          integer     CHECK (latitude_e6 BETWEEN -90000000 AND 90000000),
    longitude_e6         integer     CHECK (longitude_e6 BETWEEN -180000000 AND 180000000),
    yearly_sales_over_3bn boolean    NOT NULL,
    owner_sealed         bytea       NOT NULL,
    owner_masked         text        NOT NULL,
    phone_sealed         bytea       NOT NULL,
    phone_masked         text        NOT NULL,
    payable_id           uuid        NOT NULL,
    payout_bank          text        NOT NULL CHECK (payout_bank ~ '^[0-9]{3}$'),
    payout_sealed        bytea       NOT NULL,
    payout_masked        text        NOT NULL,
    holder_sealed        bytea       NOT NULL,
    holder_masked        text        NOT NULL,
    state                text        NOT NULL CHECK (state IN ('applied', 'approved', 'suspended', 'closed')),
    state_reason         text        NOT NULL DEFAULT '' CHECK (length(state_reason) <= 500),
    applied_at           timestamptz NOT NULL,
    decided_at           timestamptz,
    decided_by           uuid,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, payable_id),
    CONSTRAINT place_whole   CHECK ((latitude_e6 IS NULL) = (longitude_e6 IS NULL)),
    CONSTRAINT state_decided CHECK ((state = 'applied') = (decided_at IS NULL))
);
-- A business is registered once; after its shop closed it may come back.
CREATE UNIQUE INDEX shops_biz_no ON merchants.shops (tenant_id, biz_no) WHERE state <> 'closed';
CREATE INDEX shops_by_name ON merchants.shops (tenant_id, name, id);
CREATE INDEX shops_by_trade ON merchants.shops (tenant_id, trade, name, id);
CALL app.guard('merchants.shops', 'SELECT, INSERT, UPDATE');

-- Which shops changed lately, platform-wide, so that every server can drop them
-- from its memory. Rows go after an hour.
CREATE TABLE merchants.changes (
    id          uuid        PRIMARY KEY,
    tenant_id   integer     NOT NULL,
    merchant_id uuid        NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX changes_at ON merchants.changes (at);
CALL app.share('merchants.changes');

-- Dynamic codes: one sale each, for three minutes.
CREATE TABLE merchants.dynamic_codes (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL,
    merchant_id uuid        NOT NULL,
    clerk_id    uuid        NOT NULL,
    amount      bigint      NOT NULL CHECK (amount > 0),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > created_at),
    used_by     uuid,
    used_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, merchant_id) REFERENCES merchants.shops (tenant_id, id),
    CONSTRAINT use_whole CHECK ((used_by IS NULL) = (used_at IS NULL))
);
CREATE INDEX dynamic_codes_expiry ON merchants.dynamic_codes (tenant_id, expires_at);
CALL app.guard('merchants.dynamic_codes');

-- People who work at a shop. Platform-wide, since a login is looked up before
-- anybody knows whose it is.
CREATE TABLE merchants.clerks (
    id            uuid        PRIMARY KEY,
    login         text        NOT NULL UNIQUE CHECK (login ~ '^[a-z0-9][a-z0-9._-]{2,39}$'),
    password_hash text        NOT NULL,
    tenant_id     integer     NOT NULL,
    merchant_id   uuid        NOT NULL,
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    role          text        NOT NULL CHECK (role IN ('owner', 'clerk')),
    created_at    timestamptz NOT NULL,
    password_at   timestamptz NOT NULL,
    left_at       timestamptz
);
CREATE INDEX clerks_of_merchant ON merchants.clerks (tenant_id, merchant_id, id);
CALL app.share('merchants.clerks', 'SELECT, INSERT, UPDATE');

-- Failed sign-ins, by the hash of what was typed, whether or not such a login
-- exists: a lock tells nothing. Rows go a day after the last failure.
CREATE TABLE merchants.sign_in_failures (
    login_hash bytea       PRIMARY KEY,
    failures   integer     NOT NULL CHECK (failures > 0),
    last_at    timestamptz NOT NULL,
    wait_until timestamptz NOT NULL
);
CREATE INDEX sign_in_failures_last ON merchants.sign_in_failures (last_at);
CALL app.share('merchants.sign_in_failures');
