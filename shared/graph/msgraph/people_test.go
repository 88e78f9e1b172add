package msgraph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/key"
)

// ended is the refusal of a refresh token that was not used for 90 days.
type ended struct{}

func (ended) Error() string { return "AADSTS700082" }
func (ended) TokenFailure() (string, []int, int, time.Duration) {
	return "invalid_grant", []int{700082}, 400, 0
}

// peoplesTokens gives the token of graphworld's Own.
type peoplesTokens struct{ fresh int }

func (p *peoplesTokens) Token(_ context.Context, as graph.Access, fresh bool) (string, error) {
	if fresh {
		p.fresh++
	}
	if as.Connection == graphworld.Own {
		return graphworld.Token, nil
	}
	return "", ended{}
}

// noApp is an app to which nothing was granted.
type noApp struct{}

func (noApp) Token(context.Context, string, bool) (string, error) { return "", errors.New("no token") }

// signedIn checks tokens of graphworld's owner of Mailbox, and nobody else's.
type signedIn struct{ world *graphworld.World }

func (s signedIn) Check(authorization, _ string) (graphapi.Caller, error) {
	switch strings.TrimPrefix(authorization, "Bearer ") {
	case graphworld.Token:
		return graphapi.Caller{Tenant: graphworld.Tenant, User: s.world.ObjectID(), Scopes: []string{"Calendars.ReadWrite"}}, nil
	case "app":
		return graphapi.Caller{Tenant: graphworld.Tenant, App: client}, nil
	}
	return graphapi.Caller{}, &graphapi.Refusal{Message: "no token"}
}

type appWithoutGrant struct{}

func (appWithoutGrant) Token(context.Context, string, bool) (string, error) { return "app", nil }

func TestTheClientPassesTheCasesOfPeopleOverHTTP(t *testing.T) {
	graphtest.RunPerson(t, func(t *testing.T) graphtest.Person {
		store := exchange.New(time.Now, exchange.Switches{})
		world := graphworld.New(t, store, nil)
		api := httptest.NewServer(graphapi.New(store, signedIn{world}, time.Now, nil))
		t.Cleanup(api.Close)
		c, err := msgraph.New(msgraph.NewTokens(appWithoutGrant{}, &peoplesTokens{}), &msgraph.Options{Endpoint: api.URL})
		if err != nil {
			t.Fatal(err)
		}
		return world.Person(c)
	})
}

// A person's calls name their object id, whatever mailbox the call names; the app's
// name the call's (I7).
func TestThePathNamesWhoSignedIn(t *testing.T) {
	s, c := serve(t, answerWith(201, made))
	person := graph.Access{Tenant: tenant, Connection: key.Of("connection", "c"), ObjectID: "0a0a0a0a-0000-4000-8000-00000000000a"}
	handed := graph.Access{Tenant: tenant, ObjectID: person.ObjectID, Token: "theirs"}
	unknown := graph.Access{Tenant: tenant, Token: "theirs"}
	for _, tt := range []struct {
		as   graph.Access
		path string
	}{
		{person, "/v1.0/users/0a0a0a0a-0000-4000-8000-00000000000a/events"},
		{handed, "/v1.0/users/0a0a0a0a-0000-4000-8000-00000000000a/events"},
		{unknown, "/v1.0/users/aino%20o%27hara%2Bx%40acme.example/events"},
		{graph.AppAccess(tenant), "/v1.0/users/aino%20o%27hara%2Bx%40acme.example/events"},
	} {
		if r := c.Do(t.Context(), tt.as, []graph.Call{flight(1)})[0]; r.Err != nil {
			t.Errorf("%v: %v", tt.as, r.Err)
		}
		if seen := s.requests(); seen[len(seen)-1].URL != tt.path {
			t.Errorf("%v: %s, want %s", tt.as, seen[len(seen)-1].URL, tt.path)
		}
	}
}

// A token that is handed over is used as it is, and never renewed.
func TestATokenThatIsHandedOverIsNeverRenewed(t *testing.T) {
	s, c := serve(t, answerWith(401, `{"error":{"code":"InvalidAuthenticationToken","message":"expired"}}`))
	handed := graph.Access{Tenant: tenant, ObjectID: "0a0a0a0a-0000-4000-8000-00000000000a", Token: "theirs"}
	for n := 1; n <= 2; n++ {
		before := len(s.requests())
		for _, r := range c.Do(t.Context(), handed, []graph.Call{flight(1), flight(2)}[:n]) {
			if r.Err == nil || r.Err.Kind != graph.Unauthorised {
				t.Errorf("%v, want unauthorised", r.Err)
			}
		}
		seen := s.requests()[before:]
		if len(seen) != 1 || seen[0].Header.Get("Authorization") != "Bearer theirs" || s.tokens.fresh.Load() != 0 {
			t.Errorf("%d requests, %d fresh tokens", len(seen), s.tokens.fresh.Load())
		}
	}
}

// After a 401 a person's token is renewed once, as the app's is.
func TestAPersonsTokenIsRenewedOnceAfterARefusal(t *testing.T) {
	p := &peoplesTokens{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerWith(401, `{"error":{"code":"InvalidAuthenticationToken","message":"expired"}}`)(w, sent{})
	}))
	t.Cleanup(api.Close)
	c, err := msgraph.New(msgraph.NewTokens(noApp{}, p), &msgraph.Options{Endpoint: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	own := graph.Access{Tenant: tenant, Connection: graphworld.Own, ObjectID: "0a0a0a0a-0000-4000-8000-00000000000a"}
	if r := c.Do(t.Context(), own, []graph.Call{flight(1)})[0]; r.Err == nil || r.Err.Kind != graph.Unauthorised || p.fresh != 1 {
		t.Errorf("%v, %d fresh tokens", r.Err, p.fresh)
	}
}

// Without somebody who gives people's tokens none is guessed at.
func TestWithoutPeoplesTokensAConnectionCallsNobody(t *testing.T) {
	s, _ := serve(t, answerWith(201, made))
	c, err := msgraph.New(msgraph.NewTokens(noApp{}, nil), &msgraph.Options{Endpoint: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Do(t.Context(), graph.Access{Tenant: tenant, Connection: graphworld.Own}, []graph.Call{flight(1)})[0]
	if r.Err == nil || r.Err.Kind != graph.Transient || len(s.requests()) > 0 {
		t.Errorf("%v, %d requests", r.Err, len(s.requests()))
	}
}

// No format prints a token.
func TestAnAccessIsPrintedWithoutItsToken(t *testing.T) {
	secret := graph.Access{Tenant: tenant, ObjectID: "oid", Token: "s3cr3t-token"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, secret); strings.Contains(text, "s3cr3t") {
			t.Errorf("%s prints the token", format)
		}
	}
}
