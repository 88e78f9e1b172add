package stories

import (
	"slices"
	"testing"
	"time"
)

// The training story: permission for the organisation, so that no learner signs in.
func TestTrainingWithoutASignInOfAnyLearner(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	for _, name := range []string{"lena", "leo"} {
		w.mailbox(acme, name+"@acme.example", name)
	}
	w.organization("school", fields{"displayName": "Acme Academy", "profile": "training", "timeZone": "Europe/Helsinki", "product": fields{"name": "Courses"}})
	admin := people.person()
	admin.Open(w.link(fields{"organization": "school", "role": "org-admin"}))
	admin.does("Continue", "Set up the calendar connection")
	admin.Sees("Connect the integration")
	admin.does("Make a consent link", "There is a new consent link.")
	link := admin.Value("Consent link")

	// Whoever may consent to less stays at Microsoft's page, as ours has said.
	clive := people.person()
	clive.Open(link)
	clive.does("Continue", "You need to be Global Administrator or Privileged Role Administrator")
	clive.Press("Continue to Microsoft")
	clive.signsIn("cloud-app-admin@acme.example")
	clive.Sees("This operation can only be performed by an administrator")
	admin.does("Refresh", "Started at")
	w.Advance(11 * time.Minute)
	admin.does("Refresh", "not finished")
	if g := w.M365.Entra.Grants(acme); len(g.Roles)+len(g.Delegated) != 0 {
		t.Errorf("granted without a role: %+v", g)
	}

	ada := people.person()
	ada.Open(link)
	ada.does("Continue", "writes bookings into the Outlook calendars of Acme Academy by itself")
	ada.Press("Continue to Microsoft")
	ada.signsIn("admin@acme.example")
	ada.Sees("for every mailbox")
	ada.Press("Accept")
	ada.at("Is this the right Microsoft 365?")
	ada.does("Yes, connect it", "Thank you: one step is left, on the other side")
	lena := trip{Organization: "school", ID: "C-1", Title: "First aid", User: "u-lena", Email: "lena@acme.example", Revision: 1, Day: 3}
	w.book(lena)
	w.result(lena, "ics sync-off")

	admin.does("Refresh", "sign in to it yourself: step 3")
	admin.does("Connect integration", "Sign in to the Microsoft 365 of Acme Academy")
	admin.Sees("nothing of your calendar is read")
	admin.Press("Continue to Microsoft")
	admin.signsIn("employee@acme.example")
	admin.at("Is this right?")
	admin.does("Yes, this is our Microsoft 365", "You are signed in")
	admin.does("To the set-up page", "Allowed since")
	if g := w.M365.Entra.Grants(acme); len(g.Roles) != 1 {
		t.Errorf("grants %+v", g)
	}
	admin.does("Switch calendar sync on", "Calendar sync is on.")
	w.Advance(time.Minute)
	w.result(lena, "written")
	leo, gina := lena, lena
	leo.User, leo.Email, leo.ID = "u-leo", "leo@acme.example", "C-2"
	gina.User, gina.Email, gina.ID = "u-gina", "gina@gmail.com", "C-3"
	w.book(leo)
	w.book(gina)
	w.result(leo, "written")
	w.result(gina, "ics personal-mailbox")
	for _, name := range []string{"lena", "leo"} {
		if got := w.calendar(acme, name+"@acme.example"); !slices.Equal(got, []string{"First aid, busy"}) {
			t.Errorf("%s's calendar: %q", name, got)
		}
	}
	admin.does("Refresh", "Mailbox cannot be used")
	admin.Sees("personal mail service")
	admin.Sees("3 people.")
	admin.picture("people", "section:has(table)")
	w.ends()
}
