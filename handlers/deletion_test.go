package handlers

import (
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/shared/engine"
)

func TestAnIDThatIsBeingClearedAwayIsNotUsedAgainYet(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.clearing = fmt.Errorf("of acme: %w", engine.ErrClearing)
	r := w.put("acme", `{"profile":"travel"}`)
	w.problem(r, 503, "unavailable")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.problem(w.web("GET", "/api/organizations/acme", "", ""), 404, "not-found")
	w.clearing = nil
	object(t, w.put("acme", `{"profile":"travel"}`), 201)
	w.clearing = engine.ErrClearing // is asked of new ones only
	object(t, w.put("acme", `{"profile":"training"}`), 200)
}
