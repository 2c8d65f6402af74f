package pg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A second process is needed to see what happens when a whole program dies: it
// is this test program, told by its environment what to do.
const victimVariable = "JANGTEO_PG_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVariable); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim starts a server, says so, and waits to be killed.
func victim(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir, Durable: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.PID())
	fmt.Println(s.URL("postgres"))
	select {}
}

func TestServer(t *testing.T) {
	t.Parallel()

	t.Run("keeps what was committed when the postmaster is killed", func(t *testing.T) {
		t.Parallel()
		options := Options{Dir: openFolder(t), Durable: true}
		s := start(t, options)
		write(t, s.URL("postgres"), 12_500)
		if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "the server's end is told", func() bool { return closed(s.Exited()) })
		if err := s.Stop(t.Context()); err != nil {
			t.Fatalf("stopping a dead server: %v", err)
		}
		wantRows(t, start(t, options), 12_500)
	})

	t.Run("leaves no process and no lock behind and keeps its data", func(t *testing.T) {
		t.Parallel()
		options := Options{Dir: openFolder(t)}
		s := start(t, options)
		write(t, s.URL("postgres"), 1)
		stop(t, s)
		if pids := living(s.DataDir()); len(pids) > 0 {
			t.Errorf("Stop left processes %v", pids)
		}
		for _, name := range []string{filepath.Join(options.Dir, "jangteo.lock"), filepath.Join(s.DataDir(), "postmaster.pid")} {
			if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Stop left %s", name)
			}
		}
		wantRows(t, start(t, options), 1)
	})

	t.Run("refuses a folder that another one works on", func(t *testing.T) {
		t.Parallel()
		options := Options{Dir: openFolder(t)}
		s := start(t, options)
		_, err := Start(t.Context(), options)
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
			t.Fatalf("got %v, want ErrInUse with the process that has it", err)
		}
		if err := Remove(t.Context(), options.Dir); !errors.Is(err, ErrInUse) {
			t.Fatalf("removing a live database: got %v, want ErrInUse", err)
		}
		write(t, s.URL("postgres"), 2)
		stop(t, s)
		wantRows(t, start(t, options), 2)
	})

	t.Run("dies with a killed program and starts again with its data whole", func(t *testing.T) {
		t.Parallel()
		dir := openFolder(t)
		program, postmaster, url := startVictim(t, dir)
		if _, err := Start(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrInUse) {
			t.Fatalf("got %v, want ErrInUse", err)
		}
		write(t, url, 3)
		if err := program.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = program.Wait() // "signal: killed"
		await(t, "the orphaned server ends by itself", func() bool {
			return errors.Is(syscall.Kill(postmaster, 0), syscall.ESRCH)
		})
		wantRows(t, start(t, Options{Dir: dir, Durable: true}), 3)
	})

	t.Run("stops a server that was left alive on its folder", func(t *testing.T) {
		t.Parallel()
		options := Options{Dir: openFolder(t)}
		s := start(t, options)
		write(t, s.URL("postgres"), 4)
		stop(t, s)
		left := s.cluster.user.command(filepath.Join(s.BinDir(), "postgres"), s.arguments(options)...)
		left.Dir = s.DataDir()
		if err := left.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() { _ = left.Wait(); close(gone) }()
		await(t, "the server that is left answers", func() bool {
			conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
			return err == nil && conn.Close(t.Context()) == nil
		})
		wantRows(t, start(t, options), 4)
		await(t, "the server that was left is gone", func() bool { return closed(gone) })
	})

	t.Run("is not stopped by a stale lock file whose number is in use again", func(t *testing.T) {
		t.Parallel()
		options := Options{Dir: openFolder(t), Durable: true}
		s := start(t, options)
		write(t, s.URL("postgres"), 5)
		if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "the server is gone", func() bool { return closed(s.Exited()) })
		stop(t, s)
		stranger := s.cluster.user.command("/bin/sleep", "1000")
		if err := stranger.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
		renumber(t, filepath.Join(s.DataDir(), "postmaster.pid"), stranger.Process.Pid)

		wantRows(t, start(t, options), 5)
		if err := syscall.Kill(stranger.Process.Pid, 0); err != nil {
			t.Errorf("the stranger who had the number was harmed: %v", err)
		}
	})

	t.Run("says in a sentence why PostgreSQL would not start", func(t *testing.T) {
		t.Parallel()
		options := Options{Dir: openFolder(t), Settings: map[string]string{"max_connections": "plenty"}}
		_, err := Start(t.Context(), options)
		if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "max_connections"`) {
			t.Fatalf("got %v", err)
		}
		options.Settings = nil
		start(t, options)
	})

	t.Run("leaves nothing when the start is called off", func(t *testing.T) {
		t.Parallel()
		dir := openFolder(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Start(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
		wantRows(t, start(t, Options{Dir: dir}))
	})

	t.Run("makes the database again after half a one", func(t *testing.T) {
		t.Parallel()
		dir := openFolder(t)
		unfinished := filepath.Join(dir, "pgdata.new")
		if err := os.MkdirAll(filepath.Join(unfinished, "base"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(unfinished, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, Options{Dir: dir})
	})

	t.Run("takes settings, and durability unless it is told not to", func(t *testing.T) {
		t.Parallel()
		s := start(t, Options{Dir: openFolder(t), Durable: true, Settings: map[string]string{"max_connections": "37"}})
		for name, want := range map[string]string{
			"max_connections": "37", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
			"data_checksums": "on", "server_encoding": "UTF8", "TimeZone": "UTC", "listen_addresses": "127.0.0.1",
		} {
			if got := ask(t, s.URL("postgres"), "SELECT current_setting('"+name+"')"); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	})

	t.Run("lets nobody in without the password", func(t *testing.T) {
		t.Parallel()
		dir := openFolder(t)
		s := start(t, Options{Dir: dir})
		_, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://postgres:guess@127.0.0.1:%d/postgres", s.Port()))
		if err == nil {
			t.Fatal("a guessed password was let in")
		}
		found, err := os.Stat(filepath.Join(dir, "password"))
		if err != nil {
			t.Fatal(err)
		}
		if found.Mode().Perm() != 0o600 {
			t.Errorf("the password file has mode %v", found.Mode())
		}
	})
}

// Root's PostgreSQL is another user, who cannot enter every folder.
func TestClosedFolder(t *testing.T) {
	t.Parallel()
	closedTo := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closedTo, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closedTo, "data")
	options := Options{Dir: dir}
	s := start(t, options)
	inside := strings.HasPrefix(s.DataDir(), dir)
	if root := os.Geteuid() == 0; inside == root {
		t.Fatalf("as root: %v, the data is in %s", root, s.DataDir())
	}
	write(t, s.URL("postgres"), 6)
	stop(t, s)
	s = start(t, options)
	wantRows(t, s, 6)
	stop(t, s)

	if err := Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{s.DataDir(), dir} {
		if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Remove left %s", gone)
		}
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestPrograms(t *testing.T) {
	t.Parallel()

	t.Run("are found with the server's among them", func(t *testing.T) {
		t.Parallel()
		dir, err := FindBin()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"initdb", "postgres"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
	})

	t.Run("of a client alone do not count", func(t *testing.T) {
		t.Parallel()
		if _, err := inspect(fakePrograms(t, "15.4", "psql", "pg_config", "postgres")); err == nil {
			t.Error("a folder without initdb was taken")
		}
		found, err := inspect(fakePrograms(t, "17beta1", "initdb", "postgres"))
		if err != nil || found.major != 17 {
			t.Errorf("got %v and %v, want version 17", found, err)
		}
	})

	t.Run("of another version than the data are named in the refusal", func(t *testing.T) {
		t.Parallel()
		_, err := findPrograms(99)
		if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "version 99, which made this data folder, is needed, found were") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestEnvironment(t *testing.T) {
	for name, kept := range map[string]bool{"PGDATA": false, "LANG": false, "LC_MESSAGES": false, "JANGTEO_SECRET": false, "LD_LIBRARY_PATH": true} {
		t.Setenv(name, "x")
		got := strings.Contains("\n"+strings.Join(environment(), "\n")+"\n", "\n"+name+"=x\n")
		if got != kept {
			t.Errorf("%s reaches PostgreSQL: %v, want %v", name, got, kept)
		}
	}
}

func start(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func startVictim(t *testing.T, dir string) (program *exec.Cmd, postmaster int, url string) {
	t.Helper()
	program = exec.Command(os.Args[0])
	program.Env = append(os.Environ(), victimVariable+"="+dir)
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
	lines := bufio.NewScanner(out)
	lines.Scan()
	if postmaster, err = strconv.Atoi(lines.Text()); err != nil {
		t.Fatalf("the second program did not start its server: %v", err)
	}
	lines.Scan()
	return program, postmaster, lines.Text()
}

// openFolder is a folder that any user may pass through.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func fakePrograms(t *testing.T, version string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s (Somewhere 1)'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func renumber(t *testing.T, lockFile string, pid int) {
	t.Helper()
	text, err := os.ReadFile(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(lockFile, []byte(strconv.Itoa(pid)+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, url string, amount int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS kept (amount bigint NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO kept VALUES ($1)", amount); err != nil {
		t.Fatal(err)
	}
}

// wantRows wants exactly these amounts, or no table at all for none.
func wantRows(t *testing.T, s *Server, amounts ...int) {
	t.Helper()
	query, want := "SELECT string_agg(amount::text, ',' ORDER BY amount) FROM kept", strings.Trim(fmt.Sprint(amounts), "[]")
	if len(amounts) == 0 {
		query, want = "SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'", "0"
	}
	if got := ask(t, s.URL("postgres"), query); got != want {
		t.Fatalf("found %s, want %s", got, want)
	}
}

func ask(t *testing.T, url, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var answer string
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-deadline.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(pollEvery):
		}
	}
}
