package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program builds jangteo once for this package.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jangteo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "jangteo")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// demo is a running demonstration.
type demo struct {
	*exec.Cmd
	url string
}

func start(t *testing.T, file, data string) demo {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), file, "demo", "--addr", "127.0.0.1:0", "--data", data, "--citizens", "10")
	cmd.Env = append(os.Environ(), "JANGTEO_DATABASE_URL=")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		for _, word := range strings.Fields(lines.Text()) {
			if home, ok := strings.CutSuffix(word, "/demo"); ok && strings.HasPrefix(home, "http://") {
				go func() { _, _ = io.Copy(io.Discard, out) }()
				return demo{cmd, home}
			}
		}
	}
	t.Fatalf("the demo ended without an address: %v", cmd.Wait())
	return demo{}
}

// balance is what the first named citizen holds, as the demo tells.
func (d demo) balance(t *testing.T) int64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/demo/logins.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var logins struct {
		Citizens []struct {
			Balance int64 `json:"balance"`
		} `json:"citizens"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&logins); err != nil || len(logins.Citizens) == 0 {
		t.Fatalf("logins: %v %v", logins, err)
	}
	return logins.Citizens[0].Balance
}

// alive reports whether the demo's PostgreSQL, whose pid stands in the data
// folder, still runs.
func alive(data string) bool {
	body, err := os.ReadFile(filepath.Join(data, "postgres", "pgdata", "postmaster.pid"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(body), "\n")
	pid, err := strconv.Atoi(first)
	return err == nil && syscall.Kill(pid, 0) == nil
}

func TestADemoIsStoppedKilledAndStartedAgainWithItsDataWhole(t *testing.T) {
	t.Parallel()
	file, data := program(t), t.TempDir()
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}

	first := start(t, file, data)
	held := first.balance(t)
	if second := exec.CommandContext(t.Context(), file, "demo", "--addr", "127.0.0.1:0", "--data", data); second.Run() == nil {
		t.Error("two demos share a folder")
	}
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if alive(data) {
		t.Error("Ctrl-C left PostgreSQL behind")
	}

	began := time.Now()
	killed := start(t, file, data)
	t.Logf("the second start took %v", time.Since(began))
	if got := killed.balance(t); got != held {
		t.Errorf("after a stop the citizen holds %d, before it %d", got, held)
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()

	again := start(t, file, data)
	if got := again.balance(t); got != held {
		t.Errorf("after a kill the citizen holds %d, before it %d", got, held)
	}
	verify := exec.CommandContext(t.Context(), file, "verify", "--data", data)
	verify.Env = append(os.Environ(), "JANGTEO_DATABASE_URL=")
	if out, err := verify.CombinedOutput(); err != nil {
		t.Errorf("verify: %v: %s", err, out)
	}
	if err := again.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
