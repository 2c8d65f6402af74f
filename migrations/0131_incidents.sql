-- +goose Up
CREATE SCHEMA incidents;

-- What went wrong on our side, from when to when, and for whom. Platform-wide.
CREATE TABLE incidents.incidents (
    id         uuid        PRIMARY KEY,
    number     text        NOT NULL UNIQUE CHECK (number ~ '^I-[0-9A-F]{8}$'),
    state      text        NOT NULL CHECK (state IN ('investigating', 'identified', 'monitoring', 'resolved')),
    parts      text[]      NOT NULL CHECK (cardinality(parts) BETWEEN 1 AND 6
                               AND parts <@ ARRAY['sign-in', 'payments', 'purchases', 'history', 'shops', 'office']),
    tenants    integer[]   NOT NULL DEFAULT '{}' CHECK (cardinality(tenants) <= 229), -- empty: everywhere
    started_at timestamptz NOT NULL,
    ended_at   timestamptz CHECK (ended_at >= started_at),
    published  boolean     NOT NULL,
    opened_at  timestamptz NOT NULL,
    opened_by  uuid,                 -- NULL: the system itself
    opened_name text       NOT NULL,
    version    integer     NOT NULL CHECK (version > 0),
    CONSTRAINT ended_when_resolved CHECK ((state = 'resolved') = (ended_at IS NOT NULL))
);
CREATE INDEX incidents_by_start ON incidents.incidents (started_at, id);
CREATE INDEX incidents_open ON incidents.incidents (id) WHERE ended_at IS NULL;
CALL app.share('incidents.incidents', 'SELECT, INSERT, UPDATE (state, parts, tenants, ended_at, published, version)');

-- Its words. What was said stays said: a change is a new version.
CREATE TABLE incidents.versions (
    incident_id uuid        NOT NULL REFERENCES incidents.incidents,
    version     integer     NOT NULL CHECK (version > 0),
    state       text        NOT NULL CHECK (state IN ('investigating', 'identified', 'monitoring', 'resolved')),
    title_ko    text        NOT NULL CHECK (length(title_ko) BETWEEN 2 AND 100),
    title_en    text        NOT NULL CHECK (length(title_en) BETWEEN 2 AND 100),
    text_ko     text        NOT NULL CHECK (length(text_ko) BETWEEN 2 AND 2000),
    text_en     text        NOT NULL CHECK (length(text_en) BETWEEN 2 AND 2000),
    published   boolean     NOT NULL,
    at          timestamptz NOT NULL,
    author_id   uuid,
    author_name text        NOT NULL,
    PRIMARY KEY (incident_id, version)
);
CALL app.share('incidents.versions', 'SELECT, INSERT');
