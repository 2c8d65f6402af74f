package reports_test

import (
	"github.com/jackc/pgx/v5"

	"jangteo/app/testkit"
)

// plant changes rows behind the program's back.
func (o *office) plant(statement string) {
	o.t.Helper()
	superuser, err := pgx.Connect(o.ctx, testkit.URL(o.t))
	o.must(err)
	defer func() { _ = superuser.Close(o.ctx) }()
	_, err = superuser.Exec(o.ctx, statement, o.kit.Tenant)
	o.must(err)
}
