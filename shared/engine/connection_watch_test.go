package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// endings notes what was ended, and whether its tokens were there.
type endings struct {
	r    *rig
	err  error
	said []string
}

func (e *endings) End(_ context.Context, c connection.Connection) error {
	e.said = append(e.said, fmt.Sprintf("%v %d", c.ID, len(e.r.row(c.ID).Sealed)))
	return e.err
}

func (r *rig) ending(e *endings) *engine.Engine {
	return engine.New(engine.Effects{Tables: r.tables, Bus: r.broker.Sender(), Calendar: r, Organizations: r, Endings: e},
		&engine.Options{PublicURL: "https://calendar.example.com", Now: func() time.Time { return r.now }})
}

func TestASubscriptionEndsWhileTheTokensAreThere(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Both)
	sealed := len(r.row(c.ID).Sealed)
	refusing := &endings{r: r, err: errors.New("the bus is down")}
	if err := r.ending(refusing).Disconnect(t.Context(), acme, c.ID, nil); !errors.Is(err, refusing.err) || len(r.row(c.ID).Sealed) != sealed {
		t.Errorf("%v: the tokens went without it", err)
	}
	e := &endings{r: r}
	if err := r.ending(e).Disconnect(t.Context(), acme, c.ID, nil); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%v %d", c.ID, sealed); sealed == 0 || len(e.said) != 1 || e.said[0] != want {
		t.Errorf("%q, want %q", e.said, want)
	}
}

// orders are the tasks about subscriptions that wait, as "connection cause".
func (r *rig) orders() (all []string) {
	r.t.Helper()
	for _, m := range r.broker.Peek(queue.MailboxTasks) {
		var t struct{ Op, Organization, Connection, Cause string }
		if err := json.Unmarshal(m.Body, &t); err != nil {
			r.t.Fatal(err)
		}
		if t.Op == subscribe.OpSubscribe {
			all = append(all, t.Connection+" "+t.Cause)
		}
	}
	return all
}

// What changes the reading of calendars orders their subscription, once; what does not
// orders nothing.
func TestTheSubscriptionFollowsTheConnection(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	if got := r.orders(); len(got) != 0 {
		t.Errorf("direction up: %q", got)
	}
	turn := func(d connection.Direction) {
		t.Helper()
		if _, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, engine.ConnectionChange{Direction: &d}, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := 0
	for _, d := range []connection.Direction{connection.Both, connection.Up, connection.Both, connection.None} {
		turn(d)
		turn(d)
		if want++; len(r.orders()) != want || r.orders()[want-1] != c.ID.String()+" follow" {
			t.Errorf("to %s: %q", d, r.orders())
		}
	}
}

// Consent that is lost, sync that is switched off: subscriptions end at once.
func TestWhatClosesCalendarsOrdersALookAtAllSubscriptions(t *testing.T) {
	r := newRig(t, "travel")
	if err := r.engine().Rewatch(t.Context(), acme, "settings"); err != nil {
		t.Fatal(err)
	}
	if got := r.orders(); len(got) != 1 || got[0] != " settings" {
		t.Errorf("%q", got)
	}
}

func TestOtherSettingsOrderALookAtAllSubscriptions(t *testing.T) {
	r := newRig(t, "travel")
	if err := r.engine().Reconcile(t.Context(), acme, "settings"); err != nil {
		t.Fatal(err)
	}
	if got := r.orders(); len(got) != 1 || got[0] != " settings" {
		t.Errorf("%q", got)
	}
}
