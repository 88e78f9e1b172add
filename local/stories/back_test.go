package stories

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/stack"
)

// known are the titles of a person's appointments as a booking app that reads the topic
// knows them, sorted; "-" for one whose title is not told.
func (w *world) known(user string) []string {
	titles := map[string]string{}
	for _, c := range w.said.list() {
		var event struct {
			Data struct{ Change, User, ID, Title string }
		}
		if c.Type != "calbridge.appointment.v1" || json.Unmarshal(c.Raw, &event) != nil || event.Data.User != user {
			continue
		}
		if d := event.Data; d.Change == "deleted" {
			delete(titles, d.ID)
		} else if titles[d.ID] = d.Title; d.Title == "" {
			titles[d.ID] = "-"
		}
	}
	all := []string{}
	for _, title := range titles {
		all = append(all, title)
	}
	slices.Sort(all)
	return all
}

// learns waits until the booking app knows a person's appointments so.
func (w *world) learns(user string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	w.settled(func() bool { return slices.Equal(w.known(user), want) }, func() any { return w.known(user) })
}

// plans puts an appointment of the owner's own into a calendar, the day after tomorrow.
func (w *world) plans(tenant, user, subject, sensitivity string, hour string) {
	w.t.Helper()
	day := w.Clock.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	start, end := exchange.Time{DateTime: day + "T" + hour + ":00:00", Zone: "UTC"}, exchange.Time{DateTime: day + "T" + hour + ":30:00", Zone: "UTC"}
	if _, err := w.M365.Exchange.Owner(tenant, user).Create(exchange.Change{Subject: &subject, Start: &start, End: &end, Sensitivity: &sensitivity}); err != nil {
		w.t.Fatal(err)
	}
}

// connects takes somebody from a link to a connected calendar, for a choice.
func (s *somebody) connects(link, choice, account string) {
	s.t.Helper()
	s.Open(link)
	s.does("Continue", "Connected apps")
	s.does("Connect Outlook calendar", "What should Planner do with this calendar?")
	s.Tick(choice)
	s.Press("Continue to Microsoft")
	s.signsIn(account)
	s.Sees("Permissions requested")
	s.Press("Accept")
	s.at("Is this right?")
	s.does("Yes, connect it", "Your calendar is connected")
}

// The way back: what a planner has in Outlook is known to the booking app as soon as the
// calendar is connected, then within seconds of every edit, and when the planner asks for
// it. The calendar of somebody whose bookings only go up is never listed.
func TestWhatAPlannerChangesInOutlookComesBack(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	const at, upAt = "paula@acme.example", "uma@acme.example"
	w.mailbox(acme, at, "Paula Planner")
	w.read = []string{at}
	w.mailbox(acme, upAt, "Uma Upwards")
	w.organization("plan", fields{"displayName": "Plan & Go", "profile": "planning", "module": true, "timeZone": "Europe/Helsinki",
		"product": fields{"name": "Planner"}, "downSync": fields{"privacy": "title"}})
	w.plans(acme, at, "Team lunch", "normal", "10")
	w.plans(acme, upAt, "Nobody's business", "normal", "10")
	link := func(user, email string) string {
		return w.link(fields{"organization": "plan", "role": "user", "user": user, "email": email})
	}

	paula, uma := people.person(), people.person()
	uma.connects(link("u-uma", upAt), "Write bookings into it. Microsoft", upAt)
	paula.connects(link("u-paula", at), "Write bookings into it, and read it", at)
	w.learns("u-paula", "Team lunch") // by itself (R7)
	paula.does("Connected apps", "Sync calendar")
	paula.Sees("Last read: ")

	// An edit in Outlook, of which no notification comes.
	w.M365.Hub.Set(notify.Switches{ByHand: true})
	outlook := people.person()
	outlook.Open(w.M365.URL() + "/calendars/week?" + url.Values{"tenant": {acme}, "user": {at}}.Encode())
	outlook.Press("Team lunch")
	outlook.Fill("Subject", "Team lunch at the harbour")
	outlook.Press("Retitle")
	outlook.Sees("Team lunch at the harbour")
	paula.does("Sync calendar", "Your calendar is being read.")
	paula.Sees("1 new or changed appointment.") // without a reload
	w.learns("u-paula", "Team lunch at the harbour")

	// Somebody without scripts reloads the page instead.
	plain := people.person()
	plain.WithoutScripts()
	plain.Open(link("u-paula", at))
	plain.does("Continue", "Connected apps")
	w.plans(acme, at, "Dentist", "private", "12")
	w.Advance(6 * time.Second) // after which another order is one of its own
	plain.does("Sync calendar", "Your calendar is being read.")
	w.learns("u-paula", "Team lunch at the harbour", "-")
	plain.Reload()
	plain.Sees("Last read: ")

	// Notifications: nobody asks, and it is known all the same; what is ours is no
	// appointment, and what becomes of it is told as such.
	w.M365.Hub.Set(notify.Switches{})
	shift := trip{Organization: "plan", ID: "J-1", Title: "Shift", User: "u-paula", Email: at, Revision: 1, Day: 3}
	w.book(shift)
	w.result(shift, "written")
	w.plans(acme, at, "Car service", "normal", "14")
	w.notified()
	w.learns("u-paula", "Team lunch at the harbour", "-", "Car service")
	for _, e := range w.M365.Exchange.Events(acme, at) {
		if e.Subject == "Shift" {
			if err := w.M365.Exchange.Owner(acme, at).Delete(e.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.notified()
	w.settled(func() bool { return w.became("J-1") == "deleted" }, func() any { return w.became("J-1") })

	// Uma's calendar was written to, and never looked through.
	shift.User, shift.Email, shift.ID = "u-uma", upAt, "J-2"
	w.book(shift)
	w.result(shift, "written")
	up := w.connectionsOf("plan", "u-uma")[0]
	if got := w.call(http.MethodPost, "organizations/plan/connections/"+up.ID+"/sync", nil); got.Status != http.StatusConflict {
		t.Errorf("sync of a calendar that is only written to: %d %s", got.Status, got.Body)
	}
	w.Advance(31 * time.Minute) // the schedule
	w.Advance(31 * time.Minute)
	if n := w.M365.Exchange.Listed(acme, upAt); n != 0 || len(w.known("u-uma")) != 0 {
		t.Errorf("Uma's calendar was listed %d times, and known of it is %q", n, w.known("u-uma"))
	}
	if w.M365.Exchange.Listed(acme, at) == 0 {
		t.Error("Paula's calendar was never listed: what is counted counts nothing")
	}
	w.ends()
}

// notified lets the time pass that a notification takes, and that in which others of the
// same calendar are merged with it.
func (w *world) notified() {
	w.t.Helper()
	for range 2 {
		w.Advance(11 * time.Second)
	}
}

// became is what was last told of an event of ours; "" for nothing.
func (w *world) became(booking string) (change string) {
	for _, c := range w.said.list() {
		var event struct {
			Data struct{ Booking, Change string }
		}
		if c.Type == "calbridge.booking.changed.v1" && json.Unmarshal(c.Raw, &event) == nil && event.Data.Booking == booking {
			change = event.Data.Change
		}
	}
	return change
}

// What the delete brake is for: a mailbox is emptied, nothing counts as deleted, and the
// organisation's admin decides.
func TestAMailboxThatWasEmptiedWaitsForTheAdmin(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	const at = "paula@acme.example"
	w.mailbox(acme, at, "Paula Planner")
	w.read = []string{at}
	w.organization("plan", fields{"displayName": "Plan & Go", "profile": "planning", "module": true, "timeZone": "Europe/Helsinki",
		"product": fields{"name": "Planner"}, "downSync": fields{"privacy": "title"}})
	var all []string
	for i := range 13 {
		title := fmt.Sprintf("Meeting %02d", i)
		w.plans(acme, at, title, "normal", fmt.Sprintf("%02d", i))
		all = append(all, title)
	}
	paula := people.person()
	paula.connects(w.link(fields{"organization": "plan", "role": "user", "user": "u-paula", "email": at}), "Write bookings into it, and read it", at)
	w.learns("u-paula", all...)
	for _, e := range w.M365.Exchange.Events(acme, at) {
		if e.Subject != "Meeting 07" {
			if err := w.M365.Exchange.Owner(acme, at).Delete(e.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.notified()
	paula.does("Connected apps", "Until then nothing counts as deleted")
	ctx, cancel := w.patiently()
	defer cancel()
	if err := w.changes.Wait(ctx, func() bool {
		return slices.ContainsFunc(w.changes.Others(), func(c stack.Change) bool { return c.Type == "calbridge.alert.v1" && c.Code == "held" })
	}); err != nil {
		t.Error("no alert")
	}
	if got := w.known("u-paula"); !slices.Equal(got, all) {
		t.Errorf("told all the same: %q", got)
	}

	admin := people.person()
	admin.Open(w.link(fields{"organization": "plan", "role": "org-admin", "user": "u-admin", "email": "admin@acme.example"}))
	admin.does("Continue", "of 13 appointments are gone")
	admin.does("Decide", "What is gone from the calendar of")
	admin.does("Yes, they were deleted", "What is gone counts as deleted")
	w.learns("u-paula", "Meeting 07")
	paula.Reload()
	paula.Sees("Last read: ")
	w.ends()
}
