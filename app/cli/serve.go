package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"jangteo/app"
	"jangteo/app/clock"
	"jangteo/app/telemetry"
	"jangteo/config"
	"jangteo/migrations"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the service against a database that was migrated", Args: noArguments,
		Long: `Runs the service for real. It has no simulator and no default secret, and refuses
to start on a configuration that is not fit for production, saying why.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if err := cfg.Production(); err != nil {
				return misuse{err}
			}
			pending, err := migrations.Pending(cmd.Context(), cfg.Owner())
			if err != nil {
				return fmt.Errorf("the database cannot be asked: %w", err)
			}
			if pending > 0 {
				return misuse{fmt.Errorf("the database lacks %d migrations: run \"jangteo migrate\" first", pending)}
			}
			s, err := newServer(cmd.Context(), cfg, os.Stderr, false)
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), nil)
		},
	}
	serverFlags(cmd)
	return cmd
}

func serverFlags(cmd *cobra.Command) {
	cmd.Flags().String("server-addr", "", "where to answer, host:port")
	cmd.Flags().String("server-internal-addr", "", "where /metrics, /livez and /readyz answer, host:port")
	cmd.Flags().String("log-level", "", "debug, info, warn or error")
}

// server is a running program: the app, its two listeners and its telemetry.
type server struct {
	app     *app.App
	cfg     config.Config
	log     *slog.Logger
	lines   *telemetry.Writer
	metrics *telemetry.Metrics
	traces  *telemetry.Traces
	issuers func(addr string) // told where the card host answers; nil: nobody asks
}

func newServer(ctx context.Context, cfg config.Config, logs io.Writer, demo bool) (s *server, err error) {
	s = &server{cfg: cfg, lines: telemetry.NewWriter(logs)}
	s.log = telemetry.NewLogger(s.lines, cfg.Log.Level, cfg.Log.Format)
	s.metrics = telemetry.NewMetrics(s.lines)
	if s.traces, err = telemetry.NewTraces(cfg.Telemetry.TracesURL, cfg.Telemetry.TracesPerMille); err != nil {
		return nil, err
	}
	s.app, err = app.New(ctx, cfg, app.Options{Now: clock.System, Log: s.log, Metrics: s.metrics, Traces: s.traces, Demo: demo})
	return s, err
}

// What the heap may grow to before it is collected, of what lives on it, and the
// memory at which collecting gets more eager than that.
const (
	heapPercent = 800
	memoryMost  = 320 << 20
)

// roomy collects garbage less often than Go would: what lives is small, and a
// tenth of a payment's cost was collecting. GOGC and GOMEMLIMIT win where set.
func roomy() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryMost)
	}
}

// run answers until ctx ends, then stops in order: no new connections, what was
// accepted is finished, the fast lane is emptied, the pools are closed. Ready is
// told the address once it answers.
func (s *server) run(ctx context.Context, ready func(addr string)) error {
	defer s.lines.Close()
	defer s.app.Close()
	roomy()
	public, err := listen(ctx, s.cfg.Server.Addr)
	if err != nil {
		return err
	}
	internal, err := listen(ctx, s.cfg.Server.InternalAddr)
	if err != nil {
		_ = public.Close()
		return err
	}
	cards, err := s.cardHost(ctx)
	if err == nil {
		err = s.app.Warm(ctx)
	}
	if err != nil {
		return errors.Join(err, public.Close(), internal.Close(), cards.Close())
	}
	health := app.NewHealth(s.app, s.metrics)
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx)) // open pages are told to come back
	defer endStreams()
	front := &http.Server{
		Handler: s.app.Echo, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return streams },
	}
	inner := &http.Server{Handler: health.Handler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	failed := make(chan error, 4)
	var work sync.WaitGroup
	work.Go(func() { failed <- s.app.Run(background) })
	work.Go(func() { failed <- served(front.Serve(public)) })
	work.Go(func() { failed <- served(inner.Serve(internal)) })
	work.Go(func() { failed <- cards.Serve() })
	s.log.Info("answering", "addr", public.Addr().String(), "internal_addr", internal.Addr().String(), "version", app.Version)
	if ready != nil {
		ready(public.Addr().String())
	}

	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	health.Stopping()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Server.ShutdownTimeout)
	defer cancel()
	s.app.Streams.Close() // they end; everything else is finished
	err = errors.Join(err, front.Shutdown(stop), cards.Shutdown(stop))
	endStreams()
	stopBackground()
	err = errors.Join(err, inner.Shutdown(stop))
	work.Wait()
	s.traces.Close(stop)
	s.log.Info("stopped")
	return err
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	return l, nil
}

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// configured builds the app on the configured database, for a command that does
// one thing and serves nobody. Close its app.
func configured(cmd *cobra.Command) (*server, error) {
	cfg, err := load(cmd)
	if err != nil {
		return nil, err
	}
	if cfg.Database.URL == "" {
		return nil, misuse{errors.New("database.url is not set: give it in --config or JANGTEO_DATABASE_URL")}
	}
	cfg.Log.Level = "error"
	return newServer(cmd.Context(), cfg, os.Stderr, false)
}
