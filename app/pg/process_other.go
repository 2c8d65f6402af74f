//go:build !linux

package pg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithUs does nothing here: only Linux has such a signal. The next Start
// stops the server that a killed program left.
func dieWithUs(*exec.Cmd, syscall.Signal) {}

// living lists the postmaster of a data folder, if it is alive. The number in
// its lock file may be anybody's after a reboot, so its command line is looked
// at too.
func living(data string) []int {
	pid, err := lockedBy(data)
	if err != nil {
		return nil
	}
	line, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || !strings.Contains(string(line), "postgres") || !strings.Contains(string(line), data) {
		return nil
	}
	return []int{pid}
}
