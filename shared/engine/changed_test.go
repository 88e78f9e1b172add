package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// way back is a world with one written booking, and the reading of its calendar.
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
	return toldIn(b.T, b.World)
}

func toldIn(t *testing.T, w *world.World) []changed {
	t.Helper()
	var out []changed
	seen := map[string]bool{}
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject != "calbridge.booking.changed.v1" {
			continue
		}
		valid(t, m.Body)
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

var _ = []any{errors.New, time.Now, event.All, queue.Changes, state.Live}

func TestWhatWeWroteComesBackAndCausesNothing(t *testing.T) {
	for _, how := range everyRewriting {
		b := &wayBack{edited: edit(t, exchange.Switches{Rewriting: how})}
		for i := range 3 {
			b.read()
			if len(b.fates) != 1 || b.fates[0] != downsync.Echo {
				t.Errorf("%s: fates %v", how, b.fates)
			}
			b.book(map[string]any{"title": fmt.Sprint("Title ", i), "description": map[string]any{"text": fmt.Sprint("Seat & <1A>\n", i)}})
		}
		b.expectTold()
	}
}

func TestAMovedEventIsReported(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Move(b.id, at(9), at(10)))
	b.read()
	b.expectTold("moved end,start by report")
	first := b.told()[0]
	if got := fmt.Sprint(first.Data.Fields["start"]); got != "{map[dateTime:2026-12-01T16:05:00 timeZone:Europe/Helsinki] map[dateTime:2026-12-02T11:00:00 timeZone:Europe/Helsinki]}" {
		t.Errorf("start: %s", got)
	}
	b.read()
	b.expectTold("moved end,start by report")
	if e := b.ours(); e.Start.DateTime != "2026-12-02T09:00:00" {
		t.Errorf("start is %v", e.Start)
	}
}

func TestAMovedEventIsPutBack(t *testing.T) {
	b := back(t, "product")
	b.does(b.owner.Move(b.id, at(9), at(10)), b.owner.Remind(b.id, 240), b.owner.Categorize(b.id, "Mine"))
	b.read()
	b.expectTold("moved end,start by product")
	if e := b.ours(); e.Start.DateTime != "2026-12-01T16:05:00" || e.ReminderMinutes != 240 || len(e.Categories) != 1 {
		t.Errorf("%v, %d, %v", e.Start, e.ReminderMinutes, e.Categories)
	}
	b.read()
	b.expectTold("moved end,start by product")
}

func TestADeletedEventIsToldAndStaysDeletedForThisRevision(t *testing.T) {
	b := back(t, "product")
	b.does(b.owner.Delete(b.id))
	b.read()
	b.expectTold("deleted by time")
	expect(t, b.World, "b", "aino", "skipped", "removed-by-user")
	b.read()
	b.expectTold("deleted by time")
}
