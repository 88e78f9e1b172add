package entra_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
)

const consentRedirect = "https://calbridge.example/api/consent/callback"

const travel = "openid profile offline_access " + graph + "User.Read " + graph + "Calendars.ReadWrite"

func adminRequest(pairs ...string) url.Values {
	v := url.Values{"client_id": {app}, "redirect_uri": {consentRedirect}, "state": {"s 1"}, "scope": {travel}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

func admin2(tenant string) string { return "/" + tenant + "/v2.0/adminconsent" }

// Contract 13.3, identity.md 2: a travel consent leaves no app role grant.
func TestAnAdminConsentToNamedScopesGrantsThemForAllAndNoRole(t *testing.T) {
	w := people(t)
	b := w.browser(t).open(admin2("organizations"), adminRequest()).pick(clive)
	b.shows("Permissions requested", "Review for your organization", "acme.example", "Calendars.ReadWrite", "User.Read")
	if strings.Contains(b.page, "data-application") {
		t.Error("an application permission is listed")
	}
	got := b.decide("accept").returned(consentRedirect)
	want := url.Values{"admin_consent": {"True"}, "tenant": {acme}, "state": {"s 1"}, "scope": {travel}}
	if got.Encode() != want.Encode() {
		t.Errorf("back with %v, want %v", got, want)
	}
	g := w.Grants(acme)
	if len(g.Roles) != 0 || len(g.Delegated) != 1 || g.Delegated[0].User != "" ||
		!slices.Equal(g.Delegated[0].Scopes, []string{"Calendars.ReadWrite", "User.Read", "offline_access", "openid", "profile"}) {
		t.Errorf("grants %+v", g)
	}
	if _, _, body := w.ask(t, acme, good()); body["access_token"] == nil {
		t.Errorf("app token %v", body)
	} else if caller, err := w.Check("Bearer "+body["access_token"].(string), ""); err != nil || len(caller.Roles) != 0 {
		t.Errorf("app token may %v, %v", caller.Roles, err)
	}
	w.browser(t).open(authorizePath(acme), request()).pick(erin).returned(redirect)
}

// Contract 13.3: .default and version 1 grant what the registration declares.
func TestTheDeclaredPermissionsAreGrantedWhereTheyAreAskedFor(t *testing.T) {
	for name, open := range map[string]func(*browser) *browser{
		"v2": func(b *browser) *browser {
			return b.open(admin2(acme), adminRequest("scope", "openid profile "+graph+".default"))
		},
		"v1": func(b *browser) *browser { return b.open("/"+acme+"/adminconsent", adminRequest("scope", "")) },
		"v1 at common, longer path": func(b *browser) *browser {
			return b.open("/common/adminconsent", adminRequest("scope", "", "redirect_uri", consentRedirect+"/more/x"))
		},
	} {
		w := people(t)
		b := open(w.browser(t)).pick(ada).shows("without a signed-in user", "data-application").decide("accept")
		if b.back == nil {
			t.Fatalf("%s: %q\n%s", name, b.title, b.page)
		}
		q := b.back.Query()
		if q.Get("admin_consent") != "True" || q.Get("tenant") != acme || q.Get("state") != "s 1" || q.Has("scope") != (name == "v2") || q.Has("code") {
			t.Errorf("%s: %v", name, q)
		}
		g := w.Grants(acme)
		if len(g.Roles) != 1 || !slices.Equal(g.Roles[0].Roles, []string{"Calendars.ReadWrite"}) || len(g.Delegated) != 1 || !slices.Contains(g.Delegated[0].Scopes, "User.Read") {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// Contract 13.3: the error redirects. admin_consent=True is in version 2's too.
func TestACancelledAdminConsentSaysSo(t *testing.T) {
	w := people(t)
	got := w.browser(t).open(admin2(acme), adminRequest()).pick(ada).decide("cancel").returned(consentRedirect)
	text := got.Get("error_description")
	got.Del("error_description")
	if want := (url.Values{"admin_consent": {"True"}, "error": {"consent_required"}, "state": {"s 1"}}); got.Encode() != want.Encode() || !strings.HasPrefix(text, "AADSTS65004:") {
		t.Errorf("v2: %v %q", got, text)
	}
	for _, code := range []string{"permission_denied", "access_denied"} {
		got = w.browser(t).open("/"+acme+"/adminconsent", adminRequest("scope", "")).pick(ada).decide("cancel").returned(consentRedirect)
		if want := (url.Values{"error": {code}, "error_description": {"The admin canceled the request"}, "state": {"s 1"}}); got.Encode() != want.Encode() {
			t.Errorf("v1: %v", got)
		}
		w.SetSwitches(entra.Switches{AdminCancelError: "access_denied"})
	}
	if g := w.Grants(acme); len(g.Delegated)+len(g.Roles) != 0 {
		t.Errorf("granted: %+v", g)
	}
}

// Contract 13.3, identity.md 2.1: who may consent to what; others stay on the page.
func TestOnlyTheRightAdministratorGetsToConsent(t *testing.T) {
	w := people(t)
	roles := map[string]string{"priv@acme.example": entra.PrivilegedRoleAdministrator, "apps@acme.example": entra.ApplicationAdministrator}
	for name, role := range roles {
		w.AddUser(acme, entra.User{Principal: name, Roles: []string{role}})
	}
	w.AddUser(globex, entra.User{Principal: "gail@globex.example", Roles: []string{entra.GlobalAdministrator}})
	w.AddGuest(acme, globex, "gail@globex.example", entra.GlobalAdministrator)
	w.AddGuest(acme, globex, gus)
	application := "openid profile " + graph + ".default"
	for _, tt := range []struct {
		user, scope string
		may         bool
	}{
		{ada, travel, true}, {"priv@acme.example", travel, true}, {"apps@acme.example", travel, true}, {clive, travel, true}, {erin, travel, false},
		{ada, application, true}, {"priv@acme.example", application, true}, {"apps@acme.example", application, false}, {clive, application, false}, {erin, application, false},
		{"gail@globex.example", application, true}, {gus, travel, false},
	} {
		b := w.browser(t).open(admin2(acme), adminRequest("scope", tt.scope)).pick(tt.user)
		if may := b.title == "Permissions requested"; may != tt.may {
			t.Errorf("%s, %s: %q", tt.user, tt.scope, b.title)
		}
		if !tt.may {
			b.shows("AADSTS90094").submit(`id="other-account"`).pick(ada).shows("Permissions requested")
		}
	}
	w.browser(t).open(admin2(globex), adminRequest()).pick(ada).shows("AADSTS50020")
}

// Contract 13.3: an admin consent request that cannot be carried out stays on the page.
func TestAMalformedAdminConsentStaysOnThePage(t *testing.T) {
	w := people(t)
	for name, tt := range map[string]struct {
		path  string
		pairs []string
		text  string
	}{
		"common":         {admin2("common"), nil, "AADSTS90019"},
		"consumers":      {admin2("consumers"), nil, "AADSTS90019"},
		"no scope":       {admin2(acme), []string{"scope", ""}, "AADSTS900144"},
		"unknown scope":  {admin2(acme), []string{"scope", "Calendars.Burn"}, "AADSTS70011"},
		"other redirect": {admin2(acme), []string{"redirect_uri", consentRedirect + "/x"}, "AADSTS50011"},
		"v1 redirect":    {"/" + acme + "/adminconsent", []string{"redirect_uri", consentRedirect + "x"}, "AADSTS50011"},
		"no redirect":    {admin2(acme), []string{"redirect_uri", ""}, "AADSTS900971"},
		"unknown client": {admin2(acme), []string{"client_id", globex}, "AADSTS700016"},
		"unknown tenant": {admin2(app), nil, "AADSTS90002"},
	} {
		t.Run(name, func(t *testing.T) { w.browser(t).open(tt.path, adminRequest(tt.pairs...)).shows(tt.text) })
	}
}

// identity.md 2.6: a new consent may replace what was granted for all; users' own
// consents and roles stay.
func TestANewAdminConsentReplacesWhatWasGrantedForAll(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, erin, "MailboxSettings.Read")
	consent := func(scope string) []string {
		w.browser(t).open(admin2(acme), adminRequest("scope", scope)).pick(ada).decide("accept").returned(consentRedirect)
		return w.Grants(acme).Delegated[0].Scopes
	}
	consent(graph + ".default")
	if got := consent(graph + "Calendars.Read"); !slices.Equal(got, []string{"Calendars.Read"}) {
		t.Errorf("replaced by %v", got)
	}
	w.SetSwitches(entra.Switches{MergeConsents: true})
	if got := consent(graph + "User.Read"); !slices.Equal(got, []string{"Calendars.Read", "User.Read"}) {
		t.Errorf("merged to %v", got)
	}
	if g := w.Grants(acme); len(g.Roles) != 1 || len(g.Delegated) != 2 || !slices.Equal(g.Delegated[1].Scopes, []string{"MailboxSettings.Read"}) {
		t.Errorf("grants %+v", g)
	}
}

// Contract 13.2: the user declines.
func TestAUserWhoDeclinesGoesBackWithCancel(t *testing.T) {
	w := people(t)
	got := w.browser(t).open(authorizePath(acme), request()).pick(erin).decide("cancel").returned(redirect)
	if got.Get("error") != "access_denied" || got.Get("error_subcode") != "cancel" || !strings.HasPrefix(got.Get("error_description"), "AADSTS65004:") || got.Get("state") != "st/1 &" {
		t.Errorf("%v", got)
	}
	if g := w.Grants(acme); len(g.Delegated) != 0 {
		t.Errorf("granted %+v", g)
	}
}

// Contract 13.5: 90094 has a way back, 90095 has none.
func TestAUserWhoMayNotConsentIsTold(t *testing.T) {
	w := people(t)
	if err := w.SetPolicy(acme, entra.Policy{NoUserConsent: true}); err != nil {
		t.Fatal(err)
	}
	b := w.browser(t).open(authorizePath(acme), request()).pick(erin).shows("Need admin approval", "AADSTS90094", "Return to the application without granting consent")
	got := b.decide("return").returned(redirect)
	if got.Get("error") != "access_denied" || got.Get("error_subcode") != "cancel" || !strings.HasPrefix(got.Get("error_description"), "AADSTS90094:") {
		t.Errorf("%v", got)
	}
	if got := b.open(authorizePath(acme), request("prompt", "none")).returned(redirect); got.Get("error") != "consent_required" {
		t.Errorf("silent: %v", got)
	}
	if err := w.SetPolicy(acme, entra.Policy{NoUserConsent: true, Workflow: true}); err != nil {
		t.Fatal(err)
	}
	b.open(authorizePath(acme), request()).shows("Approval required", "AADSTS90095")
	if strings.Contains(b.page, "Return to the application") || strings.Contains(b.page, `value="cancel"`) {
		t.Errorf("a way back:\n%s", b.page)
	}
	b.submit(`id="reason"`, "decision", "accept").shows("Approval required") // forged: the page has no such button
	b.decide("request", "reason", "To travel").shows("Request sent")
	if asked := w.Approvals(acme); len(asked) != 1 || asked[0].User != erin || asked[0].Reason != "To travel" || !slices.Contains(asked[0].Scopes, "Calendars.ReadWrite") {
		t.Errorf("requests %+v", asked)
	}
	if g := w.Grants(acme); len(g.Delegated) != 0 {
		t.Errorf("granted %+v", g)
	}
	// An administrator consents for all on the user's page.
	w.browser(t).open(authorizePath(acme), request()).pick(ada).submit(`id="accept"`, "decision", "accept", "on_behalf", "on").returned(redirect)
	b.open(authorizePath(acme), request()).returned(redirect)
	// A permission that takes an administrator, where users may consent to others.
	if err := w.SetPolicy(acme, entra.Policy{}); err != nil {
		t.Fatal(err)
	}
	b.open(authorizePath(acme), request("scope", "Place.Read.All")).shows("AADSTS90094")
}

// A consent to one permission is none to another, and an employee cannot grant for all.
func TestEachPermissionTakesItsOwnConsent(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, erin, "Calendars.ReadWrite")
	b := w.browser(t).open(authorizePath(acme), request("scope", "openid "+graph+"Calendars.ReadBasic")).pick(erin).shows("Calendars.ReadBasic")
	b.submit(`id="accept"`, "decision", "accept", "on_behalf", "on").returned(redirect)
	if g := w.Grants(acme); len(g.Delegated) != 1 || !slices.Equal(g.Delegated[0].Scopes, []string{"Calendars.ReadBasic", "Calendars.ReadWrite", "openid"}) || g.Delegated[0].User == "" {
		t.Errorf("grants %+v", g)
	}
	if b.open(authorizePath(acme), request("prompt", "consent")); b.title != "Permissions requested" {
		t.Errorf("prompt=consent: %q", b.title)
	}
	w.browser(t).open(authorizePath(acme), request("scope", "openid")).pick(ada).shows("Permissions requested")
}

// Entra's 50089: a page that lay open too long; one that was answered already.
func TestAPageIsAnsweredOnceAndInTime(t *testing.T) {
	w := people(t)
	b := w.browser(t).open(authorizePath(acme), request()).pick(erin)
	page := b.page
	b.decide("cancel").returned(redirect)
	b.page = page
	b.decide("accept").shows("AADSTS50089")
	b.open(authorizePath(acme), request())
	w.advance(61 * 60e9)
	b.decide("accept").shows("AADSTS50089")
}
