package app

import (
	"context"
	"errors"
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
)

// taken notes the bodies of tasks.
type taken []string

func (o *taken) Task(_ context.Context, m queue.Message) error {
	*o = append(*o, string(m.Body))
	return errTaken
}

var errTaken = errors.New("taken")

func TestEachTaskGoesToTheOwnerOfItsOperation(t *testing.T) {
	sync, renew := &taken{}, &taken{}
	all := tasks{engine.New(engine.Effects{}, nil), map[string]owner{"sync": sync, "renew": renew}}
	for body, want := range map[string]*taken{`{"op":"sync"}`: sync, `{"op":"renew"}`: renew} {
		if err := all.Task(t.Context(), queue.Message{Body: []byte(body)}); !errors.Is(err, errTaken) || len(*want) != 1 || (*want)[0] != body {
			t.Errorf("%s: %v, %v", body, *want, err)
		}
	}
	if err := all.Task(t.Context(), queue.Message{Body: []byte("no JSON")}); err != nil {
		t.Errorf("what nobody owns is the engine's to drop: %v", err)
	}
}
