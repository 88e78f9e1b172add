package outbound_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
)

func TestAConnectionIsToldAsTheWireSays(t *testing.T) {
	c := outbound.Connection{ID: key.Of("connection"), User: "u-17", State: "needs-reauth", Reason: "50173", Message: "It has ended.",
		Correlation: "c0ffee", Since: time.Date(2026, 12, 1, 12, 0, 0, 0, time.FixedZone("", 7200))}
	e := c.Event(origin())
	valid(t, e)
	_, data, _ := strings.Cut(string(e.Body), `"data":`)
	want := `{"connection":"` + c.ID.String() + `","user":"u-17","state":"needs-reauth","reason":"50173","message":"It has ended.",` +
		`"correlation":"c0ffee","since":"2026-12-01T10:00:00Z"}}`
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e.Type != outbound.TypeConnection || e.Session != key.Lane("acme", key.User, "u-17").String() || !strings.Contains(string(e.Body), `"subject":"`+c.ID.String()+`"`) {
		t.Errorf("%+v", e)
	}
	for _, state := range []string{"connected", "blocked-by-policy", "unreachable", "disconnected"} {
		valid(t, outbound.Connection{ID: c.ID, User: "u", State: state, Since: c.Since}.Event(origin()))
	}
}

func TestTheIdOfAConnectionsEventTellsChangesApart(t *testing.T) {
	base := outbound.Connection{ID: key.Of("connection"), State: "connected", Since: time.Unix(1, 0)}
	again := base
	again.Message, again.Reason = "Other words.", "x"
	if base.EventID() != again.EventID() {
		t.Error("the words of an event change its id")
	}
	for name, other := range map[string]outbound.Connection{
		"connection": {ID: key.Of("other"), State: base.State, Since: base.Since},
		"state":      {ID: base.ID, State: "unreachable", Since: base.Since},
		"time":       {ID: base.ID, State: base.State, Since: base.Since.Add(time.Nanosecond)},
	} {
		if other.EventID() == base.EventID() {
			t.Errorf("another %s has the same id", name)
		}
	}
}
