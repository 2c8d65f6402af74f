package demo

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// analyse lets PostgreSQL know what the tables now look like, which it would
// find out by itself some minutes later.
func (s *seeder) analyse(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.options.OwnerURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "ANALYZE")
	return err
}
