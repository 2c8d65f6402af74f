-- +goose Up
-- Where value moves. Double entry: a transfer takes an amount from its debit
-- account to its credit account, so every entry balances by construction. An
-- account's balance is what was credited less what was debited.
CREATE SCHEMA ledger;

CREATE TABLE ledger.accounts (
    tenant_id integer     NOT NULL,
    id        uuid        NOT NULL,
    kind      text        NOT NULL CHECK (kind IN ('fund', 'subsidy', 'reserved', 'wallet', 'payable', 'transit')),
    owner_id  uuid,
    -- What can run out keeps its balance here, guarded in the statement that
    -- spends it; what only grows in a rush is summed from transfers.
    guarded   boolean     NOT NULL,
    state     text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen', 'closed')),
    balance   bigint      NOT NULL DEFAULT 0,
    spent     bigint      NOT NULL DEFAULT 0, -- payments less cancellations, for ever
    day       date,                           -- the day that day_spent speaks of
    day_spent bigint      NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (guarded = (kind IN ('wallet', 'subsidy'))),
    CHECK (balance >= 0 AND (guarded OR balance = 0)),
    CHECK (spent >= 0 AND day_spent >= 0)
) WITH (fillfactor = 70);
CREATE INDEX accounts_owner ON ledger.accounts (tenant_id, owner_id) WHERE owner_id IS NOT NULL;

-- Nothing that moved value is ever changed or deleted: the service may only
-- add rows, and count up how much of an entry later ones have answered.
CREATE TABLE ledger.entries (
    tenant_id integer     NOT NULL,
    id        uuid        NOT NULL,
    kind      text        NOT NULL CHECK (kind IN ('funding', 'purchase-reserved', 'purchase-completed', 'purchase-released',
        'payment', 'cancellation', 'payout-sent', 'payout-settled', 'payout-returned', 'correction')),
    at        timestamptz NOT NULL,
    day       date        NOT NULL, -- business day, Asia/Seoul
    amount    bigint      NOT NULL CHECK (amount > 0), -- sum of its transfers
    answers   uuid,                                    -- the entry that this one cancels, completes or corrects
    answered  bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    CHECK (answered BETWEEN 0 AND amount)
);
CREATE INDEX entries_answers ON ledger.entries (tenant_id, answers) WHERE answers IS NOT NULL;

CREATE TABLE ledger.transfers (
    tenant_id integer  NOT NULL,
    entry_id  uuid     NOT NULL,
    line      smallint NOT NULL,
    debit_id  uuid     NOT NULL,
    credit_id uuid     NOT NULL,
    amount    bigint   NOT NULL CHECK (amount > 0),
    day       date     NOT NULL,
    PRIMARY KEY (tenant_id, entry_id, line),
    CHECK (debit_id <> credit_id)
);
CREATE INDEX transfers_debit ON ledger.transfers (tenant_id, debit_id, day, entry_id);
CREATE INDEX transfers_credit ON ledger.transfers (tenant_id, credit_id, day, entry_id);

-- A municipality's own accounts, and the last business day that is closed: an
-- entry falls on its own day or, when that is closed, on the first open one.
CREATE TABLE ledger.books (
    tenant_id      integer     NOT NULL,
    fund_id        uuid        NOT NULL,
    subsidy_id     uuid        NOT NULL,
    reserved_id    uuid        NOT NULL,
    transit_id     uuid        NOT NULL,
    closed_through date        NOT NULL DEFAULT '2000-01-01',
    opened_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
);

-- What a summed account held at the end of a closed day.
CREATE TABLE ledger.rollups (
    tenant_id  integer NOT NULL,
    account_id uuid    NOT NULL,
    day        date    NOT NULL,
    balance    bigint  NOT NULL,
    PRIMARY KEY (tenant_id, account_id, day)
);

CALL app.guard('ledger.accounts', 'SELECT, INSERT, UPDATE (state, balance, spent, day, day_spent)');
CALL app.guard('ledger.entries', 'SELECT, INSERT, UPDATE (answered)');
CALL app.guard('ledger.transfers', 'SELECT, INSERT');
CALL app.guard('ledger.books', 'SELECT, INSERT, UPDATE (closed_through)');
CALL app.guard('ledger.rollups', 'SELECT, INSERT');

CALL app.lane('ledger.accounts', 'SELECT, UPDATE (balance, spent, day, day_spent)');
CALL app.lane('ledger.entries', 'SELECT, INSERT');
CALL app.lane('ledger.transfers', 'SELECT, INSERT');
CALL app.lane('ledger.books', 'SELECT, UPDATE (closed_through)'); -- FOR SHARE asks for it
