-- +goose Up
-- A programme may be for some ages only, and why its sale ended early is told.
ALTER TABLE vouchers.programmes
    ADD COLUMN buyer_age_min smallint NOT NULL DEFAULT 0 CHECK (buyer_age_min BETWEEN 0 AND 120),
    ADD COLUMN buyer_age_max smallint NOT NULL DEFAULT 0 CHECK (buyer_age_max BETWEEN 0 AND 120), -- 0: none
    ADD COLUMN close_reason  text     NOT NULL DEFAULT '' CHECK (length(close_reason) <= 500),
    ADD CONSTRAINT buyer_ages CHECK (buyer_age_max = 0 OR buyer_age_max >= buyer_age_min),
    ADD CONSTRAINT closed_for_a_reason CHECK (close_reason = '' OR closes_at IS NOT NULL);
GRANT UPDATE (close_reason) ON vouchers.programmes TO jangteo_service;
