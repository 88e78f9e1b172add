package downsync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/state"
)

// shown is an appointment as people see it, reduced by the rule of A6 as the test reads it.
func shown(privacy string, title, body, show, sensitivity string, start, end time.Time, allDay bool) string {
	private := sensitivity == "private" || sensitivity == "confidential"
	s := fmt.Sprintf("%s-%s %v %s %s", start.Format(time.RFC3339), end.Format(time.RFC3339), allDay, show, sensitivity)
	if !private && (privacy == "title" || privacy == "all") {
		s += " title " + title
	}
	if !private && privacy == "all" {
		s += " body " + body
	}
	return s
}

// Whatever people do in Outlook, and whatever is lost, repeated, throttled, expired or
// killed meanwhile: after settling the booking app has the calendar, as far as it may be
// told, nothing was told as deleted that was not, and nothing in the mailbox was touched.
func TestTheBookingAppHasTheCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, `"downSync":{"privacy":"all"},"brake":{"count":100000,"percent":100}`)
		w := world{rig: r, t: t, alive: map[string]bool{}}
		aside, err := r.store.AddCalendar(tenant, aino, "Aside") // which is not read
		r.must(err)
		own, err := r.store.Calendar(tenant, aino, "")
		r.must(err)
		w.calendars = []string{aside.ID, own.ID}
		r.org.DownSync.Privacy = rapid.SampledFrom([]string{"busy", "title", "all"}).Draw(t, "privacy")
		if rapid.IntRange(0, 3).Draw(t, "scope") == 0 { // no event can be read by its id
			r.c.Scope, r.org.DownSync.Privacy = "busy", "busy"
			r.connect()
		}
		switches := changes.Switches{
			EmptyFirst: rapid.Bool().Draw(t, "empty first"), Duplicates: rapid.Bool().Draw(t, "duplicates"),
			Replays: rapid.Bool().Draw(t, "replays"), Shuffle: rapid.Bool().Draw(t, "shuffle"),
			QuietOutside: rapid.Bool().Draw(t, "quiet"), ListOccurrences: rapid.Bool().Draw(t, "list"),
			LagMS: rapid.SampledFrom([]int{0, 0, 20_000}).Draw(t, "lag"),
		}
		r.twin.Changes().Set(switches)
		w.pageSize = rapid.SampledFrom([]int{1, 3, 50}).Draw(t, "page size")
		w.slices = rapid.SampledFrom([]int{1, 4, 20}).Draw(t, "pages a slice")
		r.options = &downsync.Options{PageSize: w.pageSize, Pages: w.slices}
		r.boot(nil)
		r.fate = w.fate
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			for range rapid.IntRange(0, 5).Draw(t, "edits") {
				w.edit()
				r.now = r.now.Add(time.Second)
			}
			w.spoil()
			r.order(rapid.SampledFrom([]string{downsync.CauseSchedule, downsync.CauseNotified, downsync.CauseRequest}).Draw(t, "cause"))
			if rapid.Bool().Draw(t, "settles") {
				r.settle()
			} else if len(r.tasks) > 0 {
				r.step(r.now) // and the rest later
			}
		}
		w.faults, r.left = 0, 0
		r.now = r.now.Add(time.Minute)
		for range 3 { // of what was moved two rounds conclude
			r.sync(downsync.CauseSchedule)
		}
		for r.cursor().Shrunk > 0 { // it failed so often that less was asked for
			r.now = r.now.AddDate(0, 0, 2)
			r.sync(downsync.CauseSchedule)
			r.sync(downsync.CauseSchedule)
		}
		w.check()
	})
}

// world is a rig with somebody at work in it.
type world struct {
	*rig
	t                *rapid.T
	pageSize, slices int
	faults           int
	alive            map[string]bool // app's ids that were ever there
	number           int
	calendars        []string // into which events are moved
}

func (w *world) fate(twin.Visit) twin.Fate {
	if w.faults == 0 {
		return twin.Fate{}
	}
	w.faults--
	return rapid.SampledFrom([]twin.Fate{
		{Effect: twin.Answer, Status: 429, Code: "ApplicationThrottled", RetryAfter: 7 * time.Second},
		{Effect: twin.Answer, Status: 503}, {Effect: twin.Answer, Status: 504}, {Effect: twin.Lose}, {}, {},
	}).Draw(w.t, "fate")
}

// spoil makes the next readings go wrong.
func (w *world) spoil() {
	switch rapid.IntRange(0, 5).Draw(w.t, "spoil") {
	case 0:
		w.must(w.twin.Changes().Expire(tenant, aino))
	case 1:
		w.faults = rapid.IntRange(1, 4).Draw(w.t, "faults")
	case 2:
		w.left, w.after = rapid.IntRange(1, 60).Draw(w.t, "dies at"), rapid.Bool().Draw(w.t, "after")
	case 3:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 10).Draw(w.t, "days")) * 24 * time.Hour)
	case 4: // a message comes twice
		if len(w.runs) > 0 {
			w.tasks = append(w.tasks, rapid.SampledFrom(w.runs).Draw(w.t, "again"))
		}
	}
}

// edit does one thing in Outlook.
func (w *world) edit() {
	w.number++
	owner, title := w.owner(), fmt.Sprint("Title ", w.number)
	start := monday.Add(time.Duration(rapid.IntRange(0, 60*24).Draw(w.t, "hour")) * time.Hour)
	if rapid.IntRange(0, 9).Draw(w.t, "far") == 0 {
		start = start.AddDate(rapid.SampledFrom([]int{-2, 2}).Draw(w.t, "years"), 0, 0)
	}
	all := w.store.Events(tenant, aino)
	days := w.days()
	act := rapid.IntRange(0, 12).Draw(w.t, "edit")
	switch {
	case act <= 1 || len(all) == 0:
		w.meet(title, start)
	case act == 2:
		kind := rapid.SampledFrom([]string{"daily", "weekly"}).Draw(w.t, "kind")
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Helsinki", "America/New_York", "Europe/London"}).Draw(w.t, "zone")
		w.repeat(title, kind, zone, start.Format("2006-01-02T15:04:05"), rapid.IntRange(1, 8).Draw(w.t, "count"))
	default:
		target := rapid.SampledFrom(all).Draw(w.t, "event").ID
		if len(days) > 0 && rapid.Bool().Draw(w.t, "a day") {
			target = rapid.SampledFrom(days).Draw(w.t, "day")
		}
		w.change(owner, act, target, title, start)
	}
}

// change edits an event; what Outlook refuses is not done.
func (w *world) change(owner exchange.Owner, act int, target, title string, start time.Time) {
	switch act {
	case 3, 4:
		_ = owner.Retitle(target, title)
	case 5, 6:
		_ = owner.Move(target, *at(start), *at(start.Add(time.Hour)))
	case 7, 8:
		_ = owner.Delete(target)
	case 9:
		_ = owner.ShowAs(target, rapid.SampledFrom([]string{"free", "busy", "oof"}).Draw(w.t, "status"))
	case 10:
		s := rapid.SampledFrom([]string{"normal", "private", "confidential", "personal"}).Draw(w.t, "sensitivity")
		_, _ = owner.Change(target, exchange.Change{Sensitivity: &s})
	case 11:
		_ = owner.Write(target, "<p>"+title+"</p>")
	case 12:
		_, _ = owner.File(target, rapid.SampledFrom(w.calendars).Draw(w.t, "calendar"))
	}
}

// days are the ids of days of series.
func (w *world) days() (ids []string) {
	all, err := w.store.View(tenant, aino, "", monday, monday.AddDate(0, 3, 0))
	w.must(err)
	for _, e := range all {
		if e.Series != "" {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// check compares what the booking app has with what the calendar shows.
func (w *world) check() {
	cursor, err := state.NewCursors(w.tables).Get(w.context(), state.CalendarKey(w.c.ID, ""))
	w.must(err)
	window := appointment.Window{From: cursor.From, To: cursor.To}
	want, got := map[string]string{}, map[string]string{}
	for id, e := range w.view(cursor.From, cursor.To) {
		if e.Calendar == w.calendars[0] {
			continue
		}
		want[id] = shown(w.org.DownSync.Privacy, e.Subject, e.Body, e.ShowAs, e.Sensitivity, e.From.UTC(), e.To.UTC(), e.AllDay)
	}
	for id, a := range w.app() {
		if !window.Holds(a.start(), a.end()) {
			continue
		}
		got[id] = shown(w.org.DownSync.Privacy, value(a.Title), value(a.Body), a.ShowAs, a.Sensitivity, a.start(), a.end(), a.AllDay)
		if a.Private && (a.Title != nil || a.Body != nil || a.People != nil) {
			w.t.Errorf("a private one tells more than its time: %+v", a)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Fatalf("calendar and booking app (-calendar +app)\n%s", strings.ReplaceAll(diff, "\u00a0", " "))
	}
	for _, v := range w.visits {
		if len(v.Calls) > 0 || v.Call != nil {
			w.t.Fatal("the calendar was written to")
		}
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
