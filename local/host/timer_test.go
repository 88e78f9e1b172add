package host

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// timerData is what a timer function gets.
type timerData struct {
	ScheduleStatus *struct{ Last, Next, LastUpdated string }
	IsPastDue      bool
}

func readTimer(t *testing.T, c call) timerData {
	t.Helper()
	e, err := decoded([]byte(c.body))
	if err != nil {
		t.Fatal(err)
	}
	var d timerData
	if err := json.Unmarshal(e.Data["timer"], &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func sweep(schedule, more string) string {
	return fmt.Sprintf(`{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":%q}]%s}`, schedule, more)
}

// timerHost runs one timer over a clock that stands at 09:02:00.
func timerHost(t *testing.T, function string) (*running, *manualClock) {
	t.Helper()
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 2, 0, 0, time.UTC)}
	h := start(t, writeRoot(t, plainHostJSON, map[string]string{"Sweep": function}), newHandler(), func(o *Options) { o.Now = clock.Now })
	h.awaitReady(t)
	return h, clock
}

// moved moves the clock until the handler is called.
func (r *running) moved(t *testing.T, clock *manualClock, d time.Duration) timerData {
	t.Helper()
	clock.advance(d)
	return r.ticked(t)
}

// ticked ticks until the handler is called: the timer may not have set its alarm yet.
func (r *running) ticked(t *testing.T) timerData {
	t.Helper()
	for range 2000 {
		r.Tick()
		if len(r.handler.calls) > 0 {
			return readTimer(t, r.handler.next(t))
		}
		pause(t)
	}
	t.Fatal("the timer did not fire")
	return timerData{}
}

func TestTimerFiresByTheClock(t *testing.T) {
	h, clock := timerHost(t, sweep("0 */5 * * * *", ""))
	h.Tick()
	h.handler.none(t)
	first := h.moved(t, clock, 3*time.Minute+time.Second)
	if first.IsPastDue || first.ScheduleStatus.Last != "0001-01-01T00:00:00" || first.ScheduleStatus.Next != "2026-11-21T09:05:00+00:00" {
		t.Errorf("first %+v %+v", first, first.ScheduleStatus)
	}
	second := h.moved(t, clock, 5*time.Minute)
	if second.IsPastDue || second.ScheduleStatus.Last != "2026-11-21T09:05:01+00:00" || second.ScheduleStatus.Next != "2026-11-21T09:10:00+00:00" {
		t.Errorf("second %+v %+v", second, second.ScheduleStatus)
	}
}

func TestMissedOccurrencesMakeOneCallPastDue(t *testing.T) {
	h, clock := timerHost(t, sweep("0 */5 * * * *", ""))
	if d := h.moved(t, clock, 6*time.Hour); !d.IsPastDue {
		t.Errorf("%+v", d)
	}
	if d := h.moved(t, clock, 5*time.Minute); d.IsPastDue {
		t.Errorf("the next one %+v", d)
	}
	h.handler.none(t)
}

func TestTimerKeepsItsStatusOverANewHost(t *testing.T) {
	h, clock := timerHost(t, sweep("0 */5 * * * *", ""))
	h.moved(t, clock, 3*time.Minute)
	h.Restart()
	h.log.await(t, "a new one starts")
	clock.advance(11 * time.Minute)
	if d := h.ticked(t); !d.IsPastDue || d.ScheduleStatus.Last != "2026-11-21T09:05:00+00:00" {
		t.Errorf("%+v %+v", d, d.ScheduleStatus)
	}
}

func TestTimerDoesNotOverlapItself(t *testing.T) {
	h, clock := timerHost(t, sweep("0 */5 * * * *", ""))
	release := make(chan struct{})
	h.handler.set(func(call) string { <-release; return okEmpty })
	h.moved(t, clock, 3*time.Minute)
	clock.advance(4 * time.Minute)
	h.Tick()
	pause(t)
	h.handler.none(t)
	close(release)
}

func TestRetryPolicyOfATimer(t *testing.T) {
	h, clock := timerHost(t, sweep("0 */5 * * * *", `,"retry":{"strategy":"fixedDelay","maxRetryCount":2,"delayInterval":"00:10:00"}`))
	h.handler.set(func(call) string { return failed })
	clock.advance(3 * time.Minute)
	for attempt := range 3 {
		for len(h.handler.calls) == 0 {
			h.Tick()
			pause(t)
		}
		c := h.handler.next(t)
		e, err := decoded([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		var meta struct {
			RetryContext struct{ RetryCount, MaxRetryCount int }
		}
		if err := json.Unmarshal(e.Metadata, &meta); err != nil || meta.RetryContext.RetryCount != attempt || meta.RetryContext.MaxRetryCount != 2 {
			t.Errorf("attempt %d: %+v %v", attempt, meta, err)
		}
		h.log.await(t, "Failed")
		clock.advance(10 * time.Minute)
	}
}

func TestSchedules(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 2, 0, 0, time.UTC) // a Saturday
	for text, want := range map[string]string{
		"0 */5 * * * *": "2026-11-21T09:05:00Z", "*/5 * * * *": "2026-11-21T09:05:00Z", "30 0 12 * Jan Mon": "2027-01-04T12:00:30Z",
		"0 0 9-17 * * 1-5": "2026-11-23T09:00:00Z", "0 0,30 * * * *": "2026-11-21T09:30:00Z", "00:10:00": "2026-11-21T09:12:00Z",
	} {
		s, err := parseSchedule(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s.next(at).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "* * * *", "@hourly", "0 60 * * * *", "TZ=UTC * * * * * *", "0 0 0 0 0", "00:00:00"} {
		if _, err := parseSchedule(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// FuzzSchedule checks that no text makes the parser panic.
func FuzzSchedule(f *testing.F) {
	f.Add("0 */5 * * * *")
	f.Add("1.00:00:01")
	f.Fuzz(func(_ *testing.T, text string) {
		if s, err := parseSchedule(text); err == nil {
			s.next(time.Unix(0, 0))
		}
	})
}
