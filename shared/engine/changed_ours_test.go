package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// I4: a copy that a user made of our event is the user's, whatever it carries.
func TestACopyOfOurEventIsTheUsers(t *testing.T) {
	b := back(t, "product")
	copied, err := b.owner.Paste(b.id, at(9), at(10))
	b.does(err)
	send(t, b.World, bookingOf(t, "b", 2, nil)) // the lane owes
	take(t, b.World)
	items := b.page()
	b.does(b.tellTo(b.Engine(), items))
	if len(items) != 1 || items[0].ID != copied.ID || b.fates[0] != downsync.Foreign {
		t.Errorf("%+v is %v", items, b.fates)
	}
	b.expectTold()
}

func TestAnEventOfTheUsersIsForeignWhetherTheLaneOwesOrNot(t *testing.T) {
	b := back(t, "product")
	for _, owes := range []bool{false, true} {
		if owes {
			send(t, b.World, bookingOf(t, "c", 1, nil))
			take(t, b.World)
		}
		made, err := b.owner.Create(exchange.Change{Subject: ptr("Dentist"), Start: ptr(at(9)), End: ptr(at(10))})
		b.does(err)
		items := b.page()
		b.does(b.tellTo(b.Engine(), append(items, graph.Item{ID: made.ID + "=", Removed: true})))
		if len(items) != 1 || fmt.Sprint(b.fates) != fmt.Sprint([]downsync.Fate{downsync.Foreign, downsync.Foreign}) {
			t.Errorf("owes %v: %v", owes, b.fates)
		}
	}
	b.expectTold()
}

// I6: an event whose making is not confirmed yet is ours all the same.
func TestAnEventWhoseMakingIsInDoubtIsNoAppointment(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	b := &wayBack{edited: &edited{T: t, World: w}}
	w.Step(k, world.KillAfter)
	items := b.page()
	b.does(b.tellTo(w.Engine(), items))
	if len(items) != 1 || b.fates[0] != downsync.Echo {
		t.Errorf("%d items, fates %v", len(items), b.fates)
	}
	settle(t, w)
	b.read()
	b.expectTold()
	if b.fates[0] != downsync.Echo {
		t.Errorf("fates %v", b.fates)
	}
}

func TestAPatchInDoubtIsNoPersonsDoing(t *testing.T) {
	for _, overtaken := range []bool{false, true} {
		b := back(t, "product")
		revise(t, b.World, 2, "B")
		k := begin(t, b.World, world.Write)
		until(t, b.World, k, "graph patch")
		b.Step(k, world.KillAfter)
		if overtaken {
			revise(t, b.World, 3, "C")
			next := begin(t, b.World, world.Write)
			until(t, b.World, next, "graph patch") // the intent is overtaken, B is still there
		}
		b.does(b.tellTo(b.Engine(), b.page()))
		if b.fates[0] != downsync.Echo {
			t.Errorf("overtaken %v: fates %v", overtaken, b.fates)
		}
		b.Finish()
		settle(t, b.World)
		b.read()
		b.expectTold()
	}
}

// An edit between the look and the repair, and a repair while a revision is written.
func TestAnEditWhileTheLaneIsAtWorkIsPutBackAllTheSame(t *testing.T) {
	for _, stop := range []string{"apply lanes", "graph patch", "send changes", "apply ledger"} {
		t.Run(stop, func(t *testing.T) {
			b := back(t, "product")
			revise(t, b.World, 2, "B")
			k := begin(t, b.World, world.Write)
			until(t, b.World, k, stop)
			b.does(b.owner.Move(b.id, at(9), at(10)))
			b.does(b.tellTo(b.Engine(), b.page()))
			b.Finish()
			settle(t, b.World)
			b.read()
			if e := b.ours(); e.Start.DateTime != "2026-12-01T16:05:00" || e.Subject != "B" {
				t.Errorf("%v, %q", e.Start, e.Subject)
			}
			b.expectTold("moved end,start by product")
			if row := b.row(); row.Debt != "" || row.Heard.Mend != (state.Mend{}) {
				t.Errorf("%+v", row)
			}
		})
	}
}

func TestAPageThatIsOlderThanOurRepairCausesNothing(t *testing.T) {
	b := back(t, "product")
	b.does(b.owner.Move(b.id, at(9), at(10)))
	old := b.page()
	b.does(b.tellTo(b.Engine(), old))
	settle(t, b.World)
	for range 3 {
		b.does(b.tellTo(b.Engine(), old))
		settle(t, b.World)
	}
	if b.fates[0] != downsync.Echo {
		t.Errorf("fates %v", b.fates)
	}
	b.expectTold("moved end,start by product")
}

func TestADayOfAnEventThatWasMadeASeriesIsNoAppointment(t *testing.T) {
	b := back(t, "product")
	series := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1}, Range: exchange.Range{Type: "numbered", StartDate: "2026-12-01", Count: 3}}
	_, err := b.owner.Change(b.id, exchange.Change{Recurrence: &series})
	b.does(err)
	days := []string{}
	for _, i := range b.read() {
		if i.Kind == graph.Occurrence {
			days = append(days, i.ID)
		}
	}
	if len(days) != 3 {
		t.Fatalf("%d days", len(days))
	}
	b.does(b.owner.Retitle(days[1], "A day of mine"))
	b.read()
	for n, fate := range b.fates {
		if fate == downsync.Foreign {
			t.Errorf("item %d is foreign", n)
		}
	}
	b.expectTold("edited recurring by report")
}

// A row of an older build remembers nothing but fingerprints.
func TestARowOfAnOlderBuildTellsPeoplesChangesFromOurs(t *testing.T) {
	for _, edits := range []bool{false, true} {
		b := back(t, "product")
		row := b.row()
		u := state.Update{Before: row, After: row}
		u.After.Sight, u.After.ChangeKey = "", "older"
		if _, err := state.NewLanes(b.Tables).Save(context.Background(), ainosLane(), []state.Update{u}, nil); err != nil {
			t.Fatal(err)
		}
		want := []string{}
		b.does(b.owner.Remind(b.id, 5))
		if edits {
			b.does(b.owner.Retitle(b.id, "Mine"))
			want = []string{"edited title by product"}
		}
		b.read()
		b.expectTold(want...)
	}
}

func TestAMoveOfMailboxIsNobodysDeletion(t *testing.T) {
	b := back(t, "product")
	b.AddMailbox("aino.new@acme.example")
	b.book(map[string]any{"people": []person{someone("aino").with("email", "aino.new@acme.example")}})
	b.read() // of the old mailbox
	b.expectTold()
	if got := where(b.World, "b", "aino"); got != "aino.new@acme.example" {
		t.Errorf("lives in %q", got)
	}
}

func TestOurOwnDeletionIsNobodysWheneverItIsSeen(t *testing.T) {
	for _, stop := range []string{"send changes", "apply ledger", "apply lanes", ""} {
		b := back(t, "product")
		send(t, b.World, bookingOf(t, "b", 2, map[string]any{"status": "cancelled"}))
		take(t, b.World)
		k := begin(t, b.World, world.Write)
		until(t, b.World, k, "graph delete")
		b.Step(k, world.Go)
		if stop != "" {
			until(t, b.World, k, stop)
		}
		b.does(b.tellTo(b.Engine(), b.page()))
		b.Finish()
		settle(t, b.World)
		b.expectTold()
		expect(t, b.World, "b", "aino", "removed", "cancelled")
	}
}
