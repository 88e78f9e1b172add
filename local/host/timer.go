package host

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"
)

// schedule is when a timer fires: NCRONTAB in UTC, or a constant interval (§3.2).
type schedule struct {
	cron     cron.Schedule
	interval time.Duration
}

// parseSchedule reads six fields, five (second 0), or hh:mm:ss.
func parseSchedule(text string) (schedule, error) {
	if !strings.ContainsAny(text, " \t") && strings.Contains(text, ":") {
		d, err := parseSpan(text)
		if err == nil && d <= 0 {
			err = errors.New("the interval is not positive")
		}
		return schedule{interval: d}, err
	}
	if strings.ContainsAny(text, "@=?") {
		return schedule{}, fmt.Errorf("schedule %q is no NCRONTAB expression", text)
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	s, err := parser.Parse("CRON_TZ=UTC " + text)
	if err != nil {
		return schedule{}, fmt.Errorf("schedule %q: %w", text, err)
	}
	return schedule{cron: s}, nil
}

// next is the first occurrence after t.
func (s schedule) next(t time.Time) time.Time {
	if s.cron == nil {
		return t.Add(s.interval)
	}
	return s.cron.Next(t.UTC())
}

// monitored reports whether a status is kept (§2.7).
func (s schedule) monitored(b binding) bool {
	return (b.UseMonitor == nil || *b.UseMonitor) && (s.cron != nil || s.interval >= time.Minute)
}

// timerStatus is what the host remembers of a timer, beyond its own life.
type timerStatus struct {
	last, next, updated time.Time
}

// runTimer fires one timer that was loaded at since, one call at a time, until the
// host stops. An occurrence that was missed, while the host was down or because the
// clock passed another one meanwhile, makes one call with IsPastDue.
func (in *instance) runTimer(f *function, since time.Time) {
	s, err := parseSchedule(f.trigger.Schedule)
	if err != nil {
		in.h.print(Error, "Function."+f.name, "", err.Error())
		return
	}
	status := timerStatus{next: s.next(since)}
	if known, ok := in.h.status.Load(f.name); ok && s.monitored(f.trigger) {
		status = known.(timerStatus)
	}
	late := status.next.Before(since)
	if f.trigger.RunOnStartup && !late {
		in.fire(f, s, status, false)
		status.next = s.next(in.h.clock.now())
	}
	for in.h.clock.sleepUntil(in.listening, status.next) == nil {
		now := in.h.clock.now()
		pastDue := late || !s.next(status.next).After(now)
		late = false
		in.fire(f, s, status, pastDue)
		status = timerStatus{last: now, next: s.next(in.h.clock.now()), updated: now}
		in.h.status.Store(f.name, status)
	}
}

// fire calls the function, again under a retry policy. A failure is not retried otherwise.
func (in *instance) fire(f *function, s schedule, status timerStatus, pastDue bool) {
	for attempt := 0; ; attempt++ {
		call := timerCall{f, s, status, pastDue, attempt, in.h.clock.now(), uuid.New()}
		_, err := in.invoke(f, call.envelope())
		if err == nil || attempt >= f.retry.MaxRetryCount || f.retry.Strategy == "" {
			return
		}
		if in.h.clock.sleep(in.listening, f.retry.pause(attempt)) != nil {
			return
		}
	}
}

// pause is the wait before the next attempt.
func (r retryPolicy) pause(attempt int) time.Duration {
	if strings.EqualFold(r.Strategy, "fixedDelay") {
		d, _ := parseSpan(r.DelayInterval)
		return d
	}
	low, _ := parseSpan(r.MinimumInterval)
	high, _ := parseSpan(r.MaximumInterval)
	return min(low<<min(attempt, 20), high)
}

// check refuses a policy that cannot be read.
func (r retryPolicy) check() error {
	spans := []string{}
	switch strings.ToLower(r.Strategy) {
	case "":
		return nil
	case "fixeddelay":
		spans = append(spans, r.DelayInterval)
	case "exponentialbackoff":
		spans = append(spans, r.MinimumInterval, r.MaximumInterval)
	default:
		return fmt.Errorf("retry strategy %q", r.Strategy)
	}
	for _, s := range spans {
		if _, err := parseSpan(s); err != nil {
			return fmt.Errorf("retry: %w", err)
		}
	}
	return nil
}

// timerCall is one call of a timer.
type timerCall struct {
	f        *function
	schedule schedule
	status   timerStatus
	pastDue  bool
	attempt  int
	now      time.Time
	id       uuid.UUID
}

// envelope is the body of the call (§2.7).
func (c timerCall) envelope() []byte {
	o := &object{}
	o.add("Schedule", `{"AdjustForDST":`+boolText(c.schedule.cron != nil)+`}`)
	o.add("ScheduleStatus", "null")
	if c.schedule.monitored(c.f.trigger) {
		o.set("ScheduleStatus", `{"Last":`+statusTime(c.status.last)+`,"Next":`+statusTime(c.status.next)+
			`,"LastUpdated":`+statusTime(c.status.updated)+`}`)
	}
	o.add("IsPastDue", boolText(c.pastDue))
	meta := &object{}
	meta.add("sys", sys(c.f.name, c.now, c.id))
	if c.f.retry.Strategy != "" {
		exception := "null"
		if c.attempt > 0 {
			exception = `{"ClassName":"System.Exception","Message":"the attempt before failed"}`
		}
		meta.add("RetryContext", fmt.Sprintf(`{"RetryCount":%d,"MaxRetryCount":%d,"Exception":%s,"Instance":null,"State":{}}`,
			c.attempt, c.f.retry.MaxRetryCount, exception))
	}
	return envelope(c.f.trigger.Name, o.String(), meta)
}

// statusTime is a time of the status; before the first run it is year 1, without zone.
func statusTime(t time.Time) string {
	if t.IsZero() {
		return `"0001-01-01T00:00:00"`
	}
	return quotedTime(t, fullPrecision, "+00:00")
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// byHand calls a timer for the admin endpoint; it does not touch its status.
func (in *instance) byHand(f *function) {
	s, err := parseSchedule(f.trigger.Schedule)
	if err != nil {
		return
	}
	status := timerStatus{next: s.next(in.h.clock.now())}
	if known, ok := in.h.status.Load(f.name); ok {
		status = known.(timerStatus)
	}
	in.fire(f, s, status, false)
}
