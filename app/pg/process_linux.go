package pg

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithUs has the kernel send the signal to the child when we die, however
// we die.
func dieWithUs(cmd *exec.Cmd, signal syscall.Signal) {
	cmd.SysProcAttr.Pdeathsig = signal
}

// living lists PostgreSQL's processes on a data folder: each has it as its
// working directory. A number from a lock file would not do, since after a
// reboot it may be anybody's.
func living(data string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != data {
			continue
		}
		// A person's shell may stand in the folder too.
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && string(bytes.TrimSpace(name)) == "postgres" {
			pids = append(pids, pid)
		}
	}
	return pids
}
