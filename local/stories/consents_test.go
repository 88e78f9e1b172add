package stories

import (
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// evidence is what GET consent says of how sure it is.
func (w *world) evidence(organization string) string {
	w.t.Helper()
	var c struct{ Evidence string }
	w.get("organizations/"+organization+"/consent", &c)
	return c.Evidence
}

// T3: where the organisation's admin is signed in at Microsoft already, Microsoft gives them
// a token for the calendar without a page, and only because somebody consented for all.
func TestTheAdminsOwnSignInProvesTheConsentWhereMicrosoftAsksNothing(t *testing.T) {
	w := start(t)
	w.mailbox(acme, "olga@acme.example", "Olga")
	for _, id := range []string{"other", "trips"} {
		w.organization(id, fields{"displayName": id, "profile": "travel", "product": fields{"name": "Trips"}})
		w.agent().atMicrosoft(w.link(fields{"organization": id, "role": "entra-admin"})).
			signIn("admin@acme.example").press("Accept").sees("Is this the right Microsoft 365?").press("Yes, connect it").sees("one step is left, on the other side")
	}
	olga := w.agent()
	start := func(id string) *agent {
		return olga.open(w.link(fields{"organization": id, "role": "org-admin", "user": "u-olga", "email": "olga@acme.example"})).press("Continue").
			follow("Connect Outlook calendar").press("Continue to Microsoft")
	}
	// Microsoft has to show a page: she is not signed in there. Nobody notices the detour.
	start("other").signIn("olga@acme.example").sees("Is this right?").press("Yes, connect it", "answer", "yes").sees("Your calendar is connected")
	if got := w.evidence("other"); got != "callback" {
		t.Errorf("with a page of Microsoft's: %s", got)
	}
	start("trips").sees("Is this right?").press("Yes, connect it", "answer", "yes").sees("Your calendar is connected").
		follow("To the set-up page").sees("Proven: somebody who never connected before could sign in for the calendar without being asked by Microsoft.")
	if got := w.evidence("trips"); got != "silent" {
		t.Errorf("without a page of Microsoft's: %s", got)
	}
	w.nothingLeaked()
}

// R4: people of any Microsoft 365 connect their accounts; where one lets only an
// administrator allow that, the link that its person forwards is for that administrator,
// also after another tenant's used it, and binds nothing.
func TestAdministratorsOfTwoTenantsAllowWhatTheirPeopleConnect(t *testing.T) {
	w := start(t)
	w.organization("plan", fields{"displayName": "Plan", "profile": "planning", "module": true, "product": fields{"name": "Planner"}})
	for _, c := range []struct{ tenant, domain string }{{acme, "acme.example"}, {globex, "globex.example"}} {
		w.mailbox(c.tenant, "carl@"+c.domain, "Carl")
		if err := w.M365.Entra.SetPolicy(c.tenant, entra.Policy{NoUserConsent: true}); err != nil {
			t.Fatal(err)
		}
	}
	link := w.link(fields{"organization": "plan", "role": "entra-admin"})
	for _, domain := range []string{"acme.example", "globex.example"} {
		own := w.own("plan", "u-"+domain, "carl@"+domain)
		w.agent().connects(own).signIn("carl@" + domain).sees("Need admin approval")
		w.agent().atMicrosoft(link).signIn("admin@" + domain).press("Accept").
			sees("Is this the right Microsoft 365?").press("Yes, allow it for our people").sees("people of your Microsoft 365 may connect their calendars")
		again := w.own("plan", "u-"+domain, "carl@"+domain)
		w.agent().connects(again).signIn("carl@"+domain).sees("Is this right?").press("Yes, connect it", "answer", "yes").sees("Your calendar is connected")
	}
	var c struct {
		Consent string
		Tenant  *string
		Allowed []struct{ Tenant string }
	}
	w.get("organizations/plan/consent", &c)
	if c.Consent != "none" || c.Tenant != nil || len(c.Allowed) != 2 || c.Allowed[0].Tenant != globex || c.Allowed[1].Tenant != acme {
		t.Errorf("%+v", c)
	}
	if g := w.M365.Entra.Grants(globex); len(g.Roles) != 0 || len(g.Delegated) != 1 || g.Delegated[0].User != "" {
		t.Errorf("grants %+v", g)
	}
	w.nothingLeaked()
}
