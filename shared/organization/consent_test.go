package organization_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/organization"
)

const (
	acme     = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01"
	victim   = "7c1e9a52-4f0d-4c7f-b1d5-2a63a1f0c902"
	global   = "62e90394-69f5-4237-9190-012177145e10"
	cloudApp = "158c047a-c907-4556-b7ef-446551a6b5f7"
	attempt  = "abcdefghijklmnopqrstuvwxyz"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func organisation(t testing.TB, document string) organization.Organization {
	t.Helper()
	o, faults := organization.Decode([]byte(document))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return o.WithID("acme")
}

// confirmed is an administrator's confirmed offer.
func confirmed(tenant string, wids ...string) organization.Offer {
	return organization.Offer{Attempt: attempt, Tenant: tenant, Wids: wids, Confirmed: true, Domain: "acme.example",
		Scopes: []string{"Calendars.ReadWrite", "User.Read"}}
}

// identity.md section 2, steps 5 and 6.
func TestATenantIsBoundOnlyByTheRules(t *testing.T) {
	const travel, training = `{"profile":"travel"}`, `{"profile":"training"}`
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
	with := func(f organization.Offer, change func(*organization.Offer)) organization.Offer {
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		o     organization.Organization
		offer organization.Offer
		want  organization.Outcome
		state string
	}{
		"the tenant that the operator expects": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`), confirmed(acme), organization.Bound, "granted"},
		"a domain that Entra says is the tenant's": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"acme.example"}}`),
			with(confirmed(acme), func(f *organization.Offer) { f.ExpectedTenant = acme }), organization.Bound, "granted"},
		"a domain of which Entra says nothing, though the user name has it": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"acme.example"}}`), confirmed(acme), organization.PendingApproval, "pending-approval"},
		"a domain of another tenant, though the user name has it": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"acme.example"}}`),
			with(confirmed(victim, global), func(f *organization.Offer) { f.ExpectedTenant = acme }), organization.UnexpectedTenant, "none"},
		"another tenant than the operator expects": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`), confirmed(victim, global), organization.UnexpectedTenant, "none"},
		"an administrator, and the org admin in the same tenant": {
			proved(organisation(t, travel), acme), confirmed(acme, cloudApp), organization.Bound, "granted"},
		"an administrator alone": {
			organisation(t, travel), confirmed(acme, global), organization.NeedsOrgAdmin, "pending-approval"},
		"the forwarded link: the attacker's org admin is in the attacker's tenant": {
			proved(organisation(t, travel), acme), confirmed(victim, global), organization.NeedsOrgAdmin, "pending-approval"},
		"the employee who forges the callback": {
			proved(organisation(t, travel), victim), confirmed(victim), organization.PendingApproval, "pending-approval"},
		"a role that cannot consent to application permissions": {
			proved(organisation(t, training), acme), confirmed(acme, cloudApp), organization.PendingApproval, "pending-approval"},
		"a role that can": {
			proved(organisation(t, training), acme), confirmed(acme, global), organization.Bound, "granted"},
		"nobody has confirmed": {
			proved(organisation(t, travel), acme), with(confirmed(acme, global), func(f *organization.Offer) { f.Confirmed = false }), organization.NeedsConfirmation, "none"},
		"bound to another tenant": {
			bound(organisation(t, travel), victim), confirmed(acme, global), organization.BoundElsewhere, "granted"},
		"renewed by the tenant's administrator": {
			bound(organisation(t, travel), acme), confirmed(acme, global), organization.Bound, "granted"},
		"renewed by an employee": {
			bound(organisation(t, travel), acme), confirmed(acme), organization.PendingApproval, "granted"},
		"a second organisation of the tenant, its administrator agrees": {
			proved(organisation(t, travel), acme), with(confirmed(acme, global), func(f *organization.Offer) { f.Others = 1 }), organization.Bound, "granted"},
		"a second organisation of the tenant, an employee agrees": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`),
			with(confirmed(acme), func(f *organization.Offer) { f.Others = 1 }), organization.PendingApproval, "pending-approval"},
		"personal accounts": {
			organisation(t, travel), confirmed(organization.ConsumerTenant, global), organization.UnexpectedTenant, "none"},
		"not a GUID": {
			organisation(t, travel), confirmed("acme.example", global), organization.UnexpectedTenant, "none"},
		"the GUID in capitals": {
			organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`), confirmed("3D5C2D4E-90FE-4F5C-8F1E-9F6A6F2F7A01"), organization.Bound, "granted"},
	} {
		was := c.o.State.Tenant
		next, outcome := c.o.OfferConsent(c.offer, noon)
		if outcome != c.want || next.State.Consent != c.state {
			t.Errorf("%s: %s and %s, want %s and %s", name, outcome, next.State.Consent, c.want, c.state)
		}
		if outcome != organization.Bound && next.State.Tenant != was {
			t.Errorf("%s: bound to %q", name, next.State.Tenant)
		}
		if outcome == organization.Bound && (next.State.Tenant != acme || next.State.BoundBy != "consent" || next.State.Evidence != "callback" ||
			!next.State.ConsentedAt.Equal(noon) || next.State.PermissionSet != organization.PermissionSet || next.State.Attempt.Pending()) {
			t.Errorf("%s: %+v", name, next.State)
		}
	}
}

func TestAConsentThatWaitsForTheOrgAdminIsBoundByTheirSignIn(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel"}`).OfferConsent(confirmed(acme, global), noon)
	if next, outcome := o.ProveAdmin(victim, noon); outcome != organization.Unchanged || next.State.Tenant != "" {
		t.Errorf("a sign-in to another tenant: %s, %+v", outcome, next.State)
	}
	next, outcome := o.ProveAdmin(acme, noon.Add(time.Hour))
	if outcome != organization.Bound || next.State.Tenant != acme || !next.State.ConsentedAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("%s, %+v", outcome, next.State)
	}
	again, outcome := next.ProveAdmin(acme, noon.Add(2*time.Hour))
	if outcome != organization.Unchanged || !cmp.Equal(again.State, next.State) {
		t.Errorf("again: %s %s", outcome, cmp.Diff(next.State, again.State))
	}
}

func TestAnEmployeesOfferIsNotBoundByTheOrgAdminsSignIn(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel"}`).OfferConsent(confirmed(victim), noon)
	if next, outcome := o.ProveAdmin(victim, noon); outcome == organization.Bound || next.State.Tenant != "" {
		t.Errorf("%s, %+v", outcome, next.State)
	}
}

func TestADecisionIsOfOneAttempt(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel"}`).OfferConsent(confirmed(acme), noon)
	if _, err := o.DecideConsent("another", true, noon); !errors.Is(err, organization.ErrNotPending) {
		t.Errorf("another attempt: %v", err)
	}
	if _, err := organisation(t, `{"profile":"travel"}`).DecideConsent("", false, noon); !errors.Is(err, organization.ErrNotPending) {
		t.Errorf("nothing pending: %v", err)
	}
	yes, err := o.DecideConsent(attempt, true, noon)
	if err != nil || yes.State.Tenant != acme || yes.State.BoundBy != "consent" {
		t.Fatalf("%v, %+v", err, yes.State)
	}
	if again, err := yes.DecideConsent(attempt, true, noon.Add(time.Hour)); err != nil || !cmp.Equal(again.State, yes.State) {
		t.Errorf("again: %v %s", err, cmp.Diff(yes.State, again.State))
	}
	if _, err := yes.DecideConsent(attempt, false, noon); !errors.Is(err, organization.ErrNotPending) {
		t.Errorf("the opposite: %v", err)
	}
	no, err := o.DecideConsent(attempt, false, noon)
	if err != nil || no.State.Tenant != "" || no.State.Consent != "none" || no.State.Attempt.Pending() {
		t.Errorf("%v, %+v", err, no.State)
	}
	if _, err := no.DecideConsent(attempt, true, noon); !errors.Is(err, organization.ErrNotPending) {
		t.Errorf("approved after the refusal: %v", err)
	}
}

func TestAnApprovalFindsTheTenantTakenOrUnexpectedByNow(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel"}`).OfferConsent(confirmed(acme), noon)
	moved := o
	moved.State.Tenant = victim
	if _, err := moved.DecideConsent(attempt, true, noon); !errors.Is(err, organization.ErrTenantBound) {
		t.Errorf("bound: %v", err)
	}
	o.ExpectedTenant = victim
	if _, err := o.DecideConsent(attempt, true, noon); !errors.Is(err, organization.ErrUnexpectedTenant) {
		t.Errorf("unexpected: %v", err)
	}
}

func TestAnAttemptThatBeginsTakesNoOfferAway(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel"}`).OfferConsent(confirmed(acme), noon)
	if next := o.BeginConsent("another", noon); next.State.Attempt.ID != attempt || next.State.Consent != "pending-approval" {
		t.Errorf("%+v", next.State)
	}
	o = organisation(t, `{"profile":"travel"}`).BeginConsent("first", noon)
	if o.State.Consent != "started" || o.State.Attempt.ID != "first" {
		t.Errorf("%+v", o.State)
	}
	if next := o.FailConsent("older", "access_denied"); next.State.Attempt.Failed != "" {
		t.Error("an attempt that is not the last one failed")
	}
	if next := o.FailConsent("first", "access_denied"); next.State.Attempt.Failed != "access_denied" || next.State.Consent != "started" {
		t.Errorf("%+v", next.State)
	}
}

// Invariant I7 as a law: whatever happens in whatever order, a tenant is bound by the
// operator, by the function key, by an expectation, or by two sign-ins.
func TestNoHistoryBindsATenantWithoutAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tenants := []string{acme, victim}
		pick := rapid.SampledFrom(tenants)
		document := rapid.SampledFrom([]string{`{"profile":"travel"}`, `{"profile":"training"}`,
			`{"profile":"travel","tenant":{"expected":"` + acme + `"}}`,
			`{"profile":"planning"}`, `{"profile":"planning","tenant":{"expected":"` + acme + `"}}`}).Draw(t, "settings")
		o, _ := organization.Decode([]byte(document))
		o = o.WithID("acme")
		role, admin, approved := map[string]bool{}, map[string]bool{}, map[string]bool{}
		at := noon
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			at = at.Add(time.Minute)
			was := o.State.Tenant
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				o = o.BeginConsent("begun", at)
			case 1, 2:
				f := confirmed(pick.Draw(t, "tenant"), rapid.SampledFrom([]string{"", global}).Draw(t, "wid"))
				f.Confirmed, f.Others = rapid.Bool().Draw(t, "confirmed"), rapid.IntRange(0, 1).Draw(t, "others")
				role[f.Tenant] = role[f.Tenant] || f.Wids[0] != ""
				o, _ = o.OfferConsent(f, at)
			case 3:
				tenant := pick.Draw(t, "tenant")
				admin[tenant] = true
				o, _ = o.ProveAdmin(tenant, at)
			case 4:
				pending := o.State.Attempt.Tenant
				next, err := o.DecideConsent(attempt, rapid.Bool().Draw(t, "approve"), at)
				if err == nil {
					approved[pending] = approved[pending] || next.State.Tenant == pending
					o = next
				}
			case 5:
				o = o.Unbind()
				admin = map[string]bool{} // asked anew
				was = ""
			}
			now := o.State.Tenant
			if now == was || now == "" {
				continue
			}
			if was != "" {
				t.Fatalf("from %s to %s without being unbound", was, now)
			}
			if now != o.ExpectedTenant && !approved[now] && !(role[now] && admin[now]) {
				t.Fatalf("bound to %s by nobody", now)
			}
			approved = map[string]bool{}
		}
	})
}

func TestAScopedConsentIsGrantedByItsProbes(t *testing.T) {
	o, outcome := organisation(t, `{"profile":"training","consent":"scoped","tenant":{"expected":"`+acme+`"}}`).OfferConsent(confirmed(acme), noon)
	if outcome != organization.Bound || o.State.Consent != "started" || o.State.Consented() || o.State.PermissionSet != 0 || o.State.Evidence != "" {
		t.Fatalf("%s, %+v", outcome, o.State)
	}
	const read, refused, unclear = organization.ProbeRead, organization.ProbeRefused, organization.ProbeUnclear
	for _, c := range []struct {
		inside, outside organization.Probe
		want            organization.ScopeProof
	}{
		{read, refused, organization.ScopeProven}, {read, read, organization.ScopeTooWide}, {refused, refused, organization.ScopeNarrow},
		{refused, read, organization.ScopeNarrow}, {read, unclear, organization.ScopeUnclear}, {unclear, refused, organization.ScopeUnclear},
		{unclear, unclear, organization.ScopeUnclear},
	} {
		next, proof := o.ProveScope(c.inside, c.outside, noon)
		if proof != c.want || next.State.Consented() != (c.want == organization.ScopeProven) {
			t.Errorf("%s and %s: %s, %+v", c.inside, c.outside, proof, next.State)
		}
		if proof == organization.ScopeProven && next.State.Evidence != "probe" {
			t.Errorf("evidence %q", next.State.Evidence)
		}
	}
	if next := o.Prove("probe", nil); next.State.Consented() {
		t.Error("one probe granted a scoped consent")
	}
	proven, _ := o.ProveScope(read, refused, noon)
	again, outcome := proven.OfferConsent(confirmed(acme, global), noon.Add(time.Hour))
	if outcome != organization.Bound || again.State.Consent != "granted" || again.State.Evidence != "probe" {
		t.Errorf("an administrator who signs in again: %s, %+v", outcome, again.State)
	}
}

func TestEvidenceOnlyGrowsStronger(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`).OfferConsent(confirmed(acme), noon)
	o = o.Prove("silent", []string{"Calendars.ReadWrite"})
	if o.State.Evidence != "silent" || !cmp.Equal(o.State.GrantedScopes, []string{"Calendars.ReadWrite"}) {
		t.Errorf("%+v", o.State)
	}
	o = o.Prove("callback", []string{"Calendars.Read"})
	if o.State.Evidence != "silent" || !cmp.Equal(o.State.GrantedScopes, []string{"Calendars.ReadWrite"}) {
		t.Errorf("weaker evidence: %+v", o.State)
	}
	if o = o.Prove("probe", nil); o.State.Evidence != "probe" || !cmp.Equal(o.State.GrantedScopes, []string{"Calendars.ReadWrite"}) {
		t.Errorf("%+v", o.State)
	}
	if unbound := organisation(t, `{"profile":"travel"}`).Prove("probe", nil); unbound.State.Evidence != "" {
		t.Error("evidence of a consent that nobody gave")
	}
}

func TestAConsentToAnOlderSetIsOutdatedAndWorksOn(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`).OfferConsent(confirmed(acme), noon)
	o.State.PermissionSet = organization.PermissionSet - 1
	old, err := organization.Restore("acme", o.Document, o.State)
	if err != nil || old.State.Consent != "consent-outdated" || !old.State.Consented() {
		t.Fatalf("%v, %+v", err, old.State)
	}
	if added := organization.Added(old.State.PermissionSet); !cmp.Equal(added, []string{"Calendars.ReadWrite"}) {
		t.Errorf("the page lists %v", added)
	}
	if added := organization.Added(organization.PermissionSet); len(added) != 0 {
		t.Errorf("the page of today's consent lists %v", added)
	}
	if renewed, outcome := old.OfferConsent(confirmed(acme, global), noon); outcome != organization.Bound || renewed.State.Consent != "granted" {
		t.Errorf("%s, %+v", outcome, renewed.State)
	}
}

func TestAnotherPermissionNeedsAnotherConsent(t *testing.T) {
	o, _ := organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`).OfferConsent(confirmed(acme), noon)
	same, err := o.Replace(organisation(t, `{"profile":"travel","sync":true}`))
	if err != nil || same.State.Consent != "granted" {
		t.Errorf("another setting: %v, %+v", err, same.State)
	}
	next, err := o.Replace(organisation(t, `{"profile":"training"}`))
	if err != nil || next.State.Consent != "consent-outdated" || next.State.Tenant != acme {
		t.Errorf("another permission: %v, %+v", err, next.State)
	}
	wide, _ := organisation(t, `{"profile":"training","tenant":{"expected":"`+acme+`"}}`).OfferConsent(confirmed(acme, global), noon)
	narrow, err := wide.Prove("probe", nil).Replace(organisation(t, `{"profile":"training","consent":"scoped"}`))
	if err != nil || narrow.State.Consent != "consent-outdated" || narrow.State.Evidence != "" || !narrow.State.Consented() {
		t.Errorf("limited in Exchange by now: %v, %+v", err, narrow.State)
	}
	if proven, proof := narrow.ProveScope(organization.ProbeRead, organization.ProbeRefused, noon); proof != organization.ScopeProven || proven.State.Consent != "granted" {
		t.Errorf("%s, %+v", proof, proven.State)
	}
	byHand, _ := organisation(t, `{"profile":"travel"}`).Bind(acme, noon)
	if next, err := byHand.Replace(organisation(t, `{"profile":"training"}`)); err != nil || next.State.Consent != "granted" {
		t.Errorf("bound by the operator: %v, %+v", err, next.State)
	}
}

func TestABindingKeepsWhatElseIsKnown(t *testing.T) {
	o := organisation(t, `{"profile":"travel","tenant":{"expected":"`+acme+`"}}`)
	o.State.Removing, o.State.RecoveredAt = true, noon
	if o, _ = o.OfferConsent(confirmed(acme), noon); !o.State.Removing || !o.State.RecoveredAt.Equal(noon) {
		t.Errorf("%+v", o.State)
	}
}

func TestWhatIsAskedForIsTheUnionOfTheTenantsOrganisations(t *testing.T) {
	need := func(document string, directions ...connection.Direction) organization.Need {
		return organization.Need{Organization: organisation(t, document), Directions: directions}
	}
	const travel, training, planning = `{"profile":"travel"}`, `{"profile":"training"}`, `{"profile":"planning"}`
	for name, c := range map[string]struct {
		own    organization.Need
		others []organization.Need
		want   organization.Ask
	}{
		"nobody is connected yet":      {need(travel), nil, organization.Ask{Scopes: []string{"Calendars.ReadWrite", "User.Read"}}},
		"every direction is down":      {need(planning, "down", "none"), nil, organization.Ask{Scopes: []string{"Calendars.Read", "User.Read"}}},
		"one direction is not":         {need(planning, "down", "both"), nil, organization.Ask{Scopes: []string{"Calendars.ReadWrite", "User.Read"}}},
		"another organisation writes":  {need(planning, "down"), []organization.Need{need(travel)}, organization.Ask{Scopes: []string{"Calendars.ReadWrite", "User.Read"}}},
		"another uses the application": {need(planning, "down"), []organization.Need{need(training)}, organization.Ask{Scopes: []string{"Calendars.Read", "User.Read"}}},
		"the application":              {need(training), nil, organization.Ask{Application: true}},
		"the application, and another's people": {need(training), []organization.Need{need(travel)},
			organization.Ask{Application: true, Then: []string{"Calendars.ReadWrite", "User.Read"}}},
		"limited in Exchange": {need(`{"profile":"training","consent":"scoped"}`), nil, organization.Ask{SignInOnly: true}},
	} {
		if diff := cmp.Diff(c.want, organization.AskFor(c.own, c.others)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
