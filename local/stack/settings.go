package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Settings are app settings by name.
type Settings map[string]string

// ReadSettings reads a local.settings.json.
func ReadSettings(path string) (Settings, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("stack.ReadSettings: %w", err)
	}
	var file struct{ Values Settings }
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("stack.ReadSettings(%q): %w", path, err)
	}
	return file.Values, nil
}

// groups are settings of which one replaces the others: who sets one in the
// environment does not want the sample's values of the rest.
var groups = [][]string{
	{"TABLES", "TABLES__serviceUri"},
	{"SERVICEBUS", "SERVICEBUS__fullyQualifiedNamespace"},
	{"GRAPH_ENDPOINT"},
	{"ENTRA_AUTHORITY"},
	{"ENTRA_CLIENT_SECRET", "ENTRA_CLIENT_CERTIFICATE", "ENTRA_MANAGED_IDENTITY"},
}

// lookup finds a setting as the handler will; the host gives it its port.
func (s Settings) lookup(name string) (string, bool) {
	if name == "FUNCTIONS_CUSTOMHANDLER_PORT" {
		return "1", true
	}
	value, ok := s[name]
	return value, ok
}

// over puts the environment's values over those of s, and leaves out what is
// empty. Names that s does not have are not looked up.
func (s Settings) over(environment func(string) (string, bool)) Settings {
	out := Settings{}
	for name, value := range s {
		if value != "" {
			out[name] = value
		}
	}
	given := Settings{}
	for name := range s {
		if value, ok := environment(name); ok && value != "" {
			given[name] = value
		}
	}
	for _, group := range groups {
		if slices.ContainsFunc(group, func(name string) bool { return given[name] != "" }) {
			for _, name := range group {
				delete(out, name)
			}
		}
	}
	maps.Copy(out, given)
	return out
}

// external reports whether the environment names one of a group of settings.
func external(environment func(string) (string, bool), names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		value, ok := environment(name)
		return ok && value != ""
	})
}

// inherited is the process's own environment without what are settings here: the
// handler needs the rest for proxies and certificates. Where the sample names a
// setting, only what over decided counts.
func (s Settings) inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		_, known := s[name]
		return known
	})
}

// list is s as NAME=value, sorted.
func (s Settings) list() []string {
	out := make([]string, 0, len(s))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		out = append(out, name+"="+s[name])
	}
	return out
}
