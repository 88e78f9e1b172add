package stack_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/stack"
)

func TestAMalformedSettingEndsTheStart(t *testing.T) {
	settings, err := stack.ReadSettings("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	junk := func(name string) (string, bool) { return "junk", name == "SERVICEBUS" }
	_, err = stack.Start(t.Context(), stack.Options{App: t.TempDir(), Settings: settings, Environment: junk,
		Override: map[string]string{}})
	if err == nil || !strings.Contains(err.Error(), "SERVICEBUS must be a connection string") {
		t.Errorf("got %v", err)
	}
}
