package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

func TestADeletedEventIsToldOnceAndStaysDeletedAsTheOrganisationSays(t *testing.T) {
	for recreate, again := range map[string]string{"never": "skipped", "time": "skipped", "always": "written"} {
		for _, rule := range []string{"report", "product", "outlook"} {
			b := back(t, rule)
			b.Org.RecreateRemoved = recreate
			b.does(b.owner.Delete(b.id))
			b.read()
			if b.fates[0] != downsync.Handled {
				t.Errorf("fates %v", b.fates)
			}
			b.expectTold("deleted by " + recreate)
			expect(t, b.World, "b", "aino", "skipped", "removed-by-user")
			b.does(b.tellTo(b.Engine(), []graph.Item{{ID: b.id, Removed: true}}))
			settle(t, b.World)
			send(t, b.World, bookingOf(t, "b", 2, nil))
			settle(t, b.World)
			b.read()
			if last, _ := b.Last("b", "aino"); last.State != again {
				t.Errorf("%s: %+v", recreate, last)
			}
			b.expectTold("deleted by " + recreate)
		}
	}
}

// A2: what only seems gone is not.
func TestWhatIsThereAfterAllIsNotDeleted(t *testing.T) {
	b := back(t, "product")
	gone := []graph.Item{{ID: b.id, Removed: true}}
	b.does(b.tellTo(b.Engine(), gone))
	if settle(t, b.World); b.fates[0] != downsync.Echo {
		t.Errorf("fates %v", b.fates)
	}
	b.does(b.owner.Move(b.id, exchange.Time{DateTime: "2031-01-01T09:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2031-01-01T10:00:00", Zone: "UTC"}))
	items := b.read()
	if len(items) != 1 || !items[0].Removed {
		t.Fatalf("out of the window: %+v", items)
	}
	b.expectTold("moved end,start by product")
	if e := b.ours(); e.Start.DateTime != "2026-12-01T16:05:00" {
		t.Errorf("start %v", e.Start)
	}
}

// emptyReader finds nothing.
type emptyReader struct{ graph.Reader }

func (emptyReader) Read(context.Context, graph.Access, string, string) (graph.Item, error) {
	return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: 404}
}

// with is an engine over the world whose reader is another one.
func (b *wayBack) with(r graph.Reader) *engine.Engine {
	return engine.New(engine.Effects{Tables: b.Tables, Bus: b.Bus, Calendar: b.Calendar, Reader: r, Organizations: b.World},
		&engine.Options{PublicURL: "https://calendar.example.com", Now: b.Now, Parallel: 1})
}

func TestAnEventThatComesBackBeforeTheLaneLooksIsNotDeleted(t *testing.T) {
	b := back(t, "report")
	b.does(b.tellTo(b.with(emptyReader{b.Graph}), []graph.Item{{ID: b.id, Removed: true}}))
	if !b.row().Heard.Mend.Gone {
		t.Fatal("nothing was ordered")
	}
	settle(t, b.World)
	b.expectTold()
	expect(t, b.World, "b", "aino", "written", "", "b r1")
	if m := b.row().Heard.Mend; m != (state.Mend{}) {
		t.Errorf("the order stands: %+v", m)
	}
}

// A mailbox that lost all it held says so of one event after the other.
func TestAMailboxThatWasEmptiedIsHeldAndNothingIsToldAsDeleted(t *testing.T) {
	for _, n := range []int{15, 27} {
		b := &wayBack{edited: &edited{T: t, World: many(t, n)}}
		b.read()
		emptied(t, b.World, n)
		b.read()
		b.expectTold()
		expectHeld(t, b.World, n)
	}
}

func TestAFewDeletionsAreNotHeld(t *testing.T) {
	b := &wayBack{edited: &edited{T: t, World: many(t, 15)}}
	b.read()
	emptied(t, b.World, 9)
	b.read()
	if n := len(b.told()); n != 9 {
		t.Errorf("%d told, want 9", n)
	}
}

// What was written and deleted again between two readings is known to who wrote it.
func TestAnEventThatNoPageEverShowedIsToldAsDeletedOnce(t *testing.T) {
	b := back(t, "report")
	began := b.Now()
	b.Advance(time.Minute)
	send(t, b.World, bookingOf(t, "c", 1, nil))
	settle(t, b.World)
	made := b.Ours("c", "aino")
	if len(made) != 1 {
		t.Fatalf("%d events", len(made))
	}
	b.does(b.owner.Delete(made[0].ID))
	if items := b.page(); len(items) != 0 {
		t.Fatalf("a page shows %+v", items)
	}
	ask := func() []graph.Item {
		lately, err := b.Engine().Written(context.Background(), ainosLane(), ainosBox, began)
		b.does(err)
		var items []graph.Item
		for _, w := range lately {
			items = append(items, graph.Item{ID: w.ID, Removed: true})
		}
		return items
	}
	items := ask()
	if len(items) != 1 || items[0].ID != made[0].ID {
		t.Fatalf("written lately: %+v", items)
	}
	for range 2 {
		b.does(b.tellTo(b.Engine(), items))
		settle(t, b.World)
	}
	b.expectTold("deleted by time")
	if items := ask(); len(items) != 0 {
		t.Errorf("still written: %+v", items)
	}
}
