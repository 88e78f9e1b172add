package stories

import (
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/stack"
)

// The training story where the application may reach some mailboxes only (identity.md
// section 2, consent: scoped): the Entra admin signs in, which grants nothing, limits the
// application in Exchange, and tests it on the page at which they ended.
func TestTrainingForSomeMailboxesOnly(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	for _, name := range []string{"lena", "leo", "director"} {
		w.mailbox(acme, name+"@acme.example", name)
	}
	client := w.Settings["ENTRA_CLIENT_ID"]
	w.organization("school", fields{"displayName": "Acme Academy", "profile": "training", "consent": "scoped", "timeZone": "Europe/Helsinki", "product": fields{"name": "Courses"}})
	admin := people.person()
	admin.Open(w.link(fields{"organization": "school", "role": "org-admin"}))
	admin.does("Continue", "Set up the calendar connection")
	admin.does("Make a consent link", "There is a new consent link.")
	link := admin.Value("Consent link")

	ada := people.person()
	ada.Open(link)
	ada.does("Continue", "without giving it any permission")
	ada.Press("Continue to Microsoft")
	ada.signsIn("admin@acme.example")
	ada.Press("Accept") // openid and profile
	ada.at("Is this the right Microsoft 365?")
	ada.does("Yes, connect it", "Thank you: one step is left, on the other side")
	admin.does("Refresh", "sign in to it yourself: step 3")
	admin.does("Connect integration", "Sign in to the Microsoft 365 of Acme Academy")
	admin.Press("Continue to Microsoft")
	admin.signsIn("employee@acme.example")
	admin.Press("Accept")
	admin.at("Is this right?")
	admin.does("Yes, this is our Microsoft 365", "You are signed in")
	admin.does("To the set-up page", "The limits in Exchange Online are not proven yet")
	admin.does("Switch calendar sync on", "Calendar sync is on.")
	if g := w.M365.Entra.Grants(acme); len(g.Roles) != 0 {
		t.Errorf("an app role was granted: %+v", g)
	}
	w.Advance(20 * time.Minute)
	lena := trip{Organization: "school", ID: "C-1", Title: "First aid", User: "u-lena", Email: "lena@acme.example", Revision: 1, Day: 3}
	w.book(lena)
	w.result(lena, "ics consent-missing")

	// Exchange has not heard of it; then a forgotten grant opens every mailbox; then it is right.
	ada.Reload()
	ada.at("You are signed in; now limit it in Exchange Online")
	test := func(s *somebody, says string) {
		s.Fill("Address of a mailbox that may be reached", "lena@acme.example")
		s.Fill("Address of a mailbox that may not be reached", "director@acme.example")
		s.does("Test now", says)
	}
	test(ada, "The mailbox that may be reached was refused")
	w.M365.Exchange.SetScope(acme, client, "lena@acme.example", "leo@acme.example")
	w.M365.Entra.Consent(acme, client, stack.Permission)
	w.Advance(2 * time.Hour) // no token is from before
	test(ada, "a permission for the whole Microsoft 365 overrides the limits")
	w.M365.Entra.Consent(acme, client)
	w.Advance(2 * time.Hour)
	admin.does("Refresh", "The limits in Exchange Online are not proven yet")
	test(admin, "Proven: the first mailbox was read and the second was refused.")
	admin.Sees("Allowed since")

	w.Advance(20 * time.Minute)
	w.result(lena, "written")
	leo, director := lena, lena
	leo.User, leo.Email, leo.ID = "u-leo", "leo@acme.example", "C-2"
	director.User, director.Email, director.ID = "u-director", "director@acme.example", "C-3"
	w.book(leo)
	w.book(director)
	w.result(leo, "written")
	w.result(director, "ics outside-scope")
	if got := w.calendar(acme, "lena@acme.example"); !slices.Equal(got, []string{"First aid, busy"}) {
		t.Errorf("lena's calendar: %q", got)
	}
	if got := w.calendar(acme, "director@acme.example"); len(got) != 0 {
		t.Errorf("the director's calendar: %q", got)
	}
	w.ends()
}
