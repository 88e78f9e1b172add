package graphapi

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/calbridge/calbridge/local/m365/faults"
)

// Outage is how Graph as a whole is out of order.
type Outage int32

// The outages.
const (
	Works       Outage = iota
	Unavailable        // every request is answered 503
	Dead               // every connection is cut
)

type outage struct{ atomic.Int32 }

// SetOutage begins or ends an outage.
func (a *API) SetOutage(o Outage) { a.outage.Store(int32(o)) }

// answered answers a request during an outage.
func (o *outage) answered(w http.ResponseWriter, c call) bool {
	switch Outage(o.Load()) {
	case Unavailable:
		out := c.fault(faults.Rule{Status: http.StatusServiceUnavailable})
		w.Header().Set("request-id", c.id)
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(out.status)
		w.Write(out.body)
		return true
	case Dead:
		panic(http.ErrAbortHandler)
	}
	return false
}

// faulty answers a request that a rule spoils; work is the request's effect.
func (a *API) faulty(ctx context.Context, r *request, rule faults.Rule, work func(context.Context) answer) answer {
	a.opt.Sleep(ctx, rule.Delay())
	switch rule.Effect {
	case faults.Slow:
		return work(ctx)
	case faults.Answer:
		return r.fault(rule)
	case faults.AnswerAfter:
		if out := work(ctx); out.status >= 400 {
			return out
		}
		return r.fault(rule)
	case faults.LoseAnswer:
		work(ctx)
	case faults.Late:
		r.late = true
		a.late.add(lateCall{Method: r.method, Path: decodedPath(r.path), due: a.due(rule), work: work})
	}
	if r.item {
		return r.unanswered()
	}
	return answer{cut: true}
}

// due is when a late effect comes by itself; zero: when the test says so.
func (a *API) due(rule faults.Rule) time.Time {
	if rule.AfterMS == 0 {
		return time.Time{}
	}
	return a.now().Add(rule.After())
}

// lateCall is a request that was cut off and whose effect is still to come.
type lateCall struct {
	Method, Path string
	due          time.Time
	work         func(context.Context) answer
}

type lateList struct {
	mu    sync.Mutex
	calls []lateCall
}

func (l *lateList) add(c lateCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// take removes and returns the calls that are ready.
func (l *lateList) take(ready func(lateCall) bool) []lateCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken, rest []lateCall
	for _, c := range l.calls {
		if ready(c) {
			taken = append(taken, c)
		} else {
			rest = append(rest, c)
		}
	}
	l.calls = rest
	return taken
}

// Late lists the requests whose effect is still to come, as "METHOD /path".
func (a *API) Late() []string {
	a.late.mu.Lock()
	defer a.late.mu.Unlock()
	names := []string{}
	for _, c := range a.late.calls {
		names = append(names, c.Method+" "+c.Path)
	}
	return names
}

// Land lets every late effect take place now, in order, and returns how many.
func (a *API) Land() int { return a.land(func(lateCall) bool { return true }) }

// LandDue lets the late effects take place whose time has come. It is called at
// the start of every request.
func (a *API) LandDue() int {
	now := a.now()
	return a.land(func(c lateCall) bool { return !c.due.IsZero() && !now.Before(c.due) })
}

func (a *API) land(ready func(lateCall) bool) int {
	calls := a.late.take(ready)
	for _, c := range calls {
		c.work(context.Background())
	}
	return len(calls)
}

// DropLate forgets the late effects: those requests never happen.
func (a *API) DropLate() int { return len(a.late.take(func(lateCall) bool { return true })) }
