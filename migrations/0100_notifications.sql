-- +goose Up
CREATE SCHEMA notifications;

-- What a citizen was told, platform-wide: one inbox for all municipalities.
-- The words are not kept but their parts, so that each reader has them in their
-- own language. The key begins with the citizen: an inbox is one range of it.
CREATE TABLE notifications.notices (
    citizen_id  uuid        NOT NULL,
    id          uuid        NOT NULL,
    tenant_id   integer     NOT NULL CHECK (tenant_id >= 0), -- 0: of no municipality
    kind        text        NOT NULL,
    params      jsonb       NOT NULL,
    link        text        NOT NULL CHECK (link = '' OR link ~ '^/[a-z0-9][a-z0-9/-]{1,200}$'),
    happened_at timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    read_at     timestamptz,
    PRIMARY KEY (citizen_id, id),
    CONSTRAINT kind_known CHECK (kind IN ('purchase-completed', 'purchase-failed', 'payment-captured', 'payment-cancelled', 'session-ended')),
    CONSTRAINT read_later CHECK (read_at >= created_at)
);
CREATE INDEX notices_unread ON notifications.notices (citizen_id) WHERE read_at IS NULL;
CALL app.share('notifications.notices', 'SELECT, INSERT, UPDATE');
