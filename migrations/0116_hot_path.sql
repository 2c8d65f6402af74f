-- +goose Up
-- What every payment writes is kept short. A wallet's payments are found by the
-- ledger's transfers; the unread are few and lie at the end of an inbox; an
-- event is text that nobody searches.
DROP INDEX payments.payments_wallet;
DROP INDEX notifications.notices_unread;
ALTER TABLE notifications.notices DROP CONSTRAINT notices_link_check;
ALTER TABLE notifications.notices ADD CONSTRAINT link_local CHECK (link = '' OR (link LIKE '/%' AND length(link) <= 202));
ALTER TABLE app.outbox ALTER COLUMN payload TYPE json USING payload::json;
