package twin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// Effect is what becomes of a request or call.
type Effect int

// The effects.
const (
	Pass       Effect = iota // it is carried out and answered
	Answer                   // it is refused with Status and Code, and not carried out
	Lose                     // it never arrives; there is no answer
	LoseAnswer               // it is carried out; there is no answer
	Delay                    // it is on its way until Land; there is no answer
)

// Fate is the effect, with the answer of Answer.
type Fate struct {
	Effect     Effect
	Status     int // HTTP status of Answer
	Code       string
	RetryAfter time.Duration // whole seconds; 0 sends none
}

// Visit is what Before is asked about: a whole request (Calls, or Mailbox alone
// for a look at a mailbox), or one call of a request that passed (Call).
type Visit struct {
	Access  graph.Access
	Mailbox string
	Calls   []graph.Call
	Call    *graph.Call
	// Listed says that it is a look at the list of the mailbox's calendars.
	Listed bool
	// Delta is a page of changes that is asked for, Read the id of an event that is read.
	Delta *graph.DeltaRequest
	Read  string
	// Subscribes says that it is about a subscription: to Mailbox, or that of an id.
	Subscribes   bool
	Subscription string
}

// Alone reports whether it is one request to one mailbox that does not write events.
func (v Visit) Alone() bool { return v.Listed || v.Delta != nil || v.Read != "" || v.Subscribes }

// Before decides the fate of a visit. It may run concurrently, and must not
// call the twin's Do or Mailbox.
type Before func(Visit) Fate

func (t *Twin) fate(v Visit) Fate {
	if t.before == nil {
		return Fate{}
	}
	return t.before(v)
}

// failure is the error of a refused call.
func (f Fate) failure(c graph.Call) *graph.Error {
	return graph.ClassifyCall(c, f.Status, f.Code, f.header())
}

func (f Fate) header() http.Header {
	header := http.Header{}
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	return header
}

// failure is the error of a refused visit that is no call.
func (v Visit) failure(f Fate) *graph.Error {
	switch {
	case v.Delta != nil:
		return graph.ClassifyDelta(f.Status, f.Code, f.header())
	case v.Subscribes:
		return graph.ClassifySubscription(v.Subscription, f.Status, f.Code, "", f.header())
	}
	return f.failure(graph.Call{})
}

// Late is a call on its way.
type Late struct {
	ID     int
	Tenant string
	Call   graph.Call
}

func (t *Twin) keep(tenant string, c graph.Call) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number++
	t.late = append(t.late, Late{t.number, tenant, c})
	return t.number
}

// Depart sends calls that are on their way until the returned function lets them
// land: with the token that the access had when they left, whatever becomes of it.
func (t *Twin) Depart(ctx context.Context, as graph.Access, calls []graph.Call) (land func()) {
	if t.ready(ctx, as) != nil {
		return func() {}
	}
	var ids []int
	for _, c := range calls {
		if check(c) == "" && t.reaches(as, c.Mailbox) == nil {
			ids = append(ids, t.keep(as.Tenant, c))
		}
	}
	return func() {
		for _, id := range ids {
			t.Land(id)
		}
	}
}

// Late lists the calls on their way, oldest first.
func (t *Twin) Late() []Late {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.late)
}

// Land carries out one call that is on its way and returns what it would have
// answered; false if there is no such call.
func (t *Twin) Land(id int) (graph.Result, bool) {
	c, ok := t.take(id)
	if !ok {
		return graph.Result{}, false
	}
	return t.carryOut(c.Tenant, c.Call), true
}

// Drop forgets a call that is on its way: it never arrives.
func (t *Twin) Drop(id int) bool {
	_, ok := t.take(id)
	return ok
}

func (t *Twin) take(id int) (Late, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.late, func(l Late) bool { return l.ID == id })
	if at < 0 {
		return Late{}, false
	}
	c := t.late[at]
	t.late = slices.Delete(t.late, at, at+1)
	return c, true
}
