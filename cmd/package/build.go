package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// build compiles for Linux, static, without paths and symbols.
func build(root, target string, o options) error {
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", o.version, o.commit)
	cmd := exec.Command("go", "build", "-ldflags", flags, "-o", target, "./cmd/handler")
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	cmd.Env = environment(os.Environ(), o.arch)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// environment is this process's own, less what would change the binary. What a user
// wrote with go env -w counts for less than these; what they leave open is found by
// inspect.
func environment(own []string, arch string) []string {
	fixed := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-trimpath -buildvcs=false",
		"GOWORK=off", "GOFIPS140=off"}
	env := slices.DeleteFunc(slices.Clone(own), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == "GOEXPERIMENT" || name == "GODEBUG" || slices.ContainsFunc(fixed, func(f string) bool { return strings.HasPrefix(f, name+"=") })
	})
	return append(env, fixed...)
}

// machinePaths are folders of this machine that have no business in a binary: the
// checkout, and where Go keeps what it compiles.
func machinePaths(root string) ([]string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOROOT")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	var dirs map[string]string
	if err := json.Unmarshal(out, &dirs); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	paths := []string{root}
	for _, dir := range dirs {
		if dir != "" {
			paths = append(paths, dir)
		}
	}
	return paths, nil
}
