// Package testkit gives each package of tests its own PostgreSQL database and
// each test its own municipality in it. Tenancy is what keeps tests apart, so
// every test is also a test of tenancy.
package testkit

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to make databases

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/idem"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/migrations"
)

// MasterKey is the tests' own; production refuses it.
const MasterKey = "dGVzdHMgb25seTogdGhpcnR5LXR3byBieXRlcyBrZXk="

// Kit is what a test of a module is built from.
type Kit struct {
	DB        *db.DB
	Lane      *db.DB
	Tenant    tenant.ID
	Clock     *Clock
	Box       *crypt.Box
	Keys      *idem.Keys
	Outbox    *outbox.Outbox
	Audit     *audit.Log
	Approvals *approvals.Approvals
	Log       *slog.Logger
}

// Open returns this package's database and a context for a new municipality. A
// missing database fails the test; nothing is skipped.
func Open(t testing.TB) (*Kit, context.Context) {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	clock := NewClock()
	id := tenant.ID(20000 + lastTenant.Add(1))
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	k := &Kit{
		DB: s.service, Lane: s.lane, Tenant: id, Clock: clock, Box: s.box, Log: log,
		Keys:   idem.NewKeys(s.service, clock.Now),
		Outbox: outbox.New(s.service, s.lane, clock.Now, log),
		Audit:  audit.New(s.service, clock.Now),
	}
	k.Approvals = approvals.New(k.DB, k.Audit, clock.Now, log)
	return k, tenant.With(t.Context(), id)
}

// URL is the superuser's address of this package's database, for what a test
// must do behind the program's back.
func URL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.url
}

// FreshDatabase makes another migrated database of the test's own.
func FreshDatabase(t testing.TB) (address string) {
	t.Helper()
	address, err := fresh(fmt.Sprintf("jangteo_test_%s_%d", program(), lastTenant.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return address
}

var lastTenant atomic.Int32

// patience is for crowds on a busy machine; what the program itself does when
// the database is gone is tested on the program.
const patience = 20 * time.Second

type databases struct {
	url     string
	service *db.DB
	lane    *db.DB
	box     *crypt.Box
}

// shared replaces what the last run left behind; nothing is dropped at the end,
// so a failed test's rows stay to be looked at.
var shared = sync.OnceValues(func() (*databases, error) {
	address, err := fresh("jangteo_test_" + program())
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	s := &databases{url: address}
	if s.service, err = db.Open(ctx, db.Options{URL: address, Role: db.Service, Name: "test", Patience: patience}); err != nil {
		return nil, err
	}
	if s.lane, err = db.Open(ctx, db.Options{URL: address, Role: db.Lane, Name: "test lane", MaxConnections: 4, Patience: patience}); err != nil {
		return nil, err
	}
	s.box, err = crypt.Open(ctx, s.service, MasterKey, func() time.Time { return Noon })
	return s, err
})

func program() string {
	wd, _ := os.Getwd()
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		name += fmt.Sprint("_", os.Getpid()) // one of several processes
	}
	return strings.NewReplacer("-", "_", ".", "_").Replace(filepath.Base(filepath.Dir(wd)) + "_" + name)
}

func fresh(name string) (string, error) {
	admin := os.Getenv("JANGTEO_TEST_DATABASE_URL")
	if admin == "" {
		return "", errors.New("JANGTEO_TEST_DATABASE_URL is not set: run `make test`, or `go run ./app/testkit/testdb -- go test ./...`")
	}
	template, err := makeTemplate(admin)
	if err != nil {
		return "", err
	}
	err = run(admin, fmt.Sprintf(`DROP DATABASE IF EXISTS %q WITH (FORCE)`, name),
		fmt.Sprintf(`CREATE DATABASE %q TEMPLATE %q`, name, template))
	return at(admin, name), err
}

// makeTemplate migrates one database for this history of migrations, unless an
// earlier run or a neighbouring package did.
func makeTemplate(admin string) (name string, err error) {
	name = "jangteo_template_" + migrations.Digest()
	ctx := context.Background()
	server, err := sql.Open("pgx", admin)
	if err != nil {
		return "", err
	}
	defer func() { _ = server.Close() }()
	lock, err := server.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_lock(72618)`); err != nil {
		return "", err
	}
	defer func() { _, _ = lock.ExecContext(ctx, `SELECT pg_advisory_unlock(72618)`) }()
	var ready bool
	err = server.QueryRowContext(ctx, `SELECT datistemplate FROM pg_database WHERE datname = $1`, name).Scan(&ready)
	if err == nil && ready {
		return name, nil
	}
	if err := run(admin, fmt.Sprintf(`DROP DATABASE IF EXISTS %q WITH (FORCE)`, name), fmt.Sprintf(`CREATE DATABASE %q`, name)); err != nil {
		return "", err
	}
	if _, err := migrations.Apply(ctx, at(admin, name)); err != nil {
		return "", err
	}
	return name, run(admin, fmt.Sprintf(`ALTER DATABASE %q IS_TEMPLATE true`, name))
}

func run(address string, statements ...string) error {
	server, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	for _, statement := range statements {
		if _, err := server.ExecContext(context.Background(), statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func at(address, database string) string {
	u, _ := url.Parse(address)
	u.Path = database
	return u.String()
}

// Noon is when every test begins: a business day, in the middle of it.
var Noon = time.Date(2026, 11, 18, 3, 0, 0, 0, time.UTC) // 12:00 in Seoul, a Wednesday

// Clock stands still until it is moved.
type Clock struct{ nanos atomic.Int64 }

// NewClock starts at Noon.
func NewClock() *Clock {
	c := &Clock{}
	c.nanos.Store(Noon.UnixNano())
	return c
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos.Load()).UTC() }

// Advance moves the clock on.
func (c *Clock) Advance(by time.Duration) { c.nanos.Add(int64(by)) }

// Set moves the clock to a moment.
func (c *Clock) Set(to time.Time) { c.nanos.Store(to.UnixNano()) }

type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	defer func() { _ = recover() }() // a line after the test's end is nobody's
	w.t.Log(strings.TrimRight(string(line), "\n"))
	return len(line), nil
}

var _ io.Writer = testWriter{}
