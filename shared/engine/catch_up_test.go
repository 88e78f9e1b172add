package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// stored stores the organisation as it is, so that it is listed.
func (r *rig) stored() {
	r.t.Helper()
	_, err := state.NewOrganizations(r.tables, func() time.Time { return r.now }).Change(context.Background(), acme,
		func(*organization.Organization, string) (organization.Organization, error) { return r.org, nil })
	if err != nil {
		r.t.Fatal(err)
	}
}

// older makes the row of a connection what a build without down-sync stored.
func (r *rig) older(c connection.Connection) {
	r.t.Helper()
	row := r.row(c.ID)
	row.Ordered = ""
	if _, err := state.NewConnections(r.tables).Put(context.Background(), row.Connection, nil, row.ETag); err != nil {
		r.t.Fatal(err)
	}
}

// Connections that are to be read and of which no reading was ever ordered, because an
// older build stored them, are on the agenda within a day: their reading and subscription
// are ordered, once, and nothing of the others'.
func TestConnectionsOfAnOlderBuildAreReadWithinADay(t *testing.T) {
	r := newRig(t, "planning")
	r.stored()
	var old []connection.Connection
	for i := range 250 { // more than a page
		old = append(old, r.connect(fmt.Sprint("u", i), fmt.Sprint("a", i), connection.Both))
		if i%50 == 0 {
			r.settle()
		}
	}
	fresh := r.connect("aino", "work", connection.Down)
	up := r.connect("bert", "up", connection.Up)
	r.settle()
	for _, c := range old {
		r.older(c)
	}
	others := r.row(fresh.ID).ETag + r.row(up.ID).ETag
	if err := r.engine().KeepAlive(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 4 { // pages, persons
		r.settle()
	}
	for _, c := range old {
		if r.row(c.ID).Ordered == "" { // it is noted when the order was sent
			t.Fatalf("%s was not ordered to be read", c.User)
		}
	}
	if r.row(fresh.ID).ETag+r.row(up.ID).ETag != others {
		t.Error("others were ordered anew")
	}
}

// The connections are listed once a day, whatever the timer does.
func TestConnectionsAreLookedThroughOnceADay(t *testing.T) {
	r := newRig(t, "planning")
	r.stored()
	looks := func() (n int) {
		for _, m := range r.broker.Peek(queue.MailboxTasks) {
			if task, err := queue.ReadTask(m.Message, 0); err == nil && task.Cause == "catch-up" {
				n++
			}
		}
		return n
	}
	for hour := range 49 {
		before := looks()
		if err := r.engine().KeepAlive(context.Background()); err != nil {
			t.Fatal(err)
		}
		if ran := looks() > before; ran != (hour%24 == 0) {
			t.Errorf("hour %d: looked through: %v", hour, ran)
		}
		r.advance(time.Hour)
	}
}

// After an outage that is longer than the hourly timer looks back, the tokens are renewed again.
func TestATimerThatDidNotRunForTwoWeeksForgetsNobody(t *testing.T) {
	r := newRig(t, "planning")
	r.stored()
	c := r.connect("aino", "work", connection.Up)
	r.advance(14 * 24 * time.Hour)
	r.refreshes = nil
	r.hours(24)
	if len(r.refreshes) == 0 {
		t.Fatal("not refreshed")
	}
	r.refreshes = nil
	r.hours(48)
	if len(r.refreshes) != 2 || r.now.Sub(r.row(c.ID).LastRefresh) > 25*time.Hour {
		t.Errorf("%d refreshes in two days", len(r.refreshes))
	}
}

// What is ordered to be read has its turn whatever becomes of the order, which may be given
// up before anybody has read it.
func TestACalendarHasItsTurnThoughItsFirstReadingIsNeverBegun(t *testing.T) {
	for direction, want := range map[connection.Direction]int{connection.Both: 1, connection.Down: 1, connection.Up: 0} {
		r := newRig(t, "planning")
		c := r.connect("aino", "work", direction)
		found := 0
		for slot := r.now.Truncate(state.SyncSlot); slot.Before(r.now.Add(time.Hour)); slot = slot.Add(state.SyncSlot) {
			turns, err := state.NewDue(r.tables).Syncs(context.Background(), slot)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range turns {
				if one.Connection != c.ID || one.Organization != acme || one.Session != downsync.Session(r.row(c.ID).Connection) || one.Down == (direction == connection.Both) || one.At.Before(r.now) {
					t.Errorf("%+v", one)
				}
				found++
			}
		}
		if found != want {
			t.Errorf("%s: %d turns, want %d", direction, found, want)
		}
	}
}
