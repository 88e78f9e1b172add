package host

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repositoryHost is a host over the functions of this repository, laid out as deployed.
func repositoryHost(t *testing.T) *Host {
	t.Helper()
	root := t.TempDir()
	copyFile(t, "../../host.json", filepath.Join(root, "host.json"))
	files, err := filepath.Glob("../../functions/*/function.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no functions: %v", err)
	}
	for _, file := range files {
		copyFile(t, file, filepath.Join(root, filepath.Base(filepath.Dir(file)), "function.json"))
	}
	h, err := New(root, Options{Addr: "127.0.0.1:0", Env: sampleSettings(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.listener.Close() })
	return h
}

// sampleSettings are those of the sample, which bindings may name.
func sampleSettings(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	var sample struct{ Values map[string]string }
	if err := json.Unmarshal(text, &sample); err != nil {
		t.Fatal(err)
	}
	env := []string{}
	for name, value := range sample.Values {
		env = append(env, name+"="+value)
	}
	return env
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, to, string(text))
}

// ends lists a path up to each parameter of a template, before its value and after one
// that it takes, and the whole.
func (f *function) ends(t *testing.T) []string {
	t.Helper()
	path := "/api"
	var all []string
	for _, s := range f.route.segments {
		if s.parameter == "" {
			path += "/" + s.literal
			continue
		}
		value := ""
		for _, v := range []string{"a", "1", strings.Repeat("a", 43)} {
			taken := true
			for _, c := range s.constraints {
				taken = taken && c(v)
			}
			if taken {
				value = v
			}
		}
		if value == "" {
			t.Fatalf("%s: no value for %s", f.name, s.parameter)
		}
		all = append(all, path+"/")
		path += "/" + value
		all = append(all, path)
	}
	return append(all, path, path+"/")
}

// TestNoRouteOfTheRepositoryIsLeft tries every trick at every place of every route
// (§2.1, guard 3), with each method the route takes.
func TestNoRouteOfTheRepositoryIsLeft(t *testing.T) {
	h := repositoryHost(t)
	b := bender{h}
	step := 1
	if testing.Short() {
		step = 8 // there is no race in it to look for
	}
	tried, taken := 0, 0
	for _, f := range h.routes {
		for _, s := range f.route.segments {
			if s.parameter != "" && (len(s.constraints) == 0 || s.catchAll) {
				t.Errorf("%s: parameter %s is free", f.name, s.parameter)
			}
		}
		method := http.MethodGet
		if len(f.trigger.Methods) > 0 {
			method = strings.ToUpper(f.trigger.Methods[0])
		}
		for _, at := range f.ends(t) {
			for i := 0; i < len(bends); i += step {
				for _, y := range bends {
					for n := range 4 {
						tried++
						x := bends[i]
						g, sees, leaves := b.tryMethod(method, at+encode(x+y, n))
						if g != nil {
							taken++
						}
						if leaves {
							t.Errorf("%s %q left %s: handler would see %q", method, at+encode(x+y, n), g.name, sees)
						}
					}
				}
			}
		}
	}
	t.Logf("%d paths, of which %d match a route", tried, taken)
	if tried < 100_000/step || taken < 1000/step {
		t.Errorf("%d tried, %d taken: the test shows nothing", tried, taken)
	}
}
