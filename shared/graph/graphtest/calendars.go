package graphtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// Lists is a fresh Graph whose calendars can be listed: by the app in Harness.Tenant, and
// by the owner of Harness.Mailbox.
type Lists struct {
	Harness
	Calendars graph.Calendars
	// Own is the access of the owner with Calendars.Read, Shared the same with
	// Calendars.Read.Shared, Dead one whose token has ended.
	Own, Shared, Dead graph.Access
	// Add gives a mailbox another calendar, a lightBlue one, and returns its id; Share lets the owner of
	// Mailbox read the calendars of Second.
	Add   func(mailbox, name string) string
	Share func()
}

// RunLists runs the cases of graph.Calendars against fresh ones.
func RunLists(t *testing.T, start func(t *testing.T) Lists) {
	for _, c := range listCases {
		t.Run(c.name, func(t *testing.T) {
			l := start(t)
			c.run(listSuite{t, l})
		})
	}
}

type listSuite struct {
	*testing.T
	Lists
}

var listCases = []struct {
	name string
	run  func(listSuite)
}{
	{"every calendar is listed as it is called, the default one first", everyCalendar},
	{"two hundred calendars are listed whole", manyCalendars},
	{"every name of a mailbox lists the same", sameList},
	{"a connection lists its own, whatever mailbox the call names", ownList},
	{"what others share is listed where that was granted, and nowhere else", sharedList},
	{"a failure is never an empty list", failedList},
	{"a throttled list says how long", throttledList},
	{"a lost answer is no list", lostList},
	{"a mailbox that is unknown or closed says why", closedList},
	{"without consent or with a dead token nothing is listed", refusedList},
}

// list lists, and fails the test where that fails.
func (s listSuite) list(as graph.Access, mailbox string) []graph.Folder {
	s.Helper()
	all, err := s.Calendars.Calendars(s.Context(), as, mailbox)
	if err != nil {
		s.Fatalf("list: %v", err)
	}
	return all
}

// refuses fails the test unless a list fails with a kind and reason.
func (s listSuite) refuses(what string, as graph.Access, mailbox string, kind graph.Kind, reason string) *graph.Error {
	s.Helper()
	all, err := s.Calendars.Calendars(s.Context(), as, mailbox)
	failure := (*graph.Error)(nil)
	if !errors.As(err, &failure) || failure.Kind != kind || failure.Reason != reason || len(all) > 0 {
		s.Errorf("%s: %d calendars, %v; want %v, reason %q", what, len(all), err, kind, reason)
		return &graph.Error{}
	}
	return failure
}

func (s listSuite) app() graph.Access { return graph.AppAccess(s.Tenant) }

// odd are names that people give.
var odd = []string{"Aino's team", "Työ 📅", `"<b>&amp;"`, "Team", "Team", "a\tb", strings.Repeat("ö", 255)}

func everyCalendar(s listSuite) {
	var ids []string
	for _, name := range odd {
		ids = append(ids, s.Add(s.Mailbox, name))
	}
	all := s.list(s.app(), s.Mailbox)
	if len(all) != len(odd)+1 || !all[0].Default || !strings.EqualFold(all[0].Owner, s.Mailbox) || !all[0].CanEdit || all[0].ID == "" {
		s.Fatalf("%d calendars, first %+v", len(all), all[0])
	}
	for i, f := range all[1:] {
		if f.ID != ids[i] || f.Name != odd[i] || f.Default || f.Owner != strings.ToLower(s.Mailbox) || f.Color != "lightBlue" {
			s.Errorf("calendar %d: %+v, want %q", i, f, odd[i])
		}
	}
	if again := s.list(s.app(), s.Mailbox); !slices.Equal(all, again) {
		s.Error("the list is another one the second time")
	}
}

func manyCalendars(s listSuite) {
	for i := range 200 {
		s.Add(s.Mailbox, fmt.Sprint("Team ", i))
	}
	for _, as := range []graph.Access{s.app(), s.Own} {
		all := s.list(as, s.Mailbox)
		seen := map[string]bool{}
		for _, f := range all {
			seen[f.ID] = true
		}
		if len(all) != 201 || len(seen) != 201 || all[200].Name != "Team 199" {
			s.Errorf("%v: %d calendars, %d ids", as, len(all), len(seen))
		}
	}
}

func sameList(s listSuite) {
	s.Add(s.Mailbox, "Team")
	want := s.list(s.app(), s.Mailbox)
	for _, name := range []string{s.Alias, strings.ToUpper(s.Mailbox), s.Own.ObjectID} {
		if got := s.list(s.app(), name); !slices.Equal(got, want) {
			s.Errorf("%q: %+v", name, got)
		}
	}
}

func ownList(s listSuite) {
	s.Add(s.Mailbox, "Mine")
	s.Add(s.Second, "Theirs")
	want := s.list(s.app(), s.Mailbox)
	for _, mailbox := range []string{s.Mailbox, s.Second, s.Unknown, ""} {
		if got := s.list(s.Own, mailbox); !slices.Equal(got, want) {
			s.Errorf("%q: %+v", mailbox, got)
		}
	}
}

func sharedList(s listSuite) {
	s.Add(s.Second, "Theirs")
	plain := s.list(s.Shared, s.Mailbox)
	s.Share()
	for _, as := range []graph.Access{s.Own, s.app()} {
		if got := s.list(as, s.Mailbox); len(got) != 1 {
			s.Errorf("%v: %d calendars without the permission", as, len(got))
		}
	}
	got := s.list(s.Shared, s.Mailbox)
	if len(plain) != 1 || len(got) != 3 || got[0] != plain[0] {
		s.Fatalf("%d calendars, then %+v", len(plain), got)
	}
	theirs := s.list(s.app(), s.Second)
	for i, f := range got[1:] {
		if f.Default || f.CanEdit || f.Owner != s.Second || f.ID == theirs[i].ID || f.ID == got[0].ID {
			s.Errorf("shared: %+v", f)
		}
	}
}

func failedList(s listSuite) {
	for _, tt := range []struct {
		status int
		code   string
		kind   graph.Kind
	}{{503, "ServiceUnavailable", graph.Transient}, {500, "InternalServerError", graph.Transient}, {404, "Whatever", graph.Transient}} {
		s.World.Fail(1, tt.status, tt.code)
		s.refuses(tt.code, s.app(), s.Mailbox, tt.kind, "")
	}
	s.World.Fail(1, 403, "ErrorAccessDenied")
	s.refuses("forbidden", s.app(), s.Mailbox, graph.Unreachable, graph.ReasonOutsideScope)
	gone, cancel := context.WithCancel(s.Context())
	cancel()
	if all, err := s.Calendars.Calendars(gone, s.app(), s.Mailbox); err == nil || len(all) > 0 {
		s.Errorf("after the end: %d calendars, %v", len(all), err)
	}
}

func throttledList(s listSuite) {
	s.World.Throttle(s.Mailbox, 1, 11*time.Second)
	if e := s.refuses("throttled", s.app(), s.Mailbox, graph.Throttled, ""); e.RetryAfter != 11*time.Second {
		s.Errorf("retry after %v", e.RetryAfter)
	}
}

func lostList(s listSuite) {
	s.World.LoseAnswers(1)
	s.refuses("lost", s.app(), s.Mailbox, graph.Transient, "")
	s.list(s.app(), s.Mailbox)
}

func closedList(s listSuite) {
	s.refuses("unknown", s.app(), s.Unknown, graph.Unreachable, graph.ReasonNotFound)
	s.refuses("no mailbox named", s.app(), "", graph.Invalid, graph.ReasonRefused)
	s.refuses("a step", s.app(), "..", graph.Invalid, graph.ReasonRefused)
	for state, reason := range map[State]string{Unlicensed: graph.ReasonUnavailable, OutsideScope: graph.ReasonOutsideScope} {
		s.World.SetState(s.Mailbox, state)
		s.refuses("closed", s.app(), s.Mailbox, graph.Unreachable, reason)
	}
}

func refusedList(s listSuite) {
	foreign := graph.AppAccess(s.Foreign)
	if all, err := s.Calendars.Calendars(s.Context(), foreign, s.Mailbox); asError(suite{s.T, s.Harness}, err).Kind != graph.Unauthorised || len(all) > 0 {
		s.Errorf("foreign: %v", err)
	}
	s.refuses("dead", s.Dead, s.Mailbox, graph.Unauthorised, graph.ReasonNeedsReauth)
}
