package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/host"
)

// The guards of functions/contract.md 2.1 that are in function.json. The program has
// no part in them: a test switches them off by writing the files anew.
const (
	// constrained, guard 3: every route parameter has a constraint.
	constrained guard = plainForwarding << (1 + iota)
	// namedMethods, guard 5: methods without post where POST is not needed.
	namedMethods

	allGuards = loopbackHost | noFrontEnd | constrained | plainForwarding | namedMethods
)

// attack is what a stranger sends.
type attack struct {
	name string
	// stops are the guards each of which, alone, stops it; none where net/http does.
	stops guard
	// direct goes to the handler's own port, past the host: what runs on the same
	// machine can (2.1, "no authentication").
	direct bool
	// request is the request line and headers; $PORT is the handler's.
	request []string
	body    string
	// arrives is what the program did then.
	arrives string
}

const (
	public       = "Host: calendar.example.com"
	validBooking = `{"specversion":"1.0","id":"1","source":"https://x","type":"calbridge.booking.v1","data":{}}`
	statusOfB1   = `status acme b1 "" 100`
)

// attacks are the rows of the table in contract 2.1, bent onto an envelope and onto
// functions with a key, and the ways past the host.
var attacks = []attack{
	// Row 1: what the router takes for one segment, the rebuilding takes for several.
	{"backslashes", loopbackHost | constrained, false, []string{`POST /api/portal/..%5C..%5CCalendarWrite`, public}, wakeUp, "write m1"},
	{"raw backslashes", loopbackHost | constrained, false, []string{`POST /api/portal/..\..\CalendarWrite`, public}, wakeUp, "write m1"},
	{"backslashes behind Azure's front end", loopbackHost | noFrontEnd | constrained, false,
		[]string{`POST /api/portal/..%5C..%5CCalendarWrite`, public, "X-Forwarded-For: 192.0.2.1:5", "X-Forwarded-Proto: https", "DISGUISED-HOST: calendar.example.com"}, wakeUp, "write m1"},
	{"backslashes with our own Host", noFrontEnd | constrained, false,
		[]string{`POST /api/portal/..%5C..%5CCalendarWrite`, public, "DISGUISED-HOST: 127.0.0.1:$PORT"}, wakeUp, "write m1"},
	{"backslashes through a page that is only read", loopbackHost | constrained | namedMethods, false,
		[]string{`POST /api/read/..%5C..%5CCalendarWrite`, public}, wakeUp, "write m1"},
	{"backslashes with our own Host through a page that is only read", noFrontEnd | constrained | namedMethods, false,
		[]string{`POST /api/read/..%5C..%5CCalendarWrite`, public, "DISGUISED-HOST: 127.0.0.1:$PORT"}, wakeUp, "write m1"},
	// Locally nothing is in front: Host is what the caller writes, and nothing was forged.
	{"backslashes with nothing in front", constrained, false, []string{`POST /api/portal/..%5C..%5CCalendarWrite`, "Host: 127.0.0.1:$PORT"}, wakeUp, "write m1"},
	{"backslashes with nothing in front through a page that is only read", constrained | namedMethods, false,
		[]string{`POST /api/read/..%5C..%5CCalendarWrite`, "Host: 127.0.0.1:$PORT"}, wakeUp, "write m1"},
	// Rows 2 and 3: decoded once more.
	{"dots encoded twice", loopbackHost | constrained, false, []string{`POST /api/portal/%252e%252e%5C%252e%252e%5CCalendarWrite`, public}, wakeUp, "write m1"},
	{"dots encoded twice in segments", loopbackHost | constrained, false, []string{`POST /api/portal/%252e%252e/%252e%252e/CalendarWrite`, public}, wakeUp, "write m1"},
	{"dots encoded twice in a catch-all", loopbackHost | constrained, false,
		[]string{`POST /api/portal/a/b/c/%252e%252e/%252e%252e/%252e%252e/%252e%252e/%252e%252e/CalendarWrite`, public}, wakeUp, "write m1"},
	// Row 4: the scheme is believed.
	{"scheme", loopbackHost | noFrontEnd | plainForwarding, false, []string{"POST /api/graph/notifications", public, "X-Forwarded-Proto: http://x/CalendarWrite?"}, wakeUp, "write m1"},
	{"scheme at a page that is only read", loopbackHost | noFrontEnd | plainForwarding | namedMethods, false,
		[]string{"POST /api/health", public, "X-Forwarded-Proto: http://x/CalendarWrite?"}, wakeUp, "write m1"},
	// Rows 4 and 5 together: path and Host of an envelope.
	{"scheme and our own Host", noFrontEnd | plainForwarding, false,
		[]string{"POST /api/graph/notifications", public, "X-Forwarded-Proto: http://x/CalendarWrite?", "DISGUISED-HOST: 127.0.0.1:$PORT"}, wakeUp, "write m1"},
	{"scheme and our own Host at a page that is only read", noFrontEnd | plainForwarding | namedMethods, false,
		[]string{"POST /api/health", public, "X-Forwarded-Proto: http://x/CalendarWrite?", "DISGUISED-HOST: 127.0.0.1:$PORT"}, wakeUp, "write m1"},
	// The same bending reaches web functions without their key, envelopes or not.
	{"function key, by backslashes", constrained, false, []string{`GET /api/portal/..%5Corganizations%5Cacme%5Cbookings?id=b1`, public}, "", statusOfB1},
	{"master key, by backslashes", constrained, false, []string{`GET /api/portal/..%5Coperator%5Crejected`, public}, "", `rejected "" 100`},
	{"function key, by backslashes and POST", constrained, false, []string{`POST /api/portal/..%5Cbookings`, public, "Content-Type: application/json"}, validBooking, "submit"},
	{"function key, by the scheme", plainForwarding, false,
		[]string{"GET /api/health?id=b1", public, "X-Forwarded-Proto: http://x/api/organizations/acme/bookings?"}, "", statusOfB1},
	// Row 5 with a path in it: the host bends, but Go's server takes no such Host header.
	{"function key, by the disguise", 0, false,
		[]string{"GET /api/health?id=b1", public, "DISGUISED-HOST: x/api/organizations/acme/bookings?"}, "", statusOfB1},
	{"master key, by the scheme", plainForwarding, false, []string{"GET /api/health", public, "X-Forwarded-Proto: http://x/api/operator/rejected?"}, "", `rejected "" 100`},
	{"function key, by the scheme and POST at a page that is only read", plainForwarding | namedMethods, false,
		[]string{"POST /api/health", public, "X-Forwarded-Proto: http://x/api/bookings?", "Content-Type: application/json"}, validBooking, "submit"},
	// A stranger's body at a function that takes none: nothing is bent.
	{"body at a page that is only read", namedMethods, false, []string{"POST /api/health", public}, "x", "POST /api/health"},
	// Past the host. A name of the attacker's that leads to 127.0.0.1 (DNS rebinding).
	{"a name that leads here", loopbackHost, true, []string{"POST /CalendarWrite", "Host: evil.example:$PORT"}, wakeUp, "write m1"},
	// A page in a browser on this machine, and whatever forwards to our port and writes Host anew.
	{"page in a browser", noFrontEnd, true, []string{"POST /CalendarWrite", "Host: 127.0.0.1:$PORT", "Origin: http://evil.example", "Content-Type: text/plain"}, wakeUp, "write m1"},
	{"proxy to our port", noFrontEnd, true, []string{"POST /CalendarWrite", "Host: 127.0.0.1:$PORT", "X-Forwarded-For: 192.0.2.1"}, wakeUp, "write m1"},
}

// Every attack is sent with every choice of the five guards on, 32 in all, from
// outside through the host's own routing and rebuilding. It arrives exactly where
// none of those that stop it is on: so with all guards nothing arrives, each guard
// alone stops what the table says and nothing else, and where one guard alone stands
// in the way of an attack, switching it off lets it in.
func TestEachGuardStopsItsAttacksAndNoOthers(t *testing.T) {
	for on := range allGuards + 1 {
		t.Run(fmt.Sprintf("guards %s", on), func(t *testing.T) {
			t.Parallel()
			w := underHost(t, allGuards&^on)
			for _, a := range attacks {
				got := w.send(a)
				arrived := slices.ContainsFunc(got, func(call string) bool { return strings.HasPrefix(call, a.arrives) })
				if due := a.stops != 0 && on&a.stops == 0; arrived != due {
					t.Errorf("%s: arrived %v, want %v; it did %q", a.name, arrived, due, got)
				}
			}
		})
	}
}

// No guard is there for nothing: each is the only one to stop something.
func TestEachGuardIsTheOnlyOneToStopSomething(t *testing.T) {
	for _, g := range each(allGuards) {
		if !slices.ContainsFunc(attacks, func(a attack) bool { return a.stops == g }) {
			t.Errorf("guard %s alone stops nothing", g)
		}
	}
}

// docs/attacks.md lists every attack with what stops it.
func TestTheListOfGuardsIsTheTests(t *testing.T) {
	text, err := os.ReadFile("../docs/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\n## The five guards\n")
	var got, want []string
	for line := range strings.SplitSeq(list, "\n") {
		if item, ok := strings.CutPrefix(line, "- "); ok {
			got = append(got, item)
		}
	}
	for _, a := range attacks {
		stops := a.stops.String()
		if a.stops == 0 {
			stops = "Go's server"
		}
		want = append(want, a.name+": "+stops)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-sent +listed)\n%s", diff)
	}
}

// What switches guards off is a field that only this package sees, set from nothing
// but the field of that name; and no setting reaches the package but through New.
func TestNoProgramCanSwitchAGuardOff(t *testing.T) {
	for _, options := range []reflect.Type{reflect.TypeFor[Options](), reflect.TypeFor[Deps]()} {
		for f := range options.Fields() {
			if f.IsExported() && (f.Type == reflect.TypeFor[guard]() || f.Type == reflect.TypeFor[guards]()) {
				t.Errorf("%s.%s can be set from outside", options, f.Name)
			}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if slices.Contains([]string{`"os"`, `"flag"`, `"syscall"`, `"expvar"`, `"github.com/calbridge/calbridge/shared/settings"`}, i.Path.Value) {
				t.Errorf("%s imports %s: a setting could reach the guards", name, i.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "without" {
					set++
				}
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "without" {
						t.Errorf("%s assigns it", name)
					}
				}
			}
			return true
		})
	}
	if set != 1 {
		t.Errorf("set in %d places, want New alone", set)
	}
}

// String is the numbers of the contract.
func (g guard) String() string {
	names := map[guard]string{loopbackHost: "1", noFrontEnd: "2", constrained: "3", plainForwarding: "4", namedMethods: "5"}
	var all []string
	for _, one := range each(g) {
		all = append(all, names[one])
	}
	slices.Sort(all)
	return strings.Join(all, "+")
}

// each splits a set.
func each(set guard) []guard {
	var all []guard
	for g := guard(1); g <= allGuards; g <<= 1 {
		if set&g != 0 {
			all = append(all, g)
		}
	}
	return all
}

// besieged is a world under the local host, whose front door strangers knock at.
type besieged struct {
	*world
	door, port string

	mu       sync.Mutex
	requests []string // that reached the handler: method and path
}

// underHost starts the server under the local host, without some of the guards.
func underHost(t *testing.T, without guard) *besieged {
	t.Helper()
	w := &besieged{world: unserved(t)}
	ports := make(chan string, 1)
	h, err := host.New(scriptRoot(t, without), host.Options{Addr: "127.0.0.1:0", Env: []string{},
		Launcher: host.InProcess(func(ctx context.Context, c host.Command) int { return w.serve(ctx, c, without, ports) })})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-h.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the handler did not answer")
	}
	w.door, w.port = strings.TrimPrefix(h.URL(), "http://"), <-ports
	return w
}

// serve is the handler that the host starts.
func (w *besieged) serve(ctx context.Context, c host.Command, without guard, ports chan<- string) int {
	var port string
	for _, pair := range c.Env {
		if name, value, _ := strings.Cut(pair, "="); name == "FUNCTIONS_CUSTOMHANDLER_PORT" {
			port = value
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return 1
	}
	ports <- port
	inner := w.server("127.0.0.1:"+port, without, nil)
	s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		w.mu.Unlock()
		inner.ServeHTTP(rw, r)
	})}
	go func() { _ = s.Serve(l) }() // ends with Close
	<-ctx.Done()
	_ = s.Close()
	return 0
}

// send makes one attack, and tells what the program did.
func (w *besieged) send(a attack) []string {
	w.t.Helper()
	before := len(w.called())
	w.mu.Lock()
	w.requests = nil
	w.mu.Unlock()
	to := w.door
	if a.direct {
		to = "127.0.0.1:" + w.port
	}
	head := strings.ReplaceAll(strings.Join(a.request, "\r\n"), "$PORT", w.port)
	line, headers, _ := strings.Cut(head, "\r\n")
	w.rawTo(to, fmt.Sprintf("%s HTTP/1.1\r\n%s\r\nContent-Length: %d\r\n\r\n%s", line, headers, len(a.body), a.body))
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(w.called()[before:], w.requests...)
}

// scriptRoot lays out this project's functions as they are deployed, less the guards
// that are in the files, and with a function that is only read and has a parameter, as
// Feed will be.
func scriptRoot(t *testing.T, without guard) string {
	t.Helper()
	root := t.TempDir()
	hostJSON, err := os.ReadFile("../host.json")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(root, "host.json"), hostJSON)
	all := bindings(t)
	read := all["Health"][0]
	read.Route, read.Methods = "read/{token:regex(^[A-Za-z0-9_-]{{20,100}}$)}", []string{"get"}
	all["Read"] = []binding{read, all["Health"][1]}
	for name, function := range all {
		if function[0].Type != "httpTrigger" {
			continue // the handler serves it all the same, and nothing needs a bus
		}
		function[0] = weakened(function[0], without)
		text, err := json.Marshal(map[string]any{"bindings": function})
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(root, name, "function.json"), text)
	}
	return root
}

// weakened is an HTTP trigger less guards 3 and 5: parameters that take anything, the
// last of several any number of segments; all methods.
func weakened(b binding, without guard) binding {
	if without&namedMethods != 0 {
		b.Methods = nil
	}
	if without&constrained == 0 {
		return b
	}
	segments := strings.Split(b.Route, "/")
	for i, s := range segments {
		name, _, ok := strings.Cut(s, ":")
		switch last := i == len(segments)-1; {
		case !ok:
		case last && i > 1:
			segments[i] = "{*" + name[1:] + "}"
		case strings.HasSuffix(s, "?}"):
			segments[i] = name + "?}"
		default:
			segments[i] = name + "}"
		}
	}
	b.Route = strings.Join(segments, "/")
	return b
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
