package portal

import (
	"context"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

var scoped = map[string]any{"profile": "training", "consent": "scoped"}

// limited is a site whose app an administrator signed in for, to limit it in Exchange;
// b is at the page of that attempt.
func limited(t *testing.T) (s *site, b *browser, end shown) {
	t.Helper()
	s = newSite(t)
	s.organize("acme", scoped)
	s.prove(t)
	b = s.browser()
	end = b.press(b.signs(b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft"), adminOf(contoso)), "Yes, connect it").
		is(200, "You are signed in; now limit it in Exchange Online")
	return s, b, end
}

// fakeCalendars answers for mailboxes by their addresses; what it was not told of, nobody knows.
type fakeCalendars struct {
	graph.Calendar
	says  map[string]error
	asked []graph.Access
}

func (f *fakeCalendars) Mailbox(_ context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	f.asked = append(f.asked, as)
	err, known := f.says[address]
	if !known {
		err = unknownBox
	}
	return graph.Mailbox{Address: address}, err
}

// exchangeSays is what each mailbox answers to the app's own token.
func (s *site) exchangeSays(answers map[string]error) {
	s.calendars.says = answers
}

var (
	refusedBox = graph.Classify(403, "ErrorAccessDenied", nil)
	unknownBox = graph.Classify(404, "ErrorInvalidUser", nil)
)

// identity.md section 2: granted after one probe inside the scope succeeds and one outside
// is refused; both succeed: the page says that a tenant-wide grant overrides the scope, and
// how to remove it. By the Entra admin, at the page at which they ended.
func TestTheEntraAdminTestsTheLimitsWhereTheyEnded(t *testing.T) {
	s, b, end := limited(t)
	if st := s.org("acme").State; st.Tenant != contoso || st.Consented() {
		t.Fatalf("%+v", st)
	}
	for _, c := range []struct {
		answers map[string]error
		says    string
	}{
		{map[string]error{"in@acme.example": refusedBox, "out@acme.example": refusedBox}, "The mailbox that may be reached was refused"},
		{map[string]error{"in@acme.example": nil, "out@acme.example": nil}, "a permission for the whole Microsoft 365 overrides the limits. Remove it in the Microsoft Entra admin center"},
		{map[string]error{"in@acme.example": nil, "out@acme.example": unknownBox}, "The test says nothing"},
	} {
		s.exchangeSays(c.answers)
		end = b.press(end, "Test now", "inside", "in@acme.example", "outside", "out@acme.example").is(200, "You are signed in; now limit it in Exchange Online").says(c.says)
		if st := s.org("acme").State; st.Consented() {
			t.Errorf("granted by %v", c.answers)
		}
	}
	s.now = s.now.Add(2 * time.Hour) // until Exchange knows of the limits
	s.exchangeSays(map[string]error{"in@acme.example": nil, "out@acme.example": refusedBox})
	b.press(b.get(end.path), "Test now", "inside", " in@acme.example", "outside", "out@acme.example").says("Proven: the first mailbox was read and the second was refused.")
	if st := s.org("acme").State; st.Consent != organization.ConsentGranted || st.Evidence != organization.EvidenceProbe {
		t.Errorf("%+v", st)
	}
	for _, a := range s.calendars.asked {
		if a != graph.AppAccess(contoso) {
			t.Errorf("asked as %+v", a)
		}
	}
}

func TestTheOrgAdminTestsTheLimitsOnTheSetUpPage(t *testing.T) {
	s, _, _ := limited(t)
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil)).says("The limits in Exchange Online are not proven yet")
	for _, two := range [][2]string{{"", "out@acme.example"}, {"in@acme.example", ""}, {"in@acme.example", "IN@acme.example"}, {"in", "out"}, {"in@acme.example", "o ut@acme.example"}} {
		b.press(setup, "Test now", "inside", two[0], "outside", two[1]).says("Nothing was tested")
	}
	if len(s.calendars.asked) != 0 {
		t.Errorf("asked %v", s.calendars.asked)
	}
	s.exchangeSays(map[string]error{"in@acme.example": nil, "out@acme.example": refusedBox})
	b.press(setup, "Test now", "inside", "in@acme.example", "outside", "out@acme.example").says("Proven: the first mailbox was read").says("Allowed since")
	if st := s.org("acme").State; st.Consent != organization.ConsentGranted {
		t.Errorf("%+v", st)
	}
	b.get(setup.path).saysNot("Test the limits") // nothing is left to test
}

// Application permissions are only proven by probes.
func TestTheOrgAdminTestsATenantWidePermissionWithAMailbox(t *testing.T) {
	s := newSite(t)
	s.organize("acme", map[string]any{"profile": "training"})
	s.prove(t)
	entra := s.browser()
	entra.press(entra.signs(entra.consented(contoso), adminOf(contoso)), "Yes, connect it").saysNot("Test now")
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil)).saysNot("may not be reached")
	s.exchangeSays(map[string]error{"in@acme.example": refusedBox})
	b.press(setup, "Test now", "inside", "in@acme.example").says("Microsoft refused the mailbox")
	if st := s.org("acme").State; st.Evidence != organization.EvidenceCallback {
		t.Errorf("%+v", st)
	}
	s.exchangeSays(map[string]error{"in@acme.example": nil})
	b.press(setup, "Test now", "inside", "in@acme.example").says("Proven: the mailbox was read.")
	if st := s.org("acme").State; st.Evidence != organization.EvidenceProbe {
		t.Errorf("%+v", st)
	}
}

// Who has no business with it gets no answer about any mailbox.
func TestNobodyElseTestsAnything(t *testing.T) {
	s, b, end := limited(t)
	action, form := end.form("Test now")
	form.Set("inside", "in@acme.example")
	form.Set("outside", "out@acme.example")
	s.browser().post(action, form).is(403, "This attempt does not belong to this browser")
	// The attempt that another one has replaced since.
	_, err := s.orgs.Change(context.Background(), "acme", func(o *organization.Organization, _ string) (organization.Organization, error) {
		o.State.BoundAttempt = "bbbbbbbbbbbbbbbbbbbbbbbbbb"
		return *o, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.post(action, form).is(200, "You are signed in; now limit it in Exchange Online")
	// People who sign in themselves: there is nothing that the app could read.
	s.organize("acme", map[string]any{"profile": "travel"})
	admin := s.browser()
	setup := admin.enter(s.link(state.OrgAdmin, nil)).saysNot("Test now")
	link, with := setup.form("Make a consent link")
	with.Set("inside", "in@acme.example")
	admin.post(link[:len(link)-len("link")]+"probe", with).is(200, "Set up the calendar connection").saysNot("Proven")
	if len(s.calendars.asked) != 0 {
		t.Errorf("asked %v", s.calendars.asked)
	}
}

// The tenant may be expected by a domain, which is no place to sign in at.
func TestAScopedConsentOfAnExpectedDomainSignsInAnywhere(t *testing.T) {
	s := newSite(t)
	s.organize("acme", map[string]any{"profile": "training", "consent": "scoped", "tenant": map[string]any{"expected": "contoso.example"}})
	b := s.browser()
	b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("authorize")
	if got := s.entra.leaves[0].Tenant; got != "organizations" {
		t.Errorf("sign-in at %s", got)
	}
}
