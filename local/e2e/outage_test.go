package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/stack"
)

// outage is something that is gone for a minute.
type outage struct {
	name       string
	begin, end func(*world)
}

var outages = []outage{
	{"tables answer 503", func(w *world) { w.Tables.Down(true) }, func(w *world) { w.Tables.Down(false) }},
	{"Graph answers 503", func(w *world) { w.M365.Graph.SetOutage(graphapi.Unavailable) }, func(w *world) { w.M365.Graph.SetOutage(graphapi.Works) }},
	{"Graph cuts connections", func(w *world) { w.M365.Graph.SetOutage(graphapi.Dead) }, func(w *world) { w.M365.Graph.SetOutage(graphapi.Works) }},
	{"Entra answers 503, tokens are refused", func(w *world) {
		if _, err := w.M365.EntraFaults.Add(faults.Rule{Effect: faults.Answer, Status: 503}); err != nil {
			w.t.Error(err)
		}
		w.M365.Entra.Revoke(tenant, w.Settings["ENTRA_CLIENT_ID"])
	}, func(w *world) { w.M365.EntraFaults.Clear() }},
	{"nobody is there for Graph and Entra", func(w *world) { w.M365.Refuse() }, func(w *world) {
		if err := w.M365.Accept(); err != nil {
			w.t.Error(err)
		}
	}},
}

// Traffic goes on all through the outage: before it, at its beginning, in its
// middle, and after it. New bookings, changes and cancellations are among it.
func TestAnOutageOfAMinuteLosesNothing(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			w := startMoved(t, stack.Options{})
			w.people("aino", "bo")
			tr := &traffic{w: w}
			tr.send(4)
			tr.settle()
			o.begin(w)
			for range 6 {
				tr.send(4)
				w.Advance(10 * time.Second)
			}
			o.end(w)
			tr.send(4)
			tr.settle()
			tr.check()
		})
	}
}

// traffic is a booking app that sends again what was not accepted.
type traffic struct {
	w       *world
	n       int
	latest  []booked
	waiting []booked // not accepted yet
}

// send makes n bookings, changes some of those before, cancels some.
func (tr *traffic) send(n int) {
	for range n {
		tr.n++
		tr.latest = append(tr.latest, booked{Organization: acme, ID: fmt.Sprintf("b%03d", tr.n), Revision: 1, Day: tr.n, People: []string{"aino", "bo"}})
		tr.waiting = append(tr.waiting, tr.latest[len(tr.latest)-1])
		if old := tr.n - 3; old > 0 && tr.n%2 == 0 {
			b := &tr.latest[old-1]
			b.Revision++
			if b.Title = "Changed title of " + b.ID; tr.n%4 == 0 {
				b.Status = "cancelled"
			}
			tr.waiting = append(tr.waiting, *b)
		}
	}
	tr.again()
}

// again sends what was not accepted, in order, until one is refused.
func (tr *traffic) again() {
	for len(tr.waiting) > 0 {
		got, err := tr.w.API().Send(tr.w.t.Context(), tr.waiting[0].event())
		if err != nil {
			tr.w.t.Fatal(err)
		}
		if got.Status == 503 {
			return
		}
		if got.Status != 202 {
			tr.w.t.Fatalf("status %d: %s", got.Status, got.Body)
		}
		tr.waiting = tr.waiting[1:]
	}
}

// settle moves the clock until every delivery of the latest revision has a result:
// what was postponed is due by then.
func (tr *traffic) settle() {
	tr.w.t.Helper()
	began := tr.w.Clock.Now()
	eventually(tr.w.t, func() bool {
		tr.again()
		if tr.settled() {
			return true
		}
		tr.w.Advance(2 * time.Second)
		return false
	}, "not everything has settled")
	if took := tr.w.Clock.Now().Sub(began); took > 2*time.Hour {
		tr.w.t.Errorf("settled %v after the outage", took)
	}
}

func (tr *traffic) settled() bool {
	if len(tr.waiting) > 0 {
		return false
	}
	for _, b := range tr.latest {
		for _, user := range b.People {
			c, ok := tr.w.changes.Latest(stack.Target{Organization: acme, Booking: b.ID, User: user})
			if !ok || c.Revision < b.Revision {
				return false
			}
		}
	}
	return true
}

// check compares results and calendars with what was sent.
func (tr *traffic) check() {
	tr.w.t.Helper()
	var want []string
	for _, b := range tr.latest {
		if b.Status == "cancelled" {
			for _, user := range b.People {
				c, _ := tr.w.changes.Latest(stack.Target{Organization: acme, Booking: b.ID, User: user})
				if got := c.Result(); got != "removed cancelled" && got != "skipped cancelled" {
					tr.w.t.Errorf("%s for %s: %q", b.ID, user, got)
				}
			}
			continue
		}
		tr.w.settle(b, "written")
		title := b.Title
		if title == "" {
			title = "Title of " + b.ID
		}
		want = append(want, title)
	}
	for _, name := range []string{"aino", "bo"} {
		if got := tr.w.subjects(name); !slices.Equal(got, want) {
			tr.w.t.Errorf("calendar of %s: %q, want %q", name, got, want)
		}
	}
	tr.w.nothingLost()
}
