-- +goose Up
CREATE SCHEMA settlement;

-- Business days that are over: what they hold never changes any more.
CREATE TABLE settlement.days (
    tenant_id     integer     NOT NULL,
    day           date        NOT NULL,
    closed_at     timestamptz NOT NULL,
    settlements   integer     NOT NULL DEFAULT 0 CHECK (settlements >= 0),
    sales         bigint      NOT NULL DEFAULT 0 CHECK (sales >= 0),
    cancellations bigint      NOT NULL DEFAULT 0 CHECK (cancellations >= 0),
    PRIMARY KEY (tenant_id, day)
);
CALL app.guard('settlement.days', 'SELECT, INSERT, UPDATE');

-- What one shop is owed for one day. A sum below zero is carried into the
-- shop's next settlement.
CREATE TABLE settlement.settlements (
    tenant_id     integer     NOT NULL,
    id            uuid        NOT NULL,
    merchant_id   uuid        NOT NULL,
    account_id    uuid        NOT NULL,
    day           date        NOT NULL,
    payments      bigint      NOT NULL CHECK (payments >= 0),
    sales         bigint      NOT NULL CHECK (sales >= 0),
    cancellations bigint      NOT NULL CHECK (cancellations >= 0),
    carried       bigint      NOT NULL CHECK (carried <= 0),
    net           bigint      NOT NULL,
    payout_day    date        NOT NULL CHECK (payout_day > day),
    state         text        NOT NULL CHECK (state IN ('closed', 'carried', 'sent', 'paid', 'returned')),
    transfer_id   uuid,
    bank_code     text        NOT NULL DEFAULT '',
    number_masked text        NOT NULL DEFAULT '',
    attempts      integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    reason        text        NOT NULL DEFAULT '' CHECK (length(reason) <= 100),
    created_at    timestamptz NOT NULL,
    sent_at       timestamptz,
    paid_at       timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, merchant_id, day),
    CONSTRAINT net_adds_up   CHECK (net = sales - cancellations + carried),
    CONSTRAINT state_carried CHECK ((state = 'carried') = (net <= 0)),
    CONSTRAINT state_sent    CHECK ((state IN ('sent', 'paid', 'returned')) = (transfer_id IS NOT NULL)),
    CONSTRAINT state_paid    CHECK ((state = 'paid') = (paid_at IS NOT NULL))
);
-- One instruction pays one settlement.
CREATE UNIQUE INDEX settlements_transfer ON settlement.settlements (tenant_id, transfer_id);
CREATE INDEX settlements_due ON settlement.settlements (tenant_id, payout_day, id) WHERE state = 'closed';
CREATE INDEX settlements_carried ON settlement.settlements (tenant_id, day) WHERE state = 'carried' AND net < 0;
CREATE INDEX settlements_by_day ON settlement.settlements (tenant_id, day, id);
CALL app.guard('settlement.settlements', 'SELECT, INSERT, UPDATE');
