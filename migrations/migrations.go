// Package migrations embeds the schema's history and applies it. Files are
// forward only and never edited once landed: expand, then contract.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed *.sql
var files embed.FS

// JobsSchema is where the job queue's own tables live.
const JobsSchema = "river"

// Digest names this exact history; tests keep one template database for each.
func Digest() string {
	sum := sha256.New()
	names, _ := fs.Glob(files, "*.sql")
	for _, name := range names {
		body, _ := files.ReadFile(name)
		sum.Write(body)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// Apply brings the database at url up to date as its owner and returns how many
// files were applied. Several servers may call it at once: one works, the others wait.
func Apply(ctx context.Context, url string) (applied int, err error) {
	owner, err := sql.Open("pgx", url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = owner.Close() }()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, owner, files, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return len(results), err
	}
	return len(results), jobs(ctx, url)
}

// Pending counts the files that the database has not seen.
func Pending(ctx context.Context, url string) (int, error) {
	owner, err := sql.Open("pgx", url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = owner.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, owner, files)
	if err != nil {
		return 0, err
	}
	states, err := provider.Status(ctx)
	pending := 0
	for _, s := range states {
		if s.State == goose.StatePending {
			pending++
		}
	}
	return pending, err
}

// jobs brings the job queue's tables up to date with its library.
func jobs(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: JobsSchema})
	if err != nil {
		return err
	}
	hold, err := pool.Acquire(ctx) // one server at a time
	if err != nil {
		return err
	}
	defer hold.Release()
	if _, err := hold.Exec(ctx, "SELECT pg_advisory_lock(72617)"); err != nil {
		return err
	}
	defer func() { _, _ = hold.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(72617)") }()
	if _, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+JobsSchema); err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("job queue: %w", err)
	}
	_, err = pool.Exec(ctx, fmt.Sprintf(`
		GRANT USAGE ON SCHEMA %[1]s TO jangteo_service;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO jangteo_service;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA %[1]s TO jangteo_service`, JobsSchema))
	return err
}
