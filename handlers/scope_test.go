package handlers

import (
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
)

// scoped is a world in which an administrator signed in to limit the app in Exchange.
func scoped(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 0, nil)
	object(t, w.put("acme", `{"profile":"training","consent":"scoped","tenant":{"expected":"`+someTenant+`"}}`), 201)
	r, err := w.consents().OfferConsent(t.Context(), "acme", engine.ConsentOffer{Attempt: attempt, Tenant: someTenant, Confirmed: true})
	if err != nil || r.Outcome != organization.Bound {
		t.Fatalf("%+v, %v", r, err)
	}
	return w
}

// identity.md section 2: granted after one probe inside the scope succeeds and one outside
// is refused.
func TestALimitedConsentIsGrantedWhenOneMailboxAnswersAndOneIsRefused(t *testing.T) {
	w := scoped(t)
	for _, test := range []struct{ inside, outside, proof, consent string }{
		{"aino@acme.example", "bert@acme.example", "tenant-wide", "started"},
		{"outside@acme.example", "bert@acme.example", "inside-refused", "started"},
		{"aino@acme.example", "nobody@else.example", "unclear", "started"},
		{"aino@acme.example", "outside@acme.example", "proven", "granted"},
		{"aino@acme.example", "outside@acme.example", "proven", "granted"},
	} {
		r := w.decide(`{"inside":"` + test.inside + `","outside":"` + test.outside + `"}`)
		got := object(t, r, 200)
		if got["proof"] != test.proof || got["consent"] != test.consent || got["tenant"] != someTenant {
			t.Errorf("%s and %s: %s", test.inside, test.outside, r.body)
		}
	}
	if got := w.consent(w.web("GET", "/api/organizations/acme/consent", "", "")); *got.Evidence != "probe" {
		t.Errorf("evidence %s", *got.Evidence)
	}
}

func TestALimitIsTestedWhereThereIsOneOnly(t *testing.T) {
	w := newWorld(t, 0, nil)
	const both = `{"inside":"aino@acme.example","outside":"outside@acme.example"}`
	w.problem(w.decide(both), 404, "not-found")
	for _, settings := range []string{`{"profile":"travel"}`, `{"profile":"training"}`, `{"profile":"training","consent":"scoped"}`} {
		w.put("acme", settings)
		w.problem(w.decide(both), 409, "conflict")
	}
	w = scoped(t)
	for body, pointer := range map[string]string{
		`{"inside":"aino@acme.example"}`:                                         "/outside",
		`{"inside":"","outside":"b@acme.example"}`:                               "/inside",
		`{"inside":"aino@acme.example","outside":7}`:                             "/outside",
		`{"inside":"aino@acme.example","outside":"Aino@acme.example"}`:           "/outside",
		`{"inside":"aino","outside":"b@acme.example"}`:                           "/inside",
		`{"inside":"a@acme.example","outside":"b@acme.example","attempt":"abc"}`: "/attempt",
	} {
		if d := w.problem(w.decide(body), 400, "invalid"); len(d.Errors) != 1 || d.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", body, d.Errors)
		}
	}
}
