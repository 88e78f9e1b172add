package reason_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/reason"
)

// The closed lists as design.md has them.
func TestTheListsAreThoseOfTheDesign(t *testing.T) {
	for state, want := range map[string]string{
		reason.Removed: "cancelled not-invited-any-more inactive erased module-off sync-off disconnected",
		reason.ICS: "not-connected sync-off needs-reauth consent-missing blocked-by-policy outside-scope opted-out paused direction-down-only " +
			"personal-mailbox mailbox-not-found mailbox-on-premises mailbox-unavailable recurrence-unsupported refused-by-graph gave-up",
		reason.Skipped: "module-off not-assigned not-scheduled in-the-past removed-by-user invalid conflict-lost duplicate-recipient inactive held erased cancelled",
	} {
		if diff := cmp.Diff(sorted(strings.Fields(want)), sorted(carriedBy(state))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", state, diff)
		}
	}
	for _, state := range []string{reason.Written, reason.Pending} {
		if got := carriedBy(state); len(got) > 0 {
			t.Errorf("%s carries %v, want no reason", state, got)
		}
	}
}

func carriedBy(state string) []string {
	var out []string
	for _, e := range reason.All() {
		if e.May(state) {
			out = append(out, e.Name)
		}
	}
	return out
}

func sorted(s []string) []string { slices.Sort(s); return s }

func TestThePublishedSchemaListsTheSameReasons(t *testing.T) {
	raw, err := os.ReadFile("../../docs/schemas/delivery.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	type constant struct{ Const string }
	type list struct{ Enum []string }
	var schema struct {
		Properties struct {
			Data struct {
				AllOf []struct {
					If struct {
						Properties struct{ State constant }
					}
					Then struct{ Properties map[string]json.RawMessage }
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, rule := range schema.Properties.Data.AllOf {
		var names list
		if json.Unmarshal(rule.Then.Properties["reason"], &names) != nil || len(names.Enum) == 0 {
			continue
		}
		seen++
		state := rule.If.Properties.State.Const
		if diff := cmp.Diff(sorted(names.Enum), sorted(carriedBy(state))); diff != "" {
			t.Errorf("%s (-schema +list)\n%s", state, diff)
		}
	}
	if seen != 3 {
		t.Errorf("%d lists in the schema, want three", seen)
	}
}

func TestEveryReasonHasOneSentenceAnOwnerAndANextStep(t *testing.T) {
	owners := []reason.Owner{reason.User, reason.EntraAdmin, reason.OrganisationAdmin, reason.Operator, reason.BookingApp}
	names, sentences := map[string]bool{}, map[string]string{}
	for _, e := range reason.All() {
		if names[e.Name] {
			t.Errorf("%s is listed twice", e.Name)
		}
		names[e.Name] = true
		if other := sentences[e.Sentence]; other != "" {
			t.Errorf("%s and %s have the same sentence", e.Name, other)
		}
		sentences[e.Sentence] = e.Name
		if !slices.Contains(owners, e.Owner) {
			t.Errorf("%s: owner %q", e.Name, e.Owner)
		}
		for _, s := range []string{e.Sentence, e.Next} {
			if len(s) < 10 || !strings.HasSuffix(s, ".") || strings.Contains(s, e.Name) && strings.Contains(e.Name, "-") {
				t.Errorf("%s: %q is no plain sentence", e.Name, s)
			}
		}
	}
}

func TestAMailboxOnPremisesIsSaidWithItsRemedy(t *testing.T) {
	for _, name := range []string{reason.MailboxOnPremises, reason.MailboxUnavailable} {
		e, ok := reason.Find(name)
		if !ok || !strings.Contains(e.Sentence, "on premises") || !strings.Contains(e.Next, "Move the mailbox to Exchange Online") {
			t.Errorf("%s: %q, %q", name, e.Sentence, e.Next)
		}
		if got := reason.Sentence(reason.ICS, name); !strings.Contains(got, "on premises") {
			t.Errorf("the message of %s is %q", name, got)
		}
	}
}

func TestEveryStateCanBeSaid(t *testing.T) {
	for _, test := range []struct{ state, reason, want string }{
		{reason.Written, "", "The booking is in the calendar."},
		{reason.Pending, "", "The booking was accepted and is about to be written."},
		{reason.Skipped, reason.Cancelled, "The booking was cancelled."},
		{reason.ICS, "of-a-newer-build", "The calendar was not changed: of-a-newer-build."},
	} {
		if got := reason.Sentence(test.state, test.reason); got != test.want {
			t.Errorf("%s/%s: %q, want %q", test.state, test.reason, got, test.want)
		}
	}
}

func TestTheListCannotBeChangedByItsReaders(t *testing.T) {
	reason.All()[0].Name = "changed"
	if reason.All()[0].Name != reason.Cancelled {
		t.Error("All gives out the list itself")
	}
}

// Pages show these sentences to people who know the booking product and nothing else: what
// Calbridge is nobody told them.
func TestSentencesNameNoProductThatPeopleDoNotKnow(t *testing.T) {
	for _, e := range reason.All() {
		if strings.Contains(e.Sentence+e.Next, "Calbridge") {
			t.Errorf("%s: %s %s", e.Name, e.Sentence, e.Next)
		}
	}
}
