package crashtest

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the kernel end the child when this test is ended, however that is.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
