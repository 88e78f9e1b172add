package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

func TestTheFirstAccountIsPrimaryAndAnotherOneIsNot(t *testing.T) {
	r := newRig(t, "travel")
	first := r.connect("aino", "work", connection.Both)
	if got := r.backfills(); len(got) != 1 || got[0] != key.Lane(acme, key.User, "aino").String() {
		t.Errorf("ordered: %v, want a look at the person's lane, once", got)
	}
	r.settle()
	second := r.connect("aino", "side", connection.Down)
	r.settle()
	if !r.row(first.ID).Primary || r.row(second.ID).Primary {
		t.Error("the first account is not the primary one, alone")
	}
	if got := r.row(second.ID); got.Scope != connection.Busy || got.State != connection.Connected || !got.Delegated || string(got.Sealed) != "sealed" {
		t.Errorf("stored: %+v", got.Connection)
	}
	if who := r.person("aino"); who.Connection != "connected" || who.Offer != "none" || who.Email != "work@acme.example" {
		t.Errorf("the list says %+v", who)
	}
	if got := r.states(first.ID); fmt.Sprint(got) != "[connected]" {
		t.Errorf("told of the first: %v", got)
	}
	all, err := r.engine().Connections(t.Context(), acme, "aino")
	if err != nil || len(all) != 2 || all[0].ID != first.ID {
		t.Errorf("%d connections, primary first: %v", len(all), err)
	}
}

func TestTheSameAccountKeepsItsIdAndGetsNewTokens(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Down)
	calendars := []connection.Calendar{{ID: "1", Name: "Team"}}
	r.folders = []graph.Folder{{ID: "1", Name: "Team", Owner: c.Mailbox}}
	if _, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, engine.ConnectionChange{Calendars: &calendars}, nil); err != nil {
		t.Fatal(err)
	}
	r.fail(r.row(c.ID).Connection, revoked)
	r.settle()
	r.now = r.now.Add(time.Hour)
	again, err := r.sign("aino", "work", connection.Both)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := r.engine().Connect(t.Context(), again, []byte("newer"))
	if err != nil {
		t.Fatal(err)
	}
	if stored.ID != c.ID || !stored.Primary {
		t.Errorf("another connection: %v, was %v", stored.ID, c.ID)
	}
	got := r.row(c.ID)
	if string(got.Sealed) != "newer" || got.Lapses != 1 || got.State != connection.Connected || got.Cause != "" || got.Correlation != "" ||
		got.Direction != connection.Both || !got.SignedIn.Equal(r.now) || !got.Created.Equal(c.Created) || !cmp.Equal(got.Calendars, calendars) {
		t.Errorf("stored: %+v", got.Connection)
	}
	if got := r.states(c.ID); fmt.Sprint(got) != "[connected needs-reauth connected]" {
		t.Errorf("told: %v", got)
	}
	if len(r.backfills()) != 1 {
		t.Error("what was missed is not owed")
	}
}

func TestWhatNoConfirmationMakesRightIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rig, *connection.Connection)
		want   error
	}{
		"no organisation":    {func(_ *rig, c *connection.Connection) { c.Organization = "other" }, state.ErrNotFound},
		"module off":         {func(r *rig, _ *connection.Connection) { r.org.Module = false }, engine.ErrModuleOff},
		"first none":         {func(_ *rig, c *connection.Connection) { c.Direction = connection.None }, engine.ErrFirstNone},
		"foreign tenant":     {func(_ *rig, c *connection.Connection) { c.Account.Tenant = foreign }, engine.ErrForeignTenant},
		"no tenant yet":      {func(r *rig, _ *connection.Connection) { r.org.State = organization.State{} }, engine.ErrForeignTenant},
		"unknown direction":  {func(_ *rig, c *connection.Connection) { c.Direction = "sideways" }, state.ErrInvalid},
		"sealed for another": {func(r *rig, c *connection.Connection) { r.connect("aino", "work", connection.Up) }, engine.ErrAccountMoved},
	} {
		r := newRig(t, "travel")
		x, err := r.sign("aino", "work", connection.Up)
		if err != nil {
			t.Fatal(err)
		}
		c.change(r, &x)
		before := len(r.all("aino"))
		if _, err := r.engine().Connect(t.Context(), x, []byte("sealed")); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if n := len(r.all("aino")); n != before {
			t.Errorf("%s: it was stored", name)
		}
	}
	r := newRig(t, "planning") // accounts of any tenant
	x, err := r.sign("aino", "work", connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	x.Account.Tenant = foreign
	if _, err := r.engine().Connect(t.Context(), x, []byte("sealed")); err != nil {
		t.Errorf("an account of another tenant where any are taken: %v", err)
	}
	x.ID, x.Account.ObjectID, x.Granted = key.Of("x"), account("y").ObjectID, []string{"Calendars.Read"}
	if missing := (*engine.ScopeMissing)(nil); !func() bool {
		_, err := r.engine().Connect(t.Context(), x, []byte("sealed"))
		return errors.As(err, &missing)
	}() {
		t.Error("more than was granted is stored")
	}
}

func TestAPersonHasAsManyAccountsAsOneTransactionCanKeep(t *testing.T) {
	r := newRig(t, "travel")
	for i := range engine.MaxConnections {
		r.connect("aino", fmt.Sprint(i), connection.Down)
	}
	x, err := r.sign("aino", "more", connection.Down)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine().Connect(t.Context(), x, []byte("sealed")); !errors.Is(err, engine.ErrConnectionsFull) {
		t.Errorf("%v", err)
	}
	page, err := r.engine().ListConnections(t.Context(), acme, "", 7)
	if err != nil || len(page.Items) != 7 || page.Next == "" {
		t.Fatalf("%d items, next %q, %v", len(page.Items), page.Next, err)
	}
	seen := map[string]bool{}
	for after := ""; ; {
		page, err := r.engine().ListConnections(t.Context(), acme, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			seen[c.ID] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != engine.MaxConnections {
		t.Errorf("%d listed", len(seen))
	}
	if _, err := r.engine().ListConnections(t.Context(), acme, "x", 7); !errors.Is(err, engine.ErrBadCursor) {
		t.Errorf("a cursor of nobody: %v", err)
	}
}

func ptrTo[T any](v T) *T { return &v }

func TestADirectionNeedsItsGrant(t *testing.T) {
	const ro, rw, basic = "Calendars.Read", "Calendars.ReadWrite", "Calendars.ReadBasic"
	for _, c := range []struct {
		name    string
		granted []string
		from    connection.Direction
		change  engine.ConnectionChange
		want    string // direction scope state, or an error
	}{
		{"down to up", []string{ro}, connection.Down, engine.ConnectionChange{Direction: ptrTo(connection.Up)}, "missing Calendars.ReadWrite up readwrite"},
		{"down to up, granted", []string{rw}, connection.Down, engine.ConnectionChange{Direction: ptrTo(connection.Up)}, "up readwrite connected"},
		{"up to down", []string{rw}, connection.Up, engine.ConnectionChange{Direction: ptrTo(connection.Down)}, "down busy connected"},
		{"busy to details", []string{basic}, connection.Down, engine.ConnectionChange{Scope: ptrTo(connection.Details)}, "missing Calendars.Read down details"},
		{"details, granted", []string{ro}, connection.Down, engine.ConnectionChange{Scope: ptrTo(connection.Details)}, "down details connected"},
		{"shared", []string{rw}, connection.Down, engine.ConnectionChange{Scope: ptrTo(connection.Shared)}, "missing Calendars.Read.Shared down shared"},
		{"none", []string{basic}, connection.Down, engine.ConnectionChange{Direction: ptrTo(connection.None)}, "none busy paused"},
		{"up with busy", []string{rw}, connection.Up, engine.ConnectionChange{Scope: ptrTo(connection.Busy)}, "scope"},
		{"down with readwrite", []string{rw}, connection.Down, engine.ConnectionChange{Scope: ptrTo(connection.ReadWrite)}, "scope"},
		{"a calendar", []string{rw}, connection.Up, engine.ConnectionChange{Calendar: ptrTo("AAA")}, "calendar"},
		{"the default calendar", []string{rw}, connection.Up, engine.ConnectionChange{Calendar: ptrTo("")}, "up readwrite connected"},
		{"not primary any more", []string{rw}, connection.Up, engine.ConnectionChange{Primary: ptrTo(false)}, "primary"},
		{"primary again", []string{rw}, connection.Up, engine.ConnectionChange{Primary: ptrTo(true)}, "up readwrite connected"},
	} {
		r := newRig(t, "travel")
		x, err := r.sign("aino", "work", c.from)
		if err != nil {
			t.Fatal(err)
		}
		x.Granted = c.granted
		stored, err := r.engine().Connect(t.Context(), x, []byte("sealed"))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := ""
		changed, err := r.engine().ChangeConnection(t.Context(), acme, stored.ID, c.change, nil)
		missing := (*engine.ScopeMissing)(nil)
		switch {
		case errors.As(err, &missing):
			got = fmt.Sprintf("missing %s %s %s", strings.Join(missing.Missing, ","), missing.Direction, missing.Scope)
			if now := r.row(stored.ID); now.Direction != c.from {
				t.Errorf("%s: the old direction is not in force: %s", c.name, now.Direction)
			}
		case errors.Is(err, engine.ErrScope):
			got = "scope"
		case errors.Is(err, engine.ErrCalendarChoice):
			got = "calendar"
		case errors.Is(err, engine.ErrNotPrimary):
			got = "primary"
		case err != nil:
			got = err.Error()
		default:
			got = fmt.Sprintf("%s %s %s", changed.Direction, changed.Scope, changed.State)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestPausingIsQuietAndGoingOnOwesWhatWasMissed(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	r.settle()
	pause := func(d connection.Direction) {
		if _, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, engine.ConnectionChange{Direction: &d}, nil); err != nil {
			t.Fatal(err)
		}
	}
	pause(connection.None)
	if n := len(r.backfills()); n != 0 {
		t.Errorf("%d looks ordered by a pause", n)
	}
	if who := r.person("aino"); who.Connection != "paused" || who.Offer != "none" {
		t.Errorf("the list says %+v", who)
	}
	r.settle()
	pause(connection.Up)
	if n := len(r.backfills()); n != 1 {
		t.Errorf("%d looks ordered by going on, want 1", n)
	}
	if got := r.row(c.ID); got.State != connection.Connected || got.Followed == "" {
		t.Errorf("%+v", got.Connection)
	}
	r.settle()
	pause(connection.Both) // still writes
	if n := len(r.backfills()); n != 0 {
		t.Errorf("%d looks ordered though writes go as before", n)
	}
}

func TestAnotherPrimaryMovesTheLane(t *testing.T) {
	r := newRig(t, "travel")
	a, b := r.connect("aino", "work", connection.Up), r.connect("aino", "side", connection.Both)
	r.settle()
	got, err := r.engine().ChangeConnection(t.Context(), acme, b.ID, engine.ConnectionChange{Primary: ptrTo(true)}, nil)
	if err != nil || !got.Primary {
		t.Fatalf("%+v, %v", got, err)
	}
	if r.row(a.ID).Primary || r.row(a.ID).Followed != "" {
		t.Error("the old one is primary still")
	}
	if n := len(r.backfills()); n != 1 {
		t.Errorf("%d looks ordered", n)
	}
	if got := r.states(b.ID); fmt.Sprint(got) != "[connected]" {
		t.Errorf("told %v: a primary is no news of a state", got)
	}
}

func TestDisconnectingDestroysTokensAndHandsThePrimaryOn(t *testing.T) {
	r := newRig(t, "travel")
	a, b, c := r.connect("aino", "work", connection.Up), r.connect("aino", "side", connection.Both), r.connect("aino", "third", connection.Down)
	r.settle()
	if err := r.engine().Disconnect(t.Context(), acme, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine().Connection(t.Context(), acme, a.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("it can be read still: %v", err)
	}
	if err := r.engine().Disconnect(t.Context(), acme, a.ID, nil); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if !r.row(b.ID).Primary || r.row(c.ID).Primary || len(r.backfills()) != 1 {
		t.Error("the oldest other one did not become primary, with its lane owed")
	}
	if got := r.states(a.ID); fmt.Sprint(got) != "[connected disconnected]" {
		t.Errorf("told %v", got)
	}
	for _, id := range []key.Key{b.ID, c.ID} {
		if err := r.engine().Disconnect(t.Context(), acme, id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if who := r.person("aino"); who.Connection != "none" || who.Offer != "connect" {
		t.Errorf("the list says %+v", who)
	}
	if n := len(r.all("aino")); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestADisconnectedConnectionHasNoTokensBeforeItsRowGoes(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	f := &fuse{}
	_ = r.fused(f).Disconnect(t.Context(), acme, c.ID, nil)
	for n := 1; n <= f.count; n++ {
		r := newRig(t, "travel")
		c := r.connect("aino", "work", connection.Up)
		_ = r.fused(&fuse{left: n}).Disconnect(t.Context(), acme, c.ID, nil)
		for _, row := range r.all("aino") {
			if row.State == connection.Disconnected && len(row.Sealed) > 0 {
				t.Errorf("killed before effect %d: tokens of a disconnected connection", n)
			}
		}
	}
}

func TestACheckStopsAChange(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	no := errors.New("no")
	check := func(got connection.Connection, version string) error {
		if got.ID != c.ID || version == "" {
			t.Errorf("asked about %v in version %q", got.ID, version)
		}
		return no
	}
	_, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, engine.ConnectionChange{Direction: ptrTo(connection.None)}, check)
	if !errors.Is(err, no) || !errors.Is(r.engine().Disconnect(t.Context(), acme, c.ID, check), no) {
		t.Errorf("%v", err)
	}
	if r.row(c.ID).State != connection.Connected {
		t.Error("it was changed")
	}
}

func TestADismissedOfferStaysDismissedUntilTheConnectionChanges(t *testing.T) {
	r := newRig(t, "travel")
	if err := r.engine().Dismiss(t.Context(), acme, "aino", true); err != nil {
		t.Fatal(err)
	}
	dismiss := func(yes bool) {
		if err := r.engine().Dismiss(t.Context(), acme, "aino", yes); err != nil {
			t.Fatal(err)
		}
	}
	offered := func(want string) {
		t.Helper()
		if got := r.person("aino").Offer; got != want {
			t.Errorf("offered %q, want %q", got, want)
		}
	}
	offered("none")
	dismiss(false)
	offered("connect")
	dismiss(true)
	c := r.connect("aino", "work", connection.Up)
	r.settle()
	r.fail(c, revoked)
	offered("reconnect")
	dismiss(true)
	offered("none")
	r.connect("aino", "work", connection.Up)
	r.fail(r.row(c.ID).Connection, revoked)
	offered("reconnect")
	if err := r.engine().Disconnect(t.Context(), acme, c.ID, nil); err != nil {
		t.Fatal(err)
	}
	offered("connect")
	s, err := r.engine().Summary(t.Context(), acme)
	if err != nil || s.Dismissed != 0 || s.States["none"] != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestAConnectionByProbeNeedsNoSignIn(t *testing.T) {
	r := newRig(t, "training")
	got, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "Aino@acme.example", connection.Both)
	if err != nil {
		t.Fatal(err)
	}
	if got.Delegated || got.Mailbox != "aino@acme.example" || got.State != connection.Connected || !got.Primary || !got.LastRefresh.IsZero() ||
		got.Account.Tenant != home || got.Version == "" {
		t.Errorf("%+v", got)
	}
	again, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Down)
	if err != nil || again.ID != got.ID || again.Direction != connection.Down {
		t.Errorf("%+v, %v", again, err)
	}
	r.mailboxes["nobody@acme.example"] = graph.Classify(404, "ErrorInvalidUser", nil)
	failure := (*graph.Error)(nil)
	if _, err := r.engine().ConnectByProbe(t.Context(), acme, "bert", "nobody@acme.example", connection.Up); !errors.As(err, &failure) || failure.Reason != "mailbox-not-found" {
		t.Errorf("nobody's address: %v", err)
	}
	r.org.Permission = organization.Delegated
	if _, err := r.engine().ConnectByProbe(t.Context(), acme, "bert", "bert@acme.example", connection.Up); !errors.Is(err, engine.ErrNotProbed) {
		t.Errorf("where people sign in: %v", err)
	}
}

func TestASummaryCountsPeopleByStateAndCause(t *testing.T) {
	r := newRig(t, "travel")
	for _, user := range []string{"a", "b", "c", "d"} {
		c := r.connect(user, user, connection.Up)
		switch user {
		case "b", "c":
			r.fail(c, revoked)
		case "d":
			r.fail(c, blocked)
		}
	}
	got, err := r.engine().Summary(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	want := engine.Summary{People: 4, States: map[string]int{"connected": 1, "needs-reauth": 2, "blocked-by-policy": 1},
		Causes:    map[string]map[string]int{"needs-reauth": {"50173": 2}, "blocked-by-policy": {"53003": 1}},
		Mailboxes: map[string]int{"unknown": 4}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhoConnectsRightAfterTheTenantWasBoundIsNotRefusedForACache(t *testing.T) {
	r := newRig(t, "travel")
	bound := r.org
	_, err := state.NewOrganizations(r.tables, func() time.Time { return r.now }).Change(t.Context(), acme,
		func(*organization.Organization, string) (organization.Organization, error) { return bound, nil })
	if err != nil {
		t.Fatal(err)
	}
	r.org = r.org.Unbind() // as it was, and as the cache has it
	r.connect("aino", "work", connection.Up)
}

// The organisation's admin signs in, and that binds the tenant; their own calendar is
// connected in the same breath, when what is cached of the organisation is older.
func TestACalendarIsConnectedInTheMomentThatItsTenantIsBound(t *testing.T) {
	r := newRig(t, "travel")
	organizations := state.NewOrganizations(r.tables, func() time.Time { return r.now })
	if _, err := organizations.ChangeAfter(t.Context(), acme, func(*organization.Organization, string) (organization.Organization, error) { return r.org, nil }, nil); err != nil {
		t.Fatal(err)
	}
	x, err := r.sign("aino", "work", connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	r.org.State = organization.State{} // what is cached
	if _, err := r.engine().Connect(t.Context(), x, []byte("sealed")); err != nil {
		t.Error(err)
	}
}
