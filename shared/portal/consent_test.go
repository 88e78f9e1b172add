package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

const confirmTitle = "Is this the right Microsoft 365?"

func TestAnAdministratorConsentsConfirmsAndTheTenantIsBound(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	p := b.signs(b.consented(contoso), adminOf(contoso)).is(200, confirmTitle).says("Acme Oy").says(contoso).says("contoso.example").says("Eero Admin")
	if strings.ContainsAny(p.path, "?") {
		t.Errorf("the URL is not clean: %s", p.path)
	}
	if got := s.org("acme").State.Tenant; got != "" {
		t.Fatalf("bound to %s before the confirmation", got)
	}
	b.press(p, "Yes, connect it").is(200, "Done: the calendar connection is allowed")
	if got := s.org("acme").State; got.Tenant != contoso || got.Consent != organization.ConsentGranted || got.BoundBy != organization.BoundByConsent {
		t.Errorf("%+v", got)
	}
	leave, sign := s.entra.consents[0], s.entra.leaves[0]
	if leave.Tenant != "organizations" || leave.Application || strings.Join(leave.Scopes, " ") != "Calendars.ReadWrite User.Read" ||
		leave.RedirectURI != publicURL+"/api/consent/callback" {
		t.Errorf("consent at %+v", leave)
	}
	if sign.Tenant != contoso || len(sign.Scopes) != 0 || sign.Nonce == "" || sign.Verifier == "" || sign.State == leave.State {
		t.Errorf("sign-in at %+v", sign)
	}
	if r := s.entra.redeemed[0]; r.Verifier != sign.Verifier || r.Nonce != sign.Nonce || r.Tenant != contoso {
		t.Errorf("redeemed %+v", r)
	}
	// The page shows the outcome again; the link has done its work.
	b.press(p, "Yes, connect it").is(200, "Done: the calendar connection is allowed")
	b.get(p.path).is(200, "Done: the calendar connection is allowed")
}

func TestWithoutTheOrgAdminsSignInNothingIsBound(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.press(b.signs(b.consented(contoso), adminOf(contoso)), "Yes, connect it").is(200, "Thank you: one step is left, on the other side")
	if got := s.org("acme").State; got.Tenant != "" || got.Consent != organization.ConsentPending {
		t.Errorf("%+v", got)
	}
	s.prove(t)
	if got := s.org("acme").State; got.Tenant != contoso {
		t.Errorf("%+v", got)
	}
}

// identity.md section 2.5: an attacker forwards his own genuine link, and the victim's
// admin consents in good faith; an employee of a tenant that once consented forges the
// callback.
func TestAForwardedLinkAndAForgedCallbackEndPending(t *testing.T) {
	s := newSite(t) // acme is the attacker's
	victim := s.browser()
	victim.press(victim.signs(victim.consented(fabrikam), adminOf(fabrikam)), "Yes, connect it").
		is(200, "Thank you: one step is left, on the other side")
	if got := s.org("acme").State.Tenant; got != "" {
		t.Fatalf("bound to %s", got)
	}
	s = newSite(t)
	employee := s.browser()
	who := adminOf(contoso)
	who.Wids = nil
	employee.press(employee.signs(employee.consented(contoso), who).says("Microsoft did not say"), "Yes, connect it").
		is(200, "Thank you: it waits for approval")
	if got := s.org("acme").State.Tenant; got != "" {
		t.Fatalf("bound to %s", got)
	}
}

func TestAStateThatIsForgedOrOfAnotherBrowserIsRefused(t *testing.T) {
	s := newSite(t)
	admin, other := s.browser(), s.browser()
	q := admin.press(admin.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	genuine := q.Get("state")
	id, secret, _ := strings.Cut(genuine, ".")
	answer := func(state ...string) url.Values {
		return url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": state}
	}
	const refused = "This attempt does not belong to this browser"
	other.back(answer(genuine)).is(403, refused)
	for name, v := range map[string]url.Values{
		"none":        answer(),
		"empty":       answer(""),
		"two":         answer(genuine, genuine),
		"id only":     answer(id),
		"other id":    answer("aaaaaaaaaaaaaaaaaaaaaaaaaa." + secret),
		"other half":  answer(id + "." + newSecret() + "." + newSecret()),
		"shortened":   answer(genuine[:len(genuine)-1]),
		"of the list": answer("-x." + secret),
	} {
		if p := admin.back(v); p.Status != 403 || p.title() != refused {
			t.Errorf("%s: %d %s", name, p.Status, p.title())
		}
	}
	if len(s.entra.leaves) != 0 {
		t.Error("a sign-in was begun")
	}
	admin.back(answer(genuine)).away("authorize") // the genuine one is not used up
}

func TestAUsedStateShowsHowItStandsForTenMinutesAndOnlyToItsBrowser(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	first := b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent").Get("state")
	consent := url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {first}}
	at := b.back(consent)
	second := at.away("authorize").Get("state")
	b.back(consent).is(200, "One step is left: sign in once more")
	b.signs(at, adminOf(contoso)).is(200, confirmTitle)
	code := url.Values{"code": {"code-" + contoso}, "state": {second}}
	b.back(code).is(200, confirmTitle)
	b.back(consent).is(200, confirmTitle)
	if n := len(s.entra.redeemed); n != 1 {
		t.Errorf("the code was redeemed %d times", n)
	}
	s.browser().back(code).is(403, "This attempt does not belong to this browser")
	s.now = s.now.Add(outcomeLife)
	b.back(code).is(410, "This attempt is over")
	b.back(consent).is(410, "This attempt is over")
}

// The callback arrives twice at once, before the first was answered.
func TestACallbackThatComesTwiceAtOnceRedeemsItsCodeOnce(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	at := b.consented(contoso)
	code := url.Values{"code": {"code-" + contoso}, "state": {at.away("authorize").Get("state")}}
	s.entra.people["code-"+contoso] = adminOf(contoso)
	s.entra.during = func() {
		s.entra.during = nil
		b.back(code).is(200, "One step is left: sign in once more")
	}
	b.back(code).is(200, confirmTitle)
	if n := len(s.entra.redeemed); n != 1 {
		t.Errorf("redeemed %d times", n)
	}
}

func TestAStateOfMoreThanAnHourAgoRestartsOnlyTheSignIn(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	q := b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	s.now = s.now.Add(stateLife)
	p := b.back(url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {q.Get("state")}}).
		is(200, "One step is left: sign in once more").says("Microsoft has recorded your consent")
	if len(s.entra.leaves) != 0 {
		t.Fatal("left for the sign-in by itself")
	}
	at := b.press(p, "Continue with the sign-in")
	p = b.signs(at, adminOf(contoso)).is(200, confirmTitle)
	b.press(p, "Yes, connect it").is(200, "Done: the calendar connection is allowed")
	if n := len(s.entra.consents); n != 1 {
		t.Errorf("%d consent pages", n)
	}
}

func TestAConfirmationThatWaitedForMoreThanAnHourAsksForTheSignInAgain(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	p := b.signs(b.consented(contoso), adminOf(contoso))
	s.now = s.now.Add(stateLife)
	b.press(p, "Yes, connect it").is(200, "One step is left: sign in once more")
	if got := s.org("acme").State; got.Attempt.Pending() {
		t.Errorf("%+v", got)
	}
}

// graph/contract.md 13.3: admin_consent=True is there in errors too.
func TestARefusalAtMicrosoftIsARefusalWhateverElseTheCallbackSays(t *testing.T) {
	for name, v := range map[string]url.Values{
		"v1":         {"error": {"permission_denied"}, "error_description": {"The admin canceled the request"}},
		"v2":         {"admin_consent": {"True"}, "tenant": {contoso}, "error": {"consent_required"}, "error_description": {"AADSTS65004: <script>alert(1)</script>"}},
		"cancel":     {"error": {"access_denied"}, "error_subcode": {"cancel"}, "tenant": {contoso}},
		"need admin": {"error": {"access_denied"}, "error_description": {"AADSTS90094: admin consent required"}},
		"odd":        {"error": {"a\r\nSet-Cookie: x=y\r\n\r\n<b>"}, "tenant": {contoso}},
	} {
		s := newSite(t)
		b := s.browser()
		v.Set("state", b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent").Get("state"))
		p := b.back(v).is(200, "Microsoft did not record a consent").saysNot("<script>").saysNot("Set-Cookie").saysNot("<b>")
		if len(s.entra.leaves) != 0 || s.org("acme").State.Tenant != "" {
			t.Errorf("%s: went on", name)
		}
		if got := s.org("acme").State.Attempt.Failed; got != "refused" {
			t.Errorf("%s: the set-up page would show %q", name, got)
		}
		b.get(p.path).is(200, "Microsoft did not record a consent")
	}
}

func TestATenantThatIsNoGUIDOrPersonalEndsTheAttempt(t *testing.T) {
	for _, tenant := range [][]string{nil, {""}, {"common"}, {"contoso.example"}, {contoso + "/x"}, {contoso, fabrikam}, {contoso + "," + fabrikam},
		{organization.ConsumerTenant}, {strings.ToUpper(organization.ConsumerTenant)}, {"../../x"}} {
		s := newSite(t)
		b := s.browser()
		q := b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
		b.back(url.Values{"admin_consent": {"True"}, "tenant": tenant, "state": {q.Get("state")}}).is(200, "Microsoft's answer could not be understood")
		if len(s.entra.leaves) != 0 {
			t.Errorf("%q: a sign-in was begun at %s", tenant, s.entra.leaves[0].Tenant)
		}
	}
}

// The sign-in is at the tenant that the callback named, so that guests and partners
// can; whoever signs in to another one has proven nothing.
func TestASwappedTenantIsFoundByTheSignIn(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	at := b.consented(strings.ToUpper(fabrikam))
	if got := s.entra.leaves[0].Tenant; got != fabrikam {
		t.Fatalf("sign-in at %s", got)
	}
	b.signs(at, adminOf(contoso)).is(200, "One step is left: sign in once more")
	if got := s.org("acme").State; got.Tenant != "" || got.Attempt.Pending() {
		t.Errorf("%+v", got)
	}
}

func TestASignInThatFailsCanBeBegunAgain(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	at := b.consented(contoso)
	p := b.back(url.Values{"code": {"stolen"}, "state": {at.away("authorize").Get("state")}}).
		is(200, "One step is left: sign in once more").says("70008").says("c0ffee00-0000-0000-0000-000000000000")
	at = b.press(p, "Continue with the sign-in")
	p = b.back(url.Values{"error": {"access_denied"}, "error_description": {"AADSTS53003: blocked"}, "state": {at.away("authorize").Get("state")}}).
		is(200, "One step is left: sign in once more").says("Conditional Access")
	b.signs(b.press(p, "Continue with the sign-in"), adminOf(contoso)).is(200, confirmTitle)
	if len(s.entra.consents) != 1 {
		t.Error("was sent to consent again")
	}
}

func TestNoOnTheConfirmationPageConnectsNothing(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	p := b.signs(b.consented(contoso), adminOf(contoso))
	b.press(p, "No, this is not right").is(200, "Nothing was connected")
	b.press(p, "Yes, connect it").is(200, "Nothing was connected") // the other tab
	if got := s.org("acme").State; got.Tenant != "" || got.Attempt.Failed != "declined" {
		t.Errorf("%+v", got)
	}
}

func TestAnotherTenantThanExpectedOrBoundIsToldBeforeAnyConfirmation(t *testing.T) {
	s := newSite(t)
	s.organize("acme", map[string]any{"tenant": map[string]any{"expected": contoso}})
	b := s.browser()
	at := b.consented(fabrikam)
	if got := s.entra.consents[0].Tenant; got != contoso {
		t.Errorf("asked at %s", got)
	}
	b.signs(at, adminOf(fabrikam)).is(200, "This is another Microsoft 365 than expected").says(fabrikam).says(contoso)

	s = newSite(t)
	s.bound(t, "acme", contoso)
	b = s.browser()
	s.now = s.now.Add(time.Hour)
	b.signs(b.consented(fabrikam), adminOf(fabrikam)).is(200, "The organisation is connected with another Microsoft 365")
	if got := s.org("acme").State.Tenant; got != contoso {
		t.Errorf("bound to %s", got)
	}
}

// bound binds an organisation as the operator does.
func (s *site) bound(t testing.TB, id, tenant string) {
	t.Helper()
	_, err := s.orgs.Change(context.Background(), id, func(o *organization.Organization, _ string) (organization.Organization, error) {
		return o.Bind(tenant, s.now)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheSecondOrganisationOfATenantIsConfirmedByItsAdministratorWhoSeesTheFirst(t *testing.T) {
	s := newSite(t)
	s.organize("sub", map[string]any{"displayName": "Acme Subsidiary"})
	s.bound(t, "sub", contoso)
	s.prove(t)
	b := s.browser()
	p := b.signs(b.consented(contoso), adminOf(contoso)).says("Acme Subsidiary")
	b.press(p, "Yes, connect it").is(200, "Done: the calendar connection is allowed")
	// Whoever is no administrator learns only that there is one.
	s = newSite(t)
	s.organize("sub", map[string]any{"displayName": "Acme Subsidiary"})
	s.bound(t, "sub", contoso)
	b = s.browser()
	who := adminOf(contoso)
	who.Wids = nil
	b.signs(b.consented(contoso), who).saysNot("Subsidiary").says("Another organisation is connected")
}

func TestAnApplicationConsentAsksForTheDefaultAndAScopedOneOnlyForASignIn(t *testing.T) {
	s := newSite(t)
	s.organize("acme", map[string]any{"profile": "training"})
	b := s.browser()
	p := b.enter(s.link(state.EntraAdmin, nil)).says("Global Administrator or Privileged Role Administrator").saysNot("Cloud Application")
	b.press(p, "Continue to Microsoft").away("adminconsent")
	if c := s.entra.consents[0]; !c.Application || len(c.Scopes) != 0 {
		t.Errorf("%+v", c)
	}

	s = newSite(t)
	s.organize("acme", map[string]any{"profile": "training", "consent": "scoped"})
	s.prove(t)
	b = s.browser()
	p = b.enter(s.link(state.EntraAdmin, nil)).says("without giving it any permission").saysNot("offline_access")
	at := b.press(p, "Continue to Microsoft")
	if at.away("authorize"); len(s.entra.consents) != 0 || s.entra.leaves[0].Tenant != identity.Organizations || len(s.entra.leaves[0].Scopes) != 0 {
		t.Errorf("%+v %+v", s.entra.consents, s.entra.leaves)
	}
	b.press(b.signs(at, adminOf(contoso)), "Yes, connect it").is(200, "You are signed in; now limit it in Exchange Online")
}

// The union of what the tenant's organisations need: an application consent may replace
// a delegated one.
func TestAConsentThatMayHaveReplacedAnotherAsksOnceMoreForAll(t *testing.T) {
	s := newSite(t)
	s.organize("sub", map[string]any{"displayName": "Traveller Ltd"}) // delegated
	s.bound(t, "sub", contoso)
	s.organize("acme", map[string]any{"profile": "training"})
	s.prove(t)
	b := s.browser()
	p := b.press(b.signs(b.consented(contoso), adminOf(contoso)), "Yes, connect it").is(200, "Allowed; one more step for the other organisations")
	q := b.press(p, "Continue to Microsoft").away("adminconsent")
	if c := s.entra.consents[1]; c.Application || c.Tenant != contoso || strings.Join(c.Scopes, " ") != "Calendars.ReadWrite User.Read" {
		t.Errorf("%+v", c)
	}
	at := b.back(url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {q.Get("state")}})
	b.press(b.signs(at, adminOf(contoso)), "Yes, connect it").is(200, "Done: the calendar connection is allowed")
}

func TestTwoTabsOfOneAdministratorAreTwoAttempts(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	page := b.enter(s.link(state.EntraAdmin, nil))
	one := b.press(page, "Continue to Microsoft").away("adminconsent").Get("state")
	two := b.press(page, "Continue to Microsoft").away("adminconsent").Get("state")
	answer := func(state string) shown {
		return b.back(url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {state}})
	}
	first := b.signs(answer(one), adminOf(contoso))
	second := b.signs(answer(two), adminOf(contoso))
	b.press(first, "Yes, connect it").is(200, "Done: the calendar connection is allowed")
	b.press(second, "Yes, connect it").is(410, "This link is not used any more")
}

// The back button brings a form of a page that was left.
func TestGoingBackToTheExplanationStartsAnotherAttempt(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.enter(s.link(state.EntraAdmin, nil))
	b.press(page, "Continue to Microsoft").away("adminconsent")
	b.get(page.path).is(200, "Allow the calendar connection of Booker")
	b.press(page, "Continue to Microsoft").away("adminconsent")
	if len(s.entra.consents) != 2 || s.entra.consents[0].State == s.entra.consents[1].State {
		t.Error("the second attempt is not its own")
	}
}

func TestAnOutdatedConsentListsOnlyWhatIsNew(t *testing.T) {
	s := newSite(t)
	s.bound(t, "acme", contoso)
	_, err := s.orgs.Change(context.Background(), "acme", func(o *organization.Organization, _ string) (organization.Organization, error) {
		o.State.Consent, o.State.PermissionSet = organization.ConsentOutdated, 0
		return *o, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Hour)
	b := s.browser()
	b.enter(s.link(state.EntraAdmin, nil)).says("What is new, and why").says("Calendars.ReadWrite").saysNot("User.Read<")
	setup := b.enter(s.link(state.OrgAdmin, nil)).says("needs more permissions")
	if setup.Status != http.StatusOK {
		t.Error(setup.Status)
	}
}

// Where another permission was chosen nothing may be new by its name: then all is listed.
func TestAnOutdatedConsentWithoutANewNameListsEverything(t *testing.T) {
	s := newSite(t)
	s.organize("acme", map[string]any{"profile": "planning", "accounts": "tenant", "module": true})
	s.connects("acme", "down") // so that Calendars.Read is enough
	s.bound(t, "acme", contoso)
	_, err := s.orgs.Change(context.Background(), "acme", func(o *organization.Organization, _ string) (organization.Organization, error) {
		o.State.Consent, o.State.PermissionSet = organization.ConsentOutdated, 0
		return *o, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Hour)
	s.browser().enter(s.link(state.EntraAdmin, nil)).says("What is asked for, and why").says("Calendars.Read")
}
