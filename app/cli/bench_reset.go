package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"jangteo/app/bench"
	"jangteo/app/pg"
	"jangteo/config"
)

type resetOptions struct {
	sessions, callers, seconds, processors int
	asJSON                                 bool
}

func benchResetCommand() *cobra.Command {
	var o resetOptions
	cmd := &cobra.Command{
		Use: "reset", Short: "Measure a reset of many sessions while payments go on", Args: noArguments,
		Long: `Makes active sessions on devices with keys, starts two servers on one database, and
lets two people end all of those sessions at once while others pay. Measured are how
long after its end each server refuses a session's token, how many devices come back
in a second, and what payments notice of it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.sessions < 1000 || o.sessions > 5_000_000 || o.callers < 1 || o.callers > 4096 || o.seconds < 5 || o.seconds > 3600 || o.processors < 0 || o.processors > 1024 {
				return misuse{errors.New("--sessions must be 1000 to 5000000, --callers 1 to 4096 and --seconds 5 to 3600, --processors 0 to 1024")}
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			r, err := runBenchReset(cmd.Context(), cfg, o)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%d sessions ended in %.0f ms; a server knew after %.0f ms (median), %.0f ms at most\n"+
				"%.0f devices came back in a second, %d could not; payments' p99 %.1f ms before, %.1f ms during (%.2f times)\n",
				r.Sessions, r.OrderMs, r.KnownP50Ms, r.KnownMaxMs, r.ResumeRate, r.ResumeFailed, r.PayP99Before, r.PayP99During, r.PayRatio)
			if o.asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.sessions, "sessions", 100_000, "active sessions that are reset")
	f.IntVar(&o.callers, "callers", 16, "callers that pay meanwhile")
	f.IntVar(&o.seconds, "seconds", 20, "how long each phase is measured")
	f.IntVar(&o.processors, "processors", 0, "processors that each server may use at a time (GOMAXPROCS), 0: all")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object on the last line")
	return cmd
}

func runBenchReset(ctx context.Context, cfg config.Config, o resetOptions) (r bench.ResetResult, err error) {
	dir, err := os.MkdirTemp("", "jangteo-bench-*")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's own user must pass; its folder inside is private
		return r, err
	}
	admin := cfg.Database.URL
	if admin == "" {
		server, err := pg.Start(ctx, pg.Options{Dir: filepath.Join(dir, "postgres"), Durable: true, Settings: map[string]string{
			"shared_buffers": "512MB", "max_wal_size": "4GB",
		}})
		if err != nil {
			return r, err
		}
		defer func() {
			err = errors.Join(err, server.Stop(context.WithoutCancel(ctx)), pg.Remove(context.WithoutCancel(ctx), filepath.Join(dir, "postgres")))
		}()
		admin = server.URL("postgres")
	}
	world, err := fillBench(ctx, admin, cfg, benchOptions{citizens: 10_000})
	if err != nil {
		return r, err
	}
	cfg.Database.URL, cfg.Secrets.MasterKey, cfg.Bank.Institution, cfg.Log.Level = at(admin, benchDatabase), benchKey, demoInstitution, "error"
	people, err := newServer(ctx, cfg, os.Stderr, false)
	if err != nil {
		return r, err
	}
	defer people.app.Close()
	handsets, err := bench.Handsets(ctx, people.app, cfg.Database.URL, o.sessions)
	if err != nil {
		return r, err
	}
	var servers []string
	for range 2 {
		server, addr, _, err := startBenchServer(ctx, cfg.Database.URL, "", o.processors)
		if err != nil {
			return r, err
		}
		defer func() { _ = server.Process.Signal(syscall.SIGTERM); _ = server.Wait() }()
		servers = append(servers, addr)
	}
	return world.MeasureReset(ctx, people.app, servers, handsets, o.callers, time.Duration(o.seconds)*time.Second)
}
