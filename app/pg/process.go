package pg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// startOnOwnThread starts cmd and returns a channel that is closed when it has
// ended and been waited for.
//
// The kernel counts a child's parent as dead when the *thread* that made it
// ends (see dieWithUs), and Go ends threads as it likes. So a goroutine keeps a
// thread of its own for as long as the child lives.
func startOnOwnThread(cmd *exec.Cmd) (<-chan struct{}, error) {
	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // the caller reads cmd.ProcessState
		close(exited)
	}()
	return exited, <-started
}

// run is for the short programs: when one fails, the error has what it said.
// When ctx ends first, the program and what it started are ended too.
func run(ctx context.Context, cmd *exec.Cmd) error {
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	dieWithUs(cmd, syscall.SIGTERM)
	exited, err := startOnOwnThread(cmd)
	if err != nil {
		return err
	}
	select {
	case <-exited:
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-exited
		return ctx.Err()
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s: %s", filepath.Base(cmd.Path), cmd.ProcessState, strings.TrimSpace(said.String()))
	}
	return nil
}

// command prepares a program to run as the user, in a process group of its own
// so that the terminal's Ctrl-C passes it by.
func (u user) command(program string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(program, arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: u.credential}
	cmd.Env = environment()
	return cmd
}

// memory has a connection's process keep what a statement gave back for the next
// one. Handing it to the kernel and taking it again, page by page, was an eighth
// of what a batch of payments cost. See mallopt(3).
var memory = []string{"MALLOC_TRIM_THRESHOLD_=33554432", "MALLOC_MMAP_THRESHOLD_=16777216", "MALLOC_TOP_PAD_=1048576"}

// environment is ours without what would change PostgreSQL's behaviour and
// without our own secrets.
func environment() []string {
	kept := slices.Clone(memory) // ours, if it says otherwise, comes later and wins
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "JANGTEO_") || name == "LANG" || name == "LANGUAGE" {
			continue
		}
		kept = append(kept, pair)
	}
	return append(kept, "LC_ALL=C")
}
