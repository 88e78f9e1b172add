package engine_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
)

// readings counts the orders to read a connection's calendars that wait.
func (r *rig) readings(id string) (n int) {
	for _, m := range r.broker.Peek(queue.MailboxTasks) {
		var t struct{ Op, Connection, Cause string }
		if json.Unmarshal(m.Body, &t) == nil && t.Op == downsync.Op && t.Connection == id && t.Cause == downsync.CauseConnect {
			n++
		}
	}
	return n
}

// A calendar is read as soon as it is connected, whenever what is read of it changes, and
// once more when it is not to be read any more, so that it is left (R7).
func TestWhatIsReadOfAnAccountIsOrderedWhenItChanges(t *testing.T) {
	r := newRig(t, "planning")
	c := r.connect("aino", "work", connection.Down)
	id := c.ID.String()
	ordered := func(want int, when string) {
		t.Helper()
		if got := r.readings(id); got != want {
			t.Errorf("%s: %d orders to read, want %d", when, got, want)
		}
		r.settle()
	}
	ordered(1, "connected")
	change := func(x engine.ConnectionChange) {
		t.Helper()
		r.now = r.now.Add(time.Minute)
		if _, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, x, nil); err != nil {
			t.Fatal(err)
		}
	}
	details, up, both := connection.Details, connection.Up, connection.Both
	change(engine.ConnectionChange{Scope: &details})
	ordered(1, "another scope")
	r.folders = []graph.Folder{{ID: "1", Name: "Team", Owner: c.Mailbox}}
	calendars := []connection.Calendar{{ID: "1", Name: "Team"}}
	change(engine.ConnectionChange{Calendars: &calendars})
	ordered(1, "other calendars")
	change(engine.ConnectionChange{Calendars: &calendars})
	ordered(0, "the same calendars")
	change(engine.ConnectionChange{Direction: &up})
	ordered(1, "not read any more")
	change(engine.ConnectionChange{Direction: &both})
	ordered(1, "read again")
	if err := r.engine().Disconnect(t.Context(), acme, c.ID, nil); err != nil {
		t.Fatal(err)
	}
	ordered(1, "disconnected")
}
