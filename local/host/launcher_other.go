//go:build !linux

package host

import "syscall"

// childAttributes asks for nothing special: see launcher_linux.go for what is lost.
func childAttributes() *syscall.SysProcAttr { return nil }
