-- +goose Up
-- A municipality has thousands of shops and terminals. From a sample of a hundred
-- values PostgreSQL sometimes guessed that a search for one shop finds many rows,
-- and walked back through whole days to find a page of them.
ALTER TABLE cards.clearing_rows
    ALTER COLUMN merchant_number SET STATISTICS 1000,
    ALTER COLUMN terminal SET STATISTICS 1000,
    ALTER COLUMN retrieval SET STATISTICS 1000;
