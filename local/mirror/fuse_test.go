package mirror

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

var errDead = errors.New("the process is dead")

// death is what becomes of the effect at which a process dies.
type death int

const (
	before death = iota // the effect is not had
	after               // it is
	late                // a request to Graph is on its way, and lands later
)

// kinds of effects.
const (
	anyEffect = iota
	onTables  // a change of them
	onBus
	onGraph
)

// fuse is the life of one process: so many effects of a kind until it dies; 0 is for ever.
type fuse struct {
	mu   sync.Mutex // one invocation has several requests under way
	left int
	kind int
	how  death
	dead bool
	// pause is how many effects are left until the process stands still for a while, as one
	// whose lock is lost; 0 is for ever. Meanwhile is what happens then.
	pause     int
	meanwhile func()
	// depart takes a request that lands later.
	depart func(land func())
}

// burn has an effect, unless the process dies before. The effect of one that is dead does
// not end with its invocation.
func (f *fuse) burn(ctx context.Context, kind int, effect func(context.Context) error) error {
	if f.stands() && f.meanwhile != nil {
		f.meanwhile()
	}
	dead, dies := f.dies(kind)
	if dies && f.how == after {
		_ = effect(context.WithoutCancel(ctx))
	}
	if dead || dies {
		return errDead
	}
	return effect(ctx)
}

// stands counts an effect, and reports whether the process stands still before it.
func (f *fuse) stands() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pause == 0 || f.dead {
		return false
	}
	f.pause--
	return f.pause == 0
}

// dies counts an effect, and reports whether the process is dead, and whether it dies of it.
func (f *fuse) dies(kind int) (dead, now bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return true, false
	}
	if f.left == 0 || !f.counts(kind) {
		return false, false
	}
	f.left--
	f.dead = f.left == 0
	return false, f.dead
}

func (f *fuse) counts(kind int) bool { return f.kind == anyEffect || f.kind == kind }

// departs reports whether the process dies at its next effect, and that lands later.
func (f *fuse) departs() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left == 1 && f.counts(onGraph) && f.how == late && !f.dead && f.pause != 1
}

// leave is burn for a request that changes something at Graph, which may land late.
func (f *fuse) leave(ctx context.Context, effect func(context.Context) error) error {
	if f.departs() {
		f.depart(func() { _ = effect(context.WithoutCancel(ctx)) })
	}
	return f.burn(ctx, onGraph, effect)
}

// ask is burn for one that changes nothing there.
func (f *fuse) ask(ctx context.Context, effect func(context.Context) error) error {
	return f.burn(ctx, onGraph, effect)
}

// read and write are burn for the tables.
func (f *fuse) read(ctx context.Context, effect func(context.Context) error) error {
	return f.burn(ctx, anyEffect, effect)
}

func (f *fuse) write(ctx context.Context, effect func(context.Context) error) error {
	return f.burn(ctx, onTables, effect)
}

func burned[T any](ctx context.Context, burn func(context.Context, func(context.Context) error) error, effect func(context.Context) (T, error)) (out T, err error) {
	err = burn(ctx, func(ctx context.Context) error { out, err = effect(ctx); return err })
	return out, err
}

type fusedTables struct {
	*fuse
	inner state.Tables
}

func (f fusedTables) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	return burned(ctx, f.read, func(ctx context.Context) (state.Entity, error) { return f.inner.Get(ctx, table, partition, row) })
}

func (f fusedTables) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	return burned(ctx, f.read, func(ctx context.Context) ([]state.Entity, error) { return f.inner.Query(ctx, table, span) })
}

func (f fusedTables) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	return burned(ctx, f.write, func(ctx context.Context) ([]string, error) { return f.inner.Apply(ctx, table, changes) })
}

type fusedBus struct {
	*fuse
	inner queue.Sender
	// sent is told what is sent, at that moment.
	sent func(entity string, messages []queue.Message)
}

func (f fusedBus) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	return f.burn(ctx, onBus, func(ctx context.Context) error {
		f.sent(entity, messages)
		return f.inner.Send(ctx, entity, messages...)
	})
}

// fusedGraph is all of Graph. Whoever died does not know whether it was asked.
type fusedGraph struct {
	*fuse
	inner *twin.Twin
	// phantoms are what a page tells besides to be removed, though it is there.
	phantoms func(as graph.Access, r graph.DeltaRequest) []graph.Item
}

func unheard(err error) error {
	if errors.Is(err, errDead) {
		return &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: err}
	}
	return err
}

func (f fusedGraph) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	out, err := burned(ctx, f.ask, func(ctx context.Context) (graph.Mailbox, error) { return f.inner.Mailbox(ctx, as, address) })
	return out, unheard(err)
}

func (f fusedGraph) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	if f.departs() {
		f.depart(f.inner.Depart(context.WithoutCancel(ctx), as, calls))
	}
	out, err := burned(ctx, f.ask, func(ctx context.Context) ([]graph.Result, error) { return f.inner.Do(ctx, as, calls), nil })
	if err == nil {
		return out
	}
	out = make([]graph.Result, len(calls))
	for i := range out {
		out[i].Err = &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: err}
	}
	return out
}

func (f fusedGraph) Delta(ctx context.Context, as graph.Access, r graph.DeltaRequest) (graph.DeltaPage, error) {
	out, err := burned(ctx, f.ask, func(ctx context.Context) (graph.DeltaPage, error) { return f.inner.Delta(ctx, as, r) })
	if err == nil {
		out.Items = append(f.phantoms(as, r), out.Items...) // the last word on an item counts
	}
	return out, unheard(err)
}

func (f fusedGraph) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	out, err := burned(ctx, f.ask, func(ctx context.Context) (graph.Item, error) { return f.inner.Read(ctx, as, mailbox, id) })
	return out, unheard(err)
}

func (f fusedGraph) Subscribe(ctx context.Context, as graph.Access, s graph.Subscription, notify, lifecycle string) (graph.Subscription, error) {
	out, err := burned(ctx, f.leave, func(ctx context.Context) (graph.Subscription, error) {
		return f.inner.Subscribe(ctx, as, s, notify, lifecycle)
	})
	return out, unheard(err)
}

func (f fusedGraph) Subscription(ctx context.Context, as graph.Access, id string) (graph.Subscription, error) {
	out, err := burned(ctx, f.leave, func(ctx context.Context) (graph.Subscription, error) { return f.inner.Subscription(ctx, as, id) })
	return out, unheard(err)
}

func (f fusedGraph) Renew(ctx context.Context, as graph.Access, id string, until time.Time) (graph.Subscription, error) {
	out, err := burned(ctx, f.leave, func(ctx context.Context) (graph.Subscription, error) { return f.inner.Renew(ctx, as, id, until) })
	return out, unheard(err)
}

func (f fusedGraph) Unsubscribe(ctx context.Context, as graph.Access, id string) error {
	return unheard(f.leave(ctx, func(ctx context.Context) error { return f.inner.Unsubscribe(ctx, as, id) }))
}
