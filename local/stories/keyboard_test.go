package stories

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// A planner without a mouse: Tab, arrows, Enter and Escape from the link to the end, and
// the focus is seen everywhere.
func TestAKeyboardIsEnough(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	const own, other = "kim@acme.example", "kai@acme.example"
	w.mailbox(acme, own, "Kim")
	w.read = []string{own}
	w.mailbox(acme, other, "Kai")
	w.ready("plan", acme)
	w.organization("plan", fields{"displayName": "Plan", "profile": "planning", "module": true, "sync": true, "product": fields{"name": "Planner"}})
	w.Advance(time.Minute)
	kim := people.person()
	kim.Open(w.own("plan", "u-kim", own))
	kim.at("Continue")
	kim.tab("Skip to content") // comes first
	kim.Key(kb.Enter)
	kim.enters("Continue", "Connected apps")
	kim.enters("Connect Outlook calendar", "What should Planner do with this calendar?")
	kim.tab("Only read it: only when you are busy")
	for range 3 {
		kim.Key(kb.ArrowDown)
	}
	kim.chose("Write bookings into it.")
	kim.keys(other, "Continue to Microsoft")
	kim.at("Please look twice")
	kim.tab("No, connect nothing")
	kim.enters("Continue", "Nothing was connected")
	kim.enters("Start again", "What should Planner do with this calendar?")
	kim.tab("Write bookings into it.") // what was chosen before
	kim.Key(kb.ArrowDown)
	kim.chose("Write bookings into it, and read it.")
	kim.keys(own, "Use another account")
	kim.at("Is this right?")
	kim.enters("Yes, connect it", "Your calendar is connected")
	kim.enters("Connected apps", "Calendar of "+own)
	w.hears("u-kim", "connected")
	kim.enters("Pause", "It is paused.")
	kim.enters("Disconnect", "Disconnect "+own+"?")
	kim.enters("Disconnect", "It is disconnected")
	w.hears("u-kim", "disconnected")
	w.ends()
}

// chose fails unless the label's choice is the one that the keys came to.
func (s *somebody) chose(label string) {
	s.t.Helper()
	var have string
	s.Evaluate(`((document.activeElement.closest("label") || {}).textContent || "").trim()`, &have)
	if len(have) < len(label) || have[:len(label)] != label {
		s.t.Errorf("the keys chose %q, want %q", have, label)
	}
}

// keys leaves for Microsoft by a button and signs in there, with the keyboard.
func (s *somebody) keys(principal, button string) {
	s.t.Helper()
	s.tab(button)
	s.leaves()
	s.Key(kb.Enter)
	s.Sees("Pick an account")
	s.tab("Use another account")
	s.Key(principal)
	s.leaves()
	s.Key(kb.Enter)
}

// An organisation's admin, an Entra admin and a traveller whose browsers run no scripts.
func TestItWorksWithoutScripts(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	people.seen = nil // axe-core is a script
	w := start(t)
	w.mailbox(acme, "oona@acme.example", "Oona Office")
	w.organization("acme", fields{"displayName": "Acme", "profile": "travel", "timeZone": "Europe/Helsinki", "product": fields{"name": "Trips"}})
	oona, ada := people.person(), people.person()
	for _, p := range []*somebody{oona, ada} {
		p.WithoutScripts()
	}
	oona.Open(w.link(fields{"organization": "acme", "role": "org-admin", "user": "u-oona", "email": "oona@acme.example"}))
	oona.does("Continue", "Set up the calendar connection")
	oona.does("Make a consent link", "There is a new consent link.")
	ada.Open(oona.Value("Consent link"))
	ada.does("Continue", "Allow the calendar connection of Trips")
	ada.Press("Continue to Microsoft")
	ada.signsIn("admin@acme.example")
	ada.does("Accept", "Is this the right Microsoft 365?")
	ada.does("Yes, connect it", "Thank you: one step is left, on the other side")
	oona.does("Refresh", "An administrator of acme.example consented on")
	oona.does("Connect Outlook calendar", "Connect your Outlook calendar")
	oona.Press("Continue to Microsoft")
	oona.signsIn("oona@acme.example")
	oona.at("Is this right?")
	oona.does("Yes, connect it", "Your calendar is connected")
	oona.does("To the set-up page", "Allowed since")
	oona.does("Switch calendar sync on", "Calendar sync is on.")
	w.Advance(time.Minute)
	b := trip{Organization: "acme", ID: "PNR-1", Title: "AY1", User: "u-oona", Email: "oona@acme.example", Revision: 1, Day: 3}
	w.book(b)
	w.result(b, "written")
	oona.does("Switch calendar sync off", "Switch calendar sync off?")
	oona.Tick("are removed from the calendars now")
	oona.does("Switch calendar sync off", "Calendar sync is off")
	w.Advance(time.Minute) // until every process knows it, which removing waits for
	w.settled(func() bool { return len(w.calendar(acme, "oona@acme.example")) == 0 }, func() any { return w.calendar(acme, "oona@acme.example") })
	w.ends()
}

// The back button, the reload button, a second tab, and the same tab a while later.
func TestBackReloadAndAnotherTabInABrowser(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	w.ready("acme", acme)
	w.mailbox(acme, "aino@acme.example", "Aino")
	aino := people.person()
	aino.Open(w.own("acme", "u-aino", "aino@acme.example"))
	aino.does("Continue", "Connected apps")
	apps := aino.URL()
	aino.Back()
	aino.does("Continue", "Connected apps") // the same browser may use the link again
	if aino.URL() == apps {
		t.Error("the second exchange gave the first grant")
	}
	aino.does("Connect Outlook calendar", "Connect your Outlook calendar")
	aino.Press("Continue to Microsoft")
	aino.signsIn("aino@acme.example")
	aino.at("Is this right?")
	question := aino.URL()
	aino.Reload()
	aino.at("Is this right?")

	tab := people.watch(aino.Tab())
	tab.Open(apps)
	tab.at("No calendar is connected.")
	tab.does("Connect Outlook calendar", "Connect your Outlook calendar")
	tab.Press("Continue to Microsoft")
	tab.at("Is this right?") // nobody is asked who they are twice
	tab.does("Yes, connect it", "Your calendar is connected")
	first := w.hears("u-aino", "connected")

	aino.does("Yes, connect it", "Your calendar is connected")
	aino.Back()
	aino.at("Your calendar is connected") // not the question, which has been answered
	aino.Reload()
	aino.at("Your calendar is connected")
	aino.Open(question)
	aino.at("Your calendar is connected")
	tab.Reload()
	tab.at("Your calendar is connected")
	if c := w.connectionsOf("acme", "u-aino"); len(c) != 1 || c[0].ID != first.Connection {
		t.Errorf("connected: %+v", c)
	}
	w.Advance(9 * time.Hour)
	tab.Open(apps)
	tab.at("This page was open for too long")
	if urls := w.pagesWith("code="); len(urls) > 0 {
		t.Errorf("a page has a code in its URL: %q", urls)
	}
	w.ends()
}

// pagesWith are the paths of pages whose URL has a text in it.
func (w *world) pagesWith(text string) (paths []string) {
	for _, one := range w.front.list() {
		if one.Method == http.MethodGet && one.Status != http.StatusSeeOther && strings.Contains(one.URL, text) {
			paths = append(paths, pathOf(one.URL))
		}
	}
	return paths
}
