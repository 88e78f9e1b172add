package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// program is the import path of what is packaged.
const program = "github.com/calbridge/calbridge/cmd/handler"

// machines are the architectures that can be asked for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// inspect opens a binary and names everything that is not as it was asked for:
//
//   - another machine, or anything that a program interpreter or a library would have
//     to be there for (contract 1.8: static);
//   - symbols and debug sections, which double the size;
//   - another program, or one built with other settings than ours, a checkout's state
//     among them;
//   - paths of the machine that built it;
//   - another version or commit than Health is to show.
func inspect(path string, o options, paths []string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	faults := []error{inspectELF(content, o.arch), inspectText(content, o, paths)}
	if info, err := buildinfo.Read(bytes.NewReader(content)); err != nil {
		faults = append(faults, err)
	} else {
		faults = append(faults, inspectBuild(info, o.arch))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("the binary is not what was asked for: %w", err)
	}
	return nil
}

func inspectELF(content []byte, arch string) error {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return err
	}
	var faults []error
	if f.Machine != machines[arch] || f.Class != elf.ELFCLASS64 || f.Type != elf.ET_EXEC {
		faults = append(faults, fmt.Errorf("%v %v %v, want an executable for %s", f.Class, f.Machine, f.Type, arch))
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			faults = append(faults, fmt.Errorf("not static: it has %v", p.Type))
		}
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_SYMTAB || strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			faults = append(faults, fmt.Errorf("not stripped: it has %s", s.Name))
		}
	}
	return errors.Join(faults...)
}

// inspectBuild wants exactly our settings: one that is not here was not decided.
func inspectBuild(info *debug.BuildInfo, arch string) error {
	want := map[string]string{"-buildmode": "exe", "-compiler": "gc", "-trimpath": "true", "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch}
	switch arch {
	case "amd64":
		want["GOAMD64"] = "v1"
	case "arm64":
		want["GOARM64"] = "v8.0"
	}
	var faults []error
	if info.Path != program {
		faults = append(faults, fmt.Errorf("program %s, want %s", info.Path, program))
	}
	if info.Main.Version != "(devel)" && info.Main.Version != "" {
		faults = append(faults, fmt.Errorf("module version %s: it comes from the checkout", info.Main.Version))
	}
	for _, s := range info.Settings {
		if value, ok := want[s.Key]; !ok || value != s.Value {
			faults = append(faults, fmt.Errorf("build setting %s=%s, want %q", s.Key, s.Value, value))
		}
		delete(want, s.Key)
	}
	for key := range want {
		faults = append(faults, fmt.Errorf("no build setting %s", key))
	}
	return errors.Join(faults...)
}

// inspectText looks for what must be among the bytes, and what must not.
func inspectText(content []byte, o options, paths []string) error {
	var faults []error
	for name, value := range map[string]string{"version": o.version, "commit": o.commit} {
		if !bytes.Contains(content, []byte(value)) {
			faults = append(faults, fmt.Errorf("%s %s is not in it", name, value))
		}
	}
	for _, path := range paths {
		if bytes.Contains(content, []byte(filepath.ToSlash(path)+"/")) {
			faults = append(faults, fmt.Errorf("a path of this machine is in it: %s", path))
		}
	}
	return errors.Join(faults...)
}
