package portal

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

const notThisBrowsers = "This attempt does not belong to this browser"

// Every state but this browser's own, fresh one is refused, and no code is redeemed.
func TestAStateIsGoodForItsBrowserOnceAndInTime(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T, s *site, b *browser, q url.Values){
		"forged secret": func(t *testing.T, s *site, b *browser, q url.Values) {
			q.Set("state", q.Get("state")[:26]+"."+newSecret())
			b.returns(q, s.vera()).is(403, notThisBrowsers)
		},
		"unknown flow": func(t *testing.T, s *site, b *browser, q url.Values) {
			q.Set("state", strings.Repeat("a", 26)+q.Get("state")[26:])
			b.returns(q, s.vera()).is(403, notThisBrowsers)
		},
		"no state": func(t *testing.T, s *site, b *browser, q url.Values) {
			q.Set("state", "")
			b.returns(q, s.vera()).is(403, notThisBrowsers)
		},
		"state twice in the query": func(t *testing.T, s *site, b *browser, q url.Values) {
			b.entra.people["c"] = s.vera()
			v := url.Values{"state": {q.Get("state"), q.Get("state")}, "code": {"c"}}
			b.get("/api/connect/callback?"+v.Encode()).is(403, notThisBrowsers)
		},
		"other browser": func(t *testing.T, s *site, b *browser, q url.Values) {
			s.browser().returns(q, s.vera()).is(403, notThisBrowsers)
		},
		"other browser that has a session of its own": func(t *testing.T, s *site, b *browser, q url.Values) {
			other, _ := s.veras()
			other.returns(q, s.vera()).is(403, notThisBrowsers)
		},
		"cookie of another flow": func(t *testing.T, s *site, b *browser, q url.Values) {
			other, apps := s.veras()
			mine := other.leave(apps, "Connect Outlook calendar")
			name := s.portal.cookieName(mine.Get("state")[:26])
			other.cookies[s.portal.cookieName(q.Get("state")[:26])] = other.cookies[name]
			other.returns(q, s.vera()).is(403, notThisBrowsers)
		},
		"an hour later": func(t *testing.T, s *site, b *browser, q url.Values) {
			s.now = s.now.Add(stateLife)
			b.returns(q, s.vera()).is(200, "That took too long")
		},
		"a consent's state": func(t *testing.T, s *site, b *browser, _ url.Values) {
			s.organize("other", map[string]any{})
			l := s.link(state.EntraAdmin, func(r *link.Request) { r.Organization = "other" })
			q := b.press(b.enter(l), "Continue to Microsoft").away("adminconsent")
			b.returns(q, s.vera()).is(403, notThisBrowsers)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := connectable(t, map[string]any{"tenant": map[string]any{"expected": contoso}})
			b, apps := s.veras()
			q := b.leave(apps, "Connect Outlook calendar")
			attack(t, s, b, q)
			if len(s.entra.redeemed) != 0 {
				t.Error("a code was redeemed")
			}
			if got := s.connections("u-17"); len(got) != 0 {
				t.Errorf("connected: %+v", got)
			}
		})
	}
}

// A used state shows its outcome to its own browser, and nothing to another.
func TestAReplayedStateShowsTheOutcomeToItsBrowserOnly(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	b.press(b.returns(q, s.vera()), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	b.returns(q, s.account(contoso, objectMallory, "mallory@acme.example")).is(200, "Your calendar is connected")
	s.browser().returns(q, s.vera()).is(403, notThisBrowsers).saysNot("vera@acme.example")
	s.browser().get("/api/portal/attempt/"+q.Get("state")[:26]).is(403, notThisBrowsers)
	if len(s.entra.redeemed) != 1 {
		t.Errorf("redeemed %d times", len(s.entra.redeemed))
	}
}

// Mallory takes his own code and puts it into Vera's callback: the code is redeemed
// with the verifier of Vera's attempt, which Entra refuses (501481).
func TestAnInjectedCodeIsRedeemedWithTheVerifierOfTheAttempt(t *testing.T) {
	s := connectable(t, nil)
	mallory, his := s.veras()
	his = mallory.get(his.path)
	q := mallory.leave(his, "Connect Outlook calendar")
	b, apps := s.veras()
	hers := b.leave(apps, "Connect Outlook calendar")
	s.entra.errs["code-of-mallory"] = &identity.TokenError{Code: "invalid_grant", AADSTS: []int{501481}, Status: 400}
	b.get("/api/connect/callback?"+url.Values{"state": {hers.Get("state")}, "code": {"code-of-mallory"}}.Encode()).is(200, "The sign-in could not be verified")
	if r := s.entra.redeemed[0]; r.Verifier != s.entra.leaves[1].Verifier || r.Verifier == s.entra.leaves[0].Verifier {
		t.Error("not the attempt's own verifier")
	}
	// With his state as well, it is not her browser's attempt at all.
	b.get("/api/connect/callback?"+url.Values{"state": {q.Get("state")}, "code": {"code-of-mallory"}}.Encode()).is(403, notThisBrowsers)
}

func TestAnotherTenantOrAPersonalAccountEndsOnAPageThatSaysSo(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	for code, c := range map[string]struct {
		err   error
		title string
		says  string
	}{
		"wrong": {&identity.SignInError{Refusal: identity.WrongTenant, Tenant: fabrikam, UserName: "vera@fabrikam.example"}, "This is an account of another Microsoft 365",
			"You signed in as vera@fabrikam.example, which belongs to another Microsoft 365 (" + fabrikam + ") than the one that is expected (" + contoso + ")"},
		"wrong, unknown": {&identity.SignInError{Refusal: identity.WrongTenant}, "This is an account of another Microsoft 365", "the one that is expected (" + contoso + ")"},
		"consumer":       {&identity.SignInError{Refusal: identity.ConsumerAccount, UserName: "vera@outlook.com"}, "This is a personal Microsoft account", "work or school account"},
		"nonce":          {&identity.SignInError{Refusal: identity.BadNonce}, "The sign-in could not be verified", ""},
		"algorithm":      {&identity.SignInError{Refusal: identity.BadAlgorithm}, "The sign-in could not be verified", ""},
		"audience":       {&identity.SignInError{Refusal: identity.BadAudience}, "The sign-in could not be verified", ""},
		"keys":           {&identity.SignInError{Refusal: identity.KeysUnreachable}, "Microsoft 365 does not answer properly", ""},
	} {
		s.entra.errs[code] = c.err
		q := b.leave(apps, "Connect Outlook calendar")
		b.get("/api/connect/callback?"+url.Values{"state": {q.Get("state")}, "code": {code}}.Encode()).is(200, c.title).says(c.says)
	}
	// Should identity let one through all the same, it is refused here.
	b.returns(b.leave(apps, "Connect Outlook calendar"), s.account(fabrikam, objectVera, "vera@acme.example")).is(200, "This is an account of another Microsoft 365")
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}
}

// Bob opens Alice's forwarded link and signs in as himself; Mallory sends his own link
// to Vera, who signs in as herself. Where an organisation requires the address, both
// are refused, whatever is posted.
func TestBobOnAlicesLinkAndVeraOnMallorysAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		of  func(*link.Request)
		who func(*site) identity.SignedIn
		say string
	}{
		"Bob on Vera's link":     {linkOf("u-17", "vera@acme.example"), func(s *site) identity.SignedIn { return s.account(contoso, objectBob, "bob@acme.example") }, "bob@acme.example"},
		"Vera on Mallory's link": {linkOf("u-66", "mallory@acme.example"), func(s *site) identity.SignedIn { return s.vera() }, "vera@acme.example"},
		"nobody named":           {linkOf("u-67", ""), func(s *site) identity.SignedIn { return s.vera() }, "did not say whose account"},
	} {
		t.Run(name, func(t *testing.T) {
			s := connectable(t, nil)
			b := s.browser()
			apps := b.enter(s.link(state.LinkUser, c.of))
			q := b.leave(apps, "Connect Outlook calendar")
			refused := b.returns(q, c.who(s)).is(200, "This is somebody else’s account").says(c.say)
			b.post(refused.path+"/answer", url.Values{"form": {formOf(b, q)}, "answer": {"yes"}}).is(200, "This is somebody else’s account")
			s.noTokensInFlows(q)
			for _, user := range []string{"u-17", "u-66", "u-67"} {
				if got := s.connections(user); len(got) != 0 {
					t.Errorf("connected: %+v", got)
				}
			}
		})
	}
}

// formOf is a valid token of an attempt's page, which an attacker in this browser could have.
func formOf(b *browser, q url.Values) string {
	id := q.Get("state")[:26]
	secret := b.cookies[b.portal.cookieName(id)]
	return b.keys.Sign(link.PurposeForm, pageAttempt, id, hash(secret))
}

// Where it only warns, the page says so first and "no" is what is chosen.
func TestAnotherAddressIsSaidFirstAndNoIsPreselected(t *testing.T) {
	s := connectable(t, map[string]any{"addressMatch": "warn"})
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	question := b.returns(q, s.account(contoso, objectBob, "bob@acme.example")).is(200, "Please look twice").
		says("You signed in as bob@acme.example, but this connection is for vera@acme.example")
	if _, form := question.form("Continue"); form.Get("answer") != "no" {
		t.Errorf("chosen is %q", form.Get("answer"))
	}
	if first, warned := bytes.Index(question.Body, []byte("<dl>")), bytes.Index(question.Body, []byte(`class="warn"`)); warned < 0 || warned > first {
		t.Error("the warning does not come first")
	}
	b.press(question, "Continue").is(200, "Nothing was connected")
	q = b.leave(apps, "Connect Outlook calendar")
	b.press(b.returns(q, s.account(contoso, objectBob, "bob@acme.example")), "Continue", "answer", "yes").is(200, "Your calendar is connected")
	if got := s.connections("u-17"); len(got) != 1 || got[0].Account.ObjectID != objectBob {
		t.Errorf("got %+v", got)
	}
}

// A form without the page's token, with another page's, from another site, or from a
// browser without the cookie changes nothing (identity.md section 5).
func TestNoFormOfConnectWorksWithoutItsToken(t *testing.T) {
	s := connectable(t, map[string]any{"profile": "planning", "module": true, "sync": true, "accounts": "tenant"})
	b, apps := s.veras()
	b.press(b.returns(b.leave(apps, "Connect Outlook calendar", "choice", "up:readwrite"), s.vera()), "Yes, connect it", "answer", "yes")
	mine := s.connections("u-17")[0]
	q := b.leave(b.get(apps.path), "Connect another account", "choice", "up:readwrite")
	question := b.returns(q, s.account(contoso, objectBob, "bob@acme.example"))
	grant := strings.TrimPrefix(apps.path, "/api/portal/apps/")
	id := mine.ID.String()
	posts := map[string]url.Values{
		"/api/connect/start":      {"grant": {grant}, "choice": {"up:readwrite"}},
		question.path + "/answer": {"answer": {"yes"}},
		apps.path + "/change":     {"connection": {id}, "choice": {"down:busy"}},
		apps.path + "/pause":      {"connection": {id}},
		apps.path + "/primary":    {"connection": {id}},
		apps.path + "/disconnect": {"connection": {id}},
		apps.path + "/dismiss":    {},
		apps.path + "/optout":     {},
		apps.path + "/optin":      {},
		apps.path + "/calendars":  {"connection": {id}, "calendar": {"x"}},
		apps.path + "/sync":       {"connection": {id}},
	}
	listed := 1 + 1 // start, answer
	listed += len(s.portal.pages[pageApps].post) + len(s.portal.pages[pageRooms].post)
	if len(posts) != listed {
		t.Fatalf("%d posts are tried, there are %d", len(posts), listed)
	}
	before := s.connections("u-17")
	for path, form := range posts {
		try := func(name string, with *browser, token string) {
			values := maps.Clone(form)
			if token != "" {
				values.Set("form", token)
			}
			leaves := len(s.entra.leaves)
			if p := with.post(path, values); p.Status != 403 {
				t.Errorf("%s, %s: %d %s", path, name, p.Status, p.title())
			}
			if len(s.entra.leaves) != leaves {
				t.Errorf("%s, %s: somebody was sent to Microsoft", path, name)
			}
		}
		try("no token", b, "")
		try("random token", b, newSecret())
		_, foreign := b.get(s.link(state.LinkUser, nil).URL).form("Continue")
		try("another page's token", b, foreign.Get("form"))
		_, own := apps.form("Not now")
		if strings.HasPrefix(path, apps.path) {
			_, own = question.form("Continue")
		}
		try("token of another of our pages", b, own.Get("form"))
		right := s.keys.Sign(link.PurposeForm, pageApps, grant, hash(b.cookies[s.portal.cookieName(grant)]))
		if strings.Contains(path, "start") {
			right = s.keys.Sign(link.PurposeForm, "connect-start", grant, hash(b.cookies[s.portal.cookieName(grant)]))
		} else if strings.Contains(path, pageAttempt) {
			right = formOf(b, q)
		}
		try("no cookie", s.browser(), right)
		foreigner := *b
		foreigner.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
		try("another site", &foreigner, right)
		foreigner.header = http.Header{"Origin": {"https://evil.example"}}
		try("another origin", &foreigner, right)
	}
	if after := s.connections("u-17"); len(after) != len(before) || after[0].Direction != before[0].Direction || !after[0].Primary {
		t.Errorf("changed: %+v", after)
	}
}

// Sessions and connections of others are not there at all.
func TestAnotherPersonsAndAnotherOrganisationsConnectionsAreOutOfReach(t *testing.T) {
	s := connectable(t, map[string]any{"profile": "planning", "module": true, "sync": true, "accounts": "tenant", "addressMatch": "warn"})
	b, apps := s.veras()
	b.press(b.returns(b.leave(apps, "Connect Outlook calendar", "choice", "up:readwrite"), s.vera()), "Yes, connect it", "answer", "yes")
	id := s.connections("u-17")[0].ID.String()
	s.organize("other", map[string]any{"profile": "planning", "module": true, "sync": true})
	for name, of := range map[string]func(*link.Request){
		"other person":       linkOf("u-66", "mallory@acme.example"),
		"other organisation": func(r *link.Request) { r.Organization, r.Email = "other", "mallory@other.example" },
	} {
		t.Run(name, func(t *testing.T) {
			m := s.browser()
			his := m.enter(s.link(state.LinkUser, of)).saysNot("vera@acme.example")
			form := url.Values{}
			grant := strings.TrimPrefix(his.path, "/api/portal/apps/")
			form.Set("form", s.keys.Sign(link.PurposeForm, pageApps, grant, hash(m.cookies[s.portal.cookieName(grant)])))
			form.Set("connection", id)
			form.Set("choice", "down:busy")
			for _, action := range []string{"change", "pause", "primary"} {
				m.post(his.path+"/"+action, form).is(404, "There is nothing here")
			}
			m.post(his.path+"/disconnect", form)
			m.get(his.path+"?disconnect="+id).is(404, "There is nothing here")
			m.get("/api/connect/start?"+url.Values{"grant": {grant}, "connection": {id}}.Encode()).is(404, "There is nothing here")
			// Vera's own pages with his cookies, and the other way round.
			m.get(apps.path).is(403, "This page is not open in this browser")
			m.get("/api/connect/start?grant="+strings.TrimPrefix(apps.path, "/api/portal/apps/")).is(403, "This page is not open in this browser")
			m.cookies[s.portal.cookieName(strings.TrimPrefix(apps.path, "/api/portal/apps/"))] = m.cookies[s.portal.cookieName(grant)]
			m.get(apps.path).is(403, "This page is not open in this browser")
		})
	}
	if got := s.connections("u-17"); len(got) != 1 || got[0].Direction != connection.Up {
		t.Errorf("changed: %+v", got)
	}
}

// A link of another role opens none of these pages.
func TestRolesStayApart(t *testing.T) {
	s := connectable(t, nil)
	s.organize("other", map[string]any{})
	for _, role := range []string{state.OrgAdmin, state.EntraAdmin, state.RoomManager} {
		b := s.browser()
		b.enter(s.link(role, func(r *link.Request) { r.Organization = "other" }))
		for name := range b.cookies {
			grant := name[len("__Host-cb-"):]
			if !isID(grant) {
				continue
			}
			b.get("/api/portal/apps/"+grant).is(403, "This page is for somebody else")
			if role == state.EntraAdmin {
				b.get("/api/connect/start?grant="+grant).is(403, "This page is for somebody else")
			}
		}
	}
}
