package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

func unlicensed() *graph.Error { return graph.Classify(404, "MailboxNotEnabledForRESTAPI", nil) }

// hours lets the hourly timer run, and what it orders.
func (r *rig) hours(n int) {
	r.t.Helper()
	for range n {
		r.advance(time.Hour)
		if err := r.engine().KeepAlive(context.Background()); err != nil {
			r.t.Fatal(err)
		}
		r.advance(time.Minute)
		r.now = r.now.Add(-time.Minute)
	}
}

func TestEveryConnectionIsRefreshedOnceADay(t *testing.T) {
	r := newRig(t, "travel")
	var ids []key.Key
	for i := range 30 {
		ids = append(ids, r.connect(fmt.Sprint("u", i), fmt.Sprint("a", i), connection.Up).ID)
	}
	r.connect("u0", "a0", connection.Up) // again: no second chain
	ids = append(ids, r.connect("u1", "second", connection.Down).ID)
	paused := r.connect("u2", "third", connection.Down)
	r.fail(paused, revoked)
	r.connect("u2", "third", connection.None) // what is paused is kept alive too
	ids = append(ids, paused.ID)
	r.hours(24)
	for day := range 3 {
		if len(r.refreshes) != 32*(day+1) {
			t.Errorf("%d refreshes after %d days, want one a day of each", len(r.refreshes), day+1)
		}
		r.hours(24)
	}
	slots := map[time.Duration]bool{}
	for _, id := range ids {
		slots[time.Duration(id[0]%24)] = true
		if got := r.row(id); r.now.Sub(got.LastRefresh) > 25*time.Hour || string(got.Sealed) != "next" {
			t.Errorf("last refreshed %v ago", r.now.Sub(got.LastRefresh))
		}
	}
	if len(slots) < 5 {
		t.Errorf("all at %d hours of the day", len(slots))
	}
}

func TestATimerThatDidNotRunForADayForgetsNobody(t *testing.T) {
	r := newRig(t, "travel")
	r.connect("aino", "work", connection.Up)
	r.advance(40 * time.Hour)
	r.hours(1)
	if len(r.refreshes) != 1 {
		t.Errorf("%d refreshes", len(r.refreshes))
	}
	r.hours(24)
	if len(r.refreshes) != 2 {
		t.Errorf("%d refreshes a day later", len(r.refreshes))
	}
}

func TestATokenThatDiedUnusedIsToldByItsDailyRefresh(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	r.refusals[c.ID] = revoked
	r.hours(25)
	if got := r.row(c.ID); got.State != connection.NeedsReauth || got.Cause != "50173" || got.Correlation != "c0ffee" || got.Lapses != 1 {
		t.Errorf("%+v", got.Connection)
	}
	if got := r.told("calbridge.connection.v1"); len(got) != 2 || got[1].Data.Reason != "50173" || got[1].Data.Message == "" || got[1].Data.Correlation != "c0ffee" {
		t.Errorf("told: %+v", got)
	}
	if who := r.person("aino"); who.Connection != "needs-reauth" || who.Offer != "reconnect" {
		t.Errorf("the list says %+v", who)
	}
	n := len(r.refreshes)
	r.hours(50)
	if len(r.refreshes) != n {
		t.Error("a dead token is tried again")
	}
}

func TestAFailureOfBeforeTheLastSignInDoesNotTouchIt(t *testing.T) {
	r := newRig(t, "travel")
	seen := r.connect("aino", "work", connection.Up)
	r.now = r.now.Add(time.Hour)
	r.connect("aino", "work", connection.Up) // signs in again
	r.fail(seen, revoked)
	if got := r.row(seen.ID); got.State != connection.Connected || got.Lapses != 0 {
		t.Errorf("%+v", got.Connection)
	}
}

func TestFailuresAndWhatTheyMeanForAConnection(t *testing.T) {
	for name, c := range map[string]struct {
		failure refusal
		state   connection.State
		alerts  int
		offer   string
	}{
		"revoked":          {revoked, connection.NeedsReauth, 0, "reconnect"},
		"consent required": {consent, connection.NeedsReauth, 0, "reconnect"},
		"policy":           {blocked, connection.BlockedByPolicy, 0, "none"},
		"second factor":    {second, connection.NeedsReauth, 0, "reconnect"},
		"the app's secret": {secret, connection.Connected, 1, "none"},
		"outage":           {outage, connection.Connected, 0, "none"},
		"app switched off": {refusal{"unauthorized_client", []int{7000112}, 400}, connection.Connected, 0, "none"},
	} {
		r := newRig(t, "travel")
		seen := r.connect("aino", "work", connection.Up)
		r.fail(seen, c.failure)
		r.fail(seen, c.failure) // nineteen others failed with it
		if got := r.row(seen.ID).State; got != c.state {
			t.Errorf("%s: %s, want %s", name, got, c.state)
		}
		if n := len(r.told("calbridge.alert.v1")); n != c.alerts {
			t.Errorf("%s: %d alerts, want %d", name, n, c.alerts)
		}
		if got := r.person("aino").Offer; got != c.offer {
			t.Errorf("%s: offered %s, want %s", name, got, c.offer)
		}
		want := 1
		if c.state != connection.Connected {
			want = 2
		}
		if n := len(r.told("calbridge.connection.v1")); n != want {
			t.Errorf("%s: %d events, want %d", name, n, want)
		}
	}
}

func TestTheSamePolicyErrorSoonAfterTwoSignInsMeansThatSigningInIsPointless(t *testing.T) {
	for name, c := range map[string]struct {
		first, second    refusal
		before1, before2 time.Duration
		want             connection.State
	}{
		"the same twice":          {second, second, time.Hour, 6 * 24 * time.Hour, connection.BlockedByPolicy},
		"another the second time": {second, refusal{"invalid_grant", []int{70043}, 400}, time.Hour, time.Hour, connection.NeedsReauth},
		"not a policy":            {revoked, revoked, time.Hour, time.Hour, connection.NeedsReauth},
		"the second time late":    {second, second, time.Hour, 8 * 24 * time.Hour, connection.NeedsReauth},
		"the first time late":     {second, second, 30 * 24 * time.Hour, time.Hour, connection.NeedsReauth},
	} {
		r := newRig(t, "travel")
		seen := r.connect("aino", "work", connection.Up)
		r.now = r.now.Add(c.before1)
		r.fail(seen, c.first)
		seen = r.connect("aino", "work", connection.Up)
		r.now = r.now.Add(c.before2)
		r.fail(seen, c.second)
		if got := r.row(seen.ID); got.State != c.want || got.Lapses != 2 {
			t.Errorf("%s: %s after %d lapses, want %s", name, got.State, got.Lapses, c.want)
		}
	}
}

func TestWhatAPolicyBlocksIsTriedDailyAndGoesOnByItself(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	r.settle()
	r.refusals[c.ID] = blocked
	r.hours(72)
	if got := r.row(c.ID); got.State != connection.BlockedByPolicy || got.Lapses != 1 || len(r.refreshes) != 3 {
		t.Fatalf("%s, %d refreshes in three days", got.State, len(r.refreshes))
	}
	r.refusals[c.ID] = nil
	r.hours(24)
	if got := r.row(c.ID); got.State != connection.Connected || !got.Failing.IsZero() || got.Cause != "" {
		t.Errorf("%+v", got.Connection)
	}
	if got := r.states(c.ID); fmt.Sprint(got) != "[connected blocked-by-policy connected]" {
		t.Errorf("told: %v", got)
	}
}

func TestWhatCannotBeRenewedIsWarnedOfAtFourteenSevenAndOneDays(t *testing.T) {
	for name, f := range map[string]refusal{"outage": outage, "policy": blocked} {
		r := newRig(t, "travel")
		c := r.connect("aino", "work", connection.Up)
		r.refusals[c.ID] = f
		for day := range 90 {
			r.hours(24)
			want := 0
			for _, left := range []int{14, 7, 1} {
				if 90-day-1 < left {
					want++
				}
			}
			if n := len(r.told("calbridge.alert.v1")); n != want && n != want+1 { // its hour of the day
				t.Fatalf("%s: %d warnings after %d days, want about %d", name, n, day+1, want)
			}
		}
		alerts := r.told("calbridge.alert.v1")
		if len(alerts) != 3 || alerts[0].Data.Code != "connection-expiring" || alerts[0].Data.User != "aino" {
			t.Errorf("%s: %+v", name, alerts)
		}
		r.refusals[c.ID] = nil
		r.hours(24)
		if alerts = r.told("calbridge.alert.v1"); len(alerts) != 4 || alerts[3].Data.State != "over" {
			t.Errorf("%s: not told that it is over: %+v", name, alerts)
		}
	}
}

func TestAnUnreachableMailboxIsLookedAtWithTheDailyRefresh(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	r.settle()
	if err := r.engine().ConnectionFailed(t.Context(), c, unlicensed()); err != nil {
		t.Fatal(err)
	}
	if got := r.row(c.ID); got.State != connection.Unreachable || got.Cause != "mailbox-unavailable" {
		t.Errorf("%+v", got.Connection)
	}
	r.settle()
	r.mailboxes[c.Account.ObjectID] = unlicensed()
	r.hours(25)
	if got := r.row(c.ID).State; got != connection.Unreachable {
		t.Errorf("%s while it cannot be reached", got)
	}
	r.mailboxes[c.Account.ObjectID] = nil
	r.hours(24)
	if got := r.row(c.ID); got.State != connection.Connected || got.Cause != "" {
		t.Errorf("%+v", got.Connection)
	}
	if got := r.states(c.ID); fmt.Sprint(got) != "[connected unreachable connected]" {
		t.Errorf("told: %v", got)
	}
}

func TestTheOperatorIsAlertedOfOurOwnCredentialOnceAndWhenItIsOver(t *testing.T) {
	r := newRig(t, "travel")
	for i := range 5 {
		c := r.connect(fmt.Sprint("u", i), fmt.Sprint("a", i), connection.Up)
		r.refusals[c.ID] = secret
	}
	r.hours(24)
	alerts := r.told("calbridge.alert.v1")
	if len(alerts) == 0 || alerts[0].Data.Code != "app-credential" || alerts[0].Data.State != "raised" {
		t.Fatalf("%+v", alerts)
	}
	for id := range r.refusals {
		r.refusals[id] = nil
		if got := r.row(id); got.State != connection.Connected || !got.Failing.IsZero() {
			t.Errorf("a connection was changed: %+v", got.Connection)
		}
	}
	r.hours(24)
	alerts = r.told("calbridge.alert.v1")
	if len(alerts) != 2 || alerts[1].Data.State != "over" {
		t.Errorf("%+v", alerts)
	}
}

func TestACredentialThatNobodyUsesAnyMoreIsOverAfterADay(t *testing.T) {
	r := newRig(t, "travel")
	r.fail(r.connect("aino", "work", connection.Up), secret)
	if err := r.engine().Disconnect(t.Context(), acme, r.all("aino")[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	r.hours(20)
	if alerts := r.told("calbridge.alert.v1"); len(alerts) != 1 {
		t.Fatalf("%+v", alerts)
	}
	r.hours(10)
	if alerts := r.told("calbridge.alert.v1"); len(alerts) != 2 || alerts[1].Data.State != "over" {
		t.Errorf("%+v", alerts)
	}
}

// Also where nobody signs in: a turn of the app's own.
func TestTheAppsOwnRefusalAlertsTheOperatorAndChangesNoResult(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	w.Calendar = refusing{w.Calendar}
	for range 3 {
		if k := w.Begin(world.Write); k != nil {
			w.Finish()
		}
		w.Advance(time.Minute)
	}
	raised := 0
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject == "calbridge.alert.v1" && strings.Contains(string(m.Body), `"code":"app-credential"`) {
			raised++
		}
	}
	if raised != 1 || len(w.Results()) != 0 {
		t.Errorf("%d alerts and %d results, want one and none", raised, len(w.Results()))
	}
}

// refusing is a Graph for which the app gets no token.
type refusing struct{ graph.Calendar }

func (refusing) Mailbox(context.Context, graph.Access, string) (graph.Mailbox, error) {
	return graph.Mailbox{}, secret.failure()
}

func TestACertificateIsToldOfBeforeItEnds(t *testing.T) {
	r := newRig(t, "travel")
	r.expires = r.now.Add(40 * 24 * time.Hour)
	for day := range 40 {
		r.hours(24)
		want := 0
		for _, left := range []int{30, 7, 1} {
			if 40-day-1 <= left {
				want++
			}
		}
		if n := len(r.told("calbridge.alert.v1")); n != want {
			t.Fatalf("%d alerts after %d days, want %d", n, day+1, want)
		}
	}
	for _, a := range r.told("calbridge.alert.v1") {
		if a.Data.Code != "certificate-expiring" {
			t.Errorf("%+v", a)
		}
	}
}

func TestADeletedOrganisationsTokensAreDestroyedAndNotInherited(t *testing.T) {
	r := newRig(t, "travel")
	orgs := state.NewOrganizations(r.tables, func() time.Time { return r.now })
	put := func() {
		_, err := orgs.Change(t.Context(), acme, func(*organization.Organization, string) (organization.Organization, error) { return r.org, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	order := func() {
		if err := r.engine().DisconnectAll(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for i := range 60 {
		r.connect(fmt.Sprint("u", i), fmt.Sprint("a", i), connection.Up)
	}
	order() // and then it was not deleted
	r.settle()
	if len(r.all("u7")) != 1 {
		t.Fatal("an organisation that was not deleted lost its connections")
	}
	order()
	if err := orgs.Delete(t.Context(), acme, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Second)
	put() // at once, of the same id
	r.connect("new", "new", connection.Up)
	r.settle()
	for i := range 60 {
		if n := len(r.all(fmt.Sprint("u", i))); n != 0 {
			t.Errorf("u%d has %d connections", i, n)
		}
	}
	if len(r.all("new")) != 1 {
		t.Error("the new organisation's connection is gone")
	}
}
