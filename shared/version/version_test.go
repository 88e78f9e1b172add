package version

import (
	"errors"
	"testing"
)

func TestABuildReadsItsOwnVersionAndTheOneBefore(t *testing.T) {
	for _, test := range []struct {
		own     Version
		written int64
		reads   bool
	}{
		{1, 1, true}, {1, 0, true}, {1, 2, false}, {1, -1, false},
		{2, 2, true}, {2, 1, true}, {2, 0, true}, {2, 3, false},
		{3, 3, true}, {3, 2, true}, {3, 1, false}, {3, 0, false}, {3, 1 << 40, false}, {3, -1 << 40, false},
	} {
		err := test.own.Check("a row", test.written)
		if unreadable := (*Error)(nil); (err == nil) != test.reads || err != nil && !errors.As(err, &unreadable) {
			t.Errorf("version %d meets %d: %v", test.own, test.written, err)
		}
	}
}
