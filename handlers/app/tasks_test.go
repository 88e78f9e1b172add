package app

import (
	"context"
	"errors"
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/version"
)

// taken notes the bodies of tasks.
type taken []string

func (o *taken) Task(_ context.Context, m queue.Message) error {
	*o = append(*o, string(m.Body))
	return errTaken
}

var errTaken = errors.New("taken")

// sent notes what is put on the bus.
type sent []queue.Message

func (s *sent) Send(_ context.Context, entity string, messages ...queue.Message) error {
	if entity != queue.MailboxTasks {
		return errTaken
	}
	*s = append(*s, messages...)
	return nil
}

// cannot reads nothing.
type cannot struct{ err error }

func (c cannot) Task(context.Context, queue.Message) error { return c.err }

func TestEachTaskGoesToTheOwnerOfItsOperation(t *testing.T) {
	sync, renew := &taken{}, &taken{}
	all := tasks{engine.New(engine.Effects{}, nil), map[string]owner{"sync": sync, "renew": renew}}
	for body, want := range map[string]*taken{`{"op":"sync"}`: sync, `{"op":"renew"}`: renew} {
		if err := all.Task(t.Context(), queue.Message{Body: []byte(body)}); !errors.Is(err, errTaken) || len(*want) != 1 || (*want)[0] != body {
			t.Errorf("%s: %v, %v", body, *want, err)
		}
	}
}

// What nobody can read comes again: for another build within seconds, under an id with a
// dot and a number, else as a dead letter does, under one with .d and its round.
func TestATaskThatNobodyCanReadComesAgain(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		err  error
		id   string
	}{
		"no JSON":               {"no JSON", nil, "m.d1"},
		"unknown":               {`{"v":1,"op":"dance","organization":"acme"}`, nil, "m.d1"},
		"of a newer build":      {`{"v":9,"op":"dance","organization":"acme"}`, nil, "m.1"},
		"an owner's, newer":     {`{"v":9,"op":"sync"}`, &version.Error{Written: 9, Own: 1}, "m.1"},
		"an owner's, malformed": {`{"v":1,"op":"sync"}`, &queue.Malformed{}, "m.d1"},
	} {
		t.Run(name, func(t *testing.T) {
			var bus sent
			all := tasks{engine.New(engine.Effects{Bus: &bus}, nil), map[string]owner{"sync": cannot{test.err}}}
			m := queue.Message{ID: "m", SessionID: "s", Body: []byte(test.body), Properties: map[string]any{"subscription": "x"}}
			if err := all.Task(t.Context(), m); err != nil || len(bus) != 1 || bus[0].ID != test.id || string(bus[0].Body) != test.body || bus[0].Text("subscription") != "x" {
				t.Errorf("%v, %v", bus, err)
			}
		})
	}
}
