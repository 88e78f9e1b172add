package mirror

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

var errDead = errors.New("the process is dead")

// fuse is the life of one process: so many effects until it dies; 0 is for ever.
type fuse struct {
	left  int
	after bool // it dies after the effect
	dead  bool
}

func (f *fuse) burn(effect func() error) error {
	if f.dead {
		return errDead
	}
	if f.left > 0 {
		if f.left--; f.left == 0 {
			f.dead = true
			if f.after {
				_ = effect()
			}
			return errDead
		}
	}
	return effect()
}

func burned[T any](f *fuse, effect func() (T, error)) (out T, err error) {
	err = f.burn(func() error { out, err = effect(); return err })
	return out, err
}

type fusedTables struct {
	*fuse
	inner state.Tables
}

func (f fusedTables) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	return burned(f.fuse, func() (state.Entity, error) { return f.inner.Get(ctx, table, partition, row) })
}

func (f fusedTables) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	return burned(f.fuse, func() ([]state.Entity, error) { return f.inner.Query(ctx, table, span) })
}

func (f fusedTables) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	return burned(f.fuse, func() ([]string, error) { return f.inner.Apply(ctx, table, changes) })
}

type fusedBus struct {
	*fuse
	inner queue.Sender
}

func (f fusedBus) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	return f.burn(func() error { return f.inner.Send(ctx, entity, messages...) })
}

// fusedGraph is all of Graph. Whoever died does not know whether it was asked.
type fusedGraph struct {
	*fuse
	inner *twin.Twin
}

func unheard(err error) error {
	if errors.Is(err, errDead) {
		return &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: err}
	}
	return err
}

func (f fusedGraph) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	out, err := burned(f.fuse, func() (graph.Mailbox, error) { return f.inner.Mailbox(ctx, as, address) })
	return out, unheard(err)
}

func (f fusedGraph) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	out, err := burned(f.fuse, func() ([]graph.Result, error) { return f.inner.Do(ctx, as, calls), nil })
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
	out, err := burned(f.fuse, func() (graph.DeltaPage, error) { return f.inner.Delta(ctx, as, r) })
	return out, unheard(err)
}

func (f fusedGraph) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	out, err := burned(f.fuse, func() (graph.Item, error) { return f.inner.Read(ctx, as, mailbox, id) })
	return out, unheard(err)
}

func (f fusedGraph) Subscribe(ctx context.Context, as graph.Access, s graph.Subscription, notify, lifecycle string) (graph.Subscription, error) {
	out, err := burned(f.fuse, func() (graph.Subscription, error) { return f.inner.Subscribe(ctx, as, s, notify, lifecycle) })
	return out, unheard(err)
}

func (f fusedGraph) Renew(ctx context.Context, as graph.Access, id string, until time.Time) (graph.Subscription, error) {
	out, err := burned(f.fuse, func() (graph.Subscription, error) { return f.inner.Renew(ctx, as, id, until) })
	return out, unheard(err)
}

func (f fusedGraph) Unsubscribe(ctx context.Context, as graph.Access, id string) error {
	return unheard(f.burn(func() error { return f.inner.Unsubscribe(ctx, as, id) }))
}
