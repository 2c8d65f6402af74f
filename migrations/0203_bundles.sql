-- +goose Up
-- What a batch of the fast lane tells of one municipality goes as one row, a JSON
-- array of its payloads: a row each was a sixth of what a payment cost PostgreSQL.
ALTER TABLE app.outbox ADD COLUMN bundle boolean NOT NULL DEFAULT false;
