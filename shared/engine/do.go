package engine

import (
	"context"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// errNotMade answers a call that was not made: its intent is too old, or nobody may
// make it.
var errNotMade = &graph.Error{Kind: graph.Transient}

// do makes the calls of questions: those of one access together, at most 20 in one
// request, each request with its own deadline. Once Graph has asked to wait it makes
// none, and none with a token that was refused in this turn.
func (t *turn) do(ctx context.Context, questions []question) []graph.Result {
	const most = 20
	out := make([]graph.Result, len(questions))
	for _, g := range t.grouped(questions, out) {
		for len(g.at) > 0 {
			chunk := g.at[:min(most, len(g.at))]
			g.at = g.at[len(chunk):]
			t.request(ctx, g.as, questions, chunk, out)
		}
	}
	return out
}

// group are the questions, by index, that one access serves.
type group struct {
	as graph.Access
	at []int
}

// grouped sorts questions by access, in the order in which the accesses come up; what
// nobody may call is answered at once.
func (t *turn) grouped(questions []question, out []graph.Result) []group {
	var groups []group
	place := map[graph.Access]int{}
	for i, q := range questions {
		as, ok := t.reach.to(q.home)
		if !ok {
			out[i].Err = errNotMade
			continue
		}
		if _, known := place[as]; !known {
			place[as] = len(groups)
			groups = append(groups, group{as: as})
		}
		g := &groups[place[as]]
		g.at = append(g.at, i)
	}
	return groups
}

// request makes at most 20 calls with one access.
func (t *turn) request(ctx context.Context, as graph.Access, questions []question, at []int, out []graph.Result) {
	var calls []graph.Call
	var made []int
	for _, i := range at {
		refused := t.failures[as]
		wait := t.until.Sub(t.now())
		switch {
		case questions[i].tooLate(t):
			out[i].Err = errNotMade
		case refused != nil && refused.Kind == graph.Unauthorised:
			out[i] = graph.Result{Err: refused, Status: refused.Status}
		case wait > 0:
			out[i].Err = &graph.Error{Kind: graph.Throttled, RetryAfter: wait}
		default:
			calls, made = append(calls, questions[i].call), append(made, i)
		}
	}
	if len(calls) == 0 {
		return
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	for n, r := range t.calendar.Do(call, as, calls) {
		out[made[n]] = r
		t.observe(as, r.Err)
	}
}

// tooLate reports whether a write's intent is too old to be acted upon: a call that
// lands after its look is never repaired (write-path.md section 4 f).
func (q question) tooLate(t *turn) bool {
	switch q.call.Op {
	case graph.Create, graph.Patch, graph.Delete:
		return t.now().Sub(q.slot.row.Intent.At) > intentLife
	}
	return false
}

// observe keeps what a call showed of a person's token or mailbox. A failure of the
// token outweighs one of a mailbox.
func (t *turn) observe(as graph.Access, err *graph.Error) {
	if as.App() || err == nil || t.unsettled(err) || err.Kind != graph.Unauthorised && err.Kind != graph.Unreachable {
		return
	}
	if old := t.failures[as]; old == nil || err.Kind == graph.Unauthorised {
		t.failures[as] = err
	}
}

// tellFailures tells of the app's credential and of connections that failed, before the results are published: a
// dead link is to be known at once (T8), and the next turn goes by what is stored.
func (t *turn) tellFailures(ctx context.Context) error {
	if t.credential != nil {
		if err := t.raise(ctx, credentialIncident(t.credential)); err != nil {
			return err
		}
	}
	for _, c := range t.reach.all {
		failure := t.failures[accessOf(t.lane, c)]
		if failure == nil {
			continue
		}
		if err := t.ConnectionFailed(ctx, c, failure); err != nil {
			return err
		}
	}
	return nil
}

// failConnection gives a slot the fate that a failure of a person's token or mailbox
// has.
//
// What may pass is tried again later: no reason was given. Else the person's own calendar ends in a file, at once;
// and an older mailbox is out of reach, so that the delivery leaves it (outOfReach).
func (t *turn) failConnection(s *slot, home state.Home, err *graph.Error) {
	why := whyOf(err)
	switch {
	case why == "":
		s.fate, s.surely = postponed, true
	case home != t.home:
		t.reach.lose(home, why)
	default:
		t.refuse(s, why)
	}
}

// whyOf is the reason of ics that a failure of a person's token or mailbox has; ""
// when it may pass. Consent that one person's refresh lacks is theirs to renew.
func whyOf(err *graph.Error) string {
	if err.Kind == graph.Unreachable {
		return orReason(err.Reason, graph.ReasonUnavailable)
	}
	switch fateOf(err) {
	case graph.FateDead, graph.FateConsent:
		return graph.ReasonNeedsReauth
	case graph.FatePolicy:
		return graph.ReasonBlockedByPolicy
	case graph.FateApp:
		return graph.ReasonConsentMissing
	}
	return ""
}
