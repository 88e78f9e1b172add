package portal

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// One sentence, one owner, one next step (identity.md section 5): the step is not for
// somebody else than the page says.
func TestTheNextStepIsForTheOwnerThatThePageNames(t *testing.T) {
	s := newSite(t)
	v := s.portal.visit(mustRequest(t, "/api/portal"))
	names := map[reason.Owner]*regexp.Regexp{reason.BookingApp: regexp.MustCompile(`support of`), reason.Operator: regexp.MustCompile(`support of`),
		reason.EntraAdmin: regexp.MustCompile(`^(If .*, |)[Yy]our administrator`), reason.User: regexp.MustCompile(`^Connect`)}
	check := func(name string, e explanation) {
		if who, ok := names[e.Owner]; !ok || e.What == "" || !who.MatchString(e.Next) {
			t.Errorf("%s: the owner is %q, the step: %s", name, e.Owner, e.Next)
		}
	}
	for _, key := range v.lang.keys() {
		name, ok := strings.CutPrefix(strings.TrimSuffix(key, ".what"), "why.")
		if !ok || !strings.HasSuffix(key, ".what") || name == "unknown" {
			continue
		}
		if _, known := reason.Find(name); known {
			check(name, v.because(name))
		}
	}
	for number, word := range map[string]string{"700082": "unused", "50173": "revoked", "70043": "frequency", "50057": "disabled", "50076": "stronger", "53000": "device", "53003": "policy", "65001": "consent", "700016": "gone"} {
		check(word, v.explain(connection.Connection{State: connection.NeedsReauth, Cause: number}))
	}
	check("unreachable", v.explain(connection.Connection{State: connection.Unreachable}))
}

// A page that is about no organisation has a word for it, not a hole.
func TestAPageAboutNoOrganisationHasNoHoleInItsSentences(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{"/api/portal/attempt/approval", "/api/portal/attempt/denied", "/api/portal/attempt/fault", "/api/portal/attempt/unknown", "/api/portal/nowhere"} {
		p := s.browser().get(target)
		if text := textOf(p.doc); regexp.MustCompile(`[a-z]  ?[a-z]*  |\bat  ?for\b|“”`).MatchString(text) || strings.Contains(text, "at  for") {
			t.Errorf("%s:\n%s", target, text)
		}
	}
}

// Names come from the booking app and from Microsoft: one that turns the direction of the
// text that follows it would show another address than the one that signed in.
func TestANameTurnsNoTextAroundIt(t *testing.T) {
	s := connectable(t, map[string]any{"displayName": "עמותת \u202eA<b>'&", "addressMatch": "warn"})
	b, apps := s.veras()
	if !strings.Contains(string(apps.Body), "\u2068עמותת A&lt;b&gt;&#39;&amp;\u2069") {
		t.Errorf("the organisation's name does not stand for itself:\n%s", apps.Body)
	}
	who := s.account(contoso, objectMallory, "mallory@acme.example")
	who.Name = "Vera\u202e\u2067 Virtanen"
	p := b.returns(b.leave(apps, "Connect Outlook calendar"), who).says("Vera Virtanen")
	s.now = s.now.Add(time.Second)
	admin := s.browser()
	s.organize("other", map[string]any{"displayName": "Other"})
	at := admin.press(admin.enter(s.link(state.EntraAdmin, func(r *link.Request) { r.Organization = "other" })), "Continue to Microsoft").away("adminconsent")
	eero := adminOf(contoso)
	eero.Name = "\u202eEero\u2069 Admin"
	admin.signs(admin.back(url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {at.Get("state")}}), eero).says("Eero Admin")
	for _, page := range []shown{apps, p} {
		if strings.ContainsAny(string(page.Body), "\u202a\u202b\u202c\u202d\u202e\u2066\u2067") {
			t.Errorf("%s holds a character that turns text", page.path)
		}
	}
}

// Where the administrator has allowed everybody, a person who disconnected would get their
// bookings all the same: what they have is the switch of L3.
func TestNobodyIsOfferedToDisconnectWhatNoSignInConnected(t *testing.T) {
	s := connectable(t, map[string]any{"profile": "training", "sync": true, "optOut": true})
	id, err := key.Parse(key.Random())
	if err != nil {
		t.Fatal(err)
	}
	c := connection.Connection{ID: id, Organization: "acme", User: "u-17", Email: "vera@acme.example", Mailbox: "vera@acme.example",
		Account: connection.Account{Tenant: contoso}, Direction: connection.Up, Scope: connection.ReadWrite, Primary: true, State: connection.Connected, Since: s.now}
	if _, err := state.NewConnections(s.store).Put(t.Context(), c, []byte{}, ""); err != nil {
		t.Fatal(err)
	}
	b, apps := s.veras()
	apps.says("Your bookings come into your Outlook calendar without a sign-in").saysNot("disconnect=").says("Switch off for me")
	b.get(apps.path+"?disconnect="+c.ID.String()).is(403, "This cannot be chosen")
	_, form := apps.form("Switch off for me")
	form.Set("connection", c.ID.String())
	b.post(apps.path+"/disconnect", form).is(403, "This cannot be chosen")
	if all := s.connections("u-17"); len(all) != 1 || all[0].State != connection.Connected {
		t.Errorf("%+v", all)
	}
}

// A time of day alone would be one of today.
func TestAnAttemptOfYesterdayIsNotShownAsOneOfToday(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	s.now = s.now.Add(6 * time.Hour)
	b.get("/api/portal/attempt/" + q.Get("state")[:26]).says("It was started at 14:05 and")
	s.now = s.now.Add(6 * time.Hour)
	b.get("/api/portal/attempt/" + q.Get("state")[:26]).says("It was started on 21 November 2026, 14:05 (Europe/Helsinki) and")
}
