package app_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"jangteo/app/testkit"
)

// What a database distributed by municipality demands, and what keeps one
// municipality's rows from another, holds for every table there is.
func TestSchemaRules(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), testkit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	const tables = `SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS guarded
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = 1
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'river')`
	for rule, sql := range map[string]string{
		"a municipality's table has forced row security": `SELECT name FROM (` + tables + `) t WHERE NOT guarded`,
		"its primary key and unique constraints begin with tenant_id": `SELECT t.name || ' ' || k.conname FROM (` + tables + `) t
			JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f') WHERE k.conkey[1] <> 1`,
		"its indexes begin with tenant_id": `SELECT t.name || ' ' || i.indexrelid::regclass FROM (` + tables + `) t
			JOIN pg_index i ON i.indrelid = t.oid WHERE i.indkey[0] <> 1`,
		"it has a primary key": `SELECT name FROM (` + tables + `) t
			WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'p')`,
		"the roles own nothing and pass no row security": `SELECT rolname FROM pg_roles WHERE rolname LIKE 'jangteo\_%' AND (rolsuper OR rolbypassrls)
			UNION ALL SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname LIKE 'jangteo\_%'`,
		"no table has a trigger of ours": `SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE NOT tgisinternal AND n.nspname <> 'river'`,
		"what moved value cannot be changed": `SELECT grantee || ' ' || table_name || ' ' || privilege_type FROM information_schema.role_table_grants
			WHERE table_schema = 'ledger' AND table_name IN ('entries', 'transfers') AND grantee LIKE 'jangteo\_%' AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')`,
	} {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		broken, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range broken {
			t.Errorf("%s; not so: %s", rule, name)
		}
	}
	var guarded int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM (`+tables+`) t`).Scan(&guarded); err != nil || guarded < 10 {
		t.Errorf("the rules looked at %d tables (%v)", guarded, err)
	}
}
