package event_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/booking/bookingtest"
	"github.com/calbridge/calbridge/shared/event"
)

var update = flag.Bool("update", false, "write the golden files")

type data = bookingtest.Data

func flight() data { return bookingtest.Flight("acme", "PNR-7QX/1", 3) }

func TestProjectionsAreAsWrittenDown(t *testing.T) {
	berlin := event.Options{TimeZone: "Europe/Berlin", ReminderMinutes: 15, Profile: "training", Product: "Acme Learning"}
	tests := []struct {
		name    string
		data    data
		options event.Options
	}{
		{"flight", flight(), event.Options{TimeZone: "Europe/Helsinki", ReminderMinutes: 15, Profile: "travel", Product: "Acme Travel", Locale: "fi-FI"}},
		{"hotel", bookingtest.Hotel("acme", "h", 1), event.Options{TimeZone: "Europe/Helsinki", ReminderMinutes: 15, Profile: "travel"}},
		{"hotel-tokyo", bookingtest.Hotel("acme", "h", 1), event.Options{TimeZone: "Tokyo Standard Time", ReminderMinutes: 15, Profile: "travel", Locale: "ja"}},
		{"training", bookingtest.With(bookingtest.Training("acme", "t", 1, 3), data{"reminderMinutes": 30, "responsible": data{"user": "u-2"}}), berlin},
		{"training-large", bookingtest.Training("acme", "t", 1, 400), berlin},
		{"dst-night", bookingtest.With(bookingtest.Training("acme", "t", 1, 0), data{
			"start": data{"dateTime": "2027-03-28T02:30:00"}, "end": data{"dateTime": "2027-03-28T06:00:00"}}), berlin},
		{"dst-autumn", bookingtest.With(bookingtest.Training("acme", "t", 1, 0), data{
			"start": data{"dateTime": "2027-10-31T02:30:00"}, "end": data{"dateTime": "2027-10-31T02:45:00"}}), berlin},
		{"emoji", bookingtest.With(flight(), data{"title": "Sauna 🧖‍♀️ & \"Glögi\" <now>", "url": nil, "location": nil, "status": "tentative"}), event.Options{Profile: "rooms"}},
		{"apostrophes", bookingtest.With(flight(), data{"title": "O'Brien's\r\nBcc: x\t\x00 talk", "description": data{"text": "It's <b>bold</b>\r\n[calbridge] & [/Calbridge]\u2028end\x07"},
			"people":     []any{data{"user": "1", "name": "Seán O'Brien"}, data{"user": "2", "email": "no.name@acme.example", "assigned": false}, data{"user": "3", "email": "three@acme.example", "role": "organizer", "assigned": false}},
			"categories": []any{" Travel ", "travel", "", "Müller's", "A\nB"}, "location": data{"address": "1 King's Rd"}}),
			event.Options{Profile: "planning", Locale: "de"}},
		{"as-set", bookingtest.With(flight(), data{"showAs": "oof", "sensitivity": "private", "reminderMinutes": 0, "rooms": []any{"r-1"}}), event.Options{Profile: "travel", ReminderMinutes: 15, Locale: "nb-NO"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := json.MarshalIndent(event.Project(bookingtest.Booking(test.data), test.options), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(unescape(got), '\n')
			file := filepath.Join("testdata", test.name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// unescape lets people read the HTML in golden files.
func unescape(text []byte) []byte {
	return []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text)))
}

func TestShowAsFollowsProfileAndStatus(t *testing.T) {
	tests := []struct{ profile, status, set, want string }{
		{"travel", "confirmed", "", "tentative"},
		{"travel", "confirmed", "busy", "busy"},
		{"training", "tentative", "", "tentative"},
		{"training", "confirmed", "", "busy"},
		{"planning", "confirmed", "free", "free"},
		{"rooms", "tentative", "workingElsewhere", "workingElsewhere"},
	}
	for _, test := range tests {
		b := booking.Booking{Status: test.status, ShowAs: test.set}
		if got := event.Project(b, event.Options{Profile: test.profile}).ShowAs; got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

func TestTextIsCutToWhatExchangeStores(t *testing.T) {
	units := func(s string) int { return len(utf16.Encode([]rune(s))) }
	b := booking.Booking{Title: strings.Repeat("🎉", 255), Location: booking.Location{Name: strings.Repeat("ä ", 300)}}
	e := event.Project(b, event.Options{})
	for name, text := range map[string]string{"subject": e.Subject, "location": e.Location.Name} {
		if n := units(text); n > 255 || n < 250 || !strings.HasSuffix(text, "…") || strings.Contains(text, "\ufffd") {
			t.Errorf("%s has %d units and ends in %q", name, n, text[len(text)-6:])
		}
	}
	exact := strings.Repeat("x", 255)
	if got := event.Project(booking.Booking{Title: exact}, event.Options{}).Subject; got != exact {
		t.Errorf("255 characters became %d", len(got))
	}
}

func TestNobodyIsAnAttendeeAndNoMarkupComesIn(t *testing.T) {
	const evil = `<script>alert("x")</script><img src=x onerror=y>`
	b := bookingtest.Booking(bookingtest.With(flight(), data{
		"title": evil, "description": data{"text": evil}, "location": data{"name": evil, "address": evil},
		"url": `https://x.example/"onmouseover="y`, "people": []any{data{"user": "1", "name": evil}},
	}))
	body := event.Project(b, event.Options{Product: evil}).Body
	for _, bad := range []string{"<script", "<img", `"onmouseover`} {
		if strings.Contains(body, bad) {
			t.Errorf("%s comes through: %s", bad, body)
		}
	}
}

func TestTheBodyIsTheSameForEveryRunAndLanguageOnlyChangesWords(t *testing.T) {
	b := bookingtest.Booking(flight())
	seen := map[string]string{}
	for _, locale := range []string{"en", "de", "fi", "ja", "nb", "ru"} {
		body := event.Project(b, event.Options{Locale: locale}).Body
		if other, ok := seen[body]; ok {
			t.Errorf("%s reads like %s", locale, other)
		}
		seen[body] = locale
		if again := event.Project(b, event.Options{Locale: locale}).Body; again != body {
			t.Errorf("%s differs from run to run", locale)
		}
	}
	if event.Project(b, event.Options{Locale: "xx"}).Body != event.Project(b, event.Options{}).Body {
		t.Error("an unknown language is not English")
	}
}

func TestAStartThatIsSkippedNeverPassesTheEnd(t *testing.T) {
	e := event.Project(bookingtest.Booking(bookingtest.With(flight(), data{
		"start": data{"dateTime": "2027-03-28T02:30:00", "timeZone": "Europe/Berlin"},
		"end":   data{"dateTime": "2027-03-28T03:10:00", "timeZone": "Europe/Berlin"},
	})), event.Options{})
	want := event.Time{DateTime: "2027-03-28T03:30:00", Zone: "Europe/Berlin"}
	if e.Start != want || e.End != want {
		t.Errorf("%+v to %+v", e.Start, e.End)
	}
}

func TestAnUnscheduledBookingHasNoWhen(t *testing.T) {
	e := event.Project(bookingtest.Booking(bookingtest.With(flight(), data{"start": nil, "end": nil})), event.Options{})
	if e.Start != (event.Time{}) || e.End != (event.Time{}) {
		t.Errorf("%+v to %+v", e.Start, e.End)
	}
}

func BenchmarkProject(b *testing.B) {
	for name, d := range map[string]data{"flight": flight(), "40 learners": bookingtest.Training("acme", "t", 1, 40)} {
		decoded := bookingtest.Booking(d)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = event.Project(decoded, event.Options{TimeZone: "Europe/Berlin", Product: "Acme"}).Fingerprint()
			}
		})
	}
}
