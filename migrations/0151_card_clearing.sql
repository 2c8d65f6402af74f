-- +goose Up
-- What issuers' clearing files say, and what went wrong and is put right.

-- One file of an issuer, as far as it speaks of a municipality.
CREATE TABLE cards.clearing_files (
    tenant_id   integer     NOT NULL,
    issuer      text        NOT NULL CHECK (length(issuer) = 2),
    day         date        NOT NULL,
    number      integer     NOT NULL CHECK (number >= 1),
    digest      bytea       NOT NULL CHECK (length(digest) = 32),
    format      text        NOT NULL CHECK (format IN ('csv', 'fixed')),
    rows        integer     NOT NULL CHECK (rows >= 0),   -- in the file
    own         integer     NOT NULL CHECK (own >= 0),    -- of them, the municipality's
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, issuer, day, number)
);
CALL app.guard('cards.clearing_files', 'SELECT, INSERT');

CREATE TABLE cards.clearing_rows (
    tenant_id        integer     NOT NULL,
    id               uuid        NOT NULL,
    issuer           text        NOT NULL,
    day              date        NOT NULL,
    number           integer     NOT NULL, -- of the file; 0: the file lacks what we have
    line             integer     NOT NULL, -- number of the row in it
    kind             text        NOT NULL CHECK (kind IN ('P', 'S', 'B', 'R')),
    retrieval        text        NOT NULL CHECK (length(retrieval) <= 12),
    approval         text        NOT NULL CHECK (length(approval) <= 6),
    trace            text        NOT NULL CHECK (length(trace) <= 6),
    transmitted_at   timestamptz NOT NULL,
    swiped_at        timestamptz NOT NULL,
    merchant_number  text        NOT NULL,
    terminal         text        NOT NULL,
    token            text        NOT NULL,
    amount           bigint      NOT NULL CHECK (amount > 0),
    voucher          bigint      NOT NULL CHECK (voucher >= 0),
    account          bigint      NOT NULL CHECK (account >= 0),
    -- What came of it, and whom it speaks of.
    state            text        NOT NULL CHECK (state IN ('matched', 'unknown', 'altered', 'duplicate', 'missing', 'not-reversed', 'stray', 'settled')),
    differs          text        NOT NULL DEFAULT '', -- fields, with what we have
    merchant_id      uuid,
    citizen_id       uuid,
    authorisation_id uuid,
    resolution       text        NOT NULL DEFAULT '' CHECK (resolution IN ('', 'matched', 'booked', 'cancelled', 'accepted')),
    reason           text        NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    resolved_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((state = 'settled') = (resolution <> ''))
);
CREATE INDEX clearing_rows_state ON cards.clearing_rows (tenant_id, state, day, id);
CREATE INDEX clearing_rows_retrieval ON cards.clearing_rows (tenant_id, issuer, retrieval, kind);
CREATE INDEX clearing_rows_authorisation ON cards.clearing_rows (tenant_id, authorisation_id) WHERE authorisation_id IS NOT NULL;
CREATE INDEX clearing_rows_day ON cards.clearing_rows (tenant_id, day, issuer, number, line);
CALL app.guard('cards.clearing_rows', 'SELECT, INSERT, UPDATE (state, authorisation_id, resolution, reason, resolved_at)');

-- Payments at our shops that took the bank account although the voucher could
-- have paid, and what became of the swap.
CREATE TABLE cards.fallthroughs (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL,
    citizen_id  uuid        NOT NULL,
    link_id     uuid        NOT NULL,
    merchant_id uuid        NOT NULL,
    issuer      text        NOT NULL,
    retrieval   text        NOT NULL,
    amount      bigint      NOT NULL CHECK (amount > 0), -- what the bank account paid
    held        bigint      NOT NULL CHECK (held >= 0),  -- what the wallet held then
    source      text        NOT NULL CHECK (source IN ('advice', 'clearing')),
    state       text        NOT NULL CHECK (state IN ('open', 'paying', 'asking', 'swapped', 'refused')),
    payment_id  uuid,
    at          timestamptz NOT NULL, -- of the purchase
    found_at    timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, issuer, retrieval)
);
CREATE INDEX fallthroughs_citizen ON cards.fallthroughs (tenant_id, citizen_id, id);
CREATE INDEX fallthroughs_state ON cards.fallthroughs (tenant_id, state, changed_at);
CALL app.guard('cards.fallthroughs', 'SELECT, INSERT, UPDATE (state, payment_id, changed_at)');

-- Every step of a swap, so that citizen and staff see where it stands.
CREATE TABLE cards.swap_steps (
    tenant_id      integer     NOT NULL,
    fallthrough_id uuid        NOT NULL,
    seq            integer     NOT NULL,
    step           text        NOT NULL CHECK (step IN ('found', 'asked', 'voucher-refused', 'voucher-paid', 'issuer-asked', 'issuer-pending',
        'issuer-done', 'issuer-refused', 'voucher-returned')),
    detail         text        NOT NULL DEFAULT '' CHECK (length(detail) <= 200),
    at             timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, fallthrough_id, seq)
);
ALTER TABLE cards.swap_steps ADD FOREIGN KEY (tenant_id, fallthrough_id) REFERENCES cards.fallthroughs (tenant_id, id);
CALL app.guard('cards.swap_steps', 'SELECT, INSERT');

-- Citizens are told what their cards could not do.
ALTER TABLE notifications.notices DROP CONSTRAINT kind_known;
ALTER TABLE notifications.notices ADD CONSTRAINT kind_known CHECK (kind IN ('purchase-completed', 'purchase-failed', 'payment-captured',
    'payment-cancelled', 'session-ended', 'card-declined', 'card-offered', 'card-claimed', 'card-fell-through', 'card-swapped'));
