-- +goose Up
-- What staff put right in a citizen's wallet or in the budget for discounts, by
-- two people. The value moves in the ledger, by entries of kinds of their own;
-- here stands why.
ALTER TABLE ledger.entries DROP CONSTRAINT entries_kind_check;
ALTER TABLE ledger.entries ADD CONSTRAINT entries_kind_check
    CHECK (kind IN ('funding', 'purchase-reserved', 'purchase-completed', 'purchase-released',
        'payment', 'cancellation', 'payout-sent', 'payout-settled', 'payout-returned', 'correction', 'claim-repaid',
        'wallet-credited', 'wallet-debited', 'funding-returned'));

CREATE TABLE vouchers.corrections (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL, -- also of its entry in the ledger
    wallet_id   uuid        NOT NULL,
    citizen_id  uuid        NOT NULL,
    takes       boolean     NOT NULL, -- out of the wallet; else into it
    against     text        NOT NULL CHECK (against IN ('fund', 'subsidy')),
    amount      bigint      NOT NULL CHECK (amount BETWEEN 1 AND 2000000),
    answers     uuid,                 -- the entry that was wrong, where one was
    reason      text        NOT NULL CHECK (length(reason) BETWEEN 2 AND 500), -- as the citizen is told
    proposal_id uuid        NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, proposal_id) -- what was approved is carried out once
);
ALTER TABLE vouchers.corrections ADD FOREIGN KEY (tenant_id, wallet_id) REFERENCES vouchers.wallets (tenant_id, id);
CREATE INDEX corrections_of_wallet ON vouchers.corrections (tenant_id, wallet_id, id);
CALL app.guard('vouchers.corrections', 'SELECT, INSERT');

-- What a correction puts into a wallet is a lot like any other.
ALTER TABLE vouchers.lots ADD COLUMN correction_id uuid;
ALTER TABLE vouchers.lots ADD CONSTRAINT lot_of_one_cause CHECK (purchase_id IS NULL OR correction_id IS NULL);
ALTER TABLE vouchers.lots ADD FOREIGN KEY (tenant_id, correction_id) REFERENCES vouchers.corrections (tenant_id, id);
CREATE UNIQUE INDEX lots_correction ON vouchers.lots (tenant_id, correction_id) WHERE correction_id IS NOT NULL;

-- What the municipality put into its budget for discounts, or took out of it.
CREATE TABLE vouchers.fundings (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL, -- also of its entry in the ledger
    returned    boolean     NOT NULL, -- out of the budget; else into it
    amount      bigint      NOT NULL CHECK (amount > 0),
    reason      text        NOT NULL CHECK (length(reason) <= 500),
    proposal_id uuid,                 -- null for what a municipality began with
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, proposal_id),
    CHECK (proposal_id IS NULL OR length(reason) >= 2),
    CHECK (proposal_id IS NOT NULL OR NOT returned)
);
CALL app.guard('vouchers.fundings', 'SELECT, INSERT');
INSERT INTO vouchers.fundings (tenant_id, id, returned, amount, reason, at)
    SELECT tenant_id, id, false, amount, '', at FROM ledger.entries WHERE kind = 'funding';

-- Citizens are told what was put right.
ALTER TABLE notifications.notices DROP CONSTRAINT kind_known;
ALTER TABLE notifications.notices ADD CONSTRAINT kind_known CHECK (kind IN ('purchase-completed', 'purchase-failed', 'payment-captured',
    'payment-cancelled', 'session-ended', 'card-declined', 'card-offered', 'card-claimed', 'card-fell-through', 'card-swapped',
    'wallet-credited', 'wallet-debited'));
