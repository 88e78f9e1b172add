package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/reason"
)

// decided is what the classifiers say of a row's answer, or of one like it where
// the row takes any.
func decided(c graph.Code, status int, name string) *graph.Error {
	if c.Source == graph.FromGraph {
		return graph.Classify(status, name, nil)
	}
	var numbers []int
	if c.AADSTS != 0 {
		numbers = []int{c.AADSTS}
	}
	return graph.ClassifyToken(name, numbers, status)
}

func TestEveryRowOfTheCodesIsWhatTheClassifierDecides(t *testing.T) {
	for _, c := range graph.Codes() {
		status, name := c.Status, c.Name
		if status == 0 {
			status = 400
			if c.Source == graph.FromGraph && name == "*" {
				status = 500
			}
		}
		if name == "*" {
			name = "SomethingNew"
		}
		what := fmt.Sprintf("%s %d %s %d", c.Source, c.Status, c.Name, c.AADSTS)
		t.Run(what, func(t *testing.T) {
			e := decided(c, status, name)
			if e.Kind != c.Kind || e.Reason != c.Reason {
				t.Errorf("the list says %s/%q, the classifier %s/%q", c.Kind, c.Reason, e.Kind, e.Reason)
			}
			if c.Sentence == "" || c.Owner == "" || c.Next == "" || !strings.HasSuffix(c.Sentence, ".") || !strings.HasSuffix(c.Next, ".") {
				t.Errorf("no words: %+v", c.Words)
			}
			if known, ok := reason.Find(c.Reason); c.Reason != "" && (!ok || known.Words != c.Words || !known.May(reason.ICS)) {
				t.Errorf("the words are not those of the reason %q", c.Reason)
			}
			if c.AADSTS != 0 {
				if got := graph.FindCode(c.Source, status, name, 1, c.AADSTS); got != c {
					t.Errorf("found %+v", got)
				}
			} else if got := graph.FindCode(c.Source, status, name); got != c {
				t.Errorf("found %+v", got)
			}
		})
	}
}

// Whatever comes, the row that is found says what the classifier decides, and has
// words: also for codes that nobody has seen yet.
func TestEveryAnswerHasARow(t *testing.T) {
	names := map[graph.Source][]string{}
	var numbers []int
	for _, c := range graph.Codes() {
		if c.Name != "*" {
			names[c.Source] = append(names[c.Source], c.Name, strings.ToUpper(c.Name[:1])+c.Name[1:])
		}
		if c.AADSTS != 0 {
			numbers = append(numbers, c.AADSTS)
		}
	}
	statuses := []int{0, 302, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 418, 422, 424, 429, 500, 501, 502, 503, 504, 507, 509}
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom(statuses).Draw(t, "status")
		name := rapid.OneOf(rapid.SampledFrom(names[graph.FromGraph]), rapid.StringMatching(`[A-Z][a-z]{3,9}`)).Draw(t, "code")
		c, e := graph.FindCode(graph.FromGraph, status, name), graph.Classify(status, name, nil)
		if c.Kind != e.Kind || c.Reason != e.Reason || c.Sentence == "" {
			t.Fatalf("graph %d %s: the row says %s/%q, the classifier %s/%q", status, name, c.Kind, c.Reason, e.Kind, e.Reason)
		}
	})
	for _, n := range append(numbers, 0, 1) {
		if c := graph.FindCode(graph.FromEntra, 400, "new_error", n); c.Sentence == "" {
			t.Errorf("AADSTS%d has no row", n)
		}
	}
	for status, kind := range map[int]graph.Kind{429: graph.Throttled, 503: graph.Transient, 400: graph.Unauthorised} {
		if c := graph.FindCode(graph.FromEntra, status, "new_error"); c.Kind != kind || c.Kind != graph.ClassifyToken("new_error", nil, status).Kind {
			t.Errorf("entra %d: %s", status, c.Kind)
		}
	}
}

func TestNoCodeIsListedTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range graph.Codes() {
		k := fmt.Sprintf("%s %d %s %d", c.Source, c.Status, strings.ToLower(c.Name), c.AADSTS)
		if c.AADSTS != 0 {
			k = fmt.Sprint(c.AADSTS)
		}
		if seen[k] {
			t.Errorf("%s twice", k)
		}
		seen[k] = true
	}
}

// Pages show these sentences to people who know the booking product and nothing else.
func TestTheWordsOfCodesNameNoProductThatPeopleDoNotKnow(t *testing.T) {
	for _, c := range graph.Codes() {
		if strings.Contains(c.Sentence+c.Next, "Calbridge") {
			t.Errorf("%s %d: %s %s", c.Name, c.AADSTS, c.Sentence, c.Next)
		}
	}
}
