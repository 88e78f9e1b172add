package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	// What is built below links Graph's models: go test then compiles them first, once,
	// and not at the same time as these tests do.
	_ "github.com/calbridge/calbridge/handlers/app"
)

// The same tree is packaged twice. The second time nothing is as it was: the folder,
// files' modes and times, umask, time zone, language, home, and what a user may have
// set for Go.
func TestTheSameCommitMakesTheSameBytes(t *testing.T) {
	work := t.TempDir()
	program := filepath.Join(work, "package")
	command(t, ".", nil, "go", "build", "-o", program, ".")
	first, second := filepath.Join(work, "a"), filepath.Join(work, "another folder", "with a longer name")
	copyTree(t, "../..", first)
	copyTree(t, first, second)
	age(t, second)

	args := []string{"-version", asked.version, "-commit", asked.commit, "-out", "out"}
	command(t, first, nil, program, args...)
	home := filepath.Join(work, "home")
	writeTo(t, filepath.Join(home, ".config", "go", "env"), "GOAMD64=v3\nGOFLAGS=-tags=evil\nGOFIPS140=latest\n")
	odd := []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"),
		"GOENV=" + filepath.Join(home, ".config", "go", "env"),
		"TZ=Asia/Kathmandu", "LC_ALL=tr_TR.UTF-8", "SOURCE_DATE_EPOCH=1", "USER=somebody",
		"GOFLAGS=-tags=other -ldflags=-X=main.version=evil", "GOOS=windows", "GOARCH=arm64", "GOAMD64=v4", "CGO_ENABLED=1", "GODEBUG=madvdontneed=1",
	}
	command(t, second, odd, "sh", append([]string{"-c", `umask 077; exec "$0" "$@"`, program}, args...)...)

	for _, name := range []string{"app.zip", "app/handler"} {
		a, b := sum(t, filepath.Join(first, "out", name)), sum(t, filepath.Join(second, "out", name))
		if a != b {
			t.Errorf("%s: %s and %s", name, a, b)
		}
		t.Logf("%s: %s", name, a)
	}
	// azd makes its own zip of the folder: modes and names count there, too.
	if diff := cmp.Diff(listing(t, filepath.Join(first, "out", "app")), listing(t, filepath.Join(second, "out", "app"))); diff != "" {
		t.Errorf("the folders differ: %s", diff)
	}
}

// make package names a commit in full and says when the tree is not that commit's.
func TestTheCommitIsNamedInFull(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	// As make expands it.
	_, script, ok := strings.Cut(string(makefile), "\nCOMMIT ?= $(shell ")
	script, _, ok2 := strings.Cut(script, ")\n")
	if !ok || !ok2 {
		t.Fatal("the Makefile has no COMMIT")
	}
	dir := t.TempDir()
	commit := func() string {
		return strings.TrimSpace(command(t, dir, []string{"HOME=" + dir, "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir)}, "sh", "-c", script))
	}
	if got := commit(); got != "unknown" {
		t.Errorf("outside of git: %q", got)
	}
	git := func(args ...string) string {
		return command(t, dir, []string{"HOME=" + dir, "GIT_CONFIG_GLOBAL=" + os.DevNull}, "git",
			append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "core.abbrev=4"}, args...)...)
	}
	git("init", "-q")
	writeTo(t, filepath.Join(dir, "a"), "1")
	git("add", "a")
	git("commit", "-q", "-m", "a")
	git("tag", "v1.0.0")
	head := strings.TrimSpace(git("rev-parse", "HEAD"))
	if got := commit(); got != head || len(got) != 40 {
		t.Errorf("%q, want %s", got, head)
	}
	writeTo(t, filepath.Join(dir, "a"), "2")
	if got := commit(); got != head+"-dirty" {
		t.Errorf("changed: %q, want %s-dirty", got, head)
	}
}

// command runs a program in a folder with more environment, and gives its output.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, &errors)
	}
	return string(out)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(command(t, ".", nil, "go", "env", name))
}

// copyTree copies what is packaged or compiled: not what was built, nor dot files.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum", "host.json", "functions", "cmd", "handlers", "shared", "infra", "docs/schemas"} {
		err := filepath.WalkDir(filepath.Join(from, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			relative, err := filepath.Rel(from, path)
			if err != nil || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			if err == nil {
				writeTo(t, filepath.Join(to, relative), string(content))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func writeTo(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// age changes the modes and times of all files.
func age(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		if err := os.Chtimes(path, old, old); err != nil {
			return err
		}
		return os.Chmod(path, 0o700)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x, %d bytes", sha256.Sum256(content), len(content))
}

// listing is every file and folder with its mode.
func listing(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		all = append(all, fmt.Sprintf("%s %s", info.Mode(), relative))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}
