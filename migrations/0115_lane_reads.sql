-- +goose Up
-- What is asked of many municipalities in one round trip: the facts that payments
-- need of wallets, and what a citizen sees of all their wallets at once.
CALL app.lane('vouchers.wallets', 'SELECT');
CALL app.lane('vouchers.lots', 'SELECT');
GRANT SELECT ON vouchers.memberships TO jangteo_lane;
CALL app.lane('merchants.shops', 'SELECT (tenant_id, id, name, payable_id, trade, yearly_sales_over_3bn, state)');
