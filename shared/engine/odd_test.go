package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/queue"
)

// Every address that a booking app may send ends at once: in the event of the mailbox
// that it names, in a file with the reason, or in a fault that names the member.
func TestOddAddressesEndInAnEventAFileOrAFaultAndNeverInARetry(t *testing.T) {
	const aino, fault = "aino@acme.example", "/data/people/0/email"
	for _, test := range []struct{ address, want, mailbox string }{
		{"AINO@ACME.EXAMPLE", "written/", aino},
		{"o'neill@acme.example", "written/", "o'neill@acme.example"},
		{"päivi@acme.example", "written/", "päivi@acme.example"},
		{"PÄIVI@acme.example", "written/", "päivi@acme.example"},
		{"mia+trips@acme.example", "written/", "mia+trips@acme.example"},
		{"aino+trips@acme.example", "ics/mailbox-not-found", ""},
		{"aino@münchen.example", "ics/mailbox-not-found", ""},
		{"\"quoted\"@acme.example", fault, ""},
		{"a%2Fb@acme.example", "ics/mailbox-not-found", ""},
		{"../admin@acme.example", "ics/mailbox-not-found", ""},
		{"aino@acme.example?x=1", "ics/mailbox-not-found", ""},
		{"aino@acme.example/calendar#x", "ics/mailbox-not-found", ""},
		{"Very.Common@GMail.com", "ics/personal-mailbox", ""},
		{"", "ics/mailbox-not-found", ""},
		{"aino", fault, ""},
		{"a@b@acme.example", fault, ""},
		{"aino@acme.example\r\nBcc: x@else.example", fault, ""},
		{"Aino <aino@acme.example>", fault, ""},
		{"\"quoted name\"@acme.example", fault, ""},
	} {
		w := newWorld(t, exchange.Switches{})
		for _, address := range []string{"o'neill@acme.example", "päivi@acme.example", "mia+trips@acme.example"} {
			w.AddMailbox(address)
		}
		send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("email", test.address)}}))
		settle(t, w)
		if test.want == fault {
			if n, told := len(w.Broker.Peek(queue.Rejected)), last(w, "calbridge.rejected.v1"); n != 1 || !strings.Contains(told, fault) || strings.Contains(told, "acme.example") {
				t.Errorf("%q: %d rejected, told %s", test.address, n, told)
			}
		} else if last, err := w.Last("b", "aino"); err != nil || last.State+"/"+last.Reason != test.want || last.State == "ics" && last.ICS == nil {
			t.Errorf("%q: %s/%s, %v; want %s", test.address, last.State, last.Reason, err, test.want)
		}
		var boxes []string
		for _, box := range w.Exchange.Boxes() {
			if len(box.Events) > 0 {
				boxes = append(boxes, box.User.Mail)
			}
		}
		if strings.Join(boxes, " ") != test.mailbox {
			t.Errorf("%q: events in %v, want %q", test.address, boxes, test.mailbox)
		}
		if n := w.DeadLetters() + len(w.Broker.Peek(queue.Deliveries)); n > 0 {
			t.Errorf("%q: %d messages are left", test.address, n)
		}
	}
}

// last is the newest event of a type on the topic.
func last(w *world.World, subject string) (body string) {
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject == subject {
			body = string(m.Body)
		}
	}
	return body
}

func TestAPersonNamedTwiceGetsOneEvent(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	twice := []person{someone("aino").with("assigned", false), someone("aino").with("role", "organizer")}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": twice}))
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	if n := len(w.Results()); n != 1 {
		t.Errorf("%d results, want 1", n)
	}
}

func TestAnOrganisationDeletedInTheMiddleLeavesItsEventsAndEndsWhatIsOwed(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "B")
	org := w.Org
	w.Org = nil
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "module-off", "A")
	send(t, w, bookingOf(t, "b", 3, nil)) // of an unknown organisation by now
	settle(t, w)
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d rejected, want 1", n)
	}
	w.Org = org
	revise(t, w, 3, "C")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "C")
}

// The same in the middle of a switch-on: what was written stays, the rest ends.
func TestAnOrganisationDeletedInTheMiddleOfItsBackfillGetsNoMoreEvents(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	var people []person
	for i := range 100 {
		user := fmt.Sprintf("p%03d", i)
		w.AddMailbox(user + "@acme.example")
		people = append(people, someone(user))
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people}))
	settle(t, w)
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
		t.Fatal(err)
	}
	w.Org.Sync = true
	half := 0
	for half == 0 && w.Now().Sub(world.Start()) < time.Hour {
		w.Advance(time.Second)
		for _, kind := range []string{world.Task, world.Write} {
			for w.Begin(kind) != nil {
				w.Finish()
			}
		}
		half = len(mailbox(w))
	}
	if half == 0 || half == 100 {
		t.Fatalf("%d events, want some of 100", half)
	}
	w.Org = nil
	settle(t, w)
	if n := len(mailbox(w)); n != half {
		t.Errorf("%d events, %d when the organisation was deleted", n, half)
	}
	if n := w.DeadLetters() + len(w.Broker.Peek(queue.Deliveries)) + len(w.Broker.Peek(queue.MailboxTasks)); n > 0 {
		t.Errorf("%d messages are left", n)
	}
}

func TestAThousandPeopleGetOneResultEach(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	var people []person
	for i := range 1000 {
		user := fmt.Sprintf("p%04d", i)
		if i%2 == 0 {
			w.AddMailbox(user + "@acme.example")
		}
		people = append(people, someone(user))
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people}))
	settle(t, w)
	states := map[string]int{}
	for _, r := range w.Results() {
		states[r.State+"/"+r.Reason]++
	}
	if states["written/"] != 500 || states["ics/mailbox-not-found"] != 500 || len(states) != 2 {
		t.Errorf("%v", states)
	}
}

// What stands for control characters is one space (package event); all else comes
// through as it is, to the calendar and through the escaping and folding of the file.
func TestATitleOfAnythingReachesCalendarAndFile(t *testing.T) {
	for title, want := range map[string]string{
		"🎉✈️ 出張 \u202e":             "🎉✈️ 出張 \u202e",
		"a\r\nBEGIN:VEVENT\r\nb":    "a BEGIN:VEVENT b",
		`;,\n\"'<b>&amp;`:           `;,\n\"'<b>&amp;`,
		"x\x00\x07\x1b[31m":         "x [31m",
		"\u0085\u2028\u2029y\x7f":   "y",
		"o'clock":                   "o'clock",
		strings.Repeat("👨‍👩‍👧", 30): strings.Repeat("👨‍👩‍👧", 30),
	} {
		w := newWorld(t, exchange.Switches{})
		send(t, w, bookingOf(t, "b", 1, map[string]any{"title": title}))
		send(t, w, bookingOf(t, "c", 1, map[string]any{"title": title, "people": []person{someone("bert").with("email", "no@acme.example")}}))
		settle(t, w)
		expect(t, w, "b", "aino", "written", "", want)
		last, _ := w.Last("c", "bert")
		if last.ICS == nil {
			t.Errorf("%q: no file: %+v", title, last)
			continue
		}
		if strings.Count(last.ICS.Content, "\nBEGIN:VEVENT") != 1 || !utf8.ValidString(last.ICS.Content) {
			t.Errorf("%q: %s", title, last.ICS.Content)
		}
		for row := range strings.SplitSeq(last.ICS.Content, "\r\n") {
			if len(row) > 75 || strings.ContainsFunc(row, unicode.IsControl) {
				t.Errorf("%q: a line of %d bytes: %q", title, len(row), row)
			}
		}
		owner := w.Exchange.Owner(world.Tenant, "aino@acme.example")
		done, err := owner.Import([]byte(last.ICS.Content))
		if err != nil || len(done.Added) != 1 {
			t.Fatalf("%q: %+v, %v", title, done, err)
		}
		if e, err := w.Exchange.Event(world.Tenant, "aino@acme.example", done.Added[0]); err != nil || e.Subject != want {
			t.Errorf("%q: imported it is %q, %v", title, e.Subject, err)
		}
	}
}
