package bindings

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// rule is one of the contract's.
type rule struct {
	section, says string
	// faults are what breaks it.
	faults func(all tree) []string
	// bad are examples that break it.
	bad map[string]change
}

func rules(t *testing.T) []rule {
	var all []rule
	for _, some := range [][]rule{folderRules(), bindingRules(), routeRules(), queueRules(), timerRules(), hostRules(), schemaRules(t)} {
		all = append(all, some...)
	}
	return all
}

func TestTheFilesKeepEveryRule(t *testing.T) {
	files := load(t)
	for _, r := range rules(t) {
		for _, fault := range r.faults(files) {
			t.Errorf("%s, %s: %s", r.section, r.says, fault)
		}
	}
}

func TestEveryRuleRefusesItsExamples(t *testing.T) {
	files := load(t)
	examples := 0
	for _, r := range rules(t) {
		if len(r.bad) == 0 {
			t.Errorf("%s, %s: no example breaks it", r.section, r.says)
		}
		for name, change := range r.bad {
			examples++
			broken := files.clone()
			change(broken)
			if len(r.faults(broken)) == 0 {
				t.Errorf("%s, %s: lets pass: %s", r.section, r.says, name)
			}
		}
	}
	t.Logf("%d rules, %d examples", len(rules(t)), examples)
}

// An example that changed nothing, or not a copy, would prove nothing.
func TestExamplesChangeACopy(t *testing.T) {
	files := load(t)
	before := files.clone()
	for _, r := range rules(t) {
		for name, change := range r.bad {
			broken := files.clone()
			change(broken)
			if reflect.DeepEqual(broken, before) {
				t.Errorf("%s: %s changes nothing", r.says, name)
			}
			if !reflect.DeepEqual(files, before) {
				t.Fatalf("%s: %s changes the files themselves", r.says, name)
			}
		}
	}
}

// faults collects what is wrong.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// isDeadLetter cuts the name of the queue out of that of its dead-letter queue.
func isDeadLetter(queue string) (string, bool) { return strings.CutSuffix(queue, "/$deadletterqueue") }
