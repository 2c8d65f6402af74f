// Package pg runs a private PostgreSQL: a server of this program's own, on
// 127.0.0.1 and a free port, that lives and dies with it.
//
// It holds these to be true:
//   - one folder has at most one program working on it, by a lock that the
//     kernel gives back when the program dies;
//   - PostgreSQL never runs as root: root's server runs as an ordinary user;
//   - Ctrl-C at the terminal reaches the program and not PostgreSQL, which is
//     stopped last and in order;
//   - a killed program leaves no server behind for long, and whatever it leaves
//     (a lock file, a half-made folder, a server still alive) the next Start
//     clears away without touching the data.
package pg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Superuser is the role that URL connects as.
const Superuser = "postgres"

const (
	startAttemptsMax = 5
	pollEvery        = 10 * time.Millisecond
	slowAfterPolls   = 300
	stopGrace        = 30 * time.Second
	quitGrace        = 5 * time.Second
)

var (
	// ErrInUse says that another live program works on the folder.
	ErrInUse = errors.New("the data folder is in use")
	// ErrNotInstalled says that no usable PostgreSQL programs were found.
	ErrNotInstalled = errors.New("PostgreSQL is not installed")
)

// Options say where the server lives and how careful it is.
type Options struct {
	// Dir is the folder for everything the server keeps. It is made when
	// missing. Symbolic links are followed.
	Dir string
	// Durable keeps every commit across a crash of the machine. Only tests go
	// without.
	Durable bool
	// Log is told what Start decided; nil is silence.
	Log *slog.Logger
	// Settings are PostgreSQL's own (max_connections, shared_buffers, …) and
	// win over the defaults here.
	Settings map[string]string
}

// Server is a running PostgreSQL. It is safe for concurrent use.
type Server struct {
	cluster *cluster
	port    int
	process *os.Process
	exited  <-chan struct{} // closed when the postmaster is gone
	log     *slog.Logger

	stopping sync.Once
	stopErr  error
}

// Start makes the folder's database cluster when there is none, starts
// PostgreSQL on it and returns when it answers. What an earlier run left
// behind is cleared away first. ctx bounds the start only, which can be long
// after a crash, while PostgreSQL replays what it had promised to keep.
//
// The errors are sentences for the person at the terminal; ErrInUse and
// ErrNotInstalled can be told apart with errors.Is.
func Start(ctx context.Context, options Options) (*Server, error) {
	log := options.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c, err := open(options.Dir, log)
	if err != nil {
		return nil, err
	}
	s := &Server{cluster: c, log: log}
	if err := s.start(ctx, options); err != nil {
		c.lock.release()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, options Options) error {
	if err := s.cluster.prepare(ctx, options.Durable); err != nil {
		return err
	}
	var err error
	for range startAttemptsMax {
		if err = s.cluster.stopStrays(ctx); err != nil {
			return err
		}
		if err = s.launch(ctx, options); err == nil {
			return nil
		}
		var early *exitedError
		if !errors.As(err, &early) || !early.passing() {
			return err
		}
		s.log.Info("PostgreSQL could not start, trying again", "reason", early.reason)
	}
	return err
}

// launch runs the postmaster and waits until it answers. When it does not, no
// process is left.
func (s *Server) launch(ctx context.Context, options Options) error {
	var err error
	if s.port, err = freePort(ctx); err != nil {
		return fmt.Errorf("find a free port on 127.0.0.1: %w", err)
	}
	logFile, err := os.OpenFile(s.cluster.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	defer logFile.Close() // PostgreSQL has its own copy
	logStart, err := logFile.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("open PostgreSQL's log: %w", err)
	}

	cmd := s.cluster.user.command(filepath.Join(s.cluster.bin, "postgres"), s.arguments(options)...)
	cmd.Dir = s.cluster.data
	cmd.Stdout, cmd.Stderr = logFile, logFile
	dieWithUs(cmd, syscall.SIGINT)
	if s.exited, err = startOnOwnThread(cmd); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.process = cmd.Process

	if err := s.awaitAnswer(ctx); err != nil {
		_ = s.shutdown(ctx) // err says more
		var early *exitedError
		if errors.As(err, &early) {
			early.reason = lastComplaint(s.cluster.logPath, logStart)
			early.logPath = s.cluster.logPath
		}
		return err
	}
	return nil
}

func (s *Server) arguments(options Options) []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": "", // their paths have a limit of 107 bytes, and a killed server leaves them behind
		"max_connections":         "100",
		"shared_buffers":          "256MB",
		"max_wal_size":            "2GB",
		"jit":                     "off", // our statements are short: compiling costs more than it saves
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"lc_messages":             "C", // launch reads them
		// Statements and the values in DETAIL lines hold personal data.
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",
	}
	if !options.Durable {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "off", "off", "off"
	}
	maps.Copy(settings, options.Settings)
	arguments := []string{"-D", s.cluster.data}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}

// awaitAnswer returns once a connection was accepted. A server that is still
// replaying its log refuses connections, and is waited for as long as ctx
// allows.
func (s *Server) awaitAnswer(ctx context.Context) error {
	for polls := 0; ; polls++ {
		conn, err := pgx.Connect(ctx, s.URL("postgres")+"&connect_timeout=5")
		if err == nil {
			return conn.Close(ctx)
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && strings.HasPrefix(refused.Code, "28") {
			return fmt.Errorf("PostgreSQL in %s does not take the password in %s: put the right one back or begin anew", s.cluster.data, s.cluster.passwordPath)
		}
		if polls == slowAfterPolls {
			s.log.Info("PostgreSQL is still starting: after a crash it first replays its log", "folder", s.cluster.data)
		}
		select {
		case <-s.exited:
			return &exitedError{}
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL in %s did not answer in time: %w", s.cluster.data, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

// URL is the address of a database of this server for the superuser, with the
// password in it: it is a secret.
func (s *Server) URL(database string) string {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(Superuser, s.cluster.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return address.String()
}

// Port is the port on 127.0.0.1; it changes from start to start.
func (s *Server) Port() int { return s.port }

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.process.Pid }

// DataDir is the folder of the database cluster itself, usually inside
// Options.Dir.
func (s *Server) DataDir() string { return s.cluster.data }

// BinDir is the folder of the PostgreSQL programs in use.
func (s *Server) BinDir() string { return s.cluster.bin }

// Exited is closed when the server is gone, whether stopped or died.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Stop ends the server in order: open transactions are rolled back, everything
// is written, and it returns when no process is left. When ctx ends first, the
// server is made to quit at once, which costs the next start a replay but no
// data. Stopping twice is fine.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Do(func() {
		s.stopErr = s.shutdown(ctx)
		s.cluster.lock.release()
	})
	return s.stopErr
}

func (s *Server) shutdown(ctx context.Context) error {
	// An error means that it has gone already, which the channel tells.
	_ = s.process.Signal(syscall.SIGINT)
	select {
	case <-s.exited:
		return nil
	case <-ctx.Done():
	}
	_ = s.process.Signal(syscall.SIGQUIT) // which ends it without a checkpoint
	select {
	case <-s.exited:
		return fmt.Errorf("PostgreSQL had to quit before it had stopped in order: %w", ctx.Err())
	case <-time.After(quitGrace):
	}
	_ = s.process.Kill()
	<-s.exited
	return fmt.Errorf("PostgreSQL had to be killed: %w", ctx.Err())
}

// exitedError says that the postmaster ended before it answered.
type exitedError struct{ reason, logPath string }

func (e *exitedError) Error() string {
	return fmt.Sprintf("PostgreSQL did not start: %s (its log: %s)", e.reason, e.logPath)
}

// passing reports whether a second try can end otherwise: somebody was quicker
// to take the port, or backends of a killed postmaster are on their way out.
func (e *exitedError) passing() bool {
	return strings.Contains(e.reason, "could not create any TCP/IP sockets") ||
		strings.Contains(e.reason, "still in use")
}

// lastComplaint returns the last FATAL or PANIC line that was logged since
// offset, or the last line at all.
func lastComplaint(logPath string, offset int64) string {
	const tailBytesMax = 64 << 10
	text, err := os.ReadFile(logPath)
	if err != nil || int64(len(text)) <= offset {
		return "it said nothing"
	}
	text = text[offset:]
	text = text[max(0, len(text)-tailBytesMax):]
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		for _, level := range []string{"FATAL:", "PANIC:"} {
			if _, complaint, found := strings.Cut(line, level); found {
				return strings.TrimSpace(complaint)
			}
		}
	}
	return lines[0]
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
