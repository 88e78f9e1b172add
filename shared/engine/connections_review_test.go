package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// What reviews of connections found: each test is the shortest way in which it went wrong.

// The same policy error every day is no new death, and asks nobody to sign in, however
// long ago the last sign-in is.
func TestWhatSigningInDoesNotHelpStaysBlockedAndIsToldOnce(t *testing.T) {
	for name, daily := range map[string]refusal{"the same policy": second, "access by location": blocked} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "travel")
			for range 2 { // the same error soon after two sign-ins
				c := r.connect("aino", "work", connection.Up)
				r.settle()
				r.fail(c, second)
				r.settle()
			}
			died := r.row(r.all("aino")[0].ID).Connection
			if died.State != connection.BlockedByPolicy {
				t.Fatalf("%s after the same error twice", died.State)
			}
			r.refusals[died.ID] = daily
			r.hours(24 * 20)
			got := r.row(died.ID).Connection
			if got.State != connection.BlockedByPolicy || !got.Since.Equal(died.Since) || !got.Failing.Equal(died.Failing) || got.Lapses != died.Lapses {
				t.Errorf("%s since %s, failing since %s, %d lapses; was %s since %s, failing since %s, %d lapses",
					got.State, got.Since, got.Failing, got.Lapses, died.State, died.Since, died.Failing, died.Lapses)
			}
			if who := r.person("aino"); who.Offer != "none" {
				t.Errorf("offered %s", who.Offer)
			}
			if got := fmt.Sprint(r.states(died.ID)); got != "[connected needs-reauth connected blocked-by-policy]" {
				t.Errorf("told: %s", got)
			}
		})
	}
}

// A token that is dead for good is the person's to renew, also where a policy was in the way before.
func TestABlockedTokenThatDiesIsThePersonsAgain(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	r.fail(c, blocked)
	r.settle()
	r.refusals[c.ID] = revoked
	r.hours(25)
	if got := r.row(c.ID); got.State != connection.NeedsReauth || got.Cause != "50173" || got.Lapses != 1 {
		t.Errorf("%+v", got.Connection)
	}
}

// A mailbox that was never seen is looked for when the policy lets us in again: without
// it the connection would be called connected, and nothing could be written.
func TestWhatWasBlockedBeforeItsMailboxWasSeenIsLookedAtAgain(t *testing.T) {
	r := newRig(t, "travel")
	c, err := r.sign("aino", "work", connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	c.Mailbox, c.Cause = "", "mailbox-unavailable"
	if c, err = r.engine().Connect(t.Context(), c, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.mailboxes[c.Account.ObjectID] = unlicensed()
	r.fail(r.row(c.ID).Connection, blocked)
	r.hours(25)
	if got := r.row(c.ID).Connection; got.State != connection.Unreachable || got.Cause != "mailbox-unavailable" {
		t.Errorf("no policy in the way, no mailbox: %s (%s)", got.State, got.Cause)
	}
	r.mailboxes[c.Account.ObjectID] = nil
	r.hours(25)
	if got := r.row(c.ID).Connection; got.State != connection.Connected || got.Mailbox == "" || got.Cause != "" {
		t.Errorf("the mailbox is there: %s (%s), mailbox %q", got.State, got.Cause, got.Mailbox)
	}
}

// A warning is taken back whoever ends what it was of: a sign-in, a disconnect.
func TestAWarningIsTakenBackWhoeverEndsIt(t *testing.T) {
	for name, end := range map[string]func(*rig, connection.Connection){
		"reconnected": func(r *rig, _ connection.Connection) { r.connect("aino", "work", connection.Up) },
		"disconnected": func(r *rig, c connection.Connection) {
			if err := r.engine().Disconnect(context.Background(), acme, c.ID, nil); err != nil {
				r.t.Fatal(err)
			}
		},
		"dead, and reconnected": func(r *rig, c connection.Connection) {
			r.fail(c, revoked)
			r.settle()
			r.connect("aino", "work", connection.Up)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "travel")
			c := r.connect("aino", "work", connection.Up)
			r.refusals[c.ID] = outage
			r.hours(24 * 80)
			if n := len(r.told("calbridge.alert.v1")); n != 1 {
				t.Fatalf("%d warnings", n)
			}
			end(r, r.row(c.ID).Connection)
			r.settle()
			if alerts := r.told("calbridge.alert.v1"); len(alerts) != 2 || alerts[1].Data.State != "over" || alerts[1].Data.Code != "connection-expiring" {
				t.Errorf("%+v", alerts)
			}
		})
	}
}

// A kill between the effects of the refresh that ends a warning loses neither.
func TestTheEndOfAWarningSurvivesAKill(t *testing.T) {
	stride := 1
	if testing.Short() { // with the race detector
		stride = 5
	}
	for n := 1; n < 40; n += stride {
		r := newRig(t, "travel")
		c := r.connect("aino", "work", connection.Up)
		r.refusals[c.ID] = outage
		r.hours(24 * 80)
		r.refusals[c.ID] = nil
		f := &fuse{left: n}
		body := fmt.Sprintf(`{"v":1,"op":"keepalive","organization":"acme","connection":%q}`, c.ID)
		_ = r.fused(f).Task(t.Context(), queue.Message{ID: key.Random(), Body: []byte(body)})
		if !f.blown {
			break
		}
		r.hours(25)
		if alerts := r.told("calbridge.alert.v1"); len(alerts) < 2 || alerts[1].Data.State != "over" {
			t.Errorf("killed at effect %d: %+v", n, alerts)
		}
	}
}

// The app's own permission goes to the tenant that the organisation is bound to now,
// not to the one that a connection was made in (I7).
func TestAProbeOfAConnectionNeverGoesToATenantThatIsNotBoundAnyMore(t *testing.T) {
	r := newRig(t, "planning")
	r.org.Permission = organization.Application
	made, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	r.settle()
	calls := &accesses{Calendar: r}
	body := fmt.Sprintf(`{"v":1,"op":"probe","organization":"acme","connection":%q}`, made.ID)
	probe := func() []graph.Access {
		t.Helper()
		calls.made = nil
		e := engine.New(engine.Effects{Tables: r.tables, Bus: fusedBus{&fuse{}, r}, Calendar: calls, Organizations: r, Refresher: r},
			&engine.Options{PublicURL: "https://calendar.example.com", Now: func() time.Time { return r.now }, Parallel: 1})
		if err := e.Task(t.Context(), queue.Message{ID: key.Random(), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		return calls.made
	}
	if got := probe(); len(got) != 1 || got[0] != graph.AppAccess(home) {
		t.Errorf("bound: %v", got)
	}
	bound := r.org
	r.org = bound.Unbind()
	if got := probe(); len(got) != 0 {
		t.Errorf("unbound: %v", got)
	}
	if r.org, err = r.org.Bind(foreign, r.now); err != nil {
		t.Fatal(err)
	}
	if got := probe(); len(got) != 0 {
		t.Errorf("bound to another tenant: %v", got)
	}
	r.org = bound
	r.org.Permission = organization.Delegated
	if got := probe(); len(got) != 0 {
		t.Errorf("people sign in: %v", got)
	}
}

// accesses notes in whose name mailboxes were looked for.
type accesses struct {
	graph.Calendar
	made []graph.Access
}

func (a *accesses) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	a.made = append(a.made, as)
	return a.Calendar.Mailbox(ctx, as, address)
}

// Who signs in to an organisation that was made anew keeps the connection, though a row
// of before was still there.
func TestASignInAfterADeletionIsNotDestroyedWithIt(t *testing.T) {
	r := newRig(t, "travel")
	orgs := state.NewOrganizations(r.tables, func() time.Time { return r.now })
	put := func() {
		t.Helper()
		if _, err := orgs.Change(t.Context(), acme, func(*organization.Organization, string) (organization.Organization, error) { return r.org, nil }); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for _, user := range []string{"aino", "bert"} {
		r.connect(user, user, connection.Up)
	}
	if err := r.engine().DisconnectAll(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if err := orgs.Delete(t.Context(), acme, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Second)
	put()
	r.connect("aino", "aino", connection.Up)
	r.settle()
	if len(r.all("aino")) != 1 || len(r.all("bert")) != 0 {
		t.Errorf("aino, who signed in again, has %d connections, bert %d", len(r.all("aino")), len(r.all("bert")))
	}
}

// An organisation whose people begin to sign in has connections from before, by which
// nothing can be written any more; and the other way round.
func TestTheFirstConnectionOfItsKindReceivesTheBookings(t *testing.T) {
	r := newRig(t, "planning")
	r.org.Permission = organization.Application
	probed, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Both)
	if err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.org.Permission = organization.Delegated
	first := r.connect("aino", "work", connection.Both)
	if !r.row(first.ID).Primary || r.row(probed.ID).Primary || r.row(first.ID).Followed == "" {
		t.Error("the bookings go to a connection that nobody may use")
	}
	if r.row(r.connect("aino", "side", connection.Both).ID).Primary {
		t.Error("the second account of a person is primary")
	}
	r.settle()
	if err := r.holds("aino", &ledgerOf{deaths: map[key.Key]map[string]bool{}}); err != nil {
		t.Error(err)
	}
}

// For 15 minutes after consent a refusal is none (identity.md section 2): the mailbox is
// not called out of scope.
func TestAProbeRightAfterConsentIsNoVerdict(t *testing.T) {
	r := newRig(t, "planning")
	r.org.Permission = organization.Application
	r.mailboxes["aino@acme.example"] = graph.Classify(403, "ErrorAccessDenied", nil)
	probe := func() *graph.Error {
		t.Helper()
		_, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Down)
		failure := (*graph.Error)(nil)
		if !errors.As(err, &failure) {
			t.Fatal(err)
		}
		return failure
	}
	if got := probe(); got.Kind != graph.Transient {
		t.Errorf("a minute after consent: %v, %s", got, got.Reason)
	}
	r.now = r.now.Add(16 * time.Minute)
	if got := probe(); got.Kind != graph.Unreachable || got.Reason != "outside-scope" {
		t.Errorf("later: %v, %s", got, got.Reason)
	}
}

// A credential that is mended and breaks again within the hour is another incident:
// with the id of the first its alert would be dropped as a repeat.
func TestAnIncidentThatComesBackIsToldAgain(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	body := []byte(fmt.Sprintf(`{"v":1,"op":"keepalive","organization":"acme","connection":%q}`, c.ID))
	for range 2 {
		r.refusals[c.ID] = secret
		r.fail(c, secret)
		r.fail(c, secret)
		r.now = r.now.Add(10 * time.Minute)
		r.refusals[c.ID] = nil
		if err := r.engine().Task(t.Context(), queue.Message{ID: key.Random(), Body: body}); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(5 * time.Minute)
	}
	told := ""
	for _, a := range r.told("calbridge.alert.v1") {
		told += a.Data.State + " "
	}
	if told != "raised over raised over " {
		t.Errorf("told: %s", told)
	}
}

// Why a mailbox cannot be reached decides who can mend it: another reason is news.
func TestAnotherReasonWhyAMailboxCannotBeReachedIsTold(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	for _, failure := range []*graph.Error{unlicensed(), unlicensed(), graph.Classify(403, "ErrorAccessDenied", nil)} {
		r.now = r.now.Add(time.Hour)
		if err := r.engine().ConnectionFailed(t.Context(), c, failure); err != nil {
			t.Fatal(err)
		}
		r.settle()
	}
	told := ""
	for _, e := range r.told("calbridge.connection.v1") {
		told += e.Data.State + "/" + e.Data.Reason + " "
	}
	if told != "connected/ unreachable/mailbox-unavailable unreachable/outside-scope " {
		t.Errorf("told: %s", told)
	}
}
