-- +goose Up
-- Codes are guessed at a telephone, not at a check: guesses are counted by the
-- number that a check was sent to, which is kept as a blind index.
ALTER TABLE citizens.checks ADD COLUMN phone_index bytea CHECK (length(phone_index) = 16);
