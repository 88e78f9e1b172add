package graphtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// Readings is a fresh Graph whose mailboxes can be read: by the app in Harness.Tenant, and
// by the owner of Harness.Mailbox.
type Readings struct {
	Harness
	Reader graph.Reader
	// Own is the access of the owner with Calendars.Read, Basic one with
	// Calendars.ReadBasic only, Dead one whose token has ended.
	Own, Basic, Dead graph.Access
	Desk             Desk
}

// Desk is what the owner of Harness.Mailbox does in Outlook, and what a test does to
// Exchange. Ids are immutable ones. Methods end the test when they cannot.
type Desk interface {
	// Add makes an event and returns its id.
	Add(Entry) string
	// Days are the ids of a series' occurrences in a window, by start.
	Days(series string, from, to time.Time) []string
	Retitle(id, subject string)
	Move(id string, start, end time.Time)
	Delete(id string)
	// AddCalendar makes a calendar, File moves an event into it.
	AddCalendar(name string) string
	File(id, calendar string)
	// Spoil changes how changes are told, Expire ends every link there is.
	Spoil(Oddities)
	Expire()
	// Deltas counts the pages of changes that Graph was asked for.
	Deltas() int
}

// Entry is an event as its owner makes it.
type Entry struct {
	Subject    string
	Start, End time.Time // UTC
	AllDay     bool
	// Days makes it a series that takes place daily so often; 0 is no series.
	Days       int
	Place      string
	Private    bool
	Categories []string
	Invite     []string // addresses
}

// Oddities are those of contract section 4 that can be switched on.
type Oddities struct {
	EmptyFirst, Duplicates, Shuffle, ListOccurrences bool
	ExpiredCode                                      string
	ExpiredStatus                                    int
	Location                                         bool
	// Stray is mailbox or calendar: links lead into another one.
	Stray string
}

// RunReader runs the cases of graph.Reader against fresh ones.
func RunReader(t *testing.T, start func(t *testing.T) Readings) {
	for _, c := range readerCases {
		t.Run(c.name, func(t *testing.T) { c.run(readSuite{t, start(t)}) })
	}
}

type readSuite struct {
	*testing.T
	Readings
}

var readerCases = []struct {
	name string
	run  func(readSuite)
}{
	{"an event is told whole", wholeEvent},
	{"what our client wrote is read with its mark", markedEvent},
	{"a series is its master, slim occurrences and whole exceptions", wholeSeries},
	{"a whole day is a date", wholeDay},
	{"nothing changed is an empty page with a link", nothingChanged},
	{"later rounds tell what changed", laterRounds},
	{"a series is never split, and the page size is a hint", pageSizes},
	{"an empty page leads on", emptyPage},
	{"the same item may come twice", twice},
	{"a chosen calendar is read by its id", chosenCalendar},
	{"every spelling of an expired link is gone", expiredLinks},
	{"a link that is not Graph's is never followed", foreignLinks},
	{"a link into another mailbox or calendar is never followed", strayLinks},
	{"a damaged link is refused", damagedLink},
	{"a connection reads its own, whatever mailbox is named", ownReading},
	{"ReadBasic reads changes without bodies, and no single event", basicReading},
	{"an event that is not there is gone", goneEvent},
	{"a day of a series is read by its id", readDay},
	{"a failed reading is no empty page", failedReading},
	{"a throttled reading says how long", throttledReading},
	{"a lost answer is no page", lostReading},
	{"a mailbox that is unknown or closed says why", closedReading},
	{"without consent or with a dead token nothing is read", refusedReading},
}

func (s readSuite) app() graph.Access { return graph.AppAccess(s.Tenant) }

// The window of the cases: December 2026.
var (
	december = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	january  = december.AddDate(0, 1, 0)
)

func hour(day, hour int) time.Time {
	return december.AddDate(0, 0, day-1).Add(time.Duration(hour) * time.Hour)
}

// entry is an event of an hour.
func entry(subject string, day int) Entry {
	return Entry{Subject: subject, Start: hour(day, 9), End: hour(day, 10)}
}

func (s readSuite) first() graph.DeltaRequest {
	return graph.DeltaRequest{Mailbox: s.Mailbox, From: december, To: january}
}

// round reads from a request to the end of the round.
func (s readSuite) round(as graph.Access, r graph.DeltaRequest) (items []graph.Item, link string) {
	s.Helper()
	for range 100 {
		page, err := s.Reader.Delta(s.Context(), as, r)
		if err != nil {
			s.Fatalf("delta: %v (cause %v)", err, errors.Unwrap(err))
		}
		if (page.Next == "") == (page.Delta == "") {
			s.Fatalf("a page has one link: %q, %q", page.Next, page.Delta)
		}
		items = append(items, page.Items...)
		if page.Delta != "" {
			return items, page.Delta
		}
		r.Link = page.Next
	}
	s.Fatal("the round does not end")
	return nil, ""
}

// tells compares items in short: what they are and how they are called, in any order.
func (s readSuite) tells(what string, items []graph.Item, want ...string) {
	s.Helper()
	var got []string
	for _, i := range items {
		kind := i.Kind.String()
		if i.Removed {
			kind = "removed"
		}
		got = append(got, strings.TrimSpace(kind+" "+i.Subject))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.Errorf("%s: %q, want %q", what, got, want)
	}
}

// asked fails the test unless an error has a kind and reason.
func (s readSuite) refused(what string, err error, kind graph.Kind, reason string) *graph.Error {
	s.Helper()
	failure := (*graph.Error)(nil)
	if !errors.As(err, &failure) || failure.Kind != kind || failure.Reason != reason {
		s.Errorf("%s: %v (cause %v); want %v, reason %q", what, err, errors.Unwrap(err), kind, reason)
		return &graph.Error{}
	}
	return failure
}

func wholeEvent(s readSuite) {
	id := s.Desk.Add(Entry{Subject: "Dentist", Start: hour(2, 9), End: hour(2, 10), Place: "Mannerheimintie 1", Private: true,
		Categories: []string{"Mine", "Red"}, Invite: []string{"guest@else.example"}})
	items, _ := s.round(s.app(), s.first())
	if len(items) != 1 {
		s.Fatalf("%d items", len(items))
	}
	read, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
	if err != nil {
		s.Fatal(err)
	}
	for how, i := range map[string]graph.Item{"delta": items[0], "read": read} {
		if i.ID != id || i.Removed || i.Kind != graph.Single || i.Series != "" || !i.Original.IsZero() || how == "delta" && i.Created.IsZero() || i.ICalUID == "" || len(i.Recurrence) > 0 || i.Mark != "" {
			s.Errorf("%s: what it is: %+v", how, i)
		}
		if !i.Start.Equal(hour(2, 9)) || !i.End.Equal(hour(2, 10)) || i.Start.Location() != time.UTC || i.StartZone != "UTC" || i.EndZone != "UTC" || i.AllDay {
			s.Errorf("%s: when: %+v", how, i)
		}
		if i.Subject != "Dentist" || i.Location != "Mannerheimintie 1" || i.Sensitivity != "private" || i.ShowAs != "busy" || i.Cancelled || i.BodyType != "html" ||
			!slices.Equal(i.Categories, []string{"Mine", "Red"}) || !i.Reminder || i.ReminderMinutes != 15 {
			s.Errorf("%s: content: %+v", how, i)
		}
		if !i.IsOrganizer || i.Response != "organizer" || !strings.EqualFold(i.Organizer.Address, s.Mailbox) || len(i.People) != 1 ||
			i.People[0] != (graph.Person{Name: "guest@else.example", Address: "guest@else.example", Type: "required", Response: "none"}) {
			s.Errorf("%s: people: %+v", how, i)
		}
	}
	if items[0].Created.IsZero() || !read.Created.IsZero() {
		s.Errorf("made %v, by a direct read %v", items[0].Created, read.Created)
	}
	if !graph.SameVersion(items[0].ChangeKey, read.ChangeKey) {
		s.Errorf("versions %q and %q", items[0].ChangeKey, read.ChangeKey)
	}
	s.Desk.Retitle(id, "Surgeon")
	if again, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, id); err != nil || graph.SameVersion(again.ChangeKey, read.ChangeKey) || again.Subject != "Surgeon" {
		s.Errorf("after a change: %+v, %v", again, err)
	}
}

func markedEvent(s readSuite) {
	h := suite{s.T, s.Harness}
	made := h.create(1)
	items, _ := s.round(s.app(), s.first())
	if len(items) != 1 || items[0].ID != made.ID || items[0].Mark != "" || !graph.SameVersion(items[0].ChangeKey, made.ChangeKey) {
		s.Errorf("delta: %+v", items)
	}
	read, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, made.ID)
	if err != nil || read.Mark != h.creation(1).Mark || read.ID != made.ID || !strings.Contains(read.Body, "Seat 1A") {
		s.Errorf("read: %+v, %v", read, err)
	}
}

func wholeSeries(s readSuite) {
	series := s.Desk.Add(Entry{Subject: "Stand-up", Start: hour(1, 9).AddDate(-2, 0, 0), End: hour(1, 10).AddDate(-2, 0, 0), Days: 735})
	days := s.Desk.Days(series, december, january)
	s.Desk.Retitle(days[1], "Review")
	items, _ := s.round(s.app(), s.first())
	s.tells("the series", items, "seriesMaster Stand-up", "occurrence", "exception Review", "occurrence", "occurrence", "occurrence")
	for _, i := range items {
		switch {
		case i.Kind == graph.Master:
			var rule struct {
				Pattern struct{ Type string }
				Range   struct{ NumberOfOccurrences int }
			}
			if err := json.Unmarshal(i.Recurrence, &rule); err != nil || rule.Pattern.Type != "daily" || rule.Range.NumberOfOccurrences != 735 {
				s.Errorf("rule %s: %v", i.Recurrence, err)
			}
			if i.ID != series || !i.Start.Equal(hour(1, 9).AddDate(-2, 0, 0)) || i.Series != "" {
				s.Errorf("master %+v", i)
			}
		case i.Kind == graph.Exception:
			if i.ID != days[1] || i.Series != series || !i.Original.Equal(i.Start) || i.ICalUID == "" {
				s.Errorf("exception %+v", i)
			}
		default:
			slim := graph.Item{ID: i.ID, ChangeKey: i.ChangeKey, Kind: graph.Occurrence, Series: series, Start: i.Start, End: i.End}
			if fmt.Sprintf("%+v", i) != fmt.Sprintf("%+v", slim) || !slices.Contains(days, i.ID) || i.End.Sub(i.Start) != time.Hour || i.ChangeKey == "" {
				s.Errorf("occurrence %+v", i)
			}
		}
	}
}

func wholeDay(s readSuite) {
	id := s.Desk.Add(Entry{Subject: "Holiday", Start: hour(24, 0), End: hour(27, 0), AllDay: true})
	items, _ := s.round(s.app(), s.first())
	read, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
	if err != nil || len(items) != 1 {
		s.Fatalf("%d items, %v", len(items), err)
	}
	for _, i := range []graph.Item{items[0], read} {
		if !i.AllDay || !i.Start.Equal(hour(24, 0)) || !i.End.Equal(hour(27, 0)) || i.ShowAs != "free" {
			s.Errorf("%+v", i)
		}
	}
}
