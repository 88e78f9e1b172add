package appointment_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/key"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func full() appointment.Appointment {
	title := "Dentist"
	return appointment.Appointment{ID: "e", ChangeKey: "1", Start: noon, End: noon.Add(time.Hour), ShowAs: "oof", Sensitivity: "normal", Title: &title,
		Details: &appointment.Details{Body: "<p>x</p>", BodyType: "html", Location: "Room", Organizer: appointment.Person{Name: "Bo", Email: "bo@acme.example"},
			People: []appointment.Person{{Name: "Aino", Email: "aino@acme.example", Type: "required", Response: "none"}}}}
}

func TestPrivacyLeavesWhatMayBeTold(t *testing.T) {
	for _, test := range []struct {
		privacy     appointment.Privacy
		sensitivity string
		told        bool
		title, all  bool
	}{
		{appointment.Nothing, "normal", false, false, false},
		{appointment.Nothing, "private", false, false, false},
		{appointment.Busy, "normal", true, false, false},
		{appointment.Title, "normal", true, true, false},
		{appointment.All, "normal", true, true, true},
		{appointment.All, "", true, true, true},
		{appointment.All, "personal", true, true, true},
		{appointment.All, "private", true, false, false},
		{appointment.All, "confidential", true, false, false},
		{appointment.Title, "private", true, false, false},
		{appointment.Title, "confidential", true, false, false},
		{appointment.All, "a word of next year", true, false, false},
		{"a word of next year", "normal", false, false, false},
		{"", "private", false, false, false},
	} {
		t.Run(fmt.Sprint(test.privacy, " ", test.sensitivity), func(t *testing.T) {
			a := full()
			a.Sensitivity = test.sensitivity
			got, told := appointment.Reduce(a, test.privacy)
			if told != test.told || (got.Title != nil) != test.title || (got.Details != nil) != test.all {
				t.Errorf("told %v, %+v", told, got)
			}
			if told && (!got.Start.Equal(noon) || got.ShowAs != "oof") {
				t.Errorf("the busy time is lost: %+v", got)
			}
			if !told && !cmp.Equal(got, appointment.Appointment{}) {
				t.Errorf("something is left: %+v", got)
			}
		})
	}
}

func TestWhatIsToldIsBounded(t *testing.T) {
	a := full()
	title := strings.Repeat("ä", 400) + "\xff"
	a.Title, a.ShowAs = &title, "floating"
	a.Details.Body = strings.Repeat("語", 40_000)
	a.Details.People = make([]appointment.Person, 700)
	a.Details.People[0].Name = strings.Repeat("n", 300)
	got, _ := appointment.Reduce(a, appointment.All)
	if utf8.RuneCountInString(*got.Title) != appointment.MaxTitle || utf8.RuneCountInString(got.Details.Body) != appointment.MaxBody ||
		len(got.Details.People) != appointment.MaxPeople || len(got.Details.People[0].Name) != appointment.MaxName || got.ShowAs != "unknown" {
		t.Errorf("%d, %d, %d people, %s", utf8.RuneCountInString(*got.Title), utf8.RuneCountInString(got.Details.Body), len(got.Details.People), got.ShowAs)
	}
	if a.Details.People[0].Name != strings.Repeat("n", 300) {
		t.Error("what was given has changed")
	}
}

func TestTheHashIsOfWhatIsToldAndNotOfTheVersion(t *testing.T) {
	a, _ := appointment.Reduce(full(), appointment.All)
	b := a
	b.ChangeKey = "2"
	if a.Hash() != b.Hash() || len(a.Hash()) != 22 {
		t.Errorf("%s, %s", a.Hash(), b.Hash())
	}
	for name, change := range map[string]func(*appointment.Appointment){
		"start": func(a *appointment.Appointment) { a.Start = noon.Add(time.Second) },
		"show":  func(a *appointment.Appointment) { a.ShowAs = "free" },
		"title": func(a *appointment.Appointment) { a.Title = nil },
		"body":  func(a *appointment.Appointment) { d := *a.Details; d.Body = ""; a.Details = &d },
		"rule": func(a *appointment.Appointment) {
			d := *a.Details
			d.Recurrence = &appointment.Recurrence{Series: "s"}
			a.Details = &d
		},
	} {
		c := a
		if change(&c); c.Hash() == a.Hash() {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestTheIdsOfEventsTellChangesApart(t *testing.T) {
	c, a := key.Of("connection"), full()
	id := appointment.EventID(c, a, "v1")
	if id != appointment.EventID(c, a, "v1") {
		t.Error("a re-send has another id")
	}
	b := a
	b.ID = "f"
	seen := map[string]bool{id: true}
	for _, other := range []string{appointment.EventID(c, a, "v2"), appointment.EventID(key.Of("other"), a, "v1"), appointment.EventID(c, b, "v1"),
		appointment.DeletedID(c, "e", "v1"), appointment.DeletedID(c, "e", "v2"), appointment.DeletedID(c, "f", "v1")} {
		if seen[other] {
			t.Error("two changes share an id")
		}
		seen[other] = true
	}
}

func TestWhatMakesNoSenseIsSeen(t *testing.T) {
	for name, change := range map[string]func(*appointment.Appointment){
		"no id":    func(a *appointment.Appointment) { a.ID = "" },
		"no start": func(a *appointment.Appointment) { a.Start = time.Time{} },
		"no end":   func(a *appointment.Appointment) { a.End = time.Time{} },
		"backward": func(a *appointment.Appointment) { a.End = a.Start.Add(-time.Second) },
		"far": func(a *appointment.Appointment) {
			a.Start, a.End = a.Start.AddDate(3000, 0, 0), a.End.AddDate(3000, 0, 0)
		},
	} {
		a := full()
		if change(&a); a.Sensible() {
			t.Errorf("%s makes sense", name)
		}
	}
	if a := full(); !a.Sensible() {
		t.Error("an ordinary one makes none")
	}
}

func TestDaysAreNamedByTheDateOfTheirSeries(t *testing.T) {
	helsinki, err := time.LoadLocation("Europe/Helsinki")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC)
	if got := appointment.Day(at, helsinki); got != "2026-03-29" {
		t.Errorf("%s", got)
	}
	if got := appointment.Day(at, nil); got != "2026-03-28T22:30Z" {
		t.Errorf("%s", got)
	}
	if got := appointment.DayID("m", "2026-03-29"); got != "OID.m.2026-03-29" {
		t.Errorf("%s", got)
	}
}

// Every key has one moment in each interval, whoever asks and whenever.
func TestMomentsAreOnceAnInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := key.Of("k", rapid.String().Draw(t, "key"))
		interval := time.Duration(rapid.Int64Range(60, 10*24*3600).Draw(t, "interval")) * time.Second
		after := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "after"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		next := appointment.Moment(k, interval, after)
		if !next.After(after) || next.Sub(after) > interval {
			t.Fatalf("%v after %v, every %v", next, after, interval)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "between")))
		if other := appointment.Moment(k, interval, between); !other.Equal(next) {
			t.Fatalf("%v and %v", next, other)
		}
		if following := appointment.Moment(k, interval, next); !following.Equal(next.Add(interval)) {
			t.Fatalf("%v, then %v", next, following)
		}
	})
}

func TestAWindowReachesFarEnoughUntilItRolls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := key.Of("k", rapid.String().Draw(t, "key"))
		now := noon.Add(time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "s")) * time.Second)
		w := appointment.NewWindow(k, now)
		if until := w.Roll.Sub(now); until < 6*24*time.Hour || until > 13*24*time.Hour {
			t.Fatalf("rolls after %v", until)
		}
		if w.To.Before(w.Roll.Add(appointment.Ahead)) || w.From.After(now.Add(-appointment.Back)) {
			t.Fatalf("%+v at %v", w, now)
		}
	})
	w := appointment.Window{From: noon, To: noon.Add(time.Hour)}
	for name, test := range map[string]struct {
		start, end time.Duration
		in         bool
	}{
		"inside": {0, time.Hour, true}, "before": {-time.Hour, 0, false}, "behind": {time.Hour, 2 * time.Hour, false}, "across": {-time.Hour, 2 * time.Hour, true},
		"a moment at its start": {0, 0, true}, "a moment at its end": {time.Hour, time.Hour, false},
	} {
		if w.Holds(noon.Add(test.start), noon.Add(test.end)) != test.in {
			t.Errorf("%s: held is not %v", name, test.in)
		}
	}
}

func FuzzReduce(f *testing.F) {
	f.Add("t", "b", "l", "busy", "private", "all", int64(0))
	f.Add("\xff", "<script>", "\u2028", "", "", "title", int64(1<<40))
	f.Fuzz(func(t *testing.T, title, body, location, show, sensitivity, privacy string, at int64) {
		a := appointment.Appointment{ID: "x", Start: time.Unix(at, 0), End: time.Unix(at, 0), ShowAs: show, Sensitivity: sensitivity, Title: &title,
			Details: &appointment.Details{Body: body, Location: location}}
		got, told := appointment.Reduce(a, appointment.Privacy(privacy))
		if !told {
			return
		}
		if got.Private && (got.Title != nil || got.Details != nil) {
			t.Fatalf("%+v", got)
		}
		if got.Title != nil && !utf8.ValidString(*got.Title) || got.Details != nil && !utf8.ValidString(got.Details.Body+got.Details.Location) {
			t.Fatal("not UTF-8")
		}
		again, _ := appointment.Reduce(got, appointment.Privacy(privacy))
		if again.Hash() != got.Hash() {
			t.Fatal("reducing twice differs")
		}
	})
}
