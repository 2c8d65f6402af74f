package bench

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of /proc's processor times on Linux.
const clockTick = 10 * time.Millisecond

// CPU is what processes have used so far; zero where there is no /proc.
type CPU struct{ Server, Postgres, Generator time.Duration }

// CPUOf reads the processor time of the measured server, of PostgreSQL with all
// its children, and of this process. A pid of 0 is left out.
func CPUOf(server, postmaster int) CPU {
	return CPU{Server: used(server, false), Postgres: used(postmaster, true), Generator: used(os.Getpid(), false)}
}

func (c CPU) minus(before CPU) CPU {
	return CPU{c.Server - before.Server, c.Postgres - before.Postgres, c.Generator - before.Generator}
}

// used sums a process's user and system time and, for a parent of many, that of
// its living children and of those that have ended.
func used(pid int, children bool) time.Duration {
	if pid == 0 {
		return 0
	}
	_, sum := stat(strconv.Itoa(pid), children)
	if !children {
		return sum
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			if parent, own := stat(e.Name(), false); parent == pid {
				sum += own
			}
		}
	}
	return sum
}

// stat reads /proc/PID/stat: the parent, and the time used (proc(5), fields 4 and 14 to 17).
func stat(pid string, children bool) (parent int, sum time.Duration) {
	body, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0
	}
	_, rest, _ := strings.Cut(string(body), ") ")
	fields := strings.Fields(rest)
	const parentAt, userAt, systemAt, endedSystemAt = 1, 11, 12, 14
	if len(fields) <= endedSystemAt {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[parentAt])
	last := systemAt
	if children {
		last = endedSystemAt
	}
	for _, field := range fields[userAt : last+1] {
		ticks, _ := strconv.Atoi(field)
		sum += time.Duration(ticks) * clockTick
	}
	return parent, sum
}

// unmeasured is the usage of a run of which it is not asked.
func unmeasured() CPU { return CPU{} }
