-- +goose Up
CREATE SCHEMA reports;

-- What each recomputation of a municipality's books found.
CREATE TABLE reports.verifications (
    tenant_id   integer     NOT NULL,
    id          uuid        NOT NULL,
    at          timestamptz NOT NULL,
    took_ms     bigint      NOT NULL CHECK (took_ms >= 0),
    accounts    bigint      NOT NULL,
    entries     bigint      NOT NULL,
    transfers   bigint      NOT NULL,
    payments    bigint      NOT NULL,
    purchases   bigint      NOT NULL,
    settlements bigint      NOT NULL,
    differences jsonb       NOT NULL CHECK (jsonb_typeof(differences) = 'array'),
    PRIMARY KEY (tenant_id, id)
);
CALL app.guard('reports.verifications', 'SELECT, INSERT');
