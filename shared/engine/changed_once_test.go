package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
)

// interrupted has something happen once after it sent, and then answers with err.
type interrupted struct {
	queue.Sender
	then func()
	err  error
}

func (i *interrupted) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	if err := i.Sender.Send(ctx, entity, messages...); err != nil || i.then == nil {
		return err
	}
	then := i.then
	i.then = nil
	then()
	return i.err
}

// A change that is told and not yet remembered is told again when the page is looked at
// again. It keeps its id whatever a revision wrote beside it meanwhile; a change that
// follows a revision which overwrote the first is another one.
func TestAChangeKeepsItsIdWhileRevisionsAreWritten(t *testing.T) {
	later := map[string]any{"start": map[string]any{"dateTime": "2026-12-01T16:10:00", "timeZone": "Europe/Helsinki"}}
	dead := errors.New("dead")
	for name, c := range map[string]struct {
		revision map[string]any // what changes beside the title; start overwrites what the person did
		err      error          // of the process that told it
		again    bool           // whether the person moves it once more
		want     int
	}{
		"a revision of the title while it is told":                        {want: 1},
		"a kill, and a revision of the title":                             {err: dead, want: 1},
		"a revision of the start while it is told":                        {revision: later, want: 1},
		"a kill, a revision of the start, and the person does it again":   {revision: later, err: dead, again: true, want: 2},
		"a revision of the start meanwhile, and the person does it again": {revision: later, again: true, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := back(t, "report")
			b.does(b.owner.Move(b.id, at(9), at(10)))
			items := b.page()
			bus := &interrupted{Sender: b.Bus, err: c.err, then: func() {
				b.does(b.Send(context.Background(), bookingJSON("b", 2, c.revision)))
				settle(t, b.World)
			}}
			e := engine.New(engine.Effects{Tables: b.Tables, Bus: bus, Calendar: b.Calendar, Reader: b.Graph, Organizations: b.World},
				&engine.Options{PublicURL: "https://calendar.example.com", Now: b.Now, Parallel: 1})
			if err := b.tellTo(e, items); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			if c.again {
				b.does(b.owner.Move(b.id, at(9), at(10)))
			}
			b.does(b.tellTo(b.Engine(), items))
			b.read()
			want := []string{"moved end,start by report", "moved end,start by report"}[:c.want]
			b.expectTold(want...)
		})
	}
}
