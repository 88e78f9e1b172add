package portal

import (
	"net/url"
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
)

// T5, T8: one sign-in, a question, a connection; the token dies, reconnecting mends it.
func TestATravellerConnectsConfirmsAndConnectsAgain(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	apps.is(200, "Connected apps").says("No calendar is connected")
	q := b.leave(apps, "Connect Outlook calendar")
	left := s.entra.leaves[0]
	if left.Tenant != contoso || left.LoginHint != "vera@acme.example" || left.Prompt != "" || left.RedirectURI != publicURL+"/api/connect/callback" ||
		len(left.Scopes) != 1 || left.Scopes[0] != "Calendars.ReadWrite" || len(left.Verifier) != 43 || len(left.Nonce) != 43 {
		t.Errorf("left with %+v", left)
	}
	question := b.returns(q, s.vera()).is(200, "Is this right?").says("Vera Virtanen").says("vera@acme.example").says("Booker, Acme Oy").
		says("Write bookings into it").says("does not read this calendar")
	if got := s.connections("u-17"); len(got) != 0 {
		t.Fatalf("stored before it was confirmed: %+v", got)
	}
	r := s.entra.redeemed[0]
	if r.Verifier != left.Verifier || r.Nonce != left.Nonce || r.Tenant != left.Tenant || r.RedirectURI != left.RedirectURI {
		t.Errorf("redeemed with %+v", r)
	}
	if as := s.boxes.asked[0]; as.Token != markedAccess || as.Tenant != contoso || as.ObjectID != objectVera {
		t.Errorf("the mailbox was looked at as %v", as)
	}
	b.press(question, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected").says("vera@acme.example")
	all := s.connections("u-17")
	if len(all) != 1 {
		t.Fatalf("got %+v", all)
	}
	first := all[0]
	if first.Account.ObjectID != objectVera || first.Direction != connection.Up || !first.Primary || first.Mailbox != "vera@acme.example" || first.State != connection.Connected || !first.Delegated {
		t.Errorf("got %+v", first)
	}
	s.dies(first, connection.NeedsReauth, "50173")
	apps = b.get(apps.path).says("it has to be connected again").says("the password was reset").says("AADSTS50173")
	q = b.leave(apps, "Connect again")
	b.press(b.returns(q, s.vera()).is(200, "Is this right?"), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	all = s.connections("u-17")
	if len(all) != 1 || all[0].ID != first.ID || all[0].State != connection.Connected {
		t.Errorf("after reconnecting %+v", all)
	}
}

func TestNoThrowsTheTokensAway(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	question := b.returns(q, s.vera())
	b.press(question, "No, connect nothing", "answer", "no").is(200, "Nothing was connected")
	b.press(question, "Yes, connect it", "answer", "yes").is(200, "Nothing was connected") // back button, then yes
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}
	s.noTokensInFlows(q)
}

// Without a click the tokens last ten minutes.
func TestWhoDoesNotConfirmInTenMinutesIsNotConnected(t *testing.T) {
	for name, answer := range map[string]func(*browser, shown) shown{
		"looks": func(b *browser, p shown) shown { return b.get(p.path) },
		"says yes": func(b *browser, p shown) shown {
			return b.press(p, "Yes, connect it", "answer", "yes")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := connectable(t, nil)
			b, apps := s.veras()
			q := b.leave(apps, "Connect Outlook calendar")
			question := b.returns(q, s.vera())
			s.now = s.now.Add(outcomeLife)
			answer(b, question).is(200, "That took too long")
			if got := s.connections("u-17"); len(got) != 0 {
				t.Errorf("connected: %+v", got)
			}
			s.noTokensInFlows(q)
		})
	}
}

func TestADoubleClickAndTwoTabsGiveOneOutcomeEach(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	question := b.returns(q, s.vera())
	for range 2 {
		b.press(question, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	}
	b.press(question, "Yes, connect it", "answer", "no").is(200, "Your calendar is connected") // another tab, too late
	if got := s.connections("u-17"); len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	// Two attempts side by side: each has its own state, and one account stays one connection.
	one, two := b.leave(apps, "Connect Outlook calendar"), b.leave(apps, "Connect Outlook calendar")
	second, first := b.returns(two, s.vera()), b.returns(one, s.vera())
	b.press(first, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	b.press(second, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	if got := s.connections("u-17"); len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
}

// The callback may be loaded again: the page shows what came of it, and no code is
// redeemed a second time.
func TestTheBackButtonRedeemsNothingTwice(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	b.returns(q, s.vera()).is(200, "Is this right?")
	b.returns(q, s.vera()).is(200, "Is this right?")
	if len(s.entra.redeemed) != 1 {
		t.Errorf("redeemed %d times", len(s.entra.redeemed))
	}
	s.entra.during = func() {
		if p := b.returns(q, s.vera()); p.Status != 200 {
			t.Errorf("meanwhile %d", p.Status)
		}
	}
	q = b.leave(apps, "Connect Outlook calendar")
	b.returns(q, s.vera()).is(200, "Is this right?")
	if len(s.entra.redeemed) != 2 {
		t.Errorf("redeemed %d times", len(s.entra.redeemed))
	}
}

// Each error of Microsoft's ends on a page that says whose turn it is (A10, R4).
func TestEveryWayThatMicrosoftSendsSomebodyBackHasItsPage(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		title  string
		says   string
	}{
		{"cancelled", []string{"error", "access_denied", "error_subcode", "cancel"}, "You did not allow it", "This is for you to do"},
		{"declined 65004", []string{"error", "consent_required", "error_description", "AADSTS65004: User declined to consent"}, "You did not allow it", ""},
		{"90094", []string{"error", "access_denied", "error_description", "AADSTS90094: The grant requires admin permission."}, "An administrator has to approve it first", "Link for your administrator"},
		{"90095", []string{"error", "access_denied", "error_description", "AADSTS90095: Admin consent is required."}, "Your request was sent to an administrator", "Link for your administrator"},
		{"access denied, no word", []string{"error", "access_denied"}, "Microsoft did not let you in", "Link for your administrator"},
		{"policy", []string{"error", "interaction_required", "error_description", "AADSTS53003: Access has been blocked by Conditional Access policies."}, "A policy of your Microsoft 365 is in the way", "AADSTS53003"},
		{"not assigned", []string{"error", "access_denied", "error_description", "AADSTS50105: not assigned"}, "A policy of your Microsoft 365 is in the way", "AADSTS50105"},
		{"outage", []string{"error", "temporarily_unavailable", "error_description", "AADSTS90033"}, "Microsoft 365 does not answer properly", ""},
		{"server error", []string{"error", "server_error"}, "Microsoft 365 does not answer properly", ""},
		{"our registration", []string{"error", "invalid_scope", "error_description", "AADSTS70011"}, "It does not work, and you cannot change that", "support of Booker"},
		{"code and error", []string{"code", "x", "error", "access_denied", "error_subcode", "cancel"}, "You did not allow it", ""},
		{"no code", nil, "The sign-in could not be verified", ""},
		{"code of nobody", []string{"code", "injected"}, "The sign-in could not be verified", "AADSTS70008"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := connectable(t, nil)
			s.link("entra-admin", nil)
			b, apps := s.veras()
			q := b.leave(apps, "Connect Outlook calendar")
			p := b.fails(q, c.values...).is(200, c.title).says(c.says)
			b.get(p.href("Start again")).is(200, "Connect your Outlook calendar")
			if p.path != "/api/portal/attempt/"+q.Get("state")[:26] {
				t.Errorf("the page is at %s", p.path)
			}
			if got := s.connections("u-17"); len(got) != 0 {
				t.Errorf("connected: %+v", got)
			}
		})
	}
}

// An error whose state is nobody's gets words, and nothing to do with an attempt.
func TestAnErrorWithoutAnAttemptIsExplainedAllTheSame(t *testing.T) {
	s := connectable(t, nil)
	s.browser().get("/api/connect/callback?"+url.Values{"error": {"access_denied"}, "error_description": {"AADSTS90094: <script>alert(1)</script>"}}.Encode()).
		is(403, "An administrator has to approve it first").saysNot("alert(1)").saysNot("Start again")
}
