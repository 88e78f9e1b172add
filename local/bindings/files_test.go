// Package bindings holds function.json and host.json against the rules of the
// contract between host and handler (functions/contract.md), of write-path.md section 1
// and of design.md's table of functions.
//
// Each rule is named after its section. It is held against the files as they are, and
// against examples that break it: a rule that lets one of its own examples pass is no
// rule. The examples are the project's own files with one thing changed.
//
// The public schemas check too little to stand alone (contract 3.3, 4.3): misspelt
// names, session flags, routes and whole sections pass them.
package bindings

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/infra"
)

// tree is what is deployed beside the binary, decoded, and what it refers to.
type tree struct {
	host      any
	functions map[string]any // by folder
	settings  map[string]string
	queues    map[string]bool // whether each requires sessions
}

const root = "../.."

// load reads the project's own.
func load(t *testing.T) tree {
	t.Helper()
	all := tree{host: decode(t, filepath.Join(root, "host.json")), functions: map[string]any{}, queues: map[string]bool{}}
	folders, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		all.functions[f.Name()] = decode(t, filepath.Join(root, "functions", f.Name(), "function.json"))
	}
	all.settings = map[string]string{}
	for name, value := range decode(t, filepath.Join(root, "local.settings.sample.json")).(map[string]any)["Values"].(map[string]any) {
		all.settings[name] = value.(string)
	}
	resources, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range resources.Queues {
		all.queues[q.Name] = q.Properties.RequiresSession
	}
	return all
}

func decode(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return doc
}

// clone is a tree that can be changed.
func (all tree) clone() tree {
	functions := map[string]any{}
	for name, f := range all.functions {
		functions[name] = copied(f)
	}
	return tree{copied(all.host), functions, maps.Clone(all.settings), maps.Clone(all.queues)}
}

// copied is a deep copy of decoded JSON.
func copied(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = copied(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = copied(v[i])
		}
		return out
	}
	return v
}

// change makes a bad tree of a good one.
type change func(tree)

// in sets a member of a function, or removes it where the value is nil. The path is
// slash separated below bindings, "0/route"; "-" is a binding more.
func in(function, path string, value any) change {
	return func(all tree) {
		doc := all.functions[function].(map[string]any)
		if path == "-" {
			doc["bindings"] = append(doc["bindings"].([]any), value)
			return
		}
		index, member, _ := strings.Cut(path, "/")
		n, err := strconv.Atoi(index)
		if err != nil {
			set(doc, []string{path}, value)
			return
		}
		set(doc["bindings"].([]any)[n].(map[string]any), []string{member}, value)
	}
}

// inHost does the same to host.json.
func inHost(path string, value any) change {
	return func(all tree) { set(all.host.(map[string]any), strings.Split(path, "/"), value) }
}

func set(doc map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		inner, ok := doc[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			doc[name] = inner
		}
		doc = inner
	}
	last := path[len(path)-1]
	if value == nil {
		delete(doc, last)
		return
	}
	doc[last] = value
}

// renamed gives a function's folder another name.
func renamed(from, to string) change {
	return func(all tree) {
		all.functions[to] = all.functions[from]
		delete(all.functions, from)
	}
}

// doubled is a second function like the first.
func doubled(name, as string) change {
	return func(all tree) { all.functions[as] = copied(all.functions[name]) }
}

// binding is one entry of bindings.
type binding map[string]any

func (b binding) text(name string) string {
	s, _ := b[name].(string)
	return s
}

func (b binding) list(name string) []string {
	var out []string
	all, _ := b[name].([]any)
	for _, v := range all {
		s, _ := v.(string)
		out = append(out, s)
	}
	return out
}

// names are the functions, sorted.
func (all tree) names() []string { return slices.Sorted(maps.Keys(all.functions)) }

// bindings are those of a function.
func (all tree) bindings(function string) []binding {
	doc, _ := all.functions[function].(map[string]any)
	list, _ := doc["bindings"].([]any)
	var out []binding
	for _, one := range list {
		b, _ := one.(map[string]any)
		out = append(out, b)
	}
	return out
}

// triggers are the triggers of a type, by function.
func (all tree) triggers(kind string) map[string]binding {
	out := map[string]binding{}
	for name := range all.functions {
		for _, b := range all.bindings(name) {
			if b.text("type") == kind {
				out[name] = b
			}
		}
	}
	return out
}

// at is a member of host.json.
func (all tree) at(path string) any {
	doc := all.host
	for name := range strings.SplitSeq(path, "/") {
		inner, _ := doc.(map[string]any)
		doc = inner[name]
	}
	return doc
}
