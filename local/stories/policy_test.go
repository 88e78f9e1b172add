package stories

import (
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// blocked is the number by which Conditional Access refuses a refresh from a server.
const blocked = 53003

// Conditional Access lets the browser sign in and refuses our refresh: the traveller is
// offered nothing that would loop, the organisation's admin sees whose matter it is, the
// topic says it, and when the policy is changed everything is caught up by itself
// (identity.md 4).
func TestAPolicyKeepsAConnectionOutUntilItIsChanged(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	w.ready("acme", acme)
	w.mailbox(acme, "aino@acme.example", "Aino")
	aino, oona := people.person(), people.person()
	own := func() string { return w.own("acme", "u-aino", "aino@acme.example") }
	aino.Open(own())
	aino.does("Continue", "Connected apps")
	aino.does("Connect Outlook calendar", "Connect your Outlook calendar")
	aino.Press("Continue to Microsoft")
	aino.signsIn("aino@acme.example")
	aino.does("Yes, connect it", "Your calendar is connected")
	first := w.hears("u-aino", "connected")
	b := trip{Organization: "acme", ID: "PNR-1", Title: "AY1", User: "u-aino", Email: "aino@acme.example", Revision: 1, Day: 5}
	w.book(b)
	w.result(b, "written")

	if err := w.M365.Entra.SetPolicy(acme, entra.Policy{Server: entra.Condition{Block: blocked}}); err != nil {
		t.Fatal(err)
	}
	w.Advance(2 * time.Hour)
	b.Revision, b.Title = 2, "AY1 (late)"
	w.book(b)
	w.result(b, "ics blocked-by-policy")
	if told := w.hears("u-aino", "blocked-by-policy"); told.Connection != first.Connection || told.Message == "" {
		t.Errorf("told %+v of connection %s", told, first.Connection)
	}
	if p := w.person("acme", "u-aino"); p.Offer != "none" || p.Connection != "blocked-by-policy" {
		t.Errorf("the product is told %+v", p)
	}
	aino.Open(own())
	aino.does("Continue", "Kept out by a policy since")
	if aino.Shows("Connect again") {
		t.Error("the page offers what would loop")
	}
	setup := func() string {
		return w.link(fields{"organization": "acme", "role": "org-admin", "user": "u-oona", "email": "oona@acme.example"})
	}
	oona.Open(setup())
	oona.does("Continue", "Kept out by a policy")
	oona.Sees("An administrator excludes the calendar connection from the policy.")

	if err := w.M365.Entra.SetPolicy(acme, entra.Policy{}); err != nil {
		t.Fatal(err)
	}
	w.Advance(25 * time.Hour) // it is tried again every day
	w.result(b, "written")
	if told := w.hears("u-aino", "connected"); told.Connection != first.Connection {
		t.Errorf("it is connection %s, was %s", told.Connection, first.Connection)
	}
	if got := w.calendar(acme, "aino@acme.example"); !slices.Equal(got, []string{"AY1 (late), tentative"}) {
		t.Errorf("calendar %q", got)
	}
	oona.does("Refresh", "This page was open for too long")
	oona.Open(setup())
	oona.does("Continue", "1 person.")
	if oona.Shows("Kept out by a policy") {
		t.Error("the set-up page still says that a policy keeps it out")
	}
	aino.Open(own())
	aino.does("Continue", "Connected since")
	w.ends()
}

// A room manager signs in with the account that may read the directory's rooms; nothing
// of the sign-in is kept.
func TestARoomManagerSignsInAndNothingIsKept(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	w.organization("new", fields{"displayName": "New", "profile": "planning", "module": true, "product": fields{"name": "Planner"}})
	rita := people.person()
	rita.Open(w.link(fields{"organization": "new", "role": "room-manager", "user": "u-rita"}))
	rita.does("Continue", "does not let the calendar connection in")
	w.ready("one", acme)
	rita.Open(w.link(fields{"organization": "one", "role": "room-manager", "user": "u-rita", "email": "admin@acme.example"}))
	rita.does("Continue", "Rooms")
	rita.does("Sign in", "Sign in to read the rooms of one")
	rita.Sees("No calendar can be read with it.")
	rita.Press("Continue to Microsoft")
	rita.signsIn("admin@acme.example")
	rita.Sees("Permissions requested")
	rita.Press("Accept")
	rita.at("Do you want to look after the rooms of one with this account?")
	rita.does("Yes, this is the right account", "may read the rooms of one")
	rita.does("Back", "You signed in as admin@acme.example on")
	if c := w.connectionsOf("one", "u-rita"); len(c) != 0 {
		t.Errorf("connected: %+v", c)
	}

	// Who may not read rooms is told before, at Microsoft, and afterwards.
	rudy := people.person()
	rudy.Open(w.link(fields{"organization": "one", "role": "room-manager", "user": "u-rudy", "email": "employee@acme.example"}))
	rudy.does("Continue", "Rooms")
	rudy.does("Sign in", "If Microsoft shows")
	rudy.Press("Continue to Microsoft")
	rudy.signsIn("employee@acme.example")
	rudy.Sees("Need admin approval")
	rudy.Press("Return to the application")
	rudy.at("AADSTS90094")
	w.ends()
}
