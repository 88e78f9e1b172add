package exchange_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Whatever people and programs do to a mailbox is told to who watches, and nothing else is.
func TestEveryChangeIsToldToWhoWatches(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	store := exchange.New(func() time.Time { return now }, exchange.Switches{})
	user := store.AddUser("t", exchange.User{Principal: "aino@acme.example"})
	team, err := store.AddCalendar("t", user.ObjectID, "Team")
	if err != nil {
		t.Fatal(err)
	}
	var notes []exchange.Note
	store.Watch(func(n exchange.Note) { notes = append(notes, n) })
	keys := func() map[string]string {
		all := map[string]string{}
		for _, e := range store.Events("t", user.ObjectID) {
			all[e.ID] = e.ChangeKey
		}
		return all
	}
	owner := store.Owner("t", user.ObjectID)
	at := func(hour int) exchange.Time {
		return exchange.Time{DateTime: fmt.Sprintf("2026-12-01T%02d:00:00", hour), Zone: "UTC"}
	}
	start, end := at(10), at(11)
	made, err := owner.Create(exchange.Change{Start: &start, End: &end})
	if err != nil || len(notes) != 1 || notes[0].Kind != "created" || notes[0].ID != made.ID || notes[0].ChangeKey != made.ChangeKey || notes[0].User != user.ObjectID {
		t.Fatalf("%+v, %v", notes, err)
	}
	file := func(text string) []byte {
		return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:" + text + "\r\nEND:VCALENDAR\r\n")
	}
	event := func(sequence int, more string) string {
		return fmt.Sprintf("\r\nBEGIN:VEVENT\r\nUID:u1\r\nSEQUENCE:%d\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261201T100000Z\r\n%sEND:VEVENT", sequence, more)
	}
	for i, d := range []exchange.Deed{
		{Do: "retitle", Subject: "x"}, {Do: "write", Body: "y"}, {Do: "write-around", Above: "z"}, {Do: "move", Start: at(12), End: at(13)},
		{Do: "copy"}, {Do: "paste", Start: at(14), End: at(15)}, {Do: "invite", Invite: []string{"a@b.example"}}, {Do: "remind", Minutes: 5},
		{Do: "categorize", Categories: []string{"Red"}}, {Do: "show-as", Status: "free"}, {Do: "meet"}, {Do: "answer", Response: "accepted"},
		{Do: "file", Calendar: team.ID}, {Do: "file", Calendar: team.ID},
		{Do: "import", File: file("REQUEST" + event(1, "ORGANIZER:mailto:b@c.example\r\n"))}, {Do: "import", File: file("REQUEST" + event(1, ""))}, {Do: "import", File: file("REQUEST" + event(2, "ORGANIZER:mailto:b@c.example\r\n"))},
		{Do: "import", File: file("CANCEL" + event(3, ""))}, {Do: "delete"}, {Do: "delete"},
	} {
		d.Event = made.ID
		before := keys()
		notes = nil
		_, failure := owner.Do(d)
		after := keys()
		if changed := !maps.Equal(before, after); changed != (len(notes) > 0) || failure != nil && changed {
			t.Errorf("%d %s: changed %t, told %+v, %v", i, d.Do, changed, notes, failure)
		}
		for _, n := range notes {
			if key, lives := after[n.ID]; lives != (n.Kind != "deleted") || lives && n.Kind == "created" && before[n.ID] != "" || n.At != now {
				t.Errorf("%d %s: %+v of %q", i, d.Do, n, key)
			}
		}
		if d.Do == "file" && len(notes) > 0 && ((notes[0].From == "") != (i == 13) || notes[0].Calendar != team.ID) {
			t.Errorf("filed: %+v", notes)
		}
	}
	// A meeting of somebody else's that is declined is changed, then gone.
	notes = nil
	done, err := owner.Import(file("REQUEST" + event(4, "ORGANIZER:mailto:b@c.example\r\n")))
	if err != nil || len(done.Added) != 1 {
		t.Fatal(err)
	}
	if err := owner.Answer(done.Added[0], "declined"); err != nil || len(notes) != 3 || notes[2].Kind != "deleted" {
		t.Errorf("%+v, %v", notes, err)
	}
	if left := store.Left("t", user.ObjectID, notes[2].Calendar, notes[2].ID); !left.Equal(now) {
		t.Errorf("left at %v", left)
	}
}
