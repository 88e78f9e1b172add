package stories

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// attacks are those that issue 5 names, as docs/attacks.md begins their lines.
var attacks = []string{"state replayed", "state forged", "state expired", "state of another browser", "code injected",
	"tenant parameter swapped or not a GUID", "consent link forwarded", "callback forged by an employee", "id token with wrong audience",
	"link of another organisation, role or user, tampered", "link expired", "link scanned 20 times", "Bob on Alice's link", "Mallory's link to Vera",
	"open redirect", "CSRF on every post", "session used on another organisation's page", "XSS through", "session fixation", "header injection",
	"a form of 1 MB", "double click", "two tabs", "back button", "a token, secret or address in a log"}

var (
	testPattern    = regexp.MustCompile("`(Test[A-Za-z0-9]+|handlers|(?:cmd|local|shared)(?:/[a-z0-9]+)+)`")
	picturePattern = regexp.MustCompile(`!\[([^\]]*)\]\(([^)]*\.png)\)`)
)

func TestEveryAttackHasItsTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(string(text), "\n| ")
	for _, attack := range attacks {
		found := false
		for _, row := range rows {
			found = found || strings.HasPrefix(row, attack)
		}
		if !found {
			t.Errorf("no line for %q", attack)
		}
	}
	for _, row := range rows[3:] {
		cells := strings.Split(row, " | ")
		var source []byte
		tests := 0
		for _, name := range testPattern.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			if !strings.HasPrefix(name[1], "Test") {
				source = sources(t, name[1])
			} else if tests++; !bytes.Contains(source, []byte("\nfunc "+name[1]+"(t *testing.T)")) {
				t.Errorf("%s: there is no %s", cells[0], name[1])
			}
		}
		if tests == 0 {
			t.Errorf("%s: no test", cells[0])
		}
	}
}

// sources are the tests of a package.
func sources(t *testing.T, directory string) (all []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", directory, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", directory, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// Pictures in the documents are there, say what they show, and are small. They are made
// anew by make pictures, and need not be equal to what the pages look like today.
func TestPicturesInTheDocumentsAreThere(t *testing.T) {
	shown := map[string]bool{}
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, "../../README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, picture := range picturePattern.FindAllSubmatch(text, -1) {
			name := filepath.Join(filepath.Dir(document), string(picture[2]))
			shown[filepath.Base(name)] = true
			if len(bytes.TrimSpace(picture[1])) < 10 {
				t.Errorf("%s says nothing of %s", document, picture[2])
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Errorf("%s: %v", document, err)
				continue
			}
			if _, err := png.Decode(bytes.NewReader(data)); err != nil || len(data) >= 100_000 {
				t.Errorf("%s: %d bytes, %v", name, len(data), err)
			}
		}
	}
	for _, name := range pictures {
		if !shown[name+".png"] {
			t.Errorf("no document shows %s.png", name)
		}
	}
}
