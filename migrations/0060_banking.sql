-- +goose Up
CREATE SCHEMA banking;

-- Numbers of transactions at the bank. They only have to differ within a day;
-- taken from a sequence they always do.
CREATE SEQUENCE banking.tran_numbers MINVALUE 1 MAXVALUE 101559956668415 CYCLE CACHE 20; -- 36^9 - 1
GRANT USAGE ON SCHEMA banking TO jangteo_service;
GRANT USAGE ON SEQUENCE banking.tran_numbers TO jangteo_service;

-- Citizens' own accounts, platform-wide: a citizen has them once, for all
-- municipalities. The number, holder and handle are sealed; the index finds a
-- number again without telling it.
CREATE TABLE banking.accounts (
    id             uuid        PRIMARY KEY,
    citizen_id     uuid        NOT NULL,
    bank_code      text        NOT NULL CHECK (bank_code ~ '^[0-9]{3}$'),
    number_sealed  bytea       NOT NULL,
    number_index   bytea       NOT NULL,
    number_masked  text        NOT NULL,
    holder_sealed  bytea       NOT NULL,
    fintech_sealed bytea       NOT NULL,
    linked_at      timestamptz NOT NULL,
    unlinked_at    timestamptz CHECK (unlinked_at >= linked_at)
);
CREATE UNIQUE INDEX accounts_of_citizen ON banking.accounts (citizen_id, number_index) WHERE unlinked_at IS NULL;
CALL app.share('banking.accounts', 'SELECT, INSERT, UPDATE');

-- Every instruction to the bank, and what came of it. What is needed to send
-- it (account numbers, names) is sealed as one piece in route_sealed.
CREATE TABLE banking.transfers (
    tenant_id      integer     NOT NULL,
    id             uuid        NOT NULL,
    direction      text        NOT NULL CHECK (direction IN ('withdraw', 'deposit')),
    purpose        text        NOT NULL CHECK (length(purpose) BETWEEN 1 AND 40),
    subject_id     uuid        NOT NULL,
    amount         bigint      NOT NULL CHECK (amount > 0),
    bank_code      text        NOT NULL DEFAULT '',
    number_masked  text        NOT NULL,
    route_sealed   bytea       NOT NULL,
    bank_tran_id   text        NOT NULL CHECK (bank_tran_id ~ '^[A-Z0-9]{10}U[A-Z0-9]{9}$'),
    bank_tran_date date,
    state          text        NOT NULL,
    rsp_code       text        NOT NULL DEFAULT '',
    bank_rsp_code  text        NOT NULL DEFAULT '',
    message        text        NOT NULL DEFAULT '',
    inquiries      integer     NOT NULL DEFAULT 0,
    next_query_at  timestamptz,
    requested_at   timestamptz NOT NULL,
    sent_at        timestamptz,
    settled_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, bank_tran_id),
    CONSTRAINT state_known    CHECK (state IN ('requested', 'sent', 'unknown', 'succeeded', 'refused')),
    -- What is settled is never asked about again, and the rest always is.
    CONSTRAINT state_settled  CHECK ((state IN ('succeeded', 'refused')) = (settled_at IS NOT NULL)),
    CONSTRAINT state_asked    CHECK ((settled_at IS NULL) = (next_query_at IS NOT NULL)),
    -- The day on which the number counts is kept before the bank is called.
    CONSTRAINT state_sent     CHECK (state = 'requested' OR state = 'refused' OR sent_at IS NOT NULL),
    CONSTRAINT sent_with_date CHECK ((sent_at IS NULL) = (bank_tran_date IS NULL))
);
-- One purchase or payout has at most one instruction that moved money or may still.
CREATE UNIQUE INDEX transfers_one_effect ON banking.transfers (tenant_id, purpose, subject_id) WHERE state <> 'refused';
CREATE INDEX transfers_unsettled ON banking.transfers (tenant_id, next_query_at) WHERE settled_at IS NULL;
CREATE INDEX transfers_by_day ON banking.transfers (tenant_id, bank_tran_date, bank_tran_id);
CALL app.guard('banking.transfers', 'SELECT, INSERT, UPDATE');
CALL app.lane('banking.transfers', 'SELECT');
