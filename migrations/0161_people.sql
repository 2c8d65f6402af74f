-- +goose Up
-- An owner brings people with the work that each has, and may keep one out.
ALTER TABLE merchants.clerks
    ADD COLUMN suspended_at timestamptz,
    DROP CONSTRAINT clerks_role_check,
    ADD CONSTRAINT clerks_role_check CHECK (role IN ('owner', 'manager', 'bookkeeper', 'clerk'));

-- Somebody at the operator says who else works there.
ALTER TABLE staff.members
    DROP CONSTRAINT members_role_check,
    DROP CONSTRAINT members_check,
    ADD CONSTRAINT members_role_check CHECK (role IN ('chief', 'officer', 'settlement', 'auditor', 'operator', 'operator-chief')),
    ADD CONSTRAINT members_check CHECK ((tenant_id = 0) = (role IN ('operator', 'operator-chief')));
