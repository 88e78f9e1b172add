package organization

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/problem"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func decoded(t *testing.T, body string) Organization {
	t.Helper()
	o, faults := Decode([]byte(body))
	if len(faults) > 0 {
		t.Fatalf("Decode(%s): %v", body, faults)
	}
	return o.WithID("acme")
}

// wire.md, Organisation, the table of defaults and the line below it.
func TestProfilesSetTheDefaultsOfTheTable(t *testing.T) {
	type row struct {
		permission, accounts, addressMatch string
		module, sync, optOut               bool
		privacy                            string
		backfill                           int
	}
	for name, want := range map[string]row{
		Travel:   {"delegated", "tenant", "require", true, false, true, "nothing", 90},
		Training: {"application", "tenant", "warn", true, false, false, "nothing", 0},
		Planning: {"delegated", "any", "warn", false, true, true, "busy", 0},
		Rooms:    {"application", "tenant", "warn", true, true, false, "all", 0},
	} {
		o := decoded(t, `{"profile":"`+name+`"}`)
		got := row{o.Permission, o.Accounts, o.AddressMatch, o.Module, o.Sync, o.OptOut, o.DownSync.Privacy, o.BackfillPastDays}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if o.ReminderMinutes != 15 || o.DownSync.EveryMinutes != 30 || o.Invitations || o.RecreateRemoved != "time" ||
			o.OwnEventsChanged != "report" || o.Conflict != "first" || o.RoomsMode != "direct" ||
			o.Brake != (Brake{10, 20}) || o.Retention != (Retention{400, 90, 180}) {
			t.Errorf("%s: defaults of all profiles: %+v", name, o)
		}
	}
}

func TestGivenValuesOverrideTheProfile(t *testing.T) {
	o := decoded(t, `{"profile":"travel","displayName":"Acme","sync":true,"permission":"application","optOut":false,
		"tenant":{"expected":"CONTOSO.onmicrosoft.com"},"locale":"fi","downSync":{"everyMinutes":60},
		"backfillPastDays":0,"brake":{"percent":5},"alerts":{"emails":["ops@acme.example"]},"product":null}`)
	if !o.Sync || o.Permission != Application || o.OptOut || o.ExpectedTenant != "contoso.onmicrosoft.com" ||
		o.DownSync != (DownSync{60, "nothing"}) || o.BackfillPastDays != 0 || o.Brake != (Brake{10, 5}) ||
		o.Alerts.Locale != "fi" || len(o.Alerts.Emails) != 1 || o.DisplayName != "Acme" {
		t.Errorf("got %+v", o)
	}
}

func TestEveryFaultIsReportedAtOnceWithItsPointer(t *testing.T) {
	_, faults := Decode([]byte(`{
		"profile":"cruises","displayName":"","product":{"name":7,"url":"javascript:alert(1)"},"module":"yes","sync":1,
		"permission":"delegated","consent":"scoped","accounts":"all","addressMatch":true,"tenant":{"expected":"not a tenant"},
		"locale":"english!","timeZone":"Mars/Olympus","reminderMinutes":"15","invitations":"no","optOut":0,
		"downSync":{"everyMinutes":15,"privacy":"some","every":5},"ownEventsChanged":"x","recreateRemoved":"x","conflict":"x",
		"rooms":[],"backfillPastDays":1.5,"brake":{"count":-1,"percent":101},
		"retention":{"bookingDays":0,"bodyDays":99999,"ledgerDays":1e400},"alerts":{"emails":["a@b","nobody"],"locale":"-"},
		"modul":true,"a/b~c":1}`))
	var got []string
	for _, f := range faults {
		if f.Detail == "" {
			t.Errorf("%s has no detail", f.Pointer)
		}
		got = append(got, f.Pointer+" "+f.Code)
	}
	want := strings.Split(strings.TrimSpace(`
/profile value
/displayName format
/product/name type
/product/url format
/module type
/sync type
/accounts value
/addressMatch type
/consent mismatch
/tenant/expected format
/locale format
/timeZone unknown-zone
/reminderMinutes type
/invitations type
/optOut type
/downSync/everyMinutes range
/downSync/privacy value
/ownEventsChanged value
/recreateRemoved value
/conflict value
/rooms type
/backfillPastDays type
/brake/count range
/brake/percent range
/retention/bookingDays range
/retention/bodyDays range
/retention/ledgerDays type
/alerts/emails/1 format
/alerts/locale format
/a~1b~0c unknown-member
/downSync/every unknown-member
/modul unknown-member`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnIntervalBelowThirtyMinutesIsRefusedWithTheReason(t *testing.T) {
	_, faults := Decode([]byte(`{"profile":"planning","downSync":{"everyMinutes":29}}`))
	if len(faults) != 1 || !strings.Contains(faults[0].Detail, "throttles") {
		t.Errorf("got %+v", faults)
	}
}

func TestWhatIsNoDocumentIsOneFault(t *testing.T) {
	for name, test := range map[string]struct{ body, code string }{
		"empty":      {"", "syntax"},
		"cut":        {`{"profile":`, "syntax"},
		"twice":      {`{"profile":"travel"}{}`, "syntax"},
		"array":      {`[]`, "type"},
		"null":       {`null`, "type"},
		"not UTF-8":  {"{\"profile\":\"\xff\"}", "encoding"},
		"no profile": {`{}`, "required"},
		"too large":  {`{"profile":"travel","displayName":"` + strings.Repeat("x", MaxDocument) + `"}`, "too-large"},
	} {
		_, faults := Decode([]byte(test.body))
		if len(faults) != 1 || faults[0].Code != test.code {
			t.Errorf("%s: got %+v, want one %s", name, faults, test.code)
		}
	}
}

func TestTheAnswerOfAGetCanBePutBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, faults := Decode(document(t))
		if len(faults) > 0 {
			t.Fatalf("generated document refused: %v", faults)
		}
		o = o.WithID("acme")
		o.State = State{Tenant: "0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a", BoundBy: BoundByOperator, Consent: ConsentGranted,
			ConsentedAt: time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), GrantedScopes: []string{"Calendars.ReadWrite"}, PermissionSet: 1}
		shown, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, faults := Decode(shown)
		if len(faults) > 0 {
			t.Fatalf("the answer is refused: %v\n%s", faults, shown)
		}
		back, err = o.Replace(back)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(shown), string(again)); diff != "" {
			t.Fatalf("(-first +again)\n%s", diff)
		}
		restored, err := Restore("acme", o.Document, o.State)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, restored); diff != "" {
			t.Fatalf("restored differs (-want +got)\n%s", diff)
		}
	})
}

// document draws a document with every member present or absent.
func document(t *rapid.T) []byte {
	doc := map[string]any{"profile": rapid.SampledFrom([]string{Travel, Training, Planning, Rooms}).Draw(t, "profile")}
	maybe := func(name string, values ...any) {
		if rapid.Bool().Draw(t, name+" given") {
			doc[name] = rapid.SampledFrom(values).Draw(t, name)
		}
	}
	maybe("displayName", "Acme", "Åland <b>", nil)
	maybe("product", map[string]any{"name": "Trips", "url": "https://trips.example/a?b=c"}, map[string]any{}, nil)
	maybe("module", true, false)
	maybe("sync", true, false)
	maybe("accounts", "any", "tenant")
	maybe("tenant", map[string]any{"expected": "0B6E7D2A-5c1f-4d8e-9a3b-7f6c5d4e3b2a"}, map[string]any{"expected": nil})
	maybe("locale", "fi", "de-AT")
	maybe("timeZone", "Europe/Helsinki", "UTC")
	maybe("reminderMinutes", -1, 0, 40320)
	maybe("downSync", map[string]any{"privacy": "all"}, map[string]any{"everyMinutes": 10080})
	maybe("recreateRemoved", RecreateNever, RecreateAlways)
	maybe("retention", map[string]any{"bodyDays": 1})
	maybe("alerts", map[string]any{"emails": []string{"a@b.example"}, "locale": "ja"}, map[string]any{"emails": []string{}})
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABuildReadsWhatANewerOneWrote(t *testing.T) {
	o, err := Restore("acme", []byte(`{"profile":"rooms","sync":false,"rooms":{"mode":"hologram"},"newThing":{"x":1}}`), State{})
	if err != nil || o.Sync || o.RoomsMode != "direct" || o.DisplayName != "acme" {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := Restore("acme", []byte(`{"profile":"unheard-of"}`), State{}); err == nil {
		t.Error("an organisation of an unknown profile was read as something")
	}
}

func TestTheOperatorBindsOneTenantAtATime(t *testing.T) {
	const a, b = "0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a", "1b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2b"
	at := time.Date(2026, 11, 21, 9, 0, 0, 5, time.UTC)
	bound, err := decoded(t, `{"profile":"training"}`).Bind(strings.ToUpper(a), at)
	if err != nil || bound.State.Tenant != a || bound.State.BoundBy != "operator" || bound.State.Consent != "granted" || bound.State.Evidence != "" {
		t.Fatalf("got %+v, %v", bound.State, err)
	}
	again, err := bound.Bind(a, at.Add(time.Hour))
	if err != nil || !again.State.ConsentedAt.Equal(bound.State.ConsentedAt) {
		t.Errorf("binding again: %+v, %v", again.State, err)
	}
	if _, err := bound.Bind(b, at); err != ErrTenantBound {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := decoded(t, `{"profile":"training","tenant":{"expected":"`+a+`"}}`).Bind(b, at); err != ErrUnexpectedTenant {
		t.Errorf("an unexpected tenant: %v", err)
	}
	if _, err := bound.Replace(decoded(t, `{"profile":"training","tenant":{"expected":"`+b+`"}}`)); err != ErrTenantBound {
		t.Errorf("PUT that expects another tenant: %v", err)
	}
	replaced, err := bound.Replace(decoded(t, `{"profile":"rooms"}`))
	if err != nil || replaced.Profile != Rooms || replaced.State.Tenant != a {
		t.Errorf("PUT keeps the state: %+v, %v", replaced.State, err)
	}
	free, err := bound.Unbind().Bind(b, at)
	if err != nil || free.State.Tenant != b {
		t.Errorf("after unbinding: %+v, %v", free.State, err)
	}
}

func TestTheExamplesAreAccepted(t *testing.T) {
	names, err := filepath.Glob("../../examples/organizations/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, faults := Decode(body); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestIDs(t *testing.T) {
	for id, want := range map[string]bool{"acme": true, "A.b_c-1": true, "0": true, strings.Repeat("x", 64): true,
		"": false, ".": false, "..": false, "-a": false, "_": false, "a/b": false, "ä": false, "a b": false,
		"acme\n": false, strings.Repeat("x", 65): false} {
		if ValidID(id) != want {
			t.Errorf("ValidID(%q) = %t", id, !want)
		}
	}
}

func TestAClonesChangesStayItsOwn(t *testing.T) {
	o := decoded(t, `{"profile":"rooms","alerts":{"emails":["a@b.example"]}}`)
	o.State.GrantedScopes = []string{"x"}
	c := o.Clone()
	c.Alerts.Emails[0], c.State.GrantedScopes[0], c.Document[0] = "y", "y", 'y'
	if o.Alerts.Emails[0] == "y" || o.State.GrantedScopes[0] == "y" || o.Document[0] == 'y' {
		t.Error("shared memory")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"profile":"travel","alerts":{"emails":["a@b"]}}`))
	f.Add([]byte(`{"profile":{"x":null},"tenant":"x","state":[],"organization":{}}`))
	f.Add([]byte(`{"brake":{"count":1e2}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, faults := Decode(body)
		if len(faults) > 0 {
			for _, fault := range faults {
				if fault.Code == "" || fault.Detail == "" || fault.Pointer != "" && fault.Pointer[0] != '/' {
					t.Fatalf("incomplete fault %+v", problem.Fault(fault))
				}
			}
			return
		}
		if _, err := Restore("x", o.Document, State{}); err != nil {
			t.Fatalf("accepted, but not restored: %v", err)
		}
	})
}
