package portal

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// computed are the beginnings of keys that templates and functions put together.
var computed = append([]string{"trouble.", "month.", "outcome.", "permission.", "setup.done.", "setup.consent.", "setup.why.", "setup.proof.", "setup.state.",
	"people.connection.", "people.mailbox.", "refusal.", "end.", "why.", "doubt.", "seen.", "scope.", "ask.", "owner.", "state.", "done."}, computedByConnect...)

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
