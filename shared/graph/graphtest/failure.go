package graphtest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

func throttledItem(s suite) {
	made := s.create(1)
	other := s.creation(2)
	other.Mailbox = s.Second
	s.World.Throttle(s.Second, 1, 7*time.Second)
	results := s.do(s.get(made.ID), other, s.retitle(made.ID, "New"))
	if results[0].Err != nil || results[2].Err != nil {
		s.Errorf("the others: %v, %v", results[0].Err, results[2].Err)
	}
	s.fails("the throttled one", results[1], graph.Throttled, "", false)
	if err := results[1].Err; err != nil && (err.RetryAfter != 7*time.Second || err.Status != 429) {
		s.Errorf("retry after %v, status %d", err.RetryAfter, err.Status)
	}
	s.lives(s.Second, 0)
}

func throttledCall(s suite) {
	s.World.Throttle(s.Mailbox, 1, 11*time.Second)
	r := s.one(s.creation(1))
	s.fails("create", r, graph.Throttled, "", false)
	if r.Err != nil && r.Err.RetryAfter != 11*time.Second {
		s.Errorf("retry after %v", r.Err.RetryAfter)
	}
	s.lives(s.Mailbox, 0) // and nobody tried again meanwhile
}

func failedRequest(s suite) {
	for _, tt := range []struct {
		status int
		code   string
		kind   graph.Kind
	}{
		{503, "ServiceUnavailable", graph.Transient},
		{500, "InternalServerError", graph.Transient},
		{429, "TooManyRequests", graph.Throttled},
	} {
		s.World.Fail(1, tt.status, tt.code)
		s.fails(tt.code+" alone", s.one(s.creation(1)), tt.kind, "", false)
		s.World.Fail(1, tt.status, tt.code)
		for _, r := range s.do(s.creation(1), s.creation(2), s.creation(3)) {
			s.fails(tt.code+" in a batch", r, tt.kind, "", false)
		}
	}
	s.lives(s.Mailbox, 0)
}

func lostAnswer(s suite) {
	s.World.LoseAnswers(1)
	r := s.one(s.creation(1))
	s.fails("create", r, graph.Transient, "", true)
	if r.Status != 0 {
		s.Errorf("status %d of no answer", r.Status)
	}
	lost := s.seen(s.Mailbox) // it happened, once
	if again := s.create(1); again.ID != lost.ID {
		s.Errorf("repeating made %q beside %q", again.ID, lost.ID)
	}
	s.World.LoseAnswers(1)
	s.fails("delete", s.one(s.delete(lost.ID)), graph.Transient, "", true)
	s.lives(s.Mailbox, 0)
}

func lostBatch(s suite) {
	made := s.create(1)
	s.World.LoseAnswers(1)
	for _, r := range s.do(s.creation(2), s.delete(made.ID), s.creation(3)) {
		s.fails("lost", r, graph.Transient, "", true)
	}
	s.lives(s.Mailbox, 2)
}

func cancelled(s suite) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for _, calls := range [][]graph.Call{{s.creation(1)}, {s.creation(1), s.creation(2)}} {
		for _, r := range s.Calendar.Do(ctx, graph.AppAccess(s.Tenant), calls) {
			s.fails("create", r, graph.Transient, "", false)
		}
	}
	if _, err := s.Calendar.Mailbox(ctx, graph.AppAccess(s.Tenant), s.Mailbox); err == nil {
		s.Error("Mailbox answered")
	}
	s.lives(s.Mailbox, 0)
}

func unknownMailbox(s suite) {
	call := s.creation(1)
	call.Mailbox = s.Unknown
	s.fails("alone", s.one(call), graph.Unreachable, graph.ReasonNotFound, false)
	s.fails("in a batch", s.do(s.creation(1), call)[1], graph.Unreachable, graph.ReasonNotFound, false)
	_, err := s.Calendar.Mailbox(s.Context(), graph.AppAccess(s.Tenant), s.Unknown)
	failure := asError(s, err)
	if failure.Kind != graph.Unreachable || failure.Reason != graph.ReasonNotFound {
		s.Errorf("Mailbox: %v, reason %q", failure, failure.Reason)
	}
	if strings.Contains(err.Error(), s.Unknown) || failure.Cause != nil && strings.Contains(failure.Cause.Error(), s.Unknown) {
		s.Error("the error names the address")
	}
}

func closedMailbox(s suite) {
	made := s.create(1)
	for state, reason := range map[State]string{
		Unlicensed:   graph.ReasonUnavailable,
		OnPremises:   graph.ReasonUnavailable, // one code for both: see graph.Classify
		OutsideScope: graph.ReasonOutsideScope,
	} {
		s.World.SetState(s.Mailbox, state)
		for _, call := range []graph.Call{s.creation(2), s.get(made.ID), s.find(1), s.retitle(made.ID, "x"), s.delete(made.ID)} {
			s.fails(call.Op.String(), s.one(call), graph.Unreachable, reason, false)
		}
		_, err := s.Calendar.Mailbox(s.Context(), graph.AppAccess(s.Tenant), s.Mailbox)
		if failure := asError(s, err); failure.Kind != graph.Unreachable || failure.Reason != reason {
			s.Errorf("Mailbox: %v, reason %q", failure, failure.Reason)
		}
	}
	s.World.SetState(s.Mailbox, Ready)
	s.must(s.get(made.ID))
}

func mixedMailboxes(s suite) {
	unknown, closed := s.creation(1), s.creation(2)
	unknown.Mailbox, closed.Mailbox = s.Unknown, s.Second
	s.World.SetState(s.Second, OutsideScope)
	results := s.do(unknown, s.creation(3), closed, s.creation(4))
	s.fails("unknown", results[0], graph.Unreachable, graph.ReasonNotFound, false)
	s.fails("closed", results[2], graph.Unreachable, graph.ReasonOutsideScope, false)
	if results[1].Err != nil || results[3].Err != nil {
		s.Errorf("the others: %v, %v", results[1].Err, results[3].Err)
	}
	s.lives(s.Mailbox, 2)
}

func foreignTenant(s suite) {
	for _, calls := range [][]graph.Call{{s.creation(1)}, {s.creation(1), s.creation(2)}} {
		for _, r := range s.Calendar.Do(s.Context(), graph.AppAccess(s.Foreign), calls) {
			s.fails("create", r, graph.Unauthorised, graph.ReasonConsentMissing, false)
		}
	}
	_, err := s.Calendar.Mailbox(s.Context(), graph.AppAccess(s.Foreign), s.Mailbox)
	if failure := asError(s, err); failure.Kind != graph.Unauthorised {
		s.Errorf("Mailbox: %v", failure)
	}
	s.lives(s.Mailbox, 0)
}

func owner(s suite) {
	for _, address := range []string{s.Mailbox, s.Alias, strings.ToUpper(s.Mailbox)} {
		got, err := s.Calendar.Mailbox(s.Context(), graph.AppAccess(s.Tenant), address)
		if err != nil || got.Address != strings.ToLower(s.Mailbox) {
			s.Errorf("owner %q, %v; want %q", got.Address, err, strings.ToLower(s.Mailbox))
		}
	}
	made := s.create(1)
	call := s.get(made.ID)
	call.Mailbox = s.Alias
	if got := s.must(call).Event; got.ID != made.ID {
		s.Errorf("through the alias: %q, want %q", got.ID, made.ID)
	}
}

func asError(s suite, err error) *graph.Error {
	s.Helper()
	var failure *graph.Error
	if !errors.As(err, &failure) {
		s.Fatalf("%v is no *graph.Error", err)
	}
	return failure
}
