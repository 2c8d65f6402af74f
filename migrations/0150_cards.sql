-- +goose Up
-- Cards draw on vouchers. Value moves in the ledger: a claim is what a citizen
-- owes because an issuer let a card pay while nobody could ask the wallet.
ALTER TABLE ledger.accounts DROP CONSTRAINT accounts_kind_check;
ALTER TABLE ledger.accounts ADD CONSTRAINT accounts_kind_check
    CHECK (kind IN ('fund', 'subsidy', 'reserved', 'wallet', 'payable', 'transit', 'claim'));
ALTER TABLE ledger.entries DROP CONSTRAINT entries_kind_check;
ALTER TABLE ledger.entries ADD CONSTRAINT entries_kind_check
    CHECK (kind IN ('funding', 'purchase-reserved', 'purchase-completed', 'purchase-released',
        'payment', 'cancellation', 'payout-sent', 'payout-settled', 'payout-returned', 'correction', 'claim-repaid'));
ALTER TABLE payments.payments DROP CONSTRAINT payments_method_check;
ALTER TABLE payments.payments ADD CONSTRAINT payments_method_check
    CHECK (method IN ('merchant', 'static-qr', 'dynamic-qr', 'customer-qr', 'card'));

CREATE SCHEMA cards;

-- A citizen's card, by the issuer's token: its number is never known here.
CREATE TABLE cards.links (
    id         uuid        PRIMARY KEY,
    citizen_id uuid        NOT NULL,
    issuer     text        NOT NULL CHECK (length(issuer) = 2),
    token      text        NOT NULL CHECK (length(token) BETWEEN 8 AND 64),
    product    text        NOT NULL CHECK (length(product) <= 60), -- as the issuer calls it
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    state      text        NOT NULL CHECK (state IN ('active', 'paused', 'lost', 'unlinked')),
    main       boolean     NOT NULL, -- where its options do not say
    linked_at  timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (issuer, token)
);
CREATE INDEX links_citizen ON cards.links (citizen_id, id);
CALL app.share('cards.links', 'SELECT, INSERT, UPDATE (name, state, main, product, linked_at, changed_at)');

-- What a card may do in a municipality. No row: voucher only.
CREATE TABLE cards.options (
    link_id    uuid        NOT NULL,
    tenant_id  integer     NOT NULL,
    mode       text        NOT NULL CHECK (mode IN ('voucher-only', 'ask', 'allow')),
    main       boolean     NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (link_id, tenant_id)
);
ALTER TABLE cards.options ADD FOREIGN KEY (link_id) REFERENCES cards.links (id);
CALL app.share('cards.options', 'SELECT, INSERT, UPDATE (mode, main, changed_at)');

-- An issuer's merchant number and terminal, and the shop where they stand.
CREATE TABLE cards.terminals (
    issuer          text        NOT NULL CHECK (length(issuer) = 2),
    merchant_number text        NOT NULL CHECK (length(merchant_number) BETWEEN 1 AND 15),
    terminal        text        NOT NULL CHECK (length(terminal) BETWEEN 1 AND 16),
    tenant_id       integer     NOT NULL,
    merchant_id     uuid        NOT NULL,
    mapped_at       timestamptz NOT NULL,
    PRIMARY KEY (issuer, merchant_number, terminal)
);
CREATE INDEX terminals_tenant ON cards.terminals (tenant_id, merchant_id);
CALL app.share('cards.terminals');

-- What changed of links and terminals, for every server's memory.
CREATE TABLE cards.changes (
    id   uuid        PRIMARY KEY,
    what text        NOT NULL CHECK (what IN ('link', 'terminal')),
    key  text        NOT NULL CHECK (length(key) <= 100),
    at   timestamptz NOT NULL
);
CREATE INDEX changes_at ON cards.changes (at);
CALL app.share('cards.changes');

-- What was decided of every message that asked for money, here or in stand-in.
-- The id of what moved value is its payment's.
CREATE TABLE cards.authorisations (
    tenant_id       integer     NOT NULL,
    id              uuid        NOT NULL,
    source          text        NOT NULL CHECK (source IN ('authorisation', 'advice', 'swap')),
    issuer          text        NOT NULL,
    message_key     text        NOT NULL CHECK (length(message_key) <= 64),
    retrieval       text        NOT NULL CHECK (length(retrieval) <= 12),
    link_id         uuid        NOT NULL,
    citizen_id      uuid        NOT NULL,
    merchant_id     uuid,                                   -- none: the terminal is not known
    merchant_number text        NOT NULL,
    terminal        text        NOT NULL,
    requested       bigint      NOT NULL CHECK (requested > 0),
    voucher         bigint      NOT NULL CHECK (voucher >= 0),
    account         bigint      NOT NULL CHECK (account >= 0), -- what the bank account was allowed to pay
    refusal         text        NOT NULL DEFAULT '',           -- a fault's code; empty: approved
    payment_id      uuid,
    at              timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (voucher + account <= requested),
    CHECK ((refusal <> '') = (voucher + account = 0))
);
CREATE INDEX authorisations_message ON cards.authorisations (tenant_id, issuer, message_key);
CREATE INDEX authorisations_retrieval ON cards.authorisations (tenant_id, issuer, retrieval);
CREATE INDEX authorisations_citizen ON cards.authorisations (tenant_id, citizen_id, id);
CREATE INDEX authorisations_at ON cards.authorisations (tenant_id, at, id);
CALL app.guard('cards.authorisations', 'SELECT, INSERT');

-- Every reversal that an issuer sent, and what it undid.
CREATE TABLE cards.reversals (
    tenant_id    integer     NOT NULL,
    id           uuid        NOT NULL,
    issuer       text        NOT NULL,
    message_key  text        NOT NULL CHECK (length(message_key) <= 64),
    original_key text        NOT NULL CHECK (length(original_key) <= 64),
    amount       bigint      NOT NULL CHECK (amount >= 0), -- as asked; 0 is all
    undone       bigint      NOT NULL CHECK (undone >= 0),
    payment_id   uuid,
    at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, issuer, message_key)
);
CREATE INDEX reversals_original ON cards.reversals (tenant_id, issuer, original_key);
CALL app.guard('cards.reversals', 'SELECT, INSERT');

-- Advices that could not be booked when they came: their card or terminal was
-- not known. They are tried again when one is mapped or linked.
CREATE TABLE cards.parked_advices (
    issuer      text        NOT NULL,
    message_key text        NOT NULL CHECK (length(message_key) <= 64),
    advice      jsonb       NOT NULL,
    reason      text        NOT NULL,
    at          timestamptz NOT NULL,
    booked_at   timestamptz,
    PRIMARY KEY (issuer, message_key)
);
CALL app.share('cards.parked_advices', 'SELECT, INSERT, UPDATE (reason, booked_at)');

-- What a citizen owes because an advice took more than the wallet held. Its id
-- is its ledger account's, whose balance says what is still owed.
CREATE TABLE cards.claims (
    tenant_id  integer     NOT NULL,
    id         uuid        NOT NULL,
    citizen_id uuid        NOT NULL,
    wallet_id  uuid        NOT NULL,
    payment_id uuid        NOT NULL,
    amount     bigint      NOT NULL CHECK (amount > 0),
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX claims_citizen ON cards.claims (tenant_id, citizen_id, id);
CREATE INDEX claims_payment ON cards.claims (tenant_id, payment_id);
CALL app.guard('cards.claims', 'SELECT, INSERT');

-- What was repaid of a claim out of the wallet; the id is the ledger entry's.
CREATE TABLE cards.repayments (
    tenant_id integer     NOT NULL,
    id        uuid        NOT NULL,
    claim_id  uuid        NOT NULL,
    amount    bigint      NOT NULL CHECK (amount > 0),
    by        text        NOT NULL CHECK (by IN ('citizen', 'purchase')),
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE cards.repayments ADD FOREIGN KEY (tenant_id, claim_id) REFERENCES cards.claims (tenant_id, id);
CREATE INDEX repayments_claim ON cards.repayments (tenant_id, claim_id);
CALL app.guard('cards.repayments', 'SELECT, INSERT');

-- Whether a citizen wants claims to be repaid out of what is bought next.
CREATE TABLE cards.wishes (
    tenant_id            integer     NOT NULL,
    citizen_id           uuid        NOT NULL,
    repay_from_purchases boolean     NOT NULL,
    changed_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, citizen_id)
);
CALL app.guard('cards.wishes', 'SELECT, INSERT, UPDATE (repay_from_purchases, changed_at)');

-- The rest of a payment that the citizen was asked about on the phone.
CREATE TABLE cards.offers (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL,
    link_id     uuid        NOT NULL,
    citizen_id  uuid        NOT NULL,
    merchant_id uuid        NOT NULL,
    requested   bigint      NOT NULL CHECK (requested > 0),
    voucher     bigint      NOT NULL CHECK (voucher >= 0), -- what the voucher paid already
    rest        bigint      NOT NULL CHECK (rest > 0),
    state       text        NOT NULL CHECK (state IN ('offered', 'allowed', 'declined', 'used')),
    at          timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX offers_citizen ON cards.offers (tenant_id, citizen_id, id);
CREATE INDEX offers_link ON cards.offers (tenant_id, link_id, merchant_id, id);
CALL app.guard('cards.offers', 'SELECT, INSERT, UPDATE (state, expires_at)');

-- Terminals that belong to no shop yet: from an issuer's list, or because a card
-- was declined there.
CREATE TABLE cards.strays (
    tenant_id       integer     NOT NULL,
    id              uuid        NOT NULL,
    issuer          text        NOT NULL CHECK (length(issuer) = 2),
    merchant_number text        NOT NULL CHECK (length(merchant_number) BETWEEN 1 AND 15),
    terminal        text        NOT NULL CHECK (length(terminal) BETWEEN 1 AND 16),
    biz_no          text        NOT NULL DEFAULT '',
    name            text        NOT NULL DEFAULT '',
    address         text        NOT NULL DEFAULT '',
    cause           text        NOT NULL CHECK (cause IN ('import', 'declined', 'wrong-shop')),
    declined        bigint      NOT NULL DEFAULT 0,
    state           text        NOT NULL CHECK (state IN ('open', 'mapped', 'dismissed')),
    merchant_id     uuid,
    first_at        timestamptz NOT NULL,
    last_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, issuer, merchant_number, terminal)
);
CREATE INDEX strays_state ON cards.strays (tenant_id, state, last_at, id);
CALL app.guard('cards.strays', 'SELECT, INSERT, UPDATE (biz_no, name, address, cause, declined, state, merchant_id, last_at)');

-- What payments need of cards in one round trip, whatever the municipality.
GRANT USAGE ON SCHEMA cards TO jangteo_lane;
GRANT SELECT ON cards.links, cards.options, cards.terminals TO jangteo_lane;
