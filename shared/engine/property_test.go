package engine_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/history"
)

// TestMain lets the property test run 2,000 histories, with -short 200, unless
// -rapid.checks says otherwise. A failing history prints its seed, and leaves a
// file in testdata that repeats it.
func TestMain(m *testing.M) {
	flag.Parse()
	checks := "2000"
	if testing.Short() {
		checks = "200"
	}
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		checks = flag.Lookup("rapid.checks").Value.String()
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestNothingIsLostDoubledOrMangledWhateverIsKilled is the property of
// write-path.md section 7 under every reading of Graph's transaction memory, for
// organisations of both permissions.
func TestNothingIsLostDoubledOrMangledWhateverIsKilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if rapid.Bool().Draw(t, "people sign in") {
			history.Run(t, history.DrawDelegated(t), 120)
			return
		}
		history.Run(t, history.Draw(t), 120)
	})
}
