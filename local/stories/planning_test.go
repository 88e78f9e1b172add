package stories

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// press presses a button of the section of one account on the page Connected apps,
// after ticking a choice in it, if one is named.
func (s *somebody) pressIn(account, tick, button string) {
	s.t.Helper()
	s.Sees("Calendar of " + account)
	s.leaves()
	var found bool
	script, err := json.Marshal([]string{account, tick, button})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Evaluate(`((account, tick, button) => {
		const section = [...document.querySelectorAll("section")].find(x => x.querySelector("h2").textContent.includes(account));
		if (!section) return false;
		if (tick) {
			const label = [...section.querySelectorAll("label")].find(x => x.textContent.includes(tick));
			if (!label) return false;
			label.click();
		}
		const it = [...section.querySelectorAll("button, a")].find(x => x.textContent.includes(button));
		if (it) it.click();
		return !!it;
	})(...`+string(script)+`)`, &found)
	if !found {
		s.t.Fatalf("no %q with %q for %s on the page:\n%s", button, tick, account, s.Text())
	}
}

// The planning story: a resource planner with accounts in two tenants, in which nobody
// has consented for all.
func TestPlanningWithAccountsOfTwoTenants(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	const at1, at2 = "paula@acme.example", "paula@globex.example"
	w.mailbox(acme, at1, "Paula Planner")
	w.read = []string{at1} // the other is only written to
	w.mailbox(globex, at2, "Paula at Globex")
	settings := fields{"displayName": "Plan & Go", "profile": "planning", "timeZone": "Europe/Helsinki", "product": fields{"name": "Planner"}}
	w.organization("plan", settings)
	request := fields{"organization": "plan", "role": "user", "user": "u-paula", "email": at1}
	if got := w.call(http.MethodPost, "links", request); got.Status != http.StatusConflict {
		t.Errorf("a link while the module is off: %d %s", got.Status, got.Body)
	}
	settings["module"] = true
	w.organization("plan", settings)
	w.Advance(time.Minute)

	paula := people.person()
	paula.Open(w.link(request))
	paula.does("Continue", "Connected apps")
	paula.does("Connect Outlook calendar", "What should Planner do with this calendar?")
	paula.Press("Continue to Microsoft")
	paula.signsIn(at1)
	paula.Sees("Permissions requested")
	paula.Sees("Calendars.ReadBasic")
	paula.Press("Accept")
	paula.at("Is this right?")
	paula.Sees("see when you are busy, and nothing else")
	paula.does("Yes, connect it", "Your calendar is connected")
	paula.does("Connected apps", "Calendar of "+at1)
	job := trip{Organization: "plan", ID: "J-1", Title: "Shift", User: "u-paula", Email: at1, Revision: 1, Day: 3}
	w.book(job)
	w.result(job, "ics direction-down-only")

	paula.does("Connect another account", "What should Planner do with this calendar?")
	paula.Tick("Write bookings into it. Microsoft")
	paula.Press("Use another account")
	paula.signsIn(at2)
	paula.Sees("Permissions requested")
	paula.Press("Accept")
	paula.at("Please look twice")
	paula.Sees("You signed in as " + at2)
	paula.picture("doubt", "")
	paula.Tick("Yes, connect " + at2)
	paula.does("Continue", "Your calendar is connected")
	paula.does("Connected apps", "Calendar of "+at2)
	w.hears("u-paula", "connected")
	w.result(job, "written")
	if got := w.calendar(globex, at2); !slices.Equal(got, []string{"Shift, busy"}) {
		t.Errorf("calendar at Globex: %q", got)
	}

	// More than was granted needs a sign-in; until then everything stays as it is.
	paula.pressIn(at1, "Write bookings into it, and read it", "Change")
	paula.at("Connect " + at1 + " again")
	if c := w.connectionsOf("plan", "u-paula"); !slices.ContainsFunc(c, func(c connected) bool { return c.Account.Name == at1 && c.Direction == "down" }) {
		t.Errorf("before the sign-in: %+v", c)
	}
	paula.Press("Continue to Microsoft")
	paula.Sees("Permissions requested") // whoever is signed in is not asked who they are
	paula.Press("Accept")
	paula.does("Yes, connect it", "Your calendar is connected")
	paula.does("Connected apps", "Write bookings into it, and read it.")

	// Another primary account: what is not over moves.
	paula.pressIn(at1, "", "Write future bookings here")
	paula.at("Future bookings are written to the calendar that you chose.")
	w.settled(func() bool { return len(w.calendar(acme, at1)) == 1 && len(w.calendar(globex, at2)) == 0 },
		func() any { return [][]string{w.calendar(acme, at1), w.calendar(globex, at2)} })

	paula.pressIn(at1, "", "Pause")
	paula.at("It is paused.")
	job.Revision, job.Title = 2, "Shift, moved"
	w.book(job)
	w.result(job, "ics paused")
	paula.pressIn(at2, "", "Disconnect")
	paula.at("Disconnect " + at2 + "?")
	paula.does("Disconnect", "It is disconnected")
	if c := w.connectionsOf("plan", "u-paula"); len(c) != 1 || c[0].State != "paused" {
		t.Errorf("in the end: %+v", c)
	}
	needsApproval(t, people, w)
	w.ends()
}

// settled waits until something holds, which is asked after every event of the topic
// and as the clock moves on.
func (w *world) settled(holds func() bool, shown func() any) {
	w.t.Helper()
	ctx, cancel := w.patiently()
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("it does not settle: %v", shown())
		}
	}
}

// needsApproval is who may not consent: our page says so before, after coming back, and
// where Microsoft keeps people.
func needsApproval(t *testing.T, people crowd, w *world) {
	t.Helper()
	const at = "carl@globex.example"
	w.mailbox(globex, at, "Carl")
	if err := w.M365.Entra.SetPolicy(globex, entra.Policy{NoUserConsent: true}); err != nil {
		t.Fatal(err)
	}
	consent := w.link(fields{"organization": "plan", "role": "entra-admin"})
	carl := people.person()
	carl.Open(w.link(fields{"organization": "plan", "role": "user", "user": "u-carl", "email": at}))
	carl.does("Continue", "Connected apps")
	carl.does("Connect Outlook calendar", "If Microsoft shows")
	if got := carl.Value("Link for your administrator"); got != consent {
		t.Errorf("the page offers %q, want the consent link %q", got, consent)
	}
	carl.Press("Continue to Microsoft")
	carl.signsIn(at)
	carl.Sees("Need admin approval")
	carl.Press("Return to the application")
	carl.at("AADSTS90094")
	if got := carl.Value("Link for your administrator"); got != consent {
		t.Errorf("after 90094 the page offers %q, want the consent link", got)
	}
	carl.picture("approval", "")

	if err := w.M365.Entra.SetPolicy(globex, entra.Policy{NoUserConsent: true, Workflow: true}); err != nil {
		t.Fatal(err)
	}
	carl.does("Start again", "If Microsoft shows")
	carl.Press("Continue to Microsoft")
	carl.Sees("Approval required")
	carl.Fill("Enter justification", "Shifts")
	carl.Press("Request approval")
	carl.Sees("Request sent")
	w.Advance(11 * time.Minute)
	carl.Open(w.link(fields{"organization": "plan", "role": "user", "user": "u-carl", "email": at}))
	carl.does("Continue", "An attempt was not finished")
	if got := carl.Value("Link for your administrator"); got != consent {
		t.Errorf("after 90095 the page offers %q, want the consent link", got)
	}
}
