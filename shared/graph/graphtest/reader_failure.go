package graphtest

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

func failedReading(s readSuite) {
	id := s.Desk.Add(entry("a", 2))
	for _, tt := range []struct {
		status int
		code   string
		kind   graph.Kind
		reason string
	}{{503, "ServiceUnavailable", graph.Transient, ""}, {500, "InternalServerError", graph.Transient, ""}, {404, "Whatever", graph.Transient, ""},
		{504, "UnknownError", graph.Transient, ""}, {403, "ErrorAccessDenied", graph.Unreachable, graph.ReasonOutsideScope}} {
		s.World.Fail(2, tt.status, tt.code)
		page, err := s.Reader.Delta(s.Context(), s.app(), s.first())
		s.refused(tt.code, err, tt.kind, tt.reason)
		if page.Items != nil || page.Next+page.Delta != "" {
			s.Errorf("%+v", page)
		}
		_, err = s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
		s.refused(tt.code, err, tt.kind, tt.reason)
	}
	// In the middle of a round the same link goes on.
	for n := range 15 {
		s.Desk.Add(entry("b", n+3))
	}
	r := s.first()
	page, err := s.Reader.Delta(s.Context(), s.app(), r)
	if err != nil || page.Next == "" {
		s.Fatalf("%+v, %v", page, err)
	}
	r.Link = page.Next
	s.World.Fail(1, 503, "ServiceUnavailable")
	_, err = s.Reader.Delta(s.Context(), s.app(), r)
	s.refused("in the middle", err, graph.Transient, "")
	rest, _ := s.round(s.app(), r)
	if n := len(page.Items) + len(rest); n != 16 {
		s.Errorf("%d items", n)
	}
	gone, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.Reader.Delta(gone, s.app(), s.first()); err == nil {
		s.Error("read after the end")
	}
}

func throttledReading(s readSuite) {
	id := s.Desk.Add(entry("a", 2))
	s.World.Throttle(s.Mailbox, 2, 11*time.Second)
	_, err := s.Reader.Delta(s.Context(), s.app(), s.first())
	if e := s.refused("delta", err, graph.Throttled, ""); e.RetryAfter != 11*time.Second {
		s.Errorf("retry after %v", e.RetryAfter)
	}
	_, err = s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
	s.refused("read", err, graph.Throttled, "")
}

func lostReading(s readSuite) {
	s.World.LoseAnswers(1)
	_, err := s.Reader.Delta(s.Context(), s.app(), s.first())
	s.refused("lost", err, graph.Transient, "")
	s.round(s.app(), s.first())
}

func closedReading(s readSuite) {
	id := s.Desk.Add(entry("a", 2))
	try := func(what, mailbox string, kind graph.Kind, reason string) {
		s.Helper()
		r := s.first()
		r.Mailbox = mailbox
		_, err := s.Reader.Delta(s.Context(), s.app(), r)
		s.refused(what, err, kind, reason)
		_, err = s.Reader.Read(s.Context(), s.app(), mailbox, id)
		s.refused(what, err, kind, reason)
	}
	try("unknown", s.Unknown, graph.Unreachable, graph.ReasonNotFound)
	try("none", "", graph.Invalid, graph.ReasonRefused)
	try("a step", "..", graph.Invalid, graph.ReasonRefused)
	for state, reason := range map[State]string{Unlicensed: graph.ReasonUnavailable, OutsideScope: graph.ReasonOutsideScope} {
		s.World.SetState(s.Mailbox, state)
		try("closed", s.Mailbox, graph.Unreachable, reason)
	}
	r := s.first()
	r.From = time.Time{}
	s.World.SetState(s.Mailbox, Ready)
	_, err := s.Reader.Delta(s.Context(), s.app(), r)
	s.refused("no window", err, graph.Invalid, graph.ReasonRefused)
}

func refusedReading(s readSuite) {
	foreign := graph.AppAccess(s.Foreign)
	_, err := s.Reader.Delta(s.Context(), foreign, s.first())
	s.refused("foreign", err, graph.Unauthorised, graph.ReasonConsentMissing)
	_, err = s.Reader.Read(s.Context(), foreign, s.Mailbox, "x")
	s.refused("foreign", err, graph.Unauthorised, graph.ReasonConsentMissing)
	_, err = s.Reader.Delta(s.Context(), s.Dead, s.first())
	s.refused("dead", err, graph.Unauthorised, graph.ReasonNeedsReauth)
}
