package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// wayBack is a world with one written booking, and the reading of its calendar.
type wayBack struct {
	*edited
	link  string
	fates []downsync.Fate // of the last reading
}

func back(t *testing.T, rule string) *wayBack {
	t.Helper()
	b := &wayBack{edited: edit(t, exchange.Switches{})}
	b.Org.OwnEventsChanged = rule
	b.read() // what we wrote comes back
	return b
}

const ainosBox = "aino@acme.example"

func ainosLane() key.Key { return key.Lane(world.Organization, key.User, "aino") }

// page reads what changed.
func (b *wayBack) page() []graph.Item {
	b.Helper()
	var items []graph.Item
	for {
		p, err := b.Graph.Delta(context.Background(), graph.AppAccess(world.Tenant), graph.DeltaRequest{Mailbox: ainosBox, Link: b.link,
			From: world.Start().AddDate(0, -1, 0), To: world.Start().AddDate(1, 0, 0)})
		if err != nil {
			b.Fatal(err)
		}
		items = append(items, p.Items...)
		if b.link = p.Delta; p.Delta != "" {
			return items
		}
		b.link = p.Next
	}
}

func (b *wayBack) tellTo(e *engine.Engine, items []graph.Item) error {
	b.fates = nil
	for _, i := range items {
		fate, err := e.Changed(context.Background(), world.Organization, ainosLane(), graph.AppAccess(world.Tenant), ainosBox, i)
		if err != nil {
			return err
		}
		b.fates = append(b.fates, fate)
	}
	return nil
}

// read reads the calendar, and lets follow what follows.
func (b *wayBack) read() []graph.Item {
	b.Helper()
	items := b.page()
	b.does(b.tellTo(b.Engine(), items))
	settle(b.T, b.World)
	return items
}

// changed is booking.changed.v1 as a consumer sees it.
type changed struct {
	ID   string `json:"id"`
	Data struct {
		Booking, User, Change, Rule string
		Revision                    int64
		Fields                      map[string]struct{ Old, New any }
	} `json:"data"`
}

// told are the changes told so far, repetitions left out.
func (b *wayBack) told() []changed {
	b.Helper()
	for _, m := range b.Broker.Peek(world.Changes) {
		if m.Subject == "calbridge.booking.changed.v1" {
			valid(b.T, m.Body)
		}
	}
	return changesIn(b.T, b.World)
}

func changesIn(t tester, w *world.World) []changed {
	t.Helper()
	var out []changed
	seen := map[string]bool{}
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject != "calbridge.booking.changed.v1" {
			continue
		}
		var c changed
		if err := json.Unmarshal(m.Body, &c); err != nil {
			t.Fatal(err)
		}
		if !seen[c.ID] {
			out = append(out, c)
		}
		seen[c.ID] = true
	}
	return out
}

func (b *wayBack) expectTold(changes ...string) {
	b.Helper()
	var got []string
	for _, c := range b.told() {
		names := []string{}
		for name := range c.Data.Fields {
			names = append(names, name)
		}
		slices.Sort(names)
		got = append(got, strings.Join(strings.Fields(c.Data.Change+" "+strings.Join(names, ",")+" by "+c.Data.Rule), " "))
	}
	if fmt.Sprint(got) != fmt.Sprint(changes) {
		b.Errorf("told\n%q, want\n%q", got, changes)
	}
}

func at(hour int) exchange.Time {
	return exchange.Time{DateTime: fmt.Sprintf("2026-12-02T%02d:00:00", hour), Zone: "UTC"}
}

func TestWhatWeWroteComesBackAndCausesNothing(t *testing.T) {
	for _, how := range everyRewriting {
		t.Run(how.String(), func(t *testing.T) {
			b := &wayBack{edited: edit(t, exchange.Switches{Rewriting: how})}
			b.Org.OwnEventsChanged = "product"
			for i := range 3 {
				b.read()
				if len(b.fates) != 1 || b.fates[0] != downsync.Echo {
					t.Errorf("fates %v", b.fates)
				}
				b.book(map[string]any{"title": fmt.Sprint("Title  ", i), "description": map[string]any{"text": fmt.Sprint("Seat & <1A> \n\t", i)},
					"location": map[string]any{"name": " HEL  T2 "}, "url": "https://travel.example/?a=1&b=2"})
			}
			b.expectTold()
		})
	}
}

func TestAllDayEventsAndThoseOfWindowsZonesComeBackAsTheyWere(t *testing.T) {
	for _, zone := range []string{"Asia/Tokyo", "America/New_York", "UTC", "Pacific/Auckland"} {
		for _, allDay := range []bool{false, true} {
			b := back(t, "report")
			hour := "T02:30:00"
			if allDay {
				hour = "T00:00:00"
			}
			b.book(map[string]any{"allDay": allDay, "start": map[string]any{"dateTime": "2027-03-28" + hour, "timeZone": zone},
				"end": map[string]any{"dateTime": "2027-03-29" + hour, "timeZone": zone}})
			b.read()
			b.expectTold()
		}
	}
}

// What people may do to an event, one at a time, and what follows under each rule.
func TestEveryFieldThatPeopleChangeIsTold(t *testing.T) {
	series := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1},
		Range: exchange.Range{Type: "numbered", StartDate: "2026-12-01", Count: 3}}
	tests := []struct {
		name     string
		change   exchange.Change
		told     string // "" is nothing
		product  string // rule that product comes to
		restored bool   // under product
	}{
		{"times", exchange.Change{Start: ptr(at(9)), End: ptr(at(10))}, "moved end,start", "product", true},
		{"end", exchange.Change{End: ptr(at(9))}, "moved end", "product", true},
		{"all day", exchange.Change{AllDay: ptr(true), Start: ptr(exchange.Time{DateTime: "2026-12-01T00:00:00", Zone: "UTC"}), End: ptr(exchange.Time{DateTime: "2026-12-02T00:00:00", Zone: "UTC"})},
			"moved allDay,end,start", "product", true},
		{"title", exchange.Change{Subject: ptr("Mine")}, "edited title", "product", true},
		{"title in other case", exchange.Change{Subject: ptr("B R1")}, "edited title", "product", true},
		{"place", exchange.Change{Locations: &[]exchange.Location{{Name: "Home"}}}, "edited location", "product", true},
		{"our text taken out", exchange.Change{Body: &exchange.Body{Content: "<p>all mine</p>"}}, "edited description", "product", true},
		{"everything taken out", exchange.Change{Body: &exchange.Body{Content: ""}}, "edited description", "product", true},
		{"our text changed", exchange.Change{Body: &exchange.Body{Content: "<div>[calbridge]</div><p>Seat 9F</p><div>[/calbridge]</div>"}}, "edited description", "product", true},
		{"show-as", exchange.Change{ShowAs: ptr("oof")}, "edited showAs", "report", false},
		{"sensitivity", exchange.Change{Sensitivity: ptr("private")}, "edited sensitivity", "report", false},
		{"made a series", exchange.Change{Recurrence: &series}, "edited recurring", "report", false},
		{"reminder", exchange.Change{ReminderMinutes: ptr(240)}, "", "", false},
		{"no reminder", exchange.Change{ReminderOn: ptr(false)}, "", "", false},
		{"categories", exchange.Change{Categories: &[]string{"Mine"}}, "", "", false},
		{"importance", exchange.Change{Importance: ptr("high")}, "", "", false},
		{"online meeting", exchange.Change{OnlineMeeting: ptr(true)}, "", "", false},
	}
	for _, test := range tests {
		for _, rule := range []string{"report", "product", "outlook"} {
			t.Run(test.name+" under "+rule, func(t *testing.T) {
				b := back(t, rule)
				before := b.ours()
				if _, err := b.owner.Change(b.id, test.change); err != nil {
					t.Fatal(err)
				}
				edited := b.ours()
				b.read()
				by := rule
				if rule == "product" {
					by = test.product
				}
				want := []string{}
				if test.told != "" {
					want = append(want, test.told+" by "+by)
				}
				b.expectTold(want...)
				after := b.ours()
				if rule == "product" && test.restored {
					if after.Subject != before.Subject || after.Start != before.Start || after.End != before.End || after.AllDay != before.AllDay ||
						fmt.Sprint(after.Locations) != fmt.Sprint(before.Locations) || !strings.Contains(after.Body, "Seat 1A") {
						t.Errorf("is not as it was: %+v", after)
					}
				} else if after.ChangeKey != edited.ChangeKey {
					t.Errorf("was written to: %+v", after)
				}
				for range 2 {
					b.read()
				}
				b.expectTold(want...)
			})
		}
	}
}

func TestTextAroundOursIsNobodysBusiness(t *testing.T) {
	for _, how := range everyRewriting {
		b := &wayBack{edited: edit(t, exchange.Switches{Rewriting: how})}
		b.Org.OwnEventsChanged = "product"
		b.read()
		b.does(b.owner.WriteAround(b.id, "<p>bring the <b>passport</b></p>", "<p>and &lt;cash&gt;</p>"), b.owner.Meet(b.id))
		b.read()
		b.expectTold()
	}
}

func TestAMoveTellsBothTimesInTheBookingsZones(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Move(b.id, at(9), at(10)))
	b.read()
	first := b.told()[0]
	if first.Data.Booking != "b" || first.Data.User != "aino" || first.Data.Revision != 1 {
		t.Errorf("%+v", first)
	}
	for name, want := range map[string]string{
		"start": "{map[dateTime:2026-12-01T16:05:00 timeZone:Europe/Helsinki] map[dateTime:2026-12-02T11:00:00 timeZone:Europe/Helsinki]}",
		"end":   "{map[dateTime:2026-12-01T17:20:00 timeZone:Europe/London] map[dateTime:2026-12-02T10:00:00 timeZone:Europe/London]}",
	} {
		if got := fmt.Sprint(first.Data.Fields[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A6: what people wrote is told as far as the organisation lets their calendars be told.
func TestTextsArePrivateAsAppointmentsAre(t *testing.T) {
	type values struct{ title, place any }
	for privacy, want := range map[string]values{"nothing": {}, "busy": {}, "title": {title: "Surgeon"}, "all": {"Surgeon", "Meilahti"}} {
		for _, sensitivity := range []string{"normal", "private", "confidential"} {
			t.Run(privacy+" "+sensitivity, func(t *testing.T) {
				b := back(t, "report")
				b.Org.DownSync.Privacy = privacy
				_, err := b.owner.Change(b.id, exchange.Change{Subject: ptr("Surgeon"), Locations: &[]exchange.Location{{Name: "Meilahti"}},
					Sensitivity: &sensitivity, Body: &exchange.Body{Content: "my illness"}, Attendees: &[]exchange.Attendee{{Address: exchange.Address{Name: "Wife", Address: "wife@home.example"}}}})
				b.does(err)
				b.read()
				got := b.told()[0].Data.Fields
				w := want
				if sensitivity != "normal" {
					w = values{}
				}
				if got["title"].New != w.title || got["location"].New != w.place {
					t.Errorf("title %v, location %v, want %+v", got["title"], got["location"], w)
				}
				for _, m := range b.Broker.Peek(world.Changes) {
					if text := string(m.Body); strings.Contains(text, "wife") || strings.Contains(text, "illness") {
						t.Errorf("told: %s", text)
					}
				}
			})
		}
	}
}

func TestALaterRevisionMergesIntoWhatWasReportedAndOverwritesWhatWaitedForIt(t *testing.T) {
	for rule, start := range map[string]string{"report": "2026-12-02T09:00:00", "outlook": "2026-12-01T16:05:00"} {
		b := back(t, rule)
		b.does(b.owner.Move(b.id, at(9), at(10)), b.owner.Remind(b.id, 240))
		b.read()
		b.book(map[string]any{"title": "New title"})
		if e := b.ours(); e.Start.DateTime != start || e.Subject != "New title" || e.ReminderMinutes != 240 {
			t.Errorf("%s: %v, %s, %d", rule, e.Start, e.Subject, e.ReminderMinutes)
		}
		b.read()
		b.expectTold("moved end,start by " + rule)
	}
}

func TestWhatPeopleChangeBackIsToldAndNotMendedAnyMore(t *testing.T) {
	b := back(t, "outlook")
	was := b.ours()
	b.does(b.owner.Retitle(b.id, "Mine"))
	b.read()
	b.does(b.owner.Retitle(b.id, was.Subject))
	b.read()
	b.expectTold("edited title by outlook", "edited title by outlook")
	if m := b.row().Heard.Mend; m != (state.Mend{}) {
		t.Errorf("%+v is still to be written again", m)
	}
}

func (b *wayBack) row() state.Delivery {
	b.Helper()
	row, err := state.NewLanes(b.Tables).Delivery(context.Background(), ainosLane(), key.Delivery(world.Organization, "b", key.User, "aino"))
	if err != nil {
		b.Fatal(err)
	}
	return row
}

// Nothing goes round in circles: a tool that writes again what is put back is let be
// after a few times, with an alert, and gets another chance an hour later.
func TestAFightForAnEventIsGivenUpWithAnAlert(t *testing.T) {
	b := back(t, "product")
	alerts := func() (n int) {
		for _, m := range b.Broker.Peek(world.Changes) {
			if m.Subject == "calbridge.alert.v1" && strings.Contains(string(m.Body), "event-contested") {
				valid(t, m.Body)
				n++
			}
		}
		return n
	}
	for n := range 6 {
		b.does(b.owner.Retitle(b.id, fmt.Sprint("Mine ", n)))
		b.read()
	}
	rules := ""
	for _, c := range b.told() {
		rules += c.Data.Rule[:1]
	}
	if rules != "ppprrr" || alerts() != 1 {
		t.Errorf("rules %s, %d alerts", rules, alerts())
	}
	b.does(b.owner.Move(b.id, at(9), at(10)))
	b.read()
	if all := b.told(); all[len(all)-1].Data.Rule != "product" {
		t.Errorf("another field: %+v", all[len(all)-1])
	}
	b.Advance(time.Hour)
	b.does(b.owner.Retitle(b.id, "Mine"))
	b.read()
	if all := b.told(); all[len(all)-1].Data.Rule != "product" || b.ours().Subject != "b r1" {
		t.Errorf("an hour later: %+v", all[len(all)-1])
	}
}
