-- +goose Up
-- The platform's own schema: what the kits keep. One schema for each module follows.

-- +goose StatementBegin
DO $$
DECLARE name text;
BEGIN
    -- Two plain roles, neither of which owns a table or passes row security.
    FOREACH name IN ARRAY ARRAY['jangteo_service', 'jangteo_lane'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, name, 'member') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        END IF;
    END LOOP;
END $$;
-- +goose StatementEnd

CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO jangteo_service, jangteo_lane;

-- Rows are visible to their own municipality only, whatever the query says.
-- No tenant set means no rows: current_setting(..., true) is then NULL or ''.
CREATE FUNCTION app.tenant_id() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('app.tenant_id', true), '')::integer $$;

-- guard puts a municipality's table under forced row security and gives the
-- service exactly the rights that the table's meaning allows.
-- +goose StatementBegin
CREATE PROCEDURE app.guard(tbl regclass, rights text DEFAULT 'SELECT, INSERT, UPDATE, DELETE') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO jangteo_service', split_part(tbl::text, '.', 1));
    EXECUTE format('GRANT %s ON %s TO jangteo_service', rights, tbl);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY own_rows ON %s TO jangteo_service USING (tenant_id = (SELECT app.tenant_id()))', tbl);
END $$;
-- +goose StatementEnd

-- share opens a platform-wide table to the service.
-- +goose StatementBegin
CREATE PROCEDURE app.share(tbl regclass, rights text DEFAULT 'SELECT, INSERT, UPDATE, DELETE') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO jangteo_service', split_part(tbl::text, '.', 1));
    EXECUTE format('GRANT %s ON %s TO jangteo_service', rights, tbl);
END $$;
-- +goose StatementEnd

-- lane opens a guarded table to the fast lane, whose batches hold several tenants.
-- +goose StatementBegin
CREATE PROCEDURE app.lane(tbl regclass, rights text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO jangteo_lane', split_part(tbl::text, '.', 1));
    EXECUTE format('GRANT %s ON %s TO jangteo_lane', rights, tbl);
    EXECUTE format('CREATE POLICY lane ON %s TO jangteo_lane USING (true)', tbl);
END $$;
-- +goose StatementEnd

-- A key is sha256(actor, key) and a digest sha256(operation, body), 16 bytes
-- each: who may send what again. entry_id or answer says what came of it.
CREATE TABLE app.idempotency_keys (
    tenant_id  integer     NOT NULL,
    key        uuid        NOT NULL,
    digest     uuid        NOT NULL,
    entry_id   uuid,
    answer     jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CALL app.guard('app.idempotency_keys');
CALL app.lane('app.idempotency_keys', 'SELECT, INSERT');

-- What has happened and must still be told. The relay takes rows away in the
-- transaction that handles them. The identity orders nothing between tenants.
CREATE TABLE app.outbox (
    tenant_id  integer     NOT NULL,
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    topic      text        NOT NULL CHECK (length(topic) <= 64),
    payload    jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    attempts   smallint    NOT NULL DEFAULT 0,
    not_before timestamptz,
    parked_at  timestamptz,
    last_error text,
    PRIMARY KEY (tenant_id, id)
);
CALL app.guard('app.outbox');
CALL app.lane('app.outbox', 'SELECT, INSERT');

-- Who changed what. Nobody, the service included, may change or remove a row.
CREATE TABLE app.audit_log (
    tenant_id  integer     NOT NULL,
    id         uuid        NOT NULL,
    at         timestamptz NOT NULL,
    actor_kind text        NOT NULL CHECK (actor_kind IN ('citizen', 'clerk', 'staff', 'operator', 'system')),
    actor_id   uuid,
    actor_name text        NOT NULL DEFAULT '',
    action     text        NOT NULL,
    object     text        NOT NULL,
    object_id  text        NOT NULL,
    reason     text        NOT NULL DEFAULT '',
    before     jsonb,
    after      jsonb,
    request_id text        NOT NULL DEFAULT '',
    address    text        NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_log_object ON app.audit_log (tenant_id, object, object_id, id);
CALL app.guard('app.audit_log', 'SELECT, INSERT');

-- Who saw whose personal data in the clear, from where, and why.
CREATE TABLE app.access_log (
    tenant_id  integer     NOT NULL,
    id         uuid        NOT NULL,
    at         timestamptz NOT NULL,
    actor_kind text        NOT NULL,
    actor_id   uuid        NOT NULL,
    actor_name text        NOT NULL,
    subject    text        NOT NULL CHECK (subject IN ('citizen', 'merchant', 'staff')),
    subject_id uuid        NOT NULL,
    did        text        NOT NULL,
    reason     text        NOT NULL CHECK (length(reason) BETWEEN 2 AND 500),
    address    text        NOT NULL,
    request_id text        NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX access_log_subject ON app.access_log (tenant_id, subject_id, id);
CALL app.guard('app.access_log', 'SELECT, INSERT');

-- Keysets of field encryption, wrapped by the operator's master key.
CREATE TABLE app.keysets (
    name       text        PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL
);
CALL app.share('app.keysets', 'SELECT, INSERT');

-- Keys that sign tokens; the private part is sealed with the field keyset.
CREATE TABLE app.signing_keys (
    kid        text        PRIMARY KEY,
    sealed     bytea       NOT NULL,
    public     bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
CALL app.share('app.signing_keys', 'SELECT, INSERT, UPDATE');

-- Sign-ins of staff and of merchants' clerks: a cookie or bearer token names
-- the row by its hash; ending it is a fact with a reason.
CREATE TABLE app.web_sessions (
    token_hash   bytea       PRIMARY KEY,
    id           uuid        NOT NULL UNIQUE,
    realm        text        NOT NULL CHECK (realm IN ('staff', 'clerk')),
    subject_id   uuid        NOT NULL,
    tenant_id    integer     NOT NULL,
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    ended_at     timestamptz,
    ended_reason text        CHECK (ended_reason IN ('signed-out', 'revoked', 'expired-idle', 'expired', 'credential-changed')),
    user_agent   text        NOT NULL DEFAULT '',
    address      text        NOT NULL DEFAULT '',
    CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE INDEX web_sessions_subject ON app.web_sessions (realm, subject_id, created_at);
CALL app.share('app.web_sessions', 'SELECT, INSERT, UPDATE');
