package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Build makes the script root from a checkout of the repository, with the very
// command that makes the deployable package, below out. It returns its absolute path.
func Build(ctx context.Context, repository, out string) (app string, err error) {
	if out, err = filepath.Abs(out); err != nil {
		return "", fmt.Errorf("stack.Build: %w", err)
	}
	app = filepath.Join(out, "app")
	commands := [][]string{{"run", "./cmd/package", "-out", out}}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" { // what the package is for
		commands = append(commands, []string{"build", "-o", filepath.Join(app, "handler"), "./cmd/handler"})
	}
	for _, args := range commands {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = repository, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("stack.Build: go %s: %w", args[1], err)
		}
	}
	return app, nil
}
