-- +goose Up
-- Events live for a moment: what they leave is taken away before it is a pile
-- that every look must climb over.
ALTER TABLE app.outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A challenge is sealed and not kept; a row here is one that was used.
DROP INDEX sessions.challenges_of_device;
