package portal

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

// anew deletes acme and makes it again at the same instant.
func (s *site) anew() {
	s.t.Helper()
	if err := s.orgs.Delete(context.Background(), "acme", func(string) error { return nil }); err != nil {
		s.t.Fatal(err)
	}
	s.organize("acme", map[string]any{"module": true, "sync": true})
}

// An organisation that was made anew under the id of a deleted one is another customer's,
// perhaps: what people hold of the old one opens nothing.
func TestLinksSessionsAndAttemptsOfADeletedOrganisationOpenNothingOfTheNewOne(t *testing.T) {
	const gone = "The organisation is not known here any more"
	s := connectable(t, nil)
	links := map[string]link.Issued{}
	for _, role := range link.Roles() {
		links[role] = s.link(role, nil)
	}
	traveller, apps := s.veras()
	question := traveller.returns(traveller.leave(apps, "Connect Outlook calendar"), s.vera()).is(200, "Is this right?")
	away := traveller.leave(apps, "Connect Outlook calendar")
	admin := s.browser()
	setup := admin.enter(links[state.OrgAdmin])
	s.now = s.now.Add(time.Second)
	s.anew()
	for role, l := range links {
		if p := s.browser().get(l.URL); p.Status != 404 || p.title() != gone {
			t.Errorf("the link of role %s: %d %s", role, p.Status, p.title())
		}
	}
	admin.get(setup.path).is(404, gone)
	traveller.get(apps.path).is(404, gone)
	traveller.press(question, "Yes, connect it", "answer", "yes").is(404, gone)
	traveller.returns(away, s.vera()).is(404, gone)
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}

	// What the new one makes works, in the same second too, and shows nothing of before.
	s.now = s.now.Add(time.Millisecond)
	_, apps = s.veras()
	apps.is(200, "Connected apps").saysNot("An attempt was not finished")
	s.browser().enter(s.link(state.OrgAdmin, nil)).is(200, "Set up the calendar connection").says("There is no consent link at the moment")
}

func TestAConsentThatWasBegunForADeletedOrganisationBindsNothing(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	confirm := b.signs(b.consented(contoso), adminOf(contoso))
	other := s.browser()
	q := other.press(other.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	s.now = s.now.Add(time.Second)
	s.anew()
	b.press(confirm, "Yes, connect it").is(404, "The organisation is not known here any more")
	other.back(url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {q.Get("state")}}).is(404, "The organisation is not known here any more")
	if st := s.org("acme").State; st.Tenant != "" || st.AdminTenant != "" || st.Attempt.ID != "" {
		t.Errorf("the new organisation has %+v", st)
	}
}
