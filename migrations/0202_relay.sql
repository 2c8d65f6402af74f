-- +goose Up
-- A relay takes the events of many municipalities in one statement. It names
-- them beforehand, and sees of them what it must tell, nothing else.
CREATE FUNCTION app.tenant_ids() RETURNS integer[] LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('app.tenant_ids', true), '')::integer[] $$;

CREATE POLICY relay_reads ON app.outbox FOR SELECT TO jangteo_service USING (tenant_id = ANY ((SELECT app.tenant_ids())::integer[]));
CREATE POLICY relay_takes ON app.outbox FOR DELETE TO jangteo_service USING (tenant_id = ANY ((SELECT app.tenant_ids())::integer[]));
