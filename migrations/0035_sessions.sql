-- +goose Up
CREATE SCHEMA sessions;

-- A citizen's devices. The public key tells a device again; the private part
-- has never left it.
CREATE TABLE sessions.devices (
    id         uuid        PRIMARY KEY,
    citizen_id uuid        NOT NULL,
    thumbprint text        NOT NULL CHECK (length(thumbprint) = 43), -- RFC 7638, SHA-256
    public_key jsonb       NOT NULL,
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    platform   text        NOT NULL CHECK (length(platform) BETWEEN 1 AND 30),
    bound_at   timestamptz NOT NULL,
    UNIQUE (citizen_id, thumbprint),
    UNIQUE (citizen_id, id)
);
CALL app.share('sessions.devices', 'SELECT, INSERT, UPDATE');

-- A session is active, then ended for ever, for one recorded reason. The
-- constraints hold what may be said of an ending; the service refuses the same.
CREATE TABLE sessions.sessions (
    id            uuid        PRIMARY KEY,
    citizen_id    uuid        NOT NULL,
    device_id     uuid        NOT NULL,
    method        text        NOT NULL CHECK (method IN ('identity-check', 'device-key')),
    resumes       uuid,       -- the session that a device key went on from
    epoch         integer     NOT NULL DEFAULT 1,
    state         text        NOT NULL DEFAULT 'active',
    began_at      timestamptz NOT NULL,
    proved_at     timestamptz NOT NULL, -- when the person last proved who they are
    seen_at       timestamptz NOT NULL,
    address       text        NOT NULL DEFAULT '',
    ended_at      timestamptz,
    initiator     text,
    -- what replaced it: a login by identity check, on another device
    superseded_by      uuid,
    superseding_device uuid,
    superseding_method text CHECK (superseding_method = 'identity-check'),
    ended_by_device    uuid, -- which of the citizen's devices ended it
    ended_by           uuid, -- which member of staff
    office             text CHECK (length(office) <= 60),
    case_no            text CHECK (length(case_no) <= 40),
    reason             text CHECK (length(reason) <= 200),
    incident_id        uuid,
    UNIQUE (id, citizen_id, device_id, method),
    FOREIGN KEY (citizen_id, device_id) REFERENCES sessions.devices (citizen_id, id),
    CONSTRAINT state_known CHECK (state IN ('active', 'session-superseded', 'session-reset', 'session-revoked',
        'session-revoked-by-staff', 'session-expired-idle', 'session-expired', 'session-reuse-detected', 'session-credential-changed', 'account-locked')),
    CONSTRAINT ended_once CHECK ((state = 'active') = (ended_at IS NULL)),
    CONSTRAINT ended_by_someone CHECK ((state = 'active') = (initiator IS NULL)),
    CONSTRAINT initiator_fits CHECK (state = 'active' OR (state, initiator) IN (
        ('session-superseded', 'user'), ('session-revoked', 'user'), ('session-credential-changed', 'user'),
        ('session-reset', 'system'), ('session-revoked-by-staff', 'admin'),
        ('session-expired-idle', 'policy'), ('session-expired', 'policy'), ('session-reuse-detected', 'policy'),
        ('account-locked', 'user'), ('account-locked', 'admin'), ('account-locked', 'policy'))),
    CONSTRAINT superseded_by_another_login CHECK ((state = 'session-superseded') =
        (superseded_by IS NOT NULL AND superseding_device IS NOT NULL AND superseding_method IS NOT NULL)),
    CONSTRAINT superseded_whole CHECK (num_nonnulls(superseded_by, superseding_device, superseding_method) IN (0, 3)),
    CONSTRAINT superseded_elsewhere CHECK (superseding_device <> device_id),
    CONSTRAINT reset_under_incident CHECK ((state = 'session-reset') = (incident_id IS NOT NULL)),
    CONSTRAINT staff_with_case CHECK (state <> 'session-revoked-by-staff' OR num_nulls(ended_by, office, case_no, reason) = 0),
    CONSTRAINT locked_with_case CHECK (state <> 'account-locked' OR case_no IS NOT NULL),
    CONSTRAINT revoked_from_device CHECK (state <> 'session-revoked' OR ended_by_device IS NOT NULL),
    CONSTRAINT resumes_only_by_key CHECK (resumes IS NULL OR method = 'device-key')
);
-- The pointer leads to a session of the same citizen, on that device, by that method, or nowhere.
ALTER TABLE sessions.sessions ADD CONSTRAINT superseded_truly FOREIGN KEY (superseded_by, citizen_id, superseding_device, superseding_method)
    REFERENCES sessions.sessions (id, citizen_id, device_id, method);
CREATE UNIQUE INDEX sessions_one_active ON sessions.sessions (citizen_id) WHERE state = 'active';
CREATE INDEX sessions_of_citizen ON sessions.sessions (citizen_id, id);
CREATE INDEX sessions_of_device ON sessions.sessions (device_id, id);
CREATE INDEX sessions_ended ON sessions.sessions (ended_at) WHERE ended_at IS NOT NULL;
CALL app.share('sessions.sessions', 'SELECT, INSERT, UPDATE');

-- Refresh tokens by their hash. A used one names its only successor.
CREATE TABLE sessions.refresh_tokens (
    hash       bytea       PRIMARY KEY CHECK (length(hash) = 32),
    session_id uuid        NOT NULL REFERENCES sessions.sessions,
    issued_at  timestamptz NOT NULL,
    used_at    timestamptz,
    successor  bytea,
    CHECK ((used_at IS NULL) = (successor IS NULL))
);
CREATE UNIQUE INDEX refresh_tokens_current ON sessions.refresh_tokens (session_id) WHERE used_at IS NULL;
CREATE INDEX refresh_tokens_by_age ON sessions.refresh_tokens (issued_at);
CALL app.share('sessions.refresh_tokens');

-- What a device must sign to prove its key: once, soon.
CREATE TABLE sessions.challenges (
    hash       bytea       PRIMARY KEY CHECK (length(hash) = 32),
    device_id  uuid        NOT NULL REFERENCES sessions.devices,
    expires_at timestamptz NOT NULL
);
CREATE INDEX challenges_of_device ON sessions.challenges (device_id, expires_at);
CREATE INDEX challenges_by_age ON sessions.challenges (expires_at);
CALL app.share('sessions.challenges');

-- What happened around an account's security, for its owner to read.
CREATE TABLE sessions.events (
    citizen_id uuid        NOT NULL,
    id         uuid        NOT NULL,
    at         timestamptz NOT NULL,
    kind       text        NOT NULL CHECK (length(kind) <= 40),
    session_id uuid,
    device_id  uuid,
    address    text        NOT NULL DEFAULT '',
    PRIMARY KEY (citizen_id, id)
);
CALL app.share('sessions.events', 'SELECT, INSERT');
