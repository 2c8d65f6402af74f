-- +goose Up
-- Cancellations go through the fast lane. A cancellation keeps how much of its
-- payment was undone just after it, so that a request sent again is answered
-- with the same words.
ALTER TABLE payments.cancellations ADD COLUMN cancelled_after bigint;
UPDATE payments.cancellations c SET cancelled_after =
    (SELECT sum(amount) FROM payments.cancellations b WHERE b.tenant_id = c.tenant_id AND b.payment_id = c.payment_id AND b.id <= c.id);
ALTER TABLE payments.cancellations ALTER COLUMN cancelled_after SET NOT NULL;
ALTER TABLE payments.cancellations ADD CHECK (cancelled_after >= amount);
GRANT UPDATE (answered) ON ledger.entries TO jangteo_lane;
GRANT UPDATE (cancelled_amount) ON payments.payments TO jangteo_lane;
CALL app.lane('payments.cancellations', 'SELECT, INSERT');
