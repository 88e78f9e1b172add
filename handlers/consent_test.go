package handlers

import (
	"encoding/json"
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
)

const (
	attempt    = "abcdefghijklmnopqrstuvwxyz"
	someTenant = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01"
)

func (w *world) consents() *engine.Engine {
	return engine.New(engine.Effects{Tables: w.store, Bus: quiet{}, Organizations: fresh{w.orgs}, Calendar: mailboxes{}}, &engine.Options{Now: w.clock.Now})
}

// pending is a world in which an employee without a role came back from Microsoft.
func pending(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"travel"}`)
	r, err := w.consents().OfferConsent(t.Context(), "acme", engine.ConsentOffer{Attempt: attempt, Tenant: someTenant, Domain: "acme.example", Confirmed: true})
	if err != nil || r.Outcome != organization.PendingApproval {
		t.Fatalf("%+v, %v", r, err)
	}
	return w
}

func (w *world) decide(body string) reply {
	return w.web("POST", "/api/organizations/acme/consent", "application/json", body)
}

func (w *world) consent(r reply) (view struct {
	Organization                       string
	Tenant, BoundBy, Consent, Evidence *string
	Attempt                            string
	Offered                            *offered
}) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(r.body), &view); err != nil || r.status != 200 {
		w.t.Fatalf("got %d %s", r.status, r.body)
	}
	return view
}

func TestAPendingConsentIsShownToWhoDecidesIt(t *testing.T) {
	w := pending(t)
	got := w.consent(w.web("GET", "/api/organizations/acme/consent", "", ""))
	if got.Organization != "acme" || *got.Consent != "pending-approval" || got.Tenant != nil || got.Attempt != attempt || got.Offered == nil ||
		got.Offered.Tenant != someTenant || got.Offered.Domain != "acme.example" || got.Offered.AdminRole {
		t.Errorf("got %+v %+v", got, got.Offered)
	}
	w.problem(w.web("GET", "/api/organizations/nobody/consent", "", ""), 404, "not-found")
}

func TestApprovingBindsAndMayBeRepeated(t *testing.T) {
	w := pending(t)
	w.problem(w.decide(`{"decision":"approve","attempt":"bbcdefghijklmnopqrstuvwxyz"}`), 409, "conflict")
	for range 2 {
		got := w.consent(w.decide(`{"decision":"approve","attempt":"` + attempt + `"}`))
		if *got.Consent != "granted" || *got.Tenant != someTenant || *got.BoundBy != "consent" ||
			*got.Evidence != "callback" || got.Attempt != "" || got.Offered != nil {
			t.Errorf("got %+v", got)
		}
	}
	w.problem(w.decide(`{"decision":"refuse","attempt":"`+attempt+`"}`), 409, "conflict")
}

func TestRefusingBindsNothingAndMayBeRepeated(t *testing.T) {
	w := pending(t)
	for range 2 {
		got := w.consent(w.decide(`{"decision":"refuse","attempt":"` + attempt + `"}`))
		if *got.Consent != "none" || got.Tenant != nil || got.Attempt != "" {
			t.Errorf("got %+v", got)
		}
	}
	w.problem(w.decide(`{"decision":"approve","attempt":"`+attempt+`"}`), 409, "conflict")
}

func TestATenantThatTheSettingsNoLongerExpectIsNotApproved(t *testing.T) {
	w := pending(t)
	w.put("acme", `{"profile":"travel","tenant":{"expected":"11111111-2222-3333-4444-555555555555"}}`)
	w.problem(w.decide(`{"decision":"approve","attempt":"`+attempt+`"}`), 409, "conflict")
}

func TestADecisionThatSaysNothingIsRefused(t *testing.T) {
	w := pending(t)
	for body, want := range map[string]string{
		`[]`:                                  " syntax",
		`{}`:                                  "/decision required, /attempt required",
		`{"decision":"yes","attempt":5}`:      "/decision value, /attempt type",
		`{"decision":"approve","attempt":""}`: "/attempt required",
		`{"decision":"refuse","attempt":"x","note":""}`: "/note unknown-member",
	} {
		d := w.problem(w.decide(body), 400, "invalid")
		got := ""
		for i, f := range d.Errors {
			if i > 0 {
				got += ", "
			}
			got += f.Pointer + " " + f.Code
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	w.problem(w.web("DELETE", "/api/organizations/acme/consent", "", ""), 404, "not-found")
}

// With accounts of any tenant each tenant's consent is its own people's.
func TestTheTenantsThatAllowedItAreShown(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"planning"}`)
	r, err := w.consents().OfferConsent(t.Context(), "acme", engine.ConsentOffer{Attempt: attempt, Tenant: someTenant, Domain: "acme.example", Confirmed: true})
	if err != nil || r.Outcome != organization.Allowed {
		t.Fatalf("%+v, %v", r, err)
	}
	got := object(t, w.web("GET", "/api/organizations/acme/consent", "", ""), 200)
	all, _ := got["allowed"].([]any)
	if len(all) != 1 || got["consent"] != "none" || got["tenant"] != nil {
		t.Fatalf("got %v", got)
	}
	if one := all[0].(map[string]any); one["tenant"] != someTenant || one["domain"] != "acme.example" || one["at"] != "2026-11-21T09:00:00Z" {
		t.Errorf("got %v", one)
	}
}
