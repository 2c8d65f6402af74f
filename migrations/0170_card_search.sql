-- +goose Up
-- Rows of clearing files are looked for by the beginning of a retrieval number,
-- a shop's number or a terminal, sign by sign whatever the database's language.
CREATE INDEX clearing_rows_by_retrieval ON cards.clearing_rows (tenant_id, retrieval COLLATE "C");
CREATE INDEX clearing_rows_by_merchant ON cards.clearing_rows (tenant_id, merchant_number COLLATE "C");
CREATE INDEX clearing_rows_by_terminal ON cards.clearing_rows (tenant_id, terminal COLLATE "C");
