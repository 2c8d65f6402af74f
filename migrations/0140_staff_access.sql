-- +goose Up
-- Four eyes: what somebody proposed and somebody else decided. With tenant 0,
-- of the operator's staff. What was proposed is never changed; nothing goes.
CREATE TABLE app.approvals (
    tenant_id    integer     NOT NULL,
    id           uuid        NOT NULL,
    kind         text        NOT NULL CHECK (kind ~ '^[a-z][a-z-]{1,39}$'),
    object       text        NOT NULL CHECK (length(object) BETWEEN 1 AND 40),
    object_id    text        NOT NULL CHECK (length(object_id) BETWEEN 1 AND 100),
    payload      jsonb       NOT NULL,
    reason       text        NOT NULL CHECK (length(reason) BETWEEN 2 AND 500),
    maker_id     uuid        NOT NULL,
    maker_name   text        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    state        text        NOT NULL CHECK (state IN ('proposed', 'approved', 'done', 'failed', 'rejected', 'withdrawn', 'lapsed')),
    decider_id   uuid,
    decider_name text        NOT NULL DEFAULT '',
    decided_at   timestamptz,
    remark       text        NOT NULL DEFAULT '' CHECK (length(remark) <= 500),
    attempts     integer     NOT NULL DEFAULT 0,
    not_before   timestamptz,
    finished_at  timestamptz,
    outcome      jsonb,
    failure      text        NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT lapses_later      CHECK (expires_at > created_at),
    CONSTRAINT another_person    CHECK (state NOT IN ('approved', 'done', 'failed', 'rejected') OR decider_id <> maker_id),
    CONSTRAINT withdrawn_by_self CHECK (state <> 'withdrawn' OR decider_id = maker_id),
    CONSTRAINT decided_in_time   CHECK (decided_at < expires_at OR decided_at IS NULL),
    CONSTRAINT decided_whole     CHECK ((decided_at IS NULL) = (decider_id IS NULL) AND (decided_at IS NULL) = (state IN ('proposed', 'lapsed'))),
    CONSTRAINT finished_whole    CHECK ((finished_at IS NULL) = (state NOT IN ('done', 'failed'))),
    CONSTRAINT waits_whole       CHECK ((not_before IS NULL) = (state <> 'approved'))
);
CREATE INDEX approvals_by_state ON app.approvals (tenant_id, state, id);
-- One thing is proposed once at a time.
CREATE UNIQUE INDEX approvals_open ON app.approvals (tenant_id, kind, object_id) WHERE state IN ('proposed', 'approved');
CALL app.guard('app.approvals', 'SELECT, INSERT, UPDATE (state, decider_id, decider_name, decided_at, remark, attempts, not_before, finished_at, outcome, failure)');

-- A sign-in of staff or clerks may still lack its second factor, and remembers
-- when the person last proved who they are.
ALTER TABLE app.web_sessions
    ADD COLUMN stage text NOT NULL DEFAULT 'full' CHECK (stage IN ('second', 'enrol', 'full')),
    ADD COLUMN method text NOT NULL DEFAULT 'password' CHECK (method IN ('password', 'code', 'recovery-code', 'passkey')),
    ADD COLUMN proven_at timestamptz;
UPDATE app.web_sessions SET proven_at = created_at;
ALTER TABLE app.web_sessions
    ALTER COLUMN proven_at SET NOT NULL,
    DROP CONSTRAINT web_sessions_ended_reason_check,
    ADD CONSTRAINT web_sessions_ended_reason_check CHECK (ended_reason IN (
        'signed-out', 'revoked', 'revoked-by-staff', 'suspended', 'expired-idle', 'expired', 'credential-changed', 'second-factor-given-up'));

-- Failed proofs, by the hash of what was tried (a login, an address, a member's
-- codes), whether or not it exists: a wait tells nothing. Rows go in time.
CREATE TABLE app.sign_in_tries (
    key        bytea       PRIMARY KEY,
    failures   integer     NOT NULL CHECK (failures >= 0),
    last_at    timestamptz NOT NULL,
    wait_until timestamptz NOT NULL
);
CREATE INDEX sign_in_tries_last ON app.sign_in_tries (last_at);
CALL app.share('app.sign_in_tries');
DROP TABLE staff.sign_in_failures;
DROP TABLE merchants.sign_in_failures;

-- Second factors. A passkey's private part never leaves its device.
CREATE TABLE app.passkeys (
    id         bytea       PRIMARY KEY,
    realm      text        NOT NULL CHECK (realm IN ('staff', 'clerk')),
    subject_id uuid        NOT NULL,
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    credential jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX passkeys_of ON app.passkeys (realm, subject_id);
CALL app.share('app.passkeys', 'SELECT, INSERT, DELETE, UPDATE (credential, used_at)');

-- What an app on a telephone shares with us to make codes (RFC 6238), sealed;
-- without confirmed_at it waits for the first code. A step counts once.
CREATE TABLE app.code_apps (
    realm        text        NOT NULL CHECK (realm IN ('staff', 'clerk')),
    subject_id   uuid        NOT NULL,
    sealed       bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step    bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (realm, subject_id)
);
CALL app.share('app.code_apps');

-- For who lost their second factor: only the hash is kept, and each works once.
CREATE TABLE app.recovery_codes (
    realm      text        NOT NULL CHECK (realm IN ('staff', 'clerk')),
    subject_id uuid        NOT NULL,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (realm, subject_id, hash)
);
CALL app.share('app.recovery_codes');

-- What a passkey has been asked to sign, for a few minutes and one answer.
CREATE TABLE app.passkey_challenges (
    id         uuid        PRIMARY KEY,
    realm      text        NOT NULL CHECK (realm IN ('staff', 'clerk')),
    subject_id uuid,
    data       jsonb       NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_challenges_expiry ON app.passkey_challenges (expires_at);
CALL app.share('app.passkey_challenges');

-- Whether a municipality (0: the operator) lets people in without a second
-- factor; without a row the configuration says.
CREATE TABLE app.second_factor_rules (
    realm     text        NOT NULL CHECK (realm IN ('staff', 'clerk')),
    tenant_id integer     NOT NULL,
    required  boolean     NOT NULL,
    set_at    timestamptz NOT NULL,
    set_by    uuid,
    PRIMARY KEY (realm, tenant_id)
);
CALL app.share('app.second_factor_rules');

-- Each month somebody goes through who looked at personal data, once.
CREATE TABLE app.access_reviews (
    tenant_id     integer     NOT NULL,
    month         text        NOT NULL CHECK (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    looks         integer     NOT NULL CHECK (looks >= 0),
    reviewer_id   uuid        NOT NULL,
    reviewer_name text        NOT NULL,
    remark        text        NOT NULL CHECK (length(remark) BETWEEN 2 AND 500),
    reviewed_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, month)
);
CALL app.guard('app.access_reviews', 'SELECT, INSERT');
