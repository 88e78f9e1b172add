package engine_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/history"
)

// TestMain lets the property test run 2,000 histories unless -rapid.checks says
// otherwise. A failing history prints its seed, and leaves a file in testdata that
// repeats it.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "2000"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestNothingIsLostDoubledOrMangledWhateverIsKilled is the property of
// write-path.md section 7 under every reading of Graph's transaction memory.
func TestNothingIsLostDoubledOrMangledWhateverIsKilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { history.Run(t, history.Draw(t), 120) })
}
