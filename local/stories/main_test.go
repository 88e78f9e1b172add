// Package stories plays the stories of consent and connect to their end: people with
// browsers of their own, in front of the whole stack (local/stack), with everything that
// came out of it kept and searched.
//
// # Who is where
//
// A [world] is one stack whose clock a test moves. Two proxies stand around it: one where
// the public URL is, in front of the host, and one in front of Entra and Graph, which
// browsers and the handler both go through. They keep every request and answer, see
// tape.go. A [somebody] is a person with a browser. An [agent] is one without a window:
// attackers have it.
//
// # The stories
//
// travel_test.go is the travel product: an org admin, an Entra admin days later, a
// traveller who connects, whose token dies, who connects again and disconnects.
// training_test.go is an admin of learners, none of whom signs in. planning_test.go is a
// resource planner with accounts of two tenants, and one whose administrator has to approve.
// back_test.go is a planner who changes things in Outlook, which come back.
// policy_test.go is a Conditional Access policy that comes and goes, and a room manager.
// live_test.go is a page that asks again by itself while nobody answers.
// keyboard_test.go is a planner without a mouse, an organisation without scripts, and the
// back button.
//
// # What every page is tested for
//
// The first time that a page of some make is seen, axe-core looks at it on a desktop, and
// dark on a telephone of 320 pixels, where nothing may be scrolled sideways; it may load
// nothing that is not ours, and what the browser complains of fails the test. Each page,
// whoever sees it, weighs less than 60 kB with all it needs (weight_test.go).
//
// # What is searched at the end
//
// Each test ends with nothingLeaked: the tokens, codes, cookies, verifiers, states,
// nonces, links and secrets that really went over the wire are looked for in everything that came out
// (output_test.go), where it is not their place, and addresses too. planted_test.go plants
// leaks and finds them.
//
// # Attacks
//
// docs/attacks.md lists every attack that issue 5 names with its tests, here and below;
// docs_test.go keeps it true.
//
// # Pictures
//
// With PICTURES the pages that docs/ shows are kept in that directory (make pictures).
package stories

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/handlers/app"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

// built is where the package was made.
var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "calbridge-stories")
	if err == nil {
		built, err = stack.Build(context.Background(), "../..", dir)
	}
	if err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		log.Print(err)
	}
	os.Exit(code)
}

// Two tenants.
const (
	acme   = "a0000000-0000-4000-8000-000000000001" // acme.example
	globex = "b0000000-0000-4000-8000-000000000002" // globex.example
)

// world is a running stack, what its topic says, and a product that pages lead back to.
type world struct {
	*stack.Stack
	t       testing.TB
	changes *stack.Changes
	front   *tape // between browsers and the host
	entra   *tape // in front of Entra and Graph
	log     *lines
	said    *events
	read    []string // mailboxes that somebody has chosen to have read; no other may be listed
}

// start starts a stack with two tenants, in which nobody has consented.
func start(t testing.TB) *world {
	t.Helper()
	settings, err := stack.ReadSettings("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: &lines{}, said: &events{}}
	w.front, w.entra = record(t), record(t)
	o := stack.Options{App: built, Settings: settings, Clock: &stack.Clock{}, Log: w.log.take,
		Override: stack.Settings{"PUBLIC_URL": w.front.URL, "ALLOWED_RETURN_ORIGINS": w.front.URL,
			"ENTRA_AUTHORITY": w.entra.URL, "GRAPH_ENDPOINT": w.entra.URL}}
	o.Launcher = inProcess(o.Clock.Now)
	if w.Stack, err = stack.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); w.log.end(t) })
	w.front.to(w.Stack.URL)
	w.entra.to(w.M365.URL())
	w.M365.AddTenant(acme, "acme.example")
	w.M365.AddTenant(globex, "globex.example")
	client, err := w.Client()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	if w.changes, err = stack.Follow(ctx, client, w.said.take); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = client.Close(context.WithoutCancel(ctx)) // the broker ends right after
	})
	return w
}

// Advance moves the clock of everything, once nobody is at work: what is under way would
// find its locks expired.
func (w *world) Advance(d time.Duration) {
	w.t.Helper()
	ctx, cancel := w.patiently()
	defer cancel()
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for idle := 0; idle < 8; idle++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			w.t.Fatal("there is always somebody at work")
		}
		if ready, _ := w.Bus.Due(); ready > 0 || w.Host.Calls() > 0 {
			idle = -1
		}
	}
	w.Stack.Advance(d)
}

// mailbox gives somebody of a tenant a mailbox.
func (w *world) mailbox(tenant, principal, name string) {
	w.M365.Exchange.AddUser(tenant, exchange.User{Principal: principal, Name: name, TimeZone: "Europe/Helsinki"})
}

// call makes a request to the API with the function key, and returns its answer.
func (w *world) call(method, path string, body any) stack.Answer {
	w.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	api := w.API()
	api.URL = w.front.URL
	got, err := api.Do(w.t.Context(), method, path, host.FunctionKey, "application/json", text)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// get reads JSON from the API into a value.
func (w *world) get(path string, into any) {
	w.t.Helper()
	got := w.call(http.MethodGet, path, nil)
	if got.Status != http.StatusOK {
		w.t.Fatalf("GET %s: status %d: %s", path, got.Status, got.Body)
	}
	if err := json.Unmarshal(got.Body, into); err != nil {
		w.t.Fatalf("GET %s: %v", path, err)
	}
}

// fields are a JSON object.
type fields map[string]any

// organization makes or changes an organisation.
func (w *world) organization(id string, settings fields) {
	w.t.Helper()
	if got := w.call(http.MethodPut, "organizations/"+id, settings); got.Status >= 300 {
		w.t.Fatalf("PUT %s: status %d: %s", id, got.Status, got.Body)
	}
}

// link asks for a link, as the booking app does.
func (w *world) link(request fields) (url string) {
	w.t.Helper()
	got := w.call(http.MethodPost, "links", request)
	if got.Status != http.StatusOK {
		w.t.Fatalf("POST links: status %d: %s", got.Status, got.Body)
	}
	var answer struct{ URL string }
	if err := json.Unmarshal(got.Body, &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer.URL
}

// patiently is the context of something that must happen soon, on a busy machine too.
func (w *world) patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.t.Context(), time.Minute)
}

// inProcess launches the program in this process. Its settings are those that the
// host gives; its clock is now.
func inProcess(now func() time.Time) host.InProcess {
	return func(ctx context.Context, c host.Command) int {
		lookup := func(name string) (string, bool) {
			for i := len(c.Env) - 1; i >= 0; i-- {
				if key, value, _ := strings.Cut(c.Env[i], "="); key == name {
					return value, true
				}
			}
			return "", false
		}
		r, w := io.Pipe()
		go func() {
			for scanner := bufio.NewScanner(r); scanner.Scan(); {
				c.Output(false, scanner.Text())
			}
		}()
		defer w.Close()
		if err := app.Run(ctx, lookup, w, &app.Options{Now: now}); err != nil {
			c.Output(true, err.Error())
			return 1
		}
		return 200
	}
}

// lines keeps what host and handler logged.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) take(line host.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf("%s %s %s: %s", line.Time.Format("15:04:05.000"), line.Level, line.Category, line.Text))
}

// text is everything that was logged so far.
func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// end prints the log of a test that failed.
func (l *lines) end(t testing.TB) {
	if text := l.text(); t.Failed() {
		t.Logf("the host's log:\n%s", text[max(0, len(text)-64<<10):])
	}
}

// events keeps what the topic said, as it came.
type events struct {
	mu  sync.Mutex
	all []stack.Change
}

func (e *events) take(c stack.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, c)
}

// list is everything that was said so far.
func (e *events) list() []stack.Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]stack.Change(nil), e.all...)
}
