package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// shelves gives the rig's mailboxes the lists of somebody with two teams, to whom Bo
// shares a calendar.
func (r *rig) shelves(owner string) {
	r.folders = []graph.Folder{
		{ID: "d", Name: "Calendar", Default: true, Owner: owner}, {ID: "t1", Name: "Team", Owner: owner},
		{ID: "t2", Name: "Team", Owner: owner}, {ID: "bo", Name: "Bo", Owner: "bo@acme.example"},
	}
}

func ids(all ...string) *[]connection.Calendar {
	out := []connection.Calendar{}
	for _, id := range all {
		out = append(out, connection.Calendar{ID: id, Name: "as the caller calls it"})
	}
	return &out
}

func TestCalendarsAreChosenByIdAndKeptAsGraphNamesThem(t *testing.T) {
	r := newRig(t, "planning")
	c := r.connect("aino", "work", connection.Both)
	r.shelves(c.Mailbox)
	set := func(change engine.ConnectionChange) ([]connection.Calendar, error) {
		t.Helper()
		got, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, change, nil)
		return got.Calendars, err
	}
	both := []connection.Calendar{{ID: "t2", Name: "Team"}, {ID: "d", Name: "Calendar", Default: true}}
	got, err := set(engine.ConnectionChange{Calendars: ids("t2", "d", "t2")})
	if diff := cmp.Diff(both, got); diff != "" || err != nil || len(r.lists) != 1 {
		t.Fatalf("%v, %d lists (-want +got)\n%s", err, len(r.lists), diff)
	}
	if diff := cmp.Diff(both, r.row(c.ID).Calendars); diff != "" {
		t.Errorf("stored (-want +got)\n%s", diff)
	}
	shown := engine.ConnectionOf(r.row(c.ID).Connection).Calendars
	if diff := cmp.Diff([]engine.Calendar{{ID: "t2", Name: "Team"}, {ID: "d", Name: "Calendar"}}, shown); diff != "" {
		t.Errorf("the API says (-want +got)\n%s", diff)
	}
	// What is read already needs nobody's word: also while Graph is down, and when the
	// calendar has been deleted in Outlook since.
	r.listing = errors.New("down")
	if got, err := set(engine.ConnectionChange{Calendars: ids("d")}); err != nil || len(got) != 1 || !got[0].Default || len(r.lists) != 1 {
		t.Errorf("one less: %v, %v", got, err)
	}
	if got, err := set(engine.ConnectionChange{Calendars: ids()}); err != nil || len(got) != 0 || len(r.lists) != 1 {
		t.Errorf("the default one: %v, %v", got, err)
	}
	if got, err := set(engine.ConnectionChange{Calendars: ids()}); err != nil || len(got) != 0 {
		t.Errorf("twice: %v, %v", got, err)
	}
	if _, err := set(engine.ConnectionChange{Calendars: ids("t1")}); err == nil || len(r.row(c.ID).Calendars) != 0 {
		t.Errorf("one more while Graph is down: %v", err)
	}
}

func TestWhatCannotBeReadCannotBeChosen(t *testing.T) {
	r := newRig(t, "planning")
	c := r.connect("aino", "work", connection.Both)
	r.shelves(c.Mailbox)
	up, none, both, down := connection.Up, connection.None, connection.Both, connection.Down
	for name, tt := range map[string]struct {
		change engine.ConnectionChange
		want   string
	}{
		"unknown ones":               {engine.ConnectionChange{Calendars: ids("t1", "x", "t2", "y")}, "unknown [1 3]"},
		"another's":                  {engine.ConnectionChange{Calendars: ids("bo")}, "unknown [0]"},
		"no id":                      {engine.ConnectionChange{Calendars: ids("")}, "unknown [0]"},
		"with up":                    {engine.ConnectionChange{Direction: &up, Calendars: ids("t1")}, engine.ErrNotRead.Error()},
		"with none":                  {engine.ConnectionChange{Direction: &none, Calendars: ids("t1")}, engine.ErrNotRead.Error()},
		"too many":                   {engine.ConnectionChange{Calendars: manyIDs(connection.MaxCalendars + 1)}, engine.ErrManyCalendars.Error()},
		"before the sign-in for it":  {engine.ConnectionChange{Direction: &down, Scope: ptrTo(connection.Shared), Calendars: ids("bo")}, "scope [Calendars.Read.Shared]"},
		"the list, and it is in use": {engine.ConnectionChange{Direction: &both, Calendars: ids("t1")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.row(c.ID).Calendars
			_, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, tt.change, nil)
			if got := choiceError(err); !strings.HasSuffix(got, tt.want) || (err == nil) != (tt.want == "") {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if err != nil && !cmp.Equal(before, r.row(c.ID).Calendars) {
				t.Error("it was changed all the same")
			}
		})
	}
}

func manyIDs(n int) *[]connection.Calendar {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint("c", i))
	}
	return ids(all...)
}

func choiceError(err error) string {
	var unknown *engine.CalendarsUnknown
	var missing *engine.ScopeMissing
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return fmt.Sprintf("unknown %v", unknown.At)
	case errors.As(err, &missing):
		return fmt.Sprintf("scope %v", missing.Missing)
	}
	return err.Error()
}

// The most that a row can have to hold fits into it.
func TestAsManyCalendarsAsThereMayBeFitIntoTheRow(t *testing.T) {
	r := newRig(t, "planning")
	c := r.connect("aino", "work", connection.Both)
	for i := range connection.MaxCalendars {
		id := fmt.Sprintf("%0*d", graph.MaxFolderID, i)
		r.folders = append(r.folders, graph.Folder{ID: id, Name: strings.Repeat("<", 255), Owner: c.Mailbox})
	}
	var all []string
	for _, f := range r.folders {
		all = append(all, f.ID)
	}
	if _, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, engine.ConnectionChange{Calendars: ids(all...)}, nil); err != nil {
		t.Fatal(err)
	}
	for _, got := range r.row(c.ID).Calendars {
		if n := utf8.RuneCountInString(got.Name); n != connection.MaxCalendarName || !strings.HasSuffix(got.Name, "<…") {
			t.Fatalf("a name of %d characters", n)
		}
	}
}

// Identity.md section 3: others' calendars are read with scope shared only, whatever a
// tenant-wide grant put into the token.
func TestOthersCalendarsComeAndGoWithTheScope(t *testing.T) {
	r := newRig(t, "planning")
	c, err := r.sign("aino", "work", connection.Down)
	if err != nil {
		t.Fatal(err)
	}
	c.Scope, c.Granted = connection.Details, []string{"Calendars.Read", "Calendars.Read.Shared", "Calendars.ReadWrite"}
	if c, err = r.engine().Connect(t.Context(), c, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	r.shelves(c.Mailbox)
	list := func() string {
		all, err := r.engine().ConnectionCalendars(t.Context(), acme, c.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range all {
			out = append(out, f.ID)
		}
		return strings.Join(out, " ")
	}
	if got := list(); got != "d t1 t2" {
		t.Errorf("details: %s", got)
	}
	change := engine.ConnectionChange{Scope: ptrTo(connection.Shared), Calendars: ids("bo", "t1")}
	got, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, change, nil)
	if err != nil || len(got.Calendars) != 2 || !got.Calendars[0].Shared || got.Calendars[1].Shared || list() != "d t1 t2 bo" {
		t.Fatalf("shared: %v, %v", got.Calendars, err)
	}
	for what, change := range map[string]engine.ConnectionChange{
		"another scope":     {Scope: ptrTo(connection.Busy)},
		"another direction": {Direction: ptrTo(connection.Both)},
	} {
		got, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, change, nil)
		if err != nil || len(got.Calendars) != 1 || got.Calendars[0].ID != "t1" {
			t.Errorf("%s: %v, %v", what, got.Calendars, err)
		}
		back := engine.ConnectionChange{Direction: ptrTo(connection.Down), Scope: ptrTo(connection.Shared), Calendars: ids("bo", "t1")}
		if _, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, back, nil); err != nil {
			t.Fatal(err)
		}
	}
	// A pause keeps what was chosen, and a sign-in for less takes others' away.
	if got, err := r.engine().ChangeConnection(t.Context(), acme, c.ID, engine.ConnectionChange{Direction: ptrTo(connection.None)}, nil); err != nil || len(got.Calendars) != 2 {
		t.Errorf("paused: %v, %v", got.Calendars, err)
	}
	again := r.row(c.ID).Connection
	again.Direction, again.Scope, again.Calendars = connection.Down, connection.Details, nil
	if got, err := r.engine().Connect(t.Context(), again, []byte("newer")); err != nil || len(got.Calendars) != 1 || got.Calendars[0].ID != "t1" {
		t.Errorf("signed in for details: %v, %v", got.Calendars, err)
	}
}

// I4: with up nothing is listed; I7: nobody's list is asked for with another's token.
func TestListsAreAskedForByWhoMayAndOnlyThen(t *testing.T) {
	r := newRig(t, "planning")
	c := r.connect("aino", "work", connection.Up)
	r.shelves(c.Mailbox)
	if _, err := r.engine().ConnectionCalendars(t.Context(), acme, c.ID, nil); !errors.Is(err, engine.ErrNotRead) || len(r.lists) != 0 {
		t.Errorf("up: %v, %d lists", err, len(r.lists))
	}
	other := r.connect("aino", "home", connection.Both)
	if _, err := r.engine().ConnectionCalendars(t.Context(), acme, other.ID, nil); err != nil {
		t.Fatal(err)
	}
	if as := r.lists[0]; as.Connection != other.ID || as.ObjectID != other.Account.ObjectID || as.Tenant != home {
		t.Errorf("asked as %+v", as)
	}
	refuse := errors.New("not yours")
	check := func(connection.Connection, string) error { return refuse }
	if _, err := r.engine().ConnectionCalendars(t.Context(), acme, other.ID, check); !errors.Is(err, refuse) || len(r.lists) != 1 {
		t.Errorf("refused: %v, %d lists", err, len(r.lists))
	}
	if err := r.engine().Disconnect(t.Context(), acme, other.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine().ConnectionCalendars(t.Context(), acme, other.ID, nil); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("disconnected: %v", err)
	}
}

func TestAListThatFailsSaysWhyAndADeadTokenIsNoted(t *testing.T) {
	r := newRig(t, "planning")
	c, err := r.sign("aino", "work", connection.Down)
	if err != nil {
		t.Fatal(err)
	}
	c.Granted = []string{"Calendars.ReadBasic"}
	if c, err = r.engine().Connect(t.Context(), c, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	r.shelves(c.Mailbox)
	list := func(failure error) error {
		r.listing = failure
		all, err := r.engine().ConnectionCalendars(context.Background(), acme, c.ID, nil)
		if len(all) > 0 {
			t.Errorf("%d calendars with %v", len(all), failure)
		}
		return err
	}
	if err := list(graph.Classify(403, "ErrorAccessDenied", nil)); !errors.Is(err, engine.ErrListNeedsDetails) {
		t.Errorf("busy only: %v", err)
	}
	for _, failure := range []*graph.Error{graph.Classify(429, "ApplicationThrottled", nil), graph.Classify(503, "", nil), graph.Classify(404, "MailboxNotEnabledForRESTAPI", nil)} {
		got := (*graph.Error)(nil)
		if err := list(failure); !errors.As(err, &got) || got.Kind != failure.Kind || got.Reason != failure.Reason {
			t.Errorf("%v: %v", failure, err)
		}
	}
	if got := r.row(c.ID).State; got != connection.Connected {
		t.Errorf("a failure that may pass left it %s", got)
	}
	r.now = r.now.Add(time.Minute)
	dead := graph.ClassifyToken("invalid_grant", []int{50173}, 400)
	for range 2 {
		got := (*graph.Error)(nil)
		if err := list(dead); !errors.As(err, &got) || got.Reason != graph.ReasonNeedsReauth || r.row(c.ID).State != connection.NeedsReauth {
			t.Errorf("dead: %v, %s", err, r.row(c.ID).State)
		}
	}
	if n := len(r.lists); n != 5 {
		t.Errorf("%d lists asked for: a connection that is known to be dead asks nobody", n)
	}
}

func TestAConnectionByProbeListsInTheBoundTenantOnly(t *testing.T) {
	r := newRig(t, "training")
	c, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Down)
	if err != nil {
		t.Fatal(err)
	}
	r.shelves("aino@acme.example")
	if all, err := r.engine().ConnectionCalendars(t.Context(), acme, c.ID, nil); err != nil || len(all) != 3 || r.lists[0] != graph.AppAccess(home) {
		t.Errorf("%d calendars as %v: %v", len(all), r.lists, err)
	}
	r.org.State.Tenant = "22222222-2222-4222-8222-222222222222"
	got := (*graph.Error)(nil)
	if _, err := r.engine().ConnectionCalendars(t.Context(), acme, c.ID, nil); !errors.As(err, &got) || got.Reason != graph.ReasonConsentMissing || len(r.lists) != 1 {
		t.Errorf("another tenant: %v, %d lists", err, len(r.lists))
	}
}
