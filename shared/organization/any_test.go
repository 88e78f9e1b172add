package organization_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/organization"
)

// identity.md section 3: with accounts any nobody has consented for all, and a resource may
// have accounts of several tenants. A tenant's consent is its own people's, and binds
// nothing but what the operator expects.
func TestAnOrganisationOfAnyTenantsAccountsIsAllowedByEachTenantAndBoundByNone(t *testing.T) {
	const planning = `{"profile":"planning"}`
	proved := func(o organization.Organization, tenant string) organization.Organization {
		o, _ = o.ProveAdmin(tenant, noon)
		return o
	}
	bound := func(o organization.Organization, tenant string) organization.Organization {
		o, err := o.Bind(tenant, noon.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	shared := confirmed(acme, global)
	shared.Others = 1
	unconfirmed := confirmed(acme, global)
	unconfirmed.Confirmed = false
	for name, c := range map[string]struct {
		o     organization.Organization
		offer organization.Offer
		want  organization.Outcome
		bound string
	}{
		"its first tenant":                 {organisation(t, planning), confirmed(acme, global), organization.Allowed, ""},
		"by an employee":                   {organisation(t, planning), confirmed(acme), organization.Allowed, ""},
		"the tenant of its admin":          {proved(organisation(t, planning), acme), confirmed(acme, global), organization.Allowed, ""},
		"another than it is bound to":      {bound(organisation(t, planning), victim), confirmed(acme, global), organization.Allowed, victim},
		"another than is expected":         {organisation(t, `{"profile":"planning","tenant":{"expected":"`+victim+`"}}`), confirmed(acme, global), organization.Allowed, ""},
		"one with other organisations":     {organisation(t, planning), shared, organization.Allowed, ""},
		"the one that is expected":         {organisation(t, `{"profile":"planning","tenant":{"expected":"`+acme+`"}}`), confirmed(acme, global), organization.Bound, acme},
		"the one it is bound to":           {bound(organisation(t, planning), acme), confirmed(acme, global), organization.Bound, acme},
		"the one it is bound to, employee": {bound(organisation(t, planning), acme), confirmed(acme), organization.Allowed, acme},
		"nobody has confirmed":             {organisation(t, planning), unconfirmed, organization.NeedsConfirmation, ""},
		"personal accounts":                {organisation(t, planning), confirmed(organization.ConsumerTenant, global), organization.UnexpectedTenant, ""},
		"the application's permission":     {bound(organisation(t, `{"profile":"planning","permission":"application"}`), victim), confirmed(acme, global), organization.BoundElsewhere, victim},
	} {
		o := c.o.BeginConsent(attempt, noon)
		next, outcome := o.OfferConsent(c.offer, noon)
		if outcome != c.want || next.State.Tenant != c.bound || next.State.Attempt.Pending() {
			t.Errorf("%s: %s and %q, want %s and %q", name, outcome, next.State.Tenant, c.want, c.bound)
		}
		want := []organization.Allowance(nil)
		if c.want == organization.Allowed {
			want = []organization.Allowance{{Tenant: acme, Domain: c.offer.Domain, At: noon, Attempt: attempt}}
			if c.o.MayConsent(c.offer.Wids) {
				want[0].Scopes = c.offer.Scopes
			}
			if diff := cmp.Diff(want[0].Scopes, next.GrantedIn(acme)); diff != "" {
				t.Errorf("%s: granted (-want +got)\n%s", name, diff)
			}
			if next.State.Tenant == "" && next.State.Consent != organization.ConsentNone {
				t.Errorf("%s: consent %s", name, next.State.Consent)
			}
		}
		if diff := cmp.Diff(want, next.State.Allowed); diff != "" {
			t.Errorf("%s: allowed (-want +got)\n%s", name, diff)
		}
	}
}

func TestAllowancesAreOnePerTenantTheNewestFirstAndBounded(t *testing.T) {
	o := organisation(t, `{"profile":"planning"}`)
	for i := range 60 {
		o, _ = o.OfferConsent(confirmed(fmt.Sprintf("00000000-0000-0000-0000-%012d", i), global), noon.Add(time.Duration(i)*time.Hour))
	}
	o, _ = o.OfferConsent(confirmed(fmt.Sprintf("00000000-0000-0000-0000-%012d", 30), global), noon.Add(99*time.Hour))
	got := o.State.Allowed
	if len(got) != 50 || got[0].Tenant != "00000000-0000-0000-0000-000000000030" || got[1].Tenant != "00000000-0000-0000-0000-000000000059" {
		t.Errorf("%d, %+v", len(got), got[:2])
	}
}
