package cli

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"jangteo/app/clock"
	"jangteo/app/demo"
	"jangteo/app/pg"
	"jangteo/app/simulate"
	"jangteo/config"
	"jangteo/migrations"
)

const (
	demoDatabase     = "jangteo_demo"
	outsideDatabase  = "jangteo_demo_outside"
	demoInstitution  = "M202600001"
	bankOpensWithWon = 1_000_000
)

type demoOptions struct {
	addr, data       string
	citizens, months int
	reset            bool
}

func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", Short: "Run everything here with people, shops and a month of history", Args: noArguments,
		Long: `Runs Jangteo with a PostgreSQL of its own in a data folder, simulators of bank,
identity provider, message gateway and card issuers, and every face on one port. The data is kept:
a second start takes seconds. With JANGTEO_DATABASE_URL set, that server is used instead.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.citizens < 10 || o.citizens > 1_000_000 || o.months < 1 || o.months > 24 {
				return misuse{errors.New("--citizens must be 10 to 1000000 and --months 1 to 24")}
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout(), cfg, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "where to answer, host:port")
	f.StringVar(&o.data, "data", defaultData(), "the folder that keeps the demo's database and keys")
	f.IntVar(&o.citizens, "citizens", 2000, "how many people live in the demo")
	f.IntVar(&o.months, "months", 1, "how many months of history they have")
	f.BoolVar(&o.reset, "reset", false, "begin anew")
	return cmd
}

func defaultData() string {
	if wd, err := os.Getwd(); err == nil {
		return filepath.Join(wd, "data")
	}
	return "data"
}

func runDemo(ctx context.Context, out io.Writer, cfg config.Config, o demoOptions) error {
	began := clock.System()
	if err := os.MkdirAll(o.data, 0o755); err != nil { //nolint:gosec // the database's own folder inside is private
		return fmt.Errorf("the data folder cannot be made: %w", err)
	}
	l, err := listen(ctx, o.addr)
	if err != nil {
		return err
	}
	making := demo.Begin(l)
	defer func() { _ = making.Done() }()
	admin := cfg.Database.URL
	if admin == "" {
		if o.reset {
			if err := pg.Remove(ctx, filepath.Join(o.data, "postgres")); err != nil {
				return err
			}
		}
		server, err := pg.Start(ctx, pg.Options{Dir: filepath.Join(o.data, "postgres"), Durable: true})
		if err != nil {
			return err
		}
		defer func() { _ = server.Stop(context.WithoutCancel(ctx)) }()
		admin = server.URL("postgres")
	}
	key, err := masterKey(filepath.Join(o.data, "master.key"))
	if err != nil {
		return err
	}
	cfg.Database.URL, cfg.Database.OwnerURL, cfg.Secrets.MasterKey = at(admin, demoDatabase), at(admin, demoDatabase), key
	if err := keepAddress(o.data, cfg.Database.URL); err != nil {
		return err
	}
	fresh, err := prepare(ctx, admin, o.reset)
	if err != nil {
		return err
	}
	sims, err := simulate.Start(ctx, simulate.Options{DSN: at(admin, outsideDatabase), Now: clock.System, OpenWith: bankOpensWithWon})
	if err != nil {
		return err
	}
	defer func() { _ = sims.Stop(context.WithoutCancel(ctx)) }()
	cfg.Server.Addr, cfg.Server.PublicURL, cfg.Server.InternalAddr = o.addr, "http://"+o.addr, "127.0.0.1:0"
	cfg.Bank.URL, cfg.Identity.URL, cfg.Messages.URL = sims.BankURL, sims.IdentityURL, sims.MessagesURL
	cfg.Bank.Institution, cfg.Bank.ClientID, cfg.Bank.ClientSecret = demoInstitution, "jangteo-demo", "jangteo-demo-secret"
	cfg.Cards.Addr, cfg.Cards.BackOffice = "127.0.0.1:0", sims.IssuersURL
	cfg.Log.Format, cfg.Log.Level = "text", "warn"
	s, err := newServer(ctx, cfg, os.Stderr, true)
	if err != nil {
		return err
	}
	if fresh {
		_, _ = fmt.Fprintf(out, "장터: making %d people and %d month(s) of history; this happens once …\n", o.citizens, o.months)
		making.Show(s.app)
		err := demo.Seed(ctx, s.app, sims, demo.Options{
			Citizens: o.citizens, Months: o.months, Now: clock.System, Log: s.log, OwnerURL: s.cfg.Owner(), Making: making,
		})
		if err == nil {
			err = markComplete(ctx, admin)
		}
		if err != nil {
			s.app.Close()
			return fmt.Errorf("making the demo's data: %w", err)
		}
	}
	if err := making.Done(); err != nil {
		s.app.Close()
		return err
	}
	demo.Mount(s.app, sims)
	s.issuers = sims.Issuers.Connect
	return s.run(ctx, func(addr string) {
		demo.Welcome(out, "http://"+addr, clock.System().Sub(began).Round(10*time.Millisecond))
	})
}

// prepare makes the demo's two databases when they are missing, half made or to
// be made anew, and migrates. It reports whether they are to be filled.
func prepare(ctx context.Context, admin string, reset bool) (fresh bool, err error) {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return false, fmt.Errorf("the database server does not answer: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var comment string
	err = conn.QueryRow(ctx, `SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1`, demoDatabase).Scan(&comment)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, err
	}
	if comment != completeMark || reset {
		fresh = true
		for _, name := range []string{demoDatabase, outsideDatabase} {
			for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
				if _, err := conn.Exec(ctx, statement); err != nil {
					return false, err
				}
			}
		}
	}
	_, err = migrations.Apply(ctx, at(admin, demoDatabase))
	return fresh, err
}

// completeMark on the database says that its history was made to the end.
const completeMark = "jangteo demo: complete"

func markComplete(ctx context.Context, admin string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "COMMENT ON DATABASE "+demoDatabase+" IS '"+completeMark+"'")
	return err
}

func at(address, database string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Path = "/" + database
	return u.String()
}

// masterKey reads the demo's key, making it on the first start.
func masterKey(file string) (string, error) {
	body, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(body)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	key := base64.StdEncoding.EncodeToString(raw)
	return key, os.WriteFile(file, []byte(key+"\n"), 0o600)
}

// keepAddress lets "jangteo verify" find the running demo.
func keepAddress(data, address string) error {
	return os.WriteFile(filepath.Join(data, "database.url"), []byte(address+"\n"), 0o600)
}

type demoAccess struct{ url, masterKey string }

func runningDemo(cmd *cobra.Command) (d demoAccess, err error) {
	data, _ := cmd.Flags().GetString("data")
	if data == "" {
		data = defaultData()
	}
	address, err := os.ReadFile(filepath.Join(data, "database.url"))
	if err != nil {
		return d, misuse{errors.New("no database was named and no demo runs here: give --database-url, JANGTEO_DATABASE_URL or --data")}
	}
	key, err := masterKey(filepath.Join(data, "master.key"))
	return demoAccess{strings.TrimSpace(string(address)), key}, err
}
