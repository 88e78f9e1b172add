package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// importLast does what somebody does who gets a file: opens it in Outlook.
func importLast(t *testing.T, w *world.World) {
	t.Helper()
	last, err := w.Last("b", "aino")
	if err != nil || last.ICS == nil {
		t.Fatalf("no file with %+v, %v", last, err)
	}
	if _, err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Import([]byte(last.ICS.Content)); err != nil {
		t.Fatal(err)
	}
}

func mailbox(w *world.World) []string {
	var out []string
	for _, box := range w.Exchange.Boxes() {
		for _, e := range box.Events {
			out = append(out, box.User.Mail+" "+e.Subject)
		}
	}
	return out
}

func TestWhoGetsNoEventGetsAFileThatUpdatesAndCancels(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	revise(t, w, 1, "A")
	settle(t, w)
	importLast(t, w)
	revise(t, w, 2, "B")
	settle(t, w)
	importLast(t, w)
	if got := mailbox(w); len(got) != 1 || !strings.HasSuffix(got[0], " B") {
		t.Fatalf("after an update: %v, want one event B", got)
	}
	revise(t, w, 3, "")
	settle(t, w)
	last, _ := w.Last("b", "aino")
	if last.State != "ics" || last.ICS == nil || last.ICS.Method != "CANCEL" || last.ICS.Sequence != 3 {
		t.Fatalf("a cancellation for who only had a file: %+v", last)
	}
	importLast(t, w)
	if got := mailbox(w); len(got) != 0 {
		t.Errorf("after the cancel: %v", got)
	}
}

func TestAFileOver64KiBIsLinked(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	text := strings.Repeat("lange Beschreibung äöü; ", 1200)
	rule := map[string]any{"rrule": "FREQ=DAILY;COUNT=400", "overrides": overrides(200)}
	send(t, w, bookingOf(t, "b/1 &", 1, map[string]any{"description": map[string]any{"text": text}, "recurrence": rule}))
	settle(t, w)
	last, _ := w.Last("b/1 &", "aino")
	if last.ICS == nil || last.ICS.Content != "" ||
		last.ICS.URL != "https://calendar.example.com/api/organizations/acme/bookings/ics?id=b%2F1+%26&user=aino" {
		t.Fatalf("%+v", last.ICS)
	}
}

func overrides(n int) []map[string]any {
	var out []map[string]any
	for i := range n {
		out = append(out, map[string]any{"occurrence": fmt.Sprintf("%d-%02d-%02d", 2027, 1+i/28, 1+i%28), "title": strings.Repeat("title ", 40)})
	}
	return out
}

func TestAnImportedFileIsAdoptedAndNotDoubled(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		w := newWorld(t, exchange.Switches{WrapUIDs: wrap})
		w.Org.Sync = false
		revise(t, w, 1, "A")
		settle(t, w)
		importLast(t, w)
		if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
			t.Fatal(err)
		}
		w.Org.Sync = true
		settle(t, w)
		last, _ := w.Last("b", "aino")
		if got := mailbox(w); len(got) != 1 || last.State != "written" {
			t.Fatalf("wrapped %v: %v, %+v, want the one event, written", wrap, got, last)
		}
		revise(t, w, 2, "B")
		settle(t, w)
		if got := mailbox(w); len(got) != 1 || !strings.HasSuffix(got[0], " B") {
			t.Fatalf("wrapped %v: %v after an update", wrap, got)
		}
		revise(t, w, 3, "")
		settle(t, w)
		if got := mailbox(w); len(got) != 0 {
			t.Errorf("wrapped %v: %v after a cancellation", wrap, got)
		}
	}
}

func TestTheFileOfAWrittenBookingHasTheEventsUID(t *testing.T) {
	w := written(t)
	f, err := w.Engine().File(t.Context(), world.Organization, "b", key.User, "aino")
	if err != nil {
		t.Fatal(err)
	}
	unfolded := strings.ReplaceAll(string(f.Content), "\r\n ", "")
	if uid := w.Ours("b", "aino")[0].ICalUID; !strings.Contains(unfolded, "UID:"+uid+"\r\n") {
		t.Errorf("the file has another UID than %s:\n%s", uid, unfolded)
	}
	if f.Name != "A.ics" || f.ContentType != "text/calendar; charset=utf-8; method=PUBLISH" {
		t.Errorf("name %q, type %q", f.Name, f.ContentType)
	}
	for _, q := range [][2]string{{"nothing", "aino"}, {"b", "nobody"}} {
		if _, err := w.Engine().File(t.Context(), world.Organization, q[0], key.User, q[1]); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("%v: %v, want ErrNotFound", q, err)
		}
	}
	send(t, w, bookingOf(t, "open", 1, map[string]any{"start": nil, "end": nil}))
	settle(t, w)
	if _, err := w.Engine().File(t.Context(), world.Organization, "open", key.User, "aino"); !errors.Is(err, ics.ErrUnscheduled) {
		t.Errorf("no time: %v", err)
	}
}

func TestAFileIsTakenBackFromWhoIsNoLongerMeant(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"not assigned any more":  {"people": []person{someone("aino").with("assigned", false)}},
		"not scheduled any more": {"start": nil, "end": nil},
		"not on it any more":     {"people": []person{someone("bert")}},
	} {
		w := newWorld(t, exchange.Switches{})
		w.Org.Sync = false
		revise(t, w, 1, "A")
		settle(t, w)
		importLast(t, w)
		send(t, w, bookingOf(t, "b", 2, change))
		settle(t, w)
		last, _ := w.Last("b", "aino")
		if last.State != "ics" || last.ICS == nil || last.ICS.Method != "CANCEL" {
			t.Errorf("%s: %+v %+v, want a CANCEL", name, last, last.ICS)
			continue
		}
		importLast(t, w)
		if got := mailbox(w); len(got) > 0 {
			t.Errorf("%s: %v is left", name, got)
		}
	}
}

func TestWhoIsNotMeantGetsNoFileWhileSyncIsOff(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("assigned", false)}}))
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "not-assigned")
}

func TestAFileIsAnInvitationWhereTheOrganisationAskedForThem(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync, w.Org.Invitations = false, true
	people := []person{someone("bert").with("role", "organizer"), someone("aino")}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people}))
	settle(t, w)
	last, _ := w.Last("b", "aino")
	if last.ICS == nil || last.ICS.Method != "REQUEST" || !strings.Contains(last.ICS.Content, "mailto:bert@acme.example") {
		t.Errorf("%+v", last.ICS)
	}
}
