// Command package makes what is deployed: the folder build/app with host.json, a
// folder per function and the binary, and build/app.zip of it.
//
//	go run ./cmd/package -version 1.2.3 -commit 0123abc
//
// # Layout
//
// The Functions host looks for function folders directly beside host.json, and in
// the zip host.json must be on top (functions/contract.md 3.1). The binary has
// mode 0755, because not every plan sets the bit (1.8), everything else 0644: in the
// zip, and in the folder too, of which azd makes a zip of its own. Nothing but
// host.json, functions/<Name>/function.json and the binary is taken.
//
// # The same bytes
//
// The same commit, version and Go make the same bytes, whoever builds where (make
// package builds with the Go that go.mod names). The zip is sorted and carries one
// fixed time; the binary has no paths of the machine; and nothing of the environment
// that would change it reaches the compiler.
//
// # What is inspected
//
// Before it is packed the binary is opened, and refused unless it is what was asked
// for: see inspect. linux/amd64 is what Flex Consumption runs (6.1). -arch arm64 makes
// the same of the other, for other plans and for whoever runs the handler elsewhere.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// binary is host.json's defaultExecutablePath.
const binary = "handler"

// options are what is built.
type options struct {
	// out takes app/ and app.zip.
	out string
	// version and commit are what Health shows.
	version, commit string
	// arch is amd64 or arm64.
	arch string
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "build", "folder that takes app/ and app.zip")
	flag.StringVar(&o.version, "version", "dev", "version that Health shows")
	flag.StringVar(&o.commit, "commit", "unknown", "commit that Health shows")
	flag.StringVar(&o.arch, "arch", "amd64", "amd64, which Flex Consumption runs, or arm64")
	sums := flag.Bool("sums", false, "print sizes in bytes and SHA-256 sums")
	flag.Parse()
	err := run(".", o)
	if err == nil && *sums {
		err = printSums(os.Stdout, filepath.Join(o.out, "app", binary), filepath.Join(o.out, "app.zip"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// word is what may stand in a linker flag and on a page.
var word = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$`)

func (o options) check() error {
	var faults []error
	for _, one := range []struct{ name, value string }{{"version", o.version}, {"commit", o.commit}} {
		if !word.MatchString(one.value) {
			faults = append(faults, fmt.Errorf("%s %q: want 1 to 64 of letters, digits and .+_-", one.name, one.value))
		}
	}
	if _, ok := machines[o.arch]; !ok {
		faults = append(faults, fmt.Errorf("arch %q: want amd64 or arm64", o.arch))
	}
	return errors.Join(faults...)
}

// run builds the binary of the module in root and packs it.
func run(root string, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	app := filepath.Join(o.out, "app")
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
	if err := build(root, target, o); err != nil {
		return err
	}
	if err := settleModes(app); err != nil {
		return err
	}
	paths, err := machinePaths(root)
	if err != nil {
		return err
	}
	if err := inspect(target, o, paths); err != nil {
		return err
	}
	return pack(app, filepath.Join(o.out, "app.zip"))
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

// settleModes makes the folder's modes those of the zip, whatever the umask.
func settleModes(app string) error {
	return filepath.WalkDir(app, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if entry.IsDir() || path == filepath.Join(app, binary) {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

// printSums prints a line per file: SHA-256, size in bytes, path.
func printSums(w io.Writer, paths ...string) error {
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%x %9d %s\n", sha256.Sum256(content), len(content), filepath.ToSlash(path)); err != nil {
			return err
		}
	}
	return nil
}
