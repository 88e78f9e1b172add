package downsync_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
)

// fusedCalendar is killed like tables.
type fusedCalendar struct {
	r *rig
	graph.Calendar
}

func (f fusedCalendar) Do(ctx context.Context, as graph.Access, calls []graph.Call) (out []graph.Result) {
	err := f.r.burn(func() error { out = f.Calendar.Do(ctx, as, calls); return nil })
	if err != nil { // perhaps done, and never heard of
		out = make([]graph.Result, len(calls))
		for i := range out {
			out[i].Err = &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: err}
		}
	}
	return out
}

// both is a calendar into which bookings go, while its owner works in it: the writer and
// the reader at once, over the twins of everything.
type both struct {
	*rig
	t         *rapid.T
	faults    int
	queues    map[string][]queue.Message
	revisions map[string]int64
	foreign   map[string]string // the owner's events: their version
	deleted   map[string]bool   // bookings whose event the owner deleted at some time
	number    int
}

func newBoth(t *rapid.T) *both {
	rule := rapid.SampledFrom([]string{"report", "product", "outlook"}).Draw(t, "rule")
	recreate := rapid.SampledFrom([]string{"never", "time", "always"}).Draw(t, "recreate")
	r := newRig(t, `"downSync":{"privacy":"all"},"brake":{"count":100000,"percent":100},"ownEventsChanged":"`+rule+`","recreateRemoved":"`+recreate+`"`)
	b := withEngine(r)
	b.t = t
	r.options = &downsync.Options{PageSize: rapid.SampledFrom([]int{2, 50}).Draw(t, "page size"), Pages: rapid.SampledFrom([]int{2, 20}).Draw(t, "pages")}
	r.boot(nil)
	r.fate = b.fate
	return b
}

// withEngine is a rig whose calendar bookings go into.
func withEngine(r *rig) *both {
	b := &both{rig: r, queues: map[string][]queue.Message{}, revisions: map[string]int64{}, foreign: map[string]string{}, deleted: map[string]bool{}}
	r.c.Direction, r.c.Scope, r.c.Granted, r.c.Primary = "both", "readwrite", []string{"Calendars.ReadWrite"}, true
	r.c.Told, r.c.Followed, r.c.Ordered, r.c.Kept = "x", "x", "x", r.c.SignedIn
	r.connect()
	r.must(primary(r))
	r.ours = func() downsync.Ours { return b.engine() }
	r.boot(nil)
	return b
}

// engine is that of the process that runs.
func (b *both) engine() *engine.Engine {
	return engine.New(engine.Effects{Tables: fusedTables{b.rig, b.tables}, Bus: bus{b.rig}, Calendar: fusedCalendar{b.rig, b.twin},
		Reader: fusedReader{b.rig, b.twin}, Organizations: b}, &engine.Options{PublicURL: "https://calendar.example.com",
		Now: func() time.Time { return b.now }, Jitter: func() float64 { return 0.5 }, Parallel: 1})
}

func (b *both) fate(v twin.Visit) twin.Fate {
	if b.faults == 0 || v.Call != nil {
		return twin.Fate{}
	}
	b.faults--
	return rapid.SampledFrom([]twin.Fate{{Effect: twin.Answer, Status: 429, Code: "ApplicationThrottled", RetryAfter: 7 * time.Second},
		{Effect: twin.Answer, Status: 503}, {Effect: twin.Lose}}).Draw(b.t, "fate")
}

// book sends a booking, or a revision of one.
func (b *both) book() {
	id := fmt.Sprint("b-", rapid.IntRange(0, 2).Draw(b.t, "booking"))
	b.revisions[id]++
	start := monday.Add(time.Duration(rapid.IntRange(0, 72).Draw(b.t, "hour")) * time.Hour)
	b.booked(id, rapid.SampledFrom([]string{"confirmed", "confirmed", "tentative", "cancelled"}).Draw(b.t, "status"), start)
}

// booked sends a revision of a booking of an hour.
func (b *both) booked(id, status string, start time.Time) {
	wall := func(t time.Time) map[string]any {
		return map[string]any{"dateTime": t.Format("2006-01-02T15:04:05"), "timeZone": "UTC"}
	}
	data := map[string]any{"organization": acme, "id": id, "revision": b.revisions[id], "status": status, "title": fmt.Sprint("Booking ", b.number),
		"start": wall(start), "end": wall(start.Add(time.Hour)), "people": []any{map[string]any{"user": "u-1", "email": aino, "role": "required"}}}
	body, err := json.Marshal(map[string]any{"specversion": "1.0", "id": fmt.Sprint("m-", b.number), "source": "https://shop.example", "type": "calbridge.booking.v1",
		"subject": acme + "/" + id, "time": b.now.Format(time.RFC3339), "datacontenttype": "application/json", "data": data})
	b.must(err)
	b.queues[queue.Bookings] = append(b.queues[queue.Bookings], queue.Message{ID: fmt.Sprint("m-", b.number), Body: body})
}

// ours are the events of bookings that are there, by their ids.
func (b *both) ours() map[string]bool {
	mark, err := exchange.ParsePropertyID(graph.MarkProperty)
	b.must(err)
	out := map[string]bool{}
	for _, e := range b.store.Events(tenant, aino) {
		if _, marked := e.Property(mark); marked {
			out[e.ID] = true
		}
	}
	return out
}

// outlook is one thing that the owner does.
func (b *both) outlook() {
	all := b.store.Events(tenant, aino)
	title := fmt.Sprint("Owner's ", b.number)
	start := monday.Add(time.Duration(rapid.IntRange(0, 72).Draw(b.t, "hour")) * time.Hour)
	act := rapid.IntRange(0, 6).Draw(b.t, "act")
	if act < 2 || len(all) == 0 {
		b.meet(title, start)
		b.note()
		return
	}
	e := rapid.SampledFrom(all).Draw(b.t, "event")
	switch act {
	case 2, 3:
		b.must(b.owner().Retitle(e.ID, title))
	case 4, 5:
		b.must(b.owner().Move(e.ID, *at(start), *at(start.Add(time.Hour))))
	case 6:
		if b.ours()[e.ID] {
			for id := range b.revisions {
				if b.bookingOf(e) == id {
					b.deleted[id] = true
				}
			}
		}
		b.must(b.owner().Delete(e.ID))
	}
	b.note()
}

// bookingOf is the booking whose event it is; the marks are keys of them.
func (b *both) bookingOf(e exchange.Event) string {
	mark, err := exchange.ParsePropertyID(graph.MarkProperty)
	b.must(err)
	value, _ := e.Property(mark)
	for id := range b.revisions {
		if strings.EqualFold(value, deliveryOf(id).Hex()) {
			return id
		}
	}
	return ""
}

// note remembers the versions of the owner's events.
func (b *both) note() {
	mine := b.ours()
	clear(b.foreign)
	for _, e := range b.store.Events(tenant, aino) {
		if !mine[e.ID] {
			b.foreign[e.ID] = e.ChangeKey
		}
	}
}

// pump receives one message, of the first queue that has one that is visible.
func (b *both) pump(until time.Time) bool {
	for _, p := range b.others {
		b.queues[p.entity] = append(b.queues[p.entity], p.messages...)
	}
	b.queues[queue.MailboxTasks] = append(b.queues[queue.MailboxTasks], b.tasks...)
	b.others, b.tasks = nil, nil
	entity, at := "", 0
	var when time.Time
	for _, name := range []string{queue.Bookings, queue.Deliveries, queue.MailboxTasks} {
		for i, m := range b.queues[name] {
			if entity == "" || m.ScheduledFor.Before(when) {
				entity, at, when = name, i, m.ScheduledFor
			}
		}
	}
	if entity == "" || when.After(until) {
		return false
	}
	if when.After(b.now) {
		b.now = when
	}
	b.store.Index()
	m := b.queues[entity][at]
	b.queues[entity] = slices.Delete(b.queues[entity], at, at+1)
	if err := b.receive(entity, m); err != nil || b.dead {
		b.queues[entity] = append(b.queues[entity], m) // it comes again
		b.boot(nil)
	}
	return true
}

func (b *both) receive(entity string, m queue.Message) error {
	ctx := context.Background()
	switch entity {
	case queue.Bookings:
		return b.engine().Intake(ctx, m)
	case queue.Deliveries:
		return b.engine().Write(ctx, m)
	}
	if strings.Contains(string(m.Body), `"op":"sync"`) {
		return b.syncer.Task(ctx, m)
	}
	return b.engine().Task(ctx, m)
}

func (b *both) work(d time.Duration) {
	until := b.now.Add(d)
	for n := 0; b.pump(until); n++ {
		if n > 2000 {
			b.rig.t.Fatal("messages without end")
		}
	}
}

// The booking app and people in Outlook work at the same time on one calendar, while
// things are lost, throttled and killed: after settling the app has the owner's own
// appointments and none of ours, nothing of the owner's was touched, and nothing was told
// as deleted that they did not delete (I4, I6, A2).
func TestTheProductAndOutlookAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBoth(t)
		b.twin.Changes().Set(changes.Switches{EmptyFirst: rapid.Bool().Draw(t, "empty first"), Duplicates: rapid.Bool().Draw(t, "duplicates"),
			Replays: rapid.Bool().Draw(t, "replays"), Shuffle: rapid.Bool().Draw(t, "shuffle"), LagMS: rapid.SampledFrom([]int{0, 20_000}).Draw(t, "lag")})
		for range rapid.IntRange(1, 7).Draw(t, "rounds") {
			for range rapid.IntRange(0, 3).Draw(t, "deeds") {
				b.number++
				if rapid.Bool().Draw(t, "product") {
					b.book()
				} else {
					b.outlook()
				}
				b.now = b.now.Add(time.Second)
			}
			b.spoil()
			b.order(rapid.SampledFrom([]string{downsync.CauseSchedule, downsync.CauseNotified}).Draw(t, "cause"))
			b.work(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, time.Hour}).Draw(t, "for"))
		}
		b.faults, b.left = 0, 0
		b.work(26 * time.Hour)
		for range 2 {
			b.now = b.now.Add(time.Minute)
			b.order(downsync.CauseSchedule)
			b.work(2 * time.Hour)
		}
		b.check()
	})
}

func (b *both) spoil() {
	switch rapid.IntRange(0, 4).Draw(b.t, "spoil") {
	case 0:
		b.must(b.twin.Changes().Expire(tenant, aino))
	case 1:
		b.faults = rapid.IntRange(1, 3).Draw(b.t, "faults")
	case 2:
		b.left, b.after = rapid.IntRange(1, 80).Draw(b.t, "dies at"), rapid.Bool().Draw(b.t, "after")
	}
}

func (b *both) check() {
	mine := b.ours()
	want, got := map[string]string{}, map[string]string{}
	for _, e := range b.store.Events(tenant, aino) {
		if !mine[e.ID] {
			want[e.ID] = e.Subject + " " + e.From.UTC().Format(time.RFC3339)
			if b.foreign[e.ID] != e.ChangeKey {
				b.t.Errorf("an event of the owner's was touched: %s", e.Subject)
			}
		}
	}
	for id := range b.foreign {
		if want[id] == "" {
			b.t.Errorf("an event of the owner's is gone")
		}
	}
	for id, a := range b.app() {
		got[id] = value(a.Title) + " " + a.start().Format(time.RFC3339)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Fatalf("the owner's calendar and the booking app (-calendar +app)\n%s", diff)
	}
	b.checkChanged()
}

// checkChanged holds what was told of our events against what the owner did.
func (b *both) checkChanged() {
	for _, m := range b.topic {
		if m.Properties["type"] != "calbridge.booking.changed.v1" {
			continue
		}
		var e struct {
			Data struct{ Booking, Change string }
		}
		b.must(json.Unmarshal(m.Body, &e))
		if e.Data.Change == "deleted" && !b.deleted[e.Data.Booking] {
			b.t.Errorf("told as deleted, and nobody did: %s", m.Body)
		}
	}
}
