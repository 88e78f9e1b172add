// Package e2e drives the program from outside: the binary as it is packaged,
// under local/host, with bus, tables and Microsoft 365 around it. Tests send over
// HTTP or onto the queue, and look only at calendars, at the topic, and at HTTP
// answers.
//
// # Which handler
//
// start runs the binary with the real clock. startMoved runs the same program
// (handlers/app) in this process, so that all parts share a clock that the test
// moves; its death is not tested there.
package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/handlers/app"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/stack"
)

// built is where the package was made.
var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "calbridge-e2e")
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

// world is a running stack with one organisation, and what its topic says.
type world struct {
	*stack.Stack
	t       testing.TB
	changes *stack.Changes
}

const (
	acme      = "acme"
	tenant    = "a0000000-0000-4000-8000-000000000001"
	northwind = "northwind"
	other     = "b0000000-0000-4000-8000-000000000002"
)

// start starts the packaged binary.
func start(t testing.TB, o stack.Options) *world { return begin(t, o) }

// startMoved starts the program in this process, with a clock that can be moved.
func startMoved(t testing.TB, o stack.Options) *world {
	o.Clock = &stack.Clock{}
	o.Launcher = inProcess(o.Clock.Now)
	return begin(t, o)
}

func begin(t testing.TB, o stack.Options) *world {
	t.Helper()
	settings, err := stack.ReadSettings("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	o.App, o.Settings = cmp.Or(o.App, built), settings
	printer := &printer{t: t}
	o.Log = printer.print
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); printer.end() })
	t.Cleanup(func() { listed(t, s.Settings["TABLES"]) })
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &world{Stack: s, t: t}
	if w.changes, err = stack.Follow(ctx, client, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = client.Close(context.WithoutCancel(ctx)) // the broker ends right after
	})
	w.organization(acme, tenant, "acme.example")
	return w
}

// organization makes a tenant with the app's permission, and an organisation bound to it.
func (w *world) organization(id, tenant, domain string) {
	w.t.Helper()
	w.M365.AddTenant(tenant, domain)
	w.M365.Entra.Consent(tenant, w.Settings["ENTRA_CLIENT_ID"], stack.Permission)
	api := w.API()
	settings := `{"profile":"training","permission":"application","sync":true,"timeZone":"Europe/Helsinki"}`
	if err := errors.Join(api.PutOrganization(w.t.Context(), id, []byte(settings)), api.Bind(w.t.Context(), id, tenant)); err != nil {
		w.t.Fatal(err)
	}
}

// people gives people of acme mailboxes.
func (w *world) people(names ...string) {
	for _, name := range names {
		w.M365.Exchange.AddUser(tenant, exchange.User{Principal: name + "@acme.example"})
	}
}

// subjects are what stands in a mailbox of acme, by start.
func (w *world) subjects(name string) []string {
	var out []string
	for _, e := range w.M365.Exchange.Events(tenant, name+"@acme.example") {
		out = append(out, e.Subject)
	}
	return out
}

// accept sends a booking over HTTP, which must be accepted.
func (w *world) accept(b booked) {
	w.t.Helper()
	got, err := w.API().Send(w.t.Context(), b.event())
	if err != nil || got.Status != 202 {
		w.t.Fatalf("booking %s: %v, status %d: %s", b.ID, err, got.Status, got.Body)
	}
}

// settle waits for the result of everybody on a booking.
func (w *world) settle(b booked, result string) {
	w.t.Helper()
	for _, user := range b.People {
		w.result(b, user, result)
	}
}

// result waits until a delivery has a result of the booking's revision, and
// compares it.
func (w *world) result(b booked, user, want string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	target := stack.Target{Organization: b.Organization, Booking: b.ID, User: user}
	var last stack.Change
	err := w.changes.Wait(ctx, func() bool {
		var ok bool
		last, ok = w.changes.Latest(target)
		return ok && last.Revision >= b.Revision
	})
	if err != nil {
		w.t.Fatalf("%s for %s: no result of revision %d in 20 s; last was %+v", b.ID, user, b.Revision, last)
	}
	if last.Result() != want || last.Revision != b.Revision {
		w.t.Fatalf("%s for %s: %q of revision %d, want %q of %d", b.ID, user, last.Result(), last.Revision, want, b.Revision)
	}
}

// nothingLost checks that no message was given up or refused.
func (w *world) nothingLost() {
	w.t.Helper()
	for _, path := range []string{servicebus.DeadLetter("bookings"), servicebus.DeadLetter("deliveries"), "bookings-rejected"} {
		if n := len(w.Bus.Peek(path)); n > 0 {
			w.t.Errorf("%d messages in %s, want none", n, path)
		}
	}
}

// booked is a booking for tests: an hour of a day in the near future.
type booked struct {
	Organization, ID, Title, Status string
	Revision                        int64
	People                          []string
	Day                             int // from today
}

func (b booked) event() []byte {
	if b.Organization == "" {
		b.Organization = acme
	}
	if b.Status == "" {
		b.Status = "confirmed"
	}
	if b.Title == "" {
		b.Title = "Title of " + b.ID
	}
	day := time.Now().AddDate(0, 0, 1+b.Day).Format(time.DateOnly)
	var people []string
	for _, p := range b.People {
		people = append(people, fmt.Sprintf(`{"user":%q,"email":"%s@%s.example"}`, p, p, b.Organization))
	}
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"https://booking.example","type":"calbridge.booking.v1",
 "data":{"organization":%q,"id":%q,"revision":%d,"status":%q,"title":%q,"people":[%s],
 "start":{"dateTime":"%sT10:00:00"},"end":{"dateTime":"%sT11:00:00"}}}`,
		b.Organization, b.ID, b.Revision, b.Status, b.Title, strings.Join(people, ","), day, day)
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

// printer prints the log of a test that failed.
type printer struct {
	t    testing.TB
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printer) print(l host.Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text.Len() < 64<<10 {
		fmt.Fprintf(&p.text, "%s %s %s: %s\n", l.Time.Format("15:04:05.000"), l.Level, l.Category, l.Text)
	}
}

func (p *printer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.t.Failed() {
		p.t.Logf("the host's log:\n%s", &p.text)
	}
}

// repository is the top of the checkout.
func repository(t testing.TB, path string) string {
	t.Helper()
	full, err := filepath.Abs(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return full
}
