package host

import "syscall"

// childAttributes puts the handler into a process group of its own, so that Ctrl-C
// reaches the host alone, and lets the kernel kill it when the host dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
