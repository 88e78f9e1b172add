package stories

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/stack"
)

// trip is a booking of one person: two hours of a day, counted from today.
type trip struct {
	Organization, ID, Title, Status, User, Email, Name string
	Revision                                           int64
	Day                                                int
}

func (b trip) event() ([]byte, error) {
	day := time.Now().AddDate(0, 0, b.Day).Format(time.DateOnly)
	return json.Marshal(fields{"specversion": "1.0", "id": "1", "source": "https://booking.example", "type": "calbridge.booking.v1",
		"data": fields{"organization": b.Organization, "id": b.ID, "revision": b.Revision, "status": cmp.Or(b.Status, "confirmed"), "title": b.Title,
			"people": []fields{{"user": b.User, "email": b.Email, "name": b.Name}},
			"start":  fields{"dateTime": day + "T10:00:00"}, "end": fields{"dateTime": day + "T12:00:00"}}})
}

// book sends a booking, which must be accepted.
func (w *world) book(b trip) {
	w.t.Helper()
	event, err := b.event()
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.API().Do(w.t.Context(), http.MethodPost, "bookings", host.FunctionKey, "application/cloudevents+json", event)
	if err != nil || got.Status != http.StatusAccepted {
		w.t.Fatalf("booking %s: %v, status %d: %s", b.ID, err, got.Status, got.Body)
	}
}

// result waits until the topic has a certain result of a booking's revision.
func (w *world) result(b trip, want string) stack.Change {
	w.t.Helper()
	ctx, cancel := w.patiently()
	defer cancel()
	var last stack.Change
	err := w.changes.Wait(ctx, func() bool {
		last, _ = w.changes.Latest(stack.Target{Organization: b.Organization, Booking: b.ID, User: b.User})
		return last.Revision >= b.Revision && last.Result() == want
	})
	if err != nil {
		w.t.Fatalf("%s for %s: %q of revision %d, want %q of %d", b.ID, b.User, last.Result(), last.Revision, want, b.Revision)
	}
	return last
}

// told is what the topic says of connections, in order: "connected", "needs-reauth 700082".
type told struct{ Connection, User, State, Reason, Message string }

// connections are the connection events of a person so far.
func (w *world) connections(user string) (all []told) {
	for _, c := range w.changes.Others() {
		if c.Type != "calbridge.connection.v1" {
			continue
		}
		var event struct{ Data told }
		if err := json.Unmarshal(c.Raw, &event); err != nil {
			w.t.Error(err)
		}
		if event.Data.User == user {
			all = append(all, event.Data)
		}
	}
	return all
}

// hears waits until the topic's last word of a person's connections is a state.
func (w *world) hears(user, state string) told {
	w.t.Helper()
	ctx, cancel := w.patiently()
	defer cancel()
	var last told
	err := w.changes.Wait(ctx, func() bool {
		if all := w.connections(user); len(all) > 0 {
			last = all[len(all)-1]
		}
		return last.State == state
	})
	if err != nil {
		w.t.Fatalf("connection of %s: told %+v, want %q", user, w.connections(user), state)
	}
	return last
}

// file is the calendar file of a result.
func (w *world) file(c stack.Change) []byte {
	w.t.Helper()
	var event struct {
		Data struct{ ICS struct{ Content string } }
	}
	if err := json.Unmarshal(c.Raw, &event); err != nil || event.Data.ICS.Content == "" {
		w.t.Fatalf("%s: no calendar file: %v", c.Booking, err)
	}
	return []byte(event.Data.ICS.Content)
}

// calendar are the events of a mailbox as "subject, showAs", sorted.
func (w *world) calendar(tenant, user string) (all []string) {
	for _, e := range w.M365.Exchange.Events(tenant, user) {
		all = append(all, e.Subject+", "+e.ShowAs)
	}
	slices.Sort(all)
	return all
}

// person is what GET people says of somebody.
type person struct{ User, Email, Mailbox, Connection, Offer string }

func (w *world) person(organization, user string) person {
	w.t.Helper()
	var list struct{ Items []person }
	w.get("organizations/"+organization+"/people?user="+user, &list)
	if len(list.Items) != 1 {
		w.t.Fatalf("people?user=%s: %+v", user, list)
	}
	return list.Items[0]
}

// connected is a connection as the API shows it.
type connected struct {
	ID, User, Direction, Scope, State string
	Account                           struct{ Tenant, Name string }
	Primary                           bool
	Lapses                            int
}

func (w *world) connectionsOf(organization, user string) []connected {
	w.t.Helper()
	var list struct{ Items []connected }
	w.get("organizations/"+organization+"/connections?user="+user, &list)
	return list.Items
}
