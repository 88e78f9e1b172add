package stories

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A page that shows how far a reading is asks again by itself. While it is answered with
// 503 it asks ever more rarely, at least each minute, and what comes after is shown
// without a reload.
func TestAPageThatIsAnsweredWith503GoesOnAskingMoreSlowly(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	const at = "paula@acme.example"
	w.mailbox(acme, at, "Paula Planner")
	w.read = []string{at}
	w.organization("plan", fields{"displayName": "Plan & Go", "profile": "planning", "module": true, "timeZone": "Europe/Helsinki",
		"product": fields{"name": "Planner"}, "downSync": fields{"privacy": "title"}})
	paula := people.person()
	paula.connects(w.link(fields{"organization": "plan", "role": "user", "user": "u-paula", "email": at}), "Write bookings into it, and read it", at)
	w.learns("u-paula")

	// The page is opened, and from then on what it asks for itself fails. Nothing else does.
	var failed atomic.Int64
	fails := func(r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/portal/apps/") || r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			return false
		}
		failed.Add(1)
		return true
	}
	paula.Hurry(100)
	paula.does("Connected apps", "Last read: ")
	w.front.fails.Store(&fails)
	paula.Until("five answers of 503", func() bool { return failed.Load() >= 5 })
	w.plans(acme, at, "Team lunch", "normal", "10")
	w.notified()
	w.learns("u-paula", "Team lunch")
	if paula.Shows("1 new or changed") {
		t.Error("it shows what it was not told")
	}
	w.front.fails.Store(nil)
	paula.Sees("1 new or changed appointment.") // without a reload

	// It has waited longer each time, and then as it did before.
	waits := paula.Waits()
	steady, failures := slices.Index(waits, 20_000), int(failed.Load())
	if steady < 0 || len(waits) < steady+failures {
		t.Fatalf("waited %v, failed %d times", waits, failures)
	}
	for n, wait := range waits[steady : steady+failures] {
		if want := min(10_000<<(n+1), 60_000); wait != want {
			t.Errorf("after %d failures it waited %d ms, not %d: %v", n+1, wait, want, waits)
		}
	}
	paula.Until("the pace of before", func() bool { waits = paula.Waits(); return waits[len(waits)-1] == 10_000 })
	for _, c := range paula.Complaints() {
		if !strings.Contains(c, "503") {
			t.Errorf("the browser complains: %s", c)
		}
	}

	// Once the session is over nothing is asked any more.
	asked := func() (statuses []int) {
		for _, one := range w.front.list() {
			if strings.Contains(one.URL, "/portal/apps/") {
				statuses = append(statuses, one.Status)
			}
		}
		return statuses
	}
	w.Advance(9 * time.Hour)
	paula.Until("an answer that the session is over", func() bool { return slices.Contains(asked(), http.StatusForbidden) })
	paula.Evaluate("window.setTimeout(() => { window.enough = true }, 60000)", nil) // of the page's own, hurried time
	paula.Until("a minute later", func() bool { return paula.Holds("window.enough") })
	if all := asked(); slices.Index(all, http.StatusForbidden) != len(all)-1 {
		t.Errorf("it goes on: %v", all)
	}
	w.ends()
}

// Whoever asks that their calendar be read, and whose sign-in has died meanwhile, sees what
// has become of the connection and what to do about it, without a reload.
func TestAPersonWhoseSignInHasDiedSeesItOnThePageThatIsOpen(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	const at = "paula@acme.example"
	w.mailbox(acme, at, "Paula Planner")
	w.read = []string{at}
	w.organization("plan", fields{"displayName": "Plan & Go", "profile": "planning", "module": true, "timeZone": "Europe/Helsinki",
		"product": fields{"name": "Planner"}, "downSync": fields{"privacy": "title"}})
	paula := people.person()
	paula.connects(w.link(fields{"organization": "plan", "role": "user", "user": "u-paula", "email": at}), "Write bookings into it, and read it", at)
	w.learns("u-paula")
	paula.Hurry(20)
	paula.does("Connected apps", "Last read: ")
	w.M365.Entra.RevokeSessions(acme, at)
	w.Advance(2 * time.Hour) // the token that is kept is over
	paula.does("Sync calendar", "Connected apps")
	paula.Sees("The account is not connected at the moment.")
	paula.Sees("it has to be connected again")
	paula.Sees("Connect again")
	if paula.Shows("Sync calendar") {
		t.Error("what would be refused is offered")
	}
	paula.does("Connect again", "This renews the connection")
	w.ends()
}
