-- +goose Up
CREATE SCHEMA citizens;

-- People, platform-wide: one account for all municipalities. What identifies
-- them is sealed; the indexes find equal values again without telling them.
CREATE TABLE citizens.citizens (
    id           uuid        PRIMARY KEY,
    ci_index     bytea       NOT NULL UNIQUE CHECK (length(ci_index) = 16),
    ci_sealed    bytea       NOT NULL,
    name_sealed  bytea       NOT NULL,
    phone_sealed bytea       NOT NULL,
    birth_sealed bytea       NOT NULL,
    name_index   bytea       NOT NULL,
    phone_index  bytea       NOT NULL,
    name_masked  text        NOT NULL CHECK (length(name_masked) BETWEEN 1 AND 50),
    phone_masked text        NOT NULL CHECK (length(phone_masked) <= 20),
    birth_masked text        NOT NULL CHECK (birth_masked ~ '^[0-9]{4}-\*\*-\*\*$'),
    joined_at    timestamptz NOT NULL,
    locked_at    timestamptz,
    lock_reason  text        CHECK (lock_reason IN ('citizen', 'reuse-detected', 'staff')),
    lock_case    text        CHECK (length(lock_case) <= 40),
    CHECK ((locked_at IS NULL) = (lock_reason IS NULL)),
    CHECK ((locked_at IS NULL) = (lock_case IS NULL))
);
CREATE INDEX citizens_by_name ON citizens.citizens (name_index, id);
CREATE INDEX citizens_by_phone ON citizens.citizens (phone_index, id);
CALL app.share('citizens.citizens', 'SELECT, INSERT, UPDATE');

-- Which version of which terms somebody agreed to, and when.
CREATE TABLE citizens.agreements (
    citizen_id uuid        NOT NULL REFERENCES citizens.citizens,
    name       text        NOT NULL CHECK (name IN ('terms', 'privacy', 'e-finance')),
    version    text        NOT NULL CHECK (length(version) <= 20),
    agreed_at  timestamptz NOT NULL,
    PRIMARY KEY (citizen_id, name, version)
);
CALL app.share('citizens.agreements', 'SELECT, INSERT');

-- Questions to the identity provider. Who the person said they are is not
-- kept; who the provider found is, sealed, until the token has been used.
CREATE TABLE citizens.checks (
    id                uuid        PRIMARY KEY,
    provider_check_id text        NOT NULL CHECK (length(provider_check_id) BETWEEN 1 AND 100),
    started_at        timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    attempts          smallint    NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 5),
    confirmed_at      timestamptz,
    token_hash        bytea       UNIQUE,
    token_expires_at  timestamptz,
    token_used_at     timestamptz,
    identity_sealed   bytea,
    CHECK ((confirmed_at IS NULL) = (token_hash IS NULL)),
    CHECK ((token_hash IS NULL) = (token_expires_at IS NULL)),
    CHECK (token_used_at IS NULL OR token_hash IS NOT NULL),
    -- A used token leaves nobody's data behind.
    CHECK ((identity_sealed IS NOT NULL) = (token_hash IS NOT NULL AND token_used_at IS NULL))
);
CREATE INDEX checks_by_age ON citizens.checks (expires_at);
CALL app.share('citizens.checks');

-- How often something was tried in a window of time, for all servers together.
CREATE TABLE citizens.tries (
    scope  text        NOT NULL CHECK (length(scope) <= 20),
    key    bytea       NOT NULL CHECK (length(key) = 16),
    since  timestamptz NOT NULL,
    number integer     NOT NULL,
    PRIMARY KEY (scope, key, since)
);
CREATE INDEX tries_by_age ON citizens.tries (since);
CALL app.share('citizens.tries');
