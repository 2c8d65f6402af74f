package pg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const logBytesMax = 16 << 20

// cluster is what lies on disk: the lock, the password, PostgreSQL's log and,
// normally beside them, the data.
type cluster struct {
	dir, data, logPath, passwordPath string

	bin      string
	user     user
	password string
	lock     *lock
	log      *slog.Logger
}

// open makes the folder and takes its lock.
func open(dir string, log *slog.Logger) (*cluster, error) {
	if dir == "" {
		return nil, errors.New("no data folder was named")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("cannot make the data folder: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	held, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	return &cluster{
		dir:          dir,
		logPath:      filepath.Join(dir, "postgres.log"),
		passwordPath: filepath.Join(dir, "password"),
		lock:         held,
		log:          log,
	}, nil
}

// makeDir makes a folder that others may pass through, whatever the umask:
// root's PostgreSQL is another user. What was there already keeps its mode.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o711)
}

// prepare finds the data and the programs for it, making the data when there
// is none.
func (c *cluster) prepare(ctx context.Context, durable bool) error {
	if found, err := os.Stat(c.logPath); err == nil && found.Size() > logBytesMax {
		if err := os.Truncate(c.logPath, 0); err != nil {
			return fmt.Errorf("shorten PostgreSQL's log: %w", err)
		}
	}
	for _, base := range c.bases() {
		version, err := os.ReadFile(filepath.Join(base, "pgdata", "PG_VERSION"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the data folder: %w", err)
		}
		return c.reopen(ctx, base, strings.TrimSpace(string(version)))
	}
	return c.create(ctx, durable)
}

// bases are the folders that may hold the data: the one asked for and, for
// root, a refuge that an ordinary user can enter when that one (below /root,
// say) is closed to it.
func (c *cluster) bases() []string {
	if os.Geteuid() != 0 {
		return []string{c.dir}
	}
	return []string{c.dir, refuge(c.dir)}
}

func refuge(dir string) string {
	digest := sha256.Sum256([]byte(dir))
	return "/var/tmp/jangteo-" + hex.EncodeToString(digest[:6])
}

func (c *cluster) reopen(ctx context.Context, base, version string) error {
	c.data = filepath.Join(base, "pgdata")
	major, err := strconv.Atoi(version)
	if err != nil {
		return fmt.Errorf("%s/PG_VERSION is %q, which is no version of PostgreSQL", c.data, version)
	}
	programs, err := findPrograms(major)
	if err != nil {
		return err
	}
	c.bin = programs.dir
	if c.user, err = ordinaryUser(c.data); err != nil {
		return err
	}
	if err := c.user.canEnter(ctx, c.data, filepath.Join(c.bin, "postgres")); err != nil {
		return fmt.Errorf("PostgreSQL's user %s can no longer enter %s: give it back the right to pass through the folders above: %w", c.user.name, c.data, err)
	}
	password, err := os.ReadFile(c.passwordPath)
	if err != nil {
		return fmt.Errorf("read the password of PostgreSQL in %s: %w", c.data, err)
	}
	c.password = strings.TrimSpace(string(password))
	return nil
}

func (c *cluster) create(ctx context.Context, durable bool) error {
	programs, err := findPrograms(0)
	if err != nil {
		return err
	}
	c.bin = programs.dir
	if c.user, err = ordinaryUser(""); err != nil {
		return err
	}
	base, err := c.chooseBase(ctx)
	if err != nil {
		return err
	}
	c.password = rand.Text()
	if err := os.WriteFile(c.passwordPath, []byte(c.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep PostgreSQL's password: %w", err)
	}
	c.data = filepath.Join(base, "pgdata")
	c.log.Info("making a new database", "folder", c.data, "programs", c.bin)
	return c.initdb(ctx, base, durable)
}

func (c *cluster) chooseBase(ctx context.Context) (string, error) {
	initdb := filepath.Join(c.bin, "initdb")
	err := c.user.canEnter(ctx, c.dir, initdb)
	if err == nil {
		return c.dir, nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("make the database: %w", ctx.Err())
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("cannot work in the data folder %s: %w", c.dir, err)
	}
	base := refuge(c.dir)
	if err := makeDir(base); err != nil {
		return "", fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	// Everybody may write to /var/tmp: somebody else's folder is not trusted.
	if found, err := os.Lstat(base); err != nil || !found.IsDir() || found.Sys().(*syscall.Stat_t).Uid != 0 {
		return "", fmt.Errorf("%s is not root's folder: remove it", base)
	}
	if err := c.user.canEnter(ctx, base, initdb); err != nil {
		return "", fmt.Errorf("user %s can enter neither %s nor %s: %w", c.user.name, c.dir, base, err)
	}
	c.log.Warn("PostgreSQL does not run as root, and its user cannot enter the data folder: the database is kept elsewhere", "user", c.user.name, "data_folder", c.dir, "database_folder", base)
	return base, nil
}

// initdb makes the data in a folder beside its place and then moves it there,
// so that half of a database is never taken for one.
func (c *cluster) initdb(ctx context.Context, base string, durable bool) error {
	unfinished := c.data + ".new"
	passwordCopy := filepath.Join(base, "password.new") // initdb, as its user, cannot read ours
	defer os.Remove(passwordCopy)
	if err := os.WriteFile(passwordCopy, []byte(c.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("hand over the password: %w", err)
	}
	if err := c.user.own(passwordCopy); err != nil {
		return fmt.Errorf("hand over the password: %w", err)
	}
	var err error
	// C.UTF-8 sorts by code point, the same everywhere, and still knows letters
	// beyond ASCII. Not every system has it; C is everywhere.
	for _, locale := range []string{"C.UTF-8", "C"} {
		if err = c.initdbIn(ctx, unfinished, passwordCopy, locale, durable); err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("make the database: %w", ctx.Err())
		}
	}
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	if err := os.Rename(unfinished, c.data); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return nil
}

func (c *cluster) initdbIn(ctx context.Context, folder, passwordFile, locale string, durable bool) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if err := c.user.own(folder); err != nil {
		return err
	}
	arguments := []string{
		"--pgdata=" + folder, "--username=" + Superuser, "--pwfile=" + passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=" + locale, "--data-checksums",
	}
	if !durable {
		arguments = append(arguments, "--no-sync")
	}
	cmd := c.user.command(filepath.Join(c.bin, "initdb"), arguments...)
	cmd.Dir = folder
	return run(ctx, cmd)
}

// stopStrays ends what an earlier program left running on the data: we hold
// the folder's lock, so it is nobody's. Afterwards no lock file of PostgreSQL
// stands in the way.
func (c *cluster) stopStrays(ctx context.Context) error {
	if pids := living(c.data); len(pids) > 0 {
		c.log.Info("stopping the PostgreSQL that an earlier run left", "folder", c.data, "processes", len(pids))
		if err := stopAll(ctx, c.data, pids); err != nil {
			return err
		}
	}
	return disown(c.data)
}

func stopAll(ctx context.Context, data string, pids []int) error {
	inOrder, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if postmaster, err := lockedBy(data); err == nil && slices.Contains(pids, postmaster) {
		_ = syscall.Kill(postmaster, syscall.SIGINT)
		if awaitNone(inOrder, data) {
			return nil
		}
	}
	atOnce, cancel := context.WithTimeout(ctx, quitGrace)
	defer cancel()
	signalAll(data, syscall.SIGQUIT)
	if awaitNone(atOnce, data) {
		return nil
	}
	signalAll(data, syscall.SIGKILL)
	killed, cancel := context.WithTimeout(ctx, quitGrace)
	defer cancel()
	if !awaitNone(killed, data) {
		return fmt.Errorf("an earlier PostgreSQL is still running on %s (processes %v) and could not be stopped", data, living(data))
	}
	return nil
}

func signalAll(data string, signal syscall.Signal) {
	for _, pid := range living(data) {
		_ = syscall.Kill(pid, signal) // it may have gone since
	}
}

func awaitNone(ctx context.Context, data string) bool {
	for len(living(data)) > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
	return true
}

// lockedBy reads the process number in PostgreSQL's own lock file.
func lockedBy(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil && pid <= 1 {
		err = fmt.Errorf("process %d is no server", pid)
	}
	return pid, err
}

// disown makes a dead server's lock file harmless. PostgreSQL believes it when
// its number is in use, and after a reboot (in a container, nearly always) some
// other process has that number. It takes its parent's number for a leftover,
// so ours is written there. The file is not removed, because PostgreSQL also
// learns from it whether a killed server's backends still hold the memory.
func disown(data string) error {
	path := filepath.Join(data, "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read PostgreSQL's lock file: %w", err)
	}
	_, rest, found := strings.Cut(string(text), "\n")
	if !found {
		// The machine went down while it was being written.
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove PostgreSQL's unfinished lock file: %w", err)
		}
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600); err != nil {
		return fmt.Errorf("write PostgreSQL's lock file: %w", err)
	}
	return nil
}

// Remove deletes the database that Start made for a folder, wherever it put
// it, and the folder itself when nothing else is in it. A database in use is
// ErrInUse.
func Remove(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c, err := open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer os.Remove(c.dir) // fails when it holds other things, which is right
	defer c.lock.release()
	for _, base := range c.bases() {
		c.data = filepath.Join(base, "pgdata")
		if err := c.stopStrays(ctx); err != nil {
			return err
		}
		for _, path := range []string{c.data, c.data + ".new"} {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove the database: %w", err)
			}
		}
		if base != c.dir {
			_ = os.Remove(base)
		}
	}
	for _, path := range []string{c.passwordPath, c.logPath} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the database: %w", err)
		}
	}
	return nil
}
