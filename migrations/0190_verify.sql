-- +goose Up

-- Whose books staff want verified now. A timer that serves all municipalities
-- takes them up; the row goes when its result is kept.
CREATE TABLE reports.verifications_wanted (
    asked_at  timestamptz NOT NULL,
    begun_at  timestamptz,
    tenant_id integer     NOT NULL PRIMARY KEY
);
CALL app.share('reports.verifications_wanted');
