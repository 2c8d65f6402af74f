-- +goose Up
CREATE SCHEMA payments;

-- One row a payment; its id is its ledger entry's. Written in the statement
-- that books the entry, from the event that is told about it.
CREATE TABLE payments.payments (
    tenant_id        integer     NOT NULL,
    id               uuid        NOT NULL,
    citizen_id       uuid        NOT NULL,
    wallet_id        uuid        NOT NULL,
    programme_id     uuid        NOT NULL,
    merchant_id      uuid        NOT NULL,
    amount           bigint      NOT NULL CHECK (amount > 0),
    cancelled_amount bigint      NOT NULL DEFAULT 0,
    balance_after    bigint      NOT NULL CHECK (balance_after >= 0),
    method           text        NOT NULL CHECK (method IN ('merchant', 'static-qr', 'dynamic-qr', 'customer-qr')),
    policy_version   integer     NOT NULL,
    at               timestamptz NOT NULL,
    day              date        NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (cancelled_amount BETWEEN 0 AND amount)
);
CREATE INDEX payments_merchant ON payments.payments (tenant_id, merchant_id, day, id);
CREATE INDEX payments_wallet ON payments.payments (tenant_id, wallet_id, id);
CALL app.guard('payments.payments', 'SELECT, INSERT, UPDATE (cancelled_amount)');
CALL app.lane('payments.payments', 'SELECT, INSERT');

-- A cancellation's id is its ledger entry's, too.
CREATE TABLE payments.cancellations (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL,
    payment_id  uuid        NOT NULL,
    merchant_id uuid        NOT NULL,
    amount      bigint      NOT NULL CHECK (amount > 0),
    by_kind     text        NOT NULL CHECK (by_kind IN ('citizen', 'clerk', 'staff', 'system')),
    by_id       uuid        NOT NULL,
    at          timestamptz NOT NULL,
    day         date        NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments.payments (tenant_id, id)
);
CREATE INDEX cancellations_payment ON payments.cancellations (tenant_id, payment_id);
CREATE INDEX cancellations_merchant ON payments.cancellations (tenant_id, merchant_id, day, id);
CALL app.guard('payments.cancellations', 'SELECT, INSERT');
