package m365_test

import (
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// Contract 12: what Exchange lets an application into, what Entra grants the application, and
// what it grants in users' names are three things. They add up, and none shows in another.
func TestTheScopeInExchangeIsApartFromRolesAndFromDelegatedGrants(t *testing.T) {
	w := start(t)
	w.Entra.Register(entra.App{ID: app, Secrets: []string{"secret"}, RedirectURIs: []string{back}})
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"bo@acme.example"}`)
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"cy@acme.example"}`)
	const inside, outside = "/v1.0/users/" + aino + "/calendar", "/v1.0/users/bo@acme.example/calendar"
	w.Entra.Consent(acme, app) // a service principal without any role
	w.token = w.signIn()
	w.must(403, "GET", inside, "")
	if w.Exchange.SetScope(acme, app, aino, "nobody@acme.example") || !w.Exchange.SetScope(acme, app, aino) {
		t.Fatal("SetScope tells wrongly who is there")
	}
	w.must(200, "GET", inside, "") // with the token from before: it never names the scope
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	w.must(403, "GET", outside, "")
	w.must(403, "GET", "/v1.0/users/"+aino, "") // the directory is none of Exchange's
	if g := w.Entra.Grants(acme); len(g.Roles)+len(g.Delegated) != 0 {
		t.Errorf("Entra shows %+v", g)
	}
	// A person outside of the application's scope signs in for their own calendar.
	w.token = w.delegated("bo@acme.example", "openid Calendars.ReadWrite")["access_token"].(string)
	w.must(200, "GET", "/v1.0/me/calendar", "")
	w.must(403, "GET", inside, "") // and has none of the application's reach
	w.token = w.signIn()
	w.must(403, "GET", outside, "")
	// A tenant-wide grant overrides the scope.
	w.Entra.Consent(acme, app, "Calendars.ReadWrite")
	w.must(403, "GET", outside, "") // the token is from before
	w.token = w.signIn()
	w.must(200, "GET", outside, "")
	w.Entra.Consent(acme, app)
	w.Exchange.SetScope(acme, app)
	w.token = w.signIn()
	w.must(403, "GET", inside, "")
}
