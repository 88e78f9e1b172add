package world

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// Verdict is what becomes of a worker at an effect.
type Verdict int

// The verdicts. Those on calls do as Go at any other effect.
const (
	Go         Verdict = iota
	Kill               // dies before the effect
	KillAfter          // dies after the effect
	Fail               // the effect is refused: tables or bus are down, Graph answers 503
	Throttle           // Graph answers 429
	LoseCall           // the request to Graph never arrives
	LoseAnswer         // the request is carried out, nothing comes back
	Delay              // the request is on its way until it lands
	DelayKill          // the same, and the worker dies
)

// String names the verdict in the output of a failing history.
func (v Verdict) String() string {
	return [...]string{"go", "kill", "kill after", "fail", "throttle", "lose call", "lose answer", "delay", "delay and kill"}[v]
}

var (
	errKilled = errors.New("world: the process is dead")
	errDown   = errors.New("world: it is down")
	errLost   = errors.New("world: the connection was lost")
)

// Worker is one invocation of a function.
type Worker struct {
	Kind string
	// At names the effect before which the worker stands.
	At string

	world    *World
	session  *servicebus.Session // nil where the queue has none
	delivery *servicebus.Delivery
	verdict  chan Verdict
	stopped  chan bool // true when the invocation has ended
	dead     bool
	err      error
}

// accept takes the next session of a queue, and its first message.
func (k *Worker) accept(queue string) {
	if session, ok := k.world.Broker.Accept(queue); ok {
		k.session = session
		k.delivery, _ = session.Receive()
	}
}

// run starts the invocation and waits for its first effect.
func (k *Worker) run(e *engine.Engine) {
	k.verdict, k.stopped = make(chan Verdict), make(chan bool)
	m := k.delivery.Message
	go func() {
		ctx := m.Traced(context.Background())
		switch k.Kind {
		case Intake:
			k.err = e.Intake(ctx, m)
		case Write:
			k.err = e.Write(ctx, m)
		case Task:
			if !others(m) {
				k.err = e.Task(ctx, m)
			}
		case DeadTask:
			k.err = e.DeadLetter(ctx, queue.MailboxTasks, m)
		case Dead:
			k.err = e.DeadLetter(ctx, queue.Bookings, m)
		case DeadWakeup:
			k.err = e.DeadLetter(ctx, queue.Deliveries, m)
		}
		k.stopped <- true
	}()
	k.await()
}

// others reports whether a task is another package's, which this world does not have.
func others(m queue.Message) bool {
	t, err := queue.ReadTask(m, 0)
	return err == nil && (t.Op == downsync.Op || t.Op == subscribe.OpSubscribe || t.Op == subscribe.OpRenew)
}

// await waits until the worker stands before its next effect, or has ended.
func (k *Worker) await() {
	if ended := <-k.stopped; ended {
		k.settle()
		k.world.Workers = slices.DeleteFunc(k.world.Workers, func(other *Worker) bool { return other == k })
	}
}

// settle does what the host does with the message of an ended invocation. A lock
// that was lost meanwhile makes it fail, as it does there.
func (k *Worker) settle() {
	switch {
	case k.dead:
		_ = k.delivery.Release()
	case k.err != nil:
		_ = k.delivery.Abandon(nil)
	default:
		_ = k.delivery.Complete()
	}
	if k.session != nil {
		k.session.Close()
	}
}

// Step lets a worker have its effect, under a verdict, and go on to the next.
func (w *World) Step(k *Worker, v Verdict) {
	k.verdict <- v
	k.await()
}

// LoseLock takes the session from a running worker: its message is given to the
// next one, while it goes on.
func (w *World) LoseLock(k *Worker) bool {
	if k.session == nil {
		return false
	}
	k.session.Close()
	return true
}

// gate stops before an effect and returns what is to become of it.
func (k *Worker) gate(effect string) (Verdict, error) {
	if k.dead {
		return Kill, errKilled
	}
	k.At = effect
	k.world.Effects = append(k.world.Effects, effect)
	k.stopped <- false
	v := <-k.verdict
	if v == Kill {
		k.dead = true
		return v, errKilled
	}
	if v == Fail {
		return v, fmt.Errorf("%w: %s", errDown, effect)
	}
	return v, nil
}

// after ends an effect that was had.
func (k *Worker) after(v Verdict) error {
	if v == KillAfter || v == DelayKill {
		k.dead = true
		return errKilled
	}
	return nil
}

type gatedTables struct {
	k     *Worker
	inner state.Tables
}

func (g gatedTables) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	v, err := g.k.gate("get " + table)
	if err != nil {
		return state.Entity{}, err
	}
	e, err := g.inner.Get(ctx, table, partition, row)
	return e, errors.Join(err, g.k.after(v))
}

func (g gatedTables) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	v, err := g.k.gate("query " + table)
	if err != nil {
		return nil, err
	}
	rows, err := g.inner.Query(ctx, table, span)
	return rows, errors.Join(err, g.k.after(v))
}

func (g gatedTables) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	v, err := g.k.gate("apply " + table)
	if err != nil {
		return nil, err
	}
	tags, err := g.inner.Apply(ctx, table, changes)
	return tags, errors.Join(err, g.k.after(v))
}

type gatedBus struct {
	k     *Worker
	inner queue.Sender
}

func (g gatedBus) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	v, err := g.k.gate("send " + entity)
	if err != nil {
		return err
	}
	return errors.Join(g.inner.Send(ctx, entity, messages...), g.k.after(v))
}

type gatedCalendar struct {
	k     *Worker
	inner graph.Calendar
}

func (g gatedCalendar) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	v, err := g.k.gate("graph mailbox")
	if v == Kill {
		return graph.Mailbox{}, lost(err)
	}
	if refused := refusal(v); refused != nil {
		return graph.Mailbox{}, refused
	}
	if v == LoseCall || v == LoseAnswer || v == Delay {
		return graph.Mailbox{}, lost(errLost)
	}
	box, err := g.inner.Mailbox(ctx, as, address)
	if dead := g.k.after(v); dead != nil {
		return graph.Mailbox{}, lost(dead)
	}
	return box, err
}

func (g gatedCalendar) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	if len(calls) == 0 {
		return nil
	}
	v, err := g.k.gate(fmt.Sprintf("graph %s ×%d", calls[0].Op, len(calls)))
	if v == Kill {
		return all(calls, lost(err))
	}
	if refused := refusal(v); refused != nil {
		return all(calls, refused)
	}
	var results []graph.Result
	switch v {
	case LoseCall:
		return all(calls, lost(errLost))
	case LoseAnswer:
		g.inner.Do(ctx, as, calls)
		return all(calls, lost(errLost))
	case Delay, DelayKill:
		land := func() { g.inner.Do(context.WithoutCancel(ctx), as, calls) }
		if t, ok := g.inner.(*twin.Twin); ok {
			land = t.Depart(ctx, as, calls) // a token may die meanwhile
		}
		g.k.world.late = append(g.k.world.late, land)
		results = all(calls, lost(errLost))
	default:
		results = g.inner.Do(ctx, as, calls)
	}
	if dead := g.k.after(v); dead != nil {
		return all(calls, lost(dead))
	}
	return results
}

// refusal is what Graph answers under a verdict without doing anything; nil when
// the verdict is another.
func refusal(v Verdict) *graph.Error {
	switch v {
	case Fail:
		return graph.Classify(503, "ServiceUnavailable", nil)
	case Throttle:
		return graph.Classify(429, "ApplicationThrottled", http.Header{"Retry-After": {"7"}})
	}
	return nil
}

func lost(err error) *graph.Error {
	return &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: err}
}

func all(calls []graph.Call, err *graph.Error) []graph.Result {
	out := make([]graph.Result, len(calls))
	for i := range out {
		out[i] = graph.Result{Err: err, Status: err.Status}
	}
	return out
}

// Late is how many requests to Graph are on their way.
func (w *World) Late() int { return len(w.late) }

// Land lets one of them arrive.
func (w *World) Land(i int) {
	land := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	land()
}
