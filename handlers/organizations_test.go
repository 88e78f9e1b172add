package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	tenantA = "0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a"
	tenantB = "1b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2b"
)

func (w *world) get(id string) reply { return w.web("GET", "/api/organizations/"+id, "", "") }

func (w *world) bind(id, body string) reply {
	return w.web("POST", "/api/operator/organizations/"+id+"/tenant", "application/json", body)
}

func TestAnOrganisationIsMadeShownAndReplaced(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.get("acme"), 404, "not-found")
	created := w.put("acme", `{"profile":"travel","sync":true}`)
	object(t, created, 201)
	shown := w.get("acme")
	want := `{"organization":"acme","displayName":"acme","product":{"name":null,"url":null},"profile":"travel","module":true,"sync":true,` +
		`"permission":"delegated","accounts":"tenant","addressMatch":"require","consent":"tenant","tenant":{"expected":null},"locale":"en",` +
		`"timeZone":"UTC","reminderMinutes":15,"invitations":false,"optOut":true,"downSync":{"everyMinutes":30,"privacy":"nothing"},` +
		`"ownEventsChanged":"report","recreateRemoved":"time","conflict":"first","rooms":{"mode":"direct"},"backfillPastDays":90,` +
		`"brake":{"count":10,"percent":20},"retention":{"bodyDays":90,"bookingDays":400,"ledgerDays":180},"alerts":{"emails":[],"locale":"en"},` +
		`"state":{"tenant":null,"boundBy":null,"consent":"none","evidence":null,"consentedAt":null,"grantedScopes":[],"permissionSet":null}}`
	if diff := cmp.Diff(want, shown.body); diff != "" || shown.status != 200 {
		t.Errorf("%d (-want +got)\n%s", shown.status, diff)
	}
	if shown.header.Get("ETag") == "" || shown.header.Get("ETag") != created.header.Get("ETag") || created.body != shown.body {
		t.Errorf("PUT and GET differ: %v %v", created.header, shown.header)
	}
	replaced := w.put("acme", `{"profile":"travel"}`)
	if o := object(t, replaced, 200); o["sync"] != false {
		t.Errorf("what was left out kept its value: %v", o)
	}
	if replaced.header.Get("ETag") == created.header.Get("ETag") {
		t.Error("the ETag did not change")
	}
	object(t, w.put("acme", shown.body), 200)
	if again := w.get("acme"); again.body != shown.body {
		t.Errorf("the answer of a GET put back: %s", again.body)
	}
}

func TestAllFaultsOfAnOrganisationAreReportedAndNothingIsStored(t *testing.T) {
	w := newWorld(t, 0, nil)
	d := w.problem(w.put("acme", `{"profile":"travel","downSync":{"everyMinutes":5},"sync":"on","modul":true}`), 400, "invalid")
	var pointers []string
	for _, f := range d.Errors {
		pointers = append(pointers, f.Pointer)
	}
	if diff := cmp.Diff([]string{"/sync", "/downSync/everyMinutes", "/modul"}, pointers); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w.problem(w.get("acme"), 404, "not-found")
}

func TestPreconditions(t *testing.T) {
	w := newWorld(t, 0, nil)
	const body = `{"profile":"rooms"}`
	w.problem(w.put("acme", body, "If-Match: *"), 412, "precondition-failed")
	w.problem(w.put("acme", body, `If-Match: "x"`), 412, "precondition-failed")
	first := w.put("acme", body, "If-None-Match: *")
	object(t, first, 201)
	w.problem(w.put("acme", body, "If-None-Match: *"), 412, "precondition-failed")
	tag := first.header.Get("ETag")
	second := w.put("acme", body, `If-Match: "x", `+tag)
	object(t, second, 200)
	w.problem(w.put("acme", body, "If-Match: "+tag), 412, "precondition-failed")
	w.problem(w.put("acme", body, "If-Match: W/"+second.header.Get("ETag")), 412, "precondition-failed")
	w.problem(w.put("acme", body, "If-None-Match: "+second.header.Get("ETag")), 412, "precondition-failed")
	w.problem(w.web("DELETE", "/api/organizations/acme", "", "", "If-Match: "+tag), 412, "precondition-failed")
	object(t, w.put("acme", body, "If-Match: *"), 200)
	if r := w.web("GET", "/api/organizations/acme", "", "", "If-None-Match: *"); r.status != 200 {
		t.Errorf("GET with If-None-Match: %d; 304 harms the host", r.status)
	}
}

func TestADeletedOrganisationIsGoneAndItsTenantIsNotInherited(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.web("DELETE", "/api/organizations/acme", "", ""), 404, "not-found")
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	object(t, w.bind("acme", `{"tenant":"`+tenantA+`"}`), 200)
	w.problem(w.web("DELETE", "/api/organizations/acme?events=remove", "", ""), 400, "invalid")
	object(t, w.web("DELETE", "/api/organizations/acme", "", ""), 202)
	w.problem(w.get("acme"), 404, "not-found")
	w.problem(w.bind("acme", `{"tenant":"`+tenantA+`"}`), 404, "not-found")
	w.problem(w.put("acme", `{"profile":"training"}`, "If-Match: *"), 412, "precondition-failed")
	o := object(t, w.put("acme", `{"profile":"training"}`), 201)
	if tenant := o["state"].(map[string]any)["tenant"]; tenant != nil {
		t.Errorf("a new organisation of the same id is bound to %v", tenant)
	}
}

func TestTheOperatorBindsAndUnbinds(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.bind("acme", `{"tenant":"`+tenantA+`"}`), 404, "not-found")
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	bound := object(t, w.bind("acme", `{"tenant":"`+strings.ToUpper(tenantA)+`","note":"by phone, Aino"}`), 200)
	want := map[string]any{"tenant": tenantA, "boundBy": "operator", "consent": "granted", "evidence": nil,
		"consentedAt": "2026-11-21T09:00:00Z", "grantedScopes": []any{}, "permissionSet": 1.0}
	if diff := cmp.Diff(want, bound["state"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	object(t, w.bind("acme", `{"tenant":"`+tenantA+`"}`), 200)
	w.problem(w.bind("acme", `{"tenant":"`+tenantB+`"}`), 409, "tenant-bound")
	w.problem(w.put("acme", `{"profile":"training","tenant":{"expected":"`+tenantB+`"}}`), 409, "tenant-bound")
	if o := object(t, w.put("acme", `{"profile":"training","state":{"tenant":"`+tenantB+`"}}`), 200); o["state"].(map[string]any)["tenant"] != tenantA {
		t.Errorf("PUT changed the tenant: %v", o["state"])
	}
	if o := object(t, w.bind("acme", `{"tenant":null}`), 200); o["state"].(map[string]any)["tenant"] != nil {
		t.Errorf("after unbinding: %v", o["state"])
	}
	object(t, w.put("acme", `{"profile":"training","tenant":{"expected":"`+tenantA+`"}}`), 200)
	w.problem(w.bind("acme", `{"tenant":"`+tenantB+`"}`), 409, "conflict")
	if strings.Contains(w.logged.String(), "Aino") || !strings.Contains(w.logged.String(), "tenant decided by the operator") {
		t.Errorf("log: %s", w.logged)
	}
}

func TestABadBindingNamesEveryFault(t *testing.T) {
	w := newWorld(t, 0, nil)
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	for body, want := range map[string]string{
		"":                              " syntax",
		"null":                          " syntax",
		"[]":                            " syntax",
		"{}":                            "/tenant required",
		`{"tenant":""}`:                 "/tenant format",
		`{"tenant":7,"note":7,"x/y":1}`: "/tenant format, /note type, /x~1y unknown-member",
		`{"tenant":null,"note":"` + strings.Repeat("n", 1001) + `"}`: "/note too-long",
	} {
		var got []string
		for _, f := range w.problem(w.bind("acme", body), 400, "invalid").Errors {
			got = append(got, f.Pointer+" "+f.Code)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%.40s: got %s, want %s", body, s, want)
		}
	}
}

func TestTheOperatorsListIsPagedAndHoldsNoAddress(t *testing.T) {
	w := newWorld(t, 0, nil)
	for i := range 5 {
		object(t, w.put(fmt.Sprintf("org-%d", i), `{"profile":"rooms","alerts":{"emails":["aino@acme.example"]}}`), 201)
	}
	object(t, w.web("DELETE", "/api/organizations/org-2", "", ""), 202)
	var ids []string
	next := ""
	for range 10 {
		r := w.web("GET", "/api/operator/organizations?limit=2&after="+next, "", "")
		var page struct {
			Items []struct{ Organization, Profile string }
			Next  string
		}
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != 200 || len(page.Items) > 2 || strings.Contains(r.body, "aino") {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, item := range page.Items {
			ids = append(ids, item.Organization)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"org-0", "org-1", "org-3", "org-4"}, ids); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, query := range []string{"?limit=0", "?after=!", "?after=Lw"} {
		w.problem(w.web("GET", "/api/operator/organizations"+query, "", ""), 400, "invalid")
	}
}

func TestASemicolonInAQueryIsPartOfItsValue(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.web("GET", "/api/organizations/acme/bookings?id=a;b", "", "") // as the host writes id=a%3Bb
	if calls := w.called(); len(calls) != 1 || !strings.Contains(calls[0], "a;b") {
		t.Errorf("calls %q", calls)
	}
	w.problem(w.web("GET", "/api/organizations/acme/people?user=%zz", "", ""), 400, "invalid")
}

// Subscriptions to calendars that are not to be read any more end when that is decided.
func TestSwitchingOffOrdersThatSubscriptionsEnd(t *testing.T) {
	const on = `{"profile":"travel","module":true,"sync":true}`
	for name, off := range map[string]func(*world) reply{
		"sync":   func(w *world) reply { return w.put("acme", `{"profile":"travel","module":true,"sync":false}`) },
		"module": func(w *world) reply { return w.put("acme", `{"profile":"travel","module":false,"sync":true}`) },
		"tenant": func(w *world) reply { return w.bind("acme", `{"tenant":null,"note":"x"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0, nil)
			object(t, w.put("acme", on), 201)
			before := len(w.called())
			object(t, off(w), 200)
			calls := w.called()[before:]
			if len(calls) != 1 || !strings.HasPrefix(calls[0], "rewatch acme ") {
				t.Errorf("%q", calls)
			}
			if name == "tenant" {
				return
			}
			w.recorder.fail = errors.New("the bus is down")
			object(t, w.put("acme", `{"profile":"travel","module":false,"sync":false}`), 200)
			w.recorder.fail = nil
			object(t, w.put("acme", on), 200)
			w.recorder.fail = errors.New("the bus is down")
			w.problem(off(w), 503, "unavailable")
		})
	}
}
