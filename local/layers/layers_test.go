// Package layers holds the dependency rules of design.md ("Layout"): for each, the
// packages it is about, what they must not import, and why. Tests may import what
// they like; the rules are about the program.
package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/calbridge/calbridge/"

// rule forbids imports.
type rule struct {
	name string
	// from and to are packages: of ours below the module, others by their path. A
	// name that ends in /... also means all packages below it.
	from, to []string
	// except are those of from to which the rule does not apply.
	except []string
	// linked forbids what comes with the imports, too.
	linked bool
	reason string
}

var (
	shared = []string{"shared/..."}
	sdks   = []string{"github.com/Azure/azure-sdk-for-go/...", "github.com/Azure/go-amqp/...", "github.com/AzureAD/...",
		"github.com/microsoftgraph/...", "github.com/microsoft/..."}
)

// Beyond test helpers (packages named …test, which only tests link) the lists have
// no exceptions that are not explained.
var rules = []rule{
	{name: "shared knows no host", from: shared, to: []string{"local/...", "handlers/...", "cmd/..."}, linked: true,
		reason: "the program is driven by the Functions host, by local/host and by tests alike"},
	{name: "handlers know no stand-in", from: []string{"handlers/..."}, to: []string{"local/...", "cmd/..."}, linked: true,
		reason: "one wire, one adapter: what runs locally is what runs in Azure"},
	{name: "the binary has no stand-in in it", from: []string{"cmd/handler"}, to: []string{"local/...", "testing"}, linked: true,
		reason: "nothing of a simulator may reach production"},
	{name: "the domain is pure", from: []string{"shared/booking", "shared/event", "shared/key", "shared/zone", "shared/organization", "shared/outbound", "shared/problem", "shared/appointment"},
		to: append([]string{"net/http", "os/exec", "database/sql"}, sdks...), linked: true,
		reason: "what a booking means must be testable without network, clock and SDK"},
	{name: "the domain does no I/O of its own", from: []string{"shared/booking", "shared/event"}, to: []string{"net/http", "os", "log/slog"},
		reason: "pure packages take bytes and give values"},
	{name: "the domain knows nobody", from: []string{"shared/booking"},
		to:     []string{"shared/event", "shared/graph/...", "shared/identity", "shared/state", "shared/queue", "shared/engine", "shared/settings"},
		linked: true, reason: "dependencies point one way: … -> event -> booking"},
	{name: "event stands on booking alone", from: []string{"shared/event"},
		to:     []string{"shared/graph/...", "shared/identity", "shared/state", "shared/queue", "shared/engine", "shared/settings"},
		linked: true, reason: "dependencies point one way: … -> event -> booking"},
	{name: "graph is an edge of its own", from: []string{"shared/graph/..."},
		to: []string{"shared/identity", "shared/state/...", "shared/queue/...", "shared/engine", "shared/settings"}, linked: true,
		reason: "the edges do not import one another; what one needs of another is an interface"},
	{name: "identity is an edge of its own", from: []string{"shared/identity"},
		to: []string{"shared/graph/...", "shared/state/...", "shared/queue/...", "shared/engine", "shared/settings"}, linked: true,
		reason: "the edges do not import one another"},
	{name: "state is an edge of its own", from: []string{"shared/state/..."},
		to: []string{"shared/graph/...", "shared/identity", "shared/queue/...", "shared/engine", "shared/settings"}, linked: true,
		reason: "the edges do not import one another"},
	{name: "queue is an edge of its own", from: []string{"shared/queue/..."},
		to: []string{"shared/graph/...", "shared/identity", "shared/state/...", "shared/engine", "shared/settings"}, linked: true,
		reason: "the edges do not import one another"},
	{name: "ics is an edge of its own", from: []string{"shared/ics"},
		to: append([]string{"shared/graph/...", "shared/identity", "shared/state/...", "shared/queue/...", "shared/engine", "shared/settings", "os/exec"}, sdks...), linked: true,
		reason: "a calendar file is made of an event, and of nothing else"},
	{name: "the engine calls interfaces", from: []string{"shared/engine"}, to: append([]string{"net/http", "shared/identity", "shared/graph/msgraph", "shared/settings"}, sdks...),
		reason: "a test stops it before and after every effect"},
	{name: "Graph's models stay in one package", from: []string{"shared/...", "handlers/...", "local/...", "cmd/...", "examples/..."},
		except: []string{"shared/graph/msgraph"}, to: []string{"github.com/microsoftgraph/...", "github.com/microsoft/..."},
		reason: "they take a minute and 4.6 GB to compile; and Graph's JSON is translated at the edge"},
	{name: "never the Graph SDK's root package", from: []string{"shared/...", "handlers/...", "local/...", "cmd/...", "examples/..."},
		to: []string{"github.com/microsoftgraph/msgraph-sdk-go"}, linked: true,
		reason: "it pulls in 87 packages: double the compile time and cache"},
	{name: "only the adapters use the bus and tables SDKs", from: shared, except: []string{"shared/queue/...", "shared/state/..."},
		to:     []string{"github.com/Azure/azure-sdk-for-go/sdk/messaging/...", "github.com/Azure/azure-sdk-for-go/sdk/data/..."},
		reason: "one wire, one adapter"},
	{name: "a consumer needs nothing of ours", from: []string{"examples/consumer"}, to: []string{module + "..."},
		reason: "integrators copy it"},
}

// listed is what go list says of a package.
type listed struct {
	ImportPath    string
	Imports, Deps []string
}

func TestLayers(t *testing.T) {
	packages := list(t)
	for _, r := range rules {
		t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
			about := 0
			for _, p := range packages {
				if !matches(p.ImportPath, r.from) || matches(p.ImportPath, r.except) || strings.HasSuffix(p.ImportPath, "test") {
					continue
				}
				about++
				imports := p.Imports
				if r.linked {
					imports = p.Deps
				}
				for _, i := range imports {
					if matches(i, r.to) {
						t.Errorf("%s imports %s, but %s", strings.TrimPrefix(p.ImportPath, module), strings.TrimPrefix(i, module), r.reason)
					}
				}
			}
			if about == 0 {
				t.Errorf("no package is about %v: the rule holds nothing", r.from)
			}
		})
	}
}

// TestRulesBite shows that a rule fails for an import that it forbids.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		path string
		list []string
		want bool
	}{
		{module + "local/host", []string{"local/..."}, true},
		{module + "local", []string{"local/..."}, true},
		{module + "localhost", []string{"local/..."}, false},
		{module + "shared/graph/msgraph", []string{"shared/graph"}, false},
		{"github.com/microsoftgraph/msgraph-sdk-go/users", []string{"github.com/microsoftgraph/msgraph-sdk-go"}, false},
		{"github.com/microsoftgraph/msgraph-sdk-go", []string{"github.com/microsoftgraph/..."}, true},
		{"net/http", []string{"net/http"}, true},
		{module + "shared/key", []string{module + "..."}, true},
	} {
		if got := matches(c.path, c.list); got != c.want {
			t.Errorf("matches(%q, %q) = %v, want %v", c.path, c.list, got, c.want)
		}
	}
}

// matches reports whether a package is in a list.
func matches(path string, list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		below, all := strings.CutSuffix(name, "/...")
		for _, full := range []string{below, module + below} {
			if path == full || all && strings.HasPrefix(path, full+"/") {
				return true
			}
		}
		return false
	})
}

// list asks the go command for all packages of the module.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"...")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, &problems)
	}
	var all []listed
	for decoder := json.NewDecoder(&out); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
