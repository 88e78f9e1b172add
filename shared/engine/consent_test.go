package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/calbridge/calbridge/docs/schemas"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	victim   = "7c1e9a52-4f0d-4c7f-b1d5-2a63a1f0c902"
	global   = "62e90394-69f5-4237-9190-012177145e10"
	attempt  = "abcdefghijklmnopqrstuvwxyz"
	training = `{"profile":"training","sync":true}`
	travel   = `{"profile":"travel","sync":true}`
)

// onboarding is an engine over organisations in tables, and what it sent. Nth fails
// the nth effect, which is refused.
type onboarding struct {
	t       *testing.T
	store   *tables.Store
	orgs    *state.Organizations
	now     time.Time
	sent    []queue.Message
	queues  []string
	domains map[string]string // tenants
	nth     int
}

func newOnboarding(t *testing.T) *onboarding {
	o := &onboarding{t: t, now: world.Start(), domains: map[string]string{}, nth: -1}
	o.store = tables.NewStore(o.clock)
	o.orgs = state.NewOrganizations(o.store.Direct(), o.clock)
	return o
}

func (o *onboarding) clock() time.Time { return o.now }

var errEffect = errors.New("it is down")

func (o *onboarding) effect() error {
	o.nth--
	if o.nth == -1 {
		return errEffect
	}
	return nil
}

func (o *onboarding) Send(_ context.Context, entity string, messages ...queue.Message) error {
	if err := o.effect(); err != nil {
		return err
	}
	for _, m := range messages {
		o.sent, o.queues = append(o.sent, m), append(o.queues, entity)
	}
	return nil
}

func (o *onboarding) TenantOf(_ context.Context, domain string) (string, error) {
	tenant, ok := o.domains[domain]
	if !ok {
		return "", errEffect
	}
	return tenant, nil
}

func (o *onboarding) Organization(ctx context.Context, id string) (organization.Organization, error) {
	org, _, err := o.orgs.Get(ctx, id)
	return org, err
}

// writes fails writes.
type writes struct {
	state.Tables
	o *onboarding
}

func (w writes) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	if err := w.o.effect(); err != nil {
		return nil, err
	}
	return w.Tables.Apply(ctx, table, changes)
}

func (o *onboarding) engine() *engine.Engine {
	return engine.New(engine.Effects{Tables: writes{o.store.Direct(), o}, Bus: o, Organizations: o, Domains: o},
		&engine.Options{PublicURL: "https://calendar.example.com", Now: o.clock})
}

func (o *onboarding) put(id, document string) {
	o.t.Helper()
	next, faults := organization.Decode([]byte(document))
	if len(faults) > 0 {
		o.t.Fatal(faults)
	}
	_, err := o.orgs.Change(o.t.Context(), id, func(current *organization.Organization, _ string) (organization.Organization, error) {
		if current != nil {
			return current.Replace(next)
		}
		return next.WithID(id), nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *onboarding) bind(id, tenant string) {
	o.t.Helper()
	if _, err := o.orgs.Bind(o.t.Context(), id, tenant, ""); err != nil {
		o.t.Fatal(err)
	}
}

func (o *onboarding) state(id string) organization.State {
	o.t.Helper()
	org, _, err := o.orgs.Get(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return org.State
}

func (o *onboarding) offer(id, tenant string, wids ...string) engine.ConsentResult {
	o.t.Helper()
	r, err := o.engine().OfferConsent(o.t.Context(), id, confirmedOffer(tenant, wids...))
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func confirmedOffer(tenant string, wids ...string) engine.ConsentOffer {
	return engine.ConsentOffer{Attempt: attempt, Tenant: tenant, Domain: "acme.example", Wids: wids,
		Scopes: []string{"Calendars.ReadWrite", "User.Read"}, Confirmed: true}
}

// told are the data of the events of a type, each valid by its schema.
func (o *onboarding) told(kind string) (all []map[string]any) {
	o.t.Helper()
	for i, m := range o.sent {
		if m.Subject == kind && o.queues[i] == queue.Changes {
			all = append(all, valid(o.t, m.Body)["data"].(map[string]any))
		}
	}
	return all
}

func valid(t *testing.T, body []byte) map[string]any {
	t.Helper()
	event, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	kind := event.(map[string]any)["type"].(string)
	name := strings.TrimPrefix(kind, "calbridge.") + ".json"
	text, err := schemas.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(event); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
	return event.(map[string]any)
}

// tasks are the causes of the backfills that were ordered.
func (o *onboarding) tasks() (causes []string) {
	for i, m := range o.sent {
		var task struct{ Op, Cause string }
		if o.queues[i] == queue.MailboxTasks && json.Unmarshal(m.Body, &task) == nil && task.Op == "backfill" {
			causes = append(causes, task.Cause)
		}
	}
	return causes
}

// ledger are the operations that the organisation's ledger has.
func (o *onboarding) ledger(id string) (entries []string) {
	o.t.Helper()
	rows, err := o.store.Direct().Query(o.t.Context(), "ledger"+o.now.Format("200601"), state.Span{Partition: key.Organization(id).String()})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range rows {
		var b state.Binding
		if doc, _ := e.Props["doc"].(string); json.Unmarshal([]byte(doc), &b) == nil {
			entries = append(entries, b.Operation+" "+b.By+" "+b.Tenant+" "+b.Attempt)
		}
	}
	return entries
}

func TestAForwardedConsentLinkEndsPending(t *testing.T) {
	o := newOnboarding(t)
	o.put("mallory", travel)
	e := o.engine()
	// Mallory proves her own tenant, and forwards her genuine link to the victim's administrator.
	if _, err := e.ProveAdmin(t.Context(), "mallory", world.Tenant); err != nil {
		t.Fatal(err)
	}
	r := o.offer("mallory", victim, global)
	if r.Outcome != organization.NeedsOrgAdmin || o.state("mallory").Tenant != "" || o.state("mallory").Consent != "pending-approval" {
		t.Errorf("%s, %+v", r.Outcome, o.state("mallory"))
	}
	if r, err := e.ProveAdmin(t.Context(), "mallory", world.Tenant); err != nil || r.Outcome == organization.Bound {
		t.Errorf("%v, %s", err, r.Outcome)
	}
	if got := o.told("calbridge.consent.v1"); len(got) != 1 || got[0]["state"] != "pending-approval" || got[0]["tenant"] != nil {
		t.Errorf("told %v", got)
	}
	if len(o.tasks()) != 0 || len(o.ledger("mallory")) != 0 {
		t.Errorf("owed %v, ledger %v", o.tasks(), o.ledger("mallory"))
	}
}

func TestAnEmployeesForgedCallbackEndsPending(t *testing.T) {
	o := newOnboarding(t)
	o.put("mallory", travel)
	e := o.engine()
	if _, err := e.ProveAdmin(t.Context(), "mallory", victim); err != nil { // an employee can sign in there
		t.Fatal(err)
	}
	if r := o.offer("mallory", victim); r.Outcome != organization.PendingApproval || o.state("mallory").Tenant != "" {
		t.Errorf("%s, %+v", r.Outcome, o.state("mallory"))
	}
	if r, err := e.ProveAdmin(t.Context(), "mallory", victim); err != nil || r.Outcome == organization.Bound {
		t.Errorf("%v, %s", err, r.Outcome)
	}
}

func TestABindingIsOwedToldAndInTheLedgerBeforeItIsStored(t *testing.T) {
	// Every effect is refused once; then the same offer comes again.
	for nth := range 7 {
		o := newOnboarding(t)
		o.put("acme", travel)
		if _, err := o.engine().ProveAdmin(t.Context(), "acme", world.Tenant); err != nil {
			t.Fatal(err)
		}
		o.nth = nth
		_, err := o.engine().OfferConsent(t.Context(), "acme", confirmedOffer(world.Tenant, global))
		refused := err != nil
		if bound := o.state("acme").Tenant != ""; bound == refused {
			t.Errorf("effect %d: bound %v, error %v", nth, bound, err)
		}
		o.nth = -1
		for range 2 {
			o.now = o.now.Add(time.Minute)
			if r := o.offer("acme", world.Tenant, global); r.Outcome != organization.Bound {
				t.Errorf("effect %d: %s", nth, r.Outcome)
			}
		}
		told, ledger := o.told("calbridge.consent.v1"), o.ledger("acme")
		if len(told) == 0 || told[len(told)-1]["state"] != "granted" || told[0]["tenant"] != world.Tenant ||
			!slices.Contains(o.tasks(), "consent") || len(ledger) == 0 || ledger[0] != "bind consent "+world.Tenant+" "+attempt {
			t.Errorf("effect %d: told %v, owed %v, ledger %v", nth, told, o.tasks(), ledger)
		}
		if !refused && (len(told) != 1 || len(o.tasks()) != 1 || len(ledger) != 1) {
			t.Errorf("effect %d: more than once: told %v, owed %v, ledger %v", nth, told, o.tasks(), ledger)
		}
		if nth == 6 && refused {
			t.Error("there are effects that were not refused")
		}
	}
}

func TestAPendingConsentIsDecidedOnce(t *testing.T) {
	o := newOnboarding(t)
	o.put("acme", travel)
	o.offer("acme", world.Tenant)
	for range 2 {
		c, err := o.engine().DecideConsent(t.Context(), "acme", attempt, true)
		if err != nil || c.Tenant != world.Tenant || c.Consent != "granted" {
			t.Fatalf("%v, %+v", err, c)
		}
	}
	if diff := cmp.Diff([]string{"bind function-key " + world.Tenant + " " + attempt}, o.ledger("acme")); diff != "" {
		t.Error(diff)
	}
	if !cmp.Equal(o.tasks(), []string{"consent"}) || len(o.told("calbridge.consent.v1")) != 2 {
		t.Errorf("owed %v, told %v", o.tasks(), o.told("calbridge.consent.v1"))
	}
	if _, err := o.engine().DecideConsent(t.Context(), "acme", attempt, false); !errors.Is(err, organization.ErrNotPending) {
		t.Errorf("the opposite: %v", err)
	}
	if _, err := o.engine().DecideConsent(t.Context(), "nobody", attempt, false); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("nobody's: %v", err)
	}
}

func TestARefusedConsentIsInTheLedger(t *testing.T) {
	o := newOnboarding(t)
	o.put("acme", travel)
	o.offer("acme", world.Tenant)
	for range 2 {
		if _, err := o.engine().DecideConsent(t.Context(), "acme", attempt, false); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"refuse function-key " + world.Tenant + " " + attempt}, o.ledger("acme")); diff != "" || o.state("acme").Tenant != "" {
		t.Errorf("%s %+v", diff, o.state("acme"))
	}
	if told := o.told("calbridge.consent.v1"); len(told) != 2 || told[1]["state"] != "none" || len(o.tasks()) != 0 {
		t.Errorf("told %v, owed %v", told, o.tasks())
	}
}

func TestTheExpectedDomainIsAskedOfEntra(t *testing.T) {
	o := newOnboarding(t)
	o.put("acme", `{"profile":"travel","tenant":{"expected":"acme.example"}}`)
	if _, err := o.engine().OfferConsent(t.Context(), "acme", confirmedOffer(world.Tenant)); !errors.Is(err, errEffect) {
		t.Errorf("Entra could not be asked: %v", err)
	}
	o.domains["acme.example"] = victim
	if r := o.offer("acme", world.Tenant, global); r.Outcome != organization.UnexpectedTenant || o.state("acme").Consent != "none" {
		t.Errorf("another's domain: %s", r.Outcome)
	}
	o.domains["acme.example"] = world.Tenant
	if r := o.offer("acme", world.Tenant); r.Outcome != organization.Bound {
		t.Errorf("the tenant's domain: %s", r.Outcome)
	}
}

func TestOtherOrganisationsOfATenantAreToldToItsAdministratorOnly(t *testing.T) {
	o := newOnboarding(t)
	o.put("first", `{"profile":"travel","displayName":"First Ltd"}`)
	o.bind("first", world.Tenant)
	o.put("gone", travel)
	o.bind("gone", world.Tenant)
	o.bind("gone", "")
	o.put("second", `{"profile":"planning","tenant":{"expected":"`+world.Tenant+`"}}`)
	ask := confirmedOffer(world.Tenant)
	ask.Confirmed = false
	r, err := o.engine().OfferConsent(t.Context(), "second", ask)
	if err != nil || r.Outcome != organization.NeedsConfirmation || !r.Shared || len(r.Others) != 0 {
		t.Errorf("an employee: %v, %+v", err, r)
	}
	ask.Wids = []string{global}
	r, err = o.engine().OfferConsent(t.Context(), "second", ask)
	if err != nil || !cmp.Equal(r.Others, []string{"First Ltd"}) || o.state("second").Attempt.Pending() {
		t.Errorf("its administrator: %v, %+v", err, r)
	}
	if r := o.offer("second", world.Tenant); r.Outcome != organization.PendingApproval {
		t.Errorf("an employee agrees: %s", r.Outcome)
	}
	ask.Confirmed, ask.Scopes = true, []string{"Calendars.Read", "User.Read"}
	r, err = o.engine().OfferConsent(t.Context(), "second", ask)
	if err != nil || r.Outcome != organization.Bound || !cmp.Equal(r.Missing, []string{"Calendars.ReadWrite"}) {
		t.Errorf("its administrator agrees: %v, %+v", err, r)
	}
}

func TestTheConsentAsksForWhatTheTenantNeeds(t *testing.T) {
	o := newOnboarding(t)
	o.put("acme", `{"profile":"planning","accounts":"tenant","tenant":{"expected":"`+world.Tenant+`"}}`)
	connections := state.NewConnections(o.store.Direct())
	for _, d := range []connection.Direction{connection.Down, connection.None} {
		id, _ := key.Parse(key.Random())
		if _, err := connections.Put(t.Context(), connection.Connection{ID: id, Organization: "acme", User: "u", Direction: d}, nil, ""); err != nil {
			t.Fatal(err)
		}
	}
	ask, err := o.engine().ConsentAsk(t.Context(), "acme")
	if want := (organization.Ask{Scopes: []string{"Calendars.Read", "User.Read"}}); err != nil || !cmp.Equal(ask, want) {
		t.Errorf("%v, %+v", err, ask)
	}
	o.put("other", travel)
	o.bind("other", world.Tenant)
	ask, err = o.engine().ConsentAsk(t.Context(), "acme")
	if want := (organization.Ask{Scopes: []string{"Calendars.ReadWrite", "User.Read"}}); err != nil || !cmp.Equal(ask, want) {
		t.Errorf("with another organisation of the tenant: %v, %+v", err, ask)
	}
	if _, err := o.engine().ConsentAsk(t.Context(), "nobody"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("nobody's: %v", err)
	}
}

func TestAnAttemptIsShownFromItsBeginning(t *testing.T) {
	o := newOnboarding(t)
	o.put("acme", travel)
	e := o.engine()
	if err := e.BeginConsent(t.Context(), "acme", attempt); err != nil {
		t.Fatal(err)
	}
	if err := e.FailConsent(t.Context(), "acme", attempt, "access_denied"); err != nil {
		t.Fatal(err)
	}
	c, err := e.Consent(t.Context(), "acme")
	if err != nil || c.State.Consent != "started" || c.Attempt.ID != attempt || !c.Attempt.Started.Equal(o.now) || c.Attempt.Failed != "access_denied" {
		t.Errorf("%v, %+v", err, c)
	}
	if err := e.BeginConsent(t.Context(), "nobody", attempt); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("nobody's: %v", err)
	}
}

// In the world: what calendars get while consent is new, lost, and back.

// keepOrganization puts the world's organisation into its tables, where consent is kept.
func keepOrganization(t *testing.T, w *world.World) {
	t.Helper()
	_, err := state.NewOrganizations(w.Tables, w.Now).Change(t.Context(), w.Org.ID, func(*organization.Organization, string) (organization.Organization, error) {
		return w.Org.Clone(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readOrganization lets the world see what is kept of it, as a cache would in time.
func readOrganization(t *testing.T, w *world.World) organization.State {
	t.Helper()
	o, _, err := state.NewOrganizations(w.Tables, w.Now).Get(t.Context(), w.Org.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.Org = &o
	return o.State
}

// consents are the states that the topic was told of, and the alerts.
func consents(t *testing.T, w *world.World) (states []string) {
	t.Helper()
	for _, m := range w.Broker.Peek(world.Changes) {
		switch m.Subject {
		case "calbridge.consent.v1":
			states = append(states, valid(t, m.Body)["data"].(map[string]any)["state"].(string))
		case "calbridge.alert.v1":
			data := valid(t, m.Body)["data"].(map[string]any)
			states = append(states, "alert "+data["code"].(string)+" "+data["state"].(string))
		}
	}
	return states
}

func TestAnAppThatIsGoneLosesTheConsentAndFindsItAgain(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	keepOrganization(t, w)
	w.Graph.Refuse(world.Tenant, true)
	for _, user := range []string{"aino", "bert"} {
		send(t, w, bookingOf(t, "b-"+user, 1, map[string]any{"people": []person{someone(user)}}))
		if err := w.SettleWithin(time.Minute); err != nil {
			t.Fatal(err)
		}
		expect(t, w, "b-"+user, user, "ics", "consent-missing")
	}
	if s := readOrganization(t, w); s.Consent != "consent-missing" || s.Tenant != world.Tenant {
		t.Fatalf("%+v", s)
	}
	w.Graph.Refuse(world.Tenant, false)
	w.Advance(25 * time.Hour) // the daily look
	if err := w.Engine().KeepAlive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.SettleWithin(time.Hour); err != nil {
		t.Fatal(err)
	}
	if s := readOrganization(t, w); s.Consent != "granted" {
		t.Errorf("%+v", s)
	}
	for _, user := range []string{"aino", "bert"} { // all that was missed, whoever was looked at
		expect(t, w, "b-"+user, user, "written", "", "b-"+user+" r1")
	}
	want := []string{"consent-missing", "alert consent-missing raised", "granted", "alert consent-missing over"}
	if diff := cmp.Diff(want, consents(t, w)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestANewConsentMayBeRefusedForAQuarterOfAnHour(t *testing.T) {
	for name, refuse := range map[string]func(*world.World){
		"700016": func(w *world.World) { w.Graph.Refuse(world.Tenant, true) },
		"403": func(w *world.World) {
			_ = w.Exchange.SetState(world.Tenant, "aino@acme.example", exchange.OutsideScope)
		},
	} {
		w := newWorld(t, exchange.Switches{})
		w.Org.State.ConsentedAt = w.Now()
		keepOrganization(t, w)
		refuse(w)
		send(t, w, bookingOf(t, "b1", 1, nil))
		if err := w.SettleWithin(10 * time.Minute); err != nil {
			t.Fatal(err)
		}
		if results := w.Results(); len(results) != 0 {
			t.Errorf("%s: %+v", name, results)
		}
		if s := readOrganization(t, w); s.Consent != "granted" || !s.Doubt.IsZero() {
			t.Errorf("%s: %+v", name, s)
		}
		w.Graph.Refuse(world.Tenant, false)
		_ = w.Exchange.SetState(world.Tenant, "aino@acme.example", exchange.Ready)
		settle(t, w)
		expect(t, w, "b1", "aino", "written", "", "b1 r1")
	}
}

func TestMailboxesThatRefuseLoseTheConsentOnlyTogether(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	keepOrganization(t, w)
	write := func(user, booking, reason string) {
		t.Helper()
		send(t, w, bookingOf(t, booking, 1, map[string]any{"people": []person{someone(user)}}))
		if err := w.SettleWithin(time.Minute); err != nil {
			t.Fatal(err)
		}
		state, subjects := "written", []string{booking + " r1"}
		if reason != "" {
			state, subjects = "ics", nil
		}
		last, err := w.Last(booking, user)
		if err != nil || last.State != state || last.Reason != reason {
			t.Errorf("%s for %s: %v, %+v, want %v", booking, user, err, last, subjects)
		}
		readOrganization(t, w)
	}
	refuse := func(user string, state exchange.State) {
		t.Helper()
		if err := w.Exchange.SetState(world.Tenant, user+"@acme.example", state); err != nil {
			t.Fatal(err)
		}
	}
	write("aino", "a1", "")
	refuse("aino", exchange.OutsideScope)
	refuse("bert", exchange.OutsideScope)
	write("aino", "a2", "outside-scope")
	write("bert", "b1", "outside-scope")
	write("chie", "c1", "") // it works: those two are a matter of their own
	if s := w.Org.State; s.Consent != "granted" || !s.Doubt.IsZero() {
		t.Fatalf("%+v", s)
	}
	refuse("chie", exchange.OutsideScope)
	write("aino", "a3", "outside-scope")
	write("bert", "b2", "outside-scope")
	if w.Org.State.Consent != "granted" {
		t.Fatal("lost by two")
	}
	write("chie", "c2", "outside-scope")
	if w.Org.State.Consent != "consent-missing" {
		t.Errorf("%+v", w.Org.State)
	}
}

func TestThreePeopleWhoAreAskedForConsentLoseIt(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Delegate("tenant")
	keepOrganization(t, w)
	required := graph.ClassifyToken("invalid_grant/consent_required", []int{65001}, 400)
	for i, user := range []string{"aino", "bert", "chie"} {
		a := w.AddAccount(world.Tenant, user+"-2@acme.example")
		c, err := w.Connect(t.Context(), user, a, connection.Both)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Engine().ConnectionFailed(t.Context(), c, required); err != nil {
				t.Fatal(err)
			}
		}
		want := "granted"
		if i == 2 {
			want = "consent-missing"
		}
		if s := readOrganization(t, w); s.Consent != want {
			t.Errorf("after %d: %+v", i+1, s)
		}
	}
}

func TestAScopedConsentWritesNothingBeforeItsProbesWereRight(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Consent = "scoped"
	document := []byte(`{"profile":"training","sync":true,"consent":"scoped","timeZone":"Europe/Helsinki","tenant":{"expected":"` + world.Tenant + `"}}`)
	o, faults := organization.Decode(document)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	o = o.WithID(world.Organization)
	w.Org = &o
	keepOrganization(t, w)
	r, err := w.Engine().OfferConsent(t.Context(), world.Organization, confirmedOffer(world.Tenant))
	if err != nil || r.Outcome != organization.Bound {
		t.Fatalf("%v, %+v", err, r)
	}
	readOrganization(t, w)
	w.Advance(20 * time.Minute)
	send(t, w, bookingOf(t, "b1", 1, nil))
	settle(t, w)
	expect(t, w, "b1", "aino", "ics", "consent-missing")
	proof, err := w.Engine().ProbeScope(t.Context(), world.Organization, "aino@acme.example", "bert@acme.example")
	if err != nil || proof != organization.ScopeTooWide {
		t.Errorf("both answer: %v, %s", err, proof)
	}
	if err := w.Exchange.SetState(world.Tenant, "bert@acme.example", exchange.OutsideScope); err != nil {
		t.Fatal(err)
	}
	proof, err = w.Engine().ProbeScope(t.Context(), world.Organization, "aino@acme.example", "bert@acme.example")
	if s := readOrganization(t, w); err != nil || proof != organization.ScopeProven || s.Consent != "granted" || s.Evidence != "probe" {
		t.Fatalf("%v, %s, %+v", err, proof, s)
	}
	settle(t, w)
	expect(t, w, "b1", "aino", "written", "", "b1 r1")
}

func TestAProbeIsTheEvidenceOfApplicationPermissions(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	o, _ := organization.Decode([]byte(`{"profile":"training","sync":true,"tenant":{"expected":"` + world.Tenant + `"}}`))
	o = o.WithID(world.Organization)
	w.Org = &o
	keepOrganization(t, w)
	if _, err := w.Engine().ProbeConsent(t.Context(), world.Organization, "aino@acme.example"); !errors.Is(err, engine.ErrNoConsent) {
		t.Errorf("before: %v", err)
	}
	if _, err := w.Engine().OfferConsent(t.Context(), world.Organization, confirmedOffer(world.Tenant)); err != nil {
		t.Fatal(err)
	}
	if probe, err := w.Engine().ProbeConsent(t.Context(), world.Organization, "nobody@acme.example"); err != nil || probe != organization.ProbeUnclear {
		t.Errorf("nobody: %v, %s", err, probe)
	}
	if s := readOrganization(t, w); s.Evidence != "callback" {
		t.Errorf("%+v", s)
	}
	if probe, err := w.Engine().ProbeConsent(t.Context(), world.Organization, "aino@acme.example"); err != nil || probe != organization.ProbeRead {
		t.Errorf("%v, %s", err, probe)
	}
	if s := readOrganization(t, w); s.Evidence != "probe" {
		t.Errorf("%+v", s)
	}
}
