package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/key"
)

// series sends a revision of the booking that takes place on three days.
func series(t *testing.T, w *world.World, number int64, title string) {
	t.Helper()
	send(t, w, bookingOf(t, "b", number, map[string]any{"title": title, "recurrence": map[string]any{"rrule": "FREQ=DAILY;COUNT=3"}}))
	settle(t, w)
}

// days are the occurrences that Aino's calendar shows, whosesoever they are.
func days(t *testing.T, w *world.World) []string {
	t.Helper()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	found, err := w.Exchange.View(world.Tenant, "aino@acme.example", "", from, from.AddDate(5, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range found {
		out = append(out, e.From.Format("01-02 ")+e.Subject)
	}
	return out
}

// A series that cannot be written is a file, and what Aino made of the file stays as
// it is until she imports the next one: nothing of ours calls her calendar.
func TestAnImportedSeriesIsNeitherDoubledNorTouched(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		w := newWorld(t, exchange.Switches{WrapUIDs: wrap})
		series(t, w, 1, "A")
		expect(t, w, "b", "aino", "ics", "recurrence-unsupported")
		importLast(t, w)
		want := days(t, w)
		if len(want) != 3 {
			t.Fatalf("wrapped %v: %v, want three days", wrap, want)
		}
		before := w.Exchange.Events(world.Tenant, "aino@acme.example")[0].ChangeKey
		untouched := func(what string) {
			t.Helper()
			if diff := cmp.Diff(want, days(t, w)); diff != "" {
				t.Errorf("wrapped %v, %s (-want +got):\n%s", wrap, what, diff)
			}
			if after := w.Exchange.Events(world.Tenant, "aino@acme.example"); len(after) != 1 || after[0].ChangeKey != before {
				t.Errorf("wrapped %v, %s: the series was touched: %d events", wrap, what, len(after))
			}
		}
		if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
		untouched("looked through again")
		series(t, w, 2, "B")
		expect(t, w, "b", "aino", "ics", "recurrence-unsupported")
		untouched("revised")
		w.Org.Sync = false
		settle(t, w)
		w.Org.Sync = true
		settle(t, w)
		untouched("off and on")
		importLast(t, w)
		if got := days(t, w); len(got) != 3 || got[0][6:] != "B" {
			t.Errorf("wrapped %v: %v after the later file", wrap, got)
		}
		want, before = days(t, w), w.Exchange.Events(world.Tenant, "aino@acme.example")[0].ChangeKey
		revise(t, w, 3, "")
		settle(t, w)
		untouched("cancelled")
		importLast(t, w)
		if got := days(t, w); len(got) != 0 {
			t.Errorf("wrapped %v: %v after the cancellation's file", wrap, got)
		}
	}
}

// A booking that is no series any more is written. The series that was imported from
// its file is taken over, and has no other days left.
func TestAnImportedSeriesBecomesTheSingleBookingThatItsBookingIs(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		for _, written := range []bool{false, true} {
			w := newWorld(t, exchange.Switches{WrapUIDs: wrap})
			if written { // then the file carries the UID of the event that was there
				revise(t, w, 1, "first")
				settle(t, w)
			}
			series(t, w, 2, "A")
			expect(t, w, "b", "aino", "ics", "recurrence-unsupported")
			importLast(t, w)
			if got := days(t, w); len(got) != 3 {
				t.Fatalf("%v %v: %v, want three days", wrap, written, got)
			}
			revise(t, w, 3, "single")
			settle(t, w)
			expect(t, w, "b", "aino", "written", "", "single")
			if got := days(t, w); len(got) != 1 || got[0][6:] != "single" {
				t.Errorf("wrapped %v, written before %v: %v, want one day", wrap, written, got)
			}
			revise(t, w, 4, "")
			settle(t, w)
			if got := days(t, w); len(got) != 0 {
				t.Errorf("wrapped %v, written before %v: %v after the cancellation", wrap, written, got)
			}
		}
	}
}

// The event was written, then its booking became a series: the event is gone, and all
// files of the series have one UID.
func TestFilesOfABookingThatBecameASeriesUpdateOneAnother(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "first")
	settle(t, w)
	for number, title := range []string{"A", "B"} {
		series(t, w, int64(number+2), title)
		importLast(t, w)
		if got := days(t, w); len(got) != 3 || got[0][6:] != title {
			t.Errorf("%v after revision %d, want three days of %s", got, number+2, title)
		}
	}
	f, err := w.Engine().File(t.Context(), world.Organization, "b", key.User, "aino")
	if err != nil {
		t.Fatal(err)
	}
	if last, _ := w.Last("b", "aino"); !strings.Contains(strings.ReplaceAll(string(f.Content), "\r\n ", ""), "UID:"+last.ICS.UID+"\r\n") {
		t.Errorf("over HTTP the file has another UID than %s:\n%s", last.ICS.UID, f.Content)
	}
}

// A series with another UID is a person's own, whatever it is called; so is a day of it.
// Neither is adopted, changed or removed.
func TestASeriesOfSomebodyElsesIsNeverAdopted(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		w := newWorld(t, exchange.Switches{WrapUIDs: wrap, ListExceptions: true})
		w.Org.Sync = false
		revise(t, w, 1, "A")
		settle(t, w)
		last, err := w.Last("b", "aino")
		if err != nil || last.ICS == nil {
			t.Fatalf("no file with %+v, %v", last, err)
		}
		other := "series@else.example"
		if !wrap { // ours but for the last byte
			other = last.ICS.UID[:len(last.ICS.UID)-2] + "77"
		}
		foreign := strings.Replace(strings.ReplaceAll(last.ICS.Content, "\r\n ", ""), "UID:"+last.ICS.UID, "UID:"+other, 1)
		foreign = strings.Replace(foreign, "BEGIN:VEVENT\r\n", "BEGIN:VEVENT\r\nRRULE:FREQ=DAILY;COUNT=3\r\n", 1)
		owner := w.Exchange.Owner(world.Tenant, "aino@acme.example")
		done, err := owner.Import([]byte(foreign))
		if err != nil || len(done.Added) != 1 || strings.Contains(foreign, last.ICS.UID) {
			t.Fatalf("%+v, %v\n%s", done, err, foreign)
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		shown, err := w.Exchange.Instances(world.Tenant, "aino@acme.example", done.Added[0], from, from.AddDate(5, 0, 0))
		if err != nil || len(shown) != 3 {
			t.Fatalf("%d days, %v", len(shown), err)
		}
		if err := owner.Retitle(shown[1].ID, "mine"); err != nil {
			t.Fatal(err)
		}
		before, theirs := w.Exchange.Events(world.Tenant, "aino@acme.example")[0].ChangeKey, days(t, w)
		w.Org.Sync = true
		revise(t, w, 2, "B")
		settle(t, w)
		expect(t, w, "b", "aino", "written", "", "B")
		revise(t, w, 3, "")
		settle(t, w)
		all := w.Exchange.Events(world.Tenant, "aino@acme.example")
		if len(all) != 1 || all[0].ID != done.Added[0] || all[0].ChangeKey != before || !cmp.Equal(days(t, w), theirs) {
			t.Errorf("wrapped %v: %d events, %v, want only the series as it was", wrap, len(all), days(t, w))
		}
	}
}

// A person repeats our event and changes one of its days, which has our mark then. It is
// no copy of ours, wherever Graph lists it.
func TestADayOfASeriesThatAPersonMadeOfOursIsNoCopyOfIt(t *testing.T) {
	for _, listed := range []bool{false, true} {
		w := newWorld(t, exchange.Switches{ListExceptions: listed})
		revise(t, w, 1, "A")
		settle(t, w)
		owner := w.Exchange.Owner(world.Tenant, "aino@acme.example")
		ours := w.Exchange.Events(world.Tenant, "aino@acme.example")[0]
		rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1}, Range: exchange.Range{Type: "numbered", StartDate: ours.Start.DateTime[:10], Count: 3}}
		if _, err := owner.Change(ours.ID, exchange.Change{Recurrence: &rule}); err != nil {
			t.Fatal(err)
		}
		shown, err := w.Exchange.Instances(world.Tenant, "aino@acme.example", ours.ID, ours.From, ours.From.AddDate(0, 0, 5))
		if err != nil || len(shown) != 3 {
			t.Fatalf("%d days, %v", len(shown), err)
		}
		if err := owner.Retitle(shown[1].ID, "mine"); err != nil {
			t.Fatal(err)
		}
		w.Tables = tables.NewStore(w.Now).Direct() // so that it is searched for
		w.Org.State.RecoveredAt = w.Now()
		revise(t, w, 2, "B")
		settle(t, w)
		if got := days(t, w); len(got) != 3 || got[0][6:] != "B" || got[1][6:] != "mine" {
			t.Errorf("listed %v: %v after a search", listed, got)
		}
	}
}
