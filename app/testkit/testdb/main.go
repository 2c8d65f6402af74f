// Command testdb runs a program with a private PostgreSQL for tests:
//
//	testdb go test ./...
//
// The program finds the server's superuser address in JANGTEO_TEST_DATABASE_URL.
// A server that is named there already is used as it is. testdb ends with the
// program's exit code and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"jangteo/app/pg"
)

// urlVariable is where testkit looks for the server.
const urlVariable = "JANGTEO_TEST_DATABASE_URL"

const (
	exitOwnTrouble   = 125 // as env and timeout do, so that it is not taken for the program's
	exitSignalOffset = 128 // as the shell does
)

func main() {
	command := os.Args[1:]
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		fmt.Fprintln(os.Stderr, "usage: testdb PROGRAM [ARGUMENT…]")
		os.Exit(2)
	}
	code, err := withServer(command)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testdb:", err)
		if code == 0 {
			code = exitOwnTrouble
		}
	}
	os.Exit(code)
}

func withServer(command []string) (code int, err error) {
	// The terminal's Ctrl-C reaches the program too, and its end is awaited.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)

	if os.Getenv(urlVariable) != "" {
		return run(command, "", signals)
	}
	dir, err := os.MkdirTemp("", "jangteo-test-")
	if err != nil {
		return 0, err
	}
	// Root's PostgreSQL is another user, who has to get in.
	if err := os.Chmod(dir, 0o711); err != nil {
		return 0, err
	}
	ctx := context.Background()
	defer func() { err = errors.Join(err, pg.Remove(ctx, dir)) }()
	server, err := pg.Start(ctx, pg.Options{
		Dir: dir,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Settings: map[string]string{
			"max_connections": "300", // packages are tested side by side
			"max_wal_size":    "4GB",
		},
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Stop(ctx)) }()
	return run(command, server.URL("postgres"), signals)
}

// run returns the program's exit code; an error is one of starting it. An
// empty url leaves the environment as it is.
func run(command []string, url string, signals <-chan os.Signal) (int, error) {
	program := exec.Command(command[0], command[1:]...)
	program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
	if url != "" {
		program.Env = append(os.Environ(), urlVariable+"="+url)
	}
	if err := program.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if s != os.Interrupt { // the terminal has told it already
					_ = program.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err := program.Wait()
	close(ended)
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		return 0, err
	}
	if status := failed.Sys().(syscall.WaitStatus); status.Signaled() {
		return exitSignalOffset + int(status.Signal()), nil
	}
	return failed.ExitCode(), nil
}
