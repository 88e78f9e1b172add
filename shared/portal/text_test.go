package portal

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/organization"
)

// computed are the beginnings of keys that templates and functions put together.
var computed = append([]string{"trouble.", "month.", "outcome.", "test.", "permission.", "setup.done.", "setup.consent.", "setup.why.", "setup.proof.", "setup.state.",
	"people.connection.", "people.mailbox.", "people.why.", "refusal.", "end.", "why.", "doubt.", "seen.", "scope.", "ask.", "owner.", "state.", "done.", "reading.", "setup.read.", "setup.held."}, computedByConnect...)

// A key that nobody wrote would be shown as it is; a text that nobody uses would be
// translated for nothing.
func TestEveryKeyThatIsUsedHasATextAndTheOtherWayRound(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	used := usedKeys(t)
	en := texts.languages[english]
	for key := range used {
		if !en.has(key) && !en.has(key+".other") && !slices.ContainsFunc(computed, func(p string) bool { return p == key }) {
			t.Errorf("%s is used and has no text", key)
		}
	}
	for _, key := range en.keys() {
		base := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		if !used[key] && !used[base] && !slices.ContainsFunc(computed, func(p string) bool { return strings.HasPrefix(key, p) }) {
			t.Errorf("%s is never used", key)
		}
	}
}

// usedKeys are all strings in Go files and templates that look like keys.
func usedKeys(t *testing.T) map[string]bool {
	t.Helper()
	key := regexp.MustCompile(`"([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*)"`)
	call := regexp.MustCompile(`(?:\$\.[TN]|\btext|\bplural)\(? ?"([a-z0-9.-]+)"`)
	used := map[string]bool{}
	files, err := fs.Glob(os.DirFS("."), "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	source, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, source...) {
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(content), -1) {
			used[m[1]] = true
		}
		for _, m := range key.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(m[1], ".") && known(t, m[1]) {
				used[m[1]] = true
			}
		}
	}
	return used
}

func known(t *testing.T, key string) bool {
	t.Helper()
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	return texts.languages[english].has(key) || texts.languages[english].has(key+".other")
}

// Every trouble has its three texts.
func TestEveryTroubleSaysWhatHappenedAndWhatToDo(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("trouble.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`trouble += "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(named) < 10 {
		t.Fatalf("found only %d troubles", len(named))
	}
	for _, m := range named {
		for _, part := range []string{".title", ".what", ".next"} {
			if !texts.languages[english].has("trouble." + m[1] + part) {
				t.Errorf("trouble.%s%s is missing", m[1], part)
			}
		}
	}
}

// Words that functions put together from closed lists have their texts.
func TestEveryWordOfAClosedListHasItsTexts(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	en := texts.languages[english]
	has := func(keys ...string) {
		for _, key := range keys {
			if !en.has(key) {
				t.Errorf("%s is missing", key)
			}
		}
	}
	for _, word := range deaths {
		has("people.why."+word+".what", "people.why."+word+".next", "why."+word+".what", "why."+word+".next")
	}
	for _, o := range []outcome{outcomeRefused, outcomeUnclear, outcomeDeclined, outcome(organization.UnexpectedTenant), outcome(organization.BoundElsewhere)} {
		if !o.failed() {
			t.Errorf("%s is no failure", o)
		}
		has("setup.why." + string(o))
	}
	for _, o := range []string{"bound", "bound-scoped", "bound-more", "allowed", "allowed-more", "needs-org-admin", "pending-approval", "unexpected-tenant", "tenant-bound", "refused", "unclear", "declined", "away", "resume"} {
		has("outcome.consent."+o+".title", "outcome.consent."+o+".what", "outcome.consent."+o+".next")
	}
	for _, p := range []string{"openid", "profile", "offline_access", "user.read", "calendars.readwrite", "calendars.read", "calendars.readwrite.application"} {
		has("permission." + p)
	}
	for _, e := range []string{organization.EvidenceCallback, organization.EvidenceSilent, organization.EvidenceProbe, "people", "operator", "none"} {
		has("setup.proof." + e)
	}
	for _, s := range []string{"none", "started", "unfinished", "failed", "yours", "scoped", "any", organization.ConsentPending, organization.ConsentGranted, organization.ConsentOutdated, organization.ConsentMissing} {
		has("setup.consent." + s)
	}
	for _, word := range setupDone {
		has("setup.done." + word)
	}
	for _, word := range testResults {
		has("test." + word)
	}
	for name, word := range glossary {
		if has(word.key); !strings.HasPrefix(word.page, "https://") {
			t.Errorf("%s has no source", name)
		}
	}
}

// A locale that is not spoken here falls back to English, key by key.
func TestATextThatALanguageLacksIsEnglish(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	fi := &language{tag: "fi", texts: map[string]string{"skip": "Siirry sisältöön"}, fallback: texts.languages[english]}
	texts.languages["fi"] = fi
	for header, want := range map[string]string{"fi-FI,fi;q=0.9,en;q=0.8": "fi", "sv, fi;q=0.5": "fi", "": "en", "*": "en", ";;,": "en", "en-GB": "en", "FI": "fi"} {
		if got := texts.choose(header).tag; got != want {
			t.Errorf("%q: %s", header, got)
		}
	}
	if got := fi.text("skip", nil); got != "Siirry sisältöön" {
		t.Error(got)
	}
	if got := fi.text("when", map[string]string{"day": "1", "month": "May", "year": "{day}", "time": "x", "zone": "y"}); got != "1 May {day}, x (y)" {
		t.Errorf("%q: a value was read as a text", got)
	}
}

// The product is the booking product, by the organisation's setting; what Calbridge is
// nobody told the people who read these pages.
func TestNoPageNamesAProductThatPeopleDoNotKnow(t *testing.T) {
	for name, open := range pages(t) {
		if p := open(); strings.Contains(string(p.Body), "Calbridge") {
			t.Errorf("%s names Calbridge", name)
		}
	}
}
