// Package bench measures what issue and design promise, and prints it: make bench.
// docs/performance.md has the figures, with what bounds each.
//
// Everything but the handler runs in the benchmark's process: host, broker,
// tables, simulator, and the consumer that counts. The handler is the packaged
// binary; its CPU time is read from /proc, so the benchmarks need Linux.
package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/bench/tape"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/queue"
)

const tenant = "a0000000-0000-4000-8000-000000000001"

// rig is what outlives a host: bus, tables and calendars, with counters in front.
type rig struct {
	b        testing.TB
	settings stack.Settings
	app      string
	bus      *servicebus.Broker
	busAt    *servicebus.Server
	tables   *tables.Server
	m365     *m365.Server
	front    map[string]string // setting by name, for the host
	launcher host.Launcher     // nil starts the packaged binary
	recorder recorder
}

func newRig(b testing.TB) *rig { return newRigOver(b, nil) }

// newRigOver is a rig whose Microsoft 365 has these options.
func newRigOver(b testing.TB, o *m365.Options) *rig {
	b.Helper()
	settings, err := stack.ReadSettings("../../local.settings.sample.json")
	if err != nil {
		b.Fatal(err)
	}
	resources, err := infra.Load()
	if err != nil {
		b.Fatal(err)
	}
	r := &rig{b: b, settings: settings, app: app(b), m365: m365.New(o),
		bus: servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources)})}
	if r.busAt, err = r.bus.Listen("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	if r.tables, err = tables.Start(tables.NewStore(nil), "127.0.0.1:0", nil); err != nil {
		b.Fatal(err)
	}
	r.m365.Entra.Register(entra.App{ID: settings["ENTRA_CLIENT_ID"], Secrets: []string{settings["ENTRA_CLIENT_SECRET"]}})
	r.m365.AddTenant(tenant, "acme.example")
	r.m365.Entra.Consent(tenant, settings["ENTRA_CLIENT_ID"], stack.Permission)
	graph := httptest.NewServer(r.recorder.wrap("graph", r.m365))
	table := httptest.NewServer(r.recorder.wrap("tables", r.tables))
	b.Cleanup(func() { graph.Close(); table.Close(); _ = r.tables.Close(); _ = r.busAt.Close() })
	r.front = map[string]string{"GRAPH_ENDPOINT": graph.URL, "ENTRA_AUTHORITY": graph.URL,
		"SERVICEBUS": r.busAt.ConnectionString(), "TABLES": strings.Replace(r.tables.ConnectionString(),
			strings.TrimSuffix(r.tables.URL(), "/devstoreaccount1"), table.URL, 1)}
	return r
}

// built is the folder of the packaged app, made once.
var built = sync.OnceValues(func() (string, error) {
	return stack.Build(context.Background(), "../..", filepath.Join("..", "..", "build", "bench"))
})

func app(b testing.TB) string {
	b.Helper()
	dir, err := built()
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// host starts a host over the rig, with some functions switched off.
func (r *rig) host(disabled ...string) *stack.Stack {
	r.b.Helper()
	override := stack.Settings{}
	for _, name := range disabled {
		override["AzureWebJobs."+name+".Disabled"] = "true"
	}
	s, err := stack.Start(r.b.Context(), stack.Options{App: r.app, Settings: r.settings, Override: override, Launcher: r.launcher,
		Environment: func(name string) (string, bool) { value, ok := r.front[name]; return value, ok }})
	if err != nil {
		r.b.Fatal(err)
	}
	return s
}

// owe makes lanes people owed each bookings each, and nothing written yet. It
// returns how long intake took.
func (r *rig) owe(lanes, each int) time.Duration {
	r.b.Helper()
	s := r.host("CalendarWrite")
	defer s.Close()
	settings := `{"profile":"training","permission":"application","sync":true}`
	if err := s.API().PutOrganization(r.b.Context(), "acme", []byte(settings)); err != nil {
		r.b.Fatal(err)
	}
	if err := s.API().Bind(r.b.Context(), "acme", tenant); err != nil {
		r.b.Fatal(err)
	}
	began := time.Now()
	var messages []queue.Message
	for first := 0; first < lanes; first += people {
		var list []string
		for i := first; i < min(first+people, lanes); i++ {
			address := fmt.Sprintf("p%d@acme.example", i)
			r.m365.Exchange.AddUser(tenant, exchange.User{Principal: address})
			list = append(list, fmt.Sprintf(`{"user":"p%d","email":%q,"name":"Person %d"}`, i, address, i))
		}
		for i := range each {
			id := fmt.Sprintf("session %d-%d", first, i)
			messages = append(messages, queue.Message{ID: id, Body: session(id, i, list)})
		}
	}
	if err := r.bus.Sender().Send(r.b.Context(), queue.Bookings, messages...); err != nil {
		r.b.Fatal(err)
	}
	r.until("intake", func() bool { return len(r.bus.Peek("bookings")) == 0 })
	return time.Since(began)
}

// people are on each booking.
const people = 3

// session is a booking on the day of that number from now.
func session(id string, n int, people []string) []byte {
	day := time.Now().AddDate(0, 0, 1+n).Format(time.DateOnly)
	return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"https://bench.example","type":"calbridge.booking.v1","data":{"organization":"acme",
"id":%q,"revision":1,"status":"confirmed","title":"Working at heights, day %d","description":{"text":"Bring your helmet and your certificate.\n09:00 theory\n13:00 practice"},
"url":"https://academy.example/sessions/%d","location":{"name":"Room 204","address":"Havnegade 12, Copenhagen"},
"start":{"dateTime":"%sT09:00:00","timeZone":"Europe/Copenhagen"},"end":{"dateTime":"%sT16:30:00","timeZone":"Europe/Copenhagen"},"people":[%s]}}`,
		id, id, n, n, day, day, strings.Join(people, ","))
}

// oneWakeUp takes all wake-ups but one of each lane off the queue.
func (r *rig) oneWakeUp() {
	r.b.Helper()
	for {
		session, ok := r.bus.Accept(queue.Deliveries)
		if !ok {
			return
		}
		for n := 0; ; n++ {
			delivery, more := session.Receive()
			if !more {
				break
			}
			if n > 0 {
				if err := delivery.Complete(); err != nil {
					r.b.Fatal(err)
				}
			} else {
				defer session.Close() // frees it after all others were taken
			}
		}
	}
}

// until waits for what nobody announces.
func (r *rig) until(what string, done func() bool) {
	r.b.Helper()
	ctx, cancel := context.WithTimeout(r.b.Context(), 3*time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); !done(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.b.Fatalf("%s: not done in 3 minutes", what)
		}
	}
}

// served is what writing cost.
type served struct {
	deliveries int
	took       time.Duration // until the last result was read from the topic
	cpu        time.Duration // of the handler, from when it was ready
	rest       time.Duration // CPU of this process: host, broker, tables, simulator, consumer
	memory     int           // of the handler at the end, bytes
	requests   map[string]int
}

// write starts a host that writes, and waits for n results and for the lanes to
// come to rest.
func (r *rig) write(n int) served {
	r.b.Helper()
	s := r.host()
	defer s.Close()
	client, err := s.Client()
	if err != nil {
		r.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.b.Context())
	defer func() { cancel(); _ = client.Close(context.WithoutCancel(ctx)) }()
	pid := child(r.b)
	began, before, rest := time.Now(), cpuOf(r.b, pid), own(r.b)
	changes, err := stack.Follow(ctx, client, nil)
	if err != nil {
		r.b.Fatal(err)
	}
	if err := changes.Wait(ctx, func() bool { return changes.Total() >= n }); err != nil {
		r.b.Fatal(err)
	}
	out := served{deliveries: n, took: time.Since(began), rest: own(r.b) - rest}
	r.until("rest", func() bool { return len(r.bus.Peek("deliveries")) == 0 })
	out.cpu, out.requests, out.memory = cpuOf(r.b, pid)-before, r.recorder.take(), resident(r.b, pid)
	return out
}

// recorder counts requests, and keeps them while it is asked to.
type recorder struct {
	mu    sync.Mutex
	keep  bool
	count map[string]int
	tape  []tape.Exchange
}

func (rec *recorder) wrap(service string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rec.mu.Lock()
		if rec.count == nil {
			rec.count = map[string]int{}
		}
		rec.count[service+" "+kindOf(service, req)]++
		keep := rec.keep
		rec.mu.Unlock()
		if !keep {
			h.ServeHTTP(w, req)
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, req)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.tape = append(rec.tape, tape.Exchange{Service: service, Method: req.Method, Target: req.RequestURI, Header: req.Header.Clone(),
			Body: body, Status: answer.Code, Answer: answer.Header(), Response: answer.Body.Bytes()})
	})
}

func (rec *recorder) record(keep bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.keep, rec.tape, rec.count = keep, nil, nil
}

func (rec *recorder) take() map[string]int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.count
}

// kindOf is the table or the kind of Graph request.
func kindOf(service string, req *http.Request) string {
	path := req.URL.Path
	if service == "graph" {
		switch {
		case strings.HasSuffix(path, "/$batch"):
			return "$batch"
		case strings.HasSuffix(path, "/calendar"):
			return "mailbox"
		case strings.HasPrefix(path, "/v1.0/"):
			return "single"
		}
		return "token"
	}
	path = strings.TrimPrefix(path, "/devstoreaccount1/")
	if strings.HasPrefix(path, "$batch") {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return "unreadable"
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		// The first operation names the table; a transaction has one.
		if _, rest, ok := bytes.Cut(body, []byte("/devstoreaccount1/")); ok {
			path = string(rest[:min(len(rest), 32)])
		}
	}
	end := strings.IndexFunc(path, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	if end >= 0 {
		path = path[:end]
	}
	if strings.HasPrefix(path, "ledger") {
		return "ledger"
	}
	return path
}

// child finds the handler that this process started.
func child(b testing.TB) int {
	b.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range all {
		fields := stat(path)
		if len(fields) > 2 && fields[0] == "(handler)" && fields[2] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			return pid
		}
	}
	b.Fatal("the handler's process was not found")
	return 0
}

// stat are the fields of a stat file from the name on; none if it is gone.
func stat(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	if i := bytes.IndexByte(text, '('); i >= 0 {
		return strings.Fields(string(text[i:]))
	}
	return nil
}

// cpuOf is the CPU time of a process: of all its threads that live.
func cpuOf(b testing.TB, pid int) (sum time.Duration) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		b.Fatal("no CPU time: ", err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// own is the CPU time of this process.
func own(b testing.TB) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is how much memory a process has, in bytes.
func resident(b testing.TB, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib << 10
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
