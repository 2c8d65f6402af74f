-- +goose Up
-- Codes are guessed at a telephone, not at a check: guesses are counted by the
-- number that a check was sent to, which is kept as a blind index.
ALTER TABLE citizens.checks ADD COLUMN phone_index bytea CHECK (length(phone_index) = 16);

-- A reset may be planned. Whose session it ends goes on with the access token in
-- hand until that is over, which for the minutes before lives longer: nobody is
-- cut off in a payment. A later login or a lock cuts such a token short.
ALTER TABLE sessions.resets
    ADD COLUMN starts_at timestamptz CHECK (starts_at > ordered_at),
    ADD CONSTRAINT planned_gently CHECK (starts_at IS NULL OR NOT at_once);
ALTER TABLE sessions.sessions
    ADD COLUMN cut_at timestamptz,
    ADD CONSTRAINT cut_after_reset CHECK (cut_at IS NULL OR state = 'session-reset');
