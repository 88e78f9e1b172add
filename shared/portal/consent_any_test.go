package portal

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

var planners = map[string]any{"profile": "planning", "module": true}

// R4, with accounts of any tenant (identity.md section 3): the link that a person forwards
// is for the administrator of that person's tenant, whichever it is, and however many have
// used it before. Nothing of theirs becomes the organisation's.
func TestTheForwardedLinkWorksForTheAdministratorsOfSeveralTenants(t *testing.T) {
	s := connectable(t, planner) // bound to contoso by the operator
	s.now = s.now.Add(time.Hour)
	traveller, apps := s.veras()
	page := traveller.fails(traveller.leave(apps, "Connect Outlook calendar"), "error", "access_denied", "error_description", "AADSTS90094: x")
	link := strings.ReplaceAll(page.attribute("consent-link", "value"), publicURL, "")
	for _, tenant := range []string{fabrikam, "cccccccc-0000-4000-8000-000000000003"} {
		s.now = s.now.Add(time.Minute)
		b := s.browser()
		explained := b.press(b.get(link), "Continue").is(200, "Allow the calendar connection of Booker").
			says("people of your Microsoft 365 can connect").says("not tied to Acme Oy")
		q := b.press(explained, "Continue to Microsoft").away("adminconsent")
		if c := s.entra.consents[len(s.entra.consents)-1]; c.Tenant != "organizations" || c.Application {
			t.Errorf("consent at %+v", c)
		}
		at := b.back(url.Values{"admin_consent": {"True"}, "tenant": {tenant}, "state": {q.Get("state")}})
		confirm := b.signs(at, adminOf(tenant)).is(200, confirmTitle).says("Nothing else is connected").saysNot("has to approve")
		end := b.press(confirm, "Yes, allow it for our people").is(200, "Done: people of your Microsoft 365 may connect their calendars").says(tenant)
		b.press(confirm, "Yes, allow it for our people").is(200, "Done: people of your Microsoft 365 may connect their calendars") // a double click
		b.get(end.path).is(200, "Done: people of your Microsoft 365 may connect their calendars")
	}
	st := s.org("acme").State
	if st.Tenant != contoso || st.Consent != organization.ConsentGranted || len(st.Allowed) != 2 || st.Attempt.ID != "" {
		t.Errorf("%+v", st)
	}
	s.browser().enter(s.link(state.OrgAdmin, nil)).says("Administrators allowed it for everybody of:").says("contoso.example, on 21 November 2026")
}

func TestSetUpOfAnOrganisationOfAnyTenantNeedsNobodysConsent(t *testing.T) {
	s := newSite(t)
	s.organize("acme", map[string]any{"profile": "planning", "module": true, "sync": false})
	b := s.browser()
	p := b.enter(s.link(state.OrgAdmin, nil)).says("Nobody has to allow it for all").saysNot("nothing is written before step 2").saysNot("need an administrator of your Microsoft 365 once")
	b.press(p, "Switch calendar sync on").says("Calendar sync is on.")
}

// What the tenant's other organisations need is asked for once more, at that tenant.
func TestWhatAnAllowanceMayHaveReplacedIsAskedForOnceMore(t *testing.T) {
	s := newSite(t)
	s.organize("acme", planners)
	s.connects("acme", "down") // so that it asks for Calendars.Read
	s.organize("sub", map[string]any{"displayName": "Traveller Ltd"})
	s.bound(t, "sub", fabrikam)
	b := s.browser()
	end := b.press(b.signs(b.consented(fabrikam), adminOf(fabrikam)).saysNot("Traveller"), "Yes, allow it for our people").
		is(200, "Allowed; one more step for what was allowed before").says("Calendars.ReadWrite")
	q := b.press(end, "Continue to Microsoft").away("adminconsent")
	if c := s.entra.consents[1]; c.Tenant != fabrikam || strings.Join(c.Scopes, " ") != "Calendars.Read Calendars.ReadWrite User.Read" {
		t.Errorf("%+v", c)
	}
	at := b.back(url.Values{"admin_consent": {"True"}, "tenant": {fabrikam}, "state": {q.Get("state")}})
	b.press(b.signs(at, adminOf(fabrikam)), "Yes, allow it for our people").is(200, "Done: people of your Microsoft 365 may connect their calendars")
}

// connects gives an organisation a connection of a direction.
func (s *site) connects(organization string, direction connection.Direction) {
	s.t.Helper()
	id, err := key.Parse(key.Random())
	if err != nil {
		s.t.Fatal(err)
	}
	c := connection.Connection{ID: id, Organization: organization, User: "u-1", Direction: direction}
	if _, err := state.NewConnections(s.store).Put(s.t.Context(), c, nil, ""); err != nil {
		s.t.Fatal(err)
	}
}

// attribute is one of the element with an id.
func (p shown) attribute(id, name string) string {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if has, _ := attr(n, "id"); has == id {
			value, _ := attr(n, name)
			return value
		}
	}
	p.t.Fatalf("no element %q on\n%s", id, p.Body)
	return ""
}

// The organisation admin is one of the people, and need not wait for any administrator.
func TestTheAdminOfAnOrganisationOfAnyTenantConnectsWithoutAnybodysConsent(t *testing.T) {
	s := newSite(t)
	s.organize("acme", planners)
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil)).says("like everybody else")
	q := b.press(b.get(setup.href("Connect Outlook calendar")), "Continue to Microsoft").away("authorize")
	if l := s.entra.leaves[0]; l.Tenant != "organizations" || len(l.Scopes) == 0 {
		t.Errorf("left with %+v", l)
	}
	b.press(b.returns(q, s.account(fabrikam, objectVera, "vera@acme.example", "Calendars.ReadBasic")), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	if got := s.connections("u-17"); len(got) != 1 || got[0].Account.Tenant != fabrikam {
		t.Errorf("%+v", got)
	}
}
