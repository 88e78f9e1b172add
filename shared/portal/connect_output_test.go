package portal

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

// What comes from people, the product and Microsoft is text on every page.
func TestNobodysNameIsMarkup(t *testing.T) {
	const bad = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	s := connectable(t, map[string]any{"displayName": "Acme " + bad, "product": map[string]any{"name": "Booker " + bad}, "addressMatch": "warn"})
	b := s.browser()
	apps := b.enter(s.link(state.LinkUser, func(r *link.Request) { r.User, r.Locale = "u-18", "en" }))
	q := b.leave(apps, "Connect Outlook calendar")
	who := s.account(contoso, objectBob, "bob+"+bad+"@acme.example")
	who.Name = bad
	b.press(b.returns(q, who), "Continue", "answer", "yes").is(200, "Your calendar is connected")
	b.get(apps.path)
	b.fails(b.leaveAgain(apps), "error", bad, "error_description", bad)
	b.get("/api/connect/start?" + url.Values{"grant": {strings.TrimPrefix(apps.path, "/api/portal/apps/")}, "choice": {bad}, "connection": {bad}}.Encode())
	for _, a := range s.answers {
		if bytes.Contains(a.Body, []byte("<script>alert")) || bytes.Contains(a.Body, []byte("<img")) {
			t.Errorf("markup on %s", a.Body)
		}
	}
}

// Nothing that came in gets into a header; and where it leads is ours or Microsoft's.
func TestNoHeaderCarriesWhatCameInAndNobodyIsSentElsewhere(t *testing.T) {
	s := connectable(t, map[string]any{"profile": "planning", "module": true, "sync": true})
	const bad = "x\r\nSet-Cookie: a=b\r\nLocation: https://evil.example"
	b, apps := s.veras()
	grant := strings.TrimPrefix(apps.path, "/api/portal/apps/")
	for _, target := range []string{"/api/connect/start?", "/api/connect/callback?", apps.path + "?"} {
		for _, name := range []string{"grant", "connection", "choice", "state", "code", "error", "error_description", "done", "disconnect", "returnUrl", "redirect_uri"} {
			q := url.Values{"grant": {grant}}
			q.Set(name, bad)
			b.get(target + q.Encode())
			q.Set(name, "https://evil.example/")
			b.get(target + q.Encode())
		}
	}
	row, err := s.sess.Get(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	row.ReturnURL = "https://evil.example/\r\n" // as if one had got into the table
	if _, err := s.sess.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	b.press(b.get(apps.path), "Not now").is(200, "Connected apps")
	for _, a := range s.answers {
		for name, values := range a.Header {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n") {
					t.Errorf("%s: %q", name, v)
				}
				if name == "Location" && !strings.HasPrefix(v, "/api/") && !strings.HasPrefix(v, authority+"/") {
					t.Errorf("sent to %q", v)
				}
			}
		}
		if bytes.Contains(a.Body, []byte("evil.example/\"")) {
			t.Errorf("leads away: %s", a.Body)
		}
	}
}

// I8: whatever comes out, no token, no secret, and no address in an error or URL of ours.
func TestNoTokenSecretOrAddressComesOut(t *testing.T) {
	const markedName = "marked.person.4711"
	s := connectable(t, nil)
	b := s.browser()
	apps := b.enter(s.link(state.LinkUser, linkOf("u-17", markedName+"@acme.example")))
	who := s.account(contoso, objectVera, markedName+"@acme.example")
	seen := func() (all []string) { // what has happened so far, as text
		for _, a := range s.answers {
			if bytes.Contains(a.Body, []byte("MARKED")) {
				t.Errorf("a token is on a page: %s", a.Body)
			}
			for _, values := range a.Header {
				all = append(all, values...)
			}
			if a.Cause != nil {
				all = append(all, a.Cause.Error())
			}
		}
		return all
	}
	q := b.leave(apps, "Connect Outlook calendar")
	question := b.returns(q, who)
	b.press(question, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	s.boxes.err = &graph.Error{Kind: graph.Transient, Status: 503, Code: "ServiceUnavailable"}
	b.returns(b.leaveAgain(apps), who).is(200, "Microsoft 365 does not answer properly")
	s.boxes.err = nil
	s.entra.errs["code-"+objectVera] = &identity.TokenError{Code: "invalid_client", AADSTS: []int{7000215}, Status: 401}
	b.returns(b.leaveAgain(apps), who).is(200, "It does not work, and you cannot change that")
	for _, leave := range s.entra.leaves {
		for _, text := range seen() {
			for _, secret := range []string{leave.Verifier, leave.Nonce, markedCache, markedAccess} {
				if strings.Contains(text, secret) {
					t.Errorf("a secret in %q", text)
				}
			}
			if strings.Contains(text, markedName) {
				t.Errorf("an address in %q", text)
			}
		}
	}
	for _, m := range s.sent {
		if bytes.Contains(m.Body, []byte("MARKED")) {
			t.Errorf("a token in a message: %s", m.Body)
		}
	}
	id := q.Get("state")[:26]
	if f, err := s.flows.Get(t.Context(), id); err != nil || bytes.Contains(f.Detail, []byte("MARKED")) {
		t.Errorf("a token beside what is sealed: %s %v", f.Detail, err)
	}
}

// leaveAgain starts over from the apps page, where nothing says so any more.
func (b *browser) leaveAgain(apps shown) url.Values {
	b.t.Helper()
	grant := strings.TrimPrefix(apps.path, "/api/portal/apps/")
	return b.press(b.get("/api/connect/start?grant="+grant), "Continue to Microsoft").away("authorize")
}

func TestAFormOfAMegabyteIsRefused(t *testing.T) {
	s := connectable(t, nil)
	b, _ := s.veras()
	a := b.do(http.MethodPost, "/api/connect/start", "application/x-www-form-urlencoded", []byte("grant="+strings.Repeat("a", 1<<20)))
	if a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", a.Status)
	}
}

// Scanners and previews change nothing: GET and HEAD of the start page begin no sign-in.
func TestLookingBeginsNothing(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	to := apps.href("Connect Outlook calendar")
	for range 20 {
		b.get(to).is(200, "Connect your Outlook calendar")
		if a := b.do(http.MethodHead, to, "", nil); a.Status != 200 || len(a.Body) != 0 {
			t.Errorf("HEAD: %d, %d bytes", a.Status, len(a.Body))
		}
	}
	if len(s.entra.leaves) != 0 {
		t.Error("somebody was sent to Microsoft")
	}
	if _, err := s.flows.Latest(t.Context(), "acme", kindConnect, "u-17"); err == nil {
		t.Error("an attempt was stored")
	}
}
