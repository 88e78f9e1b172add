package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build makes the script root below dir from a checkout of the repository: the
// handler as `go build` makes it, host.json, and the function folders. It
// returns dir.
func Build(ctx context.Context, repository, dir string) (_ string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("stack.Build: %w", err)
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "handler"), "./cmd/handler")
	build.Dir, build.Stdout, build.Stderr = repository, os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("go build ./cmd/handler: %w", err)
	}
	return dir, Folders(repository, dir)
}

// Folders copies host.json and the function folders of a checkout into dir.
func Folders(repository, dir string) error {
	files, err := filepath.Glob(filepath.Join(repository, "functions", "*", "function.json"))
	if err != nil {
		return err
	}
	if err := copyFile(filepath.Join(repository, "host.json"), filepath.Join(dir, "host.json")); err != nil {
		return err
	}
	for _, file := range files {
		to := filepath.Join(dir, filepath.Base(filepath.Dir(file)))
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		if err := copyFile(file, filepath.Join(to, "function.json")); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
