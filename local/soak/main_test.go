// Package soak sends very many bookings through the whole local stack while
// requests fail and processes die, lets everything settle, and counts what was
// lost and doubled: make soak.
//
// # What runs
//
// Broker over AMQP, tables and Microsoft 365 over HTTP, the host stand-in with the
// packaged function folders, and the program (handlers/app) in this process,
// so that all parts share one clock. A kill is the end of the program's context;
// kill -9 of the binary is tested in local/e2e.
//
// # What goes wrong
//
// 5 % of the requests to Graph and 5 % of the items of its batches, 0.3 % of the
// requests to the tables, and at seeded moments a kill of the handler, of the host,
// or of all connections to the bus (faults_test.go). Bookings come twice, and in the
// wrong order (feed_test.go).
//
// # Time
//
// The clock runs 20 times as fast as the real one. That is the most that leaves
// the write path's arithmetic whole: an intent older than 60 s makes no call, and a
// call takes at most 20 s of real time, which are 400 s by this clock, so that
// what an overtaken attempt did has landed before the look after ten minutes. When
// all is sent and nobody is at work, the clock jumps to what is due next: a scheduled
// message, or the end of a lock that a killed host held (clock_test.go).
//
// # Settings
//
// SEED (else a new one, printed), BOOKINGS (2,000; 200 with -short), DURATION, how
// long bookings are sent (40s). The seed decides bookings, faults and moments of
// kills; which request meets which fault depends on the scheduler too.
package soak

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/handlers/app"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

const (
	organization = "acme"
	tenant       = "a0000000-0000-4000-8000-000000000001"
	mailboxes    = 200
)

// soak is one run.
type soak struct {
	*stack.Stack
	t       testing.TB
	seed    uint64
	changes *stack.Changes
	began   time.Time
}

func TestBookingsUnderFaultsAndKillsAreNeitherLostNorDoubledNorMailed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as cmd/handler has it
	count := number(t, "BOOKINGS", 2000)
	if testing.Short() {
		count = 200
	}
	feeding, err := time.ParseDuration(setting("DURATION", "40s"))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(number(t, "SEED", int(rand.Uint32())))
	fmt.Printf("soak: SEED=%d BOOKINGS=%d DURATION=%s\n", seed, count, feeding)
	s := start(t, seed)
	s.break5()
	ctx, cancel := context.WithTimeout(t.Context(), feeding+5*time.Minute)
	defer cancel()
	go s.run(ctx)
	f := newFeeder(s, count)
	f.feed(ctx, feeding)
	fed := time.Since(s.began)
	s.settle(ctx)
	found := s.check(f)
	fmt.Printf("soak: %d bookings, %d messages, %d deliveries; sent in %.0f s, settled after %.0f s, %s by the clock; %d kills, %d processes restarted, %d hosts; %s\n",
		len(f.bookings), f.sent, found.deliveries, fed.Seconds(), time.Since(s.began).Seconds(), s.Clock.Now().Sub(s.began).Round(time.Minute), f.kills, s.Host.Restarts(), s.Host.Hosts(), s.hits())
	fmt.Printf("soak: lost %d, double %d, left %d, mails %d, dead %d\n", found.lost, found.double, found.left, found.mails, found.dead)
	if len(f.bookings) < count {
		t.Errorf("only %d of %d bookings were sent in the time there is", len(f.bookings), count)
	}
}

// start starts a stack with one organisation and its mailboxes.
func start(t testing.TB, seed uint64) *soak {
	t.Helper()
	built, err := stack.Build(t.Context(), "../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	settings, err := stack.ReadSettings("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	clock, log := &stack.Clock{}, &tail{}
	s, err := stack.Start(t.Context(), stack.Options{App: built, Settings: settings, Clock: clock, Launcher: inProcess(clock.Now),
		M365: m365.Options{Seed: seed}, Log: log.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("the end of the host's log:\n%s", strings.Join(log.lines, "\n"))
		}
	})
	out := &soak{Stack: s, t: t, seed: seed, began: time.Now()}
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	if out.changes, err = stack.Follow(ctx, client, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = client.Close(context.WithoutCancel(ctx)) })
	out.organize()
	return out
}

func (s *soak) organize() {
	s.M365.AddTenant(tenant, "acme.example")
	s.M365.Entra.Consent(tenant, s.Settings["ENTRA_CLIENT_ID"], stack.Permission)
	for i := range mailboxes {
		s.M365.Exchange.AddUser(tenant, exchange.User{Principal: address(i)})
	}
	body := `{"profile":"training","permission":"application","sync":true,"timeZone":"Europe/Helsinki"}`
	if err := s.API().PutOrganization(s.t.Context(), organization, []byte(body)); err != nil {
		s.t.Fatal(err)
	}
	if err := s.API().Bind(s.t.Context(), organization, tenant); err != nil {
		s.t.Fatal(err)
	}
}

func address(person int) string { return fmt.Sprintf("p%d@acme.example", person) }

// inProcess launches the program in this process, with the settings that the host gives.
func inProcess(now func() time.Time) host.InProcess {
	return func(ctx context.Context, c host.Command) int {
		settings := map[string]string{}
		for _, pair := range c.Env {
			name, value, _ := strings.Cut(pair, "=")
			settings[name] = value
		}
		lookup := func(name string) (string, bool) { value, ok := settings[name]; return value, ok }
		r, w := io.Pipe()
		go func() {
			for scanner := bufio.NewScanner(r); scanner.Scan(); {
				c.Output(false, scanner.Text())
			}
			_, _ = io.Copy(io.Discard, r) // a line too long to scan must not block the program
		}()
		defer w.Close()
		if err := app.Run(ctx, lookup, w, &app.Options{Now: now}); err != nil {
			c.Output(true, err.Error())
		}
		return 1
	}
}

// tail keeps the last lines of the host's log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) add(line host.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%s %s %s: %s", line.Time.Format("15:04:05.000"), line.Level, line.Category, line.Text))
	if len(l.lines) > 400 {
		l.lines = l.lines[200:]
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(setting(name, strconv.Itoa(otherwise)), ",", ""))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
