package handlers

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
)

// blocks are the fenced blocks of a language in a document.
func blocks(t *testing.T, path, language string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		out = append(out, m[1])
	}
	return out
}

func TestTheRedrivesOfTheDocumentsAreAccepted(t *testing.T) {
	order := regexp.MustCompile(`operator/redrive [^']*'[^']*' *\\\s*-d '([^']*)'`)
	kinds := map[string]bool{}
	for _, path := range []string{"../docs/http-api.md", "../docs/operate.md"} {
		commands := strings.Join(blocks(t, path, "sh"), "\n")
		found := order.FindAllStringSubmatch(commands, -1)
		if n := strings.Count(commands, "operator/redrive "); n == 0 || len(found) != n {
			t.Errorf("%s: %d of %d redrives could be read", path, len(found), n)
		}
		for _, m := range found {
			o, faults := decodeRedrive([]byte(m[1]))
			if len(faults) > 0 {
				t.Errorf("%s: %s: %+v", path, m[1], faults)
			}
			kinds[o.Kind] = true
		}
	}
	if len(kinds) != len(redriveKinds()) {
		t.Errorf("shown are %v, want every kind", kinds)
	}
}

// Answers in the documents have no member that the program does not give.
func TestTheAnswersOfTheDocumentsAreOurs(t *testing.T) {
	seen := map[string]bool{}
	for _, block := range blocks(t, "../docs/http-api.md", "json") {
		var to any
		switch {
		case strings.Contains(block, `"ledger"`):
			to, seen["ledger"] = &engine.Status{}, true
		case strings.Contains(block, `"urn:calbridge:problem:scope-missing"`):
			to, seen["scope-missing"] = &document{}, true
		case strings.Contains(block, `"lapses"`):
			to, seen["connection"] = &engine.ConnectionPage{}, true
		case strings.Contains(block, `"messageId"`) && strings.Contains(block, `"faults"`):
			to, seen["rejected"] = &engine.Lying{}, true
		case strings.Contains(block, `"messageId"`):
			to, seen["dead letters"] = &engine.Lying{}, true
		default:
			continue
		}
		d := json.NewDecoder(bytes.NewReader([]byte(block)))
		d.DisallowUnknownFields()
		if err := d.Decode(to); err != nil {
			t.Errorf("%v in %s", err, block)
		}
	}
	if len(seen) != 5 {
		t.Errorf("shown are %v, want ledger, rejected, dead letters, connection and scope-missing", seen)
	}
}
