package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/graph"
)

func (b *wayBack) restore(id string) {
	b.Helper()
	b.does(b.Engine().Restore(context.Background(), world.Organization, ainosLane(), graph.AppAccess(world.Tenant), ainosBox, id))
}

// A2: what a person restores is made again, whatever the organisation says of events that
// people deleted, and nothing is told of a deletion.
func TestARestoredEventIsMadeAgain(t *testing.T) {
	for _, recreate := range []string{"never", "time", "always"} {
		b := back(t, "report")
		b.Org.RecreateRemoved = recreate
		b.does(b.owner.Delete(b.id))
		for range 2 { // a kill in between repeats it
			b.restore(b.id)
		}
		settle(t, b.World)
		expect(t, b.World, "b", "aino", "written", "", "b r1")
		if e := b.ours(); e.ID == b.id {
			t.Errorf("%s: it has its old id", recreate)
		}
		b.expectTold()
		// The page comes as well, and later again.
		b.read()
		b.restore(b.id)
		settle(t, b.World)
		b.expectTold()
		expect(t, b.World, "b", "aino", "written", "", "b r1")
		// A deletion after that is one.
		b.does(b.owner.Delete(b.ours().ID))
		b.read()
		b.expectTold("deleted by " + recreate)
		expect(t, b.World, "b", "aino", "skipped", "removed-by-user")
	}
}

func TestRestoringLeavesAloneWhatIsThereAndWhatIsNotOurs(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Retitle(b.id, "Mine"))
	for _, id := range []string{b.id, "AAMkUnknown"} {
		b.restore(id)
		settle(t, b.World)
	}
	if got := b.ours().Subject; got != "Mine" || b.row().Debt != "" {
		t.Errorf("%q, row %+v", got, b.row())
	}
}

// An order to ask for an event that is gone becomes one to restore it.
func TestARestoredEventIsMadeAgainThoughItsDeletionWasOrderedToBeLookedAt(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Delete(b.id))
	b.does(b.tellTo(b.Engine(), b.page()))
	if !b.row().Heard.Mend.Gone {
		t.Fatal("nothing was ordered")
	}
	b.restore(b.id)
	settle(t, b.World)
	b.expectTold()
	expect(t, b.World, "b", "aino", "written", "", "b r1")
}

// A whole mailbox that the lane holds comes back.
func TestAMailboxThatIsHeldIsRestored(t *testing.T) {
	const n = 27
	b := &wayBack{edited: &edited{T: t, World: many(t, n)}}
	b.read()
	var ids []string
	for i := range n {
		ids = append(ids, b.Ours(fmt.Sprintf("b%02d", i), "aino")[0].ID)
	}
	emptied(t, b.World, n)
	b.read()
	expectHeld(t, b.World, n)
	for _, id := range ids {
		b.restore(id)
	}
	settle(t, b.World)
	for i := range n {
		if all := b.Ours(fmt.Sprintf("b%02d", i), "aino"); len(all) != 1 {
			t.Errorf("b%02d: %d events", i, len(all))
		}
	}
	b.expectTold()
}
