package infra_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus"
)

// binding is what a binding names.
type binding struct {
	Type, Connection, QueueName, TopicName, SubscriptionName, Schedule string
	IsSessionsEnabled                                                  bool
}

// bindings are those of functions/, by function.
func bindings(t *testing.T) map[string][]binding {
	t.Helper()
	files, err := filepath.Glob("../functions/*/function.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d functions, %v", len(files), err)
	}
	all := map[string][]binding{}
	for _, file := range files {
		var f struct{ Bindings []binding }
		if err := json.Unmarshal([]byte(text(t, file)), &f); err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(filepath.Dir(file))] = f.Bindings
	}
	return all
}

// An entity that is not there, or a connection without settings, makes a listener
// fail at the host's start; sessions must agree (contract 3.2).
func TestEveryTriggerIsOfAnEntityAndAConnectionOfTheList(t *testing.T) {
	queues := map[string]infra.Properties{}
	subscriptions := map[string]infra.Properties{}
	for _, q := range load(t).Queues {
		queues[q.Name] = q.Properties
	}
	for _, topic := range load(t).Topics {
		for _, s := range topic.Subscriptions {
			subscriptions[topic.Name+"/"+s.Name] = s.Properties
		}
	}
	for function, all := range bindings(t) {
		for _, b := range all {
			if b.Type != "serviceBusTrigger" && b.Type != "serviceBus" {
				continue
			}
			name, dead := strings.CutSuffix(b.QueueName, "/$deadletterqueue")
			properties, found := queues[name]
			if b.QueueName == "" {
				name, dead = strings.CutSuffix(b.SubscriptionName, "/$deadletterqueue")
				properties, found = subscriptions[b.TopicName+"/"+name]
			}
			if !found {
				t.Errorf("%s: %+v names nothing of the list", function, b)
			}
			if b.IsSessionsEnabled != (properties.RequiresSession && !dead) {
				t.Errorf("%s: sessions %v, the list says %v, dead letters %v", function, b.IsSessionsEnabled, properties.RequiresSession, dead)
			}
			resolves(t, function, b.Connection)
		}
	}
}

// resolves looks for a connection string and for a prefix of identity settings; both
// must be there, one for a developer's machine and one for Azure.
func resolves(t *testing.T, function, connection string) {
	t.Helper()
	whole, prefix := byName(t)[connection]
	identity := false
	for name, s := range byName(t) {
		identity = identity || strings.HasPrefix(name, connection+"__") && s.Azure.From == infra.FromValue
	}
	if !prefix || !whole.Secret || !identity {
		t.Errorf("%s: connection %q resolves to no settings", function, connection)
	}
}

func TestEveryPlaceholderOfABindingIsASettingWithAValueInAzure(t *testing.T) {
	placeholders := 0
	for function, all := range bindings(t) {
		for _, b := range all {
			for _, member := range []string{b.QueueName, b.TopicName, b.SubscriptionName, b.Schedule} {
				parts := strings.Split(member, "%")
				for i := 1; i < len(parts); i += 2 {
					placeholders++
					if s := byName(t)[parts[i]]; s.Azure.From != infra.FromValue && s.Azure.From != infra.FromLiteral {
						t.Errorf("%s: %%%s%% has no value in Azure", function, parts[i])
					}
				}
			}
		}
	}
	if placeholders == 0 {
		t.Error("no placeholder was found: the schedule is one")
	}
}

func TestTheLocalBrokerHasTheEntitiesOfTheList(t *testing.T) {
	var got, want []string
	topology := servicebus.FromResources(load(t))
	for _, q := range topology.Queues {
		got = append(got, q.Name)
	}
	for _, topic := range topology.Topics {
		for _, s := range topic.Subscriptions {
			got = append(got, topic.Name+"/"+s.Name)
		}
	}
	for _, q := range load(t).Queues {
		want = append(want, q.Name)
	}
	for _, topic := range load(t).Topics {
		for _, s := range topic.Subscriptions {
			want = append(want, topic.Name+"/"+s.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-listed +made)\n%s", diff)
	}
}

// Package state names its tables by constants called table…, and the ledger's by the
// function ledgerTable; nothing else reaches a call of Tables.
func TestListHasEveryTableThatTheCodeUses(t *testing.T) {
	named := map[string]string{}
	ledger := ""
	for _, file := range sources(t, "../shared/state") {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "table") && i < len(n.Values) {
						named[name.Name] = literal(n.Values[i])
					}
				}
			case *ast.FuncDecl:
				if n.Name.Name == "ledgerTable" {
					ast.Inspect(n.Body, func(m ast.Node) bool {
						if l := literal(m); l != "" && ledger == "" {
							ledger = l
						}
						return true
					})
				}
			}
			return true
		})
	}
	var names []string
	for _, name := range named {
		names = append(names, name)
	}
	slices.Sort(names)
	want := slices.Clone(load(t).Tables)
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-listed +named in state)\n%s", diff)
	}
	if ledger != load(t).Ledger {
		t.Errorf("the ledger's tables begin with %q, listed is %q", ledger, load(t).Ledger)
	}
}

// literal is the text of a string literal, or "".
func literal(n ast.Node) string {
	if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

// sources are the files of a package, tests left out.
func sources(t *testing.T, folder string) []*ast.File {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	return files
}

// Nobody reaches a table but through package state, so that its constants are all.
func TestNoTableIsNamedOutsideState(t *testing.T) {
	for _, folder := range []string{"../shared/state", "../shared/engine", "../shared/downsync", "../shared/subscribe", "../shared/portal", "../shared/identity", "../handlers", "../handlers/app"} {
		for _, file := range sources(t, folder) {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) < 2 {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains([]string{"Get", "Query", "Apply"}, method.Sel.Name) {
					return true
				}
				if to, ok := method.X.(*ast.SelectorExpr); ok && to.Sel.Name == "tables" && literal(call.Args[1]) != "" {
					t.Errorf("%s: a call names the table %q by itself", folder, literal(call.Args[1]))
				}
				return true
			})
		}
	}
}
