package graphtest

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
)

// Person is a fresh Graph as somebody who signed in reaches it: the owner of
// Harness.Mailbox. Nothing was granted to the app itself.
type Person struct {
	Harness
	// Own is the access of a connection of theirs, Token the same with an access token
	// that is handed over. Dead is a connection of theirs whose token has ended.
	Own, Token, Dead graph.Access
}

// RunPerson runs the cases of people's access against fresh harnesses.
func RunPerson(t *testing.T, start func(t *testing.T) Person) {
	for _, c := range personCases {
		t.Run(c.name, func(t *testing.T) {
			p := start(t)
			c.run(personSuite{suite{t, p.Harness}, p.Own, p.Token, p.Dead})
		})
	}
}

type personSuite struct {
	suite
	Own, Token, Dead graph.Access
}

var personCases = []struct {
	name string
	run  func(personSuite)
}{
	{"a connection writes, reads, finds and deletes in its own mailbox", ownMailbox},
	{"twenty calls of a connection are answered in their order", ownBatch},
	{"the mailbox of an access is its own, whatever the address", ownOwner},
	{"no call of a connection reaches another mailbox", otherPeople},
	{"a dead token does nothing and says why", deadToken},
	{"the app reaches nothing where only people granted", appIsShut},
}

func (s personSuite) as(a graph.Access, c graph.Call) graph.Result {
	s.Helper()
	return s.Calendar.Do(s.Context(), a, []graph.Call{c})[0]
}

func ownMailbox(s personSuite) {
	for _, a := range []graph.Access{s.Own, s.Token} {
		made := s.as(a, s.creation(1))
		if made.Err != nil {
			s.Fatalf("%v: create: %v", a, made.Err)
		}
		if got := s.as(a, s.get(made.Event.ID)); got.Err != nil || got.Event.Mark != s.creation(1).Mark {
			s.Errorf("%v: get: %+v", a, got)
		}
		found := s.as(a, graph.Call{Op: graph.Find, Mailbox: s.Mailbox, Mark: s.creation(1).Mark})
		if found.Err != nil || len(found.Found) != 1 {
			s.Errorf("%v: find: %+v", a, found)
		}
		if r := s.as(a, s.retitle(made.Event.ID, "New")); r.Err != nil {
			s.Errorf("%v: patch: %v", a, r.Err)
		}
		if r := s.as(a, s.delete(made.Event.ID)); r.Err != nil {
			s.Errorf("%v: delete: %v", a, r.Err)
		}
	}
	s.lives(s.Mailbox, 0)
}

func ownBatch(s personSuite) {
	calls := make([]graph.Call, 20)
	for i := range calls {
		calls[i] = s.creation(i)
	}
	for i, r := range s.Calendar.Do(s.Context(), s.Own, calls) {
		if r.Err != nil {
			s.Errorf("call %d: %v", i, r.Err)
		}
	}
	s.lives(s.Mailbox, 20)
}

func ownOwner(s personSuite) {
	for _, a := range []graph.Access{s.Own, s.Token} {
		for _, address := range []string{s.Mailbox, s.Alias, s.Second, s.Unknown, ""} {
			got, err := s.Calendar.Mailbox(s.Context(), a, address)
			if err != nil || got.Address != strings.ToLower(s.Mailbox) {
				s.Errorf("%v: %q, %v", a, got.Address, err)
			}
		}
	}
}

func otherPeople(s personSuite) {
	theirs := s.World.UserImports(s.Second, "a@example.com", false)
	for _, a := range []graph.Access{s.Own, s.Token} {
		for _, c := range []graph.Call{s.creation(1), s.get(theirs), s.delete(theirs), s.retitle(theirs, "New"),
			{Op: graph.Find, Mark: s.creation(9).Mark}, {Op: graph.FindUID, UID: "a@example.com"}} {
			c.Mailbox = s.Second
			if r := s.as(a, c); r.Event.ID == theirs || len(r.Found) > 0 {
				s.Errorf("%v: %v told of another's event", a, c.Op)
			}
		}
	}
	if events := s.World.Events(s.Second); len(events) != 1 || events[0].Subject != "Imported" {
		s.Errorf("the other mailbox holds %+v", events)
	}
}

func deadToken(s personSuite) {
	r := s.as(s.Dead, s.creation(1))
	s.fails("create", r, graph.Unauthorised, graph.ReasonNeedsReauth, false)
	for _, r := range s.Calendar.Do(s.Context(), s.Dead, []graph.Call{s.creation(1), s.creation(2)}) {
		s.fails("create in a batch", r, graph.Unauthorised, graph.ReasonNeedsReauth, false)
	}
	if _, err := s.Calendar.Mailbox(s.Context(), s.Dead, s.Mailbox); asError(s.suite, err).Reason != graph.ReasonNeedsReauth {
		s.Errorf("Mailbox: %v", err)
	}
	s.lives(s.Mailbox, 0)
}

func appIsShut(s personSuite) {
	r := s.as(graph.AppAccess(s.Tenant), s.creation(1))
	if r.Err == nil || r.Err.Kind != graph.Unauthorised && r.Err.Kind != graph.Unreachable {
		s.Errorf("create as the app: %+v", r)
	}
	s.lives(s.Mailbox, 0)
}
