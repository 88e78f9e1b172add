package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
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
	q := admin.signs(admin.back(url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {at.Get("state")}}), eero).says("Eero Admin")
	for _, page := range []shown{apps, p, q} {
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

// Names of Microsoft's own buttons and pages come from the glossary (identity.md section
// 5): a text that had them in it would keep an old name, and a translator would invent one.
func TestNoTextHasAWordOfMicrosoftsThatTheGlossaryHas(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	en := texts.languages[english]
	for _, key := range en.keys() {
		if strings.HasPrefix(key, "microsoft.") {
			continue
		}
		for name, word := range glossary {
			if said := en.text(word.key, nil); said != "Accept" && said != "Cancel" && strings.Contains(en.texts[key], said) {
				t.Errorf("%s says %q instead of {%s}", key, said, name)
			}
		}
	}
}

// Whoever reads why Microsoft refused also reads who mends it.
func TestARefusalOfMicrosoftsNamesWhoMendsIt(t *testing.T) {
	s := newSite(t)
	v := s.portal.visit(mustRequest(t, "/api/portal"))
	causes := []string{"wrong-tenant", "consumer-account", "keys-unreachable", "other", "something-new", "access_denied", "99999"}
	for _, row := range graph.Codes() {
		if row.Source == graph.FromEntra && row.AADSTS != 0 {
			causes = append(causes, strconv.Itoa(row.AADSTS))
		}
	}
	for _, cause := range causes {
		if e := v.failure(detail{Cause: cause}); e == nil || e.What == "" || e.Next == "" || e.Owner == "" {
			t.Errorf("%s: %+v", cause, e)
		}
	}
	b := s.browser()
	q := b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	p := b.back(url.Values{"error": {"access_denied"}, "error_description": {"AADSTS65004: no"}, "state": {q.Get("state")}})
	p.is(200, "Microsoft did not record a consent").says("This is for an administrator of your Microsoft 365 to do.")
}

// The link of an organisation that is connected elsewhere is over: a button that leads to it
// would lead nowhere.
func TestWhereTheOrganisationIsConnectedElsewhereNoButtonLeadsToALinkThatIsOver(t *testing.T) {
	s := newSite(t)
	s.prove(t)
	b := s.browser()
	at := b.consented(contoso)
	s.bound(t, "acme", fabrikam)
	p := b.signs(at, adminOf(contoso)).is(200, "The organisation is connected with another Microsoft 365").saysNot("Back to the start")
	if p.Status != http.StatusOK {
		t.Error(p.Status)
	}
}

// R4: "started 14:05, not finished" would be of today, for ever.
func TestTheSetUpPageSaysTheDayOfAnAttemptThatWasNotFinished(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil))
	b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	s.now = s.now.Add(time.Hour)
	b.get(setup.path).says("Started 14:05, not finished")
	s.now = s.now.Add(6 * 24 * time.Hour)
	b.get(b.enter(s.link(state.OrgAdmin, nil)).path).says("Started 21 November 2026, 14:05 (Europe/Helsinki), not finished")
}

// The four steps with their live state: what another person does shows on the page that is
// open, in every step.
func TestEveryStepOfTheSetUpPageIsReadAgain(t *testing.T) {
	s := newSite(t)
	p := s.browser().enter(s.link(state.OrgAdmin, nil))
	live := map[string]bool{}
	for n := range p.doc.Descendants() {
		if _, ok := attr(n, "data-live"); ok {
			id, _ := attr(n, "id")
			live[id] = true
		}
	}
	for _, id := range []string{"live-link", "live-consent", "live-own", "live-sync", "live-people"} {
		if !live[id] {
			t.Errorf("%s is not read again", id)
		}
	}
}
