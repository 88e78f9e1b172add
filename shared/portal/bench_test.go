package portal

import (
	"net/http"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/state"
)

// issue 5, Speed: under 20 ms of handler time. The tables are in memory here: what is
// measured is ours.
func BenchmarkSetupPage(b *testing.B) {
	s := newSite(b)
	s.counts(&counting{summary: engine.Summary{People: 300, States: map[string]int{"connected": 200, "needs-reauth": 100},
		Causes: map[string]map[string]int{"needs-reauth": {"50173": 60, "700082": 40}}}})
	s.link(state.EntraAdmin, nil)
	who := s.browser()
	path := who.enter(s.link(state.OrgAdmin, nil)).path
	for b.Loop() {
		if a := who.do(http.MethodGet, path, "", nil); a.Status != 200 {
			b.Fatal(a.Status)
		}
	}
}

func BenchmarkConsentPage(b *testing.B) {
	s := newSite(b)
	who := s.browser()
	path := who.enter(s.link(state.EntraAdmin, nil)).path
	for b.Loop() {
		if a := who.do(http.MethodGet, path, "", nil); a.Status != 200 {
			b.Fatal(a.Status)
		}
	}
}

// The bound itself, with room for a busy machine: the best of several.
func TestAPageTakesLessThan20Milliseconds(t *testing.T) {
	s := newSite(t)
	s.link(state.EntraAdmin, nil)
	who := s.browser()
	path := who.enter(s.link(state.OrgAdmin, nil)).path
	best := time.Hour
	for range 10 {
		began := time.Now()
		who.do(http.MethodGet, path, "", nil)
		best = min(best, time.Since(began))
	}
	if best > 20*time.Millisecond {
		t.Errorf("%v", best)
	}
}
