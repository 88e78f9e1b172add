package problem_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/problem"
)

func pointers(body string) (all []string) {
	for _, f := range problem.Twice([]byte(body)) {
		all = append(all, f.Pointer)
	}
	return all
}

func TestMembersThatAreThereTwiceAreFoundAtAnyDepth(t *testing.T) {
	for body, want := range map[string][]string{
		`{}`: nil, `7`: nil, `"a"`: nil, `[]`: nil, `{"a":1,"A":2,"b":{"a":1},"c":[{"a":1},{"a":1}]}`: nil,
		`{"a":1,"a":1}`:                          {"/a"},
		`{"a":1,"\u0061":1,"a":2}`:               {"/a", "/a"},
		`{"a/b":{"x":[1,{"~":0,"~":[]}]}}`:       {"/a~1b/x/1/~0"},
		`{"a":{"b":1,"b":{"c":1,"c":2}},"a":{}}`: {"/a/b", "/a/b/c", "/a"},
		`[{"a":[],"a":{}},[[{"":1,"":2}]]]`:      {"/0/a", "/1/0/0/"},
		// Of what is no JSON, what comes before.
		``: nil, `{"a":1,"a":`: {"/a"}, `{"a"`: nil, `{1:2}`: nil, `[1,`: nil, `{"a":[}`: nil,
	} {
		if got := pointers(body); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if n := len(pointers(`{"a":1` + strings.Repeat(`,"a":1`, 1000) + `}`)); n != 100 {
		t.Errorf("%d are told of", n)
	}
}

func FuzzTwiceReadsAnything(f *testing.F) {
	for _, seed := range []string{`{"a":1,"a":[{"b":{}}]}`, `[[{"x":null,"x":1e9}]]`, `{"`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		all := pointers(body)
		var v any
		if json.Unmarshal([]byte(body), &v) != nil {
			return
		}
		// What was read once keeps one of each: written again, nothing is there twice.
		once, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if again := pointers(string(once)); len(again) != 0 {
			t.Errorf("%s: %q, of %q", once, again, all)
		}
	})
}
