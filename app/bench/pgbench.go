package bench

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// clientCounts are what pgbench is tried at; its best is what counts.
var clientCounts = []int{8, 16, 32}

// Pgbench runs PostgreSQL's own benchmark on the same server: the TPC-B-like
// script and the simple update, each at its best number of clients.
func Pgbench(ctx context.Context, bin, url string, length time.Duration) (tpcb, simple float64, err error) {
	program := filepath.Join(bin, "pgbench")
	if out, err := exec.CommandContext(ctx, program, "-i", "-q", "-s", "50", url).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("pgbench -i: %w: %s", err, out)
	}
	for _, clients := range clientCounts {
		for script, best := range map[string]*float64{"tpcb-like": &tpcb, "simple-update": &simple} {
			rate, err := pgbench(ctx, program, url, script, clients, length)
			if err != nil {
				return 0, 0, err
			}
			*best = max(*best, rate)
		}
	}
	return tpcb, simple, nil
}

// Commit is the median of what a transaction of one row takes that nobody else
// disturbs, in milliseconds: little more than one fsync.
func Commit(ctx context.Context, url string) (float64, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS commits (at timestamptz NOT NULL)`); err != nil {
		return 0, err
	}
	const times = 500
	took := make([]time.Duration, times)
	for i := range took {
		start := time.Now()
		if _, err := conn.Exec(ctx, `INSERT INTO commits VALUES ($1)`, start); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return ms(took[times/2]), nil
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

func pgbench(ctx context.Context, program, url, script string, clients int, length time.Duration) (float64, error) {
	out, err := exec.CommandContext(ctx, program, "-n", "-M", "prepared", "-b", script, "-c", strconv.Itoa(clients), "-j", "2",
		"-T", strconv.Itoa(max(1, int(length.Seconds()))), url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench -b %s: %w: %s", script, err, out)
	}
	found := tps.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("pgbench said no rate: %s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
