package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

const (
	trips       = "trips"
	tripsTenant = "c0000000-0000-4000-8000-000000000003"
)

// traveller is somebody with a browser without a screen: it keeps cookies, follows
// redirects, and presses buttons.
type traveller struct {
	t      testing.TB
	client *http.Client
	at     *url.URL
	page   *html.Node
	urls   []string // all that it was ever at
}

func newTraveller(t testing.TB) *traveller {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &traveller{t: t, client: &http.Client{Jar: jar}}
}

// open requests a page and follows redirects to the one that is shown.
func (p *traveller) open(method, to string, form url.Values) *traveller {
	p.t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.at != nil {
		target = p.at.ResolveReference(target)
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, target.String(), body)
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		p.page, err = html.Parse(bytes.NewReader(text))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d\n%s", resp.Request.URL.Path, resp.StatusCode, text)
	}
	p.at = resp.Request.URL
	p.urls = append(p.urls, p.at.String())
	return p
}

// press posts the form that has a button with the words, and its value.
func (p *traveller) press(words string, set ...string) *traveller {
	p.t.Helper()
	for form := range p.page.Descendants() {
		if form.Data != "form" {
			continue
		}
		fields, found := url.Values{}, false
		for n := range form.Descendants() {
			name, value := attribute(n, "name"), attribute(n, "value")
			switch {
			case n.Data == "input" && name != "" && attribute(n, "type") != "radio":
				fields.Set(name, value)
			case n.Data == "button" && strings.Contains(wordsOf(n), words):
				found = true
				if name != "" {
					fields.Set(name, value)
				}
			}
		}
		if !found {
			continue
		}
		for i := 0; i+1 < len(set); i += 2 {
			fields.Set(set[i], set[i+1])
		}
		return p.open(http.MethodPost, attribute(form, "action"), fields)
	}
	p.t.Fatalf("no button %q on %s:\n%s", words, p.at.Path, wordsOf(p.page))
	return nil
}

// follow opens a link by its words.
func (p *traveller) follow(words string) *traveller {
	p.t.Helper()
	for n := range p.page.Descendants() {
		if n.Data == "a" && strings.HasPrefix(strings.TrimSpace(wordsOf(n)), words) {
			return p.open(http.MethodGet, attribute(n, "href"), nil)
		}
	}
	p.t.Fatalf("no link %q on %s:\n%s", words, p.at.Path, wordsOf(p.page))
	return nil
}

// reads checks that words are on the page.
func (p *traveller) reads(words string) *traveller {
	p.t.Helper()
	if !strings.Contains(wordsOf(p.page), words) {
		p.t.Fatalf("%q is not on %s:\n%s", words, p.at.Path, wordsOf(p.page))
	}
	return p
}

// wordsOf is the text of an element.
func wordsOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// attribute is one of an element, "" for none.
func attribute(n *html.Node, name string) string {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if i < 0 {
		return ""
	}
	return n.Attr[i].Val
}

// signIn answers the simulator's pages, whatever they ask for, until they lead back.
func (p *traveller) signIn(user string) *traveller {
	p.t.Helper()
	for range 4 {
		if strings.HasPrefix(p.at.Path, "/api/") {
			return p
		}
		switch {
		case hasID(p.page, "accept"):
			p.press("Accept", "decision", "accept")
		default:
			p.pressFirst("loginfmt", user)
		}
	}
	if !strings.HasPrefix(p.at.Path, "/api/") {
		p.t.Fatalf("Microsoft's pages lead nowhere: %s\n%s", p.at.Path, wordsOf(p.page))
	}
	return p
}

// hasID reports whether an element of the page has an id.
func hasID(page *html.Node, id string) bool {
	for n := range page.Descendants() {
		if attribute(n, "id") == id {
			return true
		}
	}
	return false
}

// pressFirst posts the form that has a field.
func (p *traveller) pressFirst(field, value string) {
	p.t.Helper()
	for form := range p.page.Descendants() {
		if form.Data != "form" {
			continue
		}
		fields, found := url.Values{}, false
		for n := range form.Descendants() {
			if name := attribute(n, "name"); n.Data == "input" && name != "" {
				fields.Set(name, attribute(n, "value"))
				found = found || name == field
			}
		}
		if found {
			fields.Set(field, value)
			p.open(http.MethodPost, attribute(form, "action"), fields)
			return
		}
	}
	p.t.Fatalf("no field %q on %s:\n%s", field, p.at.Path, wordsOf(p.page))
}

// userLink asks the API for a link, as a booking app does.
func (w *world) userLink(organization, user string) string {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"organization": organization, "role": "user", "user": user, "email": user + "@" + organization + ".example", "locale": "en"})
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.API().Do(w.t.Context(), http.MethodPost, "links", host.FunctionKey, "application/json", body)
	var link struct{ URL string }
	if err != nil || got.Status != http.StatusOK || json.Unmarshal(got.Body, &link) != nil {
		w.t.Fatalf("POST links: %v, %d: %s", err, got.Status, got.Body)
	}
	return link.URL
}

// T5, T7, T8, A16 over the wire, with the host, the SDKs and the simulator's Entra: a
// traveller connects, bookings come into the calendar; the tokens die, the next booking
// is a file; reconnecting writes what was missed, once.
func TestATravellerConnectsLosesTheTokenAndConnectsAgain(t *testing.T) {
	w := startMoved(t, stack.Options{})
	w.M365.AddTenant(tripsTenant, "trips.example")
	w.M365.Entra.Grant(tripsTenant, w.Settings["ENTRA_CLIENT_ID"], "", "openid", "profile", "offline_access", "Calendars.ReadWrite")
	w.M365.Exchange.AddUser(tripsTenant, exchange.User{Principal: "vera@trips.example", Name: "Vera Virtanen"})
	api := w.API()
	settings := `{"profile":"travel","sync":true,"displayName":"Trips Oy","product":{"name":"Booker"},"timeZone":"Europe/Helsinki"}`
	if err := errors.Join(api.PutOrganization(t.Context(), trips, []byte(settings)), api.Bind(t.Context(), trips, tripsTenant)); err != nil {
		t.Fatal(err)
	}
	first := booked{Organization: trips, ID: "PNR-1", Revision: 1, People: []string{"vera"}, Day: 3}
	w.accept(first)
	w.settle(first, "ics not-connected")

	vera := newTraveller(t)
	vera.open(http.MethodGet, w.userLink(trips, "vera"), nil).press("Continue").reads("No calendar is connected")
	apps := vera.at.String()
	vera.follow("Connect Outlook calendar").press("Continue to Microsoft").signIn("vera@trips.example").
		reads("Is this right?").reads("Vera Virtanen").press("Yes, connect it").reads("Your calendar is connected")
	w.calendar("vera", "Title of PNR-1")

	// The sign-ins are ended at Microsoft; the access token outlives them for an hour or so.
	w.M365.Entra.RevokeSessions(tripsTenant, "vera@trips.example")
	w.quiet()
	w.Advance(2 * time.Hour)
	second := booked{Organization: trips, ID: "PNR-2", Revision: 1, People: []string{"vera"}, Day: 4}
	w.accept(second)
	w.settle(second, "ics needs-reauth")
	vera.open(http.MethodGet, apps, nil).reads("it has to be connected again").follow("Connect again").press("Continue to Microsoft").
		signIn("vera@trips.example").press("Yes, connect it").reads("Your calendar is connected")
	w.calendar("vera", "Title of PNR-1", "Title of PNR-2")
	vera.open(http.MethodGet, apps, nil).reads("Connected since")
	for _, u := range vera.urls {
		if strings.Contains(u, "code=") || strings.Contains(u, "vera@") && strings.HasPrefix(u, w.URL) {
			t.Errorf("a page of ours is at %s", u)
		}
	}
	w.nothingLost()
}

// calendar waits until the mailbox of somebody of trips holds exactly these, each once.
func (w *world) calendar(name string, subjects ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	var have []string
	err := w.changes.Wait(ctx, func() bool {
		have = nil
		for _, e := range w.M365.Exchange.Events(tripsTenant, name+"@trips.example") {
			have = append(have, e.Subject)
		}
		return slices.Equal(have, subjects)
	})
	if err != nil {
		w.t.Fatalf("the calendar holds %q, want %q: %v", have, subjects, err)
	}
}

// quiet returns when nobody has been at work for a while: then the clock can be moved
// without ending what is under way.
func (w *world) quiet() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for idle := 0; idle < 8; idle++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			w.t.Fatal("there is always somebody at work")
		}
		if ready, _ := w.Bus.Due(); ready > 0 || w.Host.Calls() > 0 {
			idle = -1
		}
	}
}
