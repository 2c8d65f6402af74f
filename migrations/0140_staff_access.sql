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
