package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/version"
)

// Task is the body of a message between our own functions: a wake-up of the queue
// deliveries, or a task of mailbox-tasks (wire.md, Internal messages). It names what is to
// be looked at and never what has changed.
type Task struct {
	// V is the version of the build that wrote it.
	V            int64  `json:"v"`
	Op           string `json:"op"`
	Organization string `json:"organization,omitempty"`
	// Lane or Connection is what it is about; neither means the whole organisation, or of
	// a wake-up the lane of its session.
	Lane       string `json:"lane,omitempty"`
	Connection string `json:"connection,omitempty"`
	Cause      string `json:"cause,omitempty"`
}

// Message is a new message of this build with a task in a session, visible at an instant;
// zero is at once.
func (t Task) Message(session string, at time.Time) Message {
	t.V = int64(version.Current)
	body, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings always encode
	}
	return Message{ID: key.Random(), SessionID: session, ContentType: "application/json", Body: body, ScheduledFor: at}
}

// ReadTask reads the body of a message as a build of a version does. A *version.Error
// means that another build has to take it; a *Malformed that none ever can.
func ReadTask(m Message, own version.Version) (Task, error) {
	var head struct {
		V int64 `json:"v"`
	}
	if err := json.Unmarshal(m.Body, &head); err != nil {
		return Task{}, &Malformed{"it is not a JSON object with a version"}
	}
	if err := own.Or().Check("a message", head.V); err != nil {
		return Task{}, err
	}
	var t Task
	if json.Unmarshal(m.Body, &t) != nil || t.Op == "" {
		return Task{}, &Malformed{"it is no task"}
	}
	return t, nil
}

// Malformed is of a message that this build has no use for: it cannot be read, names an
// operation that this build does not know, or not what the operation is about.
type Malformed struct{ Why string }

func (e *Malformed) Error() string { return fmt.Sprintf("malformed message: %s", e.Why) }

// Unread reports whether an error says that something could not be read, a message or a
// row, because another build wrote it, or that a message is malformed: then the work was
// not begun, or stands where it was.
func Unread(err error) bool {
	var malformed *Malformed
	return version.Is(err) || errors.As(err, &malformed)
}
