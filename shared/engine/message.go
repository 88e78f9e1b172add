package engine

import (
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

// Operations of a message of the queue deliveries (wire.md, Internal messages).
const (
	opWake   = "wake"
	opGiveUp = "give-up"
)

// beforeProperty says which debts a give-up means: those made before it.
const beforeProperty = "before"

// wake is the message that makes somebody look at a lane.
func wake(lane key.Key, at time.Time) queue.Message {
	return queue.Task{Op: opWake}.Message(lane.String(), at)
}

// giveUpMessage tells a lane to give up what it owed before an instant.
func giveUpMessage(lane key.Key, before, at time.Time) queue.Message {
	return queue.Task{Op: opGiveUp}.Message(lane.String(), at).With(beforeProperty, before.UTC().Format(time.RFC3339Nano))
}

// readWake reads which debts a message wants given up, those made before an instant; zero
// means none. A body that is no JSON of ours is a wake-up: looking at a lane never harms,
// and nothing more could be made of it. What another build wrote is not taken for one.
func (e *Engine) readWake(m queue.Message) (time.Time, error) {
	t, err := queue.ReadTask(m, e.version)
	if malformed := (*queue.Malformed)(nil); errors.As(err, &malformed) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	switch t.Op {
	case opWake:
		return time.Time{}, nil
	case opGiveUp:
		before, err := time.Parse(time.RFC3339Nano, m.Text(beforeProperty))
		if err != nil {
			return time.Time{}, nil // of nothing
		}
		return before, nil
	}
	return time.Time{}, &queue.Malformed{Why: "an unknown operation"}
}
