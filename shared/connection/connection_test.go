package connection_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
)

// Graph/contract.md sections 12 and 13.3: a consent is to names, so what was granted for
// everybody is asked for by its name where it holds what is needed.
func TestWhatIsNeededIsAskedForByTheNameOfWhatWasGranted(t *testing.T) {
	const busy, reads, writes, shared = "Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite", "Calendars.Read.Shared"
	for _, tt := range []struct{ needed, granted, want string }{
		{busy, writes + " User.Read", writes},
		{busy, reads, reads},
		{reads, "https://graph.microsoft.com/" + writes, writes},
		{reads, reads + " " + writes, reads},
		{reads, "calendars.read", reads},
		{writes, reads, writes},
		{writes, writes, writes},
		{busy, "", busy},
		{busy, "User.Read Mail.Send", busy},
		{reads + " " + shared, writes, writes + " " + shared},
		{reads + " " + shared, writes + " " + shared, writes + " " + shared},
		{busy + " " + reads, writes, writes},
		{"", writes, ""},
	} {
		got := connection.Ask(strings.Fields(tt.needed), strings.Fields(tt.granted))
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q where %q was granted: %q, want %q", tt.needed, tt.granted, got, tt.want)
		}
		if again := connection.Ask(got, strings.Fields(tt.granted)); !slices.Equal(got, again) {
			t.Errorf("%q is asked for as %q the second time", got, again)
		}
	}
}

// What is asked for satisfies what is needed.
func TestWhatIsAskedForIsEnough(t *testing.T) {
	for _, d := range []connection.Direction{connection.Down, connection.Up, connection.Both} {
		for _, s := range []connection.Scope{connection.Busy, connection.Details, connection.Shared, connection.ReadWrite} {
			for _, granted := range [][]string{nil, {"Calendars.Read"}, {"Calendars.ReadWrite"}} {
				if missing := connection.Missing(connection.Ask(connection.Permissions(d, s), granted), d, s); len(missing) > 0 {
					t.Errorf("%s %s with %v: %v is missing", d, s, granted, missing)
				}
			}
		}
	}
}

func TestOthersCalendarsAreReadWithTheScopeSharedOnly(t *testing.T) {
	all := []connection.Calendar{{ID: "own"}, {ID: "theirs", Shared: true}}
	for scope, want := range map[connection.Scope]int{connection.Shared: 2, connection.Busy: 1, connection.Details: 1, connection.ReadWrite: 1} {
		c := connection.Connection{Scope: scope, Calendars: all}
		if got := c.Narrowed().Calendars; len(got) != want || len(all) != 2 || !all[1].Shared {
			t.Errorf("%s: %v of %v", scope, got, all)
		}
	}
}
