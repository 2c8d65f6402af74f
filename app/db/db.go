// Package db opens PostgreSQL and hands out transactions. All SQL runs inside
// one, because the transaction is what tells PostgreSQL whose rows are visible.
package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// Role is what a connection may do; migrations make the roles and their rights.
type Role string

// The roles that migrations make. Neither owns a table nor passes row security.
const (
	Service Role = "jangteo_service" // one tenant's rows at a time
	Lane    Role = "jangteo_lane"    // the few tables on the path of value, all tenants
)

// patience is the usual bound of a wait for a connection: a database
// that is gone is told within two seconds.
const patience = 1500 * time.Millisecond

// Options say where and as whom to connect.
type Options struct {
	URL            string
	Role           Role
	MaxConnections int // 0 means 12; more than 16 costs throughput on a small machine
	// Patience bounds how long a caller waits for a connection and its first
	// words; 0 means 1.5 s, so that a database that is gone is told within two.
	Patience time.Duration
	Name     string
	// Aside is how many more connections only DB.Aside takes; 0 means that it
	// shares the others.
	Aside int
}

// DB is a pool of connections with one role.
type DB struct {
	pool *pgxpool.Pool
	sql  *sql.DB
	gorm *gorm.DB

	patience time.Duration
	aside    *DB // nil: none of its own
}

// Pool connects with one role and sensible limits, without asking the server yet.
func Pool(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("the database's address cannot be read") // the driver's own words hold the password
	}
	cfg.MaxConns = int32(o.MaxConnections)
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 12
	}
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.HealthCheckPeriod = 5 * time.Second
	cfg.ConnConfig.ConnectTimeout = patience
	set := cfg.ConnConfig.RuntimeParams
	set["role"] = string(o.Role)
	set["application_name"] = "jangteo " + o.Name
	set["timezone"] = "UTC"
	set["statement_timeout"] = "15s"
	set["lock_timeout"] = "5s"
	set["idle_in_transaction_session_timeout"] = "20s"
	if o.Role == Lane {
		// What the lane asks is always few rows by their keys. A plan made while a
		// table was small, and kept while it grows, must not read all of it.
		set["enable_seqscan"] = "off"
		// Nor does a plan depend on how many orders are in a batch: planning the
		// lane's statement takes longer than carrying it out for one of them.
		set["plan_cache_mode"] = "force_generic_plan"
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

// Open makes a pool and gorm above it.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Role == "" {
		o.Role = Service
	}
	pool, err := Pool(ctx, o)
	if err != nil {
		return nil, err
	}
	std := stdlib.OpenDBFromPool(pool)
	std.SetMaxIdleConns(0) // idle ones belong to the pool
	orm, err := gorm.Open(postgres.New(postgres.Config{Conn: std}), &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard,
		NowFunc:                func() time.Time { return time.Time{} }, // never the machine's time: rows are handed theirs (gorm calls this at every Create)
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	d := &DB{pool: pool, sql: std, gorm: orm, patience: o.Patience}
	if o.Aside > 0 {
		o.MaxConnections, o.Aside, o.Name = o.Aside, 0, o.Name+" aside"
		if d.aside, err = Open(ctx, o); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// Pgx is the pool underneath, for COPY, LISTEN and jobs.
func (d *DB) Pgx() *pgxpool.Pool { return d.pool }

// PgxAside is the pool of Aside, for those who listen.
func (d *DB) PgxAside() *pgxpool.Pool {
	if d.aside == nil {
		return d.pool
	}
	return d.aside.pool
}

// Patience is how long a caller waits for a connection and its first words.
func (d *DB) Patience() time.Duration { return d.patience }

// Close waits for transactions under way and closes the pool.
func (d *DB) Close() error {
	err := d.sql.Close()
	d.pool.Close()
	if d.aside != nil {
		err = errors.Join(err, d.aside.Close())
	}
	return err
}

// Ping tells within its bound whether the server answers.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return Unavailable(d.pool.Ping(ctx))
}

type key struct{}

type open struct {
	orm    *gorm.DB
	conn   *sql.Conn
	tx     *sql.Tx
	tenant tenant.ID
	after  *[]func()
}

// Tx runs work in one transaction for the municipality in ctx. Inside another
// transaction it joins that one, so a service may call a service and still
// commit once; a transaction that began without a municipality takes this one.
// It is tried again when PostgreSQL chose it as the victim of a deadlock.
func (d *DB) Tx(ctx context.Context, work func(context.Context) error) error {
	id := tenant.From(ctx)
	if outer, ok := ctx.Value(key{}).(*open); ok {
		switch outer.tenant {
		case id:
		case tenant.Platform:
			if err := scope(ctx, outer, id); err != nil {
				return err
			}
		default:
			panic(fmt.Sprintf("db: a transaction of tenant %s asked for tenant %s", outer.tenant, id))
		}
		return work(ctx)
	}
	return d.run(ctx, id, work)
}

// Platform runs work in a transaction that sees no municipality's rows, only
// platform-wide tables. Inside another transaction it joins that one.
func (d *DB) Platform(ctx context.Context, work func(context.Context) error) error {
	if _, ok := ctx.Value(key{}).(*open); ok {
		return work(ctx)
	}
	return d.run(ctx, tenant.Platform, work)
}

// Together runs work in one transaction that may take the events of all those
// municipalities, and act for one after another through As: all of it commits,
// or none. It is for few rows by their keys: a plan made while a table was
// small, and kept while it grows, must not read all of it.
func (d *DB) Together(ctx context.Context, ids []tenant.ID, work func(context.Context) error) error {
	if InTx(ctx) {
		panic("db: municipalities together inside a transaction")
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strconv.Itoa(int(id))
	}
	return d.run(ctx, tenant.Platform, func(ctx context.Context) error {
		o := ctx.Value(key{}).(*open)
		_, err := o.tx.ExecContext(ctx, "SET LOCAL app.tenant_ids = '{"+strings.Join(list, ",")+"}'; SET LOCAL enable_seqscan = off")
		if err != nil {
			return err
		}
		return work(ctx)
	})
}

// As runs work for a municipality inside the transaction in ctx, which is that
// municipality's or one of many together.
func (d *DB) As(ctx context.Context, id tenant.ID, work func(context.Context) error) error {
	o, ok := ctx.Value(key{}).(*open)
	if !ok {
		panic("db: one of many outside a transaction")
	}
	if o.tenant != id {
		if err := scope(ctx, o, id); err != nil {
			return err
		}
	}
	return work(tenant.With(ctx, id))
}

// Aside is Platform on connections that no crowd takes: what requests keep in
// memory is read there, and must not wait behind those who need it.
func (d *DB) Aside(ctx context.Context, work func(context.Context) error) error {
	if d.aside == nil {
		return d.Platform(ctx, work)
	}
	return d.aside.Platform(ctx, work)
}

// Snapshot runs work in one unchanging view of the tenant in ctx, for reading
// alone: a long recomputation beside traffic sees one moment. Its statements
// may take ten minutes.
func (d *DB) Snapshot(ctx context.Context, work func(context.Context) error) error {
	if InTx(ctx) {
		panic("db: a snapshot inside a transaction")
	}
	return Unavailable(d.once(ctx, tenant.From(ctx), func(ctx context.Context) error {
		_, err := d.SQL(ctx).ExecContext(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
		if err == nil {
			_, err = d.SQL(ctx).ExecContext(ctx, "SET LOCAL statement_timeout = '10min'")
		}
		if err != nil {
			return err
		}
		return work(ctx)
	}))
}

// InTx reports whether ctx is inside a transaction already.
func InTx(ctx context.Context) bool {
	_, ok := ctx.Value(key{}).(*open)
	return ok
}

// AfterCommit runs f once the transaction in ctx has committed; at once when
// there is none.
func AfterCommit(ctx context.Context, f func()) {
	if o, ok := ctx.Value(key{}).(*open); ok {
		*o.after = append(*o.after, f)
		return
	}
	f()
}

func (d *DB) run(ctx context.Context, id tenant.ID, work func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := d.once(ctx, id, work)
		if attempt == 3 || !Retryable(err) {
			return Unavailable(err)
		}
	}
}

func (d *DB) once(ctx context.Context, id tenant.ID, work func(context.Context) error) (err error) {
	// A connection that hangs is found out by the first words on it; what is
	// asked afterwards may take as long as the request.
	begin, giveUp := context.WithCancel(ctx)
	defer giveUp()
	late := time.AfterFunc(d.patience, giveUp)
	defer late.Stop()
	conn, err := d.sql.Conn(begin)
	if err != nil {
		return silent(ctx, begin, err)
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTx(begin, nil)
	if err != nil {
		return silent(ctx, begin, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	orm := d.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
	orm.Statement.ConnPool = tx
	o := &open{orm: orm, conn: conn, tx: tx, after: new([]func())}
	if err := scope(begin, o, id); err != nil { // the platform's own rows are those of tenant 0
		return silent(ctx, begin, err)
	}
	if !late.Stop() {
		return silent(ctx, begin, context.Canceled)
	}
	if err := work(context.WithValue(ctx, key{}, o)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, f := range *o.after {
		f()
	}
	return nil
}

// silent tells a server that let its time pass from a caller who went away.
func silent(ctx, begin context.Context, err error) error {
	if begin.Err() != nil && ctx.Err() == nil {
		return fault.ErrUnavailable.Because(err)
	}
	return err
}

// scope is a statement, not a call of set_config: it must reach every node of a
// distributed database.
func scope(ctx context.Context, o *open, id tenant.ID) error {
	_, err := o.tx.ExecContext(ctx, "SET LOCAL app.tenant_id = '"+strconv.Itoa(int(id))+"'")
	if err == nil {
		o.tenant = id
	}
	return err
}

// In returns the transaction in ctx as gorm. Only store files call it.
func (d *DB) In(ctx context.Context) *gorm.DB {
	o, ok := ctx.Value(key{}).(*open)
	if !ok {
		panic("db: SQL outside a transaction")
	}
	return o.orm.WithContext(ctx)
}

// SQL returns the transaction in ctx for set-based statements, which take whole
// arrays as $1, $2 and so on. Only store files call it.
func (d *DB) SQL(ctx context.Context) *sql.Tx {
	o, ok := ctx.Value(key{}).(*open)
	if !ok {
		panic("db: SQL outside a transaction")
	}
	return o.tx
}

// Retryable tells a lost race (serialization failure, deadlock) from a failure.
func Retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// IsDuplicate reports a violated unique constraint, by its state and never by
// the constraint's name: a distributed database leaves that empty.
func IsDuplicate(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, gorm.ErrDuplicatedKey) || errors.As(err, &pg) && pg.Code == "23505"
}

// Unavailable turns what means "the database is not there now" into the fault
// that says so; everything else passes through.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.Of(err); ok {
		return err
	}
	if Gone(err) {
		return fault.ErrUnavailable.Because(err)
	}
	return err
}

// Gone reports whether err means that the server could not be reached, was
// shutting down, had no connection left or did not answer in time.
func Gone(err error) bool {
	var (
		pg      *pgconn.PgError
		connect *pgconn.ConnectError
		network net.Error
	)
	switch {
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") ||
			strings.HasPrefix(pg.Code, "53") || pg.Code == "55P03" || pg.Code == "57014" ||
			pg.Code == "25006" || pg.Code == "40001" || pg.Code == "40P01"
	case errors.As(err, &connect), errors.As(err, &network):
		return true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, sql.ErrTxDone), errors.Is(err, io.EOF), // a transaction that the loss of its connection ended
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, pgx.ErrTxClosed):
		return true
	}
	return pgconn.Timeout(err) || strings.Contains(err.Error(), "conn closed")
}
