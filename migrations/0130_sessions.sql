-- +goose Up
-- What a reset can choose sessions by, and what they are held to.
ALTER TABLE sessions.devices ADD COLUMN version text NOT NULL DEFAULT '' CHECK (length(version) <= 30); -- of the app
CREATE INDEX devices_by_platform ON sessions.devices (lower(platform), version);
-- For the sessions of one municipality's citizens.
CREATE INDEX memberships_of_tenant ON vouchers.memberships (tenant_id, citizen_id);

-- An order to end many sessions because of something on our side. Two people
-- give it; it runs in batches, each of which commits with how far it came.
CREATE TABLE sessions.resets (
    id             uuid        PRIMARY KEY,
    incident_id    uuid        NOT NULL,
    scope          text        NOT NULL CHECK (scope IN ('all', 'tenant', 'platform', 'version', 'issued-before', 'signing-key')),
    tenant_id      integer     CHECK (tenant_id BETWEEN 10000 AND 99999),
    platform       text        CHECK (length(platform) BETWEEN 1 AND 30),
    version        text        CHECK (length(version) BETWEEN 1 AND 30),
    issued_before  timestamptz,
    signing_key    text        CHECK (length(signing_key) BETWEEN 1 AND 64),
    at_once        boolean     NOT NULL, -- no trial with a few first
    reason         text        NOT NULL CHECK (length(reason) BETWEEN 5 AND 500),
    previewed      integer     NOT NULL CHECK (previewed >= 0), -- sessions, when it was ordered
    ordered_by     uuid        NOT NULL,
    ordered_name   text        NOT NULL,
    ordered_at     timestamptz NOT NULL,
    approved_by    uuid,
    approved_name  text,
    approved_at    timestamptz,
    approved       boolean     NOT NULL GENERATED ALWAYS AS (approved_by IS NOT NULL) STORED,
    state          text        NOT NULL DEFAULT 'ordered' CHECK (state IN ('ordered', 'declined', 'running', 'done', 'stopped')),
    -- Every token must have been issued since: no token of an earlier epoch counts.
    epoch          integer     UNIQUE CHECK (epoch > 1),
    cursor         uuid,
    ended          integer     NOT NULL DEFAULT 0,
    resumed        integer     NOT NULL DEFAULT 0,
    failed         integer     NOT NULL DEFAULT 0,
    tried_at       timestamptz, -- when the first few were ended
    finished_at    timestamptz,
    UNIQUE (id, incident_id, approved),
    CONSTRAINT two_people CHECK (approved_by <> ordered_by),
    CONSTRAINT approved_whole CHECK (num_nonnulls(approved_by, approved_name, approved_at) IN (0, 3)),
    CONSTRAINT runs_if_approved CHECK (state IN ('ordered', 'declined') OR approved_by IS NOT NULL),
    CONSTRAINT finished_at_the_end CHECK ((finished_at IS NULL) = (state IN ('ordered', 'running'))),
    CONSTRAINT scope_has_its_value CHECK (
        (scope = 'tenant') = (tenant_id IS NOT NULL)
        AND (scope IN ('platform', 'version')) = (platform IS NOT NULL)
        AND (scope = 'version') = (version IS NOT NULL)
        AND (scope = 'issued-before') = (issued_before IS NOT NULL)
        AND (scope = 'signing-key') = (signing_key IS NOT NULL)),
    CONSTRAINT epoch_for_all CHECK (epoch IS NULL OR scope = 'all')
);
CREATE INDEX resets_of_incident ON sessions.resets (incident_id, id);
CREATE INDEX resets_running ON sessions.resets (approved_at) WHERE state = 'running';
CALL app.share('sessions.resets', 'SELECT, INSERT, UPDATE');

ALTER TABLE sessions.sessions
    ADD COLUMN signed_by      text    NOT NULL DEFAULT '' CHECK (length(signed_by) <= 64), -- the key of its newest access token
    ADD COLUMN exclusive      boolean NOT NULL DEFAULT true,  -- begun where a citizen has one device at a time
    ADD COLUMN bound          boolean NOT NULL DEFAULT false, -- its tokens need the device key's proof (RFC 9449)
    ADD COLUMN reset_id       uuid,
    ADD COLUMN reset_approved boolean CHECK (reset_approved),
    -- The transaction that ended it: whoever reads endings asks for those that
    -- were not certain when they last read.
    ADD COLUMN ended_xid      xid8;
UPDATE sessions.sessions SET ended_xid = pg_current_xact_id() WHERE state <> 'active';
ALTER TABLE sessions.sessions
    ADD CONSTRAINT ended_in_transaction CHECK ((state = 'active') = (ended_xid IS NULL)),
    ADD CONSTRAINT reset_by_order CHECK (num_nonnulls(incident_id, reset_id, reset_approved) = CASE WHEN state = 'session-reset' THEN 3 ELSE 0 END),
    -- The order is of this incident, and two people gave it.
    ADD CONSTRAINT reset_truly FOREIGN KEY (reset_id, incident_id, reset_approved) REFERENCES sessions.resets (id, incident_id, approved),
    DROP CONSTRAINT reset_under_incident;
DROP INDEX sessions.sessions_one_active;
CREATE UNIQUE INDEX sessions_one_active ON sessions.sessions (citizen_id) WHERE state = 'active' AND exclusive;
CREATE UNIQUE INDEX sessions_one_on_device ON sessions.sessions (device_id) WHERE state = 'active';
CREATE INDEX sessions_active ON sessions.sessions (id) WHERE state = 'active';
CREATE INDEX sessions_active_of_citizen ON sessions.sessions (citizen_id) WHERE state = 'active';
CREATE INDEX sessions_active_by_key ON sessions.sessions (signed_by, id) WHERE state = 'active';
CREATE INDEX sessions_ended_lately ON sessions.sessions (ended_xid, id) WHERE ended_xid IS NOT NULL;

-- Proofs of possession that were seen (RFC 9449, 11.1): none counts twice, on
-- whichever server.
CREATE TABLE sessions.proofs (
    hash    bytea       PRIMARY KEY CHECK (length(hash) = 32), -- of the key's thumbprint and the proof's id
    seen_at timestamptz NOT NULL
);
CREATE INDEX proofs_by_age ON sessions.proofs (seen_at);
CALL app.share('sessions.proofs', 'SELECT, INSERT, DELETE');

-- A citizen says that a sign-in was not theirs: somebody looks into it.
CREATE TABLE sessions.cases (
    id           uuid        PRIMARY KEY,
    case_no      text        NOT NULL UNIQUE CHECK (length(case_no) <= 40),
    citizen_id   uuid        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('not-me', 'locked-by-citizen', 'reuse-detected')),
    opened_at    timestamptz NOT NULL,
    session_id   uuid, -- the one that was ended
    suspect_id   uuid, -- the one that is said to be somebody else's
    address      text        NOT NULL DEFAULT '',
    closed_at    timestamptz,
    closed_by    uuid,
    closed_name  text,
    outcome      text        CHECK (length(outcome) BETWEEN 5 AND 500),
    CONSTRAINT closed_whole CHECK (num_nonnulls(closed_at, closed_by, closed_name, outcome) IN (0, 4)),
    CONSTRAINT says_what CHECK (kind <> 'not-me' OR num_nonnulls(session_id, suspect_id) = 2)
);
CREATE INDEX cases_by_age ON sessions.cases (opened_at);
CREATE INDEX cases_of_citizen ON sessions.cases (citizen_id, id);
CALL app.share('sessions.cases', 'SELECT, INSERT, UPDATE (closed_at, closed_by, closed_name, outcome)');

-- A key that may have been lost is believed no longer; tokens that it signed
-- are answered with the incident.
ALTER TABLE app.signing_keys
    ADD COLUMN withdrawn_at    timestamptz,
    ADD COLUMN withdrawn_under uuid,
    ADD CHECK ((withdrawn_at IS NULL) = (withdrawn_under IS NULL));
