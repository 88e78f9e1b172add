// Command package makes what is deployed: the folder build/app with host.json, a
// folder per function and the binary, and build/app.zip of it.
//
//	go run ./cmd/package -version 1.2.3 -commit abc1234
//
// The Functions host looks for function folders directly beside host.json, and in
// the zip host.json must be on top (functions/contract.md 3.1). The binary has
// mode 0755 inside the zip, because not every plan sets the bit (1.8); everything
// else has 0644. The zip depends on nothing but its contents: files are sorted
// and carry one fixed time.
package main

import (
	"archive/zip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// binary is host.json's defaultExecutablePath.
const binary = "handler"

func main() {
	out := flag.String("out", "build", "folder that takes app/ and app.zip")
	version := flag.String("version", "dev", "version that Health shows")
	commit := flag.String("commit", "unknown", "commit that Health shows")
	flag.Parse()
	if err := run(".", *out, *version, *commit); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// run builds the binary of the module in root and packs it.
func run(root, out, version, commit string) error {
	app := filepath.Join(out, "app")
	if err := os.RemoveAll(app); err != nil {
		return err
	}
	if err := gather(root, app); err != nil {
		return err
	}
	target, err := filepath.Abs(filepath.Join(app, binary))
	if err != nil {
		return err
	}
	if err := build(root, target, version, commit); err != nil {
		return err
	}
	return pack(app, filepath.Join(out, "app.zip"))
}

// build compiles for Azure: Linux on amd64, static.
func build(root, target, version, commit string) error {
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", version, commit)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", target, "./cmd/handler")
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// gather copies host.json and functions/<Name>/function.json below app.
func gather(root, app string) error {
	if err := copyFile(filepath.Join(root, "host.json"), filepath.Join(app, "host.json")); err != nil {
		return err
	}
	functions, err := filepath.Glob(filepath.Join(root, "functions", "*", "function.json"))
	if err != nil {
		return err
	}
	if len(functions) == 0 {
		return errors.New("there is no function to package")
	}
	for _, from := range functions {
		name := filepath.Base(filepath.Dir(from))
		if err := copyFile(from, filepath.Join(app, name, "function.json")); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// pack zips the contents of a folder, host.json first.
func pack(folder, target string) (err error) {
	var names []string
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == "host.json") != (b == "host.json") {
			if a == "host.json" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	f, err := os.Create(target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := zip.NewWriter(f)
	for _, name := range names {
		if err := add(z, filepath.Join(folder, filepath.FromSlash(name)), name); err != nil {
			return err
		}
	}
	return z.Close()
}

// stamp is the earliest time that a zip can hold.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func add(z *zip.Writer, path, name string) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: stamp}
	header.SetMode(0o644)
	if name == binary {
		header.SetMode(0o755)
	}
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
