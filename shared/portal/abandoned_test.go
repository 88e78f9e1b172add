package portal

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Identity.md section 3: nothing is stored in the callback. What waits for a confirmation
// that nobody gives is destroyed by the hourly timer, and the attempt ends as before.
func TestTokensThatNobodyConfirmedDoNotRest(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	away := b.leave(apps, "Connect Outlook calendar")
	q := b.leave(apps, "Connect Outlook calendar")
	question := b.returns(q, s.vera()).is(200, "Is this right?")
	sealed := func(attempt string) string {
		t.Helper()
		id, _, _ := strings.Cut(attempt, ".")
		f, err := s.flows.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		return string(f.Sealed)
	}
	run := func(after time.Duration) {
		t.Helper()
		s.now = s.now.Add(after)
		if err := s.engine.KeepAlive(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	run(9 * time.Minute)
	if !strings.Contains(sealed(q.Get("state")), "tokens") || sealed(away.Get("state")) == "" {
		t.Fatal("what was under way was destroyed")
	}
	b.get(question.path).is(200, "Is this right?")
	run(time.Minute)
	if got := sealed(q.Get("state")); got != "" {
		t.Errorf("%q still rests", got)
	}
	b.press(question, "Yes, connect it", "answer", "yes").saysNot("Your calendar is connected")
	b.get(question.path).says("Start again")
	run(time.Hour)
	if got := sealed(away.Get("state")); got != "" {
		t.Errorf("of who never came back %q still rests", got)
	}
	b.returns(away, s.vera()).says("Start again")
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}
}
