package handlers

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// enqueued is a wake-up that the bus made visible at a time, in the form of the host.
func enqueued(at time.Time, properties string) string {
	return fmt.Sprintf(`{"Data":{"message":"e30="},"Metadata":{"MessageId":"\"m1\"","SessionId":"\"lane\"","EnqueuedTimeUtc":"%s","ApplicationProperties":{%s}}}`,
		at.Format("2006-01-02T15:04:05"), properties)
}

// The alert calbridge-late reads this line (infra/queries/late.kql).
func TestAMessageThatWaitedLongIsLoggedWithItsAge(t *testing.T) {
	for _, test := range []struct {
		waited     time.Duration
		properties string
		want       string
	}{
		{lateAfter, "", `"msg":"message served late","invocation":"` + hostID + `","function":"CalendarWrite","seconds":300}`},
		{26 * time.Hour, "", `"function":"CalendarWrite","seconds":93600}`},
		{lateAfter - time.Second, "", ""},
		{-time.Hour, "", ""},
		// the age of a dead letter says when its trouble began, not that nobody serves it
		{time.Hour, `"DeadLetterReason":"MaxDeliveryCountExceeded"`, ""},
	} {
		w := newWorld(t, 0, nil)
		if r := w.envelope("/CalendarWrite", enqueued(w.clock.Now().Add(-test.waited), test.properties)); r.status != 200 {
			t.Fatalf("%v: status %d", test.waited, r.status)
		}
		if got := w.logged.String(); !strings.Contains(got, test.want) || strings.Contains(got, "late") != (test.want != "") {
			t.Errorf("%v %s: logged %s, want %s", test.waited, test.properties, got, test.want)
		}
	}
	w := newWorld(t, 0, nil)
	if w.envelope("/CalendarWrite", wakeUp); strings.Contains(w.logged.String(), "late") {
		t.Errorf("without a time: logged %s", w.logged)
	}
}

// The alerts' queries look for lines by their texts and read members of them.
func TestTheQueriesOfTheAlertsNameLinesThatAreLogged(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.fail = errDown
	w.envelope("/CalendarWrite", enqueued(w.clock.Now().Add(-time.Hour), ""))
	w.panicking = errDown
	w.envelope("/CalendarWrite", wakeUp)
	for query, texts := range map[string][]string{
		"late":   {lateLine, "line.function", "line.seconds"},
		"errors": {`\"level\":\"ERROR\"`, "invocation failed, the message will come again"},
	} {
		file, err := os.ReadFile("../infra/queries/" + query + ".kql")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			logged := strings.ReplaceAll(strings.Replace(text, "line.", `"`, 1), `\"`, `"`)
			if !strings.Contains(string(file), text) || !strings.Contains(w.logged.String(), logged) {
				t.Errorf("%s: %q is not both looked for and logged", query, text)
			}
		}
	}
}
