-- +goose Up
-- What every payment writes is kept short. A wallet's payments are found by the
-- ledger's transfers, and an event is text that nobody searches.
DROP INDEX payments.payments_wallet;
ALTER TABLE app.outbox ALTER COLUMN payload TYPE json USING payload::json;
