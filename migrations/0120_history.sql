-- +goose Up
-- A history that cannot be rewritten unseen. Once a business day is closed, its
-- entries are sealed: they are the leaves of a Merkle tree (RFC 6962), in the
-- order of their ids, and its root is chained to the day before.
ALTER TABLE ledger.books ADD COLUMN closed_at timestamptz; -- when closed_through last moved
GRANT UPDATE (closed_at) ON ledger.books TO jangteo_service;

CREATE TABLE ledger.days (
    tenant_id integer     NOT NULL,
    day       date        NOT NULL,
    entries   bigint      NOT NULL CHECK (entries >= 0),
    root      bytea       NOT NULL CHECK (length(root) = 32),
    previous  bytea       NOT NULL CHECK (length(previous) = 32), -- chain of the day before; zeros for the first
    chain     bytea       NOT NULL CHECK (length(chain) = 32),
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, day)
);
CALL app.guard('ledger.days', 'SELECT, INSERT');

-- What the roots were made from, 1,024 leaves a row: to prove one of them
-- without reading the day again, and to name the entry that was changed.
CREATE TABLE ledger.day_parts (
    tenant_id integer NOT NULL,
    day       date    NOT NULL,
    part      integer NOT NULL CHECK (part >= 0),
    last_id   uuid    NOT NULL,                                  -- the greatest id in it
    root      bytea   NOT NULL CHECK (length(root) = 32),
    leaves    bytea   NOT NULL CHECK (length(leaves) BETWEEN 48 AND 48 * 1024), -- an id and a hash, 48 bytes each
    PRIMARY KEY (tenant_id, day, part)
);
ALTER TABLE ledger.day_parts ALTER COLUMN leaves SET STORAGE EXTERNAL; -- hashes do not compress
CALL app.guard('ledger.day_parts', 'SELECT, INSERT');

-- A day's entries lie together, because they were written together: a few
-- kilobytes of block ranges find them, and cost the path of value next to nothing.
CREATE INDEX entries_day ON ledger.entries USING brin (tenant_id, day) WITH (pages_per_range = 64, autosummarize = on);

ALTER TABLE reports.verifications ADD COLUMN days bigint NOT NULL DEFAULT 0;

-- Keys that sign what people keep and show to others. Unlike the keys of
-- tokens they stay published when they are retired: what they signed is for years.
CREATE TABLE app.statement_keys (
    kid        text        PRIMARY KEY,
    sealed     bytea       NOT NULL,
    public     bytea       NOT NULL,
    created_at timestamptz NOT NULL
);
CALL app.share('app.statement_keys', 'SELECT, INSERT');
