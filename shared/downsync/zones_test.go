package downsync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/downsync"
)

// in makes an event from one wall-clock time to another in a zone; dates alone are whole days.
func (r *rig) in(zone, subject, start, end string) string {
	r.t.Helper()
	whole := !strings.Contains(start, "T")
	if whole {
		start, end = start+"T00:00:00", end+"T00:00:00"
	}
	e, err := r.owner().Create(exchange.Change{Subject: &subject, AllDay: &whole,
		Start: &exchange.Time{DateTime: start, Zone: zone}, End: &exchange.Time{DateTime: end, Zone: zone}})
	r.must(err)
	return e.ID
}

// same compares what the app has of the window with what the calendar shows of it.
func (r *rig) same(what string) {
	r.t.Helper()
	c := r.cursor()
	line := func(subject, start, end string, whole bool) string {
		return fmt.Sprintf("%s %.16s-%.16s %v", subject, start, end, whole)
	}
	want, got := map[string]string{}, map[string]string{}
	for id, e := range r.view(c.From, c.To) {
		start, end := e.From.UTC().Format("2006-01-02T15:04"), e.To.UTC().Format("2006-01-02T15:04")
		if e.AllDay { // dates, in no zone
			start, end = e.Start.DateTime, e.End.DateTime
		}
		want[id] = line(e.Subject, start, end, e.AllDay)
	}
	for id, a := range r.app() {
		// What is over is not taken back, and at the far edge days in no zone differ.
		if _, shown := want[id]; !shown && !a.end().After(c.From.Add(15*time.Hour)) {
			continue
		}
		got[id] = line(value(a.Title), a.Start.DateTime, a.End.DateTime, a.AllDay)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("%s: calendar and booking app (-calendar +app)\n%s", what, diff)
	}
}

// Whole days have no zone, and the window's edges are midnights in UTC: what stands at one of
// them, in any zone of the earth, is told where the calendar shows it, is never told as deleted
// because the two differ, and is told as deleted when it is. The change of the clocks moves no
// day to another name.
func TestWholeDaysAndTheChangeOfTheClocksAtTheEdgesOfTheWindow(t *testing.T) {
	for _, zone := range []string{"Pacific/Honolulu", "America/New_York", "UTC", "Europe/Helsinki", "Asia/Tokyo", "Pacific/Auckland"} {
		t.Run(zone, func(t *testing.T) {
			r := newRig(t, "")
			w := appointment.NewWindow(r.c.ID, r.now)
			var last []string // at the far edge
			for day := -3; day <= 3; day++ {
				for name, edge := range map[string]time.Time{"from": w.From, "to": w.To} {
					date := func(plus int) string { return edge.AddDate(0, 0, day+plus).Format(time.DateOnly) }
					ids := []string{r.in(zone, fmt.Sprint(name, day), date(0), date(1)), r.in(zone, fmt.Sprint(name, day, " two"), date(0), date(2)),
						r.in(zone, fmt.Sprint(name, day, " night"), date(0)+"T23:30:00", date(1)+"T00:30:00"),
						r.in(zone, fmt.Sprint(name, day, " zero"), date(0)+"T00:00:00", date(0)+"T00:00:00")}
					if name == "to" {
						last = append(last, ids...)
					}
				}
			}
			r.repeat("Night", "daily", zone, "2026-11-01T23:30:00", 300)
			r.repeat("Gap", "daily", zone, "2026-11-01T02:30:00", 300)
			r.sync(downsync.CauseConnect)
			r.same("at first")
			told := len(r.topic)
			r.must(r.twin.Changes().Expire(tenant, aino))
			r.sync(downsync.CauseSchedule)
			if len(r.topic) != told || r.reads() != 0 {
				t.Errorf("after an expired link %d events, %d reads", len(r.topic)-told, r.reads())
			}
			r.weeks(3)
			r.same("three weeks later")
			if len(r.deletions()) != 0 || r.reads() != 0 {
				t.Errorf("told as deleted %v, %d reads", r.deletions(), r.reads())
			}
			r.now = r.now.AddDate(0, 0, -21) // the far edge again
			r.org.Brake.Count = 1000
			for n, id := range last {
				if n%2 == 0 {
					r.must(r.owner().Delete(id))
				}
			}
			r.sync(downsync.CauseSchedule)
			r.same("after deletions")
		})
	}
}

// The same where what happened has to be found by a full reading.
func TestDeletionsAtTheFarEdgeAreFoundByAFullReading(t *testing.T) {
	for _, zone := range []string{"Pacific/Honolulu", "Asia/Tokyo", "Pacific/Auckland"} {
		r := newRig(t, `"downSync":{"privacy":"all"},"brake":{"count":1000,"percent":100}`)
		w := appointment.NewWindow(r.c.ID, r.now)
		for day := -3; day <= 1; day++ {
			date := w.To.AddDate(0, 0, day)
			r.in(zone, fmt.Sprint("to", day), date.Format(time.DateOnly), date.AddDate(0, 0, 1).Format(time.DateOnly))
		}
		r.sync(downsync.CauseConnect)
		shown := len(r.app())
		for _, e := range r.store.Events(tenant, aino) {
			r.must(r.owner().Delete(e.ID))
		}
		r.weeks(2)
		if have := r.app(); shown < 3 || len(have) != 0 || len(r.deletions()) != shown {
			t.Errorf("%s: %d of %d are left, deleted %d", zone, len(have), shown, len(r.deletions()))
		}
	}
}

// A whole day that only its zone brings into the window stays known when a late page calls
// it removed.
func TestAWholeDayAtTheEdgeIsNotForgottenBecauseOfItsZone(t *testing.T) {
	r := newRig(t, "")
	w := appointment.NewWindow(r.c.ID, r.now)
	id := r.in("Pacific/Auckland", "Edge", w.To.Format(time.DateOnly), w.To.AddDate(0, 0, 1).Format(time.DateOnly))
	r.sync(downsync.CauseConnect)
	if w.To != r.cursor().To || r.app()[id].ID == "" {
		t.Fatalf("%+v", r.app())
	}
	aside, err := r.store.AddCalendar(tenant, aino, "Aside")
	r.must(err)
	_, err = r.owner().File(id, aside.ID)
	r.must(err)
	r.sync(downsync.CauseSchedule)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("it stays with the booking app: %+v", have)
	}
}

// Nor when a full reading of the same day does not show it any more.
func TestAWholeDayAtTheEdgeThatIsDeletedIsToldOnceTheWindowHasMoved(t *testing.T) {
	r := newRig(t, "")
	w := appointment.NewWindow(r.c.ID, r.now)
	id := r.in("Pacific/Auckland", "Edge", w.To.Format(time.DateOnly), w.To.AddDate(0, 0, 1).Format(time.DateOnly))
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(id))
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.sync(downsync.CauseSchedule)
	r.weeks(2)
	if have := r.app(); len(have) != 0 {
		t.Errorf("it stays with the booking app: %+v", have)
	}
}
