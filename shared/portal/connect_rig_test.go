package portal

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// marks are secrets that must never come out; see TestNoSecretAndNoAddress….
const (
	markedCache  = "refresh-token-MARKED-7f3a"
	markedAccess = "access-token-MARKED-91bc"
)

// fakeMailboxes answers a probe for whoever signed in.
type fakeMailboxes struct {
	address map[string]string // by object id; "" is the one that was asked for
	err     error
	asked   []graph.Access
}

func (f *fakeMailboxes) Mailbox(_ context.Context, as graph.Access, _ string) (graph.Mailbox, error) {
	f.asked = append(f.asked, as)
	if f.err != nil {
		return graph.Mailbox{}, f.err
	}
	return graph.Mailbox{Address: f.address[as.ObjectID]}, nil
}

// plainTokens seals nothing, but says for whom.
type plainTokens struct{}

func (plainTokens) SealTokens(organization string, connection key.Key, tenant, objectID string, cache []byte) []byte {
	return []byte(strings.Join([]string{organization, connection.String(), tenant, objectID, string(cache)}, "\n"))
}

// account makes somebody who can sign in, with a mailbox.
func (s *site) account(tenant, object, address string, granted ...string) identity.SignedIn {
	if len(granted) == 0 {
		granted = []string{"Calendars.ReadWrite"}
	}
	if s.boxes.address == nil {
		s.boxes.address = map[string]string{}
	}
	s.boxes.address[object] = address
	return identity.SignedIn{Tenant: tenant, ObjectID: object, Name: "Name of " + address, UserName: address, Granted: granted,
		AccessToken: markedAccess, Cache: []byte(markedCache)}
}

const (
	objectVera    = "aaaaaaaa-0000-0000-0000-000000000001"
	objectBob     = "aaaaaaaa-0000-0000-0000-000000000002"
	objectMallory = "aaaaaaaa-0000-0000-0000-000000000003"
)

// vera is the person whom links of this rig are for.
func (s *site) vera() identity.SignedIn { return s.account(contoso, objectVera, "vera@acme.example") }

// connectable is a site whose organisation acme has consented, with Vera announced.
func connectable(t testing.TB, settings map[string]any) *site {
	t.Helper()
	s := newSite(t)
	all := map[string]any{"module": true, "sync": true}
	for k, v := range settings {
		all[k] = v
	}
	s.organize("acme", all)
	s.bind("acme", contoso)
	name, email := "Vera Virtanen", "vera@acme.example"
	if err := s.engine.Announce(context.Background(), "acme", []announce.Person{{User: "u-17", Name: &name, Email: &email}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) bind(id, tenant string) {
	s.t.Helper()
	_, err := s.orgs.Change(context.Background(), id, func(current *organization.Organization, _ string) (organization.Organization, error) {
		return current.Bind(tenant, s.now)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// leave takes a browser from the apps page to Microsoft.
func (b *browser) leave(apps shown, button string, set ...string) url.Values {
	b.t.Helper()
	start := b.get(apps.href(button))
	return b.press(start, "Continue to Microsoft", set...).away("authorize")
}

// returns comes back from Microsoft as somebody.
func (b *browser) returns(q url.Values, who identity.SignedIn) shown {
	b.t.Helper()
	b.entra.people["code-"+who.ObjectID] = who
	return b.get("/api/connect/callback?" + url.Values{"code": {"code-" + who.ObjectID}, "state": {q.Get("state")}, "session_state": {"x"}}.Encode())
}

// fails comes back from Microsoft with an error.
func (b *browser) fails(q url.Values, pairs ...string) shown {
	b.t.Helper()
	values := url.Values{"state": {q.Get("state")}}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return b.get("/api/connect/callback?" + values.Encode())
}

// href is where a link leads whose text begins so.
func (p shown) href(text string) string {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if to, ok := attr(n, "href"); ok && n.Data == "a" && strings.HasPrefix(strings.TrimSpace(textOf(n)), text) {
			return to
		}
	}
	p.t.Fatalf("no link %q on\n%s", text, p.Body)
	return ""
}

// connections are a person's, from the tables.
func (s *site) connections(user string) []connection.Connection {
	s.t.Helper()
	all, err := s.engine.Connections(context.Background(), "acme", user)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// veras is a browser with Vera's apps page open.
func (s *site) veras() (*browser, shown) {
	s.t.Helper()
	b := s.browser()
	return b, b.enter(s.link(state.LinkUser, nil))
}

// linkOf changes a request to be for somebody else.
func linkOf(user, email string) func(*link.Request) {
	return func(r *link.Request) { r.User, r.Email = user, email }
}

// dies puts a connection into a state, as a refresh that failed does.
func (s *site) dies(c connection.Connection, to connection.State, cause string) {
	s.t.Helper()
	rows := state.NewConnections(s.store)
	row, err := rows.Get(context.Background(), "acme", c.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	row.State, row.Cause, row.Correlation, row.Since = to, cause, "c0ffee00-1111-2222-3333-444444444444", s.now
	if _, err := rows.Put(context.Background(), row.Connection, row.Sealed, row.ETag); err != nil {
		s.t.Fatal(err)
	}
}

// noTokensInFlows looks for anything that is sealed in the row of an attempt.
func (s *site) noTokensInFlows(q url.Values) {
	s.t.Helper()
	id, _, _ := strings.Cut(q.Get("state"), ".")
	f, err := s.flows.Get(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(f.Sealed) != 0 {
		s.t.Errorf("the attempt still holds %q", f.Sealed)
	}
}

// computedByConnect are the beginnings of keys of endings, doubts and the like; that
// each has its texts is TestEveryEnding….
var computedByConnect = []string{"end.", "why.", "doubt.", "seen.", "scope.", "ask.", "owner.", "state.", "done.", "color."}
