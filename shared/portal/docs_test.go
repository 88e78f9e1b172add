package portal

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/reason"
)

const adminsGuide = "../../docs/admins.md"

// turns are the words of the guide for who can change something.
var turns = map[reason.Owner]string{
	reason.User: "person", reason.EntraAdmin: "Microsoft 365 administrator", reason.OrganisationAdmin: "organisation admin",
	reason.Operator: "support", reason.BookingApp: "support",
}

// The guide's tables are what the pages say: every cause, with whose turn it is and the
// next step. With -update they are written anew.
func TestTheAdminsGuideNamesEveryReasonItsOwnerAndTheNextStep(t *testing.T) {
	text, err := os.ReadFile(adminsGuide)
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	for name, want := range map[string]string{"causes": causesTable(t), "reasons": reasonsTable(t)} {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(guide, begin)
		got, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Errorf("the guide has no place for %s", name)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" && !*update {
			t.Errorf("%s (-the pages +the guide)\n%s", name, diff)
		}
		guide = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(adminsGuide, []byte(guide), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// causesTable is what the set-up page may say of people: by Entra's numbers, by states
// of a connection, and by what a mailbox answered.
func causesTable(t *testing.T) string {
	t.Helper()
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string][]string{}
	for _, number := range slices.Sorted(maps.Keys(deaths)) {
		numbers[deaths[number]] = append(numbers[deaths[number]], fmt.Sprintf("`AADSTS%d`", number))
	}
	var b strings.Builder
	b.WriteString("| what it says | code | whose turn | next step |\n| --- | --- | --- | --- |\n")
	en := texts.languages[english]
	for _, word := range slices.Sorted(maps.Keys(numbers)) {
		row(t, &b, en.text("people.why."+word+".what", nil), strings.Join(numbers[word], ", "), turns[ownersOfCauses[word]], en.text("people.why."+word+".next", nil))
	}
	states := []string{string(connection.NeedsReauth), string(connection.BlockedByPolicy)}
	mailboxes := []string{reason.ConsentMissing, reason.OutsideScope, reason.PersonalMailbox, reason.MailboxNotFound, reason.MailboxOnPremises, reason.MailboxUnavailable}
	for _, name := range append(states, mailboxes...) {
		e, ok := reason.Find(name)
		if !ok {
			t.Fatalf("no reason %s", name)
		}
		row(t, &b, e.Sentence, "`"+name+"`", turns[e.Owner], e.Next)
	}
	return b.String()
}

// reasonsTable is the closed list of what a booking can come to.
func reasonsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| word | what it means | whose turn | next step |\n| --- | --- | --- | --- |\n")
	for _, e := range reason.All() {
		row(t, &b, "`"+e.Name+"`", e.Sentence, turns[e.Owner], e.Next)
	}
	return b.String()
}

func row(t *testing.T, b *strings.Builder, cells ...string) {
	t.Helper()
	for _, cell := range cells {
		if cell == "" || strings.ContainsAny(cell, "|{\n") {
			t.Errorf("%q does not fit into a table: %q", cell, cells)
		}
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)

// Each thing that the second step of the set-up page may say stands in the guide, by its
// first sentence.
func TestTheAdminsGuideNamesEveryStateOfTheConsent(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile(adminsGuide)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	en := texts.languages[english]
	for _, key := range en.keys() {
		if !strings.HasPrefix(key, "setup.consent.") && !strings.HasPrefix(key, "setup.why.") {
			continue
		}
		n++
		first, _, _ := strings.Cut(placeholder.ReplaceAllString(en.text(key, nil), "…"), ". ")
		if first = strings.TrimSuffix(first, "."); !strings.Contains(string(guide), "| "+first) {
			t.Errorf("%s: the guide lacks %q", key, first)
		}
	}
	if n < 15 {
		t.Errorf("only %d states were found", n)
	}
}
