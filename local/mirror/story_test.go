package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
)

// mailbox is an account that a person has.
type mailbox struct {
	world.Account
	user string
}

// story is one history: aino, whose own calendar takes bookings and is read with a second
// one; another account of hers, of another tenant where people sign in, that is only read;
// and bert, into whose calendar bookings only go up.
type story struct {
	*program
	revision map[string]int64
	title    map[string]string
	start    map[string]string
	live     map[string]map[string]bool // booking to users who are on it
	deleted  map[string]bool            // "booking user" whose event a person deleted
	ours     map[string]bool            // ids of events of bookings that ever were
	foreign  map[string]string          // version of each event that is not of a booking
	did      map[string]bool            // titles and starts that people gave
	private  map[string]bool            // ids of events that were private at some time
	filed    map[string]bool            // the app's ids of what people put into another calendar
	anew     bool                       // everything was read in full since anything was done
	stirred  map[string]bool            // users whose connections were changed, so that their bookings may go elsewhere
	hushed   bool                       // less than titles could be told at some time
	ended    map[key.Key][]string       // connections that were disconnected, to their calendars
	dead     map[key.Key]bool           // connections whose token has died
	refused  bool                       // the tenant's consent is taken away
	changes  bool                       // who decides changes their minds
	silent   bool                       // nothing could be told at some time
	number   int
}

func bookings() []string { return []string{"b1", "b2", "b3"} }
func users() []string    { return []string{"aino", "bert"} }

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// far is what a test looks at to know what there is: more than any window.
func far() (from, to time.Time) { return monday.AddDate(-3, 0, 0), monday.AddDate(3, 0, 0) }

// newStory connects everybody. Without the schedule there is nothing that only it finds: the
// second account does not show busy times only, of which Graph never notifies.
func newStory(t *rapid.T, scheduled bool) *story {
	s := &story{program: newProgram(t), revision: map[string]int64{}, title: map[string]string{}, start: map[string]string{}, live: map[string]map[string]bool{},
		deleted: map[string]bool{}, stirred: map[string]bool{}, filed: map[string]bool{}, ended: map[key.Key][]string{}, dead: map[key.Key]bool{}, ours: map[string]bool{}, foreign: map[string]string{}, did: map[string]bool{}, private: map[string]bool{}}
	org := s.Org
	org.OwnEventsChanged = rapid.SampledFrom([]string{"report", "product", "outlook"}).Draw(t, "rule")
	org.RecreateRemoved = rapid.SampledFrom([]string{"never", "time", "always"}).Draw(t, "recreate")
	org.DownSync = organization.DownSync{EveryMinutes: rapid.SampledFrom([]int{60, 360}).Draw(t, "every"),
		Privacy: rapid.SampledFrom([]string{"busy", "title", "all"}).Draw(t, "privacy")}
	signIn := rapid.Bool().Draw(t, "people sign in")
	tenant := world.Tenant
	if signIn {
		s.Delegate("any")
		tenant = world.Other
	}
	s.options = downsync.Options{PageSize: rapid.SampledFrom([]int{2, 50}).Draw(t, "page size"), Pages: rapid.SampledFrom([]int{2, 20}).Draw(t, "pages a slice")}
	s.restart()
	scope := connection.Details
	if signIn && scheduled && rapid.IntRange(0, 2).Draw(t, "scope") == 0 {
		scope = connection.Busy
	}
	s.join("aino", s.AddAccount(world.Tenant, "aino@acme.example"), connection.Both, connection.ReadWrite)
	s.join("aino", s.AddAccount(tenant, "aino.private@acme.example"), connection.Down, scope)
	s.join("bert", s.AddAccount(world.Tenant, "bert@acme.example"), connection.Up, connection.ReadWrite)
	pages := changes.Switches{EmptyFirst: rapid.Bool().Draw(t, "empty first"), Duplicates: rapid.Bool().Draw(t, "duplicates"),
		Replays: rapid.Bool().Draw(t, "replays"), Shuffle: rapid.Bool().Draw(t, "shuffle"), QuietOutside: rapid.Bool().Draw(t, "quiet"),
		ListOccurrences: rapid.Bool().Draw(t, "list"), LagMS: rapid.SampledFrom([]int{0, 0, 20_000}).Draw(t, "lag")}
	s.Graph.Changes().Set(pages)
	s.hub.Set(notify.Switches{LatencyMS: rapid.SampledFrom([]int{0, 0, 60_000}).Draw(t, "latency"), Storm: rapid.IntRange(0, 1).Draw(t, "storm"),
		Casing: rapid.SampledFrom([]string{"", "lower", "keys"}).Draw(t, "casing")})
	return s
}

// join connects an account, and lets its calendars be chosen.
func (s *story) join(user string, a world.Account, d connection.Direction, scope connection.Scope) {
	s.boxes = append(s.boxes, mailbox{a, user})
	c := s.connect(user, a, d, scope)
	team, err := s.Exchange.AddCalendar(a.Tenant, a.Address, "Team")
	s.must(err)
	if d == connection.Both {
		s.choose(c, s.calendarsOf(a)[0], team.ID)
	}
}

// calendarsOf are the ids of an account's calendars, its own first.
func (s *story) calendarsOf(a world.Account) (ids []string) {
	all, err := s.Exchange.Calendars(a.Tenant, a.Address)
	s.must(err)
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

// choose chooses the calendars of a connection that are read; none is its own one.
func (s *story) choose(c connection.Connection, ids ...string) {
	chosen := make([]connection.Calendar, len(ids))
	for i, id := range ids {
		chosen[i].ID = id
	}
	err := s.insist(func(one *process) error {
		_, err := one.engine.ChangeConnection(context.Background(), world.Organization, c.ID, engine.ConnectionChange{Calendars: &chosen}, nil)
		return err
	})
	if failure := (*graph.Error)(nil); errors.As(err, &failure) {
		s.Logf("refused: %v", err) // the token is dead
		return
	}
	s.must(err)
}

// connected is an account's connection; false where it has none.
func (s *story) connected(b mailbox) (connection.Connection, bool) {
	for _, c := range s.rules().connections {
		if c.User == b.user && c.Account.Tenant == b.Tenant && (c.Account.ObjectID == b.ObjectID || c.Mailbox == b.Address) {
			return c, true
		}
	}
	return connection.Connection{}, false
}

// book is a revision of a booking.
func (s *story) book() {
	id := rapid.SampledFrom(bookings()).Draw(s.T, "booking")
	s.number++
	s.revision[id]++
	s.title[id], s.start[id] = fmt.Sprint("Booking ", s.number), s.hour().Format(clock)
	end, err := time.Parse(clock, s.start[id])
	s.must(err)
	status := rapid.SampledFrom([]string{"confirmed", "confirmed", "confirmed", "tentative", "cancelled"}).Draw(s.T, "status")
	people, live := []any{}, map[string]bool{}
	for _, user := range users() {
		if rapid.IntRange(0, 3).Draw(s.T, user) > 0 {
			people = append(people, map[string]any{"user": user, "email": user + "@acme.example", "role": "required"})
			live[user] = status != "cancelled"
		}
	}
	s.live[id] = live
	s.Logf("%s revision %d is %s at %s, %s, for %v", id, s.revision[id], s.title[id], s.start[id], status, live)
	body, err := json.Marshal(map[string]any{"specversion": "1.0", "id": fmt.Sprint("m-", s.number), "source": "/shop", "type": "calbridge.booking.v1", "data": map[string]any{
		"organization": world.Organization, "id": id, "revision": s.revision[id], "status": status, "title": s.title[id], "people": people,
		"start": map[string]any{"dateTime": s.start[id], "timeZone": "UTC"}, "end": map[string]any{"dateTime": end.Add(time.Hour).Format(clock), "timeZone": "UTC"}}})
	s.must(err)
	s.must(s.Send(context.Background(), body))
}

const clock = "2006-01-02T15:04:05"

func (s *story) hour() time.Time {
	return monday.Add(time.Duration(rapid.IntRange(0, 30*24).Draw(s.T, "hour")) * time.Hour)
}

func at(t time.Time) exchange.Time { return exchange.Time{DateTime: t.Format(clock), Zone: "UTC"} }

// note compares what there is with what there was before a person's deed.
func (s *story) note() {
	maps.Copy(s.ours, ids(s.marked(bookings(), users())))
	clear(s.foreign)
	for _, box := range s.Exchange.Boxes() {
		for _, e := range box.Events {
			if !s.ours[e.ID] {
				s.foreign[e.ID] = e.ChangeKey
			}
		}
	}
}

func ids(events map[string]exchange.Event) map[string]bool {
	out := map[string]bool{}
	for id := range events {
		out[id] = true
	}
	return out
}

// shows are the app's ids of all that a mailbox shows.
func (s *story) shows(b mailbox) map[string]bool {
	out := map[string]bool{}
	from, to := far()
	for _, e := range s.Exchange.Week(b.Tenant, b.Address, from, to) {
		out[appID(e)] = true
	}
	return out
}

func appID(e exchange.Event) string {
	if e.Series != "" {
		return fmt.Sprintf("OID.%s.%s", e.Series, e.Day())
	}
	return e.ID
}

// edit is one deed in Outlook, in any of the calendars.
func (s *story) edit() {
	b := s.boxes[rapid.IntRange(0, len(s.boxes)-1).Draw(s.T, "mailbox")]
	before := s.shows(b)
	s.number++
	s.deed(b)
	after := s.shows(b)
	for id := range before {
		if !after[id] {
			s.gone[id] = true
		}
	}
	s.note()
}

func (s *story) deed(b mailbox) {
	owner, title, start := s.Exchange.Owner(b.Tenant, b.Address), fmt.Sprint("Owner's ", s.number), s.hour()
	from, to := far()
	all := s.Exchange.Events(b.Tenant, b.Address)
	act := rapid.IntRange(0, 14).Draw(s.T, "deed")
	if act < 3 || len(all) == 0 {
		end := at(start.Add(time.Hour))
		first := at(start)
		c := exchange.Change{Subject: &title, Start: &first, End: &end}
		if act == 2 {
			rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 2},
				Range: exchange.Range{Type: "numbered", StartDate: start.Format(time.DateOnly), Count: rapid.IntRange(1, 5).Draw(s.T, "count")}}
			c.Recurrence = &rule
		}
		_, err := owner.Create(c)
		s.Logf("%s makes %s, a series: %v", b.Address, title, act == 2)
		s.must(err)
		return
	}
	e := all[rapid.IntRange(0, len(all)-1).Draw(s.T, "event")]
	if days := s.Exchange.Week(b.Tenant, b.Address, from, to); len(days) > 0 && rapid.Bool().Draw(s.T, "of the days") {
		e = days[rapid.IntRange(0, len(days)-1).Draw(s.T, "day")]
	}
	s.Logf("%s does %d to %q, to be %s, %s", b.Address, act, e.Subject, title, start)
	switch act {
	case 3, 4, 5:
		s.did[title] = true
		s.refusable(owner.Retitle(e.ID, title))
	case 6, 7:
		if rapid.IntRange(0, 5).Draw(s.T, "far") == 0 {
			start = start.AddDate(1, 0, 0) // out of every window
			if c, ok := s.connected(b); ok && c.Scope == connection.Busy || s.changes {
				s.filed[series(appID(e))] = true // which who sees busy times only takes for gone
			}
		}
		s.did[start.Format(clock)] = true
		s.refusable(owner.Move(e.ID, at(start), at(start.Add(time.Hour))))
	case 8, 9:
		s.deletes(e)
		s.refusable(owner.Delete(e.ID))
	case 10:
		how := rapid.SampledFrom([]string{"normal", "private", "confidential", "personal"}).Draw(s.T, "sensitivity")
		s.private[e.ID] = s.private[e.ID] || how == "private" || how == "confidential"
		_, err := owner.Change(e.ID, exchange.Change{Sensitivity: &how})
		s.refusable(err)
	case 11:
		_, err := owner.Copy(e.ID)
		s.refusable(err)
	case 14:
		for _, e := range all[:rapid.IntRange(1, len(all)).Draw(s.T, "how many")] {
			s.deletes(e)
			s.refusable(owner.Delete(e.ID))
		}
	case 12:
		s.refusable(owner.WriteAround(e.ID, "<p>"+title+"</p>", ""))
	case 13:
		if !s.marked(bookings(), users())[e.ID].From.After(time.Time{}) {
			s.filed[series(appID(e))] = true
			_, err := owner.File(e.ID, rapid.SampledFrom(s.calendarsOf(b.Account)).Draw(s.T, "calendar"))
			s.refusable(err)
		}
	}
}

// refusable is a deed that Outlook may refuse.
func (s *story) refusable(err error) {
	if err != nil {
		s.Logf("refused: %v", err)
	}
}

// deletes remembers whose event it is that a person deletes.
func (s *story) deletes(e exchange.Event) {
	for _, b := range bookings() {
		for _, u := range users() {
			for _, o := range s.Ours(b, u) {
				if o.ID == e.ID {
					s.deleted[b+" "+u] = true
				}
			}
		}
	}
}

// spoil lets something go wrong from now on.
func (s *story) spoil() {
	what := rapid.IntRange(0, 13).Draw(s.T, "spoil")
	switch what {
	case 0:
		b := s.boxes[rapid.IntRange(0, 1).Draw(s.T, "whose links")]
		s.must(s.Graph.Changes().Expire(b.Tenant, b.Address))
	case 1:
		s.faults = rapid.IntRange(1, 4).Draw(s.T, "faults")
	case 2, 3, 13:
		one := s.processes[rapid.IntRange(0, 1).Draw(s.T, "which process")]
		one.how, one.kind = death(rapid.IntRange(0, 2).Draw(s.T, "how")), rapid.IntRange(anyEffect, onGraph).Draw(s.T, "kind")
		one.left = rapid.IntRange(1, 12).Draw(s.T, "dies at")
		if one.kind == anyEffect {
			one.left *= 7
		}
	case 4:
		s.hub.Drop(notify.Which{})
	case 5:
		s.hub.Duplicate(notify.Which{})
	case 6:
		s.hub.Reorder(notify.Which{})
	case 7:
		s.hub.Delay(notify.Which{}, rapid.SampledFrom([]time.Duration{time.Minute, time.Hour}).Draw(s.T, "delay"))
	case 8:
		for _, sub := range s.hub.Subscriptions() {
			s.must(s.hub.Send(sub.ID, rapid.SampledFrom([]string{notify.Removed, notify.Missed, notify.Reauthorise}).Draw(s.T, "lifecycle")))
		}
	case 9: // and nobody says so
		for _, sub := range s.hub.Subscriptions() {
			s.must(s.hub.Delete(notify.Caller{Tenant: sub.Tenant, App: sub.App, User: sub.Creator}, sub.ID))
		}
	case 12:
		s.haunted = rapid.IntRange(1, 3).Draw(s.T, "haunted pages")
	case 10, 11:
		s.processes[rapid.IntRange(0, 1).Draw(s.T, "which process")].pause = rapid.IntRange(1, 60).Draw(s.T, "stands still at")
	}
	s.Logf("spoil %d, faults %d", what, s.faults)
}

// request is the button "Sync calendar".
func (s *story) request() {
	c, ok := s.connected(s.boxes[rapid.IntRange(0, len(s.boxes)-1).Draw(s.T, "whose")])
	if ok {
		_ = s.next().syncer.SyncNow(context.Background(), world.Organization, c.ID)
	}
}

// round is some deeds, something that goes wrong, and some time.
func (s *story) round() {
	for range rapid.IntRange(0, 3).Draw(s.T, "deeds") {
		if rapid.IntRange(0, 4).Draw(s.T, "who") < 2 {
			s.book()
		} else {
			s.edit()
		}
		s.Advance(time.Second)
		if rapid.Bool().Draw(s.T, "meanwhile") {
			s.work(0)
		}
	}
	if s.changes && rapid.Bool().Draw(s.T, "changes") {
		s.change()
	}
	if rapid.Bool().Draw(s.T, "spoils") {
		s.spoil()
	}
	if rapid.IntRange(0, 3).Draw(s.T, "asks") == 0 {
		s.request()
	}
	s.work(rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, 2 * time.Minute, 40 * time.Minute, 7 * time.Hour}).Draw(s.T, "for"))
	maps.Copy(s.ours, ids(s.marked(bookings(), users())))
}

// calm lets nothing go wrong any more.
func (s *story) calm() {
	s.faults, s.haunted = 0, 0
	for _, one := range s.processes {
		one.left, one.pause = 0, 0
	}
	s.land()
}

// readAnew lets all that is read be read in full, as it is once a week at the latest.
func (s *story) readAnew() {
	s.anew = true
	for _, b := range s.boxes {
		s.must(s.Graph.Changes().Expire(b.Tenant, b.Address))
	}
}

// told are the messages of a type on the topic, repetitions left out, in order.
func (s *story) told(kind string) (out [][]byte) {
	seen := map[string]bool{}
	for _, m := range s.Broker.Peek(world.Changes) {
		if m.Properties["type"] == kind && !seen[m.ID] {
			seen[m.ID] = true
			out = append(out, m.Body)
		}
	}
	return out
}
