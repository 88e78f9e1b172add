package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// A Link is one to open in a browser, to walk a part of the story of consent and
// connect.
type Link struct {
	Who, URL string
	// SignIn are the accounts to sign in with at the simulated Microsoft.
	SignIn string
}

// customer is an organisation whose administrators have not consented yet.
type customer struct {
	id, settings   string
	tenant, domain string
}

// Walk makes two customers that have not consented yet, a travel agency's and a
// planning office's, with a booking each, and returns the links by which people set
// them up: an organisation's admin, the Entra admin, a traveller, a planner with two
// accounts. Without a simulator of our own it makes
// nothing.
func (p *Player) Walk(ctx context.Context) ([]Link, error) {
	if p.stack.M365 == nil {
		return nil, nil
	}
	for _, c := range []customer{
		{"fabrikam", `{"displayName":"Fabrikam","profile":"travel","product":{"name":"Journeys","url":"https://journeys.example"}}`,
			"f0000000-0000-4000-8000-000000000001", "fabrikam.example"},
		{"wingtip", `{"displayName":"Wingtip Workshops","profile":"planning","module":true,"product":{"name":"Planner","url":"https://planner.example"}}`,
			"f0000000-0000-4000-8000-000000000002", "wingtip.example"},
	} {
		p.stack.M365.AddTenant(c.tenant, c.domain)
		for user, name := range map[string]string{"tina": "Tina Traveller", "paul": "Paul Planner"} {
			p.stack.M365.Exchange.AddUser(c.tenant, exchange.User{Principal: user + "@" + c.domain, Name: name})
		}
		if err := p.stack.API().PutOrganization(ctx, c.id, []byte(c.settings)); err != nil {
			return nil, err
		}
	}
	for organization, email := range map[string]string{"fabrikam": "tina@fabrikam.example", "wingtip": "paul@wingtip.example"} {
		if err := p.trip(ctx, organization, email); err != nil {
			return nil, err
		}
	}
	links := []Link{
		{Who: "Fabrikam's admin", SignIn: "paul@fabrikam.example, in step 3 of the page, after the consent"},
		{Who: "its Entra admin", SignIn: "admin@fabrikam.example, in another browser or a private window; the admin's page has the same link"},
		{Who: "a traveller", SignIn: "tina@fabrikam.example, after the consent and when calendar sync is on"},
		{Who: "a planner", SignIn: "paul@wingtip.example, and as another account paul@fabrikam.example"},
	}
	asked := []map[string]any{
		{"organization": "fabrikam", "role": "org-admin", "user": "paul", "email": "paul@fabrikam.example"},
		{"organization": "fabrikam", "role": "entra-admin"},
		{"organization": "fabrikam", "role": "user", "user": "tina", "email": "tina@fabrikam.example"},
		{"organization": "wingtip", "role": "user", "user": "paul", "email": "paul@wingtip.example"},
	}
	for i := range links {
		var err error
		if links[i].URL, err = p.link(ctx, asked[i]); err != nil {
			return nil, err
		}
	}
	return links, nil
}

// trip sends a booking of tomorrow, so that there is something to write.
func (p *Player) trip(ctx context.Context, organization, email string) error {
	day := time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	user := email[:len("tina")]
	body := fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"https://journeys.example","type":"calbridge.booking.v1","data":{
 "organization":%q,"id":"walk-1","revision":1,"status":"confirmed","title":"Train to Tampere",
 "start":{"dateTime":"%sT09:00:00"},"end":{"dateTime":"%sT11:00:00"},"people":[{"user":%q,"email":%q}]}}`, organization, day, day, user, email)
	answer, err := p.stack.API().Send(ctx, body)
	if err == nil && answer.Status != http.StatusAccepted {
		err = fmt.Errorf("POST bookings: status %d: %s", answer.Status, answer.Body)
	}
	return err
}

// link asks for a link that lasts a day, as a booking app does.
func (p *Player) link(ctx context.Context, asked map[string]any) (string, error) {
	asked["expiresInMinutes"] = 24 * 60
	body, err := json.Marshal(asked)
	if err != nil {
		return "", err
	}
	answer, err := p.stack.API().Do(ctx, http.MethodPost, "links", host.FunctionKey, "application/json", body)
	if err != nil {
		return "", err
	}
	var made struct{ URL string }
	if err := json.Unmarshal(answer.Body, &made); err != nil || made.URL == "" {
		return "", fmt.Errorf("POST links: status %d: %s", answer.Status, answer.Body)
	}
	return made.URL, nil
}

// ShowLinks prints what Walk made.
func (p *Player) ShowLinks(links []Link) {
	if len(links) == 0 {
		return
	}
	p.printf("\nTo set the calendar connection up in a browser (a link belongs to the browser that used it first, but for the Entra admin's;\n" +
		"docs/integrators.md shows how to make another):\n")
	for _, l := range links {
		p.printf("%-16s %s\n                 sign in as %s\n", l.Who, l.URL, l.SignIn)
	}
}
