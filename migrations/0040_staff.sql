-- +goose Up
CREATE SCHEMA staff;

-- People who work for a municipality or, with tenant 0, for the operator of
-- the platform. Platform-wide, since a login is looked up before anybody knows
-- whose it is.
CREATE TABLE staff.members (
    id            uuid        PRIMARY KEY,
    tenant_id     integer     NOT NULL CHECK (tenant_id = 0 OR tenant_id BETWEEN 10000 AND 99999),
    login         text        NOT NULL UNIQUE CHECK (login = lower(login) AND length(login) BETWEEN 6 AND 100),
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    department    text        NOT NULL CHECK (length(department) BETWEEN 1 AND 60),
    role          text        NOT NULL CHECK (role IN ('chief', 'officer', 'settlement', 'auditor', 'operator')),
    password_hash text        NOT NULL,
    state         text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'locked', 'left')),
    created_at    timestamptz NOT NULL,
    signed_in_at  timestamptz,
    CHECK ((tenant_id = 0) = (role = 'operator'))
);
CREATE INDEX members_of_tenant ON staff.members (tenant_id, id);
CALL app.share('staff.members', 'SELECT, INSERT, UPDATE (name, department, role, password_hash, state, signed_in_at)');

-- Failed sign-ins, by the hash of what was typed, whether or not such a login
-- exists: a wait tells nothing. Rows go a day after the last failure.
CREATE TABLE staff.sign_in_failures (
    login_hash bytea       PRIMARY KEY,
    failures   integer     NOT NULL CHECK (failures > 0),
    last_at    timestamptz NOT NULL,
    wait_until timestamptz NOT NULL
);
CREATE INDEX sign_in_failures_last ON staff.sign_in_failures (last_at);
CALL app.share('staff.sign_in_failures');
