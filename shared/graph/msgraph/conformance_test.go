package msgraph_test

import (
	"errors"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/identity"
)

const client = "33333333-3333-4333-8333-333333333333"

// wired is the client with real tokens over HTTP to the simulator.
type wired struct {
	*msgraph.Client
	sim *m365.Server
}

func wire(t *testing.T) wired {
	t.Helper()
	sim := m365.New(&m365.Options{Seed: 7})
	sim.AddTenant(graphworld.Tenant)
	sim.AddTenant(graphworld.Foreign)
	sim.Entra.Register(entra.App{ID: client, Secrets: []string{"s3cret"}})
	sim.Entra.Consent(graphworld.Tenant, client, "Calendars.ReadWrite")
	if err := sim.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	app, err := identity.New(client, identity.Secret("s3cret"), &identity.Options{
		Authority: sim.URL(), GraphEndpoint: sim.URL(), Now: sim.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := msgraph.New(msgraph.NewTokens(app, nil), &msgraph.Options{Endpoint: sim.URL(), Now: sim.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return wired{c, sim}
}

func TestTheClientPassesTheSuiteOverHTTP(t *testing.T) {
	graphtest.Run(t, func(t *testing.T) graphtest.Harness {
		w := wire(t)
		world := graphworld.New(t, w.sim.Exchange, graphworld.Rules{T: t, Set: w.sim.GraphFaults})
		return world.Harness(w)
	})
}

func calls(n int) []graph.Call {
	var all []graph.Call
	for i := range n {
		call := flight(i)
		call.Mailbox = graphworld.Mailbox
		all = append(all, call)
	}
	return all
}

func TestARevokedTokenIsReplacedOnce(t *testing.T) {
	for _, n := range []int{1, 3} {
		w := wire(t)
		world := graphworld.New(t, w.sim.Exchange, nil)
		w.must(t, w.Do(t.Context(), graph.AppAccess(graphworld.Tenant), calls(n)))
		before := w.sim.Entra.Requests()
		w.sim.Entra.Revoke(graphworld.Tenant, client)
		w.must(t, w.Do(t.Context(), graph.AppAccess(graphworld.Tenant), calls(n)))
		if got := w.sim.Entra.Requests() - before; got != 1 {
			t.Errorf("%d token requests, want 1", got)
		}
		if got := len(world.Events(graphworld.Mailbox)); got != n {
			t.Errorf("%d events, want %d", got, n)
		}
	}
}

func (w wired) must(t *testing.T, results []graph.Result) {
	t.Helper()
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("%v (cause %v)", r.Err, r.Err.Cause)
		}
	}
}

func TestEntrasOutageIsTransientAndAWrongSecretAnAlarm(t *testing.T) {
	w := wire(t)
	graphworld.New(t, w.sim.Exchange, nil)
	id, err := w.sim.EntraFaults.Add(faults.Rule{Effect: faults.Answer, Status: 503, RetryAfter: 9})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.Do(t.Context(), graph.AppAccess(graphworld.Tenant), calls(2)) {
		if r.Err == nil || r.Err.Kind != graph.Transient || r.Err.RetryAfter != 9*time.Second || r.Err.Unanswered {
			t.Errorf("outage: %+v", r.Err)
		}
	}
	w.sim.EntraFaults.Remove(id)
	w.sim.Entra.Register(entra.App{ID: client, Secrets: []string{"rotated"}})
	r := w.Do(t.Context(), graph.AppAccess(graphworld.Tenant), calls(1))[0]
	var refusal *identity.TokenError
	if r.Err == nil || r.Err.Kind != graph.Unauthorised || r.Err.Reason != "" || r.Err.Code != "invalid_client" || !errors.As(r.Err, &refusal) {
		t.Errorf("wrong secret: %+v", r.Err)
	}
}

func TestEveryShapeOfErrorBodyIsSurvived(t *testing.T) {
	for _, body := range []string{faults.Normal, faults.NoMessage, faults.HTML, faults.Empty, faults.Broken} {
		for _, n := range []int{1, 3} {
			w := wire(t)
			graphworld.New(t, w.sim.Exchange, nil)
			if _, err := w.sim.GraphFaults.Add(faults.Rule{Effect: faults.Answer, Status: 500, Body: body}); err != nil {
				t.Fatal(err)
			}
			for _, r := range w.Do(t.Context(), graph.AppAccess(graphworld.Tenant), calls(n)) {
				if r.Err == nil || r.Err.Kind != graph.Transient || r.Err.Status != 500 || r.Err.Unanswered {
					t.Errorf("body %q, %d calls: %+v", body, n, r.Err)
				}
			}
		}
	}
}
