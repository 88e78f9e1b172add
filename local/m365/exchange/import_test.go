package exchange_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/graph"
)

// file is a calendar file with one event; lines replace or add to its properties.
func file(method string, lines ...string) []byte {
	all := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"}
	if method != "" {
		all = append(all, "METHOD:"+method)
	}
	all = append(all, "BEGIN:VEVENT")
	for _, base := range []string{"UID:u1@example", "DTSTAMP:20261101T000000Z", "DTSTART;TZID=Europe/Helsinki:20261201T100000", "DTEND;TZID=Europe/Helsinki:20261201T110000"} {
		name, _, _ := strings.Cut(base, ":")
		name, _, _ = strings.Cut(name, ";")
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, name) }) {
			all = append(all, base)
		}
	}
	all = append(append(all, lines...), "END:VEVENT", "END:VCALENDAR", "")
	return []byte(strings.Join(all, "\r\n"))
}

func (w *world) imports(file []byte) exchange.Imported {
	w.Helper()
	done, err := w.Owner(acme, aino).Import(file)
	if err != nil {
		w.Fatal(err)
	}
	return done
}

func TestAnImportedFileBecomesAnEvent(t *testing.T) {
	w := start(t, exchange.Switches{})
	w.imports(file("PUBLISH", `SUMMARY:Flight AY1\, 🎉\; \\ here`, `DESCRIPTION:Seat 1A\nGate <22>`, "LOCATION:HEL", "CATEGORIES:Travel,Blue",
		"X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE", "CLASS:PRIVATE", "SEQUENCE:4",
		"BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:x", "TRIGGER:-PT1H30M", "END:VALARM"))
	all := w.Events(acme, aino)
	if len(all) != 1 {
		t.Fatalf("%d events", len(all))
	}
	e := all[0]
	if e.Subject != `Flight AY1, 🎉; \ here` || e.Locations[0].Name != "HEL" || !slices.Equal(e.Categories, []string{"Travel", "Blue"}) ||
		e.ShowAs != "tentative" || e.Sensitivity != "private" || !e.ReminderOn || e.ReminderMinutes != 90 || e.Sequence != 4 {
		t.Errorf("imported %+v", e)
	}
	if exchange.Text(e.Body) != "Seat 1A\r\n Gate <22>" && exchange.Text(e.Body) != "Seat 1A\r\nGate <22>" {
		t.Errorf("text %q", exchange.Text(e.Body))
	}
	if e.Start != (exchange.Time{DateTime: "2026-12-01T10:00:00", Zone: "Europe/Helsinki"}) || e.From.Hour() != 8 {
		t.Errorf("start %v, %v", e.Start, e.From)
	}
	if e.ICalUID != "u1@example" || e.TransactionID != "" || len(e.Properties) != 0 || e.Response != "" || len(w.Mails()) != 0 {
		t.Errorf("identity %+v, mails %v", e, w.Mails())
	}
}

func TestWhatAFileLeavesOutIsAsOutlookHasIt(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		check func(exchange.Event) bool
	}{
		{"no alarm", nil, func(e exchange.Event) bool { return !e.ReminderOn && e.ShowAs == "busy" }},
		{"transparent", []string{"TRANSP:TRANSPARENT"}, func(e exchange.Event) bool { return e.ShowAs == "free" }},
		{"tentative", []string{"STATUS:TENTATIVE"}, func(e exchange.Event) bool { return e.ShowAs == "tentative" }},
		{"a date is all day", []string{"DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261203"},
			func(e exchange.Event) bool { return e.AllDay && e.To.Sub(e.From).Hours() == 48 }},
		{"a date without end is one day (RFC 5545 3.6.1)", []string{"DTSTART;VALUE=DATE:20261201", "DTEND-X:1"},
			func(e exchange.Event) bool { return e.AllDay && e.To.Sub(e.From).Hours() == 24 }},
		{"a length for the end", []string{"DTEND-X:1", "DURATION:P1DT30M"}, func(e exchange.Event) bool { return e.End.DateTime == "2026-12-02T10:30:00" }},
		{"days for the end", []string{"DTSTART;VALUE=DATE:20261201", "DTEND-X:1", "DURATION:P2D"}, func(e exchange.Event) bool { return e.AllDay && e.To.Sub(e.From).Hours() == 48 }},
		{"UTC", []string{"DTSTART:20261201T080000Z", "DTEND:20261201T090000Z"}, func(e exchange.Event) bool { return e.Start.Zone == "UTC" && e.From.Hour() == 8 }},
		{"a Windows zone", []string{"DTSTART;TZID=FLE Standard Time:20261201T100000"}, func(e exchange.Event) bool { return e.From.Hour() == 8 }},
		{"HTML", []string{"X-ALT-DESC;FMTTYPE=text/html:<b>x</b>"}, func(e exchange.Event) bool { return strings.Contains(e.Body, "<b>x</b>") }},
		{"an alarm at the start", []string{"BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:PT0S", "END:VALARM"}, func(e exchange.Event) bool { return e.ReminderOn && e.ReminderMinutes == 0 }},
	}
	for _, test := range tests {
		w := start(t, exchange.Switches{})
		w.imports(file("", test.lines...))
		if all := w.Events(acme, aino); len(all) != 1 || !test.check(all[0]) {
			t.Errorf("%s: %+v", test.name, all)
		}
	}
}

func TestImportingAgainUpdatesByUIDAndSequence(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		w := start(t, exchange.Switches{WrapUIDs: wrap})
		first := w.imports(file("PUBLISH", "SUMMARY:one", "SEQUENCE:1"))
		if got := w.Events(acme, aino)[0].ICalUID; wrap && got != graph.WrappedUID("u1@example") || !graph.SameUID(got, "u1@example") {
			t.Errorf("iCalUId %s", got)
		}
		steps := []struct {
			file []byte
			want exchange.Imported
			left []string
		}{
			{file("PUBLISH", "SUMMARY:again", "SEQUENCE:1"), exchange.Imported{Ignored: []string{"u1@example"}}, []string{"one"}},
			{file("PUBLISH", "SUMMARY:two", "SEQUENCE:2"), exchange.Imported{Updated: first.Added}, []string{"two"}},
			{file("CANCEL", "SEQUENCE:1"), exchange.Imported{Ignored: []string{"u1@example"}}, []string{"two"}},
			{file("CANCEL", "UID:other", "SEQUENCE:9"), exchange.Imported{Ignored: []string{"other"}}, []string{"two"}},
			{file("CANCEL", "SEQUENCE:3"), exchange.Imported{Removed: first.Added}, nil},
		}
		for i, step := range steps {
			if diff := cmp.Diff(step.want, w.imports(step.file)); diff != "" {
				t.Errorf("wrapped %t, step %d (-want +got):\n%s", wrap, i, diff)
			}
			var left []string
			for _, e := range w.Events(acme, aino) {
				left = append(left, e.Subject)
			}
			if !slices.Equal(left, step.left) {
				t.Errorf("wrapped %t, step %d: %v left, want %v", wrap, i, left, step.left)
			}
		}
		if len(w.Mails()) != 0 {
			t.Errorf("%d mails", len(w.Mails()))
		}
	}
}

// A file that carries an event's own iCalUId changes that event, mark and all.
func TestAFileWithAnEventsOwnUIDChangesIt(t *testing.T) {
	w := start(t, exchange.Switches{WrapUIDs: true})
	e, err := w.Create(acme, aino, "", meeting("ours"))
	if err != nil {
		t.Fatal(err)
	}
	if done := w.imports(file("PUBLISH", "UID:"+e.ICalUID, "SUMMARY:from a file", "SEQUENCE:1")); !slices.Equal(done.Updated, []string{e.ID}) {
		t.Errorf("%+v", done)
	}
	if all := w.Events(acme, aino); len(all) != 1 || all[0].Subject != "from a file" || all[0].ChangeKey == e.ChangeKey {
		t.Errorf("%+v", all)
	}
}

func TestARequestIsAMeetingToBeAnswered(t *testing.T) {
	w := start(t, exchange.Switches{})
	owner := w.Owner(acme, aino)
	id := w.imports(file("REQUEST", "ORGANIZER;CN=Bo:mailto:bo@acme.example", "ATTENDEE:mailto:"+aino)).Added[0]
	if err := owner.Answer(id, "maybe"); err == nil {
		t.Error("an unknown answer was taken")
	}
	for answer, showAs := range map[string]string{"accepted": "busy", "tentativelyAccepted": "tentative"} {
		if err := owner.Answer(id, answer); err != nil {
			t.Fatal(err)
		}
		if e, _ := w.Event(acme, aino, id); e.Response != answer || e.ShowAs != showAs || e.Organizer.Address != "bo@acme.example" {
			t.Errorf("%s: %+v", answer, e)
		}
	}
	if err := owner.Answer(id, "declined"); err != nil || len(w.Events(acme, aino)) != 0 {
		t.Errorf("declined: %v, %d events", err, len(w.Events(acme, aino)))
	}
	mails := w.Mails()
	if len(mails) != 3 || mails[0].Kind != "response" || mails[0].By != exchange.Person || !slices.Equal(mails[0].To, []string{"bo@acme.example"}) {
		t.Errorf("mails %+v", mails)
	}
	e, err := w.Create(acme, aino, "", meeting("ours"))
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Answer(e.ID, "accepted"); err == nil {
		t.Error("the organiser answered")
	}
}

func TestABadFileChangesNothing(t *testing.T) {
	two := strings.Replace(string(file("PUBLISH")), "END:VCALENDAR", "BEGIN:VEVENT\r\nDTSTART:20261201T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR", 1)
	for name, bad := range map[string][]byte{"nothing": nil, "no calendar": []byte("hello"), "no event": []byte("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
		"the second has no UID": []byte(two), "a zone of nowhere": file("", "DTSTART;TZID=Mars:20261201T100000"),
		"no start": file("", "DTSTART:x"), "end before start": file("", "DTSTART:20261202T100000Z", "DTEND:20261201T100000Z"), "two kinds": file("", "DTEND;VALUE=DATE:20261202"),
		"no length": file("", "DTEND-X:1", "DURATION:-PT1H"), "hours of whole days": file("", "DTSTART;VALUE=DATE:20261201", "DTEND-X:1", "DURATION:PT1H"),
		"sequence": file("", "SEQUENCE:x"), "a reply": file("REPLY"), "too large": append(file(""), make([]byte, 5<<20)...)} {
		w := start(t, exchange.Switches{})
		if _, err := w.Owner(acme, aino).Import(bad); err == nil || len(w.Events(acme, aino)) != 0 {
			t.Errorf("%s: %v, %d events", name, err, len(w.Events(acme, aino)))
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(file("PUBLISH", "SUMMARY:x", "SEQUENCE:1"))
	f.Add(file("CANCEL"))
	f.Add([]byte("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nDTSTART;VALUE=DATE:20261201\r\nBEGIN:VALARM\r\nTRIGGER:-P1W\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR"))
	f.Add(file("", "RRULE:FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20270101T000000Z", "EXDATE:20261203T080000Z"))
	f.Add(files(file("", "RRULE:FREQ=MONTHLY;BYDAY=-1TU;COUNT=9"), file("", "RECURRENCE-ID:20261229T080000Z", "DTSTART:20261230T080000Z", "DTEND:20261230T090000Z", "SEQUENCE:2")))
	f.Add(files(file("", "DTSTART;VALUE=DATE:20261231", "DTEND-X:1", "DURATION:P1D", "RRULE:FREQ=YEARLY"), file("", "RECURRENCE-ID;VALUE=DATE:20271231", "STATUS:CANCELLED")))
	f.Fuzz(func(t *testing.T, content []byte) {
		w := start(t, exchange.Switches{})
		done, err := w.Owner(acme, aino).Import(content)
		if got := len(w.Events(acme, aino)); err == nil && got > len(done.Added) || err != nil && got > 0 && len(done.Added) == 0 {
			t.Fatalf("%d events, %+v, %v", got, done, err)
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		shown, err := w.View(acme, aino, "", from, from.AddDate(2, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range shown {
			if same, err := w.Event(acme, aino, e.ID); err != nil || same.From != e.From || same.Subject != e.Subject || e.To.Before(e.From) {
				t.Fatalf("%+v is %+v by its id, %v", e, same, err)
			}
		}
	})
}
