package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/bench/tape"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/shared/queue"
)

const (
	aino   = "aino@acme.example"
	topic  = queue.Changes + "/subscriptions/all"
	mostOf = 2 << 10         // bytes of the answer about a calendar in which nothing changed
	merged = 5 * time.Second // orders of so long are one, and notifications wait as long
	posts  = 300             // notifications
	within = 700             // hours over which a calendar's events lie
)

// reader is an account that is connected and read, over the whole stack.
type reader struct {
	*rig
	host  *stack.Stack
	id    string    // of the connection
	asked time.Time // the five seconds in which it was last asked for
}

// newReader connects a calendar of so many events, and waits until all were told.
func newReader(b testing.TB, events int) *reader {
	b.Helper()
	r := &reader{rig: newRig(b)}
	r.m365.Exchange.AddUser(tenant, exchange.User{Principal: aino})
	owner, first := r.m365.Exchange.Owner(tenant, aino), time.Now().UTC().AddDate(0, 0, 1).Truncate(time.Hour)
	for i := range events {
		title := fmt.Sprint("Meeting ", i)
		start, end := clock(first.Add(time.Duration(i%within)*time.Hour)), clock(first.Add(time.Duration(i%within+1)*time.Hour))
		if _, err := owner.Create(exchange.Change{Subject: &title, Start: &start, End: &end}); err != nil {
			b.Fatal(err)
		}
	}
	r.host = r.rig.host()
	b.Cleanup(r.host.Close)
	settings := `{"profile":"training","permission":"application","module":true,"sync":true,"downSync":{"privacy":"all"}}`
	if err := r.host.API().PutOrganization(b.Context(), "acme", []byte(settings)); err != nil {
		b.Fatal(err)
	}
	if err := r.host.API().Bind(b.Context(), "acme", tenant); err != nil {
		b.Fatal(err)
	}
	var made struct{ ID string }
	got := r.call(http.MethodPost, "connections", `{"user":"aino","email":"`+aino+`","direction":"both"}`)
	if err := json.Unmarshal(got.Body, &made); err != nil || got.Status != 201 {
		b.Fatalf("%d: %s", got.Status, got.Body)
	}
	r.id = made.ID
	r.until("the first reading", func() bool { return r.told() >= events })
	r.sync()
	return r
}

func clock(at time.Time) exchange.Time {
	return exchange.Time{DateTime: at.Format("2006-01-02T15:04:05"), Zone: "UTC"}
}

func (r *reader) call(method, path, body string) stack.Answer {
	r.b.Helper()
	got, err := r.host.API().Do(r.b.Context(), method, "organizations/acme/"+path, host.FunctionKey, "application/json", []byte(body))
	if err != nil {
		r.b.Fatal(err)
	}
	return got
}

// told counts the messages on the topic.
func (r *reader) told() int {
	active, _ := r.bus.Counts(topic)
	return active
}

// free waits until it may be asked for again.
func (r *reader) free() {
	r.b.Helper()
	r.until("another five seconds", func() bool { return time.Now().Truncate(merged).After(r.asked) })
}

// sync has the calendar read, and waits for the end of it.
func (r *reader) sync() {
	r.b.Helper()
	asked := time.Now().UTC()
	r.asked = asked.Truncate(merged)
	if got := r.call(http.MethodPost, "connections/"+r.id+"/sync", ""); got.Status >= 300 {
		r.b.Fatalf("%d: %s", got.Status, got.Body)
	}
	r.until("reading", func() bool {
		var c struct {
			Sync struct {
				State string
				Began time.Time
			}
		}
		err := json.Unmarshal(r.call(http.MethodGet, "connections/"+r.id, "").Body, &c)
		return err == nil && c.Sync.State == "done" && !c.Sync.Began.Before(asked.Truncate(time.Second))
	})
}

// pages are the requests for changes that a reading makes after a deed, before anybody
// has told of that.
func (r *reader) pages(deed func()) (pages []tape.Exchange) {
	r.b.Helper()
	r.free()
	deed()
	r.recorder.record(true)
	r.sync()
	r.recorder.mu.Lock()
	defer r.recorder.mu.Unlock()
	for _, e := range r.recorder.tape {
		switch {
		case e.Service == "tables":
		case strings.Contains(e.Target, "/delta"):
			pages = append(pages, e)
		case strings.Contains(e.Target, "/v1.0/"):
			r.b.Errorf("besides: %s %s", e.Method, e.Target)
		}
	}
	r.recorder.keep = false
	return pages
}

// BenchmarkReading counts over the wire what a calendar costs in which nothing changed, or
// one event, of 200 events and of 10,000.
func BenchmarkReading(b *testing.B) {
	for _, events := range []int{200, 10_000} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			for range b.N {
				began := time.Now()
				r := newReader(b, events)
				b.ReportMetric(time.Since(began).Seconds(), "s-to-first-read")
				pages := r.pages(func() {})
				if len(pages) != 1 || len(pages[0].Response) >= mostOf {
					b.Errorf("nothing changed, and there were %d requests, the last answered by %d bytes", len(pages), len(pages[len(pages)-1].Response))
				}
				b.ReportMetric(float64(len(pages)), "graph-unchanged")
				b.ReportMetric(float64(len(pages[0].Response)), "bytes-unchanged")
				title, told := "Moved", r.told()
				pages = r.pages(func() {
					if err := r.m365.Exchange.Owner(tenant, aino).Retitle(r.m365.Exchange.Events(tenant, aino)[events/2].ID, title); err != nil {
						b.Fatal(err)
					}
				})
				if len(pages) != 1 || r.told() != told+1 {
					b.Errorf("one changed, and there were %d requests, and %d told", len(pages), r.told()-told)
				}
				b.ReportMetric(float64(len(pages)), "graph-one-changed")
			}
		})
	}
}

// BenchmarkNotification posts notifications to the host, one after the other, and counts
// what they ask of the tables, which is nothing.
func BenchmarkNotification(b *testing.B) {
	for range b.N {
		r := newReader(b, 1)
		r.until("a subscription", func() bool { return len(r.m365.Hub.Subscriptions()) == 1 })
		sub := r.m365.Hub.Subscriptions()[0]
		body, err := json.Marshal(map[string]any{"value": []any{map[string]any{"subscriptionId": sub.ID, "tenantId": sub.Tenant, "changeType": "updated",
			"clientState": sub.ClientState, "resource": "Users/x/Events/AAMk", "resourceData": map[string]any{"id": "AAMk"}}}})
		if err != nil {
			b.Fatal(err)
		}
		r.recorder.record(false)
		pid := child(b)
		began, cpu := time.Now(), cpuOf(b, pid)
		for range posts {
			resp, err := http.Post(r.host.URL+"/api/graph/notifications", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			if resp.Body.Close(); resp.StatusCode != http.StatusAccepted {
				b.Fatal(resp.Status)
			}
		}
		took, spent := time.Since(began), cpuOf(b, pid)-cpu
		if took < 4*time.Second { // later the calendar is read that they told of
			for what, n := range r.recorder.take() {
				if strings.HasPrefix(what, "tables") {
					b.Errorf("%s: %d", what, n)
				}
			}
		}
		b.ReportMetric(took.Seconds()*1000/posts, "ms/notification")
		b.ReportMetric(float64(spent.Microseconds())/posts, "handler-cpu-µs/notification")
	}
}
