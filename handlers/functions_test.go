package handlers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// binding is what this project uses of a binding; local/bindings holds the files
// against the contract.
type binding struct {
	Type, Direction, Name string
	AuthLevel, Route      string
	Methods               []string
	QueueName, Connection string
	Schedule              string
	UseMonitor            bool
	RunOnStartup          bool
	IsSessionsEnabled     *bool
	Cardinality, DataType string
}

const functionsFolder = "../functions"

func bindings(t *testing.T) map[string][]binding {
	t.Helper()
	folders, err := os.ReadDir(functionsFolder)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]binding{}
	for _, folder := range folders {
		f, err := os.Open(filepath.Join(functionsFolder, folder.Name(), "function.json"))
		if err != nil {
			t.Fatal(err)
		}
		var function struct{ Bindings []binding }
		d := json.NewDecoder(f)
		d.DisallowUnknownFields()
		if err := d.Decode(&function); err != nil {
			t.Fatalf("%s: %v", folder.Name(), err)
		}
		_ = f.Close()
		all[folder.Name()] = function.Bindings
	}
	return all
}

// A function without a handler would fail every call, a handler without a
// function would be dead code or an open door.
func TestEveryFunctionHasItsHandlerAndTheOtherWayRound(t *testing.T) {
	s := New("127.0.0.1:1", "http://localhost", Deps{}, nil)
	var served, declared []string
	for path, f := range s.queues {
		if path != "/"+f.name {
			t.Errorf("%s is served at %s", f.name, path)
		}
		served = append(served, f.name)
	}
	for _, r := range s.web {
		served = append(served, r.function)
	}
	for _, p := range s.pages {
		served = append(served, p.function)
		route, parameters, _ := strings.Cut(bindings(t)[p.function][0].Route, "/{")
		methods := make([]string, len(p.methods))
		for i, m := range p.methods {
			methods[i] = strings.ToLower(m)
		}
		if route != p.path || strings.Count("/{"+parameters, "/{") < p.parameters || !slices.Equal(methods, bindings(t)[p.function][0].Methods) {
			t.Errorf("%s: served at %s with %d parameters and %v", p.function, p.path, p.parameters, p.methods)
		}
	}
	slices.Sort(served)
	name := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]{0,127}$`)
	for f, all := range bindings(t) {
		declared = append(declared, f)
		if !name.MatchString(f) {
			t.Errorf("%s is no name for a function (contract 3.1)", f)
		}
		for _, r := range s.web {
			route, _, _ := strings.Cut(all[0].Route, "/{")
			if r.function == f && r.pattern != route && !strings.HasPrefix(r.pattern, route+"/") {
				t.Errorf("%s: handler's %s is not below the route %s", f, r.pattern, all[0].Route)
			}
			if r.function == f && !slices.Contains(all[0].Methods, strings.ToLower(r.method)) {
				t.Errorf("%s: the host never forwards %s", f, r.method)
			}
		}
	}
	slices.Sort(declared)
	if diff := cmp.Diff(declared, slices.Compact(served)); diff != "" {
		t.Errorf("(-declared +served)\n%s", diff)
	}
}
