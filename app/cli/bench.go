package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"jangteo/app/bench"
	"jangteo/app/pg"
	"jangteo/config"
	"jangteo/migrations"
)

const (
	benchDatabase     = "jangteo_bench"
	benchKey          = "YmVuY2htYXJrcyBvbmx5OiAzMiBieXRlcyBsb25nISE="
	benchServerAnswer = "answering "
)

type benchOptions struct {
	callers, seconds, rate, citizens, months, processors int
	compare, profile                                     string
	asJSON                                               bool
}

func benchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: "bench [scenario …]", Short: "Measure the real HTTP API on a fresh database of a stated size",
		Long: `Fills a fresh database, starts a server on it as a process of its own and drives its
HTTP API from this one. PostgreSQL runs durably (fsync and synchronous_commit on).

Scenarios: pay (half of all payments in 5 large municipalities, a tenth at one busy
shop; this one if none is named), pay-one (all at one shop of each municipality),
pay-cancel, read (wallets and history), mixed (four reads to one payment) and cards
(authorisations of a card issuer over four connections, as many at a time as callers).

With --compare pgbench, PostgreSQL's own benchmark runs on the same server before and
after, and the result is a ratio to its best rate. Machines are noisy: believe ratios.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			scenarios, err := o.check(args)
			if err != nil {
				return misuse{err}
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			return runBench(cmd.Context(), cmd.OutOrStdout(), cfg, o, scenarios)
		},
	}
	cmd.AddCommand(benchResetCommand())
	f := cmd.Flags()
	f.IntVar(&o.callers, "callers", 64, "callers that wait for an answer at a time")
	f.IntVar(&o.seconds, "seconds", 10, "how long each scenario is measured")
	f.IntVar(&o.rate, "rate", 0, "requests a second, waits included in what is measured; 0: as many as the callers can")
	f.IntVar(&o.citizens, "citizens", 20_000, "wallets in the database")
	f.IntVar(&o.months, "months", 1, "months of history, ten payments a month each")
	f.IntVar(&o.processors, "processors", 0, "processors that the server may use at a time (GOMAXPROCS), 0: all; half of them suits a machine that PostgreSQL is on, too")
	f.StringVar(&o.compare, "compare", "", "pgbench: run it on the same server and print ratios")
	f.StringVar(&o.profile, "profile", "", "write the server's CPU profile (for go tool pprof) to this file")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a scenario, the last line being the last")
	return cmd
}

func (o benchOptions) check(args []string) (scenarios []bench.Scenario, err error) {
	for _, name := range args {
		if !slices.Contains(bench.Scenarios, bench.Scenario(name)) {
			return nil, fmt.Errorf("no scenario is called %q; they are %v", name, bench.Scenarios)
		}
		scenarios = append(scenarios, bench.Scenario(name))
	}
	switch {
	case o.callers < 1 || o.callers > 4096 || o.seconds < 1 || o.seconds > 3600:
		return nil, errors.New("--callers must be 1 to 4096 and --seconds 1 to 3600")
	case o.rate < 0 || o.rate > 100_000:
		return nil, errors.New("--rate must be 0 to 100000")
	case o.citizens < 5000 || o.citizens > 20_000_000 || o.months < 0 || o.months > 60:
		return nil, errors.New("--citizens must be 5000 to 20000000 and --months 0 to 60")
	case o.processors < 0 || o.processors > 1024:
		return nil, errors.New("--processors must be 0 to 1024")
	case o.compare != "" && o.compare != "pgbench":
		return nil, fmt.Errorf("--compare knows pgbench alone, not %q", o.compare)
	case len(scenarios) == 0:
		scenarios = []bench.Scenario{bench.Pay}
	}
	return scenarios, nil
}

func runBench(ctx context.Context, out io.Writer, cfg config.Config, o benchOptions, scenarios []bench.Scenario) (err error) {
	dir, err := os.MkdirTemp("", "jangteo-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's own user must pass; its folder inside is private
		return err
	}
	admin, postmaster := cfg.Database.URL, 0
	if admin == "" {
		server, err := pg.Start(ctx, pg.Options{Dir: filepath.Join(dir, "postgres"), Durable: true, Settings: map[string]string{
			"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min",
		}})
		if err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, server.Stop(context.WithoutCancel(ctx)), pg.Remove(context.WithoutCancel(ctx), filepath.Join(dir, "postgres")))
		}()
		admin, postmaster = server.URL("postgres"), server.PID()
	}
	world, err := fillBench(ctx, admin, cfg, o)
	if err != nil {
		return err
	}
	b := benchRun{out: out, o: o, admin: admin, postmaster: postmaster}
	if o.compare != "" {
		if err := b.yardstick(ctx); err != nil {
			return err
		}
	}
	return b.scenarios(ctx, world, scenarios)
}

// fillBench makes the database and everything in it.
func fillBench(ctx context.Context, admin string, cfg config.Config, o benchOptions) (*bench.World, error) {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, name := range []string{benchDatabase, benchDatabase + "_pgbench"} {
		for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return nil, err
			}
		}
	}
	cfg.Database.URL, cfg.Secrets.MasterKey, cfg.Bank.Institution, cfg.Log.Level = at(admin, benchDatabase), benchKey, demoInstitution, "error"
	if _, err := migrations.Apply(ctx, cfg.Database.URL); err != nil {
		return nil, err
	}
	s, err := newServer(ctx, cfg, os.Stderr, false)
	if err != nil {
		return nil, err
	}
	defer s.app.Close()
	return bench.Fill(ctx, s.app, cfg.Database.URL, bench.Size{Citizens: o.citizens, Months: o.months})
}

type benchRun struct {
	out          io.Writer
	o            benchOptions
	admin        string
	postmaster   int // 0: PostgreSQL is not ours
	tpcb, simple float64
	commit       float64 // ms
}

func (b *benchRun) yardstick(ctx context.Context) error {
	bin, err := pg.FindBin()
	if err != nil {
		return err
	}
	tpcb, simple, err := bench.Pgbench(ctx, bin, at(b.admin, benchDatabase+"_pgbench"), time.Duration(b.o.seconds)*time.Second/2)
	if err != nil {
		return err
	}
	b.tpcb, b.simple = max(b.tpcb, tpcb), max(b.simple, simple)
	commit, err := bench.Commit(ctx, at(b.admin, benchDatabase+"_pgbench"))
	if b.commit == 0 || commit < b.commit {
		b.commit = commit
	}
	return err
}

func (b *benchRun) scenarios(ctx context.Context, world *bench.World, scenarios []bench.Scenario) error {
	server, addr, cardsAddr, err := startBenchServer(ctx, at(b.admin, benchDatabase), b.o.profile, b.o.processors)
	if err != nil {
		return err
	}
	defer func() { _ = server.Process.Signal(syscall.SIGTERM); _ = server.Wait() }()
	var results []bench.Result
	for _, scenario := range scenarios {
		usage := func() bench.CPU { return bench.CPUOf(server.Process.Pid, b.postmaster) }
		drive, to := world.Drive, addr
		if scenario == bench.Cards {
			drive, to = world.DriveCards, cardsAddr
		}
		r, err := drive(ctx, to, usage, scenario, bench.Load{Callers: b.o.callers, Length: time.Duration(b.o.seconds) * time.Second, Rate: b.o.rate})
		if err != nil {
			return fmt.Errorf("%s: %w", scenario, err)
		}
		r.ServerRSSMB = residentMB(server.Process.Pid)
		results = append(results, r)
	}
	if b.o.compare != "" {
		if err := b.yardstick(ctx); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(b.out, "%-10s %7s %7s %9s %7s %9s %9s %8s   %s\n", "scenario", "callers", "seconds", "rate/s", "errors", "p50 ms", "p99 ms", "RSS MB",
		"CPU µs a request: server, PostgreSQL, generator")
	for i, r := range results {
		_, _ = fmt.Fprintf(b.out, "%-10s %7d %7.0f %9.0f %7d %9.2f %9.2f %8.0f   %.0f, %.0f, %.0f\n", r.Scenario, r.Callers, r.Seconds, r.Rate, r.Errors, r.P50Ms, r.P99Ms, r.ServerRSSMB,
			r.ServerCPU, r.PostgresCPU, r.GeneratorCPU)
		if b.o.compare != "" {
			r.PgbenchTPCB, r.PgbenchSimple, r.RatioTPCB, r.RatioSimple = b.tpcb, b.simple, r.Rate/b.tpcb, r.Rate/b.simple
			r.CommitMs, r.RatioCommit = b.commit, r.P50Ms/b.commit
			_, _ = fmt.Fprintf(b.out, "           pgbench at its best: TPC-B-like %.0f/s, simple update %.0f/s; ratios %.2f and %.2f\n", b.tpcb, b.simple, r.RatioTPCB, r.RatioSimple)
			_, _ = fmt.Fprintf(b.out, "           one commit alone takes %.2f ms; the median is %.2f times that\n", b.commit, r.RatioCommit)
		}
		if r.FirstError != "" {
			_, _ = fmt.Fprintf(b.out, "           first error: %s\n", r.FirstError)
		}
		results[i] = r
	}
	if b.o.asJSON {
		for _, r := range results {
			if err := json.NewEncoder(b.out).Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// startBenchServer runs this program again as the server that is measured.
func startBenchServer(ctx context.Context, url, profile string, processors int) (server *exec.Cmd, addr, cardsAddr string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", "", err
	}
	cmd := exec.CommandContext(ctx, self, "bench-server", "--profile", profile)
	cmd.Env = append(os.Environ(), "JANGTEO_DATABASE_URL="+url, "JANGTEO_SECRETS_MASTER_KEY="+benchKey, "JANGTEO_BANK_INSTITUTION="+demoInstitution,
		"JANGTEO_LIMITS_KNOCKS_PER_ADDRESS=100000000") // all of its callers have one address
	if processors > 0 {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(processors))
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addrs, ok := strings.CutPrefix(strings.TrimSpace(line), benchServerAnswer)
	addr, cardsAddr, both := strings.Cut(addrs, " ")
	if err != nil || !ok || !both {
		return nil, "", "", fmt.Errorf("the server did not start: %q %w", line, cmd.Wait())
	}
	return cmd, addr, cardsAddr, nil
}

// benchServerCommand is serve without its demand for production's settings: the
// same server, on loopback.
func benchServerCommand() *cobra.Command {
	var profile string
	cmd := &cobra.Command{
		Use: "bench-server", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if profile != "" {
				file, err := os.Create(profile)
				if err != nil {
					return err
				}
				defer func() { _ = file.Close() }()
				if err := pprof.StartCPUProfile(file); err != nil {
					return err
				}
				defer pprof.StopCPUProfile()
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			cfg.Cards.Addr = "127.0.0.1:0"
			cfg.Server.Addr, cfg.Server.InternalAddr, cfg.Log.Level = "127.0.0.1:0", "127.0.0.1:0", slog.LevelWarn.String()
			s, err := newServer(cmd.Context(), cfg, os.Stderr, false)
			if err != nil {
				return err
			}
			var cards string
			s.issuers = func(addr string) { cards = addr }
			return s.run(cmd.Context(), func(addr string) { _, _ = fmt.Fprintln(cmd.OutOrStdout(), benchServerAnswer+addr+" "+cards) })
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "write a CPU profile to this file")
	return cmd
}

// residentMB is what a process holds in memory, by /proc; 0 where there is none.
func residentMB(pid int) float64 {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(body), "VmRSS:")
	var kb float64
	_, _ = fmt.Sscan(rest, &kb)
	return kb / 1024
}
