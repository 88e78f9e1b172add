package portal

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// waiting is a site for whose organisation an Entra admin consented, and whose own admin
// has not signed in yet: b has the set-up page open.
func waiting(t *testing.T) (s *site, b *browser, setup shown) {
	t.Helper()
	s = newSite(t)
	entra := s.browser()
	entra.press(entra.signs(entra.consented(contoso), adminOf(contoso)), "Yes, connect it").is(200, "Thank you: one step is left, on the other side")
	b = s.browser()
	return s, b, b.enter(s.link(state.OrgAdmin, nil))
}

// connects leaves for Microsoft from the set-up page.
func (b *browser) connectsOwn(setup shown, set ...string) url.Values {
	b.t.Helper()
	return b.press(b.get(setup.href("Connect Outlook calendar")), "Continue to Microsoft", set...).away("authorize")
}

func (s *site) lastPrompt() string { return s.entra.leaves[len(s.entra.leaves)-1].Prompt }

// T3, identity.md section 2 (evidence silent): pressing "Connect Outlook calendar" checks the
// consent, says what was proven, and connects the admin's own calendar.
func TestTheAdminsFirstSignInWithoutAPageOfMicrosoftsIsEvidence(t *testing.T) {
	s, b, setup := waiting(t)
	q := b.connectsOwn(setup)
	if l := s.entra.leaves[len(s.entra.leaves)-1]; l.Prompt != "none" || l.LoginHint != "vera@acme.example" || !slices.Equal(l.Scopes, []string{"Calendars.ReadWrite"}) {
		t.Errorf("left with %+v", l)
	}
	who := s.vera()
	who.Granted = []string{"Calendars.ReadWrite", "User.Read"}
	b.press(b.returns(q, who).is(200, "Is this right?"), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	st := s.org("acme").State
	if st.Tenant != contoso || st.Evidence != organization.EvidenceSilent || strings.Join(st.GrantedScopes, " ") != "Calendars.ReadWrite User.Read" {
		t.Errorf("%+v", st)
	}
	b.get(setup.path).says("Proven: somebody who never connected before could sign in for the calendar without being asked by Microsoft.")
	if b.connectsOwn(setup); s.lastPrompt() != "" {
		t.Error("what is proven is proven once more")
	}
}

// Where Microsoft has to show a page, the browser comes back at once, and leaves again.
func TestASilentSignInThatMicrosoftRefusesIsMadeWithItsPage(t *testing.T) {
	for _, code := range []string{"login_required", "interaction_required", "consent_required", "access_denied"} {
		s, b, setup := waiting(t)
		first := b.connectsOwn(setup)
		again := b.fails(first, "error", code, "error_description", "AADSTS50058: x").away("authorize")
		if first.Get("state") == again.Get("state") || s.lastPrompt() != "" || s.entra.leaves[len(s.entra.leaves)-1].LoginHint != "vera@acme.example" {
			t.Errorf("%s: left with %+v", code, s.entra.leaves[len(s.entra.leaves)-1])
		}
		b.fails(first, "error", code).is(200, "You have not come back from Microsoft yet") // an old state changes nothing
		b.press(b.returns(again, s.vera()), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
		if st := s.org("acme").State; st.Tenant != contoso || st.Evidence != organization.EvidenceCallback {
			t.Errorf("%s: %+v", code, st)
		}
		// And a second refusal is told.
		s, b, setup = waiting(t)
		again = b.fails(b.connectsOwn(setup), "error", code).away("authorize")
		if p := b.fails(again, "error", "access_denied"); p.Status != 200 || len(s.entra.leaves) != 3 {
			t.Errorf("%s: %d, left %d times", code, p.Status, len(s.entra.leaves))
		}
	}
}

// Whoever may have consented for themselves proves nothing of a consent for all.
func TestOnlySomebodyWhoNeverConnectedBeforeIsEvidence(t *testing.T) {
	t.Run("another account was asked for", func(t *testing.T) {
		s, b, setup := waiting(t)
		if b.connectsOwn(setup, "account", "other"); s.lastPrompt() != "select_account" {
			t.Error(s.lastPrompt())
		}
	})
	t.Run("an attempt before gave permissions", func(t *testing.T) {
		s, b, setup := waiting(t)
		b.press(b.returns(b.fails(b.connectsOwn(setup), "error", "login_required").away("authorize"), s.vera()), "No, connect nothing", "answer", "no")
		s.now = s.now.Add(time.Minute)
		if b.connectsOwn(setup); s.lastPrompt() != "" {
			t.Error(s.lastPrompt())
		}
	})
	t.Run("a person who is no admin", func(t *testing.T) {
		s := connectable(t, nil)
		b, apps := s.veras()
		if b.leave(apps, "Connect Outlook calendar"); s.lastPrompt() != "" {
			t.Error(s.lastPrompt())
		}
	})
	t.Run("a tenant that the operator bound", func(t *testing.T) {
		s := connectable(t, nil)
		b := s.browser()
		if b.connectsOwn(b.enter(s.link(state.OrgAdmin, nil))); s.lastPrompt() != "" {
			t.Error(s.lastPrompt())
		}
	})
	t.Run("an offer of somebody without a role", func(t *testing.T) {
		s := newSite(t)
		entra, who := s.browser(), adminOf(contoso)
		who.Wids = nil
		entra.press(entra.signs(entra.consented(contoso), who), "Yes, connect it")
		b := s.browser()
		if b.connectsOwn(b.enter(s.link(state.OrgAdmin, nil))); s.lastPrompt() != "" {
			t.Error(s.lastPrompt())
		}
	})
	t.Run("another tenant", func(t *testing.T) {
		s, b, setup := waiting(t)
		b.returns(b.connectsOwn(setup), s.account(fabrikam, objectBob, "vera@acme.example"))
		if st := s.org("acme").State; st.Evidence != "" || st.Tenant != "" {
			t.Errorf("%+v", st)
		}
	})
}
