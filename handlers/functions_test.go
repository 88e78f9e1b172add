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
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// binding is what this project uses of a binding. Decoding refuses any other
// member, since the public schema lets misspelt names pass (contract 3.3).
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

// design.md, Functions: trigger, auth level and methods are fixed.
func TestBindingsAreThoseOfTheDesign(t *testing.T) {
	yes, no := true, false
	queue := func(name string, sessions *bool) []binding {
		return []binding{{Type: "serviceBusTrigger", Direction: "in", Name: "message", QueueName: name, Connection: "SERVICEBUS",
			IsSessionsEnabled: sessions, Cardinality: "one", DataType: "binary"}}
	}
	web := func(auth, route string, methods ...string) []binding {
		return []binding{{Type: "httpTrigger", Direction: "in", Name: "req", AuthLevel: auth, Methods: methods, Route: route},
			{Type: "http", Direction: "out", Name: "res"}}
	}
	const id, segment = `regex(^[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}$)`, `regex(^[A-Za-z0-9_-]*$)`
	want := map[string][]binding{
		"Health":             web("anonymous", "health", "get"),
		"Bookings":           web("function", "bookings", "post"),
		"Links":              web("function", "links", "post"),
		"Portal":             web("anonymous", "portal/{page:"+segment+"?}/{id:"+segment+"?}/{action:"+segment+"?}", "get", "post"),
		"ConsentStart":       web("anonymous", "consent/start", "get", "post"),
		"ConsentCallback":    web("anonymous", "consent/callback", "get"),
		"ConnectStart":       web("anonymous", "connect/start", "get", "post"),
		"ConnectCallback":    web("anonymous", "connect/callback", "get"),
		"GraphNotifications": web("anonymous", "graph/notifications", "post"),
		"Organizations": web("function", "organizations/{organization:"+id+"}/{resource:alpha?}/{id:regex(^[A-Za-z0-9_-]*$)?}/{action:alpha?}",
			"get", "put", "post", "patch", "delete"),
		"Operator":             web("admin", "operator/{resource:regex(^[A-Za-z0-9_-]*$)}/{id:"+id+"?}/{action:alpha?}", "get", "post"),
		"BookingIntake":        queue("bookings", &no),
		"CalendarWrite":        queue("deliveries", &yes),
		"DeadLetterBookings":   queue("bookings/$deadletterqueue", &no),
		"DeadLetterDeliveries": queue("deliveries/$deadletterqueue", &no),
		"DeadLetterTasks":      queue("mailbox-tasks/$deadletterqueue", &no),
		"MailboxTask":          queue("mailbox-tasks", &yes),
		"TokenKeepAlive":       {{Type: "timerTrigger", Direction: "in", Name: "timer", Schedule: "0 0 * * * *", UseMonitor: true}},
		"SubscriptionRenewal":  {{Type: "timerTrigger", Direction: "in", Name: "timer", Schedule: "0 0 * * * *", UseMonitor: true}},
		"DownSyncSchedule":     {{Type: "timerTrigger", Direction: "in", Name: "timer", Schedule: "%DOWNSYNC_SCHEDULE%", UseMonitor: true}},
	}
	if diff := cmp.Diff(want, bindings(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Guard 3: one free parameter suffices for an attack (contract 3.2). Guard 5:
// no method is left to default to all.
func TestEveryRouteParameterIsConstrainedAndEveryMethodNamed(t *testing.T) {
	constrained := regexp.MustCompile(`^\{[a-z]+:(alpha|regex\(\^[^$]+\$\))\??\}$`)
	wide := regexp.MustCompile(`\.[*+]|/\[|\[\^|\{\*`)
	for name, all := range bindings(t) {
		if b := all[0]; b.Type == "httpTrigger" {
			if b.Route == "" || len(b.Methods) == 0 || b.AuthLevel == "" {
				t.Errorf("%s: route, methods and authLevel must all be written out", name)
			}
			for segment := range strings.SplitSeq(b.Route, "/") {
				if strings.ContainsAny(segment, "{}") && !constrained.MatchString(segment) {
					t.Errorf("%s: %q is not constrained", name, segment)
				}
				if wide.MatchString(segment) {
					t.Errorf("%s: %q is free text", name, segment)
				}
			}
		}
	}
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

// write-path.md section 1: every value answers a way to lose or to crawl.
func TestHostJSONHasTheValuesOfTheWritePath(t *testing.T) {
	raw, err := os.ReadFile("../host.json")
	if err != nil {
		t.Fatal(err)
	}
	var host struct {
		Version, FunctionTimeout string
		Retry                    json.RawMessage
		CustomHandler            struct {
			Description                 struct{ DefaultExecutablePath string }
			EnableForwardingHttpRequest bool
		}
		ExtensionBundle struct{ ID, Version string }
		Extensions      struct {
			HTTP       struct{ RoutePrefix string }
			ServiceBus map[string]any
		}
	}
	if err := json.Unmarshal(raw, &host); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"prefetchCount": 0.0, "autoCompleteMessages": true, "maxAutoLockRenewalDuration": "23:59:59",
		"maxConcurrentCalls": 32.0, "maxConcurrentSessions": 64.0, "sessionIdleTimeout": "00:00:01"}
	if diff := cmp.Diff(want, host.Extensions.ServiceBus); diff != "" {
		t.Errorf("serviceBus (-want +got)\n%s", diff)
	}
	if host.Version != "2.0" || host.FunctionTimeout != "00:05:00" || host.Retry != nil || !host.CustomHandler.EnableForwardingHttpRequest ||
		host.CustomHandler.Description.DefaultExecutablePath != "handler" || host.Extensions.HTTP.RoutePrefix != "api" ||
		host.ExtensionBundle.ID != "Microsoft.Azure.Functions.ExtensionBundle" {
		t.Errorf("got %+v", host)
	}
}

// The public function.json schema declares draft-04 but uses const, so that it is
// read as draft-07 (contract 3.3).
func TestBindingsAndHostAreValidAgainstThePublicSchemas(t *testing.T) {
	function, host := schema(t, "function.json"), schema(t, "host.json")
	for name := range bindings(t) {
		path := filepath.Join(functionsFolder, name, "function.json")
		if err := function.Validate(jsonFile(t, path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := host.Validate(jsonFile(t, "../host.json")); err != nil {
		t.Error(err)
	}
	if function.Validate(map[string]any{"bindings": []any{map[string]any{"type": "httpTrigger"}}}) == nil {
		t.Error("the schema accepts anything: it checks nothing")
	}
}

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	doc := jsonFile(t, filepath.Join("testdata/schemas", name)).(map[string]any)
	doc["$schema"] = "http://json-schema.org/draft-07/schema#"
	// Ids of the public store; nothing is fetched.
	delete(doc, "id")
	delete(doc, "$id")
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///"+name, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem:///" + name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func jsonFile(t *testing.T, path string) any {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return doc
}
