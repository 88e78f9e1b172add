package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/local/world"
)

// everyRewriting is every way in which Exchange may write a body down.
var everyRewriting = []exchange.Rewriting{exchange.Lightly, exchange.AsWeb, exchange.AsWord}

// edited is a world with one written booking whose owner edits it.
type edited struct {
	*testing.T
	*world.World
	owner    exchange.Owner
	id       string
	revision int64
}

func edit(t *testing.T, switches exchange.Switches) *edited {
	e := &edited{T: t, World: newWorld(t, switches)}
	e.owner = e.Exchange.Owner(world.Tenant, "aino@acme.example")
	e.book(map[string]any{"description": map[string]any{"text": "Seat 1A"}})
	e.id = e.ours().ID
	return e
}

// book sends the next revision and lets it be written.
func (e *edited) book(change map[string]any) {
	e.Helper()
	e.revision++
	send(e.T, e.World, bookingOf(e.T, "b", e.revision, change))
	settle(e.T, e.World)
	last, err := e.Last("b", "aino")
	if err != nil || last.State != "written" || last.Revision != e.revision {
		e.Fatalf("revision %d: %+v, %v", e.revision, last, err)
	}
}

// ours is the only event that Calbridge made.
func (e *edited) ours() exchange.Event {
	e.Helper()
	all := e.Ours("b", "aino")
	if len(all) != 1 {
		e.Fatalf("%d events of ours, want 1", len(all))
	}
	return all[0]
}

func (e *edited) does(errs ...error) {
	e.Helper()
	for _, err := range errs {
		if err != nil {
			e.Fatal(err)
		}
	}
}

// A4: "a reminder, category or show-as that a user set survives ours".
func TestReminderCategoryAndShowAsOfTheUserSurviveOurUpdates(t *testing.T) {
	e := edit(t, exchange.Switches{})
	e.does(e.owner.Remind(e.id, 240), e.owner.Categorize(e.id, "Mine", "Blue"), e.owner.ShowAs(e.id, "oof"))
	for _, change := range []map[string]any{{"title": "New title"}, {"description": map[string]any{"text": "Seat 2B"}},
		{"start": map[string]any{"dateTime": "2026-12-01T15:00:00", "timeZone": "Europe/Helsinki"}}} {
		e.book(change)
		if got := e.ours(); got.ID != e.id || got.ReminderMinutes != 240 || !slices.Equal(got.Categories, []string{"Mine", "Blue"}) || got.ShowAs != "oof" {
			t.Errorf("after %v: reminder %d, categories %v, %s", change, got.ReminderMinutes, got.Categories, got.ShowAs)
		}
	}
	e.does(e.owner.Remind(e.id, -1))
	e.book(map[string]any{"title": "Newer title"})
	if got := e.ours(); got.ReminderOn || got.Subject != "Newer title" {
		t.Errorf("the reminder is back: %+v", got)
	}
	if n := len(e.Exchange.Mails()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// A4: "what people or Teams add outside goes back unchanged on update".
func TestTextAroundOursAndTheTeamsMeetingSurviveOurUpdates(t *testing.T) {
	for _, how := range everyRewriting {
		t.Run(how.String(), func(t *testing.T) {
			e := edit(t, exchange.Switches{Rewriting: how})
			e.does(e.owner.WriteAround(e.id, "<p>bring the <b>passport</b></p>", "<p>and &lt;cash&gt;</p>"), e.owner.Meet(e.id))
			link := e.ours().JoinURL
			for _, seat := range []string{"Seat 2B", "Seat 3C"} {
				before := exchange.Text(e.ours().Body)
				e.book(map[string]any{"description": map[string]any{"text": seat}})
				after := e.ours()
				for _, text := range []string{"bring the passport", "and <cash>", "Join the meeting now"} {
					if strings.Count(exchange.Text(after.Body), text) != 1 {
						t.Errorf("%q is not there once:\n%s", text, after.Body)
					}
				}
				if !strings.Contains(exchange.Text(after.Body), seat) || strings.Contains(exchange.Text(after.Body), "Seat 1A") {
					t.Errorf("our text is not %q:\n%s", seat, exchange.Text(after.Body))
				}
				if outside(exchange.Text(after.Body)) != outside(before) {
					t.Errorf("around ours %q became %q", outside(before), outside(exchange.Text(after.Body)))
				}
				if link == "" || after.JoinURL != link {
					t.Errorf("the meeting went offline: %q, was %q", after.JoinURL, link)
				}
			}
		})
	}
}

// outside is what stands around our text, blanks made equal.
func outside(text string) string {
	head, rest, _ := strings.Cut(text, "[calbridge]")
	_, tail, _ := strings.Cut(rest, "[/calbridge]")
	return strings.Join(strings.Fields(head+" | "+tail), " ")
}

func TestMarkersThatPeopleDeletedAreWrittenAnewOnTopAndNothingIsLost(t *testing.T) {
	for _, how := range everyRewriting {
		t.Run(how.String(), func(t *testing.T) {
			e := edit(t, exchange.Switches{Rewriting: how})
			e.does(e.owner.Write(e.id, "<p>all mine now</p>"))
			e.book(map[string]any{"description": map[string]any{"text": "Seat 2B"}})
			e.book(map[string]any{"description": map[string]any{"text": "Seat 3C"}})
			text := exchange.Text(e.ours().Body)
			if !strings.Contains(text, "all mine now") || strings.Count(text, "Seat") != 1 || strings.Index(text, "Seat 3C") > strings.Index(text, "all mine") {
				t.Errorf("the body is\n%s", text)
			}
		})
	}
}

// Updates send only what changed: a retitled or moved event goes back when our
// title or our times change, and not before.
func TestAMovedOrRetitledEventGoesBackOnlyWhenOursChanges(t *testing.T) {
	e := edit(t, exchange.Switches{})
	at := func(hour string) exchange.Time {
		return exchange.Time{DateTime: "2026-12-02T" + hour + ":00:00", Zone: "Europe/Helsinki"}
	}
	e.does(e.owner.Move(e.id, at("08"), at("09")), e.owner.Retitle(e.id, "My flight"))
	e.book(map[string]any{"title": "b r1", "description": map[string]any{"text": "Seat 2B"}})
	if got := e.ours(); got.Start != at("08") || got.Subject != "My flight" {
		t.Errorf("another text moved or retitled it: %v, %q", got.Start, got.Subject)
	}
	e.book(map[string]any{"title": "New", "description": map[string]any{"text": "Seat 2B"}})
	if got := e.ours(); got.Start != at("08") || got.Subject != "New" {
		t.Errorf("another title: %v, %q", got.Start, got.Subject)
	}
	e.book(map[string]any{"title": "New", "start": map[string]any{"dateTime": "2026-12-01T15:00:00", "timeZone": "Europe/Helsinki"}})
	if got := e.ours(); got.Start.DateTime != "2026-12-01T15:00:00" || got.End.Zone != "Europe/London" {
		t.Errorf("our new times: %v to %v", got.Start, got.End)
	}
}

// I5: we cause no mail beyond what Exchange itself sends when a meeting changes.
func TestAttendeesThatTheOwnerAddedStayAndWeInviteNobody(t *testing.T) {
	e := edit(t, exchange.Switches{})
	e.does(e.owner.Invite(e.id, "guest@else.example"))
	if n := len(e.Exchange.Mails()); n != 1 {
		t.Fatalf("%d mails by the owner, want 1", n)
	}
	before := e.ours().Subject
	e.book(map[string]any{"title": before, "description": map[string]any{"text": "Seat 1A"}, "reminderMinutes": 30}) // nothing that Exchange announces
	if n := len(e.Exchange.Mails()); n != 1 {
		t.Errorf("%d mails after a change that Exchange does not announce", n)
	}
	e.book(map[string]any{"title": "New title", "people": []person{someone("aino"), someone("bert")}})
	got := e.ours()
	if len(got.Attendees) != 1 || got.Attendees[0].Address.Address != "guest@else.example" || got.Subject != "New title" {
		t.Errorf("attendees %+v", got.Attendees)
	}
	for _, m := range e.Exchange.Mails()[1:] {
		if m.Kind != "update" || m.By != exchange.App || !slices.Equal(m.To, []string{"guest@else.example"}) {
			t.Errorf("we caused %+v", m)
		}
	}
}

// A copy of ours takes our mark along and is theirs all the same.
func TestACopyOfOursIsTheirs(t *testing.T) {
	e := edit(t, exchange.Switches{})
	copied, err := e.owner.Paste(e.id, exchange.Time{DateTime: "2026-12-09T10:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2026-12-09T11:00:00", Zone: "UTC"})
	e.does(err, e.owner.Retitle(copied.ID, "My copy"))
	e.book(map[string]any{"title": "New title"})
	same := func() {
		t.Helper()
		got, err := e.Exchange.Event(world.Tenant, "aino@acme.example", copied.ID)
		if err != nil || got.Subject != "My copy" || got.Start.DateTime != "2026-12-09T10:00:00" {
			t.Errorf("the copy: %+v, %v", got, err)
		}
	}
	same()
	send(t, e.World, bookingOf(t, "b", e.revision+1, map[string]any{"status": "cancelled"}))
	settle(t, e.World)
	expect(t, e.World, "b", "aino", "removed", "cancelled")
	same()
}

// Who copies our event and deletes it keeps the copy: ours is gone by their will, whatever
// we remember of it.
func TestWhoCopiesOursAndDeletesItKeepsTheCopy(t *testing.T) {
	for _, lost := range []bool{false, true} {
		e := edit(t, exchange.Switches{})
		copied, err := e.owner.Copy(e.id)
		e.does(err, e.owner.Delete(e.id))
		if lost { // all that is left is the calendar
			e.Tables = tables.NewStore(e.Now).Direct()
			e.Org.State.RecoveredAt = e.Now()
		}
		for revision, change := range []map[string]any{{"title": "New title"}, {"status": "cancelled"}} {
			send(t, e.World, bookingOf(t, "b", int64(2+revision), change))
			settle(t, e.World)
			got, err := e.Exchange.Event(world.Tenant, "aino@acme.example", copied.ID)
			if err != nil || got.ChangeKey != copied.ChangeKey {
				t.Errorf("tables lost %v, revision %d: the copy is %+v, %v", lost, 2+revision, got, err)
			}
			// Whoever lost the tables does not know that there was an event to delete.
			if n, want := len(mailbox(e.World)), 1+map[bool]int{true: 1}[lost && revision == 0]; n != want {
				t.Errorf("tables lost %v, revision %d: %d events, want %d", lost, 2+revision, n, want)
			}
		}
	}
}

// Copies are theirs also where our own create is in doubt, and our event is among them.
func TestACopyMadeBeforeOursIsConfirmedIsTheirs(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.KillAfter)
	all := w.Exchange.Events(world.Tenant, "aino@acme.example")
	if len(all) != 1 {
		t.Fatalf("%d events", len(all))
	}
	copied, err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Copy(all[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	revise(t, w, 2, "B")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")
	if w.Ours("b", "aino")[0].ID != all[0].ID {
		t.Error("another event was made")
	}
	revise(t, w, 3, "")
	settle(t, w)
	left := w.Exchange.Events(world.Tenant, "aino@acme.example")
	if len(left) != 1 || left[0].ID != copied.ID || left[0].ChangeKey != copied.ChangeKey {
		t.Errorf("%d events are left, want the copy as it was", len(left))
	}
}

// An invitation that was imported from our file and answered is adopted with its answer.
func TestAnAnsweredInvitationOfOursKeepsItsAnswer(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync, w.Org.Invitations = false, true
	people := []person{someone("bert").with("role", "organizer"), someone("aino")}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people}))
	settle(t, w)
	importLast(t, w)
	theirs := w.Exchange.Events(world.Tenant, "aino@acme.example")[0]
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Answer(theirs.ID, "accepted"); err != nil {
		t.Fatal(err)
	}
	mails := len(w.Exchange.Mails())
	w.Org.Sync = true
	send(t, w, bookingOf(t, "b", 2, map[string]any{"people": people, "title": "New title"}))
	settle(t, w)
	all := w.Exchange.Events(world.Tenant, "aino@acme.example")
	if len(all) != 1 || all[0].ID != theirs.ID || all[0].Subject != "New title" || all[0].Response != "accepted" {
		t.Errorf("%d events, %+v", len(all), all[0])
	}
	if n := len(w.Exchange.Mails()); n != mails {
		t.Errorf("%d mails, %d of them the answer", n, mails)
	}
}

// The same when deleted events still answer by their id: what the user deleted is
// theirs to delete, and no second event appears.
func TestADeletedEventThatStillAnswersIsNotWrittenAgain(t *testing.T) {
	e := edit(t, exchange.Switches{DeletedAnswer: true})
	e.does(e.owner.Delete(e.id))
	send(t, e.World, bookingOf(t, "b", 2, map[string]any{"title": "New title"}))
	settle(t, e.World)
	expect(t, e.World, "b", "aino", "skipped", "removed-by-user")
	send(t, e.World, bookingOf(t, "b", 3, map[string]any{"status": "cancelled"}))
	settle(t, e.World)
	expect(t, e.World, "b", "aino", "skipped", "cancelled")
}
