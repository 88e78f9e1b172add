package main

import (
	le "encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// tiny compiles a program that calls itself ours, without anything in it.
func tiny(t *testing.T, flags ...string) []byte {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module github.com/calbridge/calbridge\n\ngo 1.26\n",
		"cmd/handler/main.go": "package main\n\nvar version, commit, more = \"dev\", \"unknown\", \"\"\n\n" +
			"func main() { println(version, commit, more) }\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", "out"}, flags...), "./cmd/handler")...)
	cmd.Dir, cmd.Env = root, environment(os.Environ(), "amd64")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	content, err := os.ReadFile(filepath.Join(root, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

const asAsked = "-ldflags=-s -w -X main.version=9.8.7-test -X main.commit=0123456789abcdef0123456789abcdef01234567"

var asked = options{version: "9.8.7-test", commit: "0123456789abcdef0123456789abcdef01234567", arch: "amd64"}

// inspected is what inspect says to bytes.
func inspected(t *testing.T, content []byte, paths ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "handler")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := inspect(path, asked, paths); err != nil {
		return err.Error()
	}
	return ""
}

func TestABinaryThatIsNotAsAskedForIsRefused(t *testing.T) {
	good := tiny(t, asAsked)
	if fault := inspected(t, good, "/nowhere"); fault != "" {
		t.Fatalf("a good one is refused: %s", fault)
	}
	// The fields of an ELF file of 64 bits: e_machine at 18; a program header is 56 bytes
	// and begins with its type.
	machine := slices.Clone(good)
	le.LittleEndian.PutUint16(machine[18:], 183)
	interpreter := slices.Clone(good)
	headers := le.LittleEndian.Uint64(interpreter[32:])
	last := headers + 56*uint64(le.LittleEndian.Uint16(interpreter[56:])-1)
	le.LittleEndian.PutUint32(interpreter[last:], 3)
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"another machine", machine, "want an executable for amd64"},
		{"an interpreter", interpreter, "not static: it has PT_INTERP"},
		{"symbols", tiny(t, strings.Replace(asAsked, "-s -w", "", 1)), "not stripped: it has .symtab"},
		{"another version", tiny(t, strings.Replace(asAsked, "9.8.7", "9.8.6", 1)), "version 9.8.7-test is not in it"},
		{"another commit", tiny(t, strings.Replace(asAsked, "0123456789abcdef", "fedcba9876543210", 1)), "commit 0123456789abcdef0123456789abcdef01234567 is not in it"},
		{"a path of this machine", tiny(t, asAsked+" -X main.more=/nowhere/x"), "a path of this machine is in it: /nowhere"},
		{"paths kept", tiny(t, asAsked, "-trimpath=false"), "no build setting -trimpath"},
		{"no program at all", []byte("#!/bin/sh\n"), "unrecognized file format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := inspected(t, c.content, "/nowhere"); !strings.Contains(got, c.want) {
				t.Errorf("%q, want it to say %q", got, c.want)
			}
		})
	}
}

func TestABuildWithOtherSettingsIsRefused(t *testing.T) {
	build := func(change func(*debug.BuildInfo)) error {
		info := &debug.BuildInfo{Path: program, Main: debug.Module{Version: "(devel)"}}
		for _, pair := range []string{"-buildmode exe", "-compiler gc", "-trimpath true", "CGO_ENABLED 0", "GOARCH amd64", "GOOS linux", "GOAMD64 v1"} {
			key, value, _ := strings.Cut(pair, " ")
			info.Settings = append(info.Settings, debug.BuildSetting{Key: key, Value: value})
		}
		change(info)
		return inspectBuild(info, "amd64")
	}
	if err := build(func(*debug.BuildInfo) {}); err != nil {
		t.Errorf("ours: %v", err)
	}
	for _, setting := range []string{"vcs.revision 0123", "vcs.modified true", "-race true", "-tags x", "GOEXPERIMENT x", "GOFIPS140 latest", "DefaultGODEBUG x=1", "-ldflags -X x"} {
		key, value, _ := strings.Cut(setting, " ")
		if build(func(i *debug.BuildInfo) { i.Settings = append(i.Settings, debug.BuildSetting{Key: key, Value: value}) }) == nil {
			t.Errorf("%s is not refused", setting)
		}
	}
	for _, setting := range []string{"CGO_ENABLED 1", "GOARCH arm64", "GOOS windows", "GOAMD64 v3", "-buildmode pie"} {
		key, value, _ := strings.Cut(setting, " ")
		err := build(func(i *debug.BuildInfo) {
			for n := range i.Settings {
				if i.Settings[n].Key == key {
					i.Settings[n].Value = value
				}
			}
		})
		if err == nil {
			t.Errorf("%s is not refused", setting)
		}
	}
	for name, change := range map[string]func(*debug.BuildInfo){
		"another program":    func(i *debug.BuildInfo) { i.Path = "github.com/calbridge/calbridge/cmd/local" },
		"a checkout's state": func(i *debug.BuildInfo) { i.Main.Version = "v0.0.0-20261121-0123456789ab+dirty" },
		"a setting less":     func(i *debug.BuildInfo) { i.Settings = i.Settings[1:] },
	} {
		if build(change) == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}

func TestVersionCommitAndArchAreWords(t *testing.T) {
	good := options{version: "1.2.3-rc.1+5", commit: "0123abc-dirty", arch: "arm64"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []options{
		{version: "", commit: "x", arch: "amd64"},
		{version: "1 -X main.commit=y", commit: "x", arch: "amd64"},
		{version: "1", commit: "'", arch: "amd64"},
		{version: "1", commit: strings.Repeat("a", 65), arch: "amd64"},
		{version: "1", commit: "x", arch: "386"},
	} {
		if bad.check() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
