package faults_test

import (
	"testing"

	"github.com/calbridge/calbridge/local/m365/faults"
)

func add(t *testing.T, s *faults.Set, r faults.Rule) int {
	t.Helper()
	id, err := s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestARuleAppliesToWhatItNames(t *testing.T) {
	post := faults.Subject{Method: "POST", Path: "/users/a@b/events", Names: []string{"a@b", "alias@b"}}
	item := post
	item.Item = true
	for name, tt := range map[string]struct {
		rule           faults.Rule
		request, batch bool
	}{
		"everything":    {faults.Rule{}, true, true},
		"its method":    {faults.Rule{Method: "post"}, true, true},
		"other method":  {faults.Rule{Method: "GET"}, false, false},
		"its path":      {faults.Rule{Path: "/events$"}, true, true},
		"other path":    {faults.Rule{Path: "^/events"}, false, false},
		"its mailbox":   {faults.Rule{Mailbox: "Alias@B"}, true, true},
		"other mailbox": {faults.Rule{Mailbox: "c@b"}, false, false},
		"requests only": {faults.Rule{On: faults.Request}, true, false},
		"items only":    {faults.Rule{On: faults.Item}, false, true},
	} {
		s := faults.New(1)
		tt.rule.Effect = faults.Cut
		add(t, s, tt.rule)
		_, request := s.Pick(post)
		_, batch := s.Pick(item)
		if request != tt.request || batch != tt.batch {
			t.Errorf("%s: request %t, item %t", name, request, batch)
		}
	}
}

func TestSkipAndCountBoundARule(t *testing.T) {
	s := faults.New(1)
	add(t, s, faults.Rule{Effect: faults.Cut, Skip: 2, Count: 2})
	second := add(t, s, faults.Rule{Effect: faults.Slow, Count: 1})
	var got []string
	for range 6 {
		r, _ := s.Pick(faults.Subject{})
		got = append(got, r.Effect)
	}
	want := []string{faults.Slow, "", faults.Cut, faults.Cut, "", ""}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("picked %q, want %q", got, want)
		}
	}
	if hits := s.Rules()[0].Hits; hits != 2 {
		t.Errorf("%d hits", hits)
	}
	s.Remove(second)
	if rules := s.Rules(); len(rules) != 1 {
		t.Errorf("%d rules left", len(rules))
	}
	s.Clear()
	if rules := s.Rules(); len(rules) != 0 {
		t.Errorf("%d rules after Clear", len(rules))
	}
}

func TestARateComesFromTheSeed(t *testing.T) {
	run := func(seed uint64) (hits int, history string) {
		s := faults.New(seed)
		add(t, s, faults.Rule{Effect: faults.Cut, Rate: 0.25})
		for range 1000 {
			if _, hit := s.Pick(faults.Subject{}); hit {
				hits++
				history += "x"
			} else {
				history += "."
			}
		}
		return hits, history
	}
	hits, one := run(1)
	if hits < 200 || hits > 300 {
		t.Errorf("%d of 1000 at a rate of a quarter", hits)
	}
	if _, again := run(1); again != one {
		t.Error("the seed does not reproduce")
	}
	if _, other := run(2); other == one {
		t.Error("two seeds agree")
	}
}

func TestAddRefusesWhatMeansNothing(t *testing.T) {
	for name, r := range map[string]faults.Rule{
		"no effect": {}, "other effect": {Effect: "explode"}, "answer without status": {Effect: faults.Answer},
		"answer of success": {Effect: faults.Answer, Status: 200}, "rate": {Effect: faults.Cut, Rate: 2}, "count": {Effect: faults.Cut, Count: -1},
		"path": {Effect: faults.Cut, Path: "("}, "body": {Effect: faults.Cut, Body: "song"}, "place": {Effect: faults.Cut, On: "moon"},
	} {
		if _, err := faults.New(1).Add(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
