package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
)

func TestASecondTenantsConsentOfAnOrganisationOfAnyIsKeptAndBindsNothing(t *testing.T) {
	o := newOnboarding(t)
	o.put("plan", `{"profile":"planning","sync":true}`)
	o.bind("plan", world.Tenant)
	before := o.state("plan")
	o.now = o.now.Add(time.Hour)
	for range 2 {
		if r := o.offer("plan", victim, global); r.Outcome != organization.Allowed || !r.Allows || len(r.Missing) > 0 {
			t.Fatalf("%+v", r)
		}
		o.now = o.now.Add(time.Minute)
	}
	after := o.state("plan")
	want := []organization.Allowance{{Tenant: victim, Domain: "acme.example", At: o.now.Add(-2 * time.Minute), Attempt: attempt,
		Scopes: []string{"Calendars.ReadWrite", "User.Read"}}}
	if diff := cmp.Diff(want, after.Allowed); diff != "" {
		t.Errorf("allowed (-want +got)\n%s", diff)
	}
	after.Allowed = nil
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what is bound has changed (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bind operator " + world.Tenant + " ", "allow consent " + victim + " " + attempt}, o.ledger("plan")); diff != "" {
		t.Error(diff)
	}
	if len(o.tasks()) != 0 {
		t.Errorf("owed %v", o.tasks())
	}
}

// What another tenant needs is none of this one's business; what organisations of the same
// tenant need is.
func TestWhatATenantsPeopleWereAllowedIsInTheUnionOfItsNextConsent(t *testing.T) {
	o := newOnboarding(t)
	o.put("plan", `{"profile":"planning"}`)
	o.bind("plan", world.Tenant)
	o.put("travel", travel)
	o.bind("travel", world.Tenant)
	ask, err := o.engine().ConsentAsk(t.Context(), "plan")
	if want := (organization.Ask{Scopes: []string{"Calendars.ReadWrite", "User.Read"}}); err != nil || !cmp.Equal(ask, want) {
		t.Errorf("%v, %+v", err, ask)
	}
	if r := o.offer("plan", victim, global); r.Outcome != organization.Allowed {
		t.Fatalf("%+v", r)
	}
	// An application consent of that tenant may replace what its people were allowed.
	o.put("training", `{"profile":"training","tenant":{"expected":"`+victim+`"}}`)
	ask, err = o.engine().ConsentAsk(t.Context(), "training")
	if want := (organization.Ask{Application: true, Then: []string{"Calendars.ReadWrite", "User.Read"}}); err != nil || !cmp.Equal(ask, want) {
		t.Errorf("%v, %+v", err, ask)
	}
	// But it is nobody's second organisation there.
	if r := o.offer("training", victim, global); r.Outcome != organization.Bound || r.Shared || len(r.Others) > 0 {
		t.Errorf("%+v", r)
	}
}

// Whoever is connected by probe was read with the app's own token.
func TestAConnectionByProbeIsEvidenceOfTheConsent(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	o, _ := organization.Decode([]byte(`{"profile":"training","sync":true,"tenant":{"expected":"` + world.Tenant + `"}}`))
	o = o.WithID(world.Organization)
	w.Org = &o
	keepOrganization(t, w)
	if _, err := w.Engine().OfferConsent(t.Context(), world.Organization, confirmedOffer(world.Tenant)); err != nil {
		t.Fatal(err)
	}
	if s := readOrganization(t, w); s.Evidence != "callback" {
		t.Fatalf("%+v", s)
	}
	if _, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "u-17", "nobody@acme.example", connection.Up); err == nil || readOrganization(t, w).Evidence != "callback" {
		t.Errorf("nobody: %v, %+v", err, readOrganization(t, w))
	}
	if _, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "u-17", "aino@acme.example", connection.Up); err != nil {
		t.Fatal(err)
	}
	if s := readOrganization(t, w); s.Evidence != "probe" {
		t.Errorf("%+v", s)
	}
}

// "No success since" is a success in the tenant whose consent is in doubt.
func TestAnotherTenantsTokenSaysNothingOfTheConsent(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Delegate("any")
	keepOrganization(t, w)
	required := graph.ClassifyToken("invalid_grant/consent_required", []int{65001}, 400)
	failing := func(user string) connection.Connection {
		t.Helper()
		c, err := w.Connect(t.Context(), user, w.AddAccount(world.Tenant, user+"-2@acme.example"), connection.Both)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Engine().ConnectionFailed(t.Context(), c, required); err != nil {
			t.Fatal(err)
		}
		return c
	}
	failing("aino")
	other, err := w.Connect(t.Context(), "zoe", w.AddAccount(victim, "zoe@globex.example"), connection.Both)
	if err != nil {
		t.Fatal(err)
	}
	before := readOrganization(t, w)
	renewal := `{"v":1,"op":"keepalive","organization":"` + world.Organization + `","connection":"` + other.ID.String() + `","cause":"test"}`
	if err := w.Engine().Task(t.Context(), queue.Message{ID: "1", Body: []byte(renewal)}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, readOrganization(t, w)); diff != "" || before.Doubt.IsZero() {
		t.Errorf("another tenant's token took the doubt away: %s", diff)
	}
	failing("bert")
	failing("chie")
	if s := readOrganization(t, w); s.Consent != "consent-missing" {
		t.Errorf("%+v", s)
	}
	looks := 0
	for _, m := range w.Broker.Peek(queue.MailboxTasks) {
		if strings.Contains(string(m.Body), `"op":"subscribe","organization":"`+world.Organization+`","cause":"consent"`) {
			looks++
		}
	}
	if looks != 1 {
		t.Errorf("%d looks at the subscriptions", looks)
	}
}
