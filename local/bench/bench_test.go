package bench

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/bench/tape"
)

// BenchmarkDeliveries: 20 owed per lane, as after a change of many bookings; and
// one owed per lane, where the bound is the host's 64 slots with 1 s of idle hold.
func BenchmarkDeliveries(b *testing.B) {
	for _, c := range []struct {
		name        string
		lanes, each int
	}{{"20 owed per lane", 300, 20}, {"1 owed per lane", 300, 1}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				r := newRig(b)
				n := c.lanes * c.each
				intake := r.owe(c.lanes, c.each)
				r.recorder.record(false)
				s := r.write(n)
				b.ReportMetric(float64(n)/intake.Seconds(), "taken-in/s")
				b.ReportMetric(float64(n)/s.took.Seconds(), "deliveries/s")
				b.ReportMetric(float64(s.cpu.Microseconds())/float64(n), "handler-cpu-µs/delivery")
				b.ReportMetric(float64(s.rest.Microseconds())/float64(n), "rest-cpu-µs/delivery")
				b.ReportMetric(float64(s.memory)/1e6, "MB-resident-loaded")
				b.Logf("requests: %v", s.requests)
			}
		})
	}
}

// BenchmarkRequests counts what one lane costs: one delivery, 20 that one wake-up
// serves, and 20 with the other 19 wake-ups, which find nothing owed any more.
func BenchmarkRequests(b *testing.B) {
	for range b.N {
		for _, c := range []struct {
			name  string
			each  int
			quiet bool
		}{{"lone", 1, false}, {"20", 20, true}, {"20+19-wakes", 20, false}} {
			r := newRig(b)
			r.owe(1, c.each)
			if c.quiet {
				r.oneWakeUp()
			}
			r.recorder.record(false)
			s := r.write(c.each)
			b.ReportMetric(float64(s.requests["tables lanes"])/float64(c.each), "lanes/delivery-"+c.name)
			b.Logf("%s: %v", c.name, s.requests)
		}
	}
}

// BenchmarkBare compares the handler's CPU time with that of a bare program that
// makes the same requests.
func BenchmarkBare(b *testing.B) {
	bare := filepath.Join(b.TempDir(), "bare")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bare, "./bare").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct {
		name        string
		lanes, each int
		quiet       bool // one wake-up per lane
	}{{"20 owed per lane, one wake-up", 150, 20, true}, {"20 owed per lane, 20 wake-ups", 150, 20, false}, {"1 owed per lane", 300, 1, false}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				compare(b, bare, c.lanes, c.each, c.quiet)
			}
		})
	}
}

func compare(b *testing.B, bare string, lanes, each int, quiet bool) {
	r := newRig(b)
	r.owe(lanes, each)
	if quiet {
		r.oneWakeUp()
	}
	r.recorder.record(true)
	s := r.write(lanes * each)
	recorded := tape.Tape{Deliveries: lanes * each, Exchanges: slices.Clone(r.recorder.tape), Batch: each}
	for i := range lanes * each {
		recorded.Events = append(recorded.Events, fmt.Appendf(nil, event, i, i))
	}
	path := filepath.Join(b.TempDir(), "tape.json")
	if err := tape.Write(path, recorded); err != nil {
		b.Fatal(err)
	}
	canned := httptest.NewServer(answers(recorded))
	defer canned.Close()
	out, err := exec.CommandContext(b.Context(), bare, path, canned.URL, r.busAt.ConnectionString()).Output()
	if err != nil {
		b.Fatal(err)
	}
	millis, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		b.Fatal(err)
	}
	n := float64(lanes * each)
	b.ReportMetric(float64(s.cpu.Microseconds())/n, "handler-cpu-µs/delivery")
	b.ReportMetric(float64(millis)*1000/n, "bare-cpu-µs/delivery")
	b.ReportMetric(s.cpu.Seconds()*1000/float64(millis), "times")
	b.Logf("%d requests over HTTP: %v", len(recorded.Exchanges), s.requests)
}

// event is as large as those that the handler publishes.
const event = `{"specversion":"1.0","id":"5e0f8b5c-0000-5000-8000-%012d","source":"http://127.0.0.1:7071/api/organizations/acme","type":"calbridge.delivery.v1","subject":"session 1","time":"2027-03-01T09:00:00.000000000Z","datacontenttype":"application/json","data":{"booking":"session 1","user":"p%d","revision":1,"sequence":1,"state":"written","eventId":"AAkALgAAAAAAHYQDEapmEc2byACqAC/EWg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}`

// answers is the server that gives every request of a tape the answer it had.
func answers(t tape.Tape) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		i, err := strconv.Atoi(req.Header.Get(tape.ID))
		if err != nil || i >= len(t.Exchanges) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		for name, values := range t.Exchanges[i].Answer {
			w.Header()[name] = values
		}
		w.WriteHeader(t.Exchanges[i].Status)
		_, _ = w.Write(t.Exchanges[i].Response) // a bare program that hangs up fails by itself
	})
}

// BenchmarkStart: from the start of the process to the first answer, as the host
// sees it, and what the idle process is like.
func BenchmarkStart(b *testing.B) {
	handler := filepath.Join(app(b), "handler")
	info, err := os.Stat(handler)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-stripped")
	r := newRig(b)
	var times []time.Duration
	var memory int
	for range 11 {
		took, rss := r.start(handler)
		times, memory = append(times, took), max(memory, rss)
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-to-listening")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "ms-to-listening-worst")
	b.ReportMetric(float64(memory)/1e6, "MB-resident-idle")
	b.ReportMetric(0, "ns/op")
}

// start starts a handler, and returns when it answers.
func (r *rig) start(handler string) (took time.Duration, rss int) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.b.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(handler)
	for name, value := range r.settings {
		if front, ok := r.front[name]; ok {
			value = front
		}
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "FUNCTIONS_CUSTOMHANDLER_PORT="+port)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		r.b.Fatal(err)
	}
	for time.Since(began) < 10*time.Second {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			took = time.Since(began)
			_ = conn.Close()
			break
		}
	}
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		r.b.Fatal(err)
	}
	_ = resp.Body.Close()
	rss = resident(r.b, cmd.Process.Pid)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return took, rss
}
